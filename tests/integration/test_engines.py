"""Other engines' events come in as they are: what becomes of them in a real hub, on disk, in the API and at a webhook."""
import json
import pathlib

import pytest

from hub import Hub
from servers import Receiver

SAMPLES = pathlib.Path(__file__).parents[1] / "data" / "engines"

RULES = """
- rule: Shadow opened
  desc: d
  condition: evt.type = openat and fd.name = /etc/shadow
  output: Shadow opened (proc=%proc.name file=%fd.name container=%container.id)
  priority: ERROR
  source: tracee
- rule: Program out of memory
  desc: d
  condition: evt.type = execve and proc.is_exe_from_memfd = true and tetragon.node_labels.zone = a
  output: Ran from memory (proc=%proc.name parent=%proc.pname)
  priority: CRITICAL
  source: tetragon
- rule: New program file
  desc: d
  condition: evt.type = openat and fd.name endswith .exe
  output: New program (file=%fd.name)
  priority: NOTICE
  source: eolh
- rule: Own rule on findings
  desc: d
  condition: guardduty.type startswith PrivilegeEscalation and proc.pname = sh
  output: Escalation by %proc.exepath through %fd.name
  priority: CRITICAL
  source: guardduty
- rule: Finding from abroad
  desc: d
  condition: alert.source = guardduty and alert.rule contains Runtime and guardduty.service.action.networkConnectionAction.remoteIpDetails.country.countryName = X
  output: From abroad (proc=%proc.name finding=%aws.finding_id)
  priority: ALERT
  source: alert
"""


@pytest.fixture
def hub(tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    with Receiver() as receiver:
        hub = Hub(tmp_path, {"rules_files": [str(rules)], "outputs": {
            "hook": {"type": "webhook", "url": receiver.url()}}}).start()
        hub.receiver = receiver
        yield hub
        hub.stop()
        hub.audit()


def sample(name):
    return (SAMPLES / (name + ".json")).read_text()


def heard(hub, count):
    """What the webhook got, which must be what the API shows, oldest first."""
    hub.drained("hook")
    got = [json.loads(request.body) for request in hub.receiver.requests]
    shown = [entry["alert"] for entry in reversed(hub.api("GET", "/api/v1/alerts?limit=500")[1]["alerts"])]
    assert sorted(got, key=str) == sorted(shown, key=str) and len(shown) == count
    return shown


def send(hub, text, *verdicts):
    status, answer = hub.events(text)
    assert (status, answer["verdicts"]) == (200, list(verdicts)), answer


FINDINGS = [
    ("tracee_finding", "tracee", "Sudoers file modification detected", "Warning", "127.0.0.1", "3f2b8c1d9e7a", "tee"),
    ("tracee_old", "tracee", "Anti-Debugging detected", "Notice", "node-3", "host", "strace"),
    ("tetragon_kprobe", "tetragon", "file-monitoring: write to /etc", "Warning", "node-1", "6b742e38ee3a", "vi"),
    ("tetragon_killed", "tetragon", "no-egress", "Critical", "node-1", "host", "curl"),
    ("tetragon_tracepoint", "tetragon", "opens", "Notice", "n", "host", "cat"),
    ("eolh_finding", "eolh", "Crypto Mining", "Critical", "WIN-1", "9f0c11223344", "powershell.exe"),
]


@pytest.mark.parametrize("finding", FINDINGS, ids=lambda f: f[0])
def test_a_finding_is_an_alert(hub, finding):
    name, source, rule, priority, hostname, container, process = finding
    text = sample(name)
    send(hub, text, "accepted")
    send(hub, text, "duplicate")
    later = text.replace("2026-05-01T", "2026-05-02T").replace("1777629600", "1777629700")
    send(hub, later, "accepted")
    first, second = heard(hub, 2)
    assert (first["source"], first["rule"], first["priority"], first["hostname"]) == (source, rule, priority, hostname)
    assert first["output"] and "\n" not in first["output"]
    assert first["tags"] == sorted(first["tags"]) and first["tags"]
    fields = first["output_fields"]
    assert (fields["container.id"], fields["proc.name"]) == (container, process)
    assert not any(isinstance(value, (dict, list)) for value in fields.values())
    assert first["tocsin"]["raw"] == json.loads(text)
    assert second["tocsin"]["incident"] == first["tocsin"]["incident"], "one rule, one host, one process: one incident"
    assert [a["tocsin"]["change"] for a in (first, second)] == ["opened", "repeat"]


def test_incidents_of_other_engines_differ_by_their_fields(hub):
    text = sample("tetragon_killed")
    for changed in (text, text.replace("node-1", "node-2"), text.replace("/usr/bin/curl", "/usr/bin/wget"),
                    text.replace('"auid":1000', '"docker":"0123456789abcdef","auid":1000')):
        send(hub, changed, "accepted")
    assert len({a["tocsin"]["incident"] for a in heard(hub, 4)}) == 4


def test_events_meet_rules_of_their_source(hub):
    events = ["tracee_syscall", "tracee_exec", "tetragon_exec", "tetragon_exit", "eolh_file", "eolh_process"]
    verdicts = ["accepted", "unmatched", "accepted", "unmatched", "accepted", "unmatched"]
    send(hub, "".join(map(sample, events)), *verdicts)
    send(hub, "[" + ",".join(map(sample, events)) + "]", *("duplicate" if v == "accepted" else v for v in verdicts))
    alerts = {a["rule"]: a for a in heard(hub, 3)}
    assert alerts["Shadow opened"]["output"].endswith(
        "Error Shadow opened (proc=ls file=/etc/shadow container=host)")
    assert alerts["Shadow opened"]["source"] == "tracee"
    assert alerts["Program out of memory"]["output"].endswith("Critical Ran from memory (proc=a-very-long-pro parent=sh)")
    assert alerts["New program file"]["output_fields"]["fd.name"].endswith("evil.exe")
    assert alerts["New program file"]["tocsin"]["raw"] == json.loads(sample("eolh_file"))


def test_a_finding_of_guardduty_in_all_its_forms_is_one(hub):
    send(hub, sample("guardduty_envelope"), "accepted")
    send(hub, sample("guardduty_finding"), "duplicate")
    send(hub, sample("guardduty_api"), "duplicate", "accepted")
    updated = sample("guardduty_finding").replace("10:05:00Z", "10:35:00Z").replace('"count":2', '"count":3')
    send(hub, updated, "accepted")
    first, abroad, own, other, second, again, _ = heard(hub, 7)
    assert own["rule"] == "Own rule on findings" and own["source"] == "guardduty"
    assert own["output"].endswith("Critical Escalation by /usr/bin/curl through /var/run/docker.sock")
    assert (first["rule"], first["priority"], first["hostname"]) == (
        "PrivilegeEscalation:Runtime/DockerSocketAccessed", "Warning", "i-0abc")
    assert first["output_fields"]["aws.count"] == 2 and second["output_fields"]["aws.count"] == 3
    assert first["tocsin"]["incident"] == second["tocsin"]["incident"] != other["tocsin"]["incident"]
    assert (other["rule"], other["priority"], other["hostname"]) == (
        "CryptoCurrency:EC2/BitcoinTool.B!DNS", "Error", "i-0def")
    # A rule on alerts reads what GuardDuty said, also what people are not shown.
    assert abroad["rule"] == again["rule"] == "Finding from abroad"
    assert abroad["output"].endswith("Alert From abroad (proc=curl finding=f1)")


def test_an_original_that_is_long_is_left_out(hub):
    text = json.loads(sample("tetragon_kprobe"))
    text["process_kprobe"]["process"]["arguments"] = "x" * 70000
    send(hub, json.dumps(text), "accepted")
    alert = heard(hub, 1)[0]
    assert "raw" not in alert["tocsin"] and alert["output_fields"]["tetragon.left_out"] >= 1
    assert alert["output_fields"]["proc.args"] == "x" * 8192


def test_what_no_engine_says_is_refused(hub):
    send_bad = ['{"process_exec":7}', '{"eventName":"GetUser","eventSource":"iam.amazonaws.com"}']
    status, answer = hub.events("\n".join(send_bad) + "\n" + sample("tracee_finding"))
    assert status in (200, 207, 400) and answer["verdicts"] == ["rejected", "rejected", "accepted"]
    heard(hub, 1)
