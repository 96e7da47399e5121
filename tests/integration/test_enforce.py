"""What rules respond with, by its effects: what was to be prevented did not happen, what was to be killed is dead."""
import json
import os
import signal
import subprocess
import sys
import time
import uuid

import pytest

from hub import Hub
from test_sensor import Receiver, Sensor, cgroup_root, ebpf_lacks, receiver, sensors, wait_for  # noqa: F401 (fixtures)

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
    child = subprocess.Popen(["sh", "-c", f"echo $$ >{group}/cgroup.procs; cat {bait}; sleep 0.5; touch {done}; exec sleep 20"])
    try:
        if mode == "dry-run":
            wait_for(done.exists, what="what is not frozen goes on")
            assert wait_for(lambda: responses(receiver))[0]["respond.result"] == "would freeze"
            assert not is_frozen(group)
            return
        wait_for(lambda: is_frozen(group))
        assert wait_for(lambda: responses(receiver))[0]["respond.result"] == "frozen"
        assert not done.exists()
        thaw = sensor.text().split("to let it go on: ", 1)[1].splitlines()[0]
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
    sensor = sensors(receiver.port, *rules(rule("No unlink", f"evt.type = unlink and evt.arg.path = {path}", "deny")), "--enforce", "on")
    assert "No unlink: deny with EPERM: deny of unlink is not possible under eBPF" in sensor.text()
    os.unlink(path)
    fields = wait_for(lambda: responses(receiver))[0]
    assert fields["respond.result"] == "not possible" and fields["evt.res"] == "SUCCESS"
    heartbeat = wait_for(lambda: [beat["stats"]["enforce"] for beat in receiver.heartbeats if "enforce" in beat["stats"]])[0]
    assert heartbeat["mode"] == "on" and heartbeat["rules"][0]["rule"] == "No unlink"
    assert heartbeat["rules"][0]["promise"] == "none"


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
