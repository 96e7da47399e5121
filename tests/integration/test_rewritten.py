"""The file that was really opened is what rules are asked about, by whatever name it was reached, and also when another
thread writes the name over all the time; with each probe."""
import json
import os
import pathlib
import subprocess

import pytest

from test_sensor import BUILD, SENSOR, Receiver, Sensor, ebpf_lacks, receiver, sensors, wait_for  # noqa: F401

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="skipped, because /etc/shadow cannot be read")
RACER = os.path.join(BUILD, "tests", "attacks", "racer")
PROBES = [pytest.param("ebpf", marks=pytest.mark.skipif(ebpf_lacks() is not None, reason=f"skipped, because {ebpf_lacks()}")), "run", "attach"]


class Case:
    """Runs a command that one probe watches, and counts the alerts about a file."""

    def __init__(self, probe, folder, secret, receiver, sensors):  # noqa: F811
        self.probe, self.folder, self.receiver, self.sensors = probe, folder, receiver, sensors
        self.rules = str(folder / "rules.yaml")
        pathlib.Path(self.rules).write_text(
            "- rule: Secret\n  desc: d\n  priority: NOTICE\n  output: '%fd.name'\n"
            f"  condition: evt.type in (open, openat, openat2) and fd.name = {secret} and proc.pname = sh\n"
            "- rule: End\n  desc: d\n  priority: NOTICE\n  output: x\n"
            "  condition: evt.type = mkdir and evt.arg.path = /nonexistent-rewritten/x\n")

    def run(self, *command):
        """(what it wrote, the number of alerts)"""
        script = ["sh", "-c", 'read go; "$@"; mkdir /nonexistent-rewritten/x 2>/dev/null', "sh", *map(str, command)]
        if self.probe == "run":
            done = subprocess.run([SENSOR, "run", "--rules", self.rules, "--spool-dir", self.folder / "spool", "--hub",
                                   f"http://127.0.0.1:{self.receiver.port}", "--", *script], input="go\n", text=True,
                                  stdout=subprocess.PIPE, timeout=60, check=False)
            output = done.stdout
        else:
            process = subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            word, whom = ("attach", [str(process.pid)]) if self.probe == "attach" else (None, [])
            sensor = self.sensors(self.receiver.port, *whom, "--rules", self.rules, word=word)
            output, _ = process.communicate("go\n", 60)
            wait_for(lambda: self.receiver.find(evt__type="mkdir"))
            sensor.stop()
        return output, [event for event in self.receiver.find(evt__type=lambda name: name.startswith("open"))
                        if event["fields"]["evt.res"] == "SUCCESS"]


@pytest.fixture
def case(request, tmp_path, receiver, sensors):  # noqa: F811
    return lambda probe, secret: Case(probe, tmp_path, secret, receiver, sensors)


WAYS = {"its name": "{secret}", "a link": "{folder}/link", "a link to its folder": "{folder}/elsewhere/secret", "a link to a link": "{folder}/twice",
        "the root of a process": "/proc/self/root{secret}", "two dots": "{folder}/elsewhere/../inner/secret", "slashes": "/{folder}///inner//./secret"}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("probe", PROBES)
def test_a_file_is_known_by_whatever_name_it_is_opened(case, tmp_path, probe, way):
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "secret").write_text("x")
    (tmp_path / "link").symlink_to(inner / "secret")
    (tmp_path / "twice").symlink_to("link")
    (tmp_path / "elsewhere").symlink_to(inner)
    _, alerts = case(probe, inner / "secret").run("cat", WAYS[way].format(secret=inner / "secret", folder=tmp_path))
    assert [alert["fields"]["fd.name"] for alert in alerts] == [str(inner / "secret")], json.dumps(alerts)


@pytest.mark.parametrize("probe", PROBES)
def test_a_name_that_another_thread_writes_over_hides_nothing(case, tmp_path, probe):
    """The secret is reached by a link: so its own name is not among those that are raced with, and an alert can only
    come of the descriptor. A process that opens without end is a flood: what is shed of it is told."""
    (tmp_path / "secret").write_text("x")
    (tmp_path / "harmless").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    racing = case(probe, tmp_path / "secret")
    output, alerts = racing.run(RACER, 20000 if probe == "ebpf" else 3000, tmp_path / "link", tmp_path / "harmless")
    opened = int(output.split()[-1])
    shed = racing.receiver.heartbeats[-1]["stats"]["lost_calls"].get("openat", {}).get("budget", 0)
    assert len(alerts) + shed == opened and (alerts or opened == 0)


IN_ROOT = """
import ctypes, os, struct, sys
folder = os.open(sys.argv[1], os.O_PATH)
os.path.exists("/secret")  # the kernel remembers that there is none
how = struct.pack("QQQ", os.O_RDONLY, 0, 0x10)  # RESOLVE_IN_ROOT
print(ctypes.CDLL(None, use_errno=True).syscall(437, folder, b"/secret", how, len(how)), ctypes.get_errno())
"""


@pytest.mark.parametrize("probe", PROBES)
def test_a_directory_that_is_made_the_root_of_a_name_hides_nothing(case, tmp_path, probe):
    (tmp_path / "secret").write_text("x")
    output, alerts = case(probe, tmp_path / "secret").run("/usr/bin/python3", "-c", IN_ROOT, tmp_path)
    assert int(output.split()[0]) >= 0, output
    assert [alert["fields"]["fd.name"] for alert in alerts] == [str(tmp_path / "secret")], json.dumps(alerts)


@pytest.mark.parametrize("way", ["another root", "a mount of its own"])
def test_a_link_that_others_do_not_see_is_followed(case, tmp_path, way):
    """Names mean something else to the process than to the sensor, from the moment on that it sees to that."""
    place = tmp_path / "place"
    place.mkdir()
    (tmp_path / "secret").write_text("x")
    begin = "import ctypes, os, sys\nlibc = ctypes.CDLL(None)\nplace, secret, way = sys.argv[1:]\n"
    doing = {"another root": "os.link(secret, place + '/secret'); os.symlink('secret', place + '/link'); os.chroot(place); name = '/link'",
             "a mount of its own": "print(libc.unshare(0x20000), libc.mount(b'none', b'/', None, 0x44000, None),\n"
                                   "      libc.mount(b'tmpfs', place.encode(), b'tmpfs', 0, None))\n"
                                   "os.symlink(secret, place + '/link'); name = place + '/link'"}[way]
    looks = "for _ in range(3):\n    os.path.exists('/link'); os.path.exists(place + '/link')\n"  # the kernel remembers that there is none
    done, alerts = case("run", (place if way == "another root" else tmp_path) / "secret").run(
        "/usr/bin/python3", "-c", begin + looks + doing + "\nos.stat(name); print('opened', os.open(name, 0))", place, tmp_path / "secret", way)
    assert "opened" in done and len(alerts) == 1, (done, alerts)
