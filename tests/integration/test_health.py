"""Rules on alerts, and the hub's own troubles as events."""
import json

import pytest

from hub import Hub, alert
from servers import wait_for

RULES = """
- rule: Notable alert
  desc: what another engine raised, judged again
  condition: alert.rule startswith "Read" and alert.tags intersects (filesystem) and proc.name = cat
  output: "%alert.rule by %proc.name, %alert.priority"
  priority: CRITICAL
  source: alert
- rule: Any alert again
  desc: rules on alerts are not looked at by rules on alerts
  condition: alert.rule = "Notable alert"
  output: never
  priority: ERROR
  source: alert
- rule: Opened
  desc: our own
  condition: evt.type = openat and fd.name = /a
  output: "opened"
  priority: WARNING
- rule: Of our own
  desc: rules on alerts see our own alerts, and their event
  condition: alert.rule = Opened and fd.name = /a and alert.source = syscall
  output: "again %fd.name"
  priority: NOTICE
  source: alert
- rule: Trouble
  desc: whatever the hub says of itself
  condition: tocsin.event in (sensor_gap, sensor_loss, rules_reload_failed, sensor_seen)
  output: "%tocsin.event %tocsin.sensor %tocsin.count %tocsin.detail %tocsin.causes"
  priority: ERROR
  source: tocsin
"""


@pytest.fixture
def hub(tmp_path):
    (tmp_path / "rules.yaml").write_text(RULES)
    hub = Hub(tmp_path, {"rules_files": [str(tmp_path / "rules.yaml")], "rule_matching": "all"}).start()
    yield hub
    hub.stop()


def event(seq, path="/a"):
    return {"time": "2026-11-20T12:00:00Z", "source": "syscall", "hostname": "n1",
            "sensor": {"id": "s1", "boot": "b", "seq": seq},
            "fields": {"evt.type": "openat", "fd.name": path, "proc.name": "cat"}}


def alerts(hub, rule):
    return [entry["alert"] for entry in hub.api("GET", "/api/v1/alerts?limit=100")[1]["alerts"]
            if entry["alert"]["rule"] == rule]


def post(hub, *items):
    status, _, answer = hub.request("POST", "/api/v1/events", "\n".join(json.dumps(item) for item in items))
    assert status == 200, answer
    return json.loads(answer)


def test_rules_on_alerts(hub):
    post(hub, alert())
    found = alerts(hub, "Notable alert")
    assert len(found) == 1 and found[0]["source"] == "alert" and found[0]["priority"] == "Critical"
    assert "Read sensitive file untrusted by cat, Warning" in found[0]["output"]
    assert found[0]["output_fields"]["alert.rule"] == "Read sensitive file untrusted"
    assert alerts(hub, "Any alert again") == []


def test_rules_on_our_own_alerts(hub):
    post(hub, event(1))
    assert len(alerts(hub, "Opened")) == 1
    assert "again /a" in alerts(hub, "Of our own")[0]["output"]
    post(hub, event(1))  # sent again: nothing new
    assert len(alerts(hub, "Of our own")) == 1


def test_the_hubs_own_events(hub):
    post(hub, event(1, "/b"), event(5, "/b"))
    gap = wait_for(lambda: [one for one in alerts(hub, "Trouble") if "sensor_gap" in one["output"]], 10, "the gap")
    assert "sensor_gap s1 3" in gap[0]["output"] and gap[0]["hostname"] == "n1"
    assert any("sensor_seen s1" in one["output"] for one in alerts(hub, "Trouble"))
    (hub.folder / "rules.yaml").write_text(RULES + "- rule: x\n")
    failed = wait_for(lambda: [one for one in alerts(hub, "Trouble") if "rules_reload_failed" in one["output"]], 10, "the failure")
    assert "rules.yaml:" in failed[0]["output"]
    # Different troubles are different incidents.
    assert len({entry["incident"] for entry in hub.api("GET", "/api/v1/alerts?limit=100")[1]["alerts"]}) == 3


def test_what_a_sensor_lost_is_told_with_the_process_that_flooded_it(hub):
    def beat(boot, lost):
        stats = {"lost": {"open": lost, "net": 2, "memory": 0}, "spool_lost_events": 1,
                 "lost_by": {"ring": 0, "budget": lost}, "lost_calls": {"mkdir": {"budget": 3}, "open": {"budget": 1}},
                 "flood": {"pid": 4242, "name": 'mi"ner'}}
        body = {"sensor": {"id": "s9", "boot": boot}, "hostname": "n9", "stats": stats}
        assert hub.request("POST", "/api/v1/sensors/heartbeat", json.dumps(body))[0] == 200

    def told():
        return [one["output"].split(" Error ")[1] for one in alerts(hub, "Trouble")
                if "sensor_loss" in one["output"]]

    beat("b1", 400)
    wait_for(lambda: told() == ['sensor_loss s9 403 mi"ner (4242) budget 400 (mkdir, open)'], 10, "the first loss")
    beat("b1", 400)
    beat("b1", 500)
    wait_for(lambda: 'sensor_loss s9 100 mi"ner (4242) budget 500 (mkdir, open)' in told(), 10, "the second loss")
    assert len(told()) == 2
    beat("b2", 0)
    wait_for(lambda: 'sensor_loss s9 3 mi"ner (4242) <NA>' in told(), 10, "that of the next boot")


def test_nobody_else_is_the_hub(hub):
    status, _, answer = hub.request("POST", "/api/v1/events", {"source": "tocsin", "fields": {"tocsin.event": "x"}})
    assert status == 400 and b"hub's own" in answer
