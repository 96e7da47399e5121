"""Profiles of system calls: recorded from commands that then run under them, explained, and compared."""
import contextlib
import json
import os
import signal
import subprocess

import pytest

from hub import BUILD, ROOT
from servers import wait_for
from test_cli import clean_environment, tocsin

TOCSIN = BUILD / "cli" / "tocsin"
UNDER = BUILD / "tests" / "tools" / "under_profile"
ENGINE = ROOT / "tests" / "data" / "seccomp" / "engine.json"

THREADS = "import threading; t = [threading.Thread(target=print, args=(i,)) for i in range(3)]; [x.start() for x in t]; [x.join() for x in t]"
STATIC = r"""
#include <stdio.h>
#include <unistd.h>
int main(void) { printf("static %d\n", getppid() > 0); return 0; }
"""


def record(path, *command, options=()):
    done = subprocess.run([TOCSIN, "seccomp", "record", "-f", path, *options, "--", *command], capture_output=True,
                          text=True, timeout=60, env=clean_environment(), stdin=subprocess.DEVNULL)
    return done, json.loads(path.read_text()) if path.exists() else None


def under(path, *command):
    return subprocess.run([UNDER, path, *command], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)


def names(profile):
    return {name for entry in profile["syscalls"] for name in entry["names"]}


@pytest.fixture(scope="module")
def static(tmp_path_factory):
    folder = tmp_path_factory.mktemp("static")
    (folder / "static.c").write_text(STATIC)
    subprocess.run(["cc", "-static", "-o", folder / "static", folder / "static.c"], check=True)
    return folder / "static"


PYTHON = ["/usr/bin/python3", "-S", "-c"]


@pytest.mark.parametrize("command", [["ls", "-l", "/usr"], [*PYTHON, "import json; print(json.dumps([1]))"],
                                     [*PYTHON, THREADS], ["sh", "-c", "true | cat; /bin/echo a | sort"]],
                         ids=["ls", "python", "threads", "pipes"])
def test_what_is_recorded_runs_again(tmp_path, command):
    path = tmp_path / "p.json"
    done, profile = record(path, *command)
    assert done.returncode == 0, done.stderr
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO" and profile["architectures"] == ["SCMP_ARCH_X86_64"]
    for entry in profile["syscalls"]:
        assert entry["names"] == sorted(entry["names"])
    again = under(path, *command)
    # Threads write in whatever order.
    assert (again.returncode, sorted(again.stdout), again.stderr) == (0, sorted(done.stdout), "")
    assert "mount" not in names(profile) and len(names(profile)) < 90


def test_a_static_program_needs_little(tmp_path, static):
    done, profile = record(tmp_path / "p.json", static)
    assert "openat" not in names(profile) and "getppid" in names(profile)
    again = under(tmp_path / "p.json", static)
    assert (again.returncode, again.stdout) == (0, done.stdout)


def test_what_was_not_recorded_is_refused_until_it_is_added(tmp_path):
    path = tmp_path / "p.json"
    record(path, "/bin/true")
    assert under(path, "/bin/true").returncode == 0
    assert under(path, "mkdir", tmp_path / "made").returncode != 0 and not (tmp_path / "made").exists()
    record(path, "mkdir", tmp_path / "first", options=["--add"])
    assert under(path, "mkdir", tmp_path / "made").returncode == 0 and (tmp_path / "made").exists()


def test_a_command_of_32_bits_brings_its_architecture(tmp_path):
    program = tmp_path / "small32"
    subprocess.run(["cc", "-m32", "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector", "-fno-pic", "-no-pie",
                    "-o", program, ROOT / "tests" / "tools" / "small32.c"], check=True)
    _, profile = record(tmp_path / "p.json", program, tmp_path)
    assert "SCMP_ARCH_X86" in profile["architectures"]


def test_ends_of_commands_are_told(tmp_path):
    done, profile = record(tmp_path / "p.json", "sh", "-c", "exit 3")
    assert done.returncode == 0 and "status 3" in done.stderr and profile
    done, profile = record(tmp_path / "q.json", "sh", "-c", "kill -9 $$")
    assert "signal 9" in done.stderr
    done, profile = record(tmp_path / "r.json", "/nonexistent")
    assert done.returncode == 1 and profile is None and "No such file" in done.stderr


def test_those_that_a_command_leaves_behind_are_watched_too(tmp_path):
    _, profile = record(tmp_path / "p.json", "sh", "-c", f"(sleep 0.2; mkdir {tmp_path}/late) & exit 0")
    assert "mkdir" in names(profile) and (tmp_path / "late").exists()


def test_check_explains(tmp_path):
    done = tocsin("seccomp", "check", "--caps", "none", ENGINE)
    assert done.returncode == 0
    assert "  clone              ALLOW if arg0 & 0x7e020000 == 0\n" in done.stdout
    assert "left out: mount" not in done.stdout and "(includes.caps wants one that is not held)" in done.stdout
    assert "dangerous and allowed, 2:" in done.stdout and "drives other processes" in done.stdout
    answer = json.loads(tocsin("seccomp", "check", "--caps", "all", "-o", "json", ENGINE).stdout)
    assert answer["ok"] and {"mount", "bpf", "reboot"} <= {row["call"] for row in answer["dangerous"]}
    assert "mount" in answer["allowed"] and "add_key" in answer["refused"]
    assert [row["call"] for row in answer["conditions"]] == ["socket", "personality"]


def test_check_names_every_mistake_with_its_place(tmp_path):
    path = tmp_path / "p.json"
    path.write_text('{"defaultAction": "SCMP_ACT_EROR",\n "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW",\n'
                    '  "args": [{"index": 9, "op": "SCMP_CMP_EQ"}]}]}')
    done = tocsin("seccomp", "check", path)
    assert done.returncode == 1
    assert f"{path}:1:19: defaultAction: there is no \"SCMP_ACT_EROR\", did you mean SCMP_ACT_ERRNO?" in done.stderr
    assert f"{path}:3:22: syscalls[0].args[0].index: 9 is more than 5" in done.stderr
    assert not json.loads(tocsin("seccomp", "check", "-o", "json", path).stdout)["ok"]
    assert tocsin("seccomp", "check", "--caps", "CAP_NOPE", ENGINE).returncode == 2
    assert tocsin("seccomp", "check").returncode == 2


def test_diff_is_by_meaning(tmp_path):
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    entry = {"names": ["read", "write", "socket"], "action": "SCMP_ACT_ALLOW"}
    first.write_text(json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [entry]}))
    second.write_text(json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
        {"name": name, "action": "SCMP_ACT_ALLOW"} for name in ("write", "socket", "read")]}))
    done = tocsin("seccomp", "diff", first, second)
    assert (done.returncode, done.stdout) == (0, "they say the same\n")
    second.write_text(json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
        {"names": ["write", "open", "read"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 40, "op": "SCMP_CMP_NE"}]}]}))
    done = tocsin("seccomp", "check", first, second)
    assert done.returncode == 1
    assert [line.split(maxsplit=1)[1].split() for line in done.stdout.splitlines()] == [
        ["open", "ERRNO(EPERM)", "->", "ALLOW"], ["socket(arg0=0x28)", "ALLOW", "->", "ERRNO(EPERM)"]]
    answer = json.loads(tocsin("seccomp", "diff", "-o", "json", first, second).stdout)
    assert not answer["same"] and answer["differences"][1]["call"] == "socket(arg0=0x28)"


# --- tocsin-sensor --seccomp ------------------------------------------------------------------------

SENSOR = BUILD / "sensor" / "tocsin-sensor"
NOTHING = "- rule: nothing\n  desc: no\n  condition: evt.type=reboot and evt.num=0\n  output: x\n  priority: NOTICE\n"

PROFILE = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"], "syscalls": [
    {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28},
    {"names": ["keyctl"], "action": "SCMP_ACT_ERRNO"},
    {"names": ["getpriority"], "action": "SCMP_ACT_LOG"},
    {"names": ["sethostname"], "action": "SCMP_ACT_KILL_PROCESS"},
    {"names": ["setdomainname"], "action": "SCMP_ACT_KILL"},
    {"names": ["acct"], "action": "SCMP_ACT_TRAP"},
    {"names": ["sysfs"], "action": "SCMP_ACT_TRACE"},
    {"names": ["personality"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]}]}

CALLS = r"""
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void on_trap(int number, siginfo_t *info, void *context)
{
	(void)number, (void)context;
	printf("trap code %d call %d arch %x\n", info->si_code, info->si_syscall, info->si_arch);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };

	sigaction(SIGSYS, &action, NULL);
	setbuf(stdout, NULL);
	for (int i = 1; i < argc; i++) {
		int status;

		if (fork() == 0) {
			long nr = atol(argv[i]);
			if (nr != SYS_acct)
				signal(SIGSYS, SIG_DFL);
			errno = 0;
			long r = syscall(nr, nr == SYS_personality ? 8 : 0, -3, 0);
			printf("%ld: %ld %d\n", nr, r, errno);
			_exit(0);
		}
		wait(&status);
		if (WIFSIGNALED(status))
			printf("%s: signal %d\n", argv[i], WTERMSIG(status));
	}
	return 0;
}
"""
MKDIR, KEYCTL, GETPRIORITY, SETHOSTNAME, SETDOMAINNAME, ACCT, SYSFS, PERSONALITY = 83, 250, 140, 170, 171, 163, 139, 135


@pytest.fixture(scope="module")
def calls(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calls")
    (folder / "calls.c").write_text(CALLS)
    subprocess.run(["cc", "-o", folder / "calls", folder / "calls.c"], check=True)
    return folder / "calls"


def start(tmp_path, profile, *command, options=()):
    (tmp_path / "p.json").write_text(json.dumps(profile))
    (tmp_path / "rules.yaml").write_text(NOTHING)
    with open(tmp_path / "events", "w") as events, open(tmp_path / "log", "w") as log:
        return subprocess.Popen([SENSOR, "--print", "--rules", tmp_path / "rules.yaml", "--seccomp", tmp_path / "p.json",
                                 *options, "--", *map(str, command)], stdin=subprocess.DEVNULL, stdout=events, stderr=log,
                                env=clean_environment(ASAN_OPTIONS="detect_leaks=0"))


def told(tmp_path):
    """Whole lines only: the sensor may be writing."""
    return [json.loads(line)["fields"] for line in (tmp_path / "events").read_text().splitlines(keepends=True)
            if line.startswith("{") and line.endswith("\n")]


def run(tmp_path, profile, *command, options=()):
    """What the command wrote to a file of its own, the events, and its status."""
    process = start(tmp_path, profile, "sh", "-c", f'exec "$@" > {tmp_path}/out', "sh", *command, options=options)
    process.wait(60)
    out = tmp_path / "out"
    return out.read_text().splitlines() if out.exists() else [], told(tmp_path), process.returncode


def test_what_a_profile_says_happens_and_is_told(tmp_path, calls):
    all_calls = (MKDIR, KEYCTL, GETPRIORITY, SETHOSTNAME, SETDOMAINNAME, ACCT, SYSFS, PERSONALITY)
    lines, events, status = run(tmp_path, PROFILE, calls, *all_calls)
    assert status == 0, (tmp_path / "log").read_text()
    assert lines == ["83: -1 28", "250: -1 1", "140: -1 3", "170: signal 31", "171: signal 31",
                     "trap code 1 call 163 arch c000003e", "163: 163 0", "139: -1 38", "135: -1 1"]
    said = [(fields["evt.type"], fields["seccomp.action"]) for fields in events]
    assert said == [("mkdir", "ERRNO(ENOSPC)"), ("keyctl", "ERRNO(EPERM)"), ("getpriority", "LOG"),
                    ("sethostname", "KILL_PROCESS"), ("setdomainname", "KILL_THREAD"), ("acct", "TRAP"), ("sysfs", "TRACE(1)"),
                    ("personality", "ERRNO(EPERM)")]
    first = events[0]
    assert (first["evt.res"], first["proc.name"], first["seccomp.mode"]) == ("ENOSPC", "calls", "enforce")
    assert first["seccomp.profile"] == str(tmp_path / "p.json") and first["proc.cmdline"].startswith("calls 83 250")
    assert first["seccomp.args"].startswith("0 0xfffffffd 0") and "evt.res" not in events[2]


def test_audit_tells_and_lets_go(tmp_path, calls):
    lines, events, _ = run(tmp_path, PROFILE, calls, KEYCTL, SETHOSTNAME, options=["--seccomp-mode", "audit"])
    assert lines[0].startswith("250: ") and lines[0] != "250: -1 1" and lines[1] == "170: -1 22"
    assert [(fields["evt.type"], fields["seccomp.mode"]) for fields in events] == [("keyctl", "audit"), ("sethostname", "audit")]


def test_strict_is_the_kernel_alone(tmp_path, calls):
    lines, events, _ = run(tmp_path, PROFILE, calls, KEYCTL, SETHOSTNAME, GETPRIORITY, options=["--seccomp-mode", "strict"])
    assert lines == ["250: -1 1", "170: signal 31", "140: -1 3"]
    assert [fields["evt.type"] for fields in events] == ["getpriority"]


def test_a_recorded_profile_is_enough_under_the_sensor(tmp_path):
    _, profile = record(tmp_path / "r.json", "sh", "-c", f"exec ls /usr > {tmp_path}/out")
    for mode in ("enforce", "strict"):
        lines, events, status = run(tmp_path, profile, "ls", "/usr", options=["--seccomp-mode", mode])
        assert (status, events) == (0, []) and "bin" in lines, (tmp_path / "log").read_text()


def test_a_bad_profile_starts_nothing(tmp_path):
    lines, _, status = run(tmp_path, {"defaultAction": "SCMP_ACT_X"}, "echo", "started")
    assert status != 0 and lines == [] and "there is no \"SCMP_ACT_X\"" in (tmp_path / "log").read_text()


LOOP = """
import os, time
with open('{0}/out', 'w', buffering=1) as out:
    while True:
        try:
            os.mkdir('{0}/d')
            os.rmdir('{0}/d')
            out.write('made\\n')
        except OSError as error:
            out.write(str(error.errno) + '\\n')
        time.sleep(0.05)
"""


def wait_lines(tmp_path, wanted, count=2):
    """So many of them, from now on. What came in between."""
    out = tmp_path / "out"
    wait_for(out.exists, what="the command")
    before = len(out.read_text().splitlines())
    wait_for(lambda: out.read_text().splitlines()[before:].count(wanted) >= count, what=f"lines {wanted}")
    return out.read_text().splitlines()[before:]


@pytest.fixture
def stopped():
    """Ends all of a sensor's processes, whoever is left."""
    processes = []
    yield processes
    for process in processes:
        for pid in reversed(descendants(process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        process.wait(20)


def test_decisions_change_while_the_command_runs(tmp_path, stopped):
    """Audit first, then deny, then allow: the workload is the same one all the time."""
    def change(profile):
        (tmp_path / "new").write_text(profile if isinstance(profile, str) else json.dumps(profile))
        (tmp_path / "new").rename(tmp_path / "p.json")

    stopped.append(start(tmp_path, {**PROFILE, "x-tocsin-mode": "audit"}, *PYTHON, LOOP.format(tmp_path)))
    wait_lines(tmp_path, "made")
    wait_for(lambda: {"audit"} == {fields["seccomp.mode"] for fields in told(tmp_path)}, what="audits")
    change({**PROFILE, "x-tocsin-mode": "enforce"})
    wait_lines(tmp_path, "28")
    wait_for(lambda: "enforce" in {fields["seccomp.mode"] for fields in told(tmp_path)}, what="refusals")
    change("{}")  # not good: the one before stays
    wait_for(lambda: "stays in force" in (tmp_path / "log").read_text(), what="the complaint")
    assert "made" not in wait_lines(tmp_path, "28")
    change({**PROFILE, "syscalls": PROFILE["syscalls"][1:] + [{"names": ["rmdir"], "action": "SCMP_ACT_ERRNO"}]})
    wait_lines(tmp_path, "made")
    log = (tmp_path / "log").read_text()
    assert "1 calls that the profile now refuses were allowed when the command began" in log and "rmdir" in log


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(word) for word in file.read().split()]
    except FileNotFoundError:
        return []


def descendants(pid):
    return [pid] + [below for child in children(pid) for below in descendants(child)]


def worker_below(front):
    """It stands below the keeper, beside the command or above it."""
    for pid in descendants(front)[2:]:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/comm") as file:
            if file.read().strip() == "tocsin-sensor":
                return pid
    return None


def test_killing_the_sensor_does_not_lift_a_refusal(tmp_path, stopped):
    stopped.append(start(tmp_path, PROFILE, *PYTHON, LOOP.format(tmp_path)))
    wait_lines(tmp_path, "28")
    for _ in range(2):
        worker = wait_for(lambda: worker_below(stopped[0].pid), what="a worker")
        os.kill(worker, signal.SIGKILL)
        wait_lines(tmp_path, "28", 5)
    wait_for(lambda: worker_below(stopped[0].pid), what="another worker")
    wait_lines(tmp_path, "28", 5)
    assert set((tmp_path / "out").read_text().split()) == {"28"}
