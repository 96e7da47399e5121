"""Each system call of the sensor's table, made for real, with its parameters as Falco names them."""
import os
import shutil
import subprocess
import sys

import pytest

from test_sensor import (BUILD, Receiver, Sensor, everything, needs_ebpf, observed_by, our_name, python, receiver,  # noqa: F401
                         rules, sensors, wait_for)

pytestmark = needs_ebpf
HERE = os.path.dirname(os.path.abspath(__file__))


def path_of(name):
    return lambda value: value is not None and value.endswith(name)


# By event type: what the event's fields are. {me} is the process, {dir} its folder.
EXPECTED = [
    ("kill", dict(res="SUCCESS", sig="SIGUSR1", pid="{name}")),
    ("kill", dict(res="EINVAL", sig="99", pid="-1")),
    ("tkill", dict(res="SUCCESS", sig="SIGUSR1", tid="{name}")),
    ("tgkill", dict(res="SUCCESS", sig="SIGUSR1", pid="{name}", tid="{name}")),
    ("process_vm_readv", dict(res=8, pid="{name}")),
    ("process_vm_writev", dict(res=8, pid="{name}")),
    ("seccomp", dict(res="SUCCESS", op=2, flags="0")),
    ("pidfd_open", dict(fd=path_of(""), pid="{name}", flags="0")),
    ("pidfd_getfd", dict(fd="<f>{dir}/file", flags=0)),
    ("pidfd_send_signal", dict(res="SUCCESS", sig="SIGUSR1")),
    ("prctl", dict(res="SUCCESS", option="PR_SET_NAME", arg2_str="kworker/0:1", arg2_int="0")),
    ("prctl", dict(res="SUCCESS", option="PR_SET_NO_NEW_PRIVS", arg2_str="<NA>", arg2_int="1")),
    ("capset", dict(cap_inheritable="0", cap_permitted="0", cap_effective="0")),
    ("pivot_root", dict(res="ENOENT", path="{dir}/nowhere", dir="/nowhere/old")),
    ("move_mount", dict(res="ENOENT", olddirfd="AT_FDCWD", oldpath="{dir}/nowhere", newpath="/nowhere/to")),
    ("fsopen", dict(fd="ENODEV", type="nosuchfs")),
    ("mount", dict(res="ENOENT", dev="none", dir="{dir}/nowhere", type="tmpfs", flags="RDONLY|NOSUID")),
    ("delete_module", dict(name="no_such_module", flags="O_NONBLOCK")),
    ("kexec_load", dict(flags="0x8")),
    ("open_by_handle_at", dict(mountfd=-100, flags="O_WRONLY")),
    ("chmod", dict(res="ENOENT", filename="{dir}/nowhere", mode=path_of("S_ISUID"))),
    ("chown", dict(res="SUCCESS", path="{dir}/file", uid=os.getuid(), gid=0xffffffff)),
    ("lchown", dict(res="SUCCESS", path="{dir}/file", uid=os.getuid(), gid=0xffffffff)),
    ("fchown", dict(res="SUCCESS", fd="<f>{dir}/file", uid=0xffffffff, gid=0xffffffff)),
    ("fchownat", dict(res="SUCCESS", dirfd="AT_FDCWD", pathname="{dir}/file", flags="AT_SYMLINK_NOFOLLOW")),
    ("mknod", dict(path="{dir}/fifo", mode="S_IFIFO|S_IRUSR|S_IWUSR|S_IRGRP|S_IROTH", dev=0)),
    ("mknodat", dict(dirfd="AT_FDCWD", path="{dir}/fifo2", mode="S_IFIFO|S_IRUSR|S_IWUSR", dev=0)),
    ("io_uring_setup", dict(res="SUCCESS", entries=4, sq_entries="4", cq_entries="8", flags="0")),
    ("io_uring_enter", dict(fd="<f>{dir}/file", to_submit=1, min_complete=0, flags="IORING_ENTER_GETEVENTS")),
    ("io_uring_register", dict(fd="<f>{dir}/file", opcode="IORING_REGISTER_PROBE", nr_args=3)),
    ("setpgid", dict(res="SUCCESS", pid="0", pgid="0")),
    ("fcntl", dict(fd="<f>{dir}/file", cmd="F_DUPFD_CLOEXEC", arg="0x64", res=lambda value: value >= 100)),
    ("pipe", dict(fd1=lambda value: int(value) > 2, fd2=lambda value: int(value) > 2)),
    ("pipe2", dict(fd1=lambda value: int(value) > 2, flags="O_CLOEXEC")),
    ("eventfd", dict(res=path_of("<e>"), initval=7)),
    ("eventfd2", dict(res="<e>", flags="O_NONBLOCK", initval=7)),
    ("epoll_create", dict(res="<l>", size=5)),
    ("epoll_create1", dict(res="<l>", flags="EPOLL_CLOEXEC")),
    ("inotify_init", dict(res="<i>")),
    ("inotify_init1", dict(res="<i>", flags="O_NONBLOCK")),
    ("timerfd_create", dict(res="<t>", clockid=1, flags=0)),
    ("signalfd", dict(res="<s>", fd=-1)),
    ("signalfd4", dict(res="<s>", fd=-1, flags="O_NONBLOCK")),
    ("mprotect", dict(addr="0", length=4096, prot="0")),
    ("mmap", dict(length=4096, prot="PROT_READ|PROT_EXEC", flags="MAP_PRIVATE", fd="<f>{dir}/file", offset=0)),
    ("socketpair", dict(res="SUCCESS", domain="AF_UNIX", type=1, fd1=lambda value: int(value) > 2)),
    ("shutdown", dict(res="SUCCESS", fd=lambda value: value.startswith("<u>"), how="SHUT_WR")),
    ("getsockopt", dict(res="SUCCESS", level="SOL_SOCKET", optname="SO_ERROR")),
    ("dup2", dict(res="<f>{dir}/file", newfd=0)),
    ("dup2", dict(res=lambda value: value.startswith("<4>127.0.0.1:"), newfd=77)),
    ("write", dict(res="SUCCESS", data="0123456789", fd="<f>{dir}/file", size=10)),
    ("pwrite", dict(data="pwritten", fd="<f>{dir}/file", size=8, pos=10)),
    ("writev", dict(data="onefour", fd="<f>{dir}/file", size=7)),
    ("pread", dict(data="0123456789onefourn", fd="<f>{dir}/file", size=100, pos=0)),
    ("read", dict(data="01234", fd="<f>{dir}/file", size=5)),
    ("readv", dict(data=lambda value: value.startswith("56789"), fd="<f>{dir}/file")),
    ("sendfile", dict(in_fd="<f>{dir}/file", size=4)),
    ("ftruncate", dict(fd="<f>{dir}/file", length=100)),
    ("ioctl", dict(fd="<f>{dir}/file", request="0x5401", res="ENOTTY")),
    ("access", dict(name="{dir}/nowhere", mode="04", res="ENOENT")),
    ("name_to_handle_at", dict(pathname="{dir}/nowhere", res="ENOENT")),
    ("open_tree", dict(path="{dir}/nowhere", fd="ENOENT")),
    ("keyctl", dict(option=0x7fff)),
    ("ptrace", dict(addr="0x1000", data="0x2000")),
    ("sendto", dict(data="sent by a connection", size=20, fd=lambda value: value.startswith("<4>127.0.0.1:"))),
    ("recvfrom", dict(data="sent by a connection", size=100, tuple=lambda value: value.startswith("127.0.0.1:"))),
    ("sendmsg", dict(data="in two parts", size=12, tuple=lambda value: value.startswith("127.0.0.1:"))),
    ("recvmsg", dict(data="in two parts", size=12, tuple=lambda value: value.startswith("127.0.0.1:"))),
    ("connect", dict(addr=lambda value: value.startswith("127.0.0.1:"))),
    ("bind", dict(addr="127.0.0.1:0")),
    ("setsid", dict(res=lambda value: value > 1)),
]
# These come too often for a rule that asks for no type.
NAMED = {"io_uring_enter", "io_uring_register", "fcntl", "pipe", "pipe2", "eventfd", "eventfd2", "epoll_create",
         "epoll_create1", "inotify_init", "inotify_init1", "timerfd_create", "signalfd", "signalfd4", "mprotect",
         "mmap", "socketpair", "getsockopt", "read", "write", "pread", "pwrite", "readv", "writev", "sendfile", "ftruncate",
         "ioctl", "access", "name_to_handle_at", "open_tree", "keyctl"}


def rule(condition):
    return f'- rule: Made\n  desc: d\n  condition: {condition}\n  output: "%evt.args %evt.arg.data %evt.buffer %evt.arg.addr"\n  priority: NOTICE\n'


PROBES = ["ebpf", "run", "attach"]


def watched_by(probe, port, folder):
    """The options of a sensor, and what a command is put behind that it watches in its own way."""
    options = ["--rules", str(folder / "rules.yaml")]
    if probe == "ebpf":
        return options, []
    return options, observed_by(probe, ["--hub", f"http://127.0.0.1:{port}", "--spool-dir", str(folder / f"spool-{probe}"), *options])


@pytest.fixture(scope="module", params=PROBES)
def made(request, tmp_path_factory):
    """All calls' events, and where they were made."""
    tmp = tmp_path_factory.mktemp("calls")
    folder = str(tmp / "made")
    os.mkdir(folder)
    types = ", ".join(sorted({name for name, _ in EXPECTED}))
    (tmp / "rules.yaml").write_text(
        rule(f"evt.type in ({types}) and proc.cmdline contains made_calls.py") + rule("evt.type = procexit "
             "and proc.cmdline contains made_calls.py").replace("Made", "Ended"))
    receiver = Receiver()
    options, command = watched_by(request.param, receiver.port, tmp)
    sensor = None if command else Sensor(tmp / "spool", receiver.port, *options)
    child = subprocess.run([*command, sys.executable, os.path.join(HERE, "made_calls.py"), folder], check=True,
                           stdin=subprocess.DEVNULL)
    wait_for(lambda: len(receiver.find(evt__type="procexit")) >= 2, what="the end of the calls")
    if sensor:
        sensor.stop()
    receiver.close()
    assert child.returncode == 0
    return receiver, folder


@pytest.mark.parametrize("number", range(len(EXPECTED)), ids=[name for name, _ in EXPECTED])
def test_a_call_is_reported_with_falcos_parameters(made, number):
    receiver, folder = made
    name, arguments = EXPECTED[number]
    events = [event["fields"] for event in receiver.find(evt__type=name)]
    assert events, "no event"

    def differences(fields):
        wrong = {}
        for argument, want in arguments.items():
            have = fields.get(f"evt.arg.{argument}")
            if argument == "res" and have is None:
                have = fields.get("evt.res")
            if isinstance(want, str):
                want = want.format(dir=folder, name=fields["proc.name"])
            if not (want(have) if callable(want) else have == want):
                wrong[argument] = have
        return wrong

    assert min((differences(fields) for fields in events), key=len) == {}


def test_what_comes_too_often_passes_only_for_a_rule_that_asks_for_its_type(receiver, sensors, tmp_path):  # noqa: F811
    (tmp_path / "rules.yaml").write_text(rule("proc.cmdline contains made_calls.py"))
    sensors(receiver.port, "--rules", str(tmp_path / "rules.yaml"))
    subprocess.run([sys.executable, os.path.join(HERE, "made_calls.py"), str(tmp_path)], check=True,
                   stdin=subprocess.DEVNULL)
    wait_for(lambda: len(receiver.find(evt__type="procexit")) >= 2, what="the end of the calls")
    types = {event["fields"]["evt.type"] for event in receiver.find()}
    assert {"kill", "prctl", "process_vm_writev", "mount", "io_uring_setup"} <= types and not types & NAMED


PRELUDE = """
import ctypes, os, socket
def call(number, *arguments):
    return ctypes.CDLL(None).syscall(ctypes.c_long(number), *(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments))
"""


def test_a_message_shows_its_other_end_and_whether_it_is_a_new_one(everything):  # noqa: F811
    """Both sides of UDP, by each of the calls; the second message of three goes where the first went."""
    code = PRELUDE + """
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); server.bind(("127.0.0.1", 0))
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); client.bind(("127.0.0.1", 0))
to = server.getsockname()
client.sendto(b"1", to); client.sendto(b"2", to); client.sendmsg([b"3"], [], 0, to); client.sendto(b"x", ("127.0.0.2", 9))
server.recvfrom(10); server.recvfrom(10); server.recvmsg(10)
print(client.getsockname()[1], to[1])
"""
    client, server = (int(word) for word in python(code).stdout.split())
    wait_for(lambda: everything.find(evt__type="recvmsg", fd__cport=client))

    def seen(name, **want):
        return [(event["fields"]["fd.name"], event["fields"]["fd.name_changed"])
                for event in everything.find(evt__type=name, fd__l4proto="udp", **want)]
    path = f"127.0.0.1:{client}->127.0.0.1:{server}"
    assert seen("sendto", fd__sport=server) == [(path, True), (path, False)]
    assert seen("sendmsg", fd__sport=server) == [(path, False)]
    assert seen("recvfrom", fd__cport=client) == [(path, True), (path, False)]
    assert seen("recvmsg", fd__cport=client) == [(path, False)]
    assert [changed for _, changed in seen("sendto", fd__sport=9)] == [True]


def test_messages_of_a_connection_are_not_events(everything):  # noqa: F811
    python(PRELUDE + """
a = socket.create_server(("127.0.0.1", 0)); b = socket.create_connection(a.getsockname()); c = a.accept()[0]
b.sendall(b"x"); c.recv(1); b.sendmsg([b"x"]); c.recvmsg(1); c.recvfrom(1) if b.send(b"y") else 0
os.mkdir("/nonexistent-tocsin/x") if 0 else os.path.exists("/") ; call(83, b"/nonexistent-end/x", 0)
""")
    wait_for(lambda: everything.find(evt__type="mkdir", evt__arg__path="/nonexistent-end/x"))
    for name in ("sendto", "sendmsg", "recvfrom", "recvmsg"):
        assert not everything.find(evt__type=name, fd__l4proto="tcp")


SOCKETCALL = """
#include <string.h>
#include <sys/mman.h>

static long call(unsigned which, unsigned *words)
{
	long result;

	/* 102 is socketcall there, getuid here */
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(102), "b"(which), "c"(words) : "memory");
	return result;
}

int main(void)
{
	unsigned *words = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	unsigned char *address = (unsigned char *)(words + 100);
	static const unsigned char to[16] = { 2, 0, 0, 9, 127, 0, 0, 3 };
	long fd;

	memcpy(address, to, sizeof(to));
	memcpy(words, (unsigned[]){ 2, 2, 0 }, 12);
	fd = call(1, words);
	memcpy(words, (unsigned[]){ (unsigned)fd, (unsigned)(unsigned long)address, 16 }, 12);
	return fd < 0 || call(3, words) != 0;
}
"""


@pytest.mark.parametrize("probe", PROBES)
def test_socketcall_is_the_call_that_it_stands_for(receiver, sensors, tmp_path, probe):  # noqa: F811
    if shutil.which("gcc") is None:
        pytest.skip("skipped, because gcc is not installed")
    (tmp_path / "socketcall.c").write_text(SOCKETCALL)
    subprocess.run(["gcc", "-o", tmp_path / "socketcall", tmp_path / "socketcall.c"], check=True)
    (tmp_path / "rules.yaml").write_text(rule("evt.type in (socket, connect) and proc.name = socketcall"))
    options, command = watched_by(probe, receiver.port, tmp_path)
    if not command:
        sensors(receiver.port, *options)
    if subprocess.run([*command, tmp_path / "socketcall"], check=False, stdin=subprocess.DEVNULL).returncode != 0:
        pytest.skip("skipped, because the kernel has no 32-bit entry")
    fields = wait_for(lambda: receiver.find(evt__type="connect", proc__name="socketcall"))[0]["fields"]
    assert fields["fd.rip"] == "127.0.0.3" and fields["fd.rport"] == 9 and fields["fd.l4proto"] == "udp"
    assert receiver.find(evt__type="socket", proc__name="socketcall", evt__arg__domain="AF_INET")


def test_a_file_opened_by_its_handle_is_seen_by_its_path(everything, tmp_path):  # noqa: F811
    (tmp_path / "secret").write_text("x")
    done = python(PRELUDE + f"""
handle = ctypes.create_string_buffer(bytes([128, 0, 0, 0]) + bytes(132)); mount = ctypes.c_int()
r = call(303, -100, b"{tmp_path}/secret", handle, ctypes.byref(mount), 0)
raise SystemExit(9 if r < 0 else 0 if call(304, os.open("{tmp_path}", 0), handle, 0) >= 0 else 9)
""")
    if done.returncode == 9:
        pytest.skip("skipped, because the file system has no handles")
    assert done.returncode == 0, done.stderr
    fields = wait_for(lambda: everything.find(evt__type="open_by_handle_at"))[0]["fields"]
    assert fields["fd.name"] == str(tmp_path / "secret") and fields["evt.is_open_read"] is True


# What tests/tools/ring.c does, as event type and fields; all of it without a system call of that name.
RING = [
    ("openat", {"fd.name": "/etc/shadow", "fd.typechar": "f", "evt.is_open_read": True, "evt.res": "SUCCESS"}),
    ("openat", {"fd.name": "{dir}/nowhere", "fd.num": -1, "evt.res": "ENOENT"}),
    ("openat", {"fd.name": "{dir}/made", "evt.is_open_write": True, "evt.is_open_create": True,
                "evt.arg.mode": "0600", "evt.res": "SUCCESS"}),
    ("mkdirat", {"evt.arg.path": "{dir}/folder", "evt.arg.mode": "0x1c0", "evt.res": "SUCCESS"}),
    ("renameat2", {"evt.arg.oldpath": "{dir}/made", "evt.arg.newpath": "{dir}/folder/renamed", "evt.res": "SUCCESS"}),
    ("linkat", {"evt.arg.oldpath": "{dir}/folder/renamed", "evt.arg.newpath": "{dir}/linked", "evt.res": "SUCCESS"}),
    ("symlinkat", {"evt.arg.target": "some text", "evt.arg.linkpath": "{dir}/symbolic", "evt.res": "SUCCESS"}),
    ("unlinkat", {"evt.arg.name": "{dir}/linked", "evt.res": "SUCCESS"}),
    ("unlinkat", {"evt.arg.name": "{dir}/nowhere", "evt.res": "ENOENT"}),
    ("openat", {"fd.name": "/etc/gshadow", "fd.num": 0, "evt.res": None}),  # nothing tells how it ended
    ("socket", {"evt.arg.domain": "AF_INET", "fd.l4proto": "udp", "evt.res": "SUCCESS"}),
    ("sendmsg", {"fd.sip": "127.0.0.5", "fd.sport": 9, "fd.l4proto": "udp", "fd.name_changed": True}),
    ("connect", {"fd.sip": "127.0.0.4", "fd.sport": 9, "evt.res": "SUCCESS"}),
]
RING_NEW = [
    ("bind", {"fd.lip": "127.0.0.5", "fd.l4proto": "tcp", "evt.res": "SUCCESS"}),
    ("listen", {"fd.lip": "127.0.0.5", "evt.arg.backlog": 5, "evt.res": "SUCCESS"}),
]


def test_what_is_asked_for_through_an_io_uring_is_the_call_that_it_stands_for(receiver, sensors, tmp_path):  # noqa: F811
    folder = tmp_path / "ring"
    folder.mkdir()
    types = ", ".join(sorted({name for name, _ in RING + RING_NEW}))
    (tmp_path / "rules.yaml").write_text(rule(f"evt.type in ({types}) and proc.name = ring and evt.is_io_uring = true")
                                         + rule("evt.type = procexit and proc.name = ring").replace("Made", "Ended"))
    sensors(receiver.port, "--rules", str(tmp_path / "rules.yaml"))
    done = subprocess.run([os.path.join(BUILD, "tests", "tools", "ring"), str(folder)], capture_output=True, text=True,
                          check=False)
    if done.returncode == 77:
        pytest.skip("skipped, because the kernel allows no io_uring")
    wait_for(lambda: receiver.find(evt__type="procexit"))
    new = RING_NEW if "57 0" in done.stdout else []  # bind and listen: since Linux 6.11
    missing = []
    for name, want in RING + new:
        want = {key: value.format(dir=folder) if isinstance(value, str) else value for key, value in want.items()}
        if not receiver.find(evt__type=name, evt__is_io_uring=True,
                             **{key.replace(".", "__"): value for key, value in want.items()}):
            missing.append((name, want))
    assert not missing, (done.stdout, [event["fields"] for event in receiver.find(evt__type=missing[0][0])])


@pytest.mark.parametrize("more", [[], ["full"]], ids=["with room", "without room for the completion"])
def test_a_rule_on_a_file_alerts_also_when_it_is_opened_by_io_uring(receiver, sensors, tmp_path, more):  # noqa: F811
    """The stock way to ask: of the ring's other opens none passes the kernel."""
    (tmp_path / "rules.yaml").write_text(rule(
        "evt.type in (open, openat, openat2) and evt.is_open_read = true and fd.typechar = 'f' and fd.num >= 0 "
        "and fd.name = /etc/shadow and proc.name = ring"))
    sensors(receiver.port, "--rules", str(tmp_path / "rules.yaml"))
    done = subprocess.run([os.path.join(BUILD, "tests", "tools", "ring"), str(tmp_path), *more], capture_output=True,
                          check=False)
    if done.returncode == 77:
        pytest.skip("skipped, because the kernel allows no io_uring")
    wait_for(lambda: receiver.find(fd__name="/etc/shadow"))
    assert len(receiver.find()) == 1


SMALL32 = [
    ("open", {"fd.name": "/etc/shadow", "fd.typechar": "f", "evt.is_open_read": True}),
    ("creat", {"fd.name": "{dir}/made32", "evt.arg.mode": "0640", "evt.is_open_create": True}),
    ("rename", {"evt.arg.oldpath": "{dir}/made32", "evt.arg.newpath": "{dir}/moved32", "evt.res": "SUCCESS"}),
    ("chmod", {"evt.arg.filename": "{dir}/moved32", "evt.res": "SUCCESS"}),
    ("unlink", {"evt.arg.path": "{dir}/moved32", "evt.res": "SUCCESS"}),
    ("mkdir", {"evt.arg.path": "{dir}/folder32", "evt.res": "SUCCESS"}),
    ("openat", {"fd.nameraw": "nowhere32", "evt.res": "ENOENT", "fd.num": -1}),
    ("umount", {"evt.arg.name": "/nowhere32", "evt.res": "ENOENT"}),
    ("socket", {"evt.arg.domain": "AF_INET", "fd.l4proto": "udp"}),
    ("connect", {"fd.sip": "127.0.0.6", "fd.sport": 9}),
    ("sendmsg", {"fd.sip": "127.0.0.7", "fd.sport": 9}),
    ("kill", {"evt.arg.pid": "small32", "evt.arg.sig": "0", "evt.res": "SUCCESS"}),
    ("setuid", {"evt.arg.uid": "nobody", "evt.res": "SUCCESS"}),
    ("execve", {"proc.exe": "small32-again", "user.uid": 65534}),
]


@pytest.mark.parametrize("probe", PROBES)
def test_a_32_bit_program_makes_the_same_events(receiver, sensors, tmp_path, probe):  # noqa: F811
    source, program, folder = os.path.join(HERE, "..", "tools", "small32.c"), tmp_path / "small32", tmp_path / "made"
    folder.mkdir()
    for place in (tmp_path, *tmp_path.parents[:3]):
        os.chmod(place, 0o755)
    if shutil.which("gcc") is None:
        pytest.skip("skipped, because gcc is not installed")
    built = subprocess.run(["gcc", "-m32", "-nostdlib", "-static", "-fno-stack-protector", "-fno-pic", "-no-pie", "-O1", "-o",
                            program, source], capture_output=True, text=True, check=False)
    if built.returncode != 0 and "-m32" in built.stderr:
        pytest.skip("skipped, because gcc does not build 32-bit programs")
    assert built.returncode == 0, built.stderr
    types = ", ".join(sorted({name for name, _ in SMALL32} | {"procexit"}))
    (tmp_path / "rules.yaml").write_text(rule(f"evt.type in ({types}) and proc.exepath endswith small32"))
    options, command = watched_by(probe, receiver.port, tmp_path)
    if not command:
        sensors(receiver.port, *options)
    if subprocess.run([*command, program, folder], check=False, stdin=subprocess.DEVNULL).returncode != 0:
        pytest.skip("skipped, because the kernel has no 32-bit entry")
    wait_for(lambda: len(receiver.find(evt__type="procexit")) >= 2)
    missing = []
    for name, want in SMALL32:
        want = {key: value.format(dir=folder) if isinstance(value, str) else value for key, value in want.items()}
        if probe != "ebpf":
            want.pop("evt.is_open_create", None)  # which only the kernel knows
        if not receiver.find(evt__type=name, **{key.replace(".", "__"): value for key, value in want.items()}):
            missing.append((name, want))
    assert not missing, [event["fields"] for event in receiver.find(evt__type=missing[0][0])]
    assert len(receiver.find(evt__type="sendmsg")) == len(receiver.find(evt__type="connect")) == 2
