"""tocsin-sensor run as a container's entry point, as a task on Fargate has it: no root, no capability, nothing to write."""
import json
import os
import shutil
import signal
import subprocess

import pytest
from hub import BUILD, ROOT
from servers import wait_for
from test_containers import LIMITS, NEEDED, podman, run  # noqa: F401

IMAGE = "localhost/tocsin-run:test"
BARE = ["--user", "65534:65534", "--cap-drop=all", "--security-opt", "no-new-privileges", "--read-only", "--read-only-tmpfs=false"]
SENSOR = ["/opt/tocsin/lib/ld.so", "--library-path", "/opt/tocsin/lib", "/opt/tocsin/bin/tocsin-sensor", "run", "--print",
          "--rules", "/opt/tocsin/rules.yaml"]
RULES = """
- rule: Marked
  desc: What the command does.
  condition: evt.type in (mkdir, mkdirat) and evt.arg.path startswith /nonexistent-
  output: "%evt.arg.path"
  priority: NOTICE
"""
pytestmark = pytest.mark.skipif(os.geteuid() != 0 or any(shutil.which(name) is None for name in NEEDED),
                                reason="podman, runc and busybox are needed")


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """Busybox, without a C library, and the sensor as deploy/container/bundle.sh puts it there."""
    root = tmp_path_factory.mktemp("root")
    for name in ("bin", "dev", "etc", "proc", "sys", "tmp", "opt"):
        (root / name).mkdir()
    shutil.copy(shutil.which("busybox"), root / "bin" / "busybox")
    for name in ("sh", "id", "sleep", "cat", "mkdir"):
        (root / "bin" / name).symlink_to("busybox")
    subprocess.run(["bash", ROOT / "deploy/container/bundle.sh", BUILD / "sensor/tocsin-sensor", root / "opt/tocsin"], check=True)
    (root / "opt/tocsin/rules.yaml").write_text(RULES)
    archive = tmp_path_factory.mktemp("image") / "image.tar"
    run("tar", "-C", root, "-cf", archive, ".")
    run("podman", "import", archive, IMAGE)
    yield IMAGE
    run("podman", "rmi", "-f", IMAGE, check=False)


def without_fetching(tmp_path):
    """As Docker's profile is for who has not CAP_SYS_PTRACE."""
    profile = json.loads(open("/usr/share/containers/seccomp.json").read())
    for row in profile["syscalls"]:
        row["names"] = [name for name in row["names"] if name != "pidfd_getfd"]
    (tmp_path / "seccomp.json").write_text(json.dumps(profile))
    return ["--security-opt", f"seccomp={tmp_path}/seccomp.json"]


@pytest.mark.parametrize("fetching", [True, False])
def test_a_command_runs_without_privileges(image, tmp_path, fetching):
    more = [] if fetching else without_fetching(tmp_path)
    done = subprocess.run(["podman", "--runtime=runc", "--cgroup-manager=cgroupfs", "run", "--rm", *LIMITS, *BARE, *more, image,
                           *SENSOR, "--", "sh", "-c", "mkdir /nonexistent-a/b 2>/dev/null; id -u; exit 9"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 9, done.stderr
    lines = done.stdout.splitlines()
    assert "65534" in lines
    [event] = [json.loads(line)["fields"] for line in lines if line.startswith("{")]
    assert event["evt.arg.path"] == "/nonexistent-a/b" and event["proc.name"] == "mkdir" and event["user.uid"] == 65534
    assert event["evt.res"] == "ENOENT"


def test_a_container_survives_its_sensor_and_ends_by_a_signal(image):
    name = f"tocsin-run-{os.getpid()}"
    podman("run", "-d", "--name", name, *LIMITS, *BARE, image, *SENSOR, "--", "sh", "-c",
           "trap 'exit 4' TERM; while :; do mkdir /nonexistent-c/d 2>/dev/null; sleep 0.1; done", start_new_session=True)
    try:
        def events():
            return podman("logs", name).count('"evt.arg.path":"/nonexistent-c/d"')

        def worker():
            front = int(podman("inspect", "-f", "{{.State.Pid}}", name))
            below = open(f"/proc/{front}/task/{front}/children").read().split()
            [keeper] = [pid for pid in below if open(f"/proc/{pid}/comm").read() == "tocsin-keeper\n"]
            return [int(pid) for pid in open(f"/proc/{keeper}/task/{keeper}/children").read().split()][0]

        wait_for(lambda: events() > 2, 20, "events")
        os.kill(worker(), signal.SIGKILL)
        before = events()
        wait_for(lambda: events() > before + 2, 20, "events of the next worker")
        podman("kill", "-s", "TERM", name)
        wait_for(lambda: podman("inspect", "-f", "{{.State.Running}}", name) == "false", 20, "the end")
        assert podman("inspect", "-f", "{{.State.ExitCode}}", name) == "4"
    finally:
        podman("rm", "-f", "-t", "0", name, check=False)
