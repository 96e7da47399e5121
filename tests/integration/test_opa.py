"""Rules that leave their verdict to an Open Policy Agent: a real one, and for what a real one cannot be made to do
a receiver that looks closely at what it is asked."""
import http.client
import json
import os
import subprocess
import threading
import time

import pytest
from hub import ROOT, Hub
from servers import Opa, Receiver, free_port, wait_for

POLICY = """
package test

import rego.v1

deny if input.fields["proc.name"] == "nc"

why contains "no network tools" if input.fields["proc.name"] == "nc"

why contains sprintf("%s of %s", [input.fields["proc.name"], input.hostname]) if {
	input.fields["proc.name"] in {"nc", "curl"}
}

only_when_asked if input.rule == "Nobody's"

whole := input

slow if {
	input.fields["proc.name"] == "slow"
	count([x | some x in numbers.range(1, 3000000); x % 7 == 0]) > 0
}
"""

RULE = """
- rule: {name}
  desc: a test
  condition: evt.type = {type}
  output: "{name} (proc=%proc.name)"
  priority: WARNING
  opa: {opa}
"""

PLAIN = """
- rule: Plain
  desc: a test
  condition: evt.type = open
  output: "plain (proc=%proc.name)"
  priority: NOTICE
"""


def rule(name, url, path, type="execve", **more):
    return RULE.format(name=name, type=type, opa=json.dumps({"url": url, "path": path, **more}))


def event(seq, name, type="execve", sensor="s1", **fields):
    return {"time": "2026-11-20T12:00:00Z", "source": "syscall", "hostname": "n1",
            "sensor": {"id": sensor, "boot": "b", "seq": seq},
            "fields": {"evt.type": type, "evt.num": seq, "proc.name": name, **fields}}


@pytest.fixture(scope="module")
def opa(tmp_path_factory):
    try:
        Opa.program()
    except (OSError, subprocess.SubprocessError) as error:
        why = getattr(error, "stderr", None) or str(error)
        pytest.skip("no opa, which Go builds from its module: "
                    + (why.decode(errors="replace") if isinstance(why, bytes) else why).strip()[-200:])
    folder = tmp_path_factory.mktemp("opa")
    (folder / "test.rego").write_text(POLICY)
    with Opa(folder, folder / "test.rego", ROOT / "deploy" / "opa" / "tocsin.rego",
             ROOT / "deploy" / "opa" / "data.json") as server:
        yield server


@pytest.fixture
def hub(tmp_path):
    """Starts hubs over the rules given; all are stopped in the end, the sanitizers having their say."""
    started = []

    def start(*rules, matching="all", environment=None):
        (tmp_path / "rules.yaml").write_text("".join(rules))
        hub = Hub(tmp_path, {"rules_files": [str(tmp_path / "rules.yaml")], "rule_matching": matching}, environment)
        hub.rules = tmp_path / "rules.yaml"
        started.append(hub)
        return hub.start()
    yield start
    for hub in started:
        hub.stop()


def send(hub, *items):
    status, _, answer = hub.request("POST", "/api/v1/events", "\n".join(json.dumps(item) for item in items))
    assert status == 200, answer
    return json.loads(answer)["verdicts"]


def alerts(hub):
    """Oldest first."""
    status, answer = hub.api("GET", "/api/v1/alerts?limit=500")
    assert status == 200
    return [entry["alert"] if "alert" in entry else entry for entry in reversed(answer["alerts"])]


def unanswered(hub, cause):
    return hub.metric("tocsin_opa_unanswered_total", cause=cause)


# --- a real OPA -----------------------------------------------------------------------------------------


def test_the_verdict_decides(hub, opa):
    hub = hub(rule("Denied", opa.url, "test/deny"))
    assert send(hub, event(1, "nc"), event(2, "cat")) == ["accepted", "unmatched"]
    assert [alert["rule"] for alert in alerts(hub)] == ["Denied"]
    alert = alerts(hub)[0]
    assert alert["output"].endswith("Denied (proc=nc)")
    assert alert["output_fields"]["proc.name"] == "nc"
    assert "opa.message" not in alert["output_fields"]
    assert hub.metric("tocsin_opa_fired_total") == 1


def test_messages_stand_in_the_alert(hub, opa):
    hub = hub(rule("Why", opa.url, "v1/data/test/why"))
    assert send(hub, event(1, "nc"), event(2, "cat"), event(3, "curl")) == ["accepted", "unmatched", "accepted"]
    first, second = alerts(hub)
    assert first["output"].endswith("Why (proc=nc): nc of n1; no network tools")
    assert first["output_fields"]["opa.message"] == "nc of n1; no network tools"
    assert second["output_fields"]["opa.message"] == "curl of n1"


def test_what_is_undefined_does_not_fire(hub, opa):
    hub = hub(rule("A", opa.url, "test/only_when_asked"), rule("B", opa.url, "no/such/package"),
              rule("Nobody's", opa.url, "test/only_when_asked"))
    assert send(hub, event(1, "nc")) == ["accepted"]
    assert [alert["rule"] for alert in alerts(hub)] == ["Nobody's"]


def test_a_verdict_that_is_none_is_an_error(hub, opa):
    hub = hub(rule("A", opa.url, "test/whole"))
    assert send(hub, event(1, "nc")) == ["accepted"]
    alert = alerts(hub)[0]
    assert alert["output_fields"]["opa.error"] == "OPA's answer was no verdict"
    assert alert["output"].endswith("A (proc=nc): OPA's answer was no verdict")
    assert unanswered(hub, "answer") == 1


def test_verdicts_are_kept(hub, opa):
    hub = hub(rule("Kept", opa.url, "test/why"), rule("Fresh", opa.url, "test/why", cache="off"))
    for seq in range(1, 11):
        assert send(hub, event(seq, "nc")) == ["accepted"]
    assert hub.metric("tocsin_opa_cached_total") == 9
    assert hub.metric("tocsin_opa_queries_total") == 11
    assert len(alerts(hub)) == 20
    assert {alert["output_fields"]["opa.message"] for alert in alerts(hub)} == {"nc of n1; no network tools"}


def test_the_first_that_fires_is_the_first(hub, opa):
    hub = hub(rule("A", opa.url, "test/deny"), rule("B", opa.url, "test/why"),
              PLAIN.replace("open", "execve"), rule("C", opa.url, "test/why"), matching="first")
    assert send(hub, event(1, "nc"), event(2, "curl"), event(3, "cat")) == ["accepted"] * 3
    assert [alert["rule"] for alert in alerts(hub)] == ["A", "B", "Plain"]


def test_rules_on_alerts_delegate_too(hub, opa):
    on_alerts = rule("Judged alert", opa.url, "test/deny").replace(
        "condition: evt.type = execve", "source: alert\n  condition: alert.rule = Plain")
    hub = hub(PLAIN, on_alerts)
    assert send(hub, event(1, "nc", "open"), event(2, "cat", "open")) == ["accepted", "accepted"]
    assert [alert["rule"] for alert in alerts(hub)] == ["Plain", "Plain", "Judged alert"]


def test_the_example_judges_system_calls(hub, opa):
    text = (ROOT / "deploy" / "opa" / "rules.yaml").read_text().replace("http://127.0.0.1:8181", opa.url)
    hub = hub(text)
    container = {"container.id": "c0ffee", "container.image.repository": "nginx", "container.name": "web"}
    events = [
        event(1, "nginx", "execve", **{"proc.pname": "runc", **container}),
        event(2, "sh", "execve", **{"proc.pname": "nginx", **container}),
        event(3, "sh", "execve", **{"proc.pname": "runc", **container, "container.image.repository": "unknown"}),
        event(4, "nginx", "connect", **{**container, "fd.typechar": "4", "fd.sip": "10.1.2.3", "fd.sport": 5432}),
        event(5, "nginx", "connect", **{**container, "fd.typechar": "4", "fd.sip": "203.0.113.9", "fd.sport": 4444}),
        event(6, "dpkg", "openat", **{"evt.is_open_write": True, "fd.name": "/usr/bin/ls", "container.id": "host"}),
        event(7, "python3", "openat", **{"evt.is_open_write": True, "fd.name": "/usr/bin/ls", "container.id": "host"}),
    ]
    assert send(hub, *events) == ["unmatched", "accepted", "unmatched", "unmatched", "accepted", "unmatched", "accepted"]
    assert [alert["output_fields"]["opa.message"] for alert in alerts(hub)] == [
        "sh may not run in nginx; sh was started by nginx, which starts no programs",
        "nginx may not talk to 203.0.113.9:4444",
        "/usr/bin/ls is not changed by python3"]


def test_an_opa_that_is_away(hub, tmp_path):
    url = f"http://127.0.0.1:{free_port()}"
    hub = hub(rule("Careful", url, "test/deny"), rule("Lenient", url, "test/deny", on_error="pass"))
    began = time.monotonic()
    for seq in range(1, 41):
        assert send(hub, event(seq, f"p{seq}")) == ["accepted"]
    assert time.monotonic() - began < 10
    assert [alert["rule"] for alert in alerts(hub)] == ["Careful"] * 40
    assert alerts(hub)[0]["output_fields"]["opa.error"] == "OPA could not be reached"
    assert alerts(hub)[-1]["output_fields"]["opa.error"] == "OPA has failed and is left alone for now"
    assert unanswered(hub, "unreachable") >= 5
    assert unanswered(hub, "circuit") > 50
    assert hub.metric("tocsin_opa_circuit_open") == 1


def test_an_opa_that_comes_back_is_asked_again(hub, opa, tmp_path):
    with Opa(tmp_path / "second", *opa.policies) as second:
        hub = hub(rule("Careful", second.url, "test/deny"))
        second.kill()
        for seq in range(1, 11):
            send(hub, event(seq, f"p{seq}"))
        assert hub.metric("tocsin_opa_circuit_open") == 1
        second.start()
        numbers = iter(range(11, 1000))

        def closed():
            send(hub, event(next(numbers), "cat", cwd=str(time.time())))
            return hub.metric("tocsin_opa_circuit_open") == 0
        wait_for(closed, 20, "the circuit")
        assert send(hub, event(2000, "cat", x="y"), event(2001, "nc")) == ["unmatched", "accepted"]


def post_open(hub, seq, took, stop):
    """Events of another rule, one after the other, with the time of each."""
    while not stop.is_set():
        began = time.monotonic()
        assert send(hub, event(seq, "cat", "open", sensor="other")) == ["accepted"]
        took.append(time.monotonic() - began)
        seq += 1
        time.sleep(0.002)


def test_others_are_not_held_up_by_an_opa_that_hangs(hub, opa, tmp_path):
    with Opa(tmp_path / "second", *opa.policies) as second:
        hub = hub(rule("Slow", second.url, "test/deny", timeout="2s"), PLAIN)
        second.pause()
        took, slow, stop = [], [], threading.Event()
        try:
            others = threading.Thread(target=post_open, args=(hub, 1, took, stop))
            others.start()
            began = time.monotonic()

            def ask(seq):
                assert send(hub, event(seq, f"p{seq}", sensor=f"t{seq}")) == ["accepted"]
                slow.append(time.monotonic() - began)
            threads = [threading.Thread(target=ask, args=(seq,)) for seq in range(1, 9)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            stop.set()
            others.join()
            second.resume()
        assert len(slow) == 8 and all(1.8 < seconds < 5 for seconds in slow), slow
        assert len(took) > 50 and max(took) < 1.5, (len(took), max(took))
        assert unanswered(hub, "timeout") == 8


def test_five_hundred_a_second_beside_an_opa_that_hangs(hub, opa, tmp_path):
    with Opa(tmp_path / "second", *opa.policies) as second:
        hub = hub(rule("Slow", second.url, "test/deny"), PLAIN)
        second.pause()
        try:
            began = time.monotonic()
            asked = threading.Thread(target=lambda: send(hub, *[event(n, f"p{n}", sensor="t") for n in range(1, 501)]))
            asked.start()
            for n in range(20):
                batch = [event(n * 50 + m + 1, "cat", "open", sensor="o") for m in range(50)]
                at = time.monotonic()
                assert send(hub, *batch) == ["accepted"] * 50
                assert time.monotonic() - at < 1.5
                time.sleep(max(0, began + (n + 1) * 0.1 - time.monotonic()))
            asked.join()
        finally:
            second.resume()
        assert hub.metric("tocsin_hub_alerts_total", priority="Warning") == 500
        assert hub.metric("tocsin_hub_alerts_total", priority="Notice") == 1000


# --- law 1 while a question is open ----------------------------------------------------------------------


class Asked(Receiver):
    """An OPA that answers when it is told to."""

    def __init__(self):
        self.go = threading.Event()
        super().__init__(self.wait)

    def wait(self, _):
        self.go.wait(30)
        return (200, {"Content-Type": "application/json"}, '{"result":["said so"]}')

    def stop(self):
        self.go.set()
        super().stop()


def in_background(work):
    result = []
    thread = threading.Thread(target=lambda: result.append(work()))
    thread.start()
    return thread, result


def test_killed_while_a_question_is_open(hub):
    with Asked() as server:
        hub = hub(rule("Asked", server.url()[:-1], "a", timeout="10s"), PLAIN)

        def lost():
            try:
                send(hub, event(1, "nc"), event(2, "cat", "open"))
            except OSError:
                return True
            return False
        thread, result = in_background(lost)
        wait_for(lambda: server.requests, 10, "the question")
        # The sensor goes on: its later numbers reach the disk, which must not make the earlier ones old.
        assert send(hub, event(3, "cat", "open")) == ["accepted"]
        hub.kill()
        thread.join()
        assert result == [True]
        server.go.set()
        hub.start()
        # What opened the incident was lost, not the incident.
        (kept,) = alerts(hub)
        assert kept["tocsin"]["change"] == "repeat"
        assert send(hub, event(1, "nc"), event(2, "cat", "open"), event(3, "cat", "open")) == [
            "accepted", "accepted", "duplicate"]
        assert sorted(alert["rule"] for alert in alerts(hub)) == ["Asked", "Plain", "Plain"]
        again = [alert["tocsin"] for alert in alerts(hub) if alert["rule"] == "Plain"][-1]
        assert (again["change"], again["incident"]) == ("opened", kept["tocsin"]["incident"])
        hub.audit()


def test_kills_under_load_lose_nothing(hub, opa):
    """Eight sensors that send until they are told that it is taken; the hub is killed again and again."""
    hub = hub(rule("Asked", opa.url, "test/why", timeout="2s"))
    failed = []

    def sensor(name):
        for seq in range(1, 61):
            for _ in range(600):
                try:
                    if hub.request("POST", "/api/v1/events", event(seq, "nc", sensor=name, x=f"{name}-{seq}"))[0] == 200:
                        break
                except (OSError, http.client.HTTPException):
                    time.sleep(0.05)
            else:
                failed.append((name, seq))
    sensors = [threading.Thread(target=sensor, args=(f"s{n}",)) for n in range(8)]
    for thread in sensors:
        thread.start()
    for _ in range(5):
        time.sleep(0.15)
        hub.kill()
        hub.start()
    for thread in sensors:
        thread.join()
    assert not failed
    found = [(alert["tocsin"]["sensor"]["id"], alert["tocsin"]["sensor"]["seq"]) for alert in alerts(hub)]
    assert sorted(found) == sorted((f"s{n}", seq) for n in range(8) for seq in range(1, 61))
    hub.audit()


def test_a_duplicate_waits_for_its_original(hub):
    with Asked() as server:
        hub = hub(rule("Asked", server.url()[:-1], "a", timeout="10s"))
        first, one = in_background(lambda: send(hub, event(1, "nc")))
        wait_for(lambda: server.requests, 10, "the question")
        second, two = in_background(lambda: send(hub, event(1, "nc")))
        time.sleep(0.5)
        assert not one and not two
        server.go.set()
        first.join()
        second.join()
        assert (one, two) == ([["accepted"]], [["duplicate"]])
        assert len(alerts(hub)) == 1
        assert len(server.requests) == 1


def test_the_same_question_is_asked_once(hub):
    with Asked() as server:
        hub = hub(rule("Asked", server.url()[:-1], "a", timeout="10s", input=["proc.name"]))
        waiting = [in_background(lambda n=n: send(hub, event(n, "nc", sensor=f"s{n}"))) for n in range(1, 6)]
        wait_for(lambda: hub.metric("tocsin_opa_joined_total") == 4, 10, "the others")
        server.go.set()
        for thread, result in waiting:
            thread.join()
            assert result == [["accepted"]]
        assert len(server.requests) == 1
        assert {alert["output_fields"]["opa.message"] for alert in alerts(hub)} == {"said so"}


def test_rules_may_change_while_a_question_is_open(hub):
    with Asked() as server:
        hub = hub(rule("Asked", server.url()[:-1], "a", timeout="10s"))
        thread, result = in_background(lambda: send(hub, event(1, "nc", **{"user.name": "root"})))
        wait_for(lambda: server.requests, 10, "the question")
        for text in (PLAIN, PLAIN + rule("Other", server.url()[:-1], "b")):
            hub.rules.with_suffix(".new").write_text(text)
            os.rename(hub.rules.with_suffix(".new"), hub.rules)
            assert hub.api("POST", "/api/v1/rules/reload")[0] in (200, 202)
            time.sleep(0.3)
        assert [rule["name"] for rule in hub.api("GET", "/api/v1/rules")[1]["rules"]] == ["Plain", "Other"]
        server.go.set()
        thread.join()
        assert result == [["accepted"]]
        assert [(alert["rule"], alert["output_fields"]["opa.message"]) for alert in alerts(hub)] == [("Asked", "said so")]


WATCHED = """
- threshold: Twice
  desc: a test
  condition: evt.type in (execve, open)
  count: 2
  within: 60s
  by: hostname
  output: "%watch.count of %proc.name"
  priority: ERROR
- threshold: Said
  desc: a test
  source: alert
  condition: alert.rule = Asked
  count: 1
  within: 60s
  by: alert.rule
  output: "%watch.count alerts of %alert.rule"
  priority: ERROR
"""


def test_what_hub_only_rules_made_of_a_request_that_waits_goes_with_it(hub):
    """A later request's commit must not tell the disk what the waiting one made of their common key."""
    with Asked() as server:
        hub = hub(rule("Asked", server.url()[:-1], "a", timeout="10s"), WATCHED)

        def try_to(*items):
            try:
                return send(hub, *items)
            except (OSError, http.client.HTTPException):
                return "lost"
        first, one = in_background(lambda: try_to(event(1, "nc"), event(2, "nc")))
        wait_for(lambda: server.requests, 10, "the question")
        second, two = in_background(lambda: try_to(event(1, "cat", "open", sensor="s2")))
        assert send(hub, {**event(1, "cat", "open", sensor="s3"), "hostname": "n2"}) == ["unmatched"], "another key"
        time.sleep(0.5)
        assert not one and not two
        hub.kill()
        first.join()
        second.join()
        assert (one, two) == (["lost"], ["lost"])
        server.go.set()
        hub.start()
        assert send(hub, event(1, "nc"), event(2, "nc")) == ["accepted", "accepted"]
        assert sorted(alert["rule"] for alert in alerts(hub)) == ["Asked", "Asked", "Said", "Twice"]


def test_alerts_that_waited_feed_hub_only_rules_over_a_reload(hub):
    with Asked() as server:
        hub = hub(rule("Asked", server.url()[:-1], "a", timeout="10s"), WATCHED)
        thread, result = in_background(lambda: send(hub, event(1, "nc", **{"user.name": "root"})))
        wait_for(lambda: server.requests, 10, "the question")
        more = "".join(f"\n- rule: More {n}\n  desc: d\n  condition: evt.type = open and fd.l4proto = x{n}\n"
                       f"  output: o %fd.sport\n  priority: INFO\n" for n in range(20))
        hub.rules.with_suffix(".new").write_text(more + PLAIN + WATCHED)
        os.rename(hub.rules.with_suffix(".new"), hub.rules)
        hub.api("POST", "/api/v1/rules/reload")
        wait_for(lambda: any(r["name"] == "Plain" for r in hub.api("GET", "/api/v1/rules")[1]["rules"]), 10, "the reload")
        server.go.set()
        thread.join()
        assert result == [["accepted"]]
        said = [alert for alert in alerts(hub) if alert["rule"] == "Said"]
        assert [alert["output"].rsplit("Error ", 1)[1] for alert in said] == ["1 alerts of Asked"]


def test_findings_of_other_engines_delegate_and_feed_hub_only_rules(hub):
    finding = (ROOT / "tests" / "data" / "engines" / "tracee_finding.json").read_text()
    with Asked() as server:
        server.go.set()
        hub = hub(rule("Asked", server.url()[:-1], "a", timeout="10s").replace("  condition: evt.type = execve", "  source: tracee\n  condition: proc.name = tee"),
                  WATCHED.split("- threshold: Said")[0].replace("evt.type in (execve, open)", "proc.name = tee\n  source: tracee").replace("count: 2", "count: 1"))
        status, _, answer = hub.post(finding, "/api/v1/events")
        assert (status, json.loads(answer)["verdicts"]) == (200, ["accepted"])
        found = {alert["rule"]: alert for alert in alerts(hub)}
        assert sorted(found) == ["Asked", "Sudoers file modification detected", "Twice"]
        assert found["Asked"]["output_fields"]["opa.message"] == "said so"
        assert json.loads(hub.post(finding, "/api/v1/events")[2])["verdicts"] == ["duplicate"]
        assert len(alerts(hub)) == 3


def test_a_hub_that_stops_waits_for_verdicts(hub):
    with Asked() as server:
        hub = hub(rule("Asked", server.url()[:-1], "a", timeout="10s"))
        thread, result = in_background(lambda: send(hub, event(1, "nc")))
        wait_for(lambda: server.requests, 10, "the question")
        hub.process.terminate()
        time.sleep(0.3)
        server.go.set()
        thread.join()
        assert result == [["accepted"]]
        hub.stop()
        hub.start()
        assert len(alerts(hub)) == 1


def test_a_hub_stops_beside_an_opa_that_hangs(hub):
    """Who asked is not answered, and sends again."""
    with Asked() as server:
        hub = hub(rule("Asked", server.url()[:-1], "a", timeout="10s"), PLAIN)

        def lost():
            try:
                return hub.post(event(1, "nc"), "/api/v1/events")[0] != 200
            except (OSError, http.client.HTTPException):
                return True
        thread, result = in_background(lost)
        wait_for(lambda: server.requests, 10, "the question")
        start = time.monotonic()
        hub.stop()
        assert time.monotonic() - start < 6
        thread.join()
        assert result == [True]
        server.go.set()
        hub.start()
        assert send(hub, event(1, "nc")) == ["accepted"]
        assert len(alerts(hub)) == 1


# --- what goes over the wire -----------------------------------------------------------------------------


def test_the_question_as_it_is_sent(hub, tmp_path):
    token = tmp_path / "token"
    token.write_text("s3cret-token\n")
    token.chmod(0o600)
    with Receiver(lambda _: (200, {}, "{}")) as server:
        url = server.url()[:-1]
        hub = hub(rule("All", url, "/v1/data/a/b", token=f"file:{token}"),
                  rule("Some", url, "c", input=["proc.name", "user.name"]))
        assert send(hub, event(7, 'n"c', **{"evt.time": 5, "x.list": [1, "two", {"a": None}], "x.none": None})) == ["unmatched"]
        by_path = {request.path: request for request in server.requests}
        every, some = by_path["/v1/data/a/b"], by_path["/v1/data/c"]
        assert every.method == "POST" and every.headers["Content-Type"] == "application/json"
        assert every.headers["Authorization"] == "Bearer s3cret-token"
        assert some.headers["Authorization"] is None
        assert json.loads(every.body) == {"input": {
            "time": "2026-11-20T12:00:00.000000000Z", "source": "syscall", "hostname": "n1", "rule": "All",
            "priority": "Warning",
            "fields": {"evt.type": "execve", "proc.name": 'n"c', "x.list": [1, "two", {"a": None}], "x.none": None}}}
        assert json.loads(some.body)["input"]["fields"] == {"proc.name": 'n"c', "user.name": None}
        assert "s3cret" not in hub.read_log()


def test_rules_with_other_tokens_are_one_series(hub, tmp_path):
    with Receiver(lambda _: (200, {"Content-Type": "application/json"}, '{"result":true}')) as server:
        for name in ("one", "two"):
            (tmp_path / name).write_text(name)
        hub = hub(*(rule(name, server.url()[:-1], "a", token=f"file:{tmp_path / name}") for name in ("one", "two")))
        send(hub, event(1, "nc"))
        text = hub.request("GET", "/metrics")[2].decode()
        assert text.count("tocsin_opa_queued{") == text.count("tocsin_opa_circuit_open{") == 1


def test_a_request_that_asks_for_too_much_is_too_large(hub):
    rules = [rule(f"Asked {i}", "http://127.0.0.1:1", "a") for i in range(60)]
    hub = hub(*rules)
    body = "\n".join(json.dumps(event(i, "nc", fill="x" * 900_000)) for i in range(1, 8))
    status, _, answer = hub.request("POST", "/api/v1/events", body)
    assert status == 413 and b"send fewer items" in answer
    assert send(hub, event(8, "nc")) == ["accepted"]


def test_more_rules_than_may_fire_on_one_event_are_counted(hub):
    rules = [PLAIN.replace("Plain", f"Plain {i}") for i in range(70)]
    hub = hub(*rules)
    assert send(hub, event(1, "a", "open"), event(2, "b", "open")) == ["accepted"] * 2
    assert len(alerts(hub)) == 128
    assert hub.metric("tocsin_hub_events_cut_total") == 2
    assert hub.read_log().count("more than 64 rules") == 1


def test_a_token_that_cannot_be_read(hub, tmp_path):
    with Receiver(lambda _: (200, {}, "{}")) as server:
        hub = hub(rule("A", server.url()[:-1], "a", token=f"file:{tmp_path}/none"))
        assert send(hub, event(1, "nc")) == ["accepted"]
        assert alerts(hub)[0]["output_fields"]["opa.error"] == "the token for OPA cannot be read"
        assert not server.requests


@pytest.mark.parametrize("answer, cause", [
    ((200, {}, ""), "answer"),
    ((200, {}, "not json"), "answer"),
    ((200, {}, '{"result":true} x'), "answer"),
    ((200, {}, '{"result":"yes"}'), "answer"),
    ((200, {}, '{"result":{"a":1}}'), "answer"),
    ((200, {}, '{"result":["a",1]}'), "answer"),
    ((200, {}, '{"result":null}'), "answer"),
    ((200, {}, "[]"), "answer"),
    ((200, {}, '{"result":["' + "x" * 100000 + '"]}'), "answer"),
    ((200, {}, '{"result":' + "[" * 5000), "answer"),
    ((404, {}, "{}"), "status"),
    ((500, {}, '{"code":"internal_error"}'), "status"),
    ((302, {"Location": "http://127.0.0.1:1/"}, ""), "status"),
    ("reset", "unreachable"),
    ("cut", "unreachable"),
])
def test_an_answer_that_is_none(hub, answer, cause):
    with Receiver(lambda _: answer) as server:
        hub = hub(rule("Careful", server.url()[:-1], "a"), rule("Lenient", server.url()[:-1], "b", on_error="pass"))
        assert send(hub, event(1, "nc")) == ["accepted"]
        assert [alert["rule"] for alert in alerts(hub)] == ["Careful"]
        assert unanswered(hub, cause) == 2


def test_a_long_message_is_cut(hub):
    with Receiver(lambda _: (200, {}, json.dumps({"result": ["ü" * 5000, "b"]}))) as server:
        hub = hub(rule("A", server.url()[:-1], "a"))
        assert send(hub, event(1, "nc")) == ["accepted"]
        message = alerts(hub)[0]["output_fields"]["opa.message"]
        assert message == "ü" * 2048
