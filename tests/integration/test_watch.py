"""Hub-only rules: what no single event shows, over HTTP, with what it came from, and over a kill."""
import json
import subprocess
import time

import pytest

from hub import BUILD, Hub
from servers import wait_for

RULES = """
- macro: opens
  condition: evt.type in (open, openat)
- rule: Plain
  desc: an ordinary rule
  condition: evt.type = connect
  output: connects
  priority: NOTICE
- threshold: Many
  desc: three opens of one user on a host
  condition: opens and fd.name startswith /t
  count: 3
  within: 60s
  by: [hostname, user.name]
  output: "%watch.count opens by %user.name, the last of %fd.name (%watch.key)"
  priority: WARNING
  tags: [T1548]
- distinct: Wide
  desc: three files of one user, on any host
  condition: opens and fd.name startswith /d
  of: fd.name
  count: 3
  within: 60s
  by: user.name
  output: "%watch.count files, the last %watch.value"
  priority: WARNING
- sequence: Chain
  desc: across hosts
  within: 60s
  by: user.name
  steps:
    - condition: evt.type = execve
    - {name: then, condition: evt.type = chmod}
  output: "chain by %user.name"
  priority: ERROR
- first_seen: New
  desc: a new file
  condition: opens and fd.name startswith /n
  of: fd.name
  by: hostname
  within: 1h
  output: "new file %fd.name"
  priority: NOTICE
- absent: Silent
  desc: the heartbeat stands still
  condition: evt.type = beat and proc.name = heart
  within: 2s
  by: [hostname, proc.name, proc.pid]
  output: "nothing of %proc.name (%proc.pid) since %watch.first_time (%watch.count before)"
  priority: ERROR
- threshold: Alerts
  desc: two alerts of one rule
  source: alert
  condition: alert.rule = Plain
  count: 2
  within: 60s
  by: alert.rule
  output: "%watch.count alerts of %alert.rule"
  priority: CRITICAL
"""


@pytest.fixture
def hub(tmp_path):
    (tmp_path / "rules.yaml").write_text(RULES.replace("evt.type = beat", "evt.type = fchmod"))
    hub = Hub(tmp_path, {"rules_files": [str(tmp_path / "rules.yaml")], "watch": {"lateness": "1s"}}).start()
    hub.now = time.time()
    hub.seq = 0
    yield hub
    hub.stop()


def event(hub, kind, path=None, host="n1", user="bob", proc="sh", at=0, sensor="s1"):
    hub.seq += 1
    when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(hub.now + at)) + f".{hub.seq:09d}Z"
    item = {"time": when, "source": "syscall", "hostname": host,
            "fields": {"evt.type": kind, "fd.name": path, "proc.name": proc, "user.name": user, "proc.pid": 77}}
    if sensor:
        item["sensor"] = {"id": sensor, "boot": "b", "seq": hub.seq}
    return item


def send(hub, *items):
    status, _, answer = hub.request("POST", "/api/v1/events", "\n".join(json.dumps(item) for item in items))
    assert status == 200, answer
    return json.loads(answer)


def alerts(hub, rule):
    found = hub.api("GET", "/api/v1/alerts?limit=200")[1]["alerts"]
    found = [entry.get("alert", entry) for entry in found]
    return [alert for alert in found if alert["rule"] == rule]


def test_each_kind_fires_with_what_it_came_from(hub):
    answer = send(hub, *[event(hub, "open", "/t1") for _ in range(3)])
    assert (answer["accepted"], answer["unmatched"]) == (1, 2)
    (alert,) = alerts(hub, "Many")
    assert "3 opens by bob, the last of /t1" in alert["output"]
    assert alert["tags"] == ["T1548"] and alert["priority"] == "Warning"
    evidence = alert["tocsin"]["evidence"]
    assert evidence["count"] == 3 and evidence["key"] == {"hostname": "n1", "user.name": "bob"}
    assert [entry["seq"] for entry in evidence["events"]] == [1, 2, 3]
    assert evidence["events"][0]["hostname"] == "n1" and "open" in evidence["events"][0]["what"]

    send(hub, event(hub, "open", "/d1"), event(hub, "open", "/d1"), event(hub, "open", "/d2", host="n2"))
    assert alerts(hub, "Wide") == []
    send(hub, event(hub, "open", "/d3"))
    (alert,) = alerts(hub, "Wide")
    assert '3 files, the last {"fd.name":"/d3"}' in alert["output"]

    send(hub, event(hub, "chmod", at=-6), event(hub, "execve", host="n1", at=-5), event(hub, "chmod", host="n2", at=-4))
    (alert,) = alerts(hub, "Chain")
    assert [entry["hostname"] for entry in alert["tocsin"]["evidence"]["events"]] == ["n1", "n2"]

    send(hub, event(hub, "open", "/n1"), event(hub, "open", "/n1"), event(hub, "open", "/n1", host="n2"))
    assert len(alerts(hub, "New")) == 2

    send(hub, event(hub, "connect"))
    assert alerts(hub, "Alerts") == []
    send(hub, event(hub, "connect"))
    (alert,) = alerts(hub, "Alerts")
    assert "2 alerts of Plain" in alert["output"]
    plain = {alert["uuid"] for alert in alerts(hub, "Plain")}
    assert {entry["alert"] for entry in alert["tocsin"]["evidence"]["events"]} == plain

    send(hub, event(hub, "fchmod", proc="heart"))
    wait_for(lambda: alerts(hub, "Silent"), 15, "the silence")
    time.sleep(2)
    (alert,) = alerts(hub, "Silent")
    assert "nothing of heart (77) since 20" in alert["output"] and alert["hostname"] == "n1"
    send(hub, event(hub, "fchmod", proc="heart", at=10))
    wait_for(lambda: len(alerts(hub, "Silent")) == 2, 15, "the next silence")

    metrics = hub.request("GET", "/metrics")[2].decode()
    assert 'tocsin_hub_watch_fired_total{kind="threshold"} 2' in metrics
    assert 'tocsin_hub_watch_fired_total{kind="absent"} 2' in metrics
    assert "tocsin_hub_watch_evicted_total 0" in metrics


def test_what_is_sent_again_counts_once(hub):
    for sensor in ("s1", None):
        items = [event(hub, "open", "/t1", user=f"u{sensor}", sensor=sensor) for _ in range(2)]
        for _ in range(3):
            send(hub, *items)
        assert alerts(hub, "Many") == [] if sensor else len(alerts(hub, "Many")) == 1
        send(hub, event(hub, "open", "/t1", user=f"u{sensor}", sensor=sensor))
        assert len(alerts(hub, "Many")) == (1 if sensor else 2)


def test_what_must_come_takes_no_place_among_what_was_seen(hub):
    beats = [event(hub, "fchmod", proc="heart", sensor=None) for _ in range(3)]
    assert send(hub, *beats)["unmatched"] == 3
    assert hub.metric("tocsin_hub_dedup_entries") == 0
    assert send(hub, *beats)["unmatched"] == 3


def test_state_survives_a_kill(hub):
    items = [event(hub, "open", "/t1"), event(hub, "open", "/t2", sensor=None)]
    send(hub, *items)
    send(hub, event(hub, "execve"), event(hub, "open", "/d1"), event(hub, "open", "/d2"), event(hub, "open", "/n1"))
    send(hub, event(hub, "fchmod", proc="heart"), event(hub, "connect"))
    hub.kill()
    hub.start()
    send(hub, *items)
    assert alerts(hub, "Many") == []
    send(hub, event(hub, "open", "/t3"), event(hub, "chmod", at=1), event(hub, "open", "/d3"), event(hub, "open", "/n1"))
    send(hub, event(hub, "connect"))
    for rule in ("Many", "Chain", "Wide", "New", "Alerts"):
        assert len(alerts(hub, rule)) == 1, rule
    (alert,) = alerts(hub, "Many")
    assert [entry["what"] for entry in alert["tocsin"]["evidence"]["events"]] == \
        [f"open sh bob /t{i}" for i in (1, 2, 3)]
    wait_for(lambda: alerts(hub, "Silent"), 15, "the silence")
    hub.kill()
    hub.start()
    send(hub, event(hub, "open", "/t4"), event(hub, "open", "/t5"), event(hub, "open", "/t6"))
    assert len(alerts(hub, "Many")) == 1  # quiet, as before


def test_a_reload_keeps_what_means_the_same(hub):
    send(hub, event(hub, "open", "/t1"), event(hub, "open", "/t1"))
    send(hub, event(hub, "open", "/d1"), event(hub, "open", "/d2"))
    rules = hub.folder / "rules.yaml"
    text = rules.read_text()
    before = hub.api("GET", "/api/v1/status")[1]["rules"]["reloads"]
    rules.write_text(text.replace("T1548", "T1549").replace("of: fd.name\n  count: 3", "of: fd.name\n  count: 4"))
    wait_for(lambda: hub.api("GET", "/api/v1/status")[1]["rules"]["reloads"] > before, 15, "the reload")
    send(hub, event(hub, "open", "/t1"), event(hub, "open", "/d3"), event(hub, "open", "/d4"))
    assert alerts(hub, "Many")[0]["tags"] == ["T1549"]
    assert alerts(hub, "Wide") == []


def test_the_file_is_a_rules_file_without_errors(tmp_path):
    (tmp_path / "rules.yaml").write_text(RULES.replace("evt.type = beat", "evt.type = fchmod"))
    done = subprocess.run([BUILD / "cli" / "tocsin", "rules", "check", tmp_path / "rules.yaml"],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
