"""tocsin tail --node: from the command over the hub to a node's sensor, and back."""
import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid

import pytest

from hub import BUILD, Hub
from servers import wait_for
from test_policy import folder, hub, in_force, made, opened, raised, start, warnings  # noqa: F401
from test_sensor import ebpf_lacks, needs_ebpf

CLI = os.path.join(BUILD, "cli", "tocsin")
pytestmark = needs_ebpf


class Tail:
    def __init__(self, hub, folder, *options):
        self.name = os.path.join(folder, uuid.uuid4().hex)
        with open(self.name + ".out", "wb") as out, open(self.name + ".err", "wb") as err:
            self.process = subprocess.Popen(
                [CLI, "tail", "--url", f"http://127.0.0.1:{hub.admin_port}", "--token-file",
                 str(hub.folder / "data" / "admin.token"), *options], stdout=out, stderr=err,
                # Who runs the tests in the background ignores Ctrl-C, and that is inherited.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))

    def out(self):
        return open(self.name + ".out").read()

    def err(self):
        return open(self.name + ".err").read()

    def end(self, seconds=40):
        return self.process.wait(seconds)


@pytest.fixture
def tail(hub, folder):
    started = []

    def start(*options):
        started.append(Tail(hub, str(folder), *options))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


@pytest.fixture
def node(hub, start):
    """A sensor that is known as n1 and waits at the hub."""
    sensor = start(hub.port, "--hostname", "n1")
    wait_for(lambda: hub.metric("tocsin_hub_policies_waiting") == 1, 60, "the long poll")
    return sensor


def looks_on(sensor, times=1):
    wait_for(lambda: sensor.text().count("somebody at the hub looks on") == times and
             sensor.text().rstrip().splitlines()[-1] != "", 30, "the order")
    wait_for(lambda: re.search(r"looks on.*\n(.*\n)*.*in force", sensor.text()), 30, "the filter in force")


def test_what_happens_on_a_node_is_shown_though_no_rule_wants_it(hub, node, tail, folder):
    one = tail("--node", "n1", "--filter", f"evt.type in (mkdir, mkdirat) and evt.arg.path startswith {folder}/t",
               "--for", "20s")
    looks_on(node)
    (folder / "other").mkdir()
    (folder / "t\x1b[31m").mkdir()
    (folder / "a").write_text("rules go on")
    wait_for(lambda: "/t" in one.out(), 30, "the event")
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} mkdir +\d+ root \S+ \S+/t\\x1b\[31m mode=\S+\n", one.out()), one.out()
    wait_for(lambda: raised(hub) == {"First"}, 30, "the alert of a rule")
    # When the command goes, the sensor stops, and its rules are as before.
    one.process.send_signal(signal.SIGINT)
    one.process.wait(10)
    wait_for(lambda: node.text().count(f"version {in_force(hub)} in force") >= 2, 30, "the rules without the filter")
    (folder / "a").write_text("again")
    wait_for(lambda: warnings(hub) == 2, 30, "another alert")


def test_whoever_matched_once_is_followed_and_so_are_its_children(hub, node, tail, folder):
    one = tail("--node", "n1", "--follow", "--for", "20s", "--filter",
               f"evt.type in (mkdir, mkdirat) and evt.arg.path = {folder}/t")
    looks_on(node)
    subprocess.run(["/bin/sh", "-c", f"echo > {folder}/before; mkdir {folder}/other; "
                    f"sh -c 'echo > {folder}/not' & wait"], check=True)
    subprocess.run([sys.executable, "-c", "import os, subprocess, sys; os.mkdir(sys.argv[1]); "
                    "open(sys.argv[2], 'w'); subprocess.run(['/bin/sh', '-c', 'echo > $0', sys.argv[3]])",
                    *[str(folder / name) for name in ("t", "own", "child")]], check=True)
    wait_for(lambda: re.search(r"openat .*/child", one.out()) and one.out().count("procexit") >= 2, 30, "the child's")
    assert re.search(r"openat .*/own", one.out()) and re.search(r"execve .*sh -c", one.out()), one.out()
    assert not re.search("/(before|other|not)", one.out()), one.out()


def test_it_ends_by_itself_and_says_how_many(hub, node, tail, folder):
    one = tail("--node", "n1", "--filter", f"evt.type = mkdir and evt.arg.path startswith {folder}/t", "--for", "4s",
               "-o", "json")
    looks_on(node)
    (folder / "t1").mkdir()
    assert one.end() == 0, one.err()
    events = [json.loads(line) for line in one.out().splitlines()]
    assert [event["fields"]["evt.arg.path"] for event in events] == [f"{folder}/t1"]
    assert events[0]["hostname"] == "n1"
    assert "the time is over: 1 events, 0 more were left out" in one.err()
    wait_for(lambda: node.text().count("in force") >= 2, 30, "the rules without the filter")
    # Nothing of it was kept or raised.
    assert raised(hub) == set()
    # And then another may look on.
    two = tail("--node", "n1", "--filter", "evt.type = mkdir", "--for", "1s")
    assert two.end() == 0, two.err()


def test_what_is_above_the_rate_is_counted(hub, node, tail, folder):
    one = tail("--node", "n1", "--filter", f"evt.type in (mkdir, rmdir) and evt.arg.path startswith {folder}/t",
               "--for", "5s", "--rate", "10")
    looks_on(node)
    for i in range(200):
        (folder / "t").mkdir()
        (folder / "t").rmdir()
    assert one.end() == 0
    events, more = map(int, re.search(r"(\d+) events, (\d+) more were left out", one.err()).groups())
    assert events == len(one.out().splitlines()) and 10 <= events <= 100 and events + more == 400


def test_other_rules_meanwhile_do_not_end_it(hub, node, tail, folder):
    one = tail("--node", "n1", "--filter", f"evt.type = mkdir and evt.arg.path startswith {folder}/t", "--for", "25s")
    looks_on(node)
    before = in_force(hub)
    (folder / "rules" / "a.yaml").write_text(opened("Second", folder / "b"))
    wait_for(lambda: in_force(hub) != before, 30, "the hub's new rules")
    wait_for(lambda: f"version {in_force(hub)} in force" in node.text(), 30, "the new rules")
    (folder / "t1").mkdir()
    (folder / "b").write_text("x")
    wait_for(lambda: "/t1" in one.out(), 30, "the event")
    wait_for(lambda: "Second" in raised(hub), 30, "the alert")


@pytest.mark.parametrize("options, status, text", [
    (["--node", "n1", "--filter", "proc.nam = x"], 1, "column 1: .*proc.nam. Did you mean 'proc.name'"),
    (["--node", "n1", "--filter", ""], 1, "a condition is missing"),
    (["--node", "n1"], 2, "--node and --filter go together"),
    (["--node", "n1", "--filter", "evt.type = mkdir", "--for", "11m"], 2, "is no duration up to 10m"),
    (["--node", "n1", "--filter", "evt.type = mkdir", "--rate", "5000"], 2, "--rate"),
    (["--node", "n9", "--filter", "evt.type = mkdir"], 1, "no sensor of that node asks this hub for its rules"),
])
def test_what_cannot_be_looked_on_at_says_why(hub, tail, options, status, text):
    one = tail(*options)
    assert one.end() == status, one.err()
    assert re.search(text, one.err()) and one.out() == ""


def test_one_at_a_time_with_the_token_and_within_bounds(hub, tail):
    both = [tail("--node", "n7", "--filter", "evt.type = mkdir") for _ in range(2)]
    wait_for(lambda: [one for one in both if "somebody looks on at this node already" in one.err()], 30, "the refusal")
    for query in ("node=n1", "node=&filter=evt.type%3Dmkdir", "node=n1&filter=evt.type%3Dmkdir&ms=600001",
                  "node=n1&filter=evt.type%3Dmkdir&rate=0", "node=n1&filter=evt.type%3Dmkdir&follow=yes",
                  "node=n1&filter=evt.type%3Dmkdir&rate=x"):
        assert hub.api("GET", f"/api/v1/tail?{query}")[0] == 400, query
    status = hub.request("GET", "/api/v1/tail?node=n1&filter=evt.type%3Dmkdir", port=hub.admin_port)[0]
    assert status == 401


def test_a_sensor_that_nobody_asked_is_told_so(hub):
    for query in ("id=1", "id=18446744073709551615&withheld=3&end=1"):
        assert hub.request("POST", f"/api/v1/sensors/tail?{query}", "{}\n")[0] == 410
    for query in ("", "id=x", "id=1&withheld=x", "id=99999999999999999999999"):
        assert hub.request("POST", f"/api/v1/sensors/tail?{query}", "{}\n")[0] == 400


def test_the_end_of_the_sensor_or_of_the_hub_is_one(hub, node, tail, folder):
    one = tail("--node", "n1", "--filter", "evt.type = mkdir", "--for", "5m")
    looks_on(node)
    assert node.stop() == 0
    assert one.end() == 1 and "the sensor has stopped" in one.err()
    two = tail("--node", "n2", "--filter", "evt.type = mkdir", "--for", "5m")
    wait_for(lambda: hub.metric("tocsin_api_requests_total") >= 2, 30, "the second request")
    hub.stop()
    assert two.end() == 1
