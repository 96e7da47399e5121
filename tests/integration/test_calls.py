"""System calls made for real, and the events that the sensor makes of them."""
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys

import pytest

from test_sensor import everything, needs_ebpf, our_name, python, receiver, rules, sensors, wait_for  # noqa: F401 (fixtures)

pytestmark = needs_ebpf

# Made by one process each: code, and what its event must have. {t} is a folder, {pid} a process that sleeps.
CALLS = {
    "kill": ("os.kill({pid}, 10)", {"evt.arg.sig": "SIGUSR1", "evt.arg.pid": "sleep", "evt.res": "SUCCESS"}),
    "tgkill": ("call(234, {pid}, {pid}, 12)", {"evt.arg.sig": "SIGUSR2", "evt.arg.tid": "sleep"}),
    "tkill": ("call(200, {pid}, 12)", {"evt.arg.sig": "SIGUSR2"}),
    "pidfd_open": ("call(434, {pid}, 0)", {"evt.arg.pid": "sleep"}),
    "pidfd_send_signal": ("call(424, call(434, {pid}, 0), 10, 0, 0)", {"evt.arg.sig": "SIGUSR1"}),
    "process_vm_readv": ("call(310, {pid}, 0, 0, 0, 0, 0)", {"evt.arg.pid": "sleep", "evt.arg.res": 0}),
    "process_vm_writev": ("call(311, {pid}, 0, 0, 0, 0, 0)", {"evt.arg.pid": "sleep", "evt.arg.res": 0}),
    "prctl": ("call(157, 38, 1, 0, 0, 0)", {"evt.arg.option": "PR_SET_NO_NEW_PRIVS", "evt.arg.arg2_int": 1}),
    "setsid": ("(os.setsid(), os._exit(0)) if os.fork() == 0 else os.wait()", {"evt.failed": None}),
    "setpgid": ("os.setpgid(0, 0)", {"evt.res": "SUCCESS"}),
    "seccomp": ("call(317, 2, 0, 0)", {"evt.arg.op": "SECCOMP_GET_ACTION_AVAIL", "evt.res": "EFAULT"}),
    "delete_module": ("call(176, b'nonexistent_tocsin', 0)", {"evt.arg.name": "nonexistent_tocsin"}),
    "pivot_root": ("call(155, b'{t}/new', b'{t}/old')",
                   {"evt.arg.new_root": "{t}/new", "evt.arg.put_old": "{t}/old", "evt.res": "ENOENT"}),
    "io_uring_setup": ("call(425, 8, ctypes.create_string_buffer(120))", {"evt.arg.entries": 8}),
    "mknod": ("call(133, b'{t}/fifo', 0o10600, 0)", {"evt.arg.path": "{t}/fifo", "evt.arg.mode": "0x1180"}),
    "mknodat": ("os.mknod('{t}/node')", {"evt.arg.path": "{t}/node"}),
    "chown": ("os.chown('{t}', 0, 0)", {"evt.arg.path": "{t}", "evt.arg.uid": "root", "evt.arg.gid": "root"}),
    "lchown": ("os.lchown('{t}', 0, 0)", {"evt.arg.path": "{t}"}),
    "fchown": ("os.fchown(os.open('{t}', 0), 0, 0)", {"fd.name": "{t}", "evt.arg.uid": "root"}),
    "fchownat": ("os.chown('x', 0, 0, dir_fd=os.open('/', 0)) if 0 else call(260, -100, b'{t}', 0, 0, 0)",
                 {"evt.arg.pathname": "{t}", "evt.arg.gid": "root"}),
    "shutdown": ("s = socket.socketpair()[0]; s.shutdown(socket.SHUT_WR)", {"evt.arg.how": "SHUT_WR"}),
}
PRELUDE = """
import ctypes, os, socket
def call(number, *arguments):
    return ctypes.CDLL(None).syscall(ctypes.c_long(number), *(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments))
"""


@pytest.fixture(scope="module")
def sleeper():
    with subprocess.Popen(["bash", "-c", "trap : USR1 USR2; while :; do sleep 100; done"]) as shell:
        yield shell.pid
        shell.send_signal(signal.SIGKILL)
        subprocess.run(["pkill", "-P", str(shell.pid)], check=False)


def test_each_call_has_its_arguments_by_falcos_names(everything, sleeper, tmp_path):  # noqa: F811
    missing = []
    for code, _ in CALLS.values():
        done = python(PRELUDE + code.format(t=tmp_path, pid=sleeper))
        assert done.returncode == 0, done.stderr
    for name, (_, want) in CALLS.items():
        want = {key: value.format(t=tmp_path) if isinstance(value, str) else value for key, value in want.items()}
        want = {key: "bash" if value == "sleep" else value for key, value in want.items()}
        try:
            wait_for(lambda: everything.find(evt__type=name, **{k.replace(".", "__"): v for k, v in want.items()}), 5)
        except AssertionError:
            missing.append((name, want, [event["fields"] for event in everything.find(evt__type=name)][:2]))
    assert not missing


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


def test_socketcall_is_the_call_that_it_stands_for(everything, tmp_path):  # noqa: F811
    if shutil.which("gcc") is None:
        pytest.skip("skipped, because gcc is not installed")
    (tmp_path / "socketcall.c").write_text(SOCKETCALL)
    subprocess.run(["gcc", "-o", tmp_path / "socketcall", tmp_path / "socketcall.c"], check=True)
    if subprocess.run([tmp_path / "socketcall"], check=False).returncode != 0:
        pytest.skip("skipped, because the kernel has no 32-bit entry")
    fields = wait_for(lambda: everything.find(evt__type="connect", proc__name="socketcall"))[0]["fields"]
    assert fields["fd.rip"] == "127.0.0.3" and fields["fd.rport"] == 9 and fields["fd.l4proto"] == "udp"
    assert everything.find(evt__type="socket", proc__name="socketcall", evt__arg__domain="AF_INET")


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
