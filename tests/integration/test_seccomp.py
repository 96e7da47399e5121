"""Profiles of system calls: recorded from commands that then run under them, explained, and compared."""
import json
import subprocess

import pytest

from hub import BUILD, ROOT
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
    assert (again.returncode, again.stdout, again.stderr) == (0, done.stdout, "")
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
