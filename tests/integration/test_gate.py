"""Files that the kernel asks about before it opens or runs them, under eBPF: what was to be prevented did not happen, and
nobody else was harmed."""
import os
import shutil
import signal
import subprocess
import sys

import pytest

from test_enforce import executable, group, needs_ebpf, responses, rule, rules, writes  # noqa: F401 (fixtures)
from test_sensor import BUILD, SENSOR, receiver, sensors, wait_for  # noqa: F401 (fixtures)

pytestmark = needs_ebpf


@pytest.fixture
def gate(receiver, sensors, rules):
    """Starts a sensor, and waits until the kernel asks."""
    def start(*texts, mode="on"):
        sensor = sensors(receiver.port, *rules(*texts), "--enforce", mode)
        if "fanotify" in sensor.text():
            pytest.skip("skipped, because the kernel grants no permission events of fanotify")
        if mode == "on":
            wait_for(lambda: "the kernel asks about" in sensor.text(), 60)
        return sensor

    return start


@pytest.fixture
def etc(tmp_path):
    path = tmp_path / "etc"
    path.mkdir()
    (path / "passwd").write_text("as it was")
    return path


def shell(script, **more):
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, **more)


def stats(receiver):
    beats = [beat["stats"]["enforce"]["files"] for beat in receiver.heartbeats if "files" in beat["stats"].get("enforce", {})]
    return beats[-1] if beats else None


# ---- opens ----

@pytest.mark.parametrize("mode, result", [("on", "denied"), ("dry-run", "would deny")])
def test_a_write_that_is_denied_does_not_happen(receiver, gate, etc, tmp_path, mode, result):
    other = tmp_path / "other"
    sensor = gate(rule("No writes", writes(etc), "deny"), mode=mode)
    assert "No writes: deny with EPERM: open, openat, openat2, creat: the kernel refuses the call" in sensor.text()
    done = shell(f"echo changed >{etc}/passwd; cat {etc}/passwd; echo free >{other}")
    assert (etc / "passwd").read_text() == ("as it was" if mode == "on" else "changed\n")
    assert done.stdout == (etc / "passwd").read_text() and other.read_text() == "free\n"
    fields = wait_for(lambda: responses(receiver, fd__name=f"{etc}/passwd"))
    assert [one["respond.result"] for one in fields] == [result] and fields[0]["proc.name"] == "bash"
    assert fields[0]["evt.res"] == ("EPERM" if mode == "on" else "SUCCESS") and fields[0]["evt.type"] == "openat"
    sensor.stop()
    assert shell(f"echo free >{etc}/passwd").returncode == 0  # with the sensor its refusals end


@pytest.mark.parametrize("how", [
    "echo x >>{etc}/passwd", "cd {etc} && echo x >passwd", "ln -s {etc} L; echo x >L/passwd", "ln -s {etc}/passwd L; echo x >L",
    "ln -s L1 L; ln -s etc/passwd L1; echo x >L", "truncate -s 3 {etc}/passwd", "cd {etc}; echo x >/proc/self/cwd/passwd",
    "{python} -c 'import os; os.open(\"{etc}/passwd\", os.O_RDWR | os.O_TRUNC)'",
    "unshare -m sh -c 'mount --bind {etc} {dir}/other; echo x >{dir}/other/passwd'",
])
def test_no_other_name_of_a_file_gets_around_it(receiver, gate, etc, tmp_path, how):
    (tmp_path / "other").mkdir()
    condition = writes(etc).replace("fd.name startswith", f"(fd.name startswith {tmp_path}/other/ or fd.name startswith") + ")"
    gate(rule("No writes", condition, "deny"))
    shell(f"cd {tmp_path}; {how.format(etc=etc, dir=tmp_path, python=sys.executable)}")
    assert (etc / "passwd").read_text() == "as it was"
    assert wait_for(lambda: responses(receiver))[0]["respond.result"] == "denied"


def test_a_listed_file_is_asked_about_whatever_comes_to_stand_there(receiver, gate, etc, tmp_path):
    gate(rule("No shadow", f"evt.type in (open, openat, openat2) and fd.name = {etc}/shadow", "deny"),
         rule("No keys", f"evt.type in (open, openat, openat2) and fd.name in ({etc}/keys/a, {etc}/keys/b)", "deny"))
    assert shell(f"cat {etc}/passwd").returncode == 0

    def is_denied(path):
        return shell(f"cat {path}").returncode != 0

    (tmp_path / "new").write_text("x")
    os.rename(tmp_path / "new", etc / "shadow")  # it was not there
    wait_for(lambda: is_denied(etc / "shadow"), 60)
    (tmp_path / "new").write_text("y")
    os.rename(tmp_path / "new", etc / "shadow")  # and is another one now
    wait_for(lambda: is_denied(etc / "shadow"), 60)
    (etc / "keys").mkdir()
    (etc / "keys" / "b").write_text("x")
    wait_for(lambda: is_denied(etc / "keys/b"), 60)
    assert not is_denied(etc / "passwd")


def test_a_folder_that_is_made_is_asked_about_too(receiver, gate, etc):
    gate(rule("No writes", writes(etc), "deny"))
    (etc / "sub" / "deep").mkdir(parents=True)
    wait_for(lambda: shell(f"echo x >{etc}/sub/deep/file").returncode != 0, 60)
    assert shell(f"echo x >{etc}/sub/deep/other").returncode != 0


def test_who_is_killed_at_the_gate_has_changed_nothing(receiver, gate, etc, tmp_path):
    sensor = gate(rule("Kill", writes(etc), "kill"))
    assert "Kill: kill: open, openat, openat2, creat: before the call has any effect" in sensor.text()
    done = shell(f"(exec bash -c 'echo changed >{etc}/passwd; touch {tmp_path}/after'); echo $?")
    assert done.stdout == "137\n" and (etc / "passwd").read_text() == "as it was" and not (tmp_path / "after").exists()
    assert wait_for(lambda: responses(receiver))[0]["respond.result"] == "killed"


def test_what_pins_no_files_down_is_not_promised(gate, receiver, sensors, rules):
    sensor = sensors(receiver.port, *rules(
        rule("No nc", "evt.type = openat and proc.name = nc", "deny"),
        rule("No proc", "evt.type = openat and fd.name startswith /proc/", "deny"),
        rule("No name", "evt.type = execve and proc.name = nc", "deny")), "--enforce", "on")
    for name, call in ("No nc", "openat"), ("No proc", "openat"), ("No name", "execve"):
        assert f"{name}: deny with EPERM: deny of {call} is not possible under eBPF: its condition pins no files down" in sensor.text()
    assert shell("cat /proc/self/stat").returncode == 0


# Through an io_uring nobody knows whether it is opened to read or to write.
@pytest.mark.parametrize("condition, status", [("fd.name startswith {etc}/", 1), ("evt.is_open_write = true and fd.name startswith {etc}/", 0)])
def test_an_open_through_an_io_uring_is_refused_where_the_rule_holds_for_both(gate, etc, condition, status):
    gate(rule("No opens", f"evt.type in (open, openat, openat2, creat) and {condition.format(etc=etc)}", "deny"))
    done = subprocess.run([os.path.join(BUILD, "tests", "tools", "ring"), str(etc), str(etc / "passwd")], capture_output=True,
                          text=True, timeout=60)
    if done.returncode == 77:
        pytest.skip("skipped, because no io_uring can be had here")
    assert (1 if done.returncode == 1 else 0) == status, done.stdout


def test_what_can_be_promised_is_said_beforehand(tmp_path, rules):
    options = rules(rule("No writes", "evt.type = openat and fd.name startswith /etc/", "deny"),
                    rule("No unlink", "evt.type = unlink", "{action: deny, errno: EACCES}"))
    done = subprocess.run([SENSOR, "--interest", *options], capture_output=True, text=True, timeout=60)
    assert "What rules respond with, under ebpf:\nNo writes: deny with EPERM: openat: the kernel refuses the call" in done.stdout
    assert "\nNo unlink: deny with EACCES: deny of unlink is not possible under eBPF" in done.stdout
    done = subprocess.run([SENSOR, "--interest", "--probe", "ptrace", *options], capture_output=True, text=True, timeout=60)
    assert "\nNo unlink: deny with EACCES: the call is refused before it has any effect" in done.stdout
    done = subprocess.run([SENSOR, "--doctor"], capture_output=True, text=True, timeout=60)
    assert "permission events of fanotify" in done.stdout


# ---- programs ----

def test_a_program_that_is_denied_does_not_begin(receiver, gate, tmp_path):
    victim, made = tmp_path / "victim", tmp_path / "made"
    shutil.copy("/bin/touch", victim)
    shutil.copy("/bin/touch", tmp_path / "other")
    executable(tmp_path / "script", f"#!{victim}\n")
    gate(rule("No program", f"evt.type in (execve, execveat) and proc.exepath = {victim}", "deny"))
    assert shell(f"{victim} {made}; cd {tmp_path}; ./script; ./other {made}2").returncode == 0
    assert not made.exists() and (tmp_path / "made2").exists()
    fields = wait_for(lambda: len(responses(receiver)) == 2 and responses(receiver))
    assert {one["respond.result"] for one in fields} == {"denied"} and {one["evt.res"] for one in fields} == {"EPERM"}
    assert {one["proc.name"] for one in fields} == {"victim", "script"} and {one["proc.exepath"] for one in fields} == {str(victim)}


@pytest.fixture
def container(tmp_path, group):
    """A root directory in layers, and how to run a script in it."""
    for name in "upper", "work", "root":
        (tmp_path / name).mkdir()
    mounted = subprocess.run(["mount", "-t", "overlay", "overlay", "-o",
                              f"lowerdir=/,upperdir={tmp_path}/upper,workdir={tmp_path}/work", str(tmp_path / "root")],
                             capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"skipped, because no overlay can be mounted: {mounted.stderr}")
    yield tmp_path / "root", lambda script: subprocess.Popen(
        ["sh", "-c", f"echo $$ >{group}/cgroup.procs; exec unshare -m chroot {tmp_path}/root bash -c '{script}'"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    with open(f"{group}/cgroup.kill", "w") as kill:
        kill.write("1")
    wait_for(lambda: not open(f"{group}/cgroup.procs").read())
    subprocess.run(["umount", "-l", str(tmp_path / "root")], check=True)


def test_what_is_not_in_the_image_is_not_run(receiver, gate, container, tmp_path):
    root, run = container
    sensor = gate(rule("Drift", "evt.type in (execve, execveat) and container.id != host and proc.is_exe_upper_layer = true", "deny",
                       output="%proc.exepath"))
    assert "in containers whose file system is their own" in sensor.text()
    child = run("cp /bin/true /first; while /first 2>/dev/null; do sleep 0.02; done; cp /bin/touch /dropped; /dropped /made; echo $?; "
                "touch /ours; printf \"#!/dropped\\n\" >/script; chmod 755 /script; /script /made; echo $?")
    try:
        out = child.communicate(timeout=60)[0]
    finally:
        child.kill()
        child.wait()
    assert out.count("126\n") == 2, out
    assert not (root / "made").exists() and (root / "ours").exists()
    fields = wait_for(lambda: len(responses(receiver, proc__exepath="/dropped")) == 2 and responses(receiver, proc__exepath="/dropped"))
    assert {one["proc.name"] for one in fields} == {"dropped", "script"}
    assert {(one["proc.is_exe_upper_layer"], one["respond.result"], one["evt.res"]) for one in fields} == {(True, "denied", "EPERM")}
    shutil.copy("/bin/touch", tmp_path / "host")
    assert shell(f"{tmp_path}/host {tmp_path}/host-made").returncode == 0  # of no container
    assert (tmp_path / "host-made").exists()


# ---- nobody is harmed ----

LOOP = """
import os, threading
wrong = []
def one(n):
    for i in range({count}):
        try: os.close(os.open("{etc}/passwd", os.O_WRONLY)); results.add("opened")
        except PermissionError: results.add("denied")
        os.close(os.open("{etc}/passwd", os.O_RDONLY))
        os.close(os.open("{dir}/free-%d" % n, os.O_WRONLY | os.O_CREAT))
results = set()
threads = [threading.Thread(target=one, args=(n,)) for n in range(8)]
for t in threads: t.start()
for t in threads: t.join()
print(" ".join(sorted(results)))
"""


def test_many_threads_that_are_denied_all_get_their_answer(receiver, gate, etc, tmp_path):
    sensor = gate(rule("No writes", writes(etc), "deny"))
    done = subprocess.run([sys.executable, "-c", LOOP.format(etc=etc, dir=tmp_path, count=10)], capture_output=True, text=True, timeout=120)
    sensor.stop()
    told = stats(receiver)  # who was not denied was let go for a reason that is counted
    assert done.stderr == "" and "denied" in done.stdout
    assert ("opened" in done.stdout) == (told["denied"] < 80) and told["denied"] + told["late"] + told["full"] + told["unknown"] >= 80
    assert len(responses(receiver)) == told["denied"]


def test_a_sensor_that_is_killed_lets_everything_go_on(receiver, gate, etc, tmp_path):
    sensor = gate(rule("No writes", writes(etc), "deny"))
    child = subprocess.Popen([sys.executable, "-c", LOOP.format(etc=etc, dir=tmp_path, count=400)], stdout=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: len(responses(receiver)) > 20, 60)
        sensor.stop(signal.SIGKILL)
        assert child.communicate(timeout=120)[0] == "denied opened\n"
    finally:
        child.kill()
        child.wait()
    assert (etc / "passwd").read_text() == "as it was"
