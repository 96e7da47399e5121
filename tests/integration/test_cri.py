"""A real containerd by its CRI: a pod and a container in it made as a kubelet makes them, and what the sensor says."""
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import uuid

import pytest

from servers import wait_for
from test_containers import event_of, rootfs, run  # noqa: F401 (a fixture)
from test_sensor import Receiver, Sensor, ebpf_lacks

MISSING = [name for name in ("containerd", "ctr", "runc", "curl", "busybox") if shutil.which(name) is None]
pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"skipped, because there is no {' nor '.join(MISSING)}"),
    pytest.mark.skipif(ebpf_lacks() is not None, reason=f"skipped, because {ebpf_lacks()}"),
    pytest.mark.skipif(os.geteuid() != 0, reason="skipped, because containers want root here"),
]
IMAGE = "registry.example:5000/shop/web:2.4"


# ---- Protocol Buffers and gRPC, as much as is asked here ----


def varint(number):
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7f | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def labels(number, pairs):
    return b"".join(field(number, field(1, key) + field(2, value)) for key, value in pairs.items())


class Containerd:
    def __init__(self, folder):
        self.folder = folder
        self.socket = str(folder / "run/containerd/containerd.sock")
        (folder / "run/containerd").mkdir(parents=True)
        (folder / "config.toml").write_text(f"""version = 2
root = "{folder}/root"
state = "{folder}/state"
[grpc]
  address = "{self.socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{IMAGE}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
  [plugins."io.containerd.grpc.v1.cri".cni]
    conf_dir = "{folder}/cni"
""")
        with open(folder / "log", "w") as log:
            self.daemon = subprocess.Popen(["containerd", "--config", folder / "config.toml"], stdin=subprocess.DEVNULL,
                                           stdout=log, stderr=log, start_new_session=True)

    def log(self):
        return (self.folder / "log").read_text()

    def call(self, method, message, check=True):
        done = subprocess.run(
            ["curl", "-sS", "--http2-prior-knowledge", "--unix-socket", self.socket, "-H", "Content-Type: application/grpc",
             "-H", "TE: trailers", "--data-binary", "@-", "-D", "/dev/stderr", f"http://localhost/runtime.v1.RuntimeService/{method}"],
            input=b"\0" + len(message).to_bytes(4, "big") + message, capture_output=True, timeout=60, check=False)
        assert not check or b"grpc-status: 0" in done.stderr.lower(), (method, done.stderr, self.log()[-2000:])
        return done.stdout[5:]


def import_image(containerd, rootfs):  # noqa: F811
    """An OCI image of one layer, as an archive that ctr takes."""
    def blob(data):
        return "sha256:" + hashlib.sha256(data).hexdigest()

    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.add(rootfs, arcname=".")
    layer = layer.getvalue()
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/sleep", "600"]},
                         "rootfs": {"type": "layers", "diff_ids": [blob(layer)]}}).encode()
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": blob(config), "size": len(config)},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": blob(layer), "size": len(layer)}]}).encode()
    index = json.dumps({"schemaVersion": 2, "manifests": [
        {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": blob(manifest), "size": len(manifest),
         "annotations": {"io.containerd.image.name": IMAGE}}]}).encode()
    archive = containerd.folder / "image.tar"
    with tarfile.open(archive, "w") as tar:
        for name, data in [("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'), ("index.json", index)] + \
                [("blobs/sha256/" + blob(data)[7:], data) for data in (layer, config, manifest)]:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    run("ctr", "-a", containerd.socket, "-n", "k8s.io", "images", "import", "--snapshotter", "native", archive)


@pytest.fixture(scope="module")
def containerd(tmp_path_factory, rootfs):  # noqa: F811
    containerd = Containerd(tmp_path_factory.mktemp("cri"))
    try:
        wait_for(lambda: run("ctr", "-a", containerd.socket, "version", check=False).count("Version") == 2 or
                 containerd.daemon.poll() is not None, 30, "containerd")
        assert containerd.daemon.poll() is None, containerd.log()
        import_image(containerd, rootfs)
        yield containerd
    finally:
        containerd.daemon.terminate()
        containerd.daemon.wait(30)
        subprocess.run(f"grep -l {containerd.folder} /proc/[0-9]*/cmdline 2>/dev/null | cut -d/ -f3 | "
                       "xargs -r kill -9 2>/dev/null", shell=True, check=False)
        subprocess.run(f"grep -o '{containerd.folder}[^ ]*' /proc/mounts | sort -r | xargs -r umount -l", shell=True, check=False)


@pytest.fixture
def pod(containerd):
    """A pod that shares the host's network, so that no CNI is wanted."""
    uid = str(uuid.uuid4())
    options = field(1, field(1, 2))  # LinuxSandboxSecurityContext.namespace_options.network = NODE
    config = field(1, field(1, "web-6f9c-x2k") + field(2, uid) + field(3, "shop")) + \
        labels(6, {"app": "shop", "track": "canary"}) + field(8, field(2, options))
    sandbox = containerd.call("RunPodSandbox", field(1, config))
    identity = sandbox[2:2 + sandbox[1]].decode()
    yield {"uid": uid, "id": identity, "config": config}
    containerd.call("StopPodSandbox", field(1, identity), check=False)
    containerd.call("RemovePodSandbox", field(1, identity), check=False)


def test_a_pod_s_labels_come_from_the_cri_socket(containerd, pod, tmp_path):
    (tmp_path / "rules.yaml").write_text("""
- rule: In a container
  desc: What the test starts.
  condition: evt.type in (execve, execveat) and container.id != host and proc.name = sleep
  output: "%container.name %container.image.repository %container.labels %container.mounts %k8s.pod.name
    %k8s.pod.label[track] %k8s.pod.labels %k8s.ns.name %k8s.pod.uid"
  priority: NOTICE
""")
    receiver = Receiver()
    sensor = Sensor(tmp_path / "spool", receiver.port, "--rules", str(tmp_path / "rules.yaml"),
                    "--container-root", str(containerd.folder), "--container-wait", "2000")
    try:
        config = field(1, field(1, "web")) + field(2, field(1, IMAGE)) + field(3, "/bin/sleep") + field(4, "61") + \
            field(7, field(1, "/data") + field(2, "/etc") + field(3, 1)) + labels(9, {"tier": "front"}) + \
            field(15, field(2, b""))
        answer = containerd.call("CreateContainer", field(1, pod["id"]) + field(2, config) + field(3, pod["config"]))
        identity = answer[2:2 + answer[1]].decode()
        containerd.call("StartContainer", field(1, identity))
        fields = event_of(receiver, identity, "sleep")
    finally:
        sensor.stop()
        receiver.close()
    assert fields["container.name"] == "web" and fields["container.type"] == "containerd"
    assert fields["container.image.repository"] == "registry.example:5000/shop/web" and fields["container.image.tag"] == "2.4"
    assert "tier:front" in fields["container.labels"] and "/etc:/data:" in fields["container.mounts"]
    assert fields["k8s.pod.name"] == "web-6f9c-x2k" and fields["k8s.ns.name"] == "shop" and fields["k8s.pod.uid"] == pod["uid"]
    assert fields["k8s.pod.label[track]"] == "canary" and "app:shop" in fields["k8s.pod.labels"]
