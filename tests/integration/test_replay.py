"""Recordings of raw records: what is played back gives the same events again."""
import json
import os
import shutil
import signal
import stat
import struct
import subprocess
import sys

import pytest

from test_sensor import (BUILD, ROOT, SENSOR, Receiver, needs_ebpf, python, receiver, rules, sensors,  # noqa: F401
                         our_name, wait_for)

sys.path.insert(0, os.path.join(ROOT, "tests", "records"))
import records  # noqa: E402

HEADER = 416


def play(path, *options):
    done = subprocess.run([SENSOR, "--print", "--all-events", "--lifecycle", "--replay", str(path), *options],
                          capture_output=True)
    return done.returncode, done.stdout, done.stderr.decode()


def frames(data):
    """Offsets and lengths of the frames of a recording, with their kinds."""
    at = HEADER
    while at < len(data):
        length, kind, zero = struct.unpack_from("=IHH", data, at)
        assert zero == 0
        yield at, length + 8, kind
        at += length + 8


@pytest.mark.parametrize("name", records.SCENARIOS)
def test_a_recording_gives_the_events_that_are_expected(name):
    status, out, log = play(f"{records.DATA}/{name}.rec")
    assert status == 0, log
    with open(f"{records.DATA}/{name}.ndjson", "rb") as file:
        want = file.read()
    assert out == want, "meant? then tests/records/records.py golden"
    assert f"gave {len(want.splitlines())} events" in log


def test_a_replay_needs_no_privileges(tmp_path):
    sensor = shutil.copy(SENSOR, tmp_path)
    recording = shutil.copy(f"{records.DATA}/shell.rec", tmp_path)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        if os.stat(folder).st_uid == os.getuid() and folder != folder.parent:
            os.chmod(folder, os.stat(folder).st_mode | 0o755)
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all",
                           sensor, "--print", "--all-events", "--lifecycle", "--replay", recording],
                          capture_output=True)
    assert done.returncode == 0, done.stderr
    with open(f"{records.DATA}/shell.ndjson", "rb") as file:
        assert done.stdout == file.read()


@needs_ebpf
def test_what_was_recorded_gives_the_same_events_byte_for_byte(rules, tmp_path):
    recording, log = str(tmp_path / "kept"), tmp_path / "log"
    with open(tmp_path / "live", "wb") as live, open(log, "wb") as errors:
        sensor = subprocess.Popen([SENSOR, "--print", "--rules", rules, "--spool-dir", str(tmp_path), "--record",
                                   recording], stdout=live, stderr=errors)
    try:
        wait_for(lambda: "start: version" in log.read_text(), 60)
        assert stat.S_IMODE(os.stat(recording).st_mode) == 0o600
        python("import os; os.system('mkdir /nonexistent-r/x; true')")
        wait_for(lambda: os.stat(recording).st_size > HEADER + 4096, what="records on disk within a second")
    finally:
        sensor.terminate()
        sensor.wait()
    done = subprocess.run([SENSOR, "--print", "--rules", rules, "--replay", recording], capture_output=True)
    assert done.returncode == 0 and done.stdout and done.stdout == (tmp_path / "live").read_bytes(), done.stderr


def test_other_rules_can_be_tried_on_a_recording(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text("- rule: R\n  desc: d\n  condition: evt.type = openat and fd.name = /etc/shadow\n"
                    "  output: o\n  priority: NOTICE\n")
    done = subprocess.run([SENSOR, "--print", "--rules", str(path), "--replay", f"{records.DATA}/flood.rec"],
                          capture_output=True)
    assert [json.loads(line)["fields"]["fd.name"] for line in done.stdout.splitlines()] == ["/etc/shadow"]


def test_what_does_not_parse_is_counted_with_its_place_and_left_out(tmp_path):
    with open(f"{records.DATA}/shell.rec", "rb") as file:
        data = bytearray(file.read())
    status, whole, _ = play(f"{records.DATA}/shell.rec")
    chosen = [frame for frame in frames(data) if frame[2] == 1][5:7]
    for at, _, _ in chosen:
        data[at + 8 + 4] = 99  # no such type of record
    (tmp_path / "broken").write_bytes(data)
    status, out, log = play(tmp_path / "broken")
    assert status == 0
    assert f"2 frames were not what they say, the first at byte {chosen[0][0]};" in log
    assert 0 < len(out.splitlines()) < len(whole.splitlines())


@pytest.mark.parametrize("how", ["length", "filling", "end"])
def test_from_where_frames_cannot_be_told_apart_nothing_is_believed(tmp_path, how):
    with open(f"{records.DATA}/shell.rec", "rb") as file:
        data = bytearray(file.read())
    at = list(frames(data))[40][0]
    if how == "length":
        struct.pack_into("=I", data, at, 0xfffffff8)
    elif how == "filling":
        data[at + 6] = 1
    else:
        del data[at + 30:]
    (tmp_path / "broken").write_bytes(data)
    status, out, log = play(tmp_path / "broken")
    assert status == 0 and out
    assert f"from byte {at} on is no whole frame" in log


@pytest.mark.parametrize("damage, text", [
    (lambda data: b"", "it is not a recording"),
    (lambda data: b"x" * 4096, "it is not a recording"),
    (lambda data: data[:200], "it is not a recording"),
    (lambda data: data[:8] + b"\x63" + data[9:], "another version"),
    (lambda data: data[:16] + b"\x00" * 8 + data[24:], "another version"),
    (lambda data: data[:32] + b"\x41" * 256 + data[288:], "it is not a recording"),
])
def test_what_is_no_recording_of_ours_is_refused(tmp_path, damage, text):
    with open(f"{records.DATA}/shell.rec", "rb") as file:
        (tmp_path / "broken").write_bytes(damage(file.read()))
    status, out, log = play(tmp_path / "broken")
    assert status == 1 and not out and text in log


def test_a_replay_can_go_to_a_hub(receiver, tmp_path):
    for _ in range(2):  # the second time, too: it is not taken for a repeat
        done = subprocess.run([SENSOR, "--hub", f"http://127.0.0.1:{receiver.port}", "--all-events", "--lifecycle",
                               "--spool-dir", str(tmp_path / "spool"), "--replay", f"{records.DATA}/network.rec"],
                              capture_output=True)
        assert done.returncode == 0, done.stderr
    with open(f"{records.DATA}/network.ndjson", "rb") as file:
        want = [json.loads(line)["fields"] for line in file]
    assert [event["fields"] for event in receiver.events] == want * 2
    assert {event["hostname"] for event in receiver.events} == {"node1"}
    assert len({event["sensor"]["boot"] for event in receiver.events}) == 2


@needs_ebpf
def test_a_recording_that_cannot_be_written_is_no_start(tmp_path):
    for path, text in (("/dev/full", "No space left"), (str(tmp_path / "no" / "where"), "No such file")):
        done = subprocess.run([SENSOR, "--print", "--all-events", "--spool-dir", str(tmp_path), "--record", path],
                              capture_output=True, timeout=30)
        assert done.returncode == 1 and f"record: {path}: {text}" in done.stderr.decode()


@needs_ebpf
def test_a_disk_that_fills_up_ends_the_recording_and_not_the_sensor(receiver, sensors, rules, tmp_path):
    """The limit of a file's size stands for the disk."""
    recording = str(tmp_path / "kept")
    sensor = sensors(receiver.port, "--rules", rules, "--record", recording)
    subprocess.run(["prlimit", f"--pid={sensor.process.pid}", f"--fsize={os.stat(recording).st_size + 20000}"], check=True)
    for _ in range(40):
        python("pass")
    wait_for(lambda: "what comes now is not recorded" in sensor.text())
    before = len(receiver.events)
    python("pass")
    wait_for(lambda: len(receiver.events) > before)
    assert sensor.stop() == 0
    assert "records more found no place" in sensor.text()
    assert play(recording)[0] == 0
