"""Output drivers against real far sides: what each answer, silence and fault makes of an alert."""
import email.utils
import hashlib
import hmac
import json
import os
import pathlib
import re
import signal
import ssl
import subprocess
import time
import uuid

import pytest

from servers import Kafka, Receiver, Redis, free_port, make_certificate, wait_for

BUILD = pathlib.Path(os.environ.get("TOCSIN_BUILD", pathlib.Path(__file__).parents[2] / "build" / "asan"))
HOSTILE = '<!channel> @here &amp; <http://evil|login>\n"\x1b[31m\u202e](http://evil) ' + "\ue0ff\uefff"


def alert(number=0, hostname="node-1", **changes):
    body = {"uuid": str(uuid.UUID(int=number)), "output": f"alert {number} opened /etc/shadow", "priority": "Warning",
            "rule": "Read sensitive file", "time": f"2026-11-20T12:00:00.{number % 10**9:09d}Z", "source": "syscall",
            "hostname": hostname, "tags": ["T1003", "filesystem"],
            "output_fields": {"evt.num": number, "proc.name": "cat", "user.name": None, "fd.typechar": True},
            "tocsin": {"incident": 1, "change": "opened", "count": 1}}
    body.update(changes)
    return body


class Driver:
    """One driver, open as long as the object is."""

    def __init__(self, kind, *words, stdout=None, preexec=None, **settings):
        words = list(words) + [f"{key}={value}" for key, value in settings.items()]
        self.process = subprocess.Popen([BUILD / "tests" / "integration" / "drive_output", kind, *map(str, words)],
                                        stdin=subprocess.PIPE, stderr=subprocess.PIPE, stdout=stdout,
                                        preexec_fn=preexec, env={**os.environ, "ASAN_OPTIONS": "detect_leaks=1"})

    def begin(self, alerts):
        for item in alerts:
            text = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False, separators=(",", ":"))
            self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def result(self):
        line = self.process.stderr.readline()
        assert line.startswith(b"["), line.decode() + self.process.stderr.read().decode()
        return json.loads(line)

    def send(self, *alerts):
        self.begin(alerts)
        return self.result()

    def verdicts(self, *alerts):
        return [each["verdict"] for each in self.send(*alerts)]

    def refusal(self):
        """Why it could not be opened."""
        self.process.stdin.close()
        assert self.process.wait(10) == 1
        return self.process.stderr.read().decode().strip()

    def close(self):
        self.process.stdin.close()
        status = self.process.wait(30)
        text = self.process.stderr.read().decode()
        assert status == 0, text
        assert "ERROR" not in text and "runtime error" not in text, text

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.close()
        else:
            self.process.kill()


# --- webhook -----------------------------------------------------------------------------------------

def test_webhook_sends_the_alert_as_it_is_with_its_id():
    with Receiver() as receiver, Driver("webhook", url=receiver.url("/hook"), **{"headers.X-Team": "soc"}) as driver:
        assert driver.verdicts(alert(7)) == ["delivered"]
        request = receiver.requests[0]
        assert (request.method, request.path, json.loads(request.body)) == ("POST", "/hook", alert(7))
        assert request.headers["Content-Type"] == "application/json"
        assert request.headers["Idempotency-Key"] == alert(7)["uuid"]
        assert request.headers["User-Agent"].startswith("tocsin/")
        assert request.headers["X-Team"] == "soc"
        assert request.headers["X-Tocsin-Signature"] is None
        assert request.headers["Expect"] is None


def test_webhook_signature_can_be_checked_by_the_receiver():
    with Receiver() as receiver, Driver("webhook", url=receiver.url(), secret="s3cr3t", method="PUT") as driver:
        assert driver.verdicts(alert(1, output="ü" * 500)) == ["delivered"]
        request = receiver.requests[0]
        unix, digest = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", request.headers["X-Tocsin-Signature"]).groups()
        want = hmac.new(b"s3cr3t", unix.encode() + b"." + request.body, hashlib.sha256).hexdigest()
        assert hmac.compare_digest(digest, want)
        assert abs(int(unix) - time.time()) < 60
        assert request.method == "PUT"


@pytest.mark.parametrize("status,verdict", [
    (200, "delivered"), (202, "delivered"), (204, "delivered"), (301, "broken"), (302, "broken"), (400, "never"),
    (401, "broken"), (403, "broken"), (404, "broken"), (408, "later"), (410, "broken"), (413, "never"),
    (422, "never"), (425, "later"), (429, "later"), (500, "later"), (502, "later"), (503, "later")])
def test_webhook_status(status, verdict):
    with Receiver((status, {"Location": "http://127.0.0.1:1/"}, "")) as receiver:
        with Driver("webhook", url=receiver.url()) as driver:
            result = driver.send(alert())[0]
            assert result["verdict"] == verdict
            assert verdict == "delivered" or f"HTTP {status}" in result["note"]
            assert len(receiver.requests) == 1


@pytest.mark.parametrize("header,least,most", [
    ("2", 2000, 2000), ("0", 0, 0), ("nonsense", 0, 0), ("99999999999", 86400000, 86400000),
    (lambda: email.utils.formatdate(time.time() + 30, usegmt=True), 25000, 31000),
    (lambda: email.utils.formatdate(time.time() - 30, usegmt=True), 0, 0), (None, 0, 0)])
def test_webhook_hears_retry_after(header, least, most):
    value = header() if callable(header) else header
    with Receiver((429, {"Retry-After": value} if value else {}, "")) as receiver:
        with Driver("webhook", url=receiver.url()) as driver:
            result = driver.send(alert())[0]
            assert result["verdict"] == "later"
            assert least <= result["retry_after_ms"] <= most
            receiver.behaviour = lambda _: 503
            assert driver.send(alert())[0]["retry_after_ms"] == 0


@pytest.mark.parametrize("behaviour,note", [("hang", "imeout"), ("reset", ""), ("cut", "")])
def test_webhook_faults_are_for_later(behaviour, note):
    with Receiver(behaviour) as receiver, Driver("webhook", url=receiver.url(), timeout="300ms") as driver:
        result = driver.send(alert())[0]
        assert result["verdict"] == "later"
        assert note in result["note"] and result["note"] != "" and "127.0.0.1" not in result["note"]


def test_webhook_refused_connection_is_for_later():
    with Driver("webhook", url=f"http://127.0.0.1:{free_port()}/secret-path") as driver:
        result = driver.send(alert())[0]
        assert result["verdict"] == "later"
        assert "refused" in result["note"] and "secret" not in result["note"]


def test_webhook_notes_hide_secrets_that_come_back():
    behaviour = (403, {}, "no access for Bearer abcdefgh")
    with Receiver(behaviour) as receiver:
        with Driver("webhook", url=receiver.url(), **{"headers.Authorization": "Bearer abcdefgh"}) as driver:
            assert driver.send(alert())[0]["note"] == "HTTP 403 Forbidden"
        with Driver("webhook", url=receiver.url()) as driver:
            assert driver.send(alert())[0]["note"] == "HTTP 403 Forbidden: no access for Bearer abcdefgh"


def test_webhook_keeps_the_order_of_a_host_and_lets_others_pass():
    def behaviour(request):
        return 500 if json.loads(request.body)["uuid"].endswith("01") else 200
    alerts = [alert(1, "a"), alert(2, "b"), alert(3, "a"), alert(4, "b"), alert(5, "a")]
    with Receiver(behaviour) as receiver, Driver("webhook", "order=host", url=receiver.url()) as driver:
        assert driver.verdicts(*alerts) == ["later", "delivered", "untried", "delivered", "untried"]
        receiver.behaviour = lambda _: 200
        before = len(receiver.requests)
        assert driver.verdicts(*[alert(n, f"h{n % 3}") for n in range(100, 130)]) == ["delivered"] * 30
        for host in range(3):
            mine = [json.loads(each.body) for each in receiver.requests[before:]]
            numbers = [each["output_fields"]["evt.num"] for each in mine if each["hostname"] == f"h{host}"]
            assert numbers == sorted(numbers)


def test_webhook_keeps_connections():
    with Receiver() as receiver, Driver("webhook", "concurrency=4", url=receiver.url()) as driver:
        for first in range(0, 200, 50):
            assert set(driver.verdicts(*map(alert, range(first, first + 50)))) == {"delivered"}
        assert len(receiver.requests) == 200
        assert receiver.connections <= 4


@pytest.mark.parametrize("form", ["array", "ndjson"])
def test_webhook_batch_is_taken_apart_when_refused(form):
    def items(request):
        return json.loads(request.body) if form == "array" else [json.loads(x) for x in request.body.splitlines()]

    def behaviour(request):
        return 400 if any(each["rule"] == "bad" for each in items(request)) else 200
    with Receiver(behaviour) as receiver:
        with Driver("webhook", url=receiver.url(), batch=4, batch_format=form) as driver:
            alerts = [alert(n, rule="bad" if n == 5 else "good") for n in range(10)]
            assert driver.verdicts(*alerts) == ["never" if n == 5 else "delivered" for n in range(10)]
            sizes = [len(items(each)) for each in receiver.requests]
            assert sizes == [4, 4, 1, 1, 1, 1, 2]
            taken = [x["uuid"] for each in receiver.requests for x in items(each)
                     if not any(y["rule"] == "bad" for y in items(each))]
            assert sorted(taken) == [alert(n)["uuid"] for n in range(10) if n != 5]
            assert len({each.headers["Idempotency-Key"] for each in receiver.requests}) == 7
            want = "application/json" if form == "array" else "application/x-ndjson"
            assert receiver.requests[0].headers["Content-Type"] == want


def test_webhook_batch_stops_behind_a_failure():
    answers = iter([200, 503])
    with Receiver(lambda _: next(answers)) as receiver, Driver("webhook", url=receiver.url(), batch=2) as driver:
        assert driver.verdicts(*map(alert, range(6))) == ["delivered"] * 2 + ["later"] * 2 + ["untried"] * 2


def test_webhook_endless_answer_does_not_hold_it_up():
    with Receiver((200, {}, b"x" * (2 << 20))) as receiver, Driver("webhook", url=receiver.url()) as driver:
        assert driver.verdicts(alert(1), alert(2)) == ["delivered"] * 2


def test_tls_certificates_decide(tmp_path):
    authority = make_certificate(tmp_path, "authority")
    server = make_certificate(tmp_path, "server", authority)
    other = make_certificate(tmp_path, "other", authority, names=("elsewhere.example",))
    client = make_certificate(tmp_path, "client", authority)
    with Receiver(certificate=server) as receiver:
        with Driver("webhook", url=receiver.url(), ca_file=authority[0]) as driver:
            assert driver.verdicts(alert()) == ["delivered"]
        with Driver("webhook", url=receiver.url()) as driver:
            result = driver.send(alert())[0]
            assert result["verdict"] == "broken" and "certificate" in result["note"]
        with Driver("webhook", url=receiver.url(), insecure="true") as driver:
            assert driver.verdicts(alert()) == ["delivered"]
    with Receiver(certificate=other) as receiver:
        with Driver("webhook", url=receiver.url(), ca_file=authority[0]) as driver:
            assert driver.verdicts(alert()) == ["broken"]
    with Receiver(certificate=server, client_ca=authority[0]) as receiver:
        context = receiver.server.socket.context
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with Driver("webhook", url=receiver.url(), ca_file=authority[0]) as driver:
            assert driver.verdicts(alert()) == ["broken"]
        # TLS 1.3 refuses only after the handshake; a reset may overtake the alert that says why
        context.maximum_version = ssl.TLSVersion.TLSv1_3
        with Driver("webhook", url=receiver.url(), ca_file=authority[0]) as driver:
            assert driver.verdicts(alert())[0] in ("broken", "later")
        with Driver("webhook", url=receiver.url(), ca_file=authority[0], cert_file=client[0],
                    key_file=client[1]) as driver:
            assert driver.verdicts(alert()) == ["delivered"]


@pytest.mark.parametrize("settings,text", [
    ({"url": "ftp://example.com/"}, "url: not an http"), ({"url": "http://"}, "url: not an http"),
    ({"url": "http://x/", "cert_file": "/x"}, "cert_file and key_file"),
    ({"url": "http://x/", "ca_file": "/does/not/exist"}, "No such file"),
    ({"url": "http://x/", "headers.A": "b\nC: d"}, "headers: \"A\"")])
def test_webhook_settings_are_checked(settings, text):
    assert text in Driver("webhook", **settings).refusal()


# --- slack -------------------------------------------------------------------------------------------

def slack(request):
    """Slack's own checks, and ours on what an attacker may do."""
    text = request.body.decode()
    try:
        body = json.loads(text)
        [attachment] = body["attachments"]
        assert set(body) <= {"attachments", "username", "icon_url", "icon_emoji", "channel", "text"}
        assert attachment["fallback"] and re.fullmatch("#[0-9a-f]{6}", attachment["color"])
        assert len(attachment.get("text", "")) <= 3000 and len(text) < 100000
        assert len(attachment["fields"]) <= 100
        for field in attachment["fields"]:
            assert field["title"] and isinstance(field["value"], str) and isinstance(field["short"], bool)
            assert len(field["value"]) <= 1000 and (not field["short"] or len(field["value"]) < 36)
        for each in [attachment["text"]] + [field["value"] for field in attachment["fields"]]:
            assert not re.search(r"[<>\x00-\x1f\u202e]|&(?!amp;|lt;|gt;)|@(channel|here|everyone|all)|\]\(", each)
            assert re.search("…$", each) or len(each) < 1000 or each == attachment["text"]
        return (200, {}, "ok")
    except (AssertionError, KeyError, ValueError) as error:
        return (400, {}, f"invalid_payload {error}")


@pytest.mark.parametrize("body", [
    alert(3), alert(4, output=HOSTILE, rule=HOSTILE, hostname=HOSTILE, tags=[HOSTILE]),
    alert(5, output="<" * 65536, output_fields={"proc.cmdline": "ü" * 65536, "x": "&" * 65536}),
    alert(6, output_fields={f"field.{n:04d}": HOSTILE for n in range(500)}),
    alert(7, output_fields={f"field.{n:04d}": "v" * 5000 for n in range(500)}),
    alert(8, output_fields={}, tags=[])])
def test_slack_takes_whatever_stands_in_an_alert(body):
    with Receiver(slack) as receiver, Driver("slack", webhook_url=receiver.url("/services/T/B/x")) as driver:
        result = driver.send(body)[0]
        assert result["verdict"] == "delivered", result


@pytest.mark.parametrize("answer,verdict", [
    ((200, {}, "ok"), "delivered"), ((200, {}, '{"ok":true}'), "delivered"), ((200, {}, '{"success":true}'), "delivered"),
    ((200, {}, '{"ok":false,"error":"ratelimited"}'), "later"), ((200, {}, "<html>log in</html>"), "broken"),
    ((400, {}, "invalid_payload"), "never"), ((400, {}, "invalid_token"), "broken"),
    ((403, {}, "action_prohibited"), "broken"), ((404, {}, "no_service"), "broken"),
    ((410, {}, "channel_is_archived"), "broken"), ((429, {"Retry-After": "3"}, "rate_limited"), "later"),
    ((500, {}, "rollup_error"), "later"), ((204, {}, ""), "broken")])
def test_slack_answer(answer, verdict):
    with Receiver(answer) as receiver, Driver("slack", webhook_url=receiver.url("/services/T/B/hidden")) as driver:
        result = driver.send(alert())[0]
        assert result["verdict"] == verdict
        assert "hidden" not in result["note"]
        assert result["retry_after_ms"] == (3000 if answer[0] == 429 else 0)


# --- file and stdout ---------------------------------------------------------------------------------

def test_file_appends_and_keeps_to_itself(tmp_path):
    path = tmp_path / "alerts.ndjson"
    with Driver("file", path=path) as driver:
        assert driver.verdicts(alert(1), alert(2)) == ["delivered"] * 2
        assert driver.verdicts(alert(3)) == ["delivered"]
    assert [json.loads(line) for line in path.read_text().splitlines()] == [alert(1), alert(2), alert(3)]
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text(path.read_text() + '{"torn')
    with Driver("file", path=path) as driver:
        assert driver.verdicts(alert(4)) == ["delivered"]
    assert path.read_text().splitlines()[3:] == ['{"torn', json.dumps(alert(4), separators=(",", ":"))]


def test_file_rotates_and_survives_being_moved(tmp_path):
    path = tmp_path / "a.log"
    with Driver("file", path=path, rotate_size=700, rotate_keep=2) as driver:
        for number in range(6):
            assert driver.verdicts(alert(number)) == ["delivered"]
        assert sorted(each.name for each in tmp_path.iterdir()) == ["a.log", "a.log.1", "a.log.2"]
        assert json.loads(path.read_text().splitlines()[-1]) == alert(5)
        path.rename(tmp_path / "elsewhere")
        assert driver.verdicts(alert(9)) == ["delivered"]
        assert json.loads(path.read_text()) == alert(9)


def test_file_full_disk_is_for_later_and_leaves_no_torn_line(tmp_path):
    import resource
    path = tmp_path / "a.log"
    with Driver("file", path="/dev/full") as driver:
        assert driver.verdicts(alert()) == ["broken"]  # not a file

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    with Driver("file", path=path, preexec=limit) as driver:
        assert driver.verdicts(alert(1)) == ["delivered"]
        size = path.stat().st_size
        assert driver.verdicts(alert(2), alert(3), alert(4)) == ["later"] * 3
        assert path.stat().st_size == size


def test_file_wrong_paths_are_configuration(tmp_path):
    for path in (tmp_path / "no" / "such", tmp_path, "/dev/null"):
        with Driver("file", path=path) as driver:
            assert driver.verdicts(alert()) == ["broken"]


def test_stdout_escapes_what_could_drive_a_terminal(tmp_path):
    with open(tmp_path / "out", "wb") as out, Driver("stdout", stdout=out, format="text") as driver:
        assert driver.verdicts(alert(1, output="x\x1b[31m\n\u202ey"), alert(2)) == ["delivered"] * 2
    lines = (tmp_path / "out").read_text().splitlines()
    assert lines == ["2026-11-20T12:00:00.000000001Z Warning Read sensitive file: x\\x1b[31m\\x0a\\u{202e}y",
                     "2026-11-20T12:00:00.000000002Z Warning Read sensitive file: alert 2 opened /etc/shadow"]


def test_stdout_closed_is_broken():
    reading, writing = os.pipe()
    os.close(reading)
    with Driver("stdout", stdout=writing) as driver:
        assert driver.verdicts(alert()) == ["broken"]
    os.close(writing)


# --- redis -------------------------------------------------------------------------------------------

@pytest.fixture
def redis(tmp_path):
    with Redis(tmp_path / "redis") as server:
        yield server


def test_redis_list_has_every_alert_once(redis):
    with Driver("redis", address=redis.address) as driver:
        assert driver.verdicts(*map(alert, range(300))) == ["delivered"] * 300
        assert driver.verdicts(*map(alert, range(200, 310))) == ["delivered"] * 110
    stored = [json.loads(line)["output_fields"]["evt.num"] for line in redis.cli("LRANGE", "falco", "0", "-1").split("\n") if line]
    assert stored == list(range(310))


def test_redis_list_and_its_guard_are_bounded(redis):
    with Driver("redis", address=redis.address, maxlen=100, ttl="60s") as driver:
        for first in range(0, 5000, 500):
            assert set(driver.verdicts(*map(alert, range(first, first + 500)))) == {"delivered"}
    assert redis.cli("LLEN", "falco").strip() == "100"
    assert redis.cli("ZCARD", "falco:ids").strip() == "4096"
    assert 0 < int(redis.cli("PTTL", "falco")) <= 60000


def test_redis_stream_hashmap_and_channel(redis):
    with Driver("redis", address=redis.address, storagetype="stream", key="s", maxlen=1000) as driver:
        assert driver.verdicts(alert(1), alert(2), alert(1)) == ["delivered"] * 3
    assert redis.cli("XLEN", "s").strip() == "2"
    with Driver("redis", address=redis.address, storagetype="hashmap", key="h", database=3) as driver:
        assert driver.verdicts(alert(1), alert(2), alert(1)) == ["delivered"] * 3
    assert json.loads(redis.cli("-n", "3", "HGET", "h", alert(2)["uuid"])) == alert(2)
    assert redis.cli("-n", "3", "HLEN", "h").strip() == "2"
    with Driver("redis", address=redis.address, storagetype="pubsub") as driver:
        assert driver.verdicts(alert(1)) == ["delivered"]


def test_redis_refusals(redis):
    redis.cli("SET", "falco", "a string")
    with Driver("redis", address=redis.address) as driver:
        results = driver.send(alert(1), alert(2))
        assert [each["verdict"] for each in results] == ["broken", "untried"]
        assert "WRONGTYPE" in results[0]["note"]
        redis.cli("DEL", "falco")
        assert driver.verdicts(alert(1), alert(2)) == ["delivered"] * 2
        redis.cli("CONFIG", "SET", "maxmemory", "1")
        result = driver.send(alert(3))[0]
        assert result["verdict"] == "later" and "OOM" in result["note"]
        redis.cli("CONFIG", "SET", "maxmemory", "0")
        redis.cli("REPLICAOF", "127.0.0.1", "1")
        assert driver.verdicts(alert(3)) == ["later"]
        redis.cli("REPLICAOF", "NO", "ONE")
        assert driver.verdicts(alert(3)) == ["delivered"]


def test_redis_password(tmp_path):
    with Redis(tmp_path / "redis", password="s3cr3t-word") as server:
        with Driver("redis", address=server.address) as driver:
            assert driver.verdicts(alert()) == ["broken"]
        with Driver("redis", address=server.address, password="wrong-word") as driver:
            result = driver.send(alert())[0]
            assert result["verdict"] == "broken" and "wrong-word" not in result["note"]
        with Driver("redis", address=server.address, password="s3cr3t-word") as driver:
            assert driver.verdicts(alert()) == ["delivered"]
        with Driver("redis", address=server.address, username="default", password="s3cr3t-word") as driver:
            assert driver.verdicts(alert()) == ["delivered"]


def test_redis_gone_and_back(tmp_path):
    with Redis(tmp_path / "redis", appendonly=True) as server:
        with Driver("redis", address=server.address, timeout="500ms") as driver:
            assert driver.verdicts(alert(1)) == ["delivered"]
            server.kill()
            assert driver.verdicts(alert(2), alert(3))[0] == "later"
            server.start()
            assert driver.verdicts(alert(2), alert(3)) == ["delivered"] * 2
            server.pause()
            assert driver.verdicts(alert(4))[0] == "later"
            server.resume()
            assert driver.verdicts(alert(4)) == ["delivered"]
            wait_for(lambda: server.cli("LLEN", "falco").strip() == "4")
        with Driver("redis", address=server.address) as driver:
            server.restart()
            assert driver.verdicts(alert(5)) == ["delivered"]
        assert server.cli("LLEN", "falco").strip() == "5"


def test_redis_tls_is_refused_clearly():
    assert "no TLS" in Driver("redis", address="127.0.0.1:1", tls="true").refusal()


# --- kafka -------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def kafka(tmp_path_factory):
    with Kafka(tmp_path_factory.mktemp("kafka")) as server:
        yield server


def numbers_by_host(messages):
    by_host = {}
    for partition, _, key, _, _, value in messages:
        by_host.setdefault((key, partition), []).append(json.loads(value)["output_fields"]["evt.num"])
    return by_host


def test_kafka_messages_have_key_headers_time_and_order(kafka):
    kafka.create_topic("alerts", partitions=3)
    with Driver("kafka", "properties.compression.type=lz4", brokers=kafka.brokers, topic="alerts") as driver:
        for first in range(0, 600, 200):
            assert set(driver.verdicts(*[alert(n, f"node-{n % 5}") for n in range(first, first + 200)])) == {"delivered"}
    messages = kafka.read("alerts")
    by_host = numbers_by_host(messages)
    assert sorted(key for key, _ in by_host) == [f"node-{n}" for n in range(5)]  # one partition a host
    assert len({partition for _, partition in by_host}) > 1
    assert all(numbers == sorted(numbers) and len(numbers) == 120 for numbers in by_host.values())
    _, _, _, headers, milliseconds, value = messages[0]
    first = json.loads(value)
    assert headers == f"tocsin-id={first['uuid']},rule=Read sensitive file,priority=Warning"
    assert milliseconds == str(int(time.mktime(time.strptime("2026-11-20 12:00:00", "%Y-%m-%d %H:%M:%S")) - time.timezone) * 1000)


def test_kafka_only_the_message_that_is_too_large_is_refused(kafka):
    kafka.create_topic("small", partitions=1, max_message_bytes=20000)
    with Driver("kafka", brokers=kafka.brokers, topic="small") as driver:
        big = alert(5, output="".join(uuid.uuid4().hex for _ in range(2000)))
        assert driver.verdicts(*[big if n == 5 else alert(n) for n in range(10)]) == \
            ["never" if n == 5 else "delivered" for n in range(10)]
        huge = alert(11, output="x" * 1100000)
        assert driver.verdicts(alert(10), huge, alert(12)) == ["delivered", "never", "delivered"]
    numbers = numbers_by_host(kafka.read("small"))[("node-1", "0")]
    assert sorted(set(numbers)) == [n for n in range(13) if n not in (5, 11)]


def test_kafka_unknown_topic_is_configuration(kafka):
    with Driver("kafka", "properties.topic.metadata.propagation.max.ms=500", brokers=kafka.brokers, topic="missing",
                timeout="5s") as driver:
        result = driver.send(alert())[0]
        assert result["verdict"] == "broken" and "topic" in result["note"].lower()


def test_kafka_nobody_there_is_for_later():
    with Driver("kafka", brokers=f"127.0.0.1:{free_port()}", topic="x", timeout="1s") as driver:
        start = time.monotonic()
        results = driver.send(alert(1), alert(2))
        assert [each["verdict"] for each in results] == ["later"] * 2
        assert "refused" in results[0]["note"]
        assert time.monotonic() - start < 6


def test_kafka_settings_are_checked():
    text = Driver("kafka", "properties.sasl.passwort=hidden-word", brokers="x:1", topic="x").refusal()
    assert "properties.sasl.passwort: not a property" in text
    text = Driver("kafka", "properties.compression.type=hidden-word", brokers="x:1", topic="x").refusal()
    assert "compression.type" in text and "hidden-word" not in text


def test_kafka_every_alert_arrives_through_a_broker_that_is_killed(kafka):
    kafka.create_topic("through", partitions=2)
    with Driver("kafka", brokers=kafka.brokers, topic="through", timeout="3s") as driver:
        waiting = [alert(n, f"node-{n % 4}") for n in range(400)]
        rounds = 0
        while waiting:
            rounds += 1
            assert rounds < 60
            driver.begin(waiting[:50])
            if rounds == 3:
                kafka.kill()
            results = driver.result()
            if rounds == 4:
                kafka.start()
            assert {each["verdict"] for each in results} <= {"delivered", "later", "untried"}
            waiting = [item for item, each in zip(waiting, results) if each["verdict"] != "delivered"] + waiting[50:]
    by_host = numbers_by_host(kafka.read("through"))
    for host in range(4):
        numbers = [n for (key, _), list_ in by_host.items() if key == f"node-{host}" for n in list_]
        assert list(dict.fromkeys(numbers)) == list(range(host, 400, 4))  # in order, repeats aside
