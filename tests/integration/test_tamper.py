"""Killing, pausing and stopping the sensor is noticed; so is a sensor that does not see."""
import ctypes
import glob
import gzip
import json
import os
import platform
import re
import signal
import subprocess
import sys
import time

import pytest

from hub import ROOT, Hub
from servers import wait_for
from test_sensor import MARKED, SENSOR, make_events, needs_ebpf, receiver, sensors  # noqa: F401


@pytest.fixture
def hub(tmp_path):
    hub = Hub(tmp_path, {"rules_files": [str(ROOT / "rules" / "tocsin_hub_rules.yaml")]}).start()
    yield hub
    hub.stop()


@pytest.fixture
def marked(tmp_path):
    (tmp_path / "marked.yaml").write_text(MARKED)
    return str(tmp_path / "marked.yaml")


def outputs(hub, rule):
    return [entry["alert"]["output"] for entry in hub.api("GET", "/api/v1/alerts?limit=100")[1]["alerts"]
            if entry["alert"]["rule"] == rule]


def pins(sensor):
    """What the sensor keeps for its next run."""
    with open(os.path.join(sensor.spool, "id")) as file:
        return glob.glob(f"/sys/fs/bpf/tocsin/{file.read().strip()}")


def heard(hub):
    return any(one["status"] and "tamper" in one["status"] for one in hub.api("GET", "/api/v1/sensors")[1]["sensors"])


@needs_ebpf
def test_a_killed_sensor_is_told_when_it_is_back(hub, sensors, marked):  # noqa: F811
    first = sensors(hub.port, "--rules", marked)
    wait_for(lambda: heard(hub), 15, "the first heartbeat")
    first.stop(signal.SIGKILL)
    second = sensors(hub.port, "--rules", marked)
    [told] = wait_for(lambda: outputs(hub, "Sensor killed"), 15, "the alert")
    assert f"({os.getpid()}), uid 0" in told and "detail=SIGKILL from " in told
    assert outputs(hub, "Events of a sensor lost") == []
    kept = pins(first)
    assert len(kept) == 1
    assert second.stop() == 0
    assert pins(first) == []


@needs_ebpf
def test_what_sensors_leave_that_never_came_back_is_bounded(hub, sensors, marked):  # noqa: F811
    left = [f"/sys/fs/bpf/tocsin/left-{number}" for number in range(70)]
    try:
        os.makedirs("/sys/fs/bpf/tocsin", exist_ok=True)
        for path in left:
            subprocess.run(["bpftool", "map", "create", path, "type", "array", "key", "4", "value", "4", "entries", "1", "name", "left"], check=True)
        sensor = sensors(hub.port, "--rules", marked)
        wait_for(lambda: pins(sensor), 15, "its own")
        assert not os.path.exists(left[0]) and os.path.exists(left[-1])
    finally:
        for path in left:
            if os.path.exists(path):
                os.unlink(path)


@needs_ebpf
def test_a_stopped_sensor_says_who_asked_and_is_not_called_killed(hub, sensors, marked):  # noqa: F811
    first = sensors(hub.port, "--rules", marked)
    wait_for(lambda: heard(hub), 15, "the first heartbeat")
    subprocess.run([sys.executable, "-c", f"import os; os.kill({first.process.pid}, 15)"], check=True)
    assert first.process.wait(20) == 0
    [told] = wait_for(lambda: outputs(hub, "Sensor stopped"), 15, "the alert")
    assert "by=SIGTERM from python" in told
    sensors(hub.port, "--rules", marked)
    wait_for(lambda: len({one["boot"] for one in hub.api("GET", "/api/v1/sensors")[1]["sensors"]}) == 1, 10, "one")
    time.sleep(1.5)
    assert outputs(hub, "Sensor killed") == []


@needs_ebpf
def test_a_sensor_that_ended_while_the_hub_was_away_was_not_killed(hub, sensors, marked):  # noqa: F811
    first = sensors(hub.port, "--rules", marked)
    wait_for(lambda: heard(hub), 15, "the first heartbeat")
    port = hub.port
    hub.stop()
    assert first.stop() == 0
    hub.settings["listen"] = f"127.0.0.1:{port}"
    hub.start()
    sensors(hub.port, "--rules", marked)
    wait_for(lambda: heard(hub), 15, "a heartbeat")
    time.sleep(1.5)
    assert outputs(hub, "Sensor killed") == []


@needs_ebpf
def test_a_paused_sensor_tells_when_it_goes_on(hub, sensors, marked):  # noqa: F811
    sensor = sensors(hub.port, "--rules", marked)
    wait_for(lambda: heard(hub), 15, "the first heartbeat")
    os.kill(sensor.process.pid, signal.SIGSTOP)
    time.sleep(2.2)
    os.kill(sensor.process.pid, signal.SIGCONT)
    [told] = wait_for(lambda: outputs(hub, "Sensor paused"), 15, "the alert")
    assert "seconds=2" in told or "seconds=3" in told or "seconds=4" in told
    assert f"({os.getpid()})" in told and "continued by" in told and "SIGSTOP from" in told


class MapAttributes(ctypes.Structure):
    _fields_ = [("fd", ctypes.c_uint32), ("unused", ctypes.c_uint32), ("key", ctypes.c_uint64),
                ("value", ctypes.c_uint64), ("flags", ctypes.c_uint64)]


def bpf(command, **attributes):
    attributes = MapAttributes(**attributes)
    return ctypes.CDLL(None, use_errno=True).syscall(321, command, ctypes.byref(attributes), ctypes.sizeof(attributes))


def map_of(pid, name):
    """What bpftool says of a map of a process, and a descriptor of it."""
    shown = json.loads(subprocess.run(["bpftool", "-j", "map", "show"], capture_output=True, check=True).stdout)
    mine = {line.split()[1] for path in glob.glob(f"/proc/{pid}/fdinfo/*") for line in open(path) if "map_id:" in line}
    [found] = [one for one in shown if one.get("name", "").endswith(name) and str(one["id"]) in mine]
    fd = bpf(14, fd=found["id"])
    assert fd >= 0
    return found, fd


def write_zeroes(pid, name):
    """Over all that a map of a process holds, as who wants to blind its programs would."""
    found, fd = map_of(pid, name)
    key, value = ctypes.c_uint32(0), ctypes.create_string_buffer(found["bytes_value"])
    assert bpf(2, fd=fd, key=ctypes.addressof(key), value=ctypes.addressof(value)) == 0
    os.close(fd)


PTRACE_SINGLESTEP, PTRACE_GETREGS, PTRACE_SETREGS, PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 9, 12, 13, 17, 0x4206, 0x4207
RDI, RAX, ORIG_RAX, RIP, REGISTERS = 14, 10, 15, 16, 27  # of x86_64


def close_within(pid, number):
    """Has a process close a descriptor of its own: by a call in the place of the one that it waits in."""
    libc = ctypes.CDLL(None, use_errno=True)

    def ptrace(request, data=None):
        assert libc.ptrace(ctypes.c_long(request), ctypes.c_long(pid), None, data) == 0, os.strerror(ctypes.get_errno())

    before, now = (ctypes.c_uint64 * REGISTERS)(), (ctypes.c_uint64 * REGISTERS)()
    ptrace(PTRACE_SEIZE)
    try:
        for _ in range(1000):
            ptrace(PTRACE_INTERRUPT)
            os.waitpid(pid, 0x40000000)
            ptrace(PTRACE_GETREGS, before)
            with open(f"/proc/{pid}/mem", "rb") as memory:
                memory.seek(before[RIP] - 2)
                if memory.read(2) == b"\x0f\x05":
                    break
            ptrace(7)  # goes on
            time.sleep(0.01)
        else:
            raise AssertionError("it is never in a call")
        now[:] = before[:]
        now[RIP], now[RAX], now[RDI], now[ORIG_RAX] = before[RIP] - 2, 3, number, 2**64 - 1
        ptrace(PTRACE_SETREGS, now)
        ptrace(PTRACE_SINGLESTEP)
        os.waitpid(pid, 0x40000000)
        ptrace(PTRACE_GETREGS, now)
        ptrace(PTRACE_SETREGS, before)
        assert now[RAX] == 0
    finally:
        ptrace(PTRACE_DETACH)


@needs_ebpf
@pytest.mark.skipif(platform.machine() != "x86_64", reason="skipped, because registers are others")
def test_a_program_that_is_not_attached_any_more_is_told(hub, sensors, marked):  # noqa: F811
    sensor = sensors(hub.port, "--rules", marked)
    wait_for(lambda: heard(hub), 15, "the first heartbeat")
    links = [int(os.path.basename(path)) for path in glob.glob(f"/proc/{sensor.process.pid}/fdinfo/*")
             if re.search(r"^link_type:\t(raw_tracepoint|tracing)", open(path).read(), re.M)]
    assert len(links) > 5
    close_within(sensor.process.pid, links[-1])
    [told] = wait_for(lambda: outputs(hub, "Sensor blind"), 15, "the alert")
    assert "1 of its programs are not attached any more" in told
    sensor.stop()


@needs_ebpf
@pytest.mark.skipif(platform.machine() != "x86_64", reason="skipped, because the number of bpf(2) is another one")
def test_programs_that_are_told_to_look_away_are_set_right(hub, sensors, marked):  # noqa: F811
    sensor = sensors(hub.port, "--rules", marked)
    wait_for(lambda: heard(hub), 15, "the first heartbeat")
    write_zeroes(sensor.process.pid, ".bss")
    [told] = wait_for(lambda: outputs(hub, "Sensor blind"), 5, "the alert")
    assert "changed from outside" in told
    make_events(3, "after")
    assert sensor.stop() == 0
    assert "stop: 3 events" in sensor.text()


def test_a_sensor_that_misses_its_heartbeats_is_told_soon_and_once(tmp_path):
    hub = Hub(tmp_path, {"rules_files": [str(ROOT / "rules" / "tocsin_hub_rules.yaml")],
                         "sensors": {"silent_after": "1s"}}).start()

    def beat(sensor, **more):
        body = {"sensor": {"id": sensor, "boot": "b"}, "hostname": sensor, "stats": {}, "tamper": {"notices": []}, **more}
        assert hub.request("POST", "/api/v1/sensors/heartbeat", body)[0] == 200

    try:
        beat("gone")
        beat("stopped", farewell="SIGTERM from systemd (1)")
        [told] = wait_for(lambda: outputs(hub, "Sensor unheard"), 10, "the alert")
        assert "host=gone sensor=gone" in told
        beat("gone")
        wait_for(lambda: len(outputs(hub, "Sensor unheard")) == 2, 10, "the next silence")
        # What was told before a restart is not told again.
        hub.stop()
        hub.start()
        wait_for(lambda: hub.api("GET", "/api/v1/status")[0] == 200, 10, "the hub")
        time.sleep(2.5)
        assert len(outputs(hub, "Sensor unheard")) == 2
    finally:
        hub.stop()


@needs_ebpf
def test_the_sensor_sees_its_own_call_and_nobody_else_does(receiver, sensors, marked):  # noqa: F811
    sensor = sensors(receiver.port, "--rules", marked)
    make_events(3, "canary")
    wait_for(lambda: len(receiver.find(evt__type="mkdir")) >= 3, 15, "events")
    assert sensor.stop() == 0
    last = receiver.heartbeats[-1]
    assert last["tamper"]["notices"] == [] and last["farewell"].startswith("SIGTERM from ")
    stats = last["stats"]
    assert stats["seen"] == stats["filtered"] + stats["emitted"] + sum(stats["lost"].values())
    assert not receiver.find(proc__pid=sensor.process.pid)


def test_what_a_run_left_in_its_spool_is_no_gap(hub):
    def post(boot, seq):
        body = {"source": "syscall", "hostname": "n1", "time": "2026-11-20T12:00:00Z",
                "sensor": {"id": "s1", "boot": boot, "seq": seq}, "fields": {"evt.type": "open"}}
        assert hub.events(body)[0] == 200

    post("old", 1)
    beat = {"sensor": {"id": "s1", "boot": "new"}, "hostname": "n1", "stats": {}}
    assert hub.request("POST", "/api/v1/sensors/heartbeat", beat)[0] == 200
    post("old", 2)
    post("new", 1)
    assert hub.metric("tocsin_hub_sensor_sequence_gaps_total") == 0


def test_a_long_heartbeat_may_be_packed(hub):
    body = {"sensor": {"id": "s3", "boot": "b"}, "hostname": "n3", "stats": {f"counter{n}": n for n in range(200)}}
    packed = gzip.compress(json.dumps(body).encode())
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert hub.request("POST", "/api/v1/sensors/heartbeat", packed, headers)[0] == 200
    [told] = hub.api("GET", "/api/v1/sensors")[1]["sensors"]
    assert told["status"]["stats"]["counter199"] == 199
    bomb = gzip.compress(json.dumps(body).encode() + b" " * 100000)
    assert hub.request("POST", "/api/v1/sensors/heartbeat", bomb, headers)[0] == 400


def test_notices_are_told_once_and_only_known_ones(hub):
    def beat(*whats):
        notices = [{"n": n + 1, "what": what, "seconds": 20, "detail": "x"} for n, what in enumerate(whats)]
        body = {"sensor": {"id": "s2", "boot": "b"}, "hostname": "n2", "stats": {}, "tamper": {"notices": notices}}
        assert hub.request("POST", "/api/v1/sensors/heartbeat", body)[0] == 200

    beat("sensor_blind")
    wait_for(lambda: outputs(hub, "Sensor blind"), 10, "the alert")
    beat("sensor_blind", "output_down", "sensor_killed", "sensor_paused")
    wait_for(lambda: outputs(hub, "Sensor paused"), 10, "the alert")
    assert len(outputs(hub, "Sensor blind")) == 1
    assert outputs(hub, "Sensor killed") == [] and outputs(hub, "Output down") == []


@needs_ebpf
def test_rings_have_the_size_that_was_asked_for(receiver, sensors, marked):  # noqa: F811
    sensor = sensors(receiver.port, "--rules", marked, "--ring-bulk", "256KiB", "--ring-urgent", "1MiB")
    os.kill(sensor.process.pid, signal.SIGSTOP)
    make_events(3000, "small")
    os.kill(sensor.process.pid, signal.SIGCONT)
    assert sensor.stop() == 0
    stats = receiver.heartbeats[-1]["stats"]
    assert stats["lost"]["path"] > 500 and stats["lost"]["process"] == 0  # 8 MiB would have held them all
    assert stats["seen"] == stats["filtered"] + stats["emitted"] + sum(stats["lost"].values())


@pytest.mark.parametrize("value", ["3MiB", "128KiB", "512MiB", "x"])
def test_a_ring_of_another_size_is_refused(value):
    done = subprocess.run([SENSOR, "--print", "--ring-bulk", value], capture_output=True, text=True)
    assert done.returncode == 2 and "power of two from 256KiB to 256MiB" in done.stderr
