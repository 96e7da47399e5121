"""A command under user notification: what is true of its events when it does all it can to be hard to watch."""
import collections
import os
import re
import shutil
import subprocess

import pytest

from test_sensor import receiver, sensors, traced  # noqa: F401

READS_SHADOW = """- rule: Shadow
  desc: d
  priority: INFO
  output: o
  condition: evt.type in (open, openat, openat2) and fd.name = /etc/shadow
"""

REWRITER = """
import ctypes, os, threading
libc = ctypes.CDLL(None)
names = [b"/etc/hosts\\0", b"/etc/shadow\\0", b"/etc/passwd\\0"]
buf = ctypes.create_string_buffer(names[0], 32)
stop = False
def flip():
    i = 0
    while not stop:
        i += 1
        ctypes.memmove(buf, names[i % 3], len(names[i % 3]))
thread = threading.Thread(target=flip)
thread.start()
for i in range(200):
    fd = libc.open(buf, 0)
    if fd >= 0:
        print("opened", os.readlink(f"/proc/self/fd/{fd}"))
        os.close(fd)
stop = True
thread.join()
"""


def opened(output):
    names = re.findall(rb"^opened (.*)$", output, re.M)
    return collections.Counter(name.decode() for name in names)


def told(receiver, name):  # noqa: F811
    return [event["fields"] for event in receiver.find(fd__name=name) if event["fields"]["evt.type"].startswith("open")]


def account(receiver):  # noqa: F811
    stats = receiver.heartbeats[-1]["stats"]
    assert stats["seen"] == stats["filtered"] + stats["emitted"] + sum(stats["lost"].values())
    return stats


def test_what_is_told_is_what_was_opened_whoever_rewrites_the_name(traced):  # noqa: F811
    receiver, status, sensor = traced("/usr/bin/python3", "-c", REWRITER)  # noqa: F811
    really = opened(sensor.process.stdout.read())
    assert status == 0 and sum(really.values()) > 50
    for name in ("/etc/hosts", "/etc/shadow", "/etc/passwd"):
        python = [fields for fields in told(receiver, name) if fields["thread.tid"] == fields["proc.pid"] and
                  fields["evt.arg.flags"] == "O_RDONLY"]
        assert len(python) == really[name], name


def test_who_rewrites_names_is_noticed(receiver, sensors, tmp_path):  # noqa: F811
    """As often as the file was opened, and perhaps more often: what was asked for by its name is told by that."""
    (tmp_path / "rules.yaml").write_text(READS_SHADOW)
    sensor = sensors(receiver.port, "--rules", str(tmp_path / "rules.yaml"), command=("/usr/bin/python3", "-c", REWRITER))
    assert sensor.process.wait(60) == 0
    really = opened(sensor.process.stdout.read())
    assert len(told(receiver, "/etc/shadow")) >= really["/etc/shadow"]
    assert "as \"Shadow\" asks" in sensor.text()


def test_rules_without_reads_leave_reads_alone(receiver, sensors, tmp_path):  # noqa: F811
    (tmp_path / "rules.yaml").write_text(READS_SHADOW.replace("fd.name = /etc/shadow", "evt.is_open_write = true and fd.directory = /nonexistent"))
    sensor = sensors(receiver.port, "--rules", str(tmp_path / "rules.yaml"), command=("sh", "-c", "cat /etc/hosts >/dev/null"))
    assert sensor.process.wait(60) == 0
    assert "filter: light" in sensor.text()
    assert receiver.heartbeats[-1]["stats"]["seen"] < 20


BLOCKING = """
import os, socket, struct, threading, time
def later(what):
    threading.Thread(target=lambda: (time.sleep(0.2), what())).start()
server = socket.create_server(("127.0.0.1", 0))
later(lambda: socket.create_connection(server.getsockname()).close())
server.accept()[0].close()
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("127.0.0.1", 0))
later(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", udp.getsockname()))
assert udp.recvfrom(10)[0] == b"x"
udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 200000))
try:
    udp.recvfrom(10)
except BlockingIOError:
    print("timed out")
os.mkfifo("fifo")
later(lambda: open("fifo", "w").close())
open("fifo").close()
"""


def test_calls_that_wait_end_as_they_would_and_their_results_are_known(traced, tmp_path):  # noqa: F811
    receiver, status, sensor = traced("sh", "-c", f"cd {tmp_path} && exec /usr/bin/python3 -c '{BLOCKING}'")  # noqa: F811
    assert status == 0, sensor.text()
    assert sensor.process.stdout.read() == b"timed out\n"
    assert receiver.find(evt__type="accept4", evt__res="SUCCESS", fd__sip="127.0.0.1")
    assert receiver.find(evt__type="recvfrom", evt__rawres=1, fd__l4proto="udp")
    assert receiver.find(fd__nameraw="fifo", evt__is_open_read=True, evt__res="SUCCESS")
    account(receiver)


HARD = """
import os, random, signal, subprocess, threading, time
random.seed(1)
end = time.time() + 1
def opens():
    while time.time() < end:
        for name in ("/etc/shadow", "/nonexistent"):
            try: open(name).close()
            except OSError: pass
def spawns():
    while time.time() < end:
        child = subprocess.Popen(["sh", "-c", "cat /etc/hosts >/dev/null; (true & ); exec true"])
        if random.random() < 0.5:
            time.sleep(random.random() * 0.003)
            child.kill()
        child.wait()
def execs_in_threads():
    while time.time() < end:
        pid = os.fork()
        if pid == 0:
            for _ in range(3): threading.Thread(target=opens, daemon=True).start()
            threading.Thread(target=lambda: os.execv("/bin/true", ["true"])).start()
            time.sleep(5)
            os._exit(1)
        if random.random() < 0.5:
            time.sleep(0.003)
            os.kill(pid, random.choice([signal.SIGKILL, signal.SIGSTOP]))
            os.kill(pid, signal.SIGCONT)
        os.waitpid(pid, 0)
threads = [threading.Thread(target=what) for what in (opens, spawns, execs_in_threads)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_who_dies_stops_and_execs_in_the_middle_hangs_nothing_and_everything_is_accounted_for(traced):  # noqa: F811
    receiver, status, _ = traced("/usr/bin/python3", "-c", HARD)  # noqa: F811
    assert status == 0
    assert receiver.find(evt__type="execve", proc__name="true", evt__res="SUCCESS")
    account(receiver)


@pytest.mark.skipif(shutil.which("strace") is None, reason="skipped, because there is no strace")
def test_a_tracer_within_works_and_what_it_traces_is_seen(traced, tmp_path):  # noqa: F811
    receiver, status, _ = traced("strace", "-f", "-o", str(tmp_path / "log"), "sh", "-c", "cat /etc/shadow >/dev/null; sleep 0.1; exit 5")  # noqa: F811
    assert status == 5
    assert "shadow" in (tmp_path / "log").read_text()
    assert receiver.find(evt__type="ptrace", proc__name="strace")
    shadow = told(receiver, "/etc/shadow")
    assert shadow and shadow[0]["proc.name"] == "cat" and shadow[0]["evt.res"] == "SUCCESS"


def test_a_filter_and_a_listener_of_its_own(traced, tmp_path):  # noqa: F811
    source = tmp_path / "own.c"
    source.write_text("""
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = { 1, &allow };
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program) >= 0 || errno != EBUSY)
		return 1;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
		return 2;
	return access("/nonexistent", 0) == 0 || unlink("/nonexistent") == 0 ? 3 : 0;
}
""")
    subprocess.run(["cc", "-o", str(tmp_path / "own"), str(source)], check=True)
    receiver, status, _ = traced(str(tmp_path / "own"))  # noqa: F811
    assert status == 0
    assert receiver.find(evt__type="seccomp", evt__res="EBUSY") and receiver.find(evt__type="seccomp", evt__res="SUCCESS")
    assert receiver.find(evt__type="unlink", evt__res="ENOENT", evt__arg__path="/nonexistent")


SECRET = """
import ctypes, os
libc = ctypes.CDLL(None)
libc.prctl(4, 0, 0, 0, 0)
open("/etc/hosts").close()
"""


def test_without_privileges_what_can_be_known_is_told(traced, tmp_path):  # noqa: F811
    """no_new_privs is set, and of a process that keeps its memory to itself the calls are told without names."""
    os.chmod(tmp_path, 0o777)
    for folder in tmp_path.parents:
        if str(folder).startswith("/tmp/"):
            os.chmod(folder, 0o755)
    user = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
    receiver, status, sensor = traced("sh", "-c", f"grep NoNewPrivs /proc/self/status; /usr/bin/python3 -c '{SECRET}'", prefix=user)  # noqa: F811
    assert status == 0, sensor.text()
    assert b"NoNewPrivs:\t1" in sensor.process.stdout.read()
    assert receiver.find(evt__type="prctl", evt__res="SUCCESS")
    unknown = [event for event in receiver.find(evt__type="openat", proc__name="python3") if "evt.res" not in event["fields"]]
    assert unknown, "the open of who is not dumpable"
    account(receiver)


def test_a_set_user_id_program_gains_what_it_would(traced, tmp_path):  # noqa: F811
    shutil.copy("/usr/bin/id", tmp_path / "id")
    os.chmod(tmp_path / "id", 0o4755)
    for folder in [tmp_path, *tmp_path.parents]:
        if str(folder).startswith("/tmp/"):
            os.chmod(folder, 0o755)
    receiver, status, sensor = traced("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", str(tmp_path / "id"), "-u")  # noqa: F811
    assert status == 0 and sensor.process.stdout.read() == b"0\n"
    assert receiver.find(evt__type="execve", proc__exepath=str(tmp_path / "id"))
