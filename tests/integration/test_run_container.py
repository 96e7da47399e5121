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
SENSOR_IMAGE = "localhost/tocsin-sensor:test"
PLAIN_IMAGE = "localhost/tocsin-plain:test"
BARE = ["--user", "65534:65534", "--cap-drop=all", "--security-opt", "no-new-privileges", "--read-only", "--read-only-tmpfs=false"]
PROGRAM = ["/opt/tocsin/lib/ld.so", "--library-path", "/opt/tocsin/lib", "/opt/tocsin/bin/tocsin-sensor"]
OPTIONS = ["--print", "--rules", "/opt/tocsin/rules.yaml"]
SENSOR = [*PROGRAM, "run", *OPTIONS, "--"]
RULES = """
- rule: Marked
  desc: What the command does.
  condition: evt.type in (mkdir, mkdirat) and evt.arg.path startswith /nonexistent-
  output: "%evt.arg.path"
  priority: NOTICE
"""
pytestmark = pytest.mark.skipif(os.geteuid() != 0 or any(shutil.which(name) is None for name in NEEDED),
                                reason="podman, runc and busybox are needed")


def imported(folder, root, name):
    run("tar", "-C", root, "-cf", folder / "image.tar", ".")
    run("podman", "import", folder / "image.tar", name)


@pytest.fixture(scope="module")
def sensor_image(tmp_path_factory):
    """Nothing but the sensor, as deploy/container/bundle.sh puts it there, and rules."""
    folder = tmp_path_factory.mktemp("sensor")
    subprocess.run(["bash", ROOT / "deploy/container/bundle.sh", BUILD / "sensor/tocsin-sensor", folder / "root/opt/tocsin"], check=True)
    (folder / "root/opt/tocsin/rules.yaml").write_text(RULES)
    imported(folder, folder / "root", SENSOR_IMAGE)
    yield SENSOR_IMAGE
    run("podman", "rmi", "-f", SENSOR_IMAGE, check=False)


@pytest.fixture(scope="module")
def plain_image(tmp_path_factory):
    """Busybox, without a C library."""
    folder = tmp_path_factory.mktemp("plain")
    root = folder / "root"
    for name in ("bin", "dev", "etc", "proc", "sys", "tmp"):
        (root / name).mkdir(parents=True)
    shutil.copy(shutil.which("busybox"), root / "bin" / "busybox")
    for name in ("sh", "id", "sleep", "cat", "mkdir"):
        (root / "bin" / name).symlink_to("busybox")
    imported(folder, root, PLAIN_IMAGE)
    yield PLAIN_IMAGE
    run("podman", "rmi", "-f", PLAIN_IMAGE, check=False)


@pytest.fixture(scope="module")
def image(sensor_image, plain_image, tmp_path_factory):
    """The two lines that are added to an image, as deploy/container/README.md has them."""
    folder = tmp_path_factory.mktemp("image")
    (folder / "Containerfile").write_text(f"FROM {plain_image}\n"
                                          f"COPY --from={sensor_image} /opt/tocsin /opt/tocsin\n"
                                          f"ENTRYPOINT {json.dumps(SENSOR)}\n"
                                          'CMD ["sh", "-c", "mkdir /nonexistent-a/b 2>/dev/null; id -u; exit 9"]\n')
    run("podman", "--runtime=runc", "--cgroup-manager=cgroupfs", "build", "--pull=never", *LIMITS, "-t", IMAGE, folder)
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
    done = subprocess.run(["podman", "--runtime=runc", "--cgroup-manager=cgroupfs", "run", "--rm", *LIMITS, *BARE, *more, image],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 9, done.stderr
    lines = done.stdout.splitlines()
    assert "65534" in lines
    [event] = [json.loads(line)["fields"] for line in lines if line.startswith("{")]
    assert event["evt.arg.path"] == "/nonexistent-a/b" and event["proc.name"] == "mkdir" and event["user.uid"] == 65534
    assert event["evt.res"] == "ENOENT"


def test_a_container_survives_its_sensor_and_ends_by_a_signal(image):
    name = f"tocsin-run-{os.getpid()}"
    podman("run", "-d", "--name", name, *LIMITS, *BARE, image, "sh", "-c",
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


def test_a_sidecar_sees_the_other_container(sensor_image, plain_image):
    names = [f"tocsin-{part}-{os.getpid()}" for part in ("app", "sidecar")]
    try:
        podman("run", "-d", "--name", names[0], *LIMITS, plain_image, "sh", "-c",
               "while :; do mkdir /nonexistent-e/f 2>/dev/null; sleep 0.1; done", start_new_session=True)
        podman("run", "-d", "--name", names[1], *LIMITS, f"--pid=container:{names[0]}", "--cap-add", "SYS_PTRACE", sensor_image,
               *PROGRAM, "attach", "--all", *OPTIONS, start_new_session=True)
        wait_for(lambda: '"evt.arg.path":"/nonexistent-e/f"' in podman("logs", names[1]), 30, "an event of the other container")
    finally:
        for name in reversed(names): # in one call the first is not gone yet when the second is to go
            podman("rm", "-f", "-t", "0", name, check=False)
