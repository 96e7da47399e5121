"""Processes that want to confuse the sensor: it stays alive and small, and events are right or marked."""
import os
import subprocess
import sys
import time

from test_sensor import (  # noqa: F401
    everything, needs_ebpf, our_name, python, receiver, rules, sensors, wait_for)


def run(code, *arguments, **more):
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, check=True, **more)


def only(found):
    assert len(found) == 1
    return found[0]["fields"]


def test_a_fork_bomb_is_accounted_for_and_leaves_nothing(receiver, sensors, rules):  # noqa: F811
    sensor = sensors(receiver.port, "--rules", rules)
    # Three generations of fourteen, of which each parent waits for its own: 2954 processes.
    run("import os\ndef bomb(depth):\n for _ in range(14):\n  if os.fork() == 0:\n"
        "   if depth > 1: bomb(depth - 1)\n   os._exit(0)\n for _ in range(14): os.wait()\nbomb(3)")
    with open(f"/proc/{sensor.process.pid}/statm") as statm:
        resident = int(statm.read().split()[1]) * 4096
    assert sensor.stop() == 0
    stats = receiver.heartbeats[-1]["stats"]
    assert stats["seen"] == stats["filtered"] + stats["emitted"] + sum(stats["lost"].values())
    assert stats["lost"]["process"] == 0 and stats["seen"] >= 2 * 2954
    assert stats["table"]["processes"] < 1500 and stats["table"]["evicted"] == 0
    assert resident < 400 << 20  # a sanitized build


def test_an_exec_by_another_thread_is_the_processs(everything):  # noqa: F811
    done = run("import os, sys, threading, time\nprint(os.getpid(), flush=True)\n"
               "threading.Thread(target=lambda: os.execv('/bin/true', ['true', 'threaded'])).start()\ntime.sleep(9)")
    pid = int(done.stdout)
    fields = only(wait_for(lambda: everything.find(evt__type="execve", proc__args="threaded")))
    assert fields["proc.pid"] == fields["thread.tid"] == pid and fields["proc.exepath"].endswith("/true")
    ended = only(wait_for(lambda: everything.find(evt__type="procexit", proc__pid=pid)))
    assert ended["proc.uid"] == fields["proc.uid"] and ended["proc.cmdline"] == "true threaded"


def test_a_vforked_child_is_not_its_parent(everything):  # noqa: F811
    run("import subprocess\nsubprocess.run(['true', 'vforked'], close_fds=False)")
    fields = only(wait_for(lambda: everything.find(evt__type="execve", proc__args="vforked", evt__rawres=0)))
    assert fields["proc.pid"] != fields["proc.ppid"] and fields["proc.pname"].startswith("python")


def test_a_deleted_program_keeps_its_path(everything, tmp_path):  # noqa: F811
    run("import os, shutil, sys, subprocess\nshutil.copy('/bin/sh', sys.argv[1])\n"
        "p = subprocess.Popen([sys.argv[1], '-c', 'read x; mkdir /nonexistent-deleted/x; true'], "
        "stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)\n"
        "os.unlink(sys.argv[1])\np.communicate(b'go\\n')", str(tmp_path / "gone"))
    fields = only(wait_for(lambda: everything.find(evt__type="mkdir", evt__arg__path="/nonexistent-deleted/x")))
    assert fields["proc.pexepath"] == str(tmp_path / "gone")


def test_names_of_control_characters_and_no_characters_survive(everything, tmp_path):  # noqa: F811
    name = b"\x1b[2J\n\xff\xfe\x01"
    python(f"import ctypes, os\nctypes.CDLL(None).prctl(15, {name!r}, 0, 0, 0)\n"
           f"os.mkdir(os.fsencode({str(tmp_path)!r}) + b'/' + {name!r})")
    fields = only(wait_for(lambda: everything.find(evt__type="mkdir", proc__name=lambda have: have and "[2J" in have)))
    assert fields["proc.name"].startswith("\x1b[2J\n") and "\x1b[2J\n" in fields["evt.arg.path"]


def test_namespaces_inside_namespaces_have_both_numbers(everything):  # noqa: F811
    subprocess.run(["unshare", "--pid", "--fork", "unshare", "--pid", "--fork", "--mount-proc",
                    "sh", "-c", "true nested; mkdir /nonexistent-nested/x; true"], check=True, stderr=subprocess.DEVNULL)
    fields = only(wait_for(lambda: everything.find(evt__type="mkdir", evt__arg__path="/nonexistent-nested/x")))
    assert fields["proc.vpid"] < 10 < fields["proc.pid"] and fields["proc.pname"] == "sh"
    assert fields["proc.aname[2]"] == fields["proc.aname[3]"] == "unshare"


def test_processes_that_vanish_at_once_are_never_taken_for_others(everything):  # noqa: F811
    run("import subprocess\nfor n in range(200): subprocess.Popen(['true', f'gone-{n}'])\n")
    time.sleep(0.5)
    found = wait_for(lambda: len(everything.find(evt__type="execve", evt__rawres=0, proc__name="true")) >= 200 and
                     everything.find(evt__type="execve", evt__rawres=0, proc__name="true"))
    seen = [event["fields"] for event in found if event["fields"]["proc.args"].startswith("gone-")]
    assert {fields["proc.args"] for fields in seen} == {f"gone-{n}" for n in range(200)}
    assert len({fields["proc.uid"] for fields in seen}) == 200
    assert all(fields["proc.pname"] is None or fields["proc.pname"].startswith("python") for fields in seen)
    ends = [event["fields"] for event in everything.find(evt__type="procexit", proc__name="true")]
    by_uid = {fields["proc.uid"]: fields["proc.args"] for fields in seen}
    assert all(by_uid.get(end["proc.uid"], end["proc.args"]) == end["proc.args"] for end in ends)
