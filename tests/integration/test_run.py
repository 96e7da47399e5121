"""tocsin-sensor run: a command under the sensor is as without it, whatever becomes of the sensor."""
import json
import os
import pathlib
import pty
import select
import signal
import subprocess
import sys
import time

import pytest
from hub import ROOT, Hub
from test_sensor import SENSOR, Receiver, wait_for

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
        to = ["--print"] if hub is None else ["--hub", f"http://127.0.0.1:{getattr(hub, 'port', hub)}"]
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
        if "hub" in more:
            wait_for(lambda: more["hub"].find(evt__type="connect"), 20, "the load")
        else:
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
    for _ in range(5):  # too short to be noticed, but calls are taken by one and by the other
        os.kill(worker, signal.SIGSTOP)
        time.sleep(0.05)
        os.kill(worker, signal.SIGCONT)
        sees_again(one)
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


def test_the_last_of_the_sensor_ends_with_the_workload(load):
    one = load()
    first = one.worker()
    os.kill(first, signal.SIGKILL)
    worker = one.worker(other_than=first)
    wait_for(lambda: one.log.read_text().count("start: version") == 2, 20, "the new worker")
    below = [pid for pid in descendants(one.keeper) if pid != worker]
    for pid in [one.process.pid, one.keeper]:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: "nobody is left to take over" in one.log.read_text(), 10, "the notice")
    for pid in below:
        if state_of(pid) is not None:
            os.kill(pid, signal.SIGKILL)
    wait_for(lambda: state_of(worker) in (None, "Z"), 20, "the end of the worker")


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


def test_what_left_its_parents_behind_is_killed_too(run):
    one = run("sh", "-c", "setsid sh -c 'sleep 301 & sleep 302' >/dev/null 2>&1 & sleep 0.3; exec sleep 303",
              options=["--on-failure", "kill"])
    names = {f"sleep {n}" for n in (301, 302, 303)}

    def alive():
        return {pid for pid in descendants(one.process.pid) if state_of(pid) not in (None, "Z") and
                pathlib.Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip() in names}

    below = wait_for(lambda: alive() if len(alive()) == 3 else None, 15, "three of them")
    os.kill(one.worker(), signal.SIGKILL)
    wait_for(lambda: not [pid for pid in below if state_of(pid) not in (None, "Z")], 10, "their end")
    assert one.wait() == -signal.SIGKILL


def test_what_failed_and_what_was_not_seen_is_told(load):
    receiver = Receiver()
    try:
        one = load(hub=receiver)
        worker = one.worker()
        wait_for(lambda: receiver.heartbeats, 10, "a heartbeat")
        first = receiver.heartbeats[-1]["sensor"]
        os.kill(worker, signal.SIGKILL)
        told = wait_for(lambda: [beat for beat in receiver.heartbeats
                                 if beat["sensor"]["boot"] != first["boot"] and beat.get("tamper", {}).get("notices")], 20, "the notice")
        [notice] = told[-1]["tamper"]["notices"]
        assert notice["what"] == "sensor_failed" and f"the worker (pid {worker}) was killed by SIGKILL" in notice["detail"]
        assert told[-1]["sensor"]["id"] == first["id"]
        stats = told[-1]["stats"]
        assert stats["lost_by"]["keeper"] > 0 and any("keeper" in causes for causes in stats["lost_calls"].values())
        assert one.end_load()["failed"] == []
        assert one.wait() == 0
        stats = receiver.heartbeats[-1]["stats"]
        assert stats["seen"] == stats["filtered"] + stats["emitted"] + sum(stats["lost"].values())
    finally:
        receiver.close()


def test_the_hub_makes_an_alert_of_it(run, tmp_path):
    hub = Hub(tmp_path, {"rules_files": [str(ROOT / "rules" / "tocsin_hub_rules.yaml")]}).start()
    try:
        one = run("sleep", "60", hub=hub.port)
        worker = one.worker()
        wait_for(lambda: hub.api("GET", "/api/v1/sensors")[1]["sensors"], 15, "the sensor")
        wait_for(lambda: "start: version" in one.log.read_text(), 15, "the command")
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: any(entry["alert"]["rule"] == "Sensor failed" and "was killed by SIGKILL" in entry["alert"]["output"]
                             for entry in hub.api("GET", "/api/v1/alerts?limit=100")[1]["alerts"]), 60, "the alert")
    finally:
        hub.stop()


# ---- as if there were no sensor ----

def test_the_exit_status_is_the_commands(run):
    for status in (1, 2, 3, 77, 124, 125, 126, 127, 128, 129, 200, 254, 255):
        assert run("sh", "-c", f"exit {status}").wait() == status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGSEGV, signal.SIGHUP])
def test_an_end_by_a_signal_is_one(run, number):
    assert run("sh", "-c", f"ulimit -c 0; kill -{int(number)} $$").wait() == -number


def test_what_cannot_be_run_has_the_shells_status(run, tmp_path):
    assert run("/nonexistent/command").wait() == 127
    (tmp_path / "plain").write_text("x")
    assert run(tmp_path / "plain").wait() == 126
    one = run("true", options=["--rules", "/nonexistent/rules.yaml"])
    assert one.wait() == 125 and "/nonexistent/rules.yaml" in one.log.read_text()


TELLS = """
import os, signal, sys
def tell(number, frame):
    print(number, file=sys.stderr, flush=True)
for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
    signal.signal(number, tell)
print("ready", file=sys.stderr, flush=True)
while True:
    signal.pause()
"""


def test_every_signal_arrives_once(run):
    one = run(sys.executable, "-c", TELLS)

    def told():
        return [line for line in one.log.read_text().splitlines() if line.isdigit() or line == "ready"]

    wait_for(lambda: "ready" in told(), 15, "the command")
    numbers = sorted(set(map(int, signal.Signals)) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD})
    for count, number in enumerate(numbers):
        os.kill(one.process.pid, number)
        wait_for(lambda: len(told()) == count + 2, 20, f"signal {number}")
    assert [int(line) for line in told()[1:]] == numbers
    for pid in [*descendants(one.process.pid), one.process.pid]:
        os.kill(pid, signal.SIGKILL)


def test_signals_are_ignored_by_the_command_as_before(run):
    code = "import signal; print(signal.getsignal(signal.SIGHUP), signal.getsignal(signal.SIGINT), " \
           "signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    one = run("nohup", sys.executable, "-c", code)
    assert one.wait() == 0
    assert one.out.read_text().splitlines()[-1] == "1 <built-in function default_int_handler> set()" or \
        "Handlers.SIG_IGN" in one.out.read_text() and "default_int_handler" in one.out.read_text()


def test_what_is_left_behind_goes_on_and_holds_nobody(run):
    one = run("sh", "-c", "sleep 300 >/dev/null 2>&1 </dev/null & echo left $! >&2", stderr=subprocess.PIPE,
              stdout=subprocess.DEVNULL, options=["--log-level", "error"])
    keeper = one.keeper
    text = one.process.stderr.read()  # till everybody has closed it
    left = int(text.decode().split()[-1])
    assert one.wait() == 0
    assert name_of(left) == "sleep" and name_of(keeper) == "tocsin-keeper"
    os.kill(left, signal.SIGTERM)
    wait_for(lambda: name_of(keeper) is None, 15, "the end of the keeper")


class Terminal:
    """An interactive shell on a terminal of its own."""

    def __init__(self):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["PS1"] = "$ "
            os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
        self.text = ""

    def read(self, *, until, timeout=15):
        end = time.monotonic() + timeout
        while until not in self.text:
            assert time.monotonic() < end, f"not seen: {until!r} in {self.text!r}"
            if select.select([self.fd], [], [], 0.1)[0]:
                self.text += os.read(self.fd, 65536).decode(errors="replace")
        before, self.text = self.text.split(until, 1)
        return before

    def write(self, text):
        os.write(self.fd, text.encode())

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.close(self.fd)
        os.waitpid(self.pid, 0)


def test_job_control(tmp_path):
    (tmp_path / "run.yaml").write_text(RULES)
    command = f"{SENSOR} run --print --log-level error --rules {tmp_path}/run.yaml --spool-dir {tmp_path}/spool --"
    terminal = Terminal()
    try:
        terminal.write(f"{command} sh -c 'echo be''gun; read line; echo got $line; exit 3'\n")
        terminal.read(until="begun\r\n")
        terminal.write("\x1a")
        terminal.read(until="Stopped")
        terminal.write("echo shell is $((40 + 2))\n")
        terminal.read(until="shell is 42\r\n")
        terminal.write("fg\n")
        time.sleep(0.5)
        terminal.write("words\n")
        terminal.read(until="got words\r\n")
        terminal.write("echo status $?\n")
        terminal.read(until="status 3\r\n")
        terminal.write(f"{command} sleep 100\n")
        time.sleep(2)
        terminal.write("\x03")
        terminal.write("echo status $?\n")
        terminal.read(until="status 130\r\n")
        terminal.write(f"{command} bash --norc -c 'trap \"echo caught; exit 9\" INT; echo be''gun; while :; do sleep 0.1; done'\n")
        terminal.read(until="begun\r\n")
        terminal.write("\x03")
        terminal.read(until="caught\r\n")
        terminal.write("echo status $?\n")
        terminal.read(until="status 9\r\n")
        terminal.write(f"{command} sh -c 'echo be''gun; kill -STOP $$; echo again; exit 4'\n")
        terminal.read(until="Stopped")
        terminal.write("fg\n")
        terminal.read(until="again\r\n")
        terminal.write("echo status $?\n")
        terminal.read(until="status 4\r\n")
    finally:
        terminal.close()


ORPHANS = """
import os, time
for _ in range(10):
    if os.fork() == 0:
        for _ in range(100):
            if os.fork() == 0:
                time.sleep(0.1)
                os._exit(0)
        os._exit(0)
    os.wait()


def is_zombie(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:  # gone meanwhile
        return False


for _ in range(200):
    left = sum(is_zombie(pid) for pid in os.listdir("/proc") if pid.isdigit())
    if left == 0:
        break
    time.sleep(0.02)
print("zombies", left, flush=True)
if os.fork() == 0:
    time.sleep(300)
raise SystemExit(5)
"""


def test_as_pid_1_it_reaps_and_ends_everything(run):
    one = run(sys.executable, "-c", ORPHANS, prefix=["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"])
    assert one.wait(60) == 5
    assert "zombies 0" in one.out.read_text()


def test_as_pid_1_signals_arrive_and_end_it(run):
    one = run("sleep", "300", prefix=["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"])
    front = wait_for(lambda: children(one.process.pid), 10, "PID 1")[0]
    wait_for(lambda: "start: version" in one.log.read_text(), 15, "the start")
    os.kill(front, signal.SIGTERM)
    assert one.wait() == 128 + signal.SIGTERM


def test_as_pid_1_it_survives_its_worker(run):
    one = run("sh", "-c", "sleep 3; exit 6", prefix=["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"])
    front = wait_for(lambda: children(one.process.pid), 10, "PID 1")[0]
    keeper = wait_for(lambda: one.child(front, "tocsin-keeper"), 10, "the keeper")
    wait_for(lambda: "start: version" in one.log.read_text(), 15, "the start")
    os.kill(one.worker(below=keeper), signal.SIGKILL)
    assert one.wait() == 6


def test_it_is_not_in_the_way_of_who_unmounts(run):
    """Though it has looked at processes there; what it is reading just then is soon read."""
    one = run("sh", "-c", "cd /etc && cat hostname /etc/hostname; i=0; until umount /proc; do i=$((i + 1)); test $i -lt 50 && sleep 0.1 || exit; "
              "done; echo away; mount -t proc proc /proc",
              prefix=["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"])
    assert one.wait() == 0
    assert "away" in one.out.read_text(), one.log.read_text()
