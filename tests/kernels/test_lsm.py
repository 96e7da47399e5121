"""Denial where the kernel asks first (BPF LSM), by its effects: what a rule means did not happen, all else did, and there is one
event of it."""
import ctypes
import errno
import os
import signal
import socket
import subprocess
import sys

import pytest

from test_sensor import SENSOR, Receiver, Sensor, wait_for


def lacks():
    """What BPF LSM needs and does not have, or None."""
    for line in subprocess.run([SENSOR, "--doctor"], capture_output=True, text=True).stdout.splitlines():
        if line.startswith("ok") and "BPF LSM" in line:
            return None
    return "this kernel does not grant BPF LSM"


LACKS = lacks()
pytestmark = pytest.mark.skipif(LACKS is not None, reason=f"skipped, because {LACKS}")
libc = ctypes.CDLL(None, use_errno=True)


def rule(name, condition, respond="deny"):
    return (f"- rule: {name}\n  desc: a test\n  condition: {condition}\n  output: \"seen %evt.type\"\n"
            f"  priority: WARNING\n  respond: {respond}\n")


# What is denied below the folder "kept" of each name's own; {0} is that folder.
PLACES = ("unlink", "rmdir", "mkdir", "mknod", "rename away", "rename over", "link", "symlink", "chmod", "chown", "truncate", "write", "make",
          "read", "ways", "fchmod", "set-user-ID", "programs", "names", "mount")
OPENS = "evt.type in (open, openat, openat2, creat)"
CONDITIONS = {
    "unlink": "evt.type in (unlink, unlinkat) and (evt.arg.path startswith {0}/ or evt.arg.name startswith {0}/)",
    "rmdir": "evt.type in (rmdir, unlinkat) and (evt.arg.path startswith {0}/ or evt.arg.name startswith {0}/)",
    "mkdir": "evt.type in (mkdir, mkdirat) and evt.arg.path startswith {0}/",
    "mknod": "evt.type in (mknod, mknodat) and evt.arg.path startswith {0}/",
    "rename away": "evt.type in (rename, renameat, renameat2) and evt.arg.oldpath startswith {0}/",
    "rename over": "evt.type in (rename, renameat, renameat2) and evt.arg.newpath startswith {0}/",
    "link": "evt.type in (link, linkat) and evt.arg.oldpath startswith {0}/",
    "symlink": "evt.type in (symlink, symlinkat) and evt.arg.linkpath startswith {0}/",
    "chmod": "evt.type in (chmod, fchmodat) and evt.arg.filename startswith {0}/",
    "chown": "evt.type in (chown, lchown, fchownat) and (evt.arg.path startswith {0}/ or evt.arg.pathname startswith {0}/)",
    "truncate": "evt.type = truncate and evt.arg.path startswith {0}/",
    "write": OPENS + " and evt.is_open_write = true and fd.name startswith {0}/",
    "make": OPENS + " and evt.is_open_write = true and fd.name startswith {0}/",
    "read": "evt.type in (open, openat, openat2) and evt.is_open_read = true and fd.name = {0}/file",
    "ways": "evt.type in (unlink, unlinkat) and (evt.arg.path = {0}/file or evt.arg.name = {0}/file)",
    "fchmod": "evt.type = fchmod and fd.name startswith {0}/",
    "set-user-ID": "evt.type in (chmod, fchmodat) and evt.arg.filename startswith {0}/ and evt.arg.mode contains S_ISUID",
    "programs": "evt.type in (execve, execveat) and proc.exepath startswith {0}/",
    "names": OPENS + " and evt.is_open_write = true and fd.name startswith {0}/ and proc.name != touch",
    "mount": "evt.type = mount and evt.arg.dir startswith {0}/ and evt.arg.type = tmpfs",
    "attach": "evt.type = ptrace and evt.arg.request in (PTRACE_ATTACH, PTRACE_SEIZE) and proc.name = lsm-test",
    "kill": "evt.type = kill and evt.arg.sig = SIGUSR1 and proc.name = lsm-test",
    "miner": "evt.type = connect and proc.name = miner and fd.sockfamily = ip",
    "bpf": "evt.type = bpf and proc.name = loader and evt.arg.cmd = BPF_MAP_CREATE",
}
EACCES = ("unlink", "mkdir", "rename away", "chmod", "write", "bpf")


class Guard:
    """A sensor that denies, and what it told."""

    def __init__(self, folder, texts, mode="on"):
        (folder / "rules.yaml").write_text("".join(texts))
        self.receiver = Receiver()
        self.sensor = Sensor(folder / "spool", self.receiver.port, "--rules", str(folder / "rules.yaml"), "--enforce", mode)

    def close(self):
        self.sensor.stop(signal.SIGKILL)
        self.receiver.close()

    def told(self, count, name):
        """So many events of denials in the name of a rule, and no more."""
        def found():
            return [event["fields"] for event in self.receiver.find(respond__rule=name)]

        wait_for(lambda: len(found()) >= count, what=f"{count} events of {name}")
        assert len(found()) == count, found()
        return found()


def make_place(folder):
    folder.mkdir(parents=True)
    (folder / "file").write_text("before")
    (folder / "folder").mkdir()
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lsm")
    for name in PLACES:
        make_place(folder / name.replace(" ", "-") / "kept")
        make_place(folder / name.replace(" ", "-") / "free")
    return folder


@pytest.fixture(scope="module")
def guard(base):
    """One for all: to load its programs takes an emulated processor long."""
    before = open("/proc/self/comm").read().strip()
    libc.prctl(15, b"lsm-test", 0, 0, 0)
    guard = Guard(base, [rule(name, condition.format(base / name.replace(" ", "-") / "kept"),
                              "{action: deny, errno: EACCES}" if name in EACCES else "deny")
                         for name, condition in CONDITIONS.items()])
    yield guard
    guard.close()
    libc.prctl(15, before.encode(), 0, 0, 0)


@pytest.fixture
def places(base, request):
    """Where a rule denies, and where none does."""
    def of(name):
        return base / name.replace(" ", "-") / "kept", base / name.replace(" ", "-") / "free"

    return of


@pytest.fixture
def guards(tmp_path):
    """Others of their own."""
    started = []

    def start(*texts, mode="on"):
        started.append(Guard(tmp_path, texts, mode))
        return started[-1]

    yield start
    for guard in started:
        guard.close()


def error_of(call, *arguments, **more):
    """0 or the errno."""
    try:
        call(*arguments, **more)
    except OSError as error:
        return error.errno
    return 0


def listing(place):
    return sorted(os.listdir(place))


def test_all_of_it_is_promised(guard):
    text = guard.sensor.text()
    for name in CONDITIONS:
        line = next(line for line in text.splitlines() if f"enforce: {name}: deny" in line)
        assert "the kernel itself denies the call (BPF LSM), before it has any effect" in line and "possible" not in line, line


@pytest.mark.parametrize("name, deed, undone", [
    ("unlink", lambda p: os.unlink(p / "file"), lambda p: (p / "file").exists()),
    ("rmdir", lambda p: os.rmdir(p / "folder"), lambda p: (p / "folder").exists()),
    ("mkdir", lambda p: os.mkdir(p / "new"), lambda p: not (p / "new").exists()),
    ("mknod", lambda p: os.mkfifo(p / "new"), lambda p: not (p / "new").exists()),
    ("rename away", lambda p: os.rename(p / "file", p.parent / f"moved-{p.name}"), lambda p: (p / "file").exists()),
    ("rename over", lambda p: os.rename(p / "folder", p / "other"), lambda p: listing(p) == ["file", "folder"]),
    ("link", lambda p: os.link(p / "file", p.parent / f"link-{p.name}"), lambda p: os.stat(p / "file").st_nlink == 1),
    ("symlink", lambda p: os.symlink("/etc", p / "new"), lambda p: not os.path.lexists(p / "new")),
    ("chmod", lambda p: os.chmod(p / "file", 0o4777), lambda p: os.stat(p / "file").st_mode & 0o7777 != 0o4777),
    ("chown", lambda p: os.chown(p / "file", 12, 34), lambda p: os.stat(p / "file").st_uid != 12),
    ("truncate", lambda p: os.truncate(p / "file", 1), lambda p: (p / "file").read_text() == "before"),
    ("write", lambda p: (p / "file").write_text("after"), lambda p: (p / "file").read_text() == "before"),
    ("make", lambda p: (p / "new").write_text("x"), lambda p: not (p / "new").exists()),
    ("read", lambda p: (p / "file").read_text(), lambda p: True),
])
def test_a_deed_below_a_path_does_not_happen(guard, places, name, deed, undone):
    kept, free = places(name)
    error = errno.EACCES if name in EACCES else errno.EPERM
    assert error_of(deed, kept) == error
    assert error_of(deed, free) == 0
    assert undone(kept) and listing(kept) == ["file", "folder"]
    assert name == "read" or not undone(free)
    [fields] = guard.told(1, name)
    assert (fields["respond.result"], fields["respond.effect"]) == ("denied", "prevented")
    assert fields["respond.errno"] == fields["evt.res"] == errno.errorcode[error] and fields["evt.rawres"] == -error
    assert str(kept) in str(fields) and fields["proc.pid"] == os.getpid()


def test_who_comes_by_another_way_is_denied_all_the_same(guard, places):
    kept, free = places("ways")
    (free / "way").symlink_to(kept)
    folder = os.open(kept, os.O_RDONLY)
    assert error_of(os.unlink, free / "way" / "file") == errno.EPERM
    assert error_of(os.unlink, "file", dir_fd=folder) == errno.EPERM
    assert error_of(os.unlink, f"{free}/../kept/./file") == errno.EPERM
    os.close(folder)
    assert (kept / "file").exists()
    assert {fields.get("evt.arg.path", fields.get("evt.arg.name")) for fields in guard.told(3, "ways")} == {f"{kept}/file"}


def test_a_descriptors_file_is_not_changed(guard, places):
    for place, error in zip(places("fchmod"), (errno.EPERM, 0)):
        with open(place / "file") as file:
            assert error_of(os.fchmod, file.fileno(), 0o4755) == error
        assert (os.stat(place / "file").st_mode & 0o4000 == 0) == (error != 0)
    assert guard.told(1, "fchmod")[0]["fd.name"] == f"{places('fchmod')[0]}/file"


def test_arguments_decide(guard, places):
    kept, _ = places("set-user-ID")
    assert error_of(os.chmod, kept / "file", 0o4755) == errno.EPERM
    assert error_of(os.chmod, kept / "file", 0o700) == 0
    assert os.stat(kept / "file").st_mode & 0o7777 == 0o700
    guard.told(1, "set-user-ID")


def test_a_program_does_not_begin(guard, places):
    kept, free = places("programs")
    for place in (kept, free):
        (place / "program").write_bytes(open("/bin/true", "rb").read())
        (place / "program").chmod(0o755)
        (place / "script").write_text("#!/bin/sh\ntouch $0.ran\n")
        (place / "script").chmod(0o755)
    for name in ("program", "script"):
        assert error_of(subprocess.run, [kept / name, "with", "arguments"], check=True) == errno.EPERM
        assert error_of(subprocess.run, [free / name], check=True) == 0
    assert not (kept / "script.ran").exists() and (free / "script.ran").exists()
    told = {fields["proc.name"]: fields for fields in guard.told(2, "programs")}
    assert told["program"]["proc.exepath"] == f"{kept}/program" and told["program"]["evt.res"] == "EPERM"
    assert told["program"]["proc.cmdline"] == "program with arguments"
    assert told["script"]["proc.exepath"] == f"{kept}/script"


def test_by_name_of_who_does_it(guard, places):
    kept, _ = places("names")
    assert subprocess.run(["cp", "/etc/hostname", kept / "copy"], stderr=subprocess.DEVNULL).returncode != 0
    assert subprocess.run(["touch", kept / "touched"]).returncode == 0
    assert listing(kept) == ["file", "folder", "touched"]
    assert guard.told(1, "names")[0]["proc.name"] == "cp"


def test_nothing_is_mounted(guard, places):
    kept, free = places("mount")

    def mount(kind, place):
        return 0 if libc.mount(b"none", os.fsencode(place), kind, 0, None) == 0 else ctypes.get_errno()

    assert mount(b"tmpfs", kept / "folder") == errno.EPERM
    assert mount(b"tmpfs", free / "folder") == 0 and libc.umount2(os.fsencode(free / "folder"), 0) == 0
    assert mount(b"proc", kept / "folder") == 0 and libc.umount2(os.fsencode(kept / "folder"), 0) == 0
    [fields] = guard.told(1, "mount")
    assert fields["evt.arg.dir"] == f"{kept}/folder" and fields["evt.arg.type"] == "tmpfs"


def test_nobody_is_traced_or_signalled(guard):
    victim = subprocess.Popen(["sleep", "600"])
    try:
        assert libc.ptrace(16, victim.pid, 0, 0) == -1 and ctypes.get_errno() == errno.EPERM
        assert "TracerPid:\t0" in open(f"/proc/{victim.pid}/status").read()
        assert error_of(os.kill, victim.pid, signal.SIGUSR1) == errno.EPERM
        assert victim.poll() is None
        os.kill(victim.pid, signal.SIGTERM)
        assert victim.wait(60) == -signal.SIGTERM
    finally:
        victim.kill()
        victim.wait()
    guard.told(1, "attach")
    guard.told(1, "kill")


def test_no_connection_of_a_program(guard):
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    code = f"import ctypes,socket; ctypes.CDLL(None).prctl(15, b'miner', 0, 0, 0); socket.create_connection(('127.0.0.1', {port}))"
    assert subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL).returncode != 0
    server.settimeout(0.2)
    with pytest.raises(TimeoutError):
        server.accept()
    assert subprocess.run([sys.executable, "-c", code.replace("miner", "client")]).returncode == 0
    assert guard.told(1, "miner")[0]["fd.sport"] == port
    server.close()


def test_by_its_first_argument(guard):
    code = ("import ctypes,sys; ctypes.CDLL(None).prctl(15, b'loader', 0, 0, 0); "
            "c = ctypes.CDLL(None, use_errno=True); c.syscall(321, 0, ctypes.create_string_buffer(128), 128); sys.exit(ctypes.get_errno())")
    assert subprocess.run([sys.executable, "-c", code]).returncode == errno.EACCES
    assert subprocess.run([sys.executable, "-c", code.replace("loader", "other")]).returncode == errno.EINVAL
    guard.told(1, "bpf")


def test_all_of_it_is_counted(guard):
    def stats():
        return [beat["stats"]["enforce"] for beat in guard.receiver.heartbeats if "enforce" in beat["stats"]]

    last = wait_for(lambda: [one for one in stats() if one["lsm"]["denied"] > 20])[0]
    assert last["lsm"]["granted"] and last["lsm"]["busy"] == last["lsm"]["untold"] == 0
    assert all(one["promise"] == "before" for one in last["rules"])


def test_in_a_dry_run_all_happens_and_is_told(guards, tmp_path):
    kept = make_place(tmp_path / "kept")
    guard = guards(rule("dry", f"evt.type in (unlink, unlinkat) and evt.arg.path startswith {kept}/"), mode="dry-run")
    os.unlink(kept / "file")
    [fields] = guard.told(1, "dry")
    assert fields["respond.result"] == "would deny" and fields["evt.res"] == "SUCCESS"


def test_what_the_kernel_cannot_tell_is_said_and_goes_on_and_with_the_sensor_all_ends(guards, tmp_path):
    kept = make_place(tmp_path / "kept")
    guard = guards(rule("partly", f"evt.type = unlink and (evt.arg.path contains file or evt.arg.path = {kept}/other)"))
    assert "deny of unlink is possible of some only: its condition needs more than the kernel can tell" in guard.sensor.text()
    (kept / "other").touch()
    assert error_of(os.unlink, kept / "other") == errno.EPERM
    assert error_of(os.unlink, kept / "file") == 0
    assert [fields["respond.result"] for fields in guard.told(2, "partly")] == ["denied", "not denied"]
    guard.sensor.stop(signal.SIGKILL)
    assert wait_for(lambda: error_of(os.unlink, kept / "other") == 0)
