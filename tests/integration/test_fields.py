"""Fields that are read from /proc when a rule looks at them, of a process that stays until its event is there: under eBPF,
below a sensor that runs it, and beside one that is attached."""
import os
import pwd
import re
import resource
import subprocess
import sys

import pytest

from test_sensor import Receiver, Sensor, ebpf_lacks, observed_by, wait_for

pytestmark = [
    pytest.mark.skipif(ebpf_lacks() is not None, reason=f"skipped, because {ebpf_lacks()}"),
    pytest.mark.skipif(os.geteuid() != 0, reason="skipped, because others' descriptors are asked for"),
]
LIVE = ["proc.vmsize", "proc.vmrss", "proc.vmswap", "thread.vmsize", "proc.nthreads", "proc.nchilds", "thread.pfminor",
        "proc.fdopencount", "proc.fdlimit", "proc.fdusage", "proc.stdin.type", "proc.stdout.type", "proc.stderr.type",
        "proc.stdin.name", "proc.stdout.name", "proc.stderr.name", "fd.types", "fd.types[9]", "thread.cgroups",
        "thread.cgroup.memory", "user.homedir", "user.shell", "evt.deltatime", "thread.nametid", "evt.count.error.file",
        "proc.pidns_init_start_ts"]
# Looks for what is not there, and stays until its input ends. A second thread, a connection as descriptor 9, 8 of memory.
STAYS = """
import os, socket, sys, threading
server = socket.create_server(("127.0.0.1", 0)); client = socket.create_connection(server.getsockname()); os.dup2(client.fileno(), 9)
def begin():
    try: os.open("/nonexistent/tocsin-fields", os.O_RDONLY)
    except OSError: pass
    sys.stdin.read()
other = threading.Thread(target=threading.Event().wait, daemon=True); other.start()
begin(); os._exit(0)
"""
RULES = f"""
- rule: Looks
  desc: d
  condition: evt.type in (open, openat) and fd.name=/nonexistent/tocsin-fields and proc.nthreads=2 and fd.types[9] in (ipv4)
  output: "{' '.join('%' + name for name in LIVE)}"
  priority: NOTICE
"""


@pytest.fixture(params=["ebpf", "run", "attach"])
def seen(request, tmp_path):
    """The fields of the event, and what must be in them."""
    (tmp_path / "rules.yaml").write_text(RULES)
    receiver = Receiver()
    options = ["--hub", f"http://127.0.0.1:{receiver.port}", "--spool-dir", str(tmp_path / "spool"), "--rules", str(tmp_path / "rules.yaml")]
    sensor = Sensor(tmp_path / "spool", receiver.port, "--rules", str(tmp_path / "rules.yaml")) if request.param == "ebpf" else None
    command = [] if sensor else observed_by(request.param, options)
    error = open(tmp_path / "error", "wb")
    child = subprocess.Popen([*command, sys.executable, "-c", STAYS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=error)
    try:
        wait_for(lambda: receiver.find(fd__name="/nonexistent/tocsin-fields"), 60, "the event")
        yield receiver.find(fd__name="/nonexistent/tocsin-fields")[0]["fields"], error.name
    finally:
        child.communicate(timeout=60)
        error.close()
        if sensor:
            sensor.stop()
        receiver.close()


def test_what_proc_tells_of_a_process_is_there(seen):
    fields, error = seen
    root = pwd.getpwuid(0)
    assert 0 < fields["proc.vmrss"] < fields["proc.vmsize"] == fields["thread.vmsize"] and fields["proc.vmswap"] >= 0
    assert (fields["proc.nthreads"], fields["proc.nchilds"]) == (2, 1) and fields["thread.pfminor"] > 0
    assert fields["proc.fdlimit"] == resource.getrlimit(resource.RLIMIT_NOFILE)[0] and 6 <= fields["proc.fdopencount"] < 40
    assert fields["proc.fdusage"] == fields["proc.fdopencount"] * 100 // fields["proc.fdlimit"]
    assert [fields[f"proc.std{which}.type"] for which in ("in", "out", "err")] == ["pipe", "pipe", "file"]
    assert fields["proc.stderr.name"] == error and "proc.stdin.name" not in fields and "proc.stdout.name" not in fields
    assert {"pipe", "file", "ipv4"} <= set(fields["fd.types"]) and fields["fd.types[9]"] == ["ipv4"]
    assert re.fullmatch("cpuset=/.* cpu=/.* cpuacct=/.* io=/.* memory=/.*", fields["thread.cgroups"])
    assert fields["thread.cgroups"].endswith(" memory=" + fields["thread.cgroup.memory"])
    assert (fields["user.homedir"], fields["user.shell"]) == (root.pw_dir, root.pw_shell)
    assert fields["evt.deltatime"] >= 0 and fields["evt.count.error.file"] == 1
    assert fields["thread.nametid"] == fields["proc.name"] + str(fields["thread.tid"])
    assert 0 < fields["proc.pidns_init_start_ts"] <= fields["proc.pid.ts"]
