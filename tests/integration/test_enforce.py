"""What rules respond with, by its effects: what was to be prevented did not happen, what was to be killed is dead."""
import ctypes
import glob
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import uuid

import pytest

from hub import Hub
from test_sensor import cgroup_root, ebpf_lacks, receiver, sensors, wait_for  # noqa: F401 (fixtures)

needs_ebpf = pytest.mark.skipif(ebpf_lacks() is not None, reason=f"skipped, because {ebpf_lacks()}")


def rule(name, condition, respond, output="seen (%evt.type %proc.name)"):
    return (f"- rule: {name}\n  desc: a test\n  condition: {condition}\n  output: \"{output}\"\n"
            f"  priority: WARNING\n  respond: {respond}\n")


@pytest.fixture
def rules(tmp_path):
    def write(*texts):
        path = tmp_path / "rules.yaml"
        path.write_text("".join(texts))
        return "--rules", str(path)

    return write


def responses(receiver, **want):
    return [event["fields"] for event in receiver.find(**want) if "respond.action" in event["fields"]]


# ---- kill ----

SLEEPS = "import time\nopen({path!r}).close()\ntime.sleep(20)"


@needs_ebpf
@pytest.mark.parametrize("mode, result", [("on", "killed"), ("dry-run", "would kill"), ("off", None)])
def test_kill_ends_the_process_only_when_it_is_on(receiver, sensors, rules, tmp_path, mode, result):
    secret = tmp_path / "secret"
    secret.touch()
    sensors(receiver.port, *rules(rule("Kill", f"evt.type = openat and fd.name = {secret}", "kill")), "--enforce", mode)
    child = subprocess.Popen([sys.executable, "-c", SLEEPS.format(path=str(secret))])
    try:
        fields = wait_for(lambda: receiver.find(fd__name=str(secret)))[0]["fields"]
        assert fields.get("respond.result") == result
        assert fields.get("respond.rule") == ("Kill" if result else None)
        if mode == "on":
            assert child.wait(10) == -signal.SIGKILL
        else:
            assert child.poll() is None
    finally:
        child.kill()
        child.wait()


# ---- freeze ----

@pytest.fixture
def group():
    """The cgroup of a container."""
    root = cgroup_root()
    if root is None or not os.access(root, os.W_OK):
        pytest.skip("skipped, because there is no cgroup2 to write to")
    path = os.path.join(root, f"docker-{uuid.uuid4().hex + uuid.uuid4().hex}.scope")
    os.mkdir(path)
    yield path
    with open(f"{path}/cgroup.kill", "w") as kill:
        kill.write("1")
    wait_for(lambda: not open(f"{path}/cgroup.procs").read())
    os.rmdir(path)


def is_frozen(group):
    return "frozen 1" in open(f"{group}/cgroup.events").read()


@needs_ebpf
@pytest.mark.parametrize("mode", ["on", "dry-run"])
def test_freeze_stops_the_container_until_it_is_thawed(receiver, sensors, rules, tmp_path, group, mode):
    bait, done = tmp_path / "bait", tmp_path / "done"
    bait.touch()
    sensor = sensors(receiver.port, *rules(rule("Freeze", f"evt.type = openat and fd.name = {bait}", "freeze")), "--enforce", mode)
    child = subprocess.Popen(["sh", "-c", f"echo $$ >{group}/cgroup.procs; cat {bait}; sleep 3; touch {done}; exec sleep 20"])
    try:
        if mode == "dry-run":
            wait_for(done.exists, what="what is not frozen goes on")
            assert wait_for(lambda: responses(receiver))[0]["respond.result"] == "would freeze"
            assert not is_frozen(group)
            return
        wait_for(lambda: is_frozen(group))
        assert wait_for(lambda: responses(receiver))[0]["respond.result"] == "frozen"
        assert not done.exists()
        thaw = wait_for(lambda: sensor.text().split("to let it go on: ", 1)[1:])[0].splitlines()[0]
        subprocess.run(["sh", "-c", thaw], check=True)
        wait_for(done.exists)
    finally:
        child.kill()
        child.wait()


@needs_ebpf
def test_what_is_in_no_container_is_not_frozen(receiver, sensors, rules, tmp_path):
    bait = tmp_path / "bait"
    bait.touch()
    sensors(receiver.port, *rules(rule("Freeze", f"evt.type = openat and fd.name = {bait}", "freeze")), "--enforce", "on")
    child = subprocess.Popen(["sh", "-c", f"exec 5<{bait}; sleep 20"])
    try:
        assert wait_for(lambda: responses(receiver))[0]["respond.result"] == "failed: not in a container"
    finally:
        child.kill()
        child.wait()


# ---- what cannot be done is said ----

@needs_ebpf
def test_what_cannot_be_denied_is_said_when_the_rules_load_and_with_the_event(receiver, sensors, rules, tmp_path):
    path = tmp_path / "gone"
    path.touch()
    sensor = sensors(receiver.port, *rules(rule("No unlink", f"evt.type = unlink and evt.arg.path endswith {path}", "deny")), "--enforce", "on")
    assert "No unlink: deny with EPERM: deny of unlink is not possible under eBPF" in sensor.text()
    os.unlink(path)
    fields = wait_for(lambda: responses(receiver))[0]
    assert fields["respond.result"] == "not possible" and fields["evt.res"] == "SUCCESS"
    heartbeat = wait_for(lambda: [beat["stats"]["enforce"] for beat in receiver.heartbeats if "enforce" in beat["stats"]])[0]
    assert heartbeat["mode"] == "on" and heartbeat["rules"][0]["rule"] == "No unlink"
    assert heartbeat["rules"][0]["promise"] == "none"


def connect(port, kind=socket.SOCK_STREAM, message=False):
    """0 or the errno of a connection, or of a message, to this machine's port."""
    with socket.socket(socket.AF_INET, kind) as client:
        try:
            client.sendto(b"x", ("127.0.0.1", port)) if message else client.connect(("127.0.0.1", port))
        except OSError as error:
            return error.errno
    return 0


@needs_ebpf
@pytest.mark.parametrize("mode, result", [("on", "denied"), ("dry-run", "would deny")])
def test_a_connection_that_the_kernel_refuses_does_not_arrive(receiver, sensors, rules, mode, result):
    if cgroup_root() is None:
        pytest.skip("skipped, because there is no cgroup2")
    denied, other = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
    port = denied.getsockname()[1]
    sensor = sensors(receiver.port, *rules(rule("No connection", f"evt.type in (connect, sendto, sendmsg) and fd.sip = 127.0.0.1 "
                                                f"and fd.sport = {port} and evt.res = SUCCESS", "deny")), "--enforce", mode)
    assert "the kernel refuses the call, before it has any effect" in sensor.text()
    denied.settimeout(0.2)
    error = 1 if mode == "on" else 0
    assert connect(port) == error and connect(other.getsockname()[1]) == 0
    assert connect(port, socket.SOCK_DGRAM) == error and connect(port, socket.SOCK_DGRAM, message=True) == error
    if mode == "on":
        with pytest.raises(TimeoutError):
            denied.accept()
    fields = wait_for(lambda: len(responses(receiver, fd__sport=port)) == 3 and responses(receiver, fd__sport=port))
    assert {(one["evt.type"], one["respond.result"], one["evt.res"]) for one in fields} == {
        ("connect", result, "EPERM" if error else "SUCCESS"), ("sendto", result, "EPERM" if error else "SUCCESS")}
    sensor.stop()
    assert connect(port) == 0  # with the sensor its refusals end
    denied.close()
    other.close()


class LinkAttributes(ctypes.Structure):
    _fields_ = [("value", ctypes.c_uint32), ("unused", ctypes.c_uint32 * 7)]


def detach_links(pid, kind):
    """From their cgroups, as who wants his connections would. How many."""
    def bpf(command, value):
        attributes = LinkAttributes(value=value)
        return ctypes.CDLL(None, use_errno=True).syscall(321, command, ctypes.byref(attributes), ctypes.sizeof(attributes))

    count = 0
    for path in glob.glob(f"/proc/{pid}/fdinfo/*"):
        text = open(path).read()
        if f"link_type:\t{kind}" not in text:
            continue
        fd = bpf(30, int(text.split("link_id:", 1)[1].split()[0]))
        count += fd >= 0 and bpf(34, fd) == 0
        if fd >= 0:
            os.close(fd)
    return count


@needs_ebpf
@pytest.mark.skipif(platform.machine() != "x86_64", reason="skipped, because the number of bpf(2) is another one")
def test_what_refuses_connections_is_attached_again_when_it_was_detached(receiver, sensors, rules):
    if cgroup_root() is None:
        pytest.skip("skipped, because there is no cgroup2")
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    sensor = sensors(receiver.port, *rules(rule("No connection", f"evt.type = connect and fd.sip = 127.0.0.1 and fd.sport = {port}",
                                                "deny")), "--enforce", "on")
    assert connect(port) == 1
    assert detach_links(sensor.process.pid, "cgroup") == 4
    wait_for(lambda: connect(port) == 1, 30)
    told = wait_for(lambda: [notice for beat in receiver.heartbeats for notice in beat.get("tamper", {}).get("notices", [])
                             if notice["what"] == "sensor_blind"], 60)[0]
    assert "4 of its programs are not attached any more" in told["detail"]
    server.close()


@needs_ebpf
def test_what_needs_more_than_an_address_is_not_promised(receiver, sensors, rules):
    port = 9
    sensor = sensors(receiver.port, *rules(rule("No nc", f"evt.type = connect and fd.sport = {port} and proc.name = nc", "deny")), "--enforce", "on")
    assert "deny of connect is not possible under eBPF: its condition needs more than address and port" in sensor.text()
    assert connect(port) == 111


# ---- before the call: a command of the sensor's own ----

def run_denied(sensors, receiver, options, script, mode="on", told=False):
    sensor = sensors(receiver.port, *options, "--enforce", mode, command=["bash", "-c", script])
    out = sensor.process.communicate(timeout=30)[0].decode()
    assert "runtime error" not in sensor.text() and "Sanitizer" not in sensor.text(), sensor.text()
    return sensor if told else out


def writes(path):
    return ("evt.type in (open, openat, openat2, creat) and evt.is_open_write = true and fd.num >= 0 and "
            f"fd.name startswith {path}/")


@pytest.mark.parametrize("mode, result", [("on", "denied"), ("dry-run", "would deny"), ("off", None)])
def test_a_write_that_is_denied_does_not_happen(receiver, sensors, rules, tmp_path, mode, result):
    etc = tmp_path / "etc"
    etc.mkdir()
    (etc / "passwd").write_text("as it was")
    run_denied(sensors, receiver, rules(rule("No writes", writes(etc), "deny")),
               f"echo changed >{etc}/passwd; cat {etc}/passwd >{tmp_path}/copy", mode)
    assert (etc / "passwd").read_text() == ("as it was" if mode == "on" else "changed\n")
    assert (tmp_path / "copy").read_text() == (etc / "passwd").read_text()  # reading is not denied
    fields = wait_for(lambda: receiver.find(fd__name=f"{etc}/passwd"))[0]["fields"]
    assert fields.get("respond.result") == result and fields["evt.res"] == ("EPERM" if mode == "on" else "SUCCESS")
    assert fields["proc.name"] == "bash" and len(receiver.find(fd__name=f"{etc}/passwd")) == 1


@pytest.mark.parametrize("how", [
    "cd {etc} && echo x >new", "cd {etc}/.. && echo x >etc/new", "echo x >{etc}/../etc/./new", "ln -s {etc} L; echo x >L/new",
    "ln -s {etc}/new L; echo x >L", "ln -s etc/new L; echo x >L", "cd {etc}; echo x >/proc/self/cwd/new",
    "(exec -a t bash -c 'echo x >/proc/thread-self/root{etc}/new')",
])
def test_no_other_name_of_a_file_gets_around_it(receiver, sensors, rules, tmp_path, how):
    etc = tmp_path / "etc"
    etc.mkdir()
    run_denied(sensors, receiver, rules(rule("No writes", writes(etc), "deny")), f"cd {tmp_path}; {how.format(etc=etc)}")
    assert not list(etc.iterdir())
    assert wait_for(lambda: responses(receiver, fd__name=f"{etc}/new"))[0]["respond.result"] == "denied"


def test_an_unlink_and_a_connection_that_are_denied_do_not_happen(receiver, sensors, rules, tmp_path):
    keep, out = tmp_path / "keep", tmp_path / "out"
    keep.touch()
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(0.2)
    port = server.getsockname()[1]
    connect = (f"{sys.executable} -c 'import socket\n"
               f"try: socket.create_connection((\"127.0.0.1\", {port}), 3)\nexcept OSError as e: print(e.errno)' >{out}")
    run_denied(sensors, receiver, rules(
        rule("No unlink", f"evt.type in (unlink, unlinkat) and evt.arg.name = {keep} and evt.res = SUCCESS",
             "{action: deny, errno: EACCES}"),
        rule("No connection", f"evt.type = connect and fd.sip = 127.0.0.1 and fd.sport = {port}", "deny")),
        f"rm -f {keep}; {connect}")
    assert keep.exists() and out.read_text() == "1\n"
    with pytest.raises(TimeoutError):
        server.accept()
    server.close()
    assert wait_for(lambda: responses(receiver, respond__rule="No unlink"))[0]["respond.errno"] == "EACCES"
    fields = wait_for(lambda: responses(receiver, respond__rule="No connection"))[0]
    assert fields["evt.res"] == "EPERM" and fields["fd.sport"] == port


def test_who_is_killed_before_the_call_has_not_made_it(receiver, sensors, rules, tmp_path):
    made, after = tmp_path / "made", tmp_path / "after"
    run_denied(sensors, receiver, rules(rule("Kill", f"evt.type in (mkdir, mkdirat) and evt.arg.path = {made}", "kill")),
               f"mkdir {made}; echo $? >{after}")
    assert not made.exists() and after.read_text() == "137\n"
    assert wait_for(lambda: responses(receiver))[0]["respond.result"] == "killed"


def executable(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return path


EXECS = {  # what the rule knows of the program that would run; how it is called; what the event says
    "its name": ("proc.name = victim", "{dir}/victim one two", "victim one two"),
    "its file": ("proc.exepath = {dir}/victim", "cd {dir} && ./link one", "link one"),
    "its arguments": ('proc.name != bash and proc.args = "one two"', "{dir}/victim one two", "victim one two"),
    "a script's interpreter": ("proc.exepath endswith /{shell} and proc.args contains {dir}/script",
                               "{dir}/script three", "script -e {dir}/script three"),
    "a descriptor": ("proc.exepath = {dir}/victim", "{python} -c 'import os; os.execve(os.open(\"{dir}/victim\", os.O_RDONLY), "
                     "[\"victim\", \"four\"], {{}})'", None),
}


@pytest.mark.parametrize("what", EXECS)
def test_a_program_that_is_denied_does_not_begin(receiver, sensors, rules, tmp_path, what):
    condition, call, cmdline = EXECS[what]
    names = {"dir": tmp_path, "python": sys.executable, "shell": os.path.basename(os.path.realpath("/bin/sh"))}
    done, after = tmp_path / "done", tmp_path / "after"
    shutil.copy("/bin/touch", tmp_path / "victim")
    executable(tmp_path / "script", f"#!/bin/sh -e\ntouch {done}\n")
    (tmp_path / "link").symlink_to(tmp_path / "victim")
    sensor = run_denied(sensors, receiver, rules(rule(
        "No program", f"evt.type in (execve, execveat) and {condition.format(**names)}", "deny",
        output="%proc.cmdline|%proc.pname")), f"cd {tmp_path}; ({call.format(**names)}); echo $? >{after}; exec touch {done}2", told=True)
    assert after.read_text() in ("126\n", "1\n") and (tmp_path / "done2").exists()
    assert not done.exists() and not (tmp_path / "one").exists() and not (tmp_path / "four").exists()
    fields = wait_for(lambda: responses(receiver))
    assert len(fields) == 1 and fields[0]["respond.result"] == "denied" and fields[0]["evt.res"] == "EPERM"
    assert cmdline is None or fields[0]["proc.cmdline"] == cmdline.format(**names)
    assert "No program: deny with EPERM: the call is refused before it has any effect" in sensor.text()


# Who was refused another program stays who it was to rules.
def test_a_program_that_did_not_begin_leaves_no_trace(receiver, sensors, rules, tmp_path):
    run_denied(sensors, receiver, rules(
        rule("No touch", "evt.type = execve and proc.name = touch", "{action: deny, errno: EACCES}"),
        f"- rule: Dirs\n  desc: a test\n  condition: evt.type in (mkdir, mkdirat) and evt.arg.path startswith {tmp_path}\n"
        f"  output: \"made\"\n  priority: WARNING\n"),
        f"{sys.executable} -c 'import os\ntry: os.execv(\"/bin/touch\", [\"touch\", \"{tmp_path}/x\"])\n"
        f"except OSError as e: os.mkdir(\"{tmp_path}/%d\" % e.errno)'")
    assert (tmp_path / "13").exists() and not (tmp_path / "x").exists()
    made = wait_for(lambda: [event for event in receiver.find() if event["fields"]["evt.type"].startswith("mkdir")])[0]["fields"]
    assert made["proc.name"].startswith("python") and made["proc.exepath"] == os.path.realpath(sys.executable)
    refused = responses(receiver)[0]
    assert refused["proc.exepath"] == os.path.realpath("/bin/touch") and refused["respond.errno"] == "EACCES"


def test_who_is_killed_for_a_program_has_not_begun_it(receiver, sensors, rules, tmp_path):
    done, after = tmp_path / "done", tmp_path / "after"
    run_denied(sensors, receiver, rules(rule("Kill", "evt.type = execve and proc.name = touch", "kill")),
               f"(exec touch {done}); echo $? >{after}")
    assert not done.exists() and after.read_text() == "137\n"


# A profile may leave to rules what becomes of a call.
@pytest.mark.parametrize("respond, status", [("deny", "1"), ("{action: deny, errno: EROFS}", "1"), ("kill", "137")])
def test_a_call_that_a_profile_notifies_of_is_decided_by_rules(receiver, sensors, rules, tmp_path, respond, status):
    profile = tmp_path / "profile.json"
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}, {"names": ["rmdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}))
    options = rules(rule("No folder", f"evt.type in (mkdir, mkdirat) and evt.arg.path = {tmp_path}/made", respond))
    out = run_denied(sensors, receiver, (*options, "--seccomp", str(profile)),
                     f"mkdir {tmp_path}/made; echo $? >{tmp_path}/status; mkdir {tmp_path}/free; rmdir {tmp_path}/free")
    assert not (tmp_path / "made").exists() and (tmp_path / "free").exists(), out
    assert (tmp_path / "status").read_text() == f"{status}\n"
    told = wait_for(lambda: responses(receiver))
    assert len(told) == 1 and told[0]["respond.rule"] == "No folder" and told[0].get("respond.errno") == (
        "EROFS" if "EROFS" in respond else "EPERM")
    assert {event["fields"]["seccomp.action"] for event in receiver.find() if "seccomp.action" in event["fields"]} == {
        "NOTIFY", "ERRNO(ENOSPC)"}


def test_many_threads_that_are_denied_all_get_their_answer(receiver, sensors, rules, tmp_path):
    etc, out = tmp_path / "etc", tmp_path / "out"
    etc.mkdir()
    code = f"""
import threading
def one(n):
    for i in range(20):
        try: open("{etc}/%d" % n, "w"); wrong.append(n)
        except PermissionError: right.append(n)
        open("{tmp_path}/free-%d" % n, "w").close()
wrong, right = [], []
threads = [threading.Thread(target=one, args=(n,)) for n in range(16)]
for t in threads: t.start()
for t in threads: t.join()
open("{out}", "w").write("%d %d" % (len(right), len(wrong)))
"""
    (tmp_path / "code.py").write_text(code)
    run_denied(sensors, receiver, rules(rule("No writes", writes(etc), "deny")), f"{sys.executable} {tmp_path}/code.py")
    assert out.read_text() == "320 0" and not list(etc.iterdir())
    wait_for(lambda: len(responses(receiver)) == 320)


# A name that is rewritten while it is looked at may get through: then the event says so, and nothing breaks.
def test_a_thread_that_rewrites_the_name_breaks_nothing(receiver, sensors, rules, tmp_path):
    etc = tmp_path / "etc"
    etc.mkdir()
    (tmp_path / "code.py").write_text(f"""
import ctypes, errno, os, threading, time
good, bad = b"{tmp_path}/xxx/n", b"{etc}/n"
buffer = ctypes.create_string_buffer(max(good, bad, key=len))
libc, go = ctypes.CDLL(None, use_errno=True), True
def rewrite():
    while go:
        ctypes.memmove(buffer, good, len(good)); ctypes.memmove(buffer, bad, len(bad))
thread = threading.Thread(target=rewrite); thread.start()
refused, calls, end = False, 0, time.monotonic() + 20
while calls < 200 or (not refused and time.monotonic() < end): # the other thread may not get a processor for long
    fd = libc.open(buffer, os.O_WRONLY | os.O_CREAT, 0o600)
    refused |= fd < 0 and ctypes.get_errno() == errno.EPERM
    calls += 1
    if fd >= 0: os.close(fd)
go = False
thread.join()
""")
    run_denied(sensors, receiver, rules(rule("No writes", writes(etc), "deny")), f"{sys.executable} {tmp_path}/code.py")
    wait_for(lambda: responses(receiver))
    assert {fields["respond.result"] for fields in responses(receiver)} <= {"denied", "not denied"}


def test_a_denied_call_in_a_loop_is_one_incident(sensors, tmp_path):
    etc = tmp_path / "etc"
    etc.mkdir()
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.yaml").write_text(rule("No writes", writes(etc), "deny"))
    hub = Hub(tmp_path, {"rules_files": [str(tmp_path / "rules")]}).start()
    try:
        sensor = sensors(hub.port, "--enforce", "on", command=["bash", "-c", f"for i in $(seq 500); do echo x >{etc}/a; done"])
        sensor.process.communicate(timeout=60)
        alerts = wait_for(lambda: [entry for entry in hub.api("GET", "/api/v1/alerts?limit=500")[1]["alerts"]
                                   if entry["alert"]["tocsin"]["count"] == 500])
        assert len({entry["alert"]["tocsin"]["incident"] for entry in alerts}) == 1
        assert not list(etc.iterdir())
    finally:
        hub.stop()


# ---- the alert ----

@needs_ebpf
def test_the_alert_says_what_was_done(tmp_path, sensors):
    secret = tmp_path / "secret"
    secret.touch()
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.yaml").write_text(rule("Kill", f"evt.type = openat and fd.name = {secret}", "kill"))
    hub = Hub(tmp_path, {"rules_files": [str(tmp_path / "rules")]}).start()
    try:
        sensors(hub.port, "--enforce", "on")
        child = subprocess.Popen([sys.executable, "-c", SLEEPS.format(path=str(secret))])
        assert child.wait(10) == -signal.SIGKILL
        alert = wait_for(lambda: hub.api("GET", "/api/v1/alerts?limit=10")[1]["alerts"])[0]["alert"]
        assert alert["rule"] == "Kill"
        assert alert["output_fields"]["respond.action"] == "kill" and alert["output_fields"]["respond.result"] == "killed"
    finally:
        hub.stop()
