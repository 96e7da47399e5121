"""What is lost is counted by cause and call; what is known only in part is marked, never guessed."""
import os
import re
import signal
import socket
import subprocess

from test_sensor import (  # noqa: F401
    everything, make_events, marked, needs_ebpf, our_name, python, receiver, rules, sensors, wait_for)

SYS_MKDIR = 83


# Deeper than any path may be long: one step at a time.
DEEP = """
import os
for _ in range(200):
    os.mkdir("%(name)s")
    os.chdir("%(name)s")
os.close(os.open("bottom", os.O_WRONLY | os.O_CREAT))
os.unlink("bottom")
"""


def test_a_path_too_deep_to_walk_is_marked_and_its_end_is_right(everything, tmp_path):  # noqa: F811
    (tmp_path / "deep").mkdir()
    try:
        assert python(DEEP % {"name": "d" * 30}, cwd=tmp_path / "deep").returncode == 0
    finally:
        subprocess.run(["rm", "-rf", str(tmp_path / "deep")], check=True)
    fields = wait_for(lambda: everything.find(fd__nameraw="bottom"))[0]["fields"]
    assert fields["fd.name"].startswith("/.../" + "d" * 30) and fields["fd.name"].endswith("/bottom")
    assert "fd.name" in fields["evt.truncated"]
    removed = wait_for(lambda: everything.find(evt__type="unlink", evt__arg__path=lambda have: have and
                                               have.endswith("/bottom")))[0]["fields"]
    assert {"evt.arg.path", "proc.cwd"} <= set(removed["evt.truncated"])
    assert removed["evt.arg.path"].startswith("/.../")


def test_a_megabyte_of_arguments_is_cut_and_marked(everything):  # noqa: F811
    marker = f"mega-{os.getpid()}"
    subprocess.run(["true", marker, *(["x" * 100000] * 10)], check=True)
    fields = wait_for(lambda: everything.find(evt__type="execve", proc__args=lambda have: have and marker in have))[0]["fields"]
    assert {"proc.args", "proc.cmdline"} <= set(fields["evt.truncated"])
    assert 4000 < len(fields["proc.args"]) < 4100 and fields["proc.name"] == "true"
    short = wait_for(lambda: everything.find(evt__type="execve", proc__name="true"))[0]["fields"]
    assert short["proc.exe"] == "true"


def test_an_unreadable_name_is_null(everything):  # noqa: F811
    python(f"import ctypes; ctypes.CDLL(None).syscall({SYS_MKDIR}, ctypes.c_void_p(4096), 0o777)")
    fields = wait_for(lambda: everything.find(evt__type="mkdir", evt__res="EFAULT"))[0]["fields"]
    assert "evt.arg.path" in fields and fields["evt.arg.path"] is None
    assert "evt.truncated" not in fields


@needs_ebpf
def test_losses_are_counted_by_cause_and_call(receiver, sensors, marked):  # noqa: F811
    sensor = sensors(receiver.port, "--rules", marked, "--metrics", "127.0.0.1:0")
    port = int(re.search(r"\(port (\d+)\)", sensor.text()).group(1))
    os.kill(sensor.process.pid, signal.SIGSTOP)
    make_events(40000, "causes")
    os.kill(sensor.process.pid, signal.SIGCONT)

    def scrape():
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()

    text = wait_for(lambda: 'call="mkdir"' in scrape() and scrape(), what="the metric")
    assert sensor.stop() == 0
    stats = receiver.heartbeats[-1]["stats"]
    assert sum(stats["lost_by"].values()) == sum(stats["lost"].values()) > 0
    calls = stats["lost_calls"]
    assert sum(sum(causes.values()) for causes in calls.values()) <= sum(stats["lost"].values())
    assert calls["mkdir"]["budget"] > 1000
    found = re.search(r'^tocsin_sensor_calls_lost_total\{call="mkdir",cause="budget"\} (\d+)$', text, re.M)
    assert 0 < int(found.group(1)) <= calls["mkdir"]["budget"]
    causes = set(re.findall(r'^tocsin_sensor_lost_total\{cause="(\w+)"\} \d+$', text, re.M))
    assert causes == {"ring", "budget", "skipped", "keeper", "invalid", "memory", "queue", "spool", "refused"}


@needs_ebpf
def test_what_events_lack_is_counted_by_call(receiver, sensors, rules):  # noqa: F811
    sensor = sensors(receiver.port, "--rules", rules)
    python(f"import ctypes\nfor _ in range(3): ctypes.CDLL(None).syscall({SYS_MKDIR}, ctypes.c_void_p(4096), 0o777)")
    wait_for(lambda: len(receiver.find(evt__type="mkdir", evt__res="EFAULT")) == 3)
    assert sensor.stop() == 0
    stats = receiver.heartbeats[-1]["stats"]
    assert stats["missing"]["unread"] >= 3 and stats["missing_calls"]["mkdir"]["unread"] >= 3
    assert stats["seen"] == stats["filtered"] + stats["emitted"] + sum(stats["lost"].values())
