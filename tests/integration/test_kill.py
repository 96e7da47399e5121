"""What the kernel kills for by itself, by its effects: the file is as it was, the child never ran, the program never began; and
where the call had its effect the alert says so."""
import ctypes
import os
import shutil
import signal
import subprocess
import sys

import pytest

from test_enforce import group, responses, rule, rules  # noqa: F401 (fixtures)
from test_sensor import ebpf_lacks, receiver, sensors, wait_for  # noqa: F401 (fixtures)

pytestmark = pytest.mark.skipif(ebpf_lacks() is not None, reason=f"skipped, because {ebpf_lacks()}")


NAME = f"victim{os.getpid()}"  # no other program's, nor that of another run of these tests


def python(code, *names):
    return subprocess.run([sys.executable, "-c", code, *names], capture_output=True, timeout=60, check=False)


def named(name):
    """Takes another name, which rules know it by: others write, fork and read, too."""
    return f"import ctypes, os, sys\nctypes.CDLL(None).prctl(15, b'{name}', 0, 0, 0)\n"


def only(receiver, name, **want):
    """The one alert of this rule."""
    found = wait_for(lambda: responses(receiver, respond__rule=name))
    assert len(found) == 1
    for key, value in want.items():
        assert found[0].get(key.replace("__", ".")) == value, found[0]
    return found[0]


def counted(receiver, what):
    """The sensor's own count of what the kernel did."""
    wait_for(lambda: any(beat["stats"].get("enforce", {}).get("kernel_kills", {}).get(what) == 1 for beat in receiver.heartbeats), 60)


WRITES = {
    "write": "os.write(f, b'changed')",
    "pwrite": "os.pwrite(f, b'changed', 0)",
    "writev": "os.writev(f, [b'chan', b'ged'])",
    "pwritev": "os.pwritev(f, [b'changed'], 0)",
    "write of 4 MiB": "os.write(f, b'x' * (4 << 20))",
}


@pytest.mark.parametrize("mode, how", [("dry-run", "write"), *(("on", how) for how in WRITES)])
def test_a_write_does_not_happen(receiver, sensors, rules, tmp_path, mode, how):
    etc = tmp_path / "etc"
    etc.mkdir()
    (etc / "file").write_text("as it was")
    sensor = sensors(receiver.port, *rules(rule("Writes", f"evt.type in (write, pwrite, writev, pwritev) and "
                                                f"fd.name startswith {etc}/ and evt.rawres >= 0", "kill")), "--enforce", mode)
    done = python(f"import os\nf = os.open('{etc}/file', os.O_WRONLY)\n{WRITES[how]}\nopen('{tmp_path}/after', 'w')")
    if mode == "dry-run":
        assert done.returncode == 0 and (etc / "file").read_text() != "as it was"
        only(receiver, "Writes", respond__result="would kill", respond__effect=None)
        return
    assert done.returncode == -signal.SIGKILL
    assert (etc / "file").read_text() == "as it was" and not (tmp_path / "after").exists()
    fields = only(receiver, "Writes", respond__result="killed", respond__effect="prevented", respond__errno="EINTR", evt__res="EINTR")
    assert fields["fd.name"] == f"{etc}/file" and fields["evt.type"] == how.split()[0]
    assert "the kernel kills the process before the call has any effect on a file" in sensor.text()
    if how == "write":
        counted(receiver, "before")


def test_nothing_is_read_and_other_files_are_left_alone(receiver, sensors, rules, tmp_path):
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "secrets").write_text("public")
    sensors(receiver.port, *rules(rule("Reads", f"evt.type in (read, pread) and fd.name = {tmp_path}/secret and "
                                       f"fd.typechar = 'f' and not proc.name in (cat, head)", "kill")), "--enforce", "on")
    assert python(f"print(open('{tmp_path}/secrets').read())").stdout == b"public\n"
    assert subprocess.run(["cat", tmp_path / "secret"], capture_output=True, check=True).stdout == b"secret"
    done = python(f"import os\nf = os.open('{tmp_path}/secret', 0)\nos.write(1, os.pread(f, 6, 0))\nos.write(1, b'after')")
    assert done.returncode == -signal.SIGKILL and done.stdout == b""
    only(receiver, "Reads", respond__result="killed", evt__type="pread")


FORKS = {
    "fork": "libc.syscall(57)",
    "vfork": "libc.syscall(58)",
    "clone": "libc.syscall(56, 17, 0, 0, 0, 0)",
    "clone3": "libc.syscall(435, ctypes.create_string_buffer(bytes(32) + bytes([17]) + bytes(31)), 64)",
}


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="skipped, because the numbers of the calls are others")
@pytest.mark.parametrize("how", FORKS)
def test_a_new_process_never_is_and_threads_are_none(receiver, sensors, rules, tmp_path, how):
    sensors(receiver.port, *rules(rule("Forks", f"evt.type in (clone, clone3, fork, vfork) and proc.name = {NAME}", "kill")),
            "--enforce", "on")
    done = python(named(NAME) + f"""
import threading
thread = threading.Thread(target=lambda: open('{tmp_path}/thread', 'w'))
thread.start(); thread.join()
libc = ctypes.CDLL(None)
if {FORKS[how]} == 0:
    open('{tmp_path}/child', 'w')
    os._exit(0)
open('{tmp_path}/after', 'w')
""")
    assert done.returncode == -signal.SIGKILL
    assert sorted(path.name for path in tmp_path.iterdir() if path.name in ("thread", "child", "after")) == ["thread"]
    only(receiver, "Forks", respond__result="killed", respond__effect="prevented", evt__type=how, proc__name=NAME)


def test_a_program_never_begins(receiver, sensors, rules, tmp_path):
    shutil.copy("/bin/touch", tmp_path / "victim")
    (tmp_path / "link").symlink_to(tmp_path / "victim")
    sensor = sensors(receiver.port, *rules(rule("Programs", f"evt.type in (execve, execveat) and proc.exepath = {tmp_path}/victim "
                                                "and (proc.name = link or user.uid = 0)", "kill")), "--enforce", "on")
    done = subprocess.run([tmp_path / "link", tmp_path / "made"], check=False)
    assert done.returncode == -signal.SIGKILL and not (tmp_path / "made").exists()
    fields = only(receiver, "Programs", respond__result="killed", respond__effect="prevented")
    assert fields["proc.exepath"] == f"{tmp_path}/victim"
    assert "before the program's first instruction" in sensor.text() or "before the call has any effect" in sensor.text()


MEMFD = """
import ctypes, os
f = os.memfd_create('x')
os.write(f, open('/bin/touch', 'rb').read())
os.execve(f, ['touch', {path!r}], {{}})
"""


def test_a_program_without_a_file_never_begins(receiver, sensors, rules, tmp_path):
    sensors(receiver.port, *rules(rule("Memory", "evt.type in (execve, execveat) and proc.is_exe_from_memfd = true and "
                                       "container.id = host", "kill")), "--enforce", "on")
    done = python(MEMFD.format(path=str(tmp_path / "made")))
    assert done.returncode == -signal.SIGKILL and not (tmp_path / "made").exists()
    only(receiver, "Memory", respond__result="killed", respond__effect="prevented", container__id="host")


def test_a_container_is_told_from_the_host(receiver, sensors, rules, tmp_path, group):
    sensors(receiver.port, *rules(rule("Contained", f"evt.type = write and container.id != host and fd.name startswith {tmp_path}/",
                                       "kill")), "--enforce", "on")
    code = f"import os, sys\nos.write(os.open('{tmp_path}/' + sys.argv[1], os.O_WRONLY | os.O_CREAT), b'x')"
    assert python(code, "host").returncode == 0
    inside = subprocess.run(["sh", "-c", f"echo $$ >{group}/cgroup.procs; exec {sys.executable} -c \"$1\" inside", "sh", code], check=False)
    assert inside.returncode == -signal.SIGKILL
    assert only(receiver, "Contained", respond__result="killed")["fd.name"] == f"{tmp_path}/inside"


ENDS = {
    "unlinkat": ("os.unlink('{path}', dir_fd=os.open('/', 0))", lambda path: not path.exists()),
    "openat": ("os.open('{path}', os.O_WRONLY | os.O_TRUNC)", lambda path: path.read_text() == ""),
    "chmod": ("os.chmod('{path}', 0)", lambda path: path.stat().st_mode & 0o777 == 0),
}


@pytest.mark.parametrize("how", ENDS)
def test_what_has_its_effect_is_said_to_have_it(receiver, sensors, rules, tmp_path, how):
    path = tmp_path / "file"
    path.write_text("as it was")
    code, happened = ENDS[how]
    about = f" and fd.name = {path}" if how == "openat" else ""
    sensor = sensors(receiver.port, *rules(rule("Ends", f"evt.type = {how} and proc.name = {NAME}{about}", "kill")),
                     "--enforce", "on")
    done = python(named(NAME) + code.format(path=path) + f"\nopen('{tmp_path}/after', 'w')")
    assert done.returncode == -signal.SIGKILL and not (tmp_path / "after").exists()
    fields = only(receiver, "Ends", respond__result="killed")
    if fields["respond.effect"] == "prevented": # by what asks before files are opened
        assert how == "openat" and not happened(path)
        return
    assert happened(path) and fields["respond.effect"] == "happened" and fields["evt.res"] == "SUCCESS"
    assert "the kernel kills the process at the end of the call, which has its effect" in sensor.text()


def test_what_is_written_to_a_pipe_is_said_to_arrive(receiver, sensors, rules):
    sensors(receiver.port, *rules(rule("Pipes", f"evt.type = write and proc.name = {NAME}", "kill")), "--enforce", "on")
    done = python(named(NAME) + "os.write(1, b'arrived')\nos.write(1, b' and more')")
    assert done.returncode == -signal.SIGKILL and done.stdout == b"arrived"
    only(receiver, "Pipes", respond__result="killed", respond__effect="happened", evt__res="SUCCESS")


def test_what_the_kernel_cannot_tell_is_killed_by_the_sensor(receiver, sensors, rules, tmp_path):
    sensor = sensors(receiver.port, *rules(rule("Arguments", "evt.type = unlinkat and proc.cmdline contains victims-argument", "kill")),
                     "--enforce", "on")
    assert "some milliseconds after the call" in sensor.text()
    (tmp_path / "file").touch()
    done = python(f"import os, time\nos.unlink('{tmp_path}/file', dir_fd=os.open('/', 0))\ntime.sleep(60)", "victims-argument")
    assert done.returncode == -signal.SIGKILL
    only(receiver, "Arguments", respond__result="killed", respond__effect="happened")


def test_the_first_rule_that_matches_is_the_one_that_responds(receiver, sensors, rules, tmp_path):
    sensors(receiver.port, *rules(rule("First", f"evt.type = write and fd.name = {tmp_path}/file", "freeze"),
                                  rule("Second", f"evt.type = write and fd.name startswith {tmp_path}/", "kill")), "--enforce", "on")
    code = "import os\nf = os.open('{}', os.O_WRONLY | os.O_CREAT)\nos.write(f, b'x')"
    assert python(code.format(tmp_path / "file")).returncode == 0
    assert wait_for(lambda: responses(receiver, respond__rule="First"))[0]["respond.result"] == "failed: not in a container"
    assert not responses(receiver, respond__rule="Second")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_with_the_sensor_its_kills_end(receiver, sensors, rules, tmp_path, how):
    sensor = sensors(receiver.port, *rules(rule("Writes", f"evt.type = write and fd.name startswith {tmp_path}/etc/", "kill")),
                     "--enforce", "on")
    (tmp_path / "etc").mkdir()
    write = f"import os, sys\nf = os.open('{tmp_path}/etc/file', os.O_WRONLY | os.O_CREAT | os.O_APPEND)\nos.write(f, b'x')"
    assert python(write).returncode == -signal.SIGKILL
    sensor.stop(how)
    wait_for(lambda: python(write).returncode == 0, what="nobody is killed any more")


# The kernel kills so many in a moment; the others are the sensor's, and each is told of once.
def test_a_flood_of_kills_is_bounded_and_told(receiver, sensors, rules, tmp_path):
    count = 400
    (tmp_path / "etc").mkdir()
    sensors(receiver.port, *rules(rule("Flood", f"evt.type = write and fd.name startswith {tmp_path}/etc/", "kill")), "--enforce", "on")
    done = python(f"""
import os, signal
killed = 0
for i in range({count}):
    if os.fork() == 0:
        f = os.open('{tmp_path}/etc/file', os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(f, b'x')
        signal.pause()
for i in range({count}):
    killed += os.WTERMSIG(os.wait()[1]) == signal.SIGKILL
print(killed)
""")
    assert done.stdout == b"%d\n" % count, done
    wait_for(lambda: len(responses(receiver, respond__rule="Flood")) >= count, 60)
    told = responses(receiver, respond__rule="Flood")
    assert len(told) == count and {one["respond.result"] for one in told} == {"killed"}
    prevented = sum(one["respond.effect"] == "prevented" for one in told)
    assert os.path.getsize(tmp_path / "etc" / "file") == count - prevented
