"""tocsin-sensor attach: processes that run already are seen from then on, and do not notice: neither the beginning, nor
the end, nor the sensor's death."""
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid

import pytest

from test_sensor import BUILD, INT80, SENSOR, cgroup_root, receiver, sensors, wait_for  # noqa: F401

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="skipped, because CAP_SYS_PTRACE is not held")
BLOCKED = os.path.join(BUILD, "tests", "tools", "blocked")
RULES = """
- rule: All
  desc: What is looked at here.
  condition: evt.type in (open, openat, execve, connect, mkdir, dup2, procexit, clone, fork, vfork, clone3)
  output: "%evt.type %proc.cmdline"
  priority: NOTICE
"""


@pytest.fixture
def rules(tmp_path):
    (tmp_path / "rules.yaml").write_text(RULES)
    return str(tmp_path / "rules.yaml")


@pytest.fixture
def attached(receiver, sensors, rules):  # noqa: F811
    """Attaches a sensor: gives the receiver and the sensor."""
    def attach(*whom, **more):
        return receiver, sensors(receiver.port, *map(str, whom), "--rules", rules, word="attach", **more)
    return attach


@contextlib.contextmanager
def running(*command, **more):
    """A process in a group of its own, with a pipe for its input and output."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True, **more)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.stdin.close()
        process.stdout.close()
        process.wait()


def python(code):
    return running(sys.executable, "-u", "-c", code)


def say(process, line=""):
    process.stdin.write(line + "\n")
    process.stdin.flush()


def heard(process):
    return process.stdout.readline().strip()


def status(pid, key):
    """Of each of its threads."""
    found = []
    for tid in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{pid}/task/{tid}/status") as file:
            found.append(re.search(rf"^{key}:\s*(\S+)", file.read(), re.M).group(1))
    return found


def is_traced(pid):
    return all(tracer != "0" for tracer in status(pid, "TracerPid"))


def is_free(pid):
    return all(tracer == "0" for tracer in status(pid, "TracerPid"))


ENDINGS = [signal.SIGTERM, signal.SIGINT, signal.SIGKILL]


def end(sensor, number):
    assert sensor.stop(number) == (-number if number == signal.SIGKILL else 0), sensor.text()


LOOP = """
import os, sys, threading, time
def work():
    while True:
        os.close(os.open("/etc/hostname", os.O_RDONLY)); time.sleep(0.01)
threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]
for thread in threads: thread.start()
print("ready")
for line in sys.stdin:
    try: os.mkdir(line.strip())
    except OSError: pass
    print("made")
"""


@pytest.mark.parametrize("number", ENDINGS, ids=lambda number: number.name)
def test_all_threads_are_seen_and_go_on_when_the_sensor_ends(attached, number):
    with python(LOOP) as process:
        heard(process)
        found, sensor = attached(process.pid)
        assert "is stopped twice" in sensor.text()
        wait_for(lambda: is_traced(process.pid))
        assert len(status(process.pid, "State")) == 5
        say(process, "/nonexistent-attach/x")
        heard(process)
        fields = wait_for(lambda: found.find(evt__type="mkdir"))[0]["fields"]
        assert fields["proc.pid"] == process.pid and fields["evt.res"] == "ENOENT" and fields["proc.exepath"] == os.path.realpath(sys.executable)
        wait_for(lambda: len({e["fields"]["thread.tid"] for e in found.find(fd__name="/etc/hostname")}) == 4)
        end(sensor, number)
        wait_for(lambda: is_free(process.pid))
        assert "T" not in status(process.pid, "State") and "t" not in status(process.pid, "State")
        say(process, "/nonexistent-attach/y")
        assert heard(process) == "made"
        assert not found.find(evt__type="mkdir", evt__arg__path="/nonexistent-attach/y")


def test_an_attached_process_is_followed_through_forks_execs_and_its_end(attached):
    script = "read go; for n in 1 2 3; do (cat /etc/hostname >/dev/null); done; /bin/true last; exit 7"
    with running("sh", "-c", script) as shell:
        found, sensor = attached(shell.pid)
        say(shell)
        assert shell.wait(10) == 7
        assert sensor.process.wait(20) == 0, "nobody is left: the sensor ends"
        assert len(found.find(evt__type="execve", proc__name="cat")) == 3
        assert len(found.find(fd__name="/etc/hostname", proc__name="cat", proc__pname="sh")) == 3
        last = found.find(evt__type="execve", proc__args="last")[0]["fields"]
        assert last["proc.ppid"] == shell.pid and last["proc.pname"] == "sh"
        [gone] = found.find(evt__type="procexit", proc__pid=shell.pid)
        assert gone["fields"]["proc.name"] == "sh"
        assert len(found.find(evt__type="procexit")) >= 5


def test_descendants_that_run_already_are_attached_to_unless_that_is_not_wanted(attached):
    with running("sh", "-c", "exec 3<&0; (read go <&3; mkdir /nonexistent-attach/child) & sleep 100 & echo $!; wait") as shell:
        sleeper = int(heard(shell))
        found, sensor = attached(shell.pid)
        wait_for(lambda: is_traced(sleeper) and is_traced(shell.pid))
        say(shell)
        wait_for(lambda: found.find(evt__type="mkdir", evt__arg__path="/nonexistent-attach/child"))
        sensor.stop()
        wait_for(lambda: is_free(sleeper) and is_free(shell.pid))
        attached("--no-follow", shell.pid, spool="other")
        wait_for(lambda: is_traced(shell.pid))
        assert is_free(sleeper)


def test_with_no_follow_threads_are_seen_and_children_run_free(attached):
    code = """
import os, threading, subprocess
input()
thread = threading.Thread(target=lambda: os.path.exists("/") and os.close(os.open("/etc/hostname", 0))); thread.start(); thread.join()
child = subprocess.Popen(["sh", "-c", "cat /etc/os-release; sleep 100"], stdout=subprocess.PIPE); child.stdout.read(1)
print(child.pid); input(); child.kill()
"""
    with python(code) as process:
        found, _ = attached("--no-follow", process.pid)
        say(process)
        child = int(heard(process))
        assert is_free(child) and is_traced(process.pid)
        assert wait_for(lambda: found.find(fd__name="/etc/hostname"))
        assert not found.find(proc__name="cat") and not found.find(proc__name="sh")
        say(process)


@pytest.mark.parametrize("number", ENDINGS, ids=lambda number: number.name)
def test_a_call_that_waits_goes_on_waiting(attached, number):
    """Also those that end with EINTR whenever a thread is interrupted."""
    with running(BLOCKED) as process:
        heard(process)
        _, sensor = attached(process.pid)
        wait_for(lambda: is_traced(process.pid))
        end(sensor, number)
        wait_for(lambda: is_free(process.pid))
        assert set(status(process.pid, "State")) == {"S"}
        say(process)
        assert process.wait(20) == 0, process.stdout.read()


@pytest.mark.parametrize("signals", ["SIGWINCH SIGCHLD SIGURG SIGCONT", "SIGSTOP SIGCONT SIGWINCH"])
def test_signals_break_off_what_they_would_break_off_anyway(attached, signals):
    def ends(pid_of):
        with running(BLOCKED) as process:
            heard(process)
            pid_of(process.pid)
            for name in signals.split():
                os.kill(process.pid, getattr(signal, name))
                time.sleep(0.05)
            say(process)
            process.wait(20)
            return sorted(process.stdout.read().split("\n"))

    def attach(pid):
        attached(pid)
        wait_for(lambda: is_traced(pid) and set(status(pid, "State")) == {"S"})

    natural = ends(lambda pid: time.sleep(0.2))
    assert ends(attach) == natural
    assert (natural == [""]) == ("STOP" not in signals)


def stopped(pid):
    return set(status(pid, "State")) <= {"T", "t"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_a_stopped_process_stays_stopped_until_it_is_continued(attached, number):
    with python(LOOP) as process:
        heard(process)
        os.kill(process.pid, signal.SIGSTOP)
        wait_for(lambda: stopped(process.pid))
        _, sensor = attached(process.pid)
        wait_for(lambda: is_traced(process.pid))
        time.sleep(0.2)
        assert stopped(process.pid)
        os.kill(process.pid, signal.SIGCONT)
        say(process, "/nonexistent-attach/x")
        assert heard(process) == "made"
        os.kill(process.pid, signal.SIGSTOP)
        wait_for(lambda: stopped(process.pid))
        assert os.waitpid(process.pid, os.WUNTRACED | os.WNOHANG)[0] == process.pid, "its parent is told"
        end(sensor, number)
        wait_for(lambda: is_free(process.pid))
        time.sleep(0.1)
        assert set(status(process.pid, "State")) == {"T"}
        os.kill(process.pid, signal.SIGCONT)
        say(process, "/nonexistent-attach/y")
        assert heard(process) == "made"


def test_storms_of_signals_and_of_attaching_do_no_harm(attached):
    with python(LOOP) as process:
        heard(process)
        for n in range(4):
            _, sensor = attached(process.pid, spool=f"spool{n}")
            for _ in range(100):
                os.kill(process.pid, signal.SIGSTOP)
                os.kill(process.pid, signal.SIGCONT)
            end(sensor, ENDINGS[n % 3])
            wait_for(lambda: is_free(process.pid))
            say(process, "/nonexistent-attach/x")
            assert heard(process) == "made"


def test_a_signal_that_waits_is_delivered_once(attached):
    code = """
import signal, time
count = 0
def handler(*_):
    global count; count += 1
signal.signal(signal.SIGUSR1, handler); signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
print("ready"); input(); signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1]); time.sleep(0.05); print(count)
"""
    with python(code) as process:
        heard(process)
        os.kill(process.pid, signal.SIGUSR1)
        _, sensor = attached(process.pid)
        wait_for(lambda: is_traced(process.pid))
        sensor.stop()
        wait_for(lambda: is_free(process.pid))
        say(process)
        assert heard(process) == "1"


EXEC_IN_THREAD = """
import os, threading, time
input()
threading.Thread(target=lambda: os.execv("/bin/sh", ["sh", "-c", "mkdir /nonexistent-attach/x; read go"])).start()
time.sleep(100)
"""


def test_an_exec_by_another_thread_is_the_processs(attached):
    with python(EXEC_IN_THREAD) as process:
        found, sensor = attached(process.pid)
        say(process)
        fields = wait_for(lambda: found.find(evt__type="execve", proc__name="sh"))[0]["fields"]
        assert fields["proc.pid"] == fields["thread.tid"] == process.pid
        wait_for(lambda: found.find(evt__type="mkdir", proc__ppid=process.pid))
        sensor.stop()
        wait_for(lambda: is_free(process.pid))
        say(process)
        assert process.wait(10) == 0


def test_vfork_and_a_child_that_asks_not_to_be_traced_are_followed(attached, tmp_path):
    if shutil.which("gcc") is None:
        pytest.skip("skipped, because gcc is not installed")
    (tmp_path / "untraced.c").write_text(r"""
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void)
{
	struct clone_args args = { .flags = CLONE_UNTRACED, .exit_signal = SIGCHLD };
	char byte;
	if (read(0, &byte, 1) != 1)
		return 2;
	if (vfork() == 0) { mkdir("/nonexistent-attach/vfork", 0); _exit(0); }
	if (syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0) == 0) { mkdir("/nonexistent-attach/clone", 0); _exit(0); }
	if (syscall(SYS_clone3, &args, sizeof(args)) == 0) {
		mkdir("/nonexistent-attach/clone3", 0);
		_exit(args.flags == CLONE_UNTRACED ? 0 : 3);
	}
	for (int i = 0, status; i < 3; i++)
		if (wait(&status) < 0 || status != 0)
			return 3;
	return args.flags == CLONE_UNTRACED ? 0 : 4;
}
""")
    subprocess.run(["gcc", "-o", tmp_path / "untraced", tmp_path / "untraced.c"], check=True)
    with running(tmp_path / "untraced") as process:
        found, _ = attached(process.pid)
        say(process)
        assert process.wait(10) == 0
        for name in ("vfork", "clone", "clone3"):
            [event] = wait_for(lambda name=name: found.find(evt__arg__path=f"/nonexistent-attach/{name}"))
            assert event["fields"]["proc.ppid"] == process.pid


def test_static_and_32_bit_programs_are_followed(attached, tmp_path):
    if shutil.which("gcc") is None:
        pytest.skip("skipped, because gcc is not installed")
    (tmp_path / "int80.c").write_text(INT80)
    subprocess.run(["gcc", "-static", "-o", tmp_path / "int80", tmp_path / "int80.c"], check=True)
    with running("sh", "-c", f"read go; {tmp_path}/int80 {tmp_path}/made; echo $?") as shell:
        found, _ = attached(shell.pid)
        say(shell)
        if heard(shell) != "0":
            pytest.skip("skipped, because the kernel has no 32-bit entry")
        fields = wait_for(lambda: found.find(evt__arg__path=f"{tmp_path}/made"))[0]["fields"]
        assert fields["evt.type"] == "mkdir" and fields["proc.name"] == "int80"


@pytest.fixture
def group():
    """A cgroup such as a container has, and its id."""
    root = cgroup_root()
    if root is None or not os.access(root, os.W_OK):
        pytest.skip("skipped, because there is no cgroup2 to write to")
    number = uuid.uuid4().hex + uuid.uuid4().hex
    path = os.path.join(root, f"docker-{number}.scope")
    os.mkdir(path)
    yield path, number
    wait_for(lambda: not open(f"{path}/cgroup.procs").read(), what="the container's end")
    os.rmdir(path)


def test_a_container_is_attached_to_with_all_that_enter_it(attached, group):
    path, number = group
    inside = f"echo $$ >{path}/cgroup.procs; echo ready; while read name; do mkdir /nonexistent-attach/$name; done"
    with running("sh", "-c", inside) as first, running("sh", "-c", inside) as second, running("sh", "-c", inside.replace("echo $$", "echo")) as other:
        for process in (first, second):
            heard(process)
        found, sensor = attached("--container", number[:12])
        wait_for(lambda: is_traced(first.pid) and is_traced(second.pid))
        assert is_free(other.pid)
        with running("sh", "-c", inside) as late:
            heard(late)
            wait_for(lambda: is_traced(late.pid))
            for name, process in (("first", first), ("second", second), ("late", late)):
                say(process, name)
                fields = wait_for(lambda name=name: found.find(evt__arg__path=f"/nonexistent-attach/{name}"))[0]["fields"]
                assert fields["container.id"] == number[:12]
        end(sensor, signal.SIGTERM)
        wait_for(lambda: is_free(first.pid) and is_free(second.pid))


def test_who_is_there_already_is_named(tmp_path, rules):
    def attach(*whom):
        done = subprocess.run([SENSOR, "attach", "--print", "--rules", rules, "--spool-dir", tmp_path / "spool", *map(str, whom)],
                              capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 1
        return done.stderr

    with running("sleep", "100") as process, running("sleep", "100") as free:
        debugger = subprocess.Popen([sys.executable, "-c", "import ctypes, sys, time\n"
                                     f"ctypes.CDLL(None).ptrace(0x4206, {process.pid}, None, None); time.sleep(100)"])
        try:
            wait_for(lambda: is_traced(process.pid))
            assert re.search(rf'process {process.pid} is traced already, by "python[^"]*" \({debugger.pid}\)', attach(free.pid, process.pid))
            wait_for(lambda: is_free(free.pid))
        finally:
            debugger.kill()
            debugger.wait()
    assert "there is no process 4194303" in attach(4194303)
    assert "no process is in container 0123456789ab" in attach("--container", "0123456789ab")


@pytest.mark.parametrize("arguments, text", [
    ((), "to whom?"), (("12", "--all"), "to whom?"), (("--all", "12"), "to whom?"), (("x",), '"x" is not a process id'),
    (("0",), "is not a process id"), (("--container", "12"), "first twelve digits"), (("--probe", "ebpf", "1"), "no --probe ebpf"),
    (("--filter", "a"), "see attach --help")])
def test_a_wrong_command_line_says_what_is_wrong(arguments, text):
    done = subprocess.run([SENSOR, "attach", "--print", *arguments], capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 2 and text in done.stderr
