"""What the hub takes, what it refuses and how it says so."""
import gzip
import json
import random
import socket
import subprocess
import time

import pytest

from hub import Hub, alert
from servers import wait_for

@pytest.fixture
def archive(tmp_path):
    """A hub that writes every alert to a file; yields (hub, function that reads the file)."""
    file = tmp_path / "alerts.json"
    hub = Hub(tmp_path, {"outputs": {"archive": {"type": "file", "path": str(file)}}}).start()

    def read(count=None):
        def lines():
            found = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
            return found if count is None or len(found) >= count else None
        return wait_for(lines, 15, f"{count} alerts in the file")

    yield hub, read
    hub.stop()


def test_falcos_own_way_is_answered_as_its_forwarder_does(archive):
    hub, read = archive
    status, _, body = hub.post(alert(1))
    assert (status, body) == (200, b"")
    stored = read(1)[0]
    sent = alert(1)
    for key in ("hostname", "output", "priority", "rule", "source", "tags", "time", "output_fields"):
        assert stored[key] == sent[key]
    assert stored["uuid"] and stored["tocsin"]["change"] == "opened"


def test_open_paths(archive):
    hub, _ = archive
    assert hub.request("GET", "/ping")[::2] == (200, b"pong\n")
    assert json.loads(hub.request("GET", "/healthz")[2]) == {"status": "ok"}
    status, _, body = hub.request("GET", "/readyz?verbose")
    assert status == 200 and b"[+]journal ok" in body
    assert hub.request("GET", "/nowhere")[0] == 404
    assert hub.request("GET", "/")[0] == 405
    status, _, _ = hub.request("POST", "/test")
    assert status == 200


def test_the_test_event_arrives(archive):
    hub, read = archive
    hub.request("POST", "/test")
    stored = read(1)[0]
    assert stored["rule"] == "Test rule" and stored["priority"] == "Debug" and stored["source"] == "internal"


@pytest.mark.parametrize("form", ["one", "array", "ndjson", "gzip", "zstd"])
def test_forms_of_a_batch(archive, form):
    hub, read = archive
    items = [alert(n) for n in range(1, 4)]
    text = {"one": json.dumps(items[0]), "array": json.dumps(items)}.get(form, "\n".join(map(json.dumps, items)))
    headers, body = {}, text.encode()
    if form == "gzip":
        headers, body = {"Content-Encoding": "gzip"}, gzip.compress(body)
    if form == "zstd":
        headers = {"Content-Encoding": "zstd"}
        body = subprocess.run(["zstd", "-q", "-c"], input=body, capture_output=True, check=True).stdout
    status, answer = hub.events(body, headers)
    count = 1 if form == "one" else 3
    assert status == 200 and answer["accepted"] == count and answer["verdicts"] == ["accepted"] * count
    assert [a["output_fields"]["evt.num"] for a in read(count)] == list(range(1, count + 1))


def test_a_list_of_nothing_is_good(archive):
    hub, _ = archive
    status, answer = hub.events("[]")
    assert status == 200 and answer["verdicts"] == [] and answer["errors"] == []
    assert hub.post([])[0] == 200
    assert hub.request("GET", "/ping")[0] == 200


@pytest.mark.parametrize("text", ['{}', '{"sensor":{}}', '{"sensor":{"id":"n1"}}', '{"sensor":{"id":1,"boot":[]}}'])
def test_a_heartbeat_names_its_sensor_and_boot(archive, text):
    hub, _ = archive
    assert hub.request("POST", "/api/v1/sensors/heartbeat", text)[0] == 400


def test_a_request_of_very_many_sensors(archive):
    hub, read = archive
    items = [alert(n) | {"sensor": {"id": f"s{n}", "boot": "b", "seq": 1}} for n in range(1, 101)]
    for verdict in ("accepted", "duplicate"):
        status, answer = hub.events(json.dumps(items))
        assert status == 200 and answer["verdicts"] == [verdict] * 100
    assert len(read(100)) == 100


def test_a_bad_item_is_named_and_its_neighbours_are_taken(archive):
    hub, read = archive
    text = "[" + json.dumps(alert(1)) + ', {"rule": tru}, ' + json.dumps(alert(2)) + ', {"rule":"x"}]'
    status, answer = hub.events(text)
    assert status == 200
    assert answer["verdicts"] == ["accepted", "rejected", "accepted", "rejected"]
    assert answer["errors"][0] == {"index": 1, "offset": text.index("tru}"), "reason": "expected a value"}
    assert answer["errors"][1]["index"] == 3
    assert len(read(2)) == 2


def test_quirks_that_must_not_hurt(archive):
    hub, read = archive
    odd = [
        alert(1, output_fields={"k8s.pod.name": 7, "k8s.ns.name": {"a": [1]}, "proc.name": "x"}),
        alert(2, time=1790000000123),
        alert(3, output=None),
        alert(4, unknown={"deep": [[[]]]}, message="m"),
        alert(5, tags=["b", 1, "a"]),
        alert(6, hostname=None),
        alert(7, priority="info"),
    ]
    for item in odd:
        assert hub.post(item)[0] == 200
    raw = json.dumps(alert(8)).replace("/etc/shadow", "/tmp/\\u0000caf@").encode().replace(b"caf@", b"caf\xe9\xff")
    assert hub.post(raw)[0] == 200
    stored = read(8)
    assert stored[1]["time"].startswith("2026-09-21T")
    assert stored[6]["priority"] == "Informational"
    assert stored[7]["output_fields"]["fd.name"] == "/tmp/\0caf\uefe9\uefff"


def test_refusals_say_where_and_why(archive):
    hub, _ = archive
    for body, offset, word in [(b"{", 1, "ends"), (b"", 0, "empty"), (b'{"rule":"a","rule":"b"}', 13, "twice"),
                               (b'{"rule":"a","priority":"loud"}', 24, "priority"), (b"[[]]", 1, "object"),
                               (b"\xff", 0, "value"), (b'{"priority":"info"}', 0, "rule")]:
        status, answer = hub.events(body)
        assert status == 400, body
        assert answer["errors"][0]["offset"] == offset and word in answer["errors"][0]["reason"], (body, answer)
        assert hub.post(body)[0] == 400


def test_many_keys_in_one_object_cost_little(archive):
    """Looking for a key that stands twice must not be a way to keep the hub busy."""
    hub, _ = archive
    keys = ",".join('"\\u0061%06d":0' % n for n in range(480))
    body = ('{"rule":"r","priority":"info","output_fields":{' + keys + "}}\n") * 200
    began = time.monotonic()
    assert hub.events(body)[0] == 200
    assert time.monotonic() - began < 10


def test_the_same_event_twice_is_one(archive):
    hub, read = archive
    for _ in range(3):
        assert hub.post(alert(1))[0] == 200
    assert hub.events([alert(1), alert(2)])[1]["verdicts"] == ["duplicate", "accepted"]
    read(2)
    hub.stop()
    hub.start()
    assert hub.events(alert(2))[1]["verdicts"] == ["duplicate"]
    assert len(read(2)) == 2


def test_sensor_events_are_evaluated_and_their_numbers_taken_once(tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text("""
- rule: Write below binary dir
  desc: d
  condition: evt.type in (open, openat) and evt.is_open_write=true and fd.directory in (/bin, /usr/bin)
  output: File below a known binary directory opened for writing (file=%fd.name user=%user.name)
  priority: ERROR
  tags: [host, filesystem]
""")
    hub = Hub(tmp_path, {"rules_files": [str(rules)], "outputs": {
        "archive": {"type": "file", "path": str(tmp_path / "alerts.json")}}}).start()

    def event(seq, name="/bin/surprise"):
        return {"time": "2026-11-20T12:00:00.000000001Z", "source": "syscall", "hostname": "n1",
                "sensor": {"id": "s-1", "boot": "b-1", "seq": seq, "probe": "ebpf"},
                "fields": {"evt.type": "openat", "evt.is_open_write": True, "fd.name": name, "fd.num": 3,
                           "fd.typechar": "f", "user.name": "root", "proc.name": "touch"}}

    status, answer = hub.events([event(1), event(2, "/tmp/x"), event(1), event(4)])
    assert status == 200
    assert answer["verdicts"] == ["accepted", "unmatched", "duplicate", "accepted"]
    hub.drained("archive")
    stored = [json.loads(line) for line in (tmp_path / "alerts.json").read_text().splitlines()]
    assert stored[0]["output"].endswith(
        "Error File below a known binary directory opened for writing (file=/bin/surprise user=root)")
    assert stored[0]["priority"] == "Error" and stored[0]["tags"] == ["filesystem", "host"]
    assert stored[0]["output_fields"]["fd.name"] == "/bin/surprise"
    assert stored[0]["tocsin"]["sensor"] == {"id": "s-1", "seq": 1, "probe": "ebpf"}
    assert [a["tocsin"]["change"] for a in stored] == ["opened", "repeat"]
    assert hub.metric("tocsin_hub_sensor_sequence_gaps_total") == 1
    hub.stop()
    hub.start()
    assert hub.events([event(4), event(5)])[1]["verdicts"] == ["duplicate", "accepted"]
    hub.stop()


def test_changes_of_an_incident_and_every_alert(tmp_path):
    """A chat hears that it began, goes on, and is over; the archive gets each alert and no notes."""
    files = {name: tmp_path / name for name in ("chat", "archive")}
    hub = Hub(tmp_path, {
        "incidents": {"resolve_after": "3s", "update_interval": "1s", "fields": ["hostname", "proc.name"]},
        "outputs": {name: {"type": "file", "path": str(path)} for name, path in files.items()},
        "routes": [{"outputs": ["chat"], "deliver": "changes", "minimum_priority": "warning", "continue": True},
                   {"outputs": ["archive"], "deliver": "every"}]}).start()

    def read(name):
        return [json.loads(line) for line in files[name].read_text().splitlines()] if files[name].exists() else []

    for _ in range(5):
        assert hub.post(alert())[0] == 200
    assert hub.post(alert(priority="Notice", rule="quiet"))[0] == 200
    assert hub.post(alert(hostname="node-2"))[0] == 200
    wait_for(lambda: sum(a["tocsin"]["change"] == "resolved" for a in read("chat")) >= 2, 20, "the end of both")
    heard = [(a["hostname"], a["tocsin"]["change"], a["tocsin"]["count"]) for a in read("chat")]
    assert [h for h in heard if h[0] == "node-1"][0] == ("node-1", "opened", 1)
    assert ("node-1", "ongoing", 5) in heard and ("node-1", "resolved", 5) in heard
    assert [h for h in heard if h[0] == "node-2"] == [("node-2", "opened", 1), ("node-2", "resolved", 1)]
    assert "Resolved: " in read("chat")[-1]["output"]
    assert [a["tocsin"]["change"] for a in read("archive")].count("repeat") == 4
    assert len(read("archive")) == 7
    hub.drained("chat")
    hub.drained("archive")
    hub.stop()
    hub.audit()


def test_limits(tmp_path):
    hub = Hub(tmp_path, {"ingest": {"max_body": "4KiB", "max_body_unpacked": "8KiB", "max_event": "2KiB",
                                    "max_depth": 8, "max_fields": 64, "max_batch": 3, "max_connections": 20}}).start()
    assert hub.post(b"x" * 5000)[0] == 413
    chunk = b"bb8\r\n" + b" " * 3000 + b"\r\n"
    assert hub.request("POST", "/", iter([chunk, chunk, b"0\r\n\r\n"]), {"Transfer-Encoding": "chunked"})[0] == 413
    assert hub.events(gzip.compress(b" " * 9000), {"Content-Encoding": "gzip"})[0] == 413
    assert hub.events(b"x", {"Content-Encoding": "br"})[0] == 415
    assert hub.events(b"no gzip", {"Content-Encoding": "gzip"})[0] == 400
    assert "deep" in hub.events(b"[" + b'{"a":' * 20 + b"1" + b"}" * 20 + b"]")[1]["errors"][0]["reason"]
    assert "many" in hub.events(alert(output_fields={str(n): n for n in range(100)}))[1]["errors"][0]["reason"]
    assert "max_event" in hub.events(alert(output="x" * 3000))[1]["errors"][0]["reason"]
    assert hub.events([alert() for _ in range(5)])[1]["verdicts"] == ["accepted"] * 3 + ["rejected"]
    open_ones = [socket.create_connection(("127.0.0.1", hub.port)) for _ in range(30)]
    for one in open_ones:
        one.close()
    wait_for(lambda: hub.request("GET", "/ping")[0] == 200, 10)
    hub.stop()


def test_a_sender_above_its_rate_waits_and_is_then_refused(tmp_path):
    hub = Hub(tmp_path, {"ingest": {"rate_per_sender": 10, "burst_per_sender": 5}}).start()
    statuses = [hub.events([alert() for _ in range(4)]) [0] for _ in range(2)]
    assert statuses == [200, 200]
    status, headers, _ = hub.post([alert() for _ in range(40)], "/api/v1/events")
    assert status == 200
    status, headers, _ = hub.post(alert())
    assert status == 429 and int(headers["Retry-After"]) >= 1
    hub.stop()


def test_a_token_is_asked_for(tmp_path):
    hub = Hub(tmp_path, {"ingest": {"token": "env:HUB_TOKEN"}}, {"HUB_TOKEN": "s3cret"}).start()
    assert hub.post(alert())[0] == 401
    assert hub.post(alert(), "/?token=wrong")[0] == 401
    assert hub.post(alert(), "/?token=s3cret")[0] == 200
    assert hub.post(alert(), "/", {"Authorization": "Bearer s3cret"})[0] == 200
    assert hub.post(alert(), "/", {"Authorization": "Basic ZmFsY286czNjcmV0"})[0] == 200
    assert hub.request("GET", "/healthz")[0] == 200
    hub.stop()
    assert "s3cret" not in hub.read_log()


def test_metrics_in_both_formats(archive):
    hub, read = archive
    hub.post(alert())
    read(1)
    _, headers, text = hub.request("GET", "/metrics")
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert b"tocsin_hub_alerts_total{priority=\"Warning\"} 1" in text and b"# EOF" not in text
    _, headers, text = hub.request("GET", "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert text.endswith(b"# EOF\n") and b"# TYPE tocsin_hub_alerts counter" in text
    families = [line.split()[2] for line in text.decode().splitlines() if line.startswith("# TYPE")]
    assert len(families) == len(set(families))


def test_a_hundred_thousand_garbage_bodies(archive):
    """No crash, no leak, memory flat, and a good one still goes through."""
    hub, read = archive
    dice = random.Random(4711)
    good = json.dumps(alert(1)).encode()
    link = socket.create_connection(("127.0.0.1", hub.port))
    answers = link.makefile("rb")

    def garbage():
        kind = dice.randrange(4)
        if kind == 0:
            return dice.randbytes(dice.randrange(200))
        if kind == 1:
            return good[:dice.randrange(1, len(good))]
        if kind == 2:
            body = bytearray(good)
            for _ in range(dice.randrange(1, 8)):
                body[dice.randrange(len(body))] = dice.randrange(256)
            return bytes(body)
        return b"[" * dice.randrange(300) + b'{"a":' * dice.randrange(100)

    def take_answer():
        status = int(answers.readline().split()[1])
        length = 0
        while (line := answers.readline()) != b"\r\n":
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        answers.read(length)
        return status

    def send(count):
        for _ in range(count // 20):
            bodies = [garbage() for _ in range(20)]  # pipelined
            link.sendall(b"".join(b"POST /api/v1/events HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s"
                                  % (len(body), body) for body in bodies))
            for _ in bodies:
                assert take_answer() in (200, 400)

    send(30000)
    before = hub.metric("process_resident_memory_bytes")
    send(70000)
    after = hub.metric("process_resident_memory_bytes")
    assert after < before + 32 * 2**20, f"{before} -> {after}"
    assert hub.post(alert(999))[0] == 200
    wait_for(lambda: any(a["output_fields"].get("evt.num") == 999 for a in read()), 30)
