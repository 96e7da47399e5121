"""Real containers: Podman's with runc, and runc's own under Kubernetes' names, seen through the sensor and the hub."""
import json
import os
import pty
import shutil
import subprocess
import threading
import uuid

import pytest

from hub import ROOT, Hub
from servers import wait_for
from test_sensor import SENSOR, Receiver, Sensor, ebpf_lacks

FALCO = os.path.join(ROOT.parent, "shared", "rules", "falco_rules.yaml")
NEEDED = ("podman", "runc", "busybox")
MISSING = [name for name in NEEDED if shutil.which(name) is None]
pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"skipped, because there is no {' nor '.join(MISSING)}"),
    pytest.mark.skipif(ebpf_lacks() is not None, reason=f"skipped, because {ebpf_lacks()}"),
    pytest.mark.skipif(os.geteuid() != 0, reason="skipped, because containers want root here"),
]
IMAGE = "localhost/tocsin-test:1.2"

# Names and labels are asked for one by one, as text and by key.
RULES = """
- rule: In a container
  desc: What the tests start in containers.
  condition: evt.type in (execve, execveat) and container.id != host and proc.name in (id, sleep, sh)
  output: "%container.name %container.image.repository %container.labels %container.mounts %k8s.pod.name
    %container.label[app] %container.privileged %k8s.ns.name %k8s.pod.uid"
  priority: NOTICE
"""


def run(*arguments, check=True, timeout=60, **more):
    done = subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, **more)
    assert not check or done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def podman(*arguments, **more):
    return run("podman", "--runtime=runc", "--cgroup-manager=cgroupfs", *arguments, **more)


# Raising these limits wants CAP_SYS_RESOURCE, which is not everybody's.
LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--network=none"]


@pytest.fixture(scope="module")
def rootfs(tmp_path_factory):
    """A userland of one static program."""
    folder = tmp_path_factory.mktemp("rootfs")
    for name in ("bin", "dev", "etc", "proc", "sys", "tmp"):
        (folder / name).mkdir()
    shutil.copy(shutil.which("busybox"), folder / "bin" / "busybox")
    for name in ("sh", "id", "sleep", "cat"):
        (folder / "bin" / name).symlink_to("busybox")
    (folder / "etc" / "passwd").write_text("root:x:0:0::/:/bin/sh\n")
    return folder


@pytest.fixture(scope="module")
def image(rootfs, tmp_path_factory):
    archive = tmp_path_factory.mktemp("image") / "image.tar"
    run("tar", "-C", rootfs, "-cf", archive, ".")
    run("podman", "import", archive, IMAGE)
    yield IMAGE
    run("podman", "rmi", "-f", IMAGE, check=False)


@pytest.fixture(scope="module")
def socket_of_podman():
    """Podman's API where the sensor looks for it, unless somebody serves it already."""
    path = "/run/podman/podman.sock"
    if os.path.exists(path):
        yield path
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    service = subprocess.Popen(["podman", "--runtime=runc", "--cgroup-manager=cgroupfs", "system", "service",
                                "--time", "0", "unix://" + path],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: os.path.exists(path), 20, "Podman's socket")
    yield path
    service.terminate()
    service.wait(20)
    if os.path.exists(path):
        os.unlink(path)


DOCKER = "/usr/bin/docker"


@pytest.fixture(scope="module", params=["files", "api"])
def dockerd(request, tmp_path_factory, rootfs):
    """Docker's daemon with an image; with its data where the sensor looks, or elsewhere so that only the API is left."""
    if shutil.which("dockerd") is None or not os.path.exists(DOCKER):
        pytest.skip("skipped, because there is no dockerd")
    if os.path.exists("/run/docker.sock") or os.path.exists("/run/docker.pid"):
        pytest.skip("skipped, because a dockerd of this machine's own is there")
    folder = tmp_path_factory.mktemp("docker")
    data = "/var/lib/docker" if request.param == "files" else str(folder / "data")
    with open(folder / "log", "w") as log:
        daemon = subprocess.Popen(["dockerd", "--host", "unix:///run/docker.sock", "--data-root", data, "--pidfile", folder / "pid",
                                   "--storage-driver", "vfs", "--iptables=false", "--bridge=none"],
                                  stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for(lambda: run(DOCKER, "info", "-f", "{{.ID}}", check=False) or daemon.poll() is not None, 40, "dockerd")
        if daemon.poll() is not None:
            pytest.skip("skipped, because dockerd does not run here: " + (folder / "log").read_text()[-200:])
        run("tar", "-C", rootfs, "-cf", folder / "image.tar", ".")
        run(DOCKER, "import", folder / "image.tar", "shop.example:5000/web:3.1")
        yield request.param
        run(DOCKER, "image", "rm", "-f", "shop.example:5000/web:3.1", check=False)
    finally:
        daemon.terminate()
        daemon.wait(30)
        for path in ("/run/docker.sock",):
            if os.path.exists(path):
                os.unlink(path)


@pytest.fixture
def container(image):
    """Starts Podman containers and removes them."""
    names = []

    def start(*options, command=("sleep", "60")):
        names.append("tocsin-" + uuid.uuid4().hex[:8])
        podman("run", "-d", "--name", names[-1], *LIMITS, *options, image, *command, start_new_session=True)
        return names[-1], podman("inspect", "-f", "{{.Id}}", names[-1])

    yield start
    for name in names:
        podman("rm", "-f", "-t", "0", name, check=False)


class Pod:
    """A container of runc as containerd would start it for Kubernetes."""

    def __init__(self, folder, rootfs, tty=False):
        self.id = uuid.uuid4().hex + uuid.uuid4().hex
        self.uid = str(uuid.uuid4())
        self.root = "/run/containerd/runc/k8s.io"
        self.bundle = folder / self.id
        self.bundle.mkdir()
        run("runc", "spec", cwd=self.bundle)
        path = self.bundle / "config.json"
        spec = json.loads(path.read_text())
        spec["root"] = {"path": str(rootfs), "readonly": True}
        spec["process"].pop("rlimits", None)
        spec["process"].update(args=["sleep", "60"], terminal=tty, cwd="/")
        spec["linux"]["cgroupsPath"] = f"/kubepods/burstable/pod{self.uid}/{self.id}"
        spec["mounts"].append({"destination": "/tmp", "type": "bind", "source": "/etc", "options": ["rbind", "ro"]})
        spec["annotations"] = {
            "io.kubernetes.cri.container-name": "web", "io.kubernetes.cri.container-type": "container",
            "io.kubernetes.cri.image-name": "registry.local:5000/shop/web:7.1",
            "io.kubernetes.cri.sandbox-id": "f" * 64, "io.kubernetes.cri.sandbox-name": "web-6f9c-x2k",
            "io.kubernetes.cri.sandbox-namespace": "shop", "io.kubernetes.cri.sandbox-uid": self.uid}
        path.write_text(json.dumps(spec))

    def __enter__(self):
        with open(os.devnull, "r+") as null:
            subprocess.run(["runc", "--root", self.root, "run", "-d", "-b", self.bundle, self.id], check=True,
                           stdin=null, stdout=null, stderr=null, start_new_session=True)
        return self

    def __exit__(self, *_):
        run("runc", "--root", self.root, "delete", "-f", self.id, check=False)


def in_terminal(*arguments):
    """Runs a command on a terminal of its own that says "exit" by and by."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(arguments[0], arguments)
    os.write(terminal, b"id\nexit\n")
    read = b""
    try:
        while chunk := os.read(terminal, 4096):
            read += chunk
    except OSError:
        pass
    os.close(terminal)
    return os.waitpid(pid, 0)[1], read.decode(errors="replace")


@pytest.fixture
def seen(tmp_path):
    """A sensor that sends what the tests do in containers to a receiver."""
    (tmp_path / "rules.yaml").write_text(RULES)
    receiver = Receiver()
    sensor = Sensor(tmp_path / "spool", receiver.port, "--rules", str(tmp_path / "rules.yaml"),
                    "--container-wait", "5000") # a runtime's answer takes longer on a busy machine
    receiver.sensor = sensor
    yield receiver
    sensor.stop()
    receiver.close()


def event_of(receiver, full_id, name):
    return wait_for(lambda: receiver.find(container__full_id=full_id, proc__name=name), 15,
                    f"{name} in {full_id}")[0]["fields"]


def test_without_an_api_the_files_name_it(seen, container):  # the first: later ones serve it
    if os.path.exists("/run/podman/podman.sock"):
        pytest.skip("skipped, because Podman's API is served on this machine")
    name, full_id = container("--privileged")
    fields = event_of(seen, full_id, "sleep")
    assert fields["container.name"] == name and fields["container.image.repository"] == "localhost/tocsin-test"
    assert fields["container.privileged"] is True
    assert "container.labels" not in fields


def test_the_first_process_of_a_container_has_its_name_image_labels_and_mounts(seen, container, socket_of_podman):
    name, full_id = container("--label", "app=shop", "--label", "tier=web", "-v", "/etc:/mnt:ro")
    fields = event_of(seen, full_id, "sleep")
    assert fields["container.id"] == full_id[:12] and fields["container.name"] == name
    assert fields["container.image"] == IMAGE and fields["container.type"] == "podman"
    assert fields["container.image.repository"] == "localhost/tocsin-test" and fields["container.image.tag"] == "1.2"
    assert fields["container.label[app]"] == "shop"
    assert sorted(fields["container.labels"].split(", ")) == ["app:shop", "tier:web"]
    assert fields["container.mounts"].startswith("/etc:/mnt:") and ":false:" in fields["container.mounts"]
    assert fields["container.privileged"] is False and fields["proc.vpid"] == 1
    assert 0 <= fields["container.duration"] < 60e9
    assert "k8s.pod.name" not in fields


def test_a_process_put_into_a_container_later_is_the_container_s(seen, container):
    name, full_id = container()
    podman("exec", name, "id")
    fields = event_of(seen, full_id, "id")
    assert fields["container.name"] == name and fields["proc.vpid"] > 1
    started = event_of(seen, full_id, "sleep")["container.start_ts"]
    assert abs(fields["container.start_ts"] - started) < 1e9


def test_docker_s_containers_have_names_images_and_labels(dockerd, seen):
    name = "tocsin-" + uuid.uuid4().hex[:8]
    full_id = run(DOCKER, "run", "-d", "--name", name, "--network", "none", "--label", "app=shop", "--label", "note=a\nb",
                  "-v", "/etc:/mnt:ro", "shop.example:5000/web:3.1", "sleep", "60")
    try:
        fields = event_of(seen, full_id, "sleep")
    finally:
        run(DOCKER, "rm", "-f", name)
    assert fields["container.name"] == name and fields["container.type"] == "docker"
    assert fields["container.image.repository"] == "shop.example:5000/web" and fields["container.image.tag"] == "3.1"
    assert fields["container.label[app]"] == "shop" and "note:a\nb" in fields["container.labels"]
    assert fields["container.mounts"].startswith("/etc:/mnt:") and fields["container.privileged"] is False


def test_a_pod_has_its_name_namespace_and_uid(seen, rootfs, tmp_path):
    with Pod(tmp_path, rootfs) as pod:
        fields = event_of(seen, pod.id, "sleep")
    assert fields["k8s.pod.name"] == "web-6f9c-x2k" and fields["k8s.ns.name"] == "shop"
    assert fields["k8s.pod.uid"] == pod.uid and fields["container.name"] == "web"
    assert fields["container.image.repository"] == "registry.local:5000/shop/web"
    assert fields["container.image.tag"] == "7.1" and fields["container.type"] == "containerd"
    assert "/etc:/tmp::false" in fields["container.mounts"]


def test_a_container_that_nobody_knows_is_reported_without_a_name_after_the_wait(seen, rootfs, tmp_path):
    pod = Pod(tmp_path, rootfs)
    pod.root = str(tmp_path / "elsewhere")  # where no runtime keeps its states
    with pod:
        fields = event_of(seen, pod.id, "sleep")
    assert fields["container.id"] == pod.id[:12] and fields["k8s.pod.uid"] == pod.uid
    assert not {"container.name", "container.image", "k8s.pod.name"} & set(fields)
    assert 0 <= fields["container.duration"] < 60e9


def test_the_doctor_says_which_runtimes_there_are(container, socket_of_podman):
    container()
    text = subprocess.run([SENSOR, "--doctor"], capture_output=True, text=True).stdout
    assert "containers of Podman (/run/podman/podman.sock)" in text
    assert "containers of runc (/run/runc)" in text


def test_the_doctor_says_when_there_is_none(tmp_path):
    text = subprocess.run([SENSOR, "--doctor", "--container-root", str(tmp_path)], capture_output=True, text=True).stdout
    assert "no container runtime" in text


@pytest.mark.skipif(not os.path.exists(FALCO), reason="skipped, because Falco's rules are not here")
@pytest.mark.parametrize("kind", ["podman", "pod"])
def test_falcos_terminal_shell_in_container_fires_with_the_container_s_name(tmp_path, rootfs, kind, request):
    hub = Hub(tmp_path, {"rules_files": [FALCO], "append_output": [{"suggested_output": True}]}).start()
    sensor = Sensor(tmp_path / "spool", hub.port)
    try:
        if kind == "podman":
            name, full_id = request.getfixturevalue("container")("--label", "app=shop")
            status, text = in_terminal("podman", "--runtime=runc", "--cgroup-manager=cgroupfs", "exec", "-it", name, "sh")
            want = {"container.id": full_id[:12], "container.name": name,
                    "container.image.repository": "localhost/tocsin-test"}
        else:
            with Pod(tmp_path, rootfs) as pod:
                status, text = in_terminal("runc", "--root", pod.root, "exec", "-t", pod.id, "sh")
            want = {"container.id": pod.id[:12], "container.name": "web", "k8s.pod.name": "web-6f9c-x2k",
                    "k8s.ns.name": "shop"}
        assert status == 0, text

        def alerts():
            entries = hub.api("GET", "/api/v1/alerts?limit=500")[1]["alerts"]
            return [entry["alert"] for entry in entries
                    if entry["alert"]["rule"] == "Terminal shell in container"
                    and entry["alert"]["output_fields"].get("container.id") == want["container.id"]]

        fields = wait_for(alerts, 15, "the alert")[0]["output_fields"]
        assert {key: fields.get(key) for key in want} == want
        assert fields["proc.name"] == "sh" and fields["proc.tty"] != 0
    finally:
        sensor.stop()
        hub.stop()


def test_an_api_that_hangs_or_lies_costs_a_name_and_nothing_else(tmp_path, container):
    """A server in Podman's place: it answers for another container, or not at all."""
    import socket as sockets

    root = tmp_path / "root"
    (root / "run" / "podman").mkdir(parents=True)
    server = sockets.socket(sockets.AF_UNIX)
    server.bind(str(root / "run" / "podman" / "podman.sock"))
    server.listen()
    asked = []

    def serve():
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            asked.append(peer)  # and no answer

    threading.Thread(target=serve, daemon=True).start()
    (tmp_path / "rules.yaml").write_text(RULES)
    receiver = Receiver()
    sensor = Sensor(tmp_path / "spool", receiver.port, "--rules", str(tmp_path / "rules.yaml"),
                    "--container-root", str(root), "--container-wait", "100", "--metrics", "127.0.0.1:0")
    try:
        _, full_id = container()
        fields = event_of(receiver, full_id, "sleep")
        assert asked and "container.name" not in fields and fields["container.id"] == full_id[:12]
    finally:
        assert sensor.stop() == 0
        server.close()
        receiver.close()
