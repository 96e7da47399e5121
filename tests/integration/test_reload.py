"""Rules that change while the hub runs."""
import json
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

from hub import BUILD, Hub
from servers import wait_for

RULE = """
- rule: {name}
  desc: a test
  condition: evt.type = openat and fd.name = {path}
  output: "opened (file=%fd.name)"
  priority: WARNING
"""


def event(seq, path, boot="b"):
    return {"time": "2026-11-20T12:00:00Z", "source": "syscall", "hostname": "n1",
            "sensor": {"id": "s1", "boot": boot, "seq": seq},
            "fields": {"evt.type": "openat", "fd.name": path, "proc.name": "cat"}}


@pytest.fixture
def hub(tmp_path):
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "a.yaml").write_text(RULE.format(name="First", path="/a"))
    hub = Hub(tmp_path, {"rules_files": [str(rules)]}).start()
    hub.rules = rules
    yield hub
    hub.stop()


def state(hub):
    status, answer = hub.api("GET", "/api/v1/status")
    assert status == 200
    return answer["rules"]


def replace(path, text):
    path.with_suffix(".new").write_text(text)
    os.rename(path.with_suffix(".new"), path)


def names(hub):
    return [rule["name"] for rule in hub.api("GET", "/api/v1/rules")[1]["rules"]]


def send(hub, *items):
    status, _, answer = hub.request("POST", "/api/v1/events", "\n".join(json.dumps(item) for item in items))
    assert status == 200, answer
    return json.loads(answer)


def test_a_changed_file_is_in_force_within_two_seconds(hub):
    before = state(hub)["version"]
    send(hub, event(1, "/a"))
    replace(hub.rules / "a.yaml", RULE.format(name="Second", path="/b"))
    start = time.monotonic()
    wait_for(lambda: names(hub) == ["Second"], 10, "the new rules")
    assert time.monotonic() - start < 5
    assert state(hub)["version"] != before
    answer = send(hub, event(2, "/b"), event(3, "/a"))
    assert (answer["accepted"], answer["unmatched"]) == (1, 1)


def test_files_come_and_go_in_a_folder(hub):
    (hub.rules / "b.yaml").write_text(RULE.format(name="Other", path="/b"))
    wait_for(lambda: names(hub) == ["First", "Other"], 10, "the second file")
    (hub.rules / "a.yaml").unlink()
    wait_for(lambda: names(hub) == ["Other"], 10, "the first file's end")


def test_what_does_not_load_leaves_the_old_rules_and_shows_everywhere(hub):
    replace(hub.rules / "a.yaml", RULE.format(name="Bad", path="/a").replace("fd.name", "fd.nmae"))
    wait_for(lambda: not state(hub)["current"], 10, "the failure")
    assert names(hub) == ["First"]
    assert send(hub, event(1, "/a"))["accepted"] == 1
    shown = state(hub)
    assert shown["reloads_failed"] == 1
    assert any("a.yaml:4:" in line and "fd.nmae" in line for line in shown["errors"])
    assert "fd.nmae" in hub.read_log() and "the ones before stay in force" in hub.read_log()
    metrics = hub.request("GET", "/metrics")[2].decode()
    assert "tocsin_hub_rules_last_reload_successful 0" in metrics
    assert 'tocsin_hub_rules_reloads_total{result="failed"} 1' in metrics
    status, _, ready = hub.request("GET", "/readyz?verbose")
    assert status == 200 and b"[!]rules" in ready
    replace(hub.rules / "a.yaml", RULE.format(name="Good", path="/a"))
    wait_for(lambda: state(hub)["current"], 10, "the repair")
    assert names(hub) == ["Good"] and state(hub)["errors"] == []
    assert b"[+]rules ok" in hub.request("GET", "/readyz?verbose")[2]


def test_a_signal_reads_the_configuration_of_rules_as_well(hub, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text(RULE.format(name="Elsewhere", path="/c"))
    hub.settings["rules_files"].append(str(other))
    hub.write_config()
    hub.process.send_signal(signal.SIGHUP)
    wait_for(lambda: names(hub) == ["First", "Elsewhere"], 10, "the new file")
    hub.settings["rules_files"] = 7
    (hub.folder / "hub.yaml").write_text("rules_filse: [x]\n")
    hub.process.send_signal(signal.SIGHUP)
    wait_for(lambda: not state(hub)["current"], 10, "the bad configuration")
    assert names(hub) == ["First", "Elsewhere"]
    assert any("rules_filse" in line for line in state(hub)["errors"])


def test_the_command_waits_for_the_outcome(hub, tmp_path):
    def reload():
        return subprocess.run([BUILD / "cli" / "tocsin", "rules", "reload", "--url", f"http://127.0.0.1:{hub.admin_port}",
                               "--token-file", str(hub.folder / "data" / "admin.token")],
                              capture_output=True, text=True, timeout=60, check=False)
    good = reload()
    assert good.returncode == 0 and "1 rules loaded, 1 enabled" in good.stdout
    (hub.rules / "a.yaml").write_text("- rule: x\n")
    bad = reload()
    assert bad.returncode == 1
    assert "a.yaml:1:" in bad.stderr and "the ones before stay in force" in bad.stderr


def test_no_event_is_lost_or_judged_twice_while_rules_change(hub):
    """Two sets take turns, each with one rule for every event: whichever is in force, each event gives one alert."""
    stop = threading.Event()

    def change():
        turn = 0
        while not stop.is_set():
            turn += 1
            replace(hub.rules / "a.yaml", RULE.format(name=f"Turn {turn % 2}", path="/a"))
            hub.process.send_signal(signal.SIGHUP)
            time.sleep(0.05)

    changer = threading.Thread(target=change)
    changer.start()
    try:
        for request in range(100):
            first = request * 50 + 1
            answer = send(hub, *[event(first + i, "/a") for i in range(50)])
            assert (answer["accepted"], answer["unmatched"]) == (50, 0)
    finally:
        stop.set()
        changer.join()
    assert state(hub)["reloads"] > 3


def test_selection_and_appended_output_are_falcos_settings(tmp_path):
    (tmp_path / "rules.yaml").write_text(RULE.format(name="First", path="/a") + RULE.format(name="Other", path="/a"))
    hub = Hub(tmp_path, {"rules_files": [str(tmp_path / "rules.yaml")], "rules": [{"disable": {"rule": "Fi*"}}],
                         "append_output": [{"extra_output": "by=%proc.name", "extra_fields": ["evt.type", {"who": "<%proc.name>"}]}]}).start()
    send(hub, event(1, "/a"))
    found = [entry["alert"] for entry in hub.api("GET", "/api/v1/alerts")[1]["alerts"]]
    assert [one["rule"] for one in found] == ["Other"]
    assert found[0]["output"].endswith("opened (file=/a) by=cat")
    assert found[0]["output_fields"]["evt.type"] == "openat" and found[0]["output_fields"]["who"] == "<cat>"
    hub.settings["rules"] = []
    hub.write_config()
    hub.process.send_signal(signal.SIGHUP)
    wait_for(lambda: state(hub)["enabled"] == 2, 10, "both rules")
    hub.stop()


def ask(hub, known=None, wait=0):
    headers = {"Prefer": f"wait={wait}"}
    if known:
        headers["If-None-Match"] = known
    status, found, body = hub.request("GET", "/api/v1/sensors/rules", None, headers)
    return status, {name.lower(): text for name, text in found.items()}["etag"], json.loads(body) if body else None


def test_sensors_are_told_of_new_rules_at_once(hub):
    status, etag, bundle = ask(hub)
    assert status == 200 and etag == '"' + state(hub)["policy"] + '"'
    assert [file["name"].rsplit("/", 1)[1] for file in bundle["files"]] == ["a.yaml"]
    assert bundle["files"][0]["text"] == (hub.rules / "a.yaml").read_text()
    start = time.monotonic()
    assert ask(hub, etag, wait=1)[0] == 304
    assert 0.9 < time.monotonic() - start < 5
    assert ask(hub, etag)[0] == 304

    answers = []
    waiting = [threading.Thread(target=lambda: answers.append(ask(hub, etag, wait=30))) for _ in range(20)]
    for one in waiting:
        one.start()
    wait_for(lambda: b"tocsin_hub_policies_waiting 20" in hub.request("GET", "/metrics")[2], 10, "all to wait")
    replace(hub.rules / "a.yaml", RULE.format(name="Second", path="/b"))
    for one in waiting:
        one.join(10)
    assert [answer[0] for answer in answers] == [200] * 20
    assert all("Second" in answer[2]["files"][0]["text"] and answer[1] != etag for answer in answers)


def test_sensors_that_wait_share_one_text(hub):
    """A thousand sensors that read slowly must not make a thousand copies of the rules."""
    def resident():
        with open(f"/proc/{hub.process.pid}/status", encoding="ascii") as status:
            return int(status.read().split("VmRSS:")[1].split()[0]) >> 10

    padding = "# " + "x" * 998 + "\n"
    replace(hub.rules / "a.yaml", padding * 2000 + RULE.format(name="Long", path="/l"))
    wait_for(lambda: names(hub) == ["Long"], 10, "the long rules")
    etag = ask(hub)[1]
    sockets = []
    for _ in range(60):
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.connect(("127.0.0.1", hub.port))
        one.sendall(f"GET /api/v1/sensors/rules HTTP/1.1\r\nHost: h\r\nIf-None-Match: {etag}\r\n"
                    "Prefer: wait=60\r\n\r\n".encode())
        sockets.append(one)
    wait_for(lambda: b"tocsin_hub_policies_waiting 60" in hub.request("GET", "/metrics")[2], 10, "all to wait")
    before = resident()
    replace(hub.rules / "a.yaml", padding * 2000 + RULE.format(name="Longer", path="/l"))
    wait_for(lambda: b"tocsin_hub_policies_waiting 0" in hub.request("GET", "/metrics")[2], 10, "the answers")
    time.sleep(0.2)
    after = resident()
    for one in sockets:
        one.close()
    assert after - before < 50, f"{after - before} MB more for 60 sensors"


def test_plugins_that_rules_require_are_a_setting(tmp_path):
    (tmp_path / "rules.yaml").write_text("- required_plugin_versions: [{name: k8saudit, version: 0.7.0}]\n" + RULE.format(name="Audit", path="/a"))
    hub = Hub(tmp_path, {"rules_files": [str(tmp_path / "rules.yaml")], "plugins": {"k8saudit": "0.7.2"}}).start()
    assert names(hub) == ["Audit"]
    assert ask(hub)[2]["plugins"] == [{"name": "k8saudit", "version": "0.7.2"}]
    hub.settings["plugins"] = {}
    hub.write_config()
    hub.process.send_signal(signal.SIGHUP)
    wait_for(lambda: not state(hub)["current"], 10, "the plugin to be missed")
    assert any("k8saudit" in line for line in state(hub)["errors"])
    hub.stop()
