"""tocsin-sensor observe: what is shown, of whom, and how."""
import contextlib
import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid

import pytest

from test_replay import records
from test_sensor import SENSOR, needs_ebpf, wait_for


def played(name, *options):
    done = subprocess.run([SENSOR, "observe", "--replay", f"{records.DATA}/{name}.rec", *options], capture_output=True)
    return done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8")


# ---- what is shown: of recordings, whose events are always the same ----


def test_programs_are_shown_with_their_arguments_and_parents():
    status, out, err = played("shell")
    assert status == 0 and re.search(r"^tocsin-sensor: \d+ events shown, 0 lost$", err, re.M)
    lines = out.splitlines()
    assert any(re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} execve +\d+ root mv /usr/bin/mv a b ← sh", line) for line in lines)
    assert any("procexit" in line and line.endswith(" root mv") for line in lines)
    assert f"{len(lines)} events shown" in err
    # Files that are only read, and what every program does, are not shown unless they are asked for.
    assert "/etc/shadow flags" not in out and "chdir" not in out


def test_connections_and_privileges_are_shown_with_what_came_of_them():
    out = played("network")[1]
    assert re.search(r" connect +\d+ root python3 127\.0\.0\.1:\d+->127\.0\.0\.1:28011\n", out)
    assert out.rstrip().splitlines()[-2].endswith("no.sock = ENOENT")
    out = played("privilege")[1]
    assert re.search(r" setresuid +\d+ nobody python3 ruid=nobody euid=nobody suid=root\n", out)


def test_what_a_stranger_wrote_cannot_drive_the_terminal():
    status, out, _ = played("hostile", "--event", "open,file,exec", "--color", "never")
    assert status == 0
    assert not [c for c in out if ord(c) < 32 and c != "\n" or ord(c) == 127 or c == "\u202e"]
    for shown in (r"\x1b[31mred", r"new\x0aline", r"\xff\xfe", r"\u{202e}gnp.exe", "…"):
        assert shown in out
    colored = played("hostile", "--event", "open,file,exec", "--color", "always")[1]
    assert re.sub(r"\x1b\[\d+m", "", colored) == out and colored != out


def test_json_is_what_a_hub_gets():
    _, out, _ = played("shell", "-o", "json", "--event", "exec")
    with open(f"{records.DATA}/shell.ndjson") as file:
        want = [event["fields"] for event in map(json.loads, file) if event["fields"]["evt.type"] == "execve"]
    got = [json.loads(line)["fields"] for line in out.splitlines()]
    assert len(got) == len(want) > 3
    assert all(event.items() <= shown.items() for event, shown in zip(want, got))


@pytest.mark.parametrize("options, want", [
    (["--event", "exec"], {"execve"}),
    (["--event", "fork"], {"clone", "vfork"}),
    (["--event", "net,signal,privilege"], set()),
    (["--event", "chdir,exit"], {"chdir", "procexit"}),
    (["--event", "file"], {"renameat2", "fchmodat", "symlinkat", "mkdir", "unlinkat", "rmdir"}),
    (["--filter", "evt.type = openat and fd.name = /etc/shadow"], {"openat"}),
    (["--filter", "proc.name = mv"], {"execve", "procexit"}),
    (["--filter", "proc.name = mv", "--filter", "evt.type = renameat2"], {"renameat2"}),
    (["--filter", "proc.name = nobody"], set()),
    (["--container", "host", "--event", "exec"], {"execve"}),
    (["--container", "deadbeefdead"], set()),
])
def test_filters(options, want):
    status, out, err = played("shell", *options)
    assert status == 0, err
    assert {line.split()[1] for line in out.splitlines()} == want


def test_a_container_is_found_by_any_part_of_its_id():
    for text in ("0123456789ab", records.CONTAINER):
        out = played("container", "--container", text)[1]
        assert {line.split()[3] for line in out.splitlines()} == {"root@0123456789ab"}


def test_follow_goes_on_with_all_that_a_process_starts():
    """The shell is chosen once; what it starts matches no filter."""
    pid = json.loads(open(f"{records.DATA}/shell.ndjson").readline())["fields"]["proc.pid"]
    alone = played("shell", "--pid", str(pid))[1]
    assert " root mv " not in alone and " root sh " in alone
    for options in (["--pid", str(pid)], ["--filter", "proc.name = sh"]):
        followed = played("shell", *options, "--follow")[1]
        assert " root mv /usr/bin/mv a b" in followed and " root cat /usr/bin/cat" in followed
    # With a condition on the type of event that chooses, the rest is shown, too.
    chosen = played("shell", "--filter", "evt.type = execve and proc.name = mv", "--follow")[1]
    assert {line.split()[4] for line in chosen.splitlines()} == {"mv"} and "procexit" in chosen


@pytest.mark.parametrize("options, text", [
    (["--filter", "evt.type = execv"], r"--filter: column 12: unknown event type execv. Did you mean 'execve'\?"),
    (["--filter", "fd.num = 1 and proc.nam = x"], r"--filter: column 16: .*proc.nam. Did you mean 'proc.name'\?\n"
                                                  r"  fd.num = 1 and proc.nam = x\n {17}\^"),
    (["--filter", "proc.name = x and"], r"--filter: column \d+: expected"),
    (["--filter", " "], "--filter: column 1: a condition is missing"),
    (["--filter", "proc.name = '\x1b[31m' and"], r"\\x1b|column"),
    (["--filter", "x" * 5000], "too long"),
    (["--filter", "evt.type = getpid"], "no system call that a sensor observes"),
    (["--event", "opne"], "\"opne\" is nothing that a sensor observes. Did you mean 'open'"),
    (["--event", ""], "is nothing that a sensor observes"),
    (["--follow"], "whom"),
    (["--pid", "0"], "is not a process id"),
    (["--container", "a b\""], "is not the id or name"),
    (["-o", "xml"], "is not compact or json"),
    (["--hub", "http://x"], "unrecognized option"),
    (["word"], "unexpected argument"),
])
def test_a_wrong_command_line_is_refused_with_the_reason(options, text):
    status, out, err = played("shell", *options)
    assert status in (1, 2) and out == "" and re.search(text, err), err
    assert "\x1b" not in err


def test_help_is_of_observe():
    done = subprocess.run([SENSOR, "observe", "--help"], capture_output=True, check=True)
    assert b"--follow" in done.stdout and b"--token" not in done.stdout
    done = subprocess.run([SENSOR, "--help"], capture_output=True, check=True)
    assert b"tocsin-sensor observe" in done.stdout and b"--follow" not in done.stdout


# ---- the real kernel ----


class Observer:
    def __init__(self, folder, *options, command=()):
        self.out, self.err = os.path.join(folder, "out"), os.path.join(folder, "err")
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.process = subprocess.Popen([SENSOR, "observe", "--log-level", "notice", *options,
                                             *(["--", *command] if command else [])], stdout=out, stderr=err)
        if not command:
            wait_for(lambda: "start: version" in open(self.err).read(), 60, "the start")

    def text(self):
        return open(self.out).read()

    def stop(self, number=signal.SIGINT):
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        return self.process.wait(20)


@pytest.fixture
def observer(tmp_path):
    started = []

    def start(*options, **more):
        started.append(Observer(str(tmp_path), *options, **more))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.stop(signal.SIGKILL)


@needs_ebpf
def test_a_shell_is_followed_and_nobody_else(observer, tmp_path):
    name = f"sh{uuid.uuid4().hex[:8]}"
    os.symlink("/bin/sh", tmp_path / name)
    one = observer("--filter", f"proc.name = {name}", "--follow")
    subprocess.run(["touch", str(tmp_path / "of-others")], check=True)
    subprocess.run([str(tmp_path / name), "-c", f"sh -c 'touch {tmp_path}/of-it; true'; true"], check=True)
    wait_for(lambda: "of-it flags" in one.text())
    wait_for(lambda: re.search(rf"procexit .* {name}\n", one.text()))
    assert one.stop() == 0
    assert "of-others" not in one.text() and " root touch " in one.text()
    assert re.search(r"tocsin-sensor: \d+ events shown, \d+ lost\n$", open(one.err).read())


# Whom it is made to follow begins with the name; of each the first thing that it does.
FOLLOWED = """
import os, sys
folder, own = sys.argv[1:]
def below(act):
    pid = os.fork()
    if pid == 0:
        act()
        os._exit(0)
    os.waitpid(pid, 0)
def make(name):
    os.mkdir(f'{folder}/{own}-{name}')
def deep(levels):
    make(f'{levels}-first')
    if levels > 0:
        below(lambda: deep(levels - 1))
    make(f'{levels}-last')
make('first')
below(lambda: deep(4))
for number in range(8):
    below(lambda: make(f'child-{number}'))
    below(lambda: os.execv('/bin/mkdir', ['mkdir', f'{folder}/{own}-program-{number}']))
make('last')
"""


@needs_ebpf
@pytest.mark.parametrize("looks", (True, False))
def test_who_is_followed_is_known_in_the_kernel(observer, tmp_path, looks):
    """From its first moment on, children included; of all others nothing leaves the kernel. Also when the sensor cannot look
    at who it is before it is over."""
    name = f"py{uuid.uuid4().hex[:8]}"
    os.symlink(sys.executable, tmp_path / name)
    # They were there before the sensor, which therefore has not just heard of them.
    waiting = [subprocess.Popen(["sh", "-c", "read go; exec \"$@\"", "sh", str(program), "-ES", "-c", FOLLOWED, str(tmp_path), own],
                                stdin=subprocess.PIPE)
               for own, program in (("other", sys.executable), ("own", tmp_path / name), ("other-too", sys.executable))]
    one = observer("--filter", f"proc.name = {name}" + ("" if looks else " and evt.type = execve"), "--event", "mkdir,exit",
                   "--follow", "--record", str(tmp_path / "records"))
    for process in waiting:
        if not looks and process is waiting[1]:
            one.process.send_signal(signal.SIGSTOP)
        process.communicate(b"go on\n", timeout=60)
        one.process.send_signal(signal.SIGCONT)
        assert process.returncode == 0
    wait_for(lambda: "own-last" in one.text())
    for number in range(500):
        os.mkdir(tmp_path / f"mine-{number}")
    wait_for(lambda: re.search(rf"procexit .* {name}\n", one.text()))
    assert one.stop() == 0
    made = sorted(path for path in os.listdir(tmp_path) if path.startswith("own-"))
    shown = re.findall(rf" mkdir .*{tmp_path}/(\S+)", one.text())
    # What others do meanwhile may fill the rings, and the sensor says so.
    lost = int(re.search(r"shown, (\d+) lost", open(one.err).read())[1])
    assert len(made) == 28 and set(shown) <= set(made) and (sorted(shown) == made or lost > 0), (shown, made, lost)
    taken = (tmp_path / "records").read_bytes()
    assert b"own-last" in taken and b"/mine-" not in taken


@needs_ebpf
def test_only_what_the_filter_can_match_is_taken_from_the_kernel(observer, tmp_path):
    one = observer("--filter", f"evt.type = mkdir and evt.arg.path = {tmp_path}/made", "--log-level", "debug")
    os.mkdir(tmp_path / "made")
    os.chmod(tmp_path / "made", 0o700)
    wait_for(lambda: "/made" in one.text())
    one.stop()
    counts = [json.loads(line[line.index("{"):]) for line in open(one.err) if "counts: {" in line]
    assert counts[-1]["classes"]["net"]["seen"] == 0 if "classes" in counts[-1] else counts
    assert len(one.text().splitlines()) == 1


@needs_ebpf
def test_it_ends_when_nobody_reads(tmp_path):
    process = subprocess.Popen(f"{SENSOR} observe --event exec 2>{tmp_path}/err | head -1", shell=True,
                               stdout=subprocess.PIPE)
    end = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < end:
        subprocess.run(["true"])
        time.sleep(0.1)
    assert process.wait(1) == 0
    assert b"execve" in process.stdout.read()


def test_a_command_is_run_and_shown(observer, tmp_path):
    one = observer("--event", "exec,open", command=["sh", "-c", f"echo x >{tmp_path}/made; /bin/true; exit 3"])
    assert one.process.wait(30) == 3
    assert re.search(r" execve +\d+ \S+ true ", one.text()) and f"{tmp_path}/made flags=" in one.text()
