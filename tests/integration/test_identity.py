"""Who is who: processes keep their identity over reused numbers, programs and threads."""
import os
import subprocess
import sys
import uuid

from test_sensor import (  # noqa: F401
    everything, needs_ebpf, our_name, python, receiver, rules, sensors, traced, wait_for)

# Two lives of one number: the first is a true, the second a sleep. Prints the number.
REUSE = """
import os, sys
for _ in range(2000):
    first = os.posix_spawn("/bin/true", ["true", sys.argv[1]], os.environ)
    os.waitpid(first, 0)
    with open("/proc/sys/kernel/ns_last_pid", "w") as last:
        last.write(str(first - 1))
    second = os.fork()
    if second == 0:
        if os.getpid() == first:
            os.execv("/bin/sleep", ["sleep", "0.0" + sys.argv[1]])
        os._exit(0)
    os.waitpid(second, 0)
    if second == first:
        print(first)
        break
"""


def test_two_lives_of_one_number_are_never_mixed(everything):  # noqa: F811
    tag = str(uuid.uuid4().int)[:9]
    pid = int(subprocess.run([sys.executable, "-c", REUSE, tag], check=True, capture_output=True).stdout)
    wait_for(lambda: everything.find(evt__type="procexit", proc__pid=pid, proc__name="sleep"))
    events = [event["fields"] for event in everything.find(proc__pid=pid)]
    lives = {}
    for fields in events:
        lives.setdefault(fields["proc.uid"], set()).add((fields["proc.name"], fields.get("proc.cmdline")))
    names = {name for life in lives.values() for name, _ in life}
    assert {"true", "sleep"} <= names
    for life in lives.values():
        assert len(life) == 1, "one program in one process"
    starts = {fields["proc.pid.ts"] for fields in events}
    assert len(starts) == 2


def test_a_process_has_one_identity_for_each_program_it_runs(everything):  # noqa: F811
    tag = f"id-{uuid.uuid4().hex[:8]}"
    subprocess.run(["sh", "-c", f"mkdir /nonexistent-{tag}/a; exec sh -c 'mkdir /nonexistent-{tag}/b; true'"],
                   check=True, stderr=subprocess.DEVNULL)
    made = wait_for(lambda: len(everything.find(evt__type="mkdir", evt__arg__path=lambda have: have and tag in have)) == 2
                    and everything.find(evt__type="mkdir", evt__arg__path=lambda have: have and tag in have))
    first, second = [event["fields"] for event in made]
    shell = first["proc.ppid"]
    assert shell == second["proc.ppid"] and first["proc.puid"] != second["proc.puid"]
    execs = wait_for(lambda: len(everything.find(evt__type="execve", proc__pid=shell, evt__rawres=0)) == 2 and
                     everything.find(evt__type="execve", proc__pid=shell, evt__rawres=0))
    assert [event["fields"]["proc.uid"] for event in execs] == [first["proc.puid"], second["proc.puid"]]
    child = everything.find(evt__type="execve", proc__pid=first["proc.pid"], evt__rawres=0)[0]["fields"]
    assert child["proc.uid"] == first["proc.uid"]


def test_under_ptrace_processes_have_identities_too(traced):  # noqa: F811
    receiver, _, _ = traced("sh", "-c", "env true; sh -c 'env true; true'; true")  # noqa: F811
    execs = [event["fields"] for event in receiver.find(evt__type="execve", evt__res="SUCCESS")]
    assert len(execs) >= 6
    uids = [fields["proc.uid"] for fields in execs]
    assert len(set(uids)) == len(uids)
