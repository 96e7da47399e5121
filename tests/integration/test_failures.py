"""Law 1 against real processes: kill -9 under load, dead and slow destinations, a full disk."""
import json
import os
import random
import re
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from hub import BUILD, Hub, alert
from servers import Kafka, Redis, wait_for

ROUNDS = int(os.environ.get("TOCSIN_KILL_ROUNDS", "20"))


class MoodyReceiver:
    """A webhook receiver that hangs, resets, answers 429, 500, and 200 in turn; keeps the numbers it
    answered 200 for. Calm ones answer 200, but where `refuse(number)` gives another status."""

    def __init__(self, moody=True, refuse=lambda number: None):
        self.seen, self.duplicates, self.lock, self.dice = set(), 0, threading.Lock(), random.Random(1)
        self.moody, self.refuse = moody, refuse
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                receiver.answer(self)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # cut connections are what it is for
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"

    def answer(self, request):
        body = request.rfile.read(int(request.headers["Content-Length"]))
        mood = self.dice.random() if self.moody else 1
        if mood < 0.004:
            time.sleep(1.5)  # longer than the output's timeout
            request.close_connection = True
            return
        if mood < 0.02:
            request.connection.close()
            request.close_connection = True
            return
        number = json.loads(body)["output_fields"]["evt.num"]
        status = self.refuse(number) or (429 if mood < 0.03 else 500 if mood < 0.05 else 200)
        if status == 200:
            with self.lock:
                self.duplicates += number in self.seen
                self.seen.add(number)
        request.send_response(status)
        if status == 429:
            request.send_header("Retry-After", "0")
        request.send_header("Content-Length", "0")
        request.end_headers()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def load(hub, folder, seconds, connections=16, first=1, extra=()):
    """Starts the load generator; acknowledged numbers go to the file `acked`."""
    return subprocess.Popen([BUILD / "tests" / "tools" / "load", "-p", str(hub.port), "-c", str(connections),
                             "-s", str(seconds), "-f", str(first), "-a", str(folder / "acked"), *extra],
                            stdout=subprocess.PIPE, text=True)


def acked(folder):
    path = folder / "acked"
    return [int(line) for line in path.read_text().splitlines() if line.isdigit()] if path.exists() else []


def numbers_in(path):
    found = []
    for line in path.read_text(errors="replace").splitlines():
        try:
            found.append(json.loads(line)["output_fields"]["evt.num"])
        except (ValueError, KeyError):
            pass  # a line torn by kill -9: what it held comes again
    return found


def test_kill_9_under_load_loses_nothing_acknowledged(tmp_path):
    receiver = MoodyReceiver()
    file = tmp_path / "alerts.json"
    hub = Hub(tmp_path, {"outputs": {
        "hook": {"type": "webhook", "url": receiver.url, "timeout": "1s", "concurrency": 16},
        "archive": {"type": "file", "path": str(file)}}})
    dice = random.Random(2)
    for round_ in range(ROUNDS):
        hub.start()
        generator = load(hub, tmp_path, 30, first=1 + round_ * 1000000, extra=["-r", "1500"])
        time.sleep(dice.uniform(0.05, 1.2))
        hub.kill()
        generator.terminate()
        generator.communicate(timeout=30)
    receiver.moody = False
    hub.start()
    sent = acked(tmp_path)
    assert len(sent) == len(set(sent)) and len(sent) > ROUNDS * 100
    hub.drained("archive", 120)
    hub.drained("hook", 300)
    missing = set(sent) - receiver.seen
    assert not missing, f"{len(missing)} of {len(sent)} acknowledged alerts never reached the webhook: {sorted(missing)[:5]}"
    missing = set(sent) - set(numbers_in(file))
    assert not missing, f"{len(missing)} of {len(sent)} never reached the file"
    hub.stop()
    print(hub.audit())
    receiver.close()


def test_a_hanging_output_costs_only_its_own_lag(tmp_path):
    """A destination that accepts and never answers: ingest and the other output go on, memory stays flat."""
    listener = __import__("socket").create_server(("127.0.0.1", 0))
    file = tmp_path / "alerts.json"
    hub = Hub(tmp_path, {"outputs": {
        "stuck": {"type": "webhook", "url": f"http://127.0.0.1:{listener.getsockname()[1]}/", "timeout": "60s"},
        "archive": {"type": "file", "path": str(file)}}}).start()
    generator = load(hub, tmp_path, 3)
    assert json.loads(generator.communicate(timeout=60)[0])["refused"] == 0
    hub.drained("archive", 60)
    first = hub.metric("process_resident_memory_bytes")
    generator = load(hub, tmp_path, 5, first=10000000)
    generator.communicate(timeout=60)
    hub.drained("archive", 60)
    assert hub.metric("process_resident_memory_bytes") < first * 1.5 + 32 * 2**20
    assert set(acked(tmp_path)) <= set(numbers_in(file))
    assert hub.pending("stuck") >= len(acked(tmp_path))
    assert hub.request("GET", "/readyz")[0] == 200
    hub.process.terminate()
    hub.process.wait(timeout=30)
    hub.audit()
    listener.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small tmpfs needs root")
def test_a_full_disk_refuses_and_recovers_without_a_restart(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", disk], check=True)
    receiver = MoodyReceiver(False)
    hub = Hub(tmp_path, {"data_dir": str(disk / "data"), "outputs": {
        "hook": {"type": "webhook", "url": receiver.url, "concurrency": 16}}})
    try:
        hub.start()
        for _ in range(10):
            assert hub.post(alert())[0] == 200
        ballast = disk / "ballast"
        generator = load(hub, tmp_path, 4, connections=8, first=1000000)
        time.sleep(0.5)
        with open(ballast, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 65536)
            except OSError:
                pass
            figures = json.loads(generator.communicate(timeout=60)[0])
            assert figures["refused"] > 0, "the disk never filled"

        def refused():
            status, headers, _ = hub.post(alert())
            return status == 503 and int(headers["Retry-After"]) > 0

        wait_for(refused, 20, "a refusal")
        assert hub.request("GET", "/readyz")[0] == 503
        ballast.unlink()
        wait_for(lambda: hub.post(alert(77777777))[0] == 200, 30, "the recovery")
        wait_for(lambda: hub.request("GET", "/readyz")[0] == 200, 10, "readiness")
        hub.drained("hook", 60)
        missing = set(acked(tmp_path)) - receiver.seen
        assert not missing, f"{len(missing)} acknowledged alerts were lost"
        assert 77777777 in receiver.seen
        hub.stop()
        done = subprocess.run([BUILD / "cli" / "tocsin", "audit", "--data-dir", disk / "data"], capture_output=True)
        assert done.returncode == 0, done.stdout
    finally:
        receiver.close()
        if hub.process and hub.process.poll() is None:
            hub.kill()
        subprocess.run(["umount", "-l", disk], check=True)


def test_sigterm_keeps_what_was_taken(tmp_path):
    file = tmp_path / "alerts.json"
    hub = Hub(tmp_path, {"outputs": {"archive": {"type": "file", "path": str(file)}}}).start()
    generator = load(hub, tmp_path, 20)
    time.sleep(1)
    hub.stop()
    generator.terminate()
    generator.communicate(timeout=30)
    hub.start()
    hub.drained("archive", 60)
    assert set(acked(tmp_path)) <= set(numbers_in(file))
    hub.stop()
    hub.audit()


def test_dead_letters_are_kept_and_replayed(tmp_path):
    refuse = {"on": True}
    receiver = MoodyReceiver(False, lambda number: 422 if refuse["on"] else None)
    hub = Hub(tmp_path, {"outputs": {"hook": {"type": "webhook", "url": receiver.url}}}).start()
    for number in (1, 2, 3):
        assert hub.post(alert(number))[0] == 200
    wait_for(lambda: hub.metric("tocsin_hub_output_alerts", output="hook", state="dead") == 3, 15, "three dead letters")
    def kept():
        letters = hub.api("GET", "/api/v1/dead-letters?output=hook")[1]["letters"]
        return letters if len(letters) == 3 else None

    letters = wait_for(kept, 5, "the letters")
    assert "422" in json.dumps(letters)
    refuse["on"] = False
    status, replayed = hub.api("POST", "/api/v1/dead-letters/replay", {"output": "hook"})
    assert status == 200 and replayed["replayed"] == 3
    wait_for(lambda: receiver.seen == {1, 2, 3}, 15, "the replay")
    wait_for(lambda: hub.metric("tocsin_hub_output_alerts", output="hook", state="dead") == 0, 5, "the count")
    hub.stop()
    hub.audit()
    receiver.close()


@pytest.mark.parametrize("how", ["first", "replayed"])
def test_one_alert_that_never_goes_through_does_not_stop_the_others(tmp_path, how):
    """The far side has an accident over one alert: the others of other hosts still arrive."""
    status = {"of 1": 500 if how == "first" else 422}
    receiver = MoodyReceiver(False, lambda number: status["of 1"] if number == 1 else None)
    hub = Hub(tmp_path, {"outputs": {"hook": {"type": "webhook", "url": receiver.url}}}).start()
    assert hub.post(alert(1) | {"hostname": "unlucky"})[0] == 200
    if how == "first":
        wait_for(lambda: hub.metric("tocsin_hub_output_up", output="hook") == 0, 15, "a backoff")
    else:
        wait_for(lambda: hub.api("GET", "/api/v1/dead-letters?output=hook")[1]["letters"], 15, "a dead letter")
        status["of 1"] = 500
        assert hub.api("POST", "/api/v1/dead-letters/replay", {"output": "hook"})[1]["replayed"] == 1
        wait_for(lambda: hub.metric("tocsin_hub_output_up", output="hook") == 0, 15, "a backoff")
    for number in (2, 3, 4):
        assert hub.post(alert(number) | {"hostname": f"node{number}"})[0] == 200
    wait_for(lambda: receiver.seen == {2, 3, 4}, 30, "the others")
    states = {s: hub.metric("tocsin_hub_output_alerts", output="hook", state=s) for s in ("delivered", "pending", "dead")}
    assert states == {"delivered": 3, "pending": 1 if how == "first" else 0, "dead": 0 if how == "first" else 1}
    hub.stop()
    hub.audit()
    receiver.close()


def test_an_output_that_refuses_us_is_held_not_dropped(tmp_path):
    """401 is configuration: nothing is thrown away, and it goes on when it is mended."""
    locked = {"on": True}
    receiver = MoodyReceiver(False, lambda number: 401 if locked["on"] else None)
    hub = Hub(tmp_path, {"outputs": {"hook": {"type": "webhook", "url": receiver.url}}}).start()
    for number in range(1, 21):
        assert hub.post(alert(number))[0] == 200
    wait_for(lambda: hub.api("GET", "/api/v1/outputs")[1]["outputs"][0]["state"] == "hold", 15, "the hold")
    assert hub.metric("tocsin_hub_output_up", output="hook") == 0
    locked["on"] = False
    assert hub.api("POST", "/api/v1/outputs/hook/kick")[0] in (200, 202, 204)
    wait_for(lambda: receiver.seen == set(range(1, 21)), 15, "everything")
    hub.stop()
    hub.audit()
    receiver.close()


def test_redis_stopped_and_started_loses_nothing(tmp_path):
    """And the other output does not notice."""
    file = tmp_path / "alerts.json"
    with Redis(tmp_path / "redis", appendonly=True) as redis:
        hub = Hub(tmp_path, {"outputs": {
            "redis": {"type": "redis", "address": redis.address, "storagetype": "stream", "key": "falco"},
            "archive": {"type": "file", "path": str(file)}}}).start()
        generator = load(hub, tmp_path, 6, extra=["-r", "1000"])
        time.sleep(1)
        redis.stop()
        wait_for(lambda: hub.metric("tocsin_hub_output_up", output="redis") == 0, 10, "the output's notice")
        before = len(numbers_in(file))
        wait_for(lambda: len(numbers_in(file)) > before + 200, 10, "the other output to go on")
        redis.start()
        generator.communicate(timeout=60)
        hub.drained("redis", 90)
        hub.drained("archive", 30)
        entries = redis.cli("XRANGE", "falco", "-", "+")
        text = entries if isinstance(entries, str) else str(entries)
        sent = acked(tmp_path)
        found = [int(number) for number in re.findall(r'"?evt\.num\\*"?: ?(\d+)', text)]
        assert set(sent) <= set(found), f"{len(set(sent) - set(found))} of {len(sent)} are missing"
        assert len(found) == len(set(found)), "a stream's entries are not doubled by a retry"
        hub.stop()
        hub.audit()


def test_kafka_stopped_and_started_loses_nothing(tmp_path):
    file = tmp_path / "alerts.json"
    with Kafka(tmp_path / "kafka") as kafka:
        kafka.create_topic("alerts")
        hub = Hub(tmp_path, {"outputs": {
            "kafka": {"type": "kafka", "brokers": kafka.brokers, "topic": "alerts", "timeout": "3s"},
            "archive": {"type": "file", "path": str(file)}}}).start()
        generator = load(hub, tmp_path, 120, extra=["-r", "500"])
        time.sleep(1.5)
        kafka.stop()
        wait_for(lambda: hub.metric("tocsin_hub_output_up", output="kafka") == 0, 60, "the output's notice")
        before = len(numbers_in(file))
        wait_for(lambda: len(numbers_in(file)) > before + 100, 10, "the other output to go on")
        kafka.start()
        generator.terminate()
        generator.communicate(timeout=60)
        hub.api("POST", "/api/v1/outputs/kafka/kick")
        hub.drained("kafka", 120)
        found = {json.loads(fields[-1])["output_fields"]["evt.num"] for fields in kafka.read("alerts")}
        missing = set(acked(tmp_path)) - found
        assert not missing, f"{len(missing)} are missing"
        hub.stop()
        hub.audit()
