"""tocsin-sensor run: a command under the sensor is as without it, whatever becomes of the sensor."""
import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest
from test_sensor import SENSOR, wait_for

LOAD = pathlib.Path(__file__).with_name("load_run.py")
RULES = """
- rule: Made
  desc: What the load makes.
  condition: evt.type in (open, openat, openat2, unlink, unlinkat) and evt.arg.path contains account
  output: "%evt.arg.path"
  priority: NOTICE
- rule: Connected
  desc: Where it connects to.
  condition: evt.type = connect and fd.sport = 1
  output: "%fd.name"
  priority: NOTICE
- rule: Ran
  desc: What it runs.
  condition: evt.type in (execve, execveat) and proc.name = true
  output: "%proc.name"
  priority: NOTICE
- rule: Marked
  desc: Directories that a test makes.
  condition: evt.type in (mkdir, mkdirat) and evt.arg.path startswith /nonexistent-
  output: "%evt.arg.path"
  priority: NOTICE
"""


class Run:
    """tocsin-sensor run with a command; by default what it sees is printed into a file."""

    def __init__(self, folder, *command, options=(), prefix=(), hub=None, **more):
        self.folder = folder
        self.rules = folder / "run.yaml"
        self.rules.write_text(RULES)
        self.log = folder / "run.log"
        self.out = folder / "run.out"
        to = ["--print"] if hub is None else ["--hub", f"http://127.0.0.1:{hub}"]
        with open(self.log, "w") as err, open(self.out, "w") as out:
            more = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": err, **more}
            self.process = subprocess.Popen([*prefix, SENSOR, "run", *to, "--rules", self.rules, "--spool-dir",
                                             folder / "spool", *options, "--", *command], **more)

    def wait(self, timeout=30):
        return self.process.wait(timeout)

    def child(self, parent, name):
        for pid in children(parent):
            if name_of(pid) == name:
                return pid
        return None

    @property
    def keeper(self):
        return wait_for(lambda: self.child(self.process.pid, "tocsin-keeper"), 10, "the keeper")

    def worker(self, other_than=None, below=None):
        def find():
            pid = self.child(below or self.keeper, "tocsin-sensor")
            return pid if pid != other_than else None
        return wait_for(find, 15, "the worker")

    def events(self, **want):
        found = []
        for line in self.out.read_text().splitlines():
            if not line.endswith("}"):
                continue
            fields = json.loads(line)["fields"]
            if all(str(fields.get(key.replace("__", "."))) == str(value) for key, value in want.items()):
                found.append(fields)
        return found

    def end(self):
        for pid in descendants(self.process.pid) + [self.process.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait(10)


def name_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return None


def state_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return None


def children(pid):
    try:
        return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def descendants(pid):
    below = children(pid)
    return below + [further for child in below for further in descendants(child)]


@pytest.fixture
def run(tmp_path):
    runs = []

    def start(*command, **more):
        folder = tmp_path / str(len(runs))
        folder.mkdir()
        runs.append(Run(folder, *command, **more))
        return runs[-1]

    yield start
    for one in runs:
        one.end()


@pytest.fixture
def load(run):
    """A run of load_run.py that has begun, and what ends it and gives its account."""
    loads = []

    def begin(**more):
        folder = pathlib.Path(os.environ.get("TMPDIR", "/tmp")) / f"tocsin-load-{os.getpid()}-{len(loads)}"
        folder.mkdir()
        flag, account = folder / "flag", folder / "account"
        flag.touch()
        loads.append(folder)
        one = run(sys.executable, LOAD, flag, account, **more)

        def end():
            flag.unlink()
            wait_for(account.exists, 20, "the account")
            wait_for(lambda: account.read_text().endswith("}"), 5, "all of the account")
            return json.loads(account.read_text())

        one.end_load = end
        wait_for(lambda: one.events(evt__type="connect"), 20, "the load")
        return one

    yield begin
    for folder in loads:
        (folder / "flag").unlink(missing_ok=True)
        for name in folder.iterdir():
            name.unlink()
        folder.rmdir()


def count(one):
    return len(one.out.read_text().splitlines())


def sees_again(one):
    before = count(one)
    wait_for(lambda: count(one) > before + 50, 20, "events of the new worker")


# ---- what fails ----

def test_no_call_fails_when_the_worker_is_killed(load):
    one = load()
    worker = one.worker()
    for _ in range(3):
        os.kill(worker, signal.SIGKILL)
        worker = one.worker(other_than=worker)
        sees_again(one)
    account = one.end_load()
    assert account["failed"] == [] and account["calls"] > 100
    assert account["slowest"] < 5
    assert one.wait() == 0
    assert "was killed by SIGKILL" in one.log.read_text()


def test_no_call_fails_when_the_keeper_is_killed(load):
    one = load()
    worker = one.worker()
    os.kill(one.keeper, signal.SIGKILL)
    wait_for(lambda: one.child(one.process.pid, "tocsin-sensor") == worker, 5, "the worker's new parent")
    sees_again(one)
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: one.child(one.process.pid, "tocsin-sensor") not in (None, worker), 10, "another worker")
    sees_again(one)
    account = one.end_load()
    assert account["failed"] == []
    assert one.wait() == 0
    assert "the keeper" in one.log.read_text()


def test_no_call_fails_when_worker_and_keeper_are_killed_at_once(load):
    one = load()
    worker, keeper = one.worker(), one.keeper
    os.kill(keeper, signal.SIGSTOP)  # it cannot help any more
    os.kill(worker, signal.SIGKILL)
    os.kill(keeper, signal.SIGKILL)
    wait_for(lambda: one.child(one.process.pid, "tocsin-sensor") not in (None, worker), 10, "another worker")
    sees_again(one)
    assert one.end_load()["failed"] == []
    assert one.wait() == 0


def test_no_call_fails_when_what_was_started_is_killed(load):
    one = load()
    worker, keeper = one.worker(), one.keeper
    one.process.kill()
    one.process.wait(10)
    os.kill(worker, signal.SIGKILL)
    one.worker(other_than=worker, below=keeper)
    sees_again(one)
    assert one.end_load()["failed"] == []
    wait_for(lambda: name_of(keeper) is None, 20, "the end of the keeper")


def test_a_stopped_worker_is_done_without_and_then_replaced(load):
    one = load()
    worker = one.worker()
    os.kill(worker, signal.SIGSTOP)
    wait_for(lambda: "calls go on without it" in one.log.read_text(), 10, "the notice")
    one.worker(other_than=worker)
    sees_again(one)
    account = one.end_load()
    assert account["failed"] == [] and account["slowest"] < 5
    assert one.wait() == 0
    assert "stayed stopped, and is killed" in one.log.read_text()


def test_a_worker_that_goes_on_is_kept(load):
    one = load()
    worker = one.worker()
    os.kill(worker, signal.SIGSTOP)
    wait_for(lambda: "calls go on without it" in one.log.read_text(), 10, "the notice")
    os.kill(worker, signal.SIGCONT)
    sees_again(one)
    assert one.worker() == worker
    assert one.end_load()["failed"] == []
    assert one.wait() == 0


@pytest.mark.parametrize("who", ["worker", "keeper", "front"])
def test_the_workload_ends_with_the_sensor_if_that_is_asked_for(load, who):
    one = load(options=["--on-failure", "kill"])
    worker, keeper = one.worker(), one.keeper
    below = descendants(worker)
    assert below
    os.kill({"worker": worker, "keeper": keeper, "front": one.process.pid}[who], signal.SIGKILL)
    wait_for(lambda: not [pid for pid in below if state_of(pid) not in (None, "Z")], 10, "the end of the workload")
    assert one.wait() == -signal.SIGKILL
    assert "the workload is killed" in one.log.read_text()
