"""Detection is real: what tests/attacks lets loose is seen by the sensor and arrives at the hub as the alert that the
rule promises, with the facts of the deed. Sensor and hub are started once, with all rules; all attacks run; then each
rule is asked for its alert."""
import contextlib
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import uuid

import pytest

from hub import BUILD, ROOT, Hub
from servers import wait_for
from test_containers import FALCO, LIMITS, MISSING, in_terminal, podman, run
from test_sensor import Sensor, ebpf_lacks, observed_by

sys.path.insert(0, str(ROOT / "tests" / "attacks"))
import detections  # noqa: E402
from detections import CONTAINER, HOST, KNOWN, Detection  # noqa: E402

pytestmark = [
    pytest.mark.skipif(ebpf_lacks() is not None, reason=f"skipped, because {ebpf_lacks()}"),
    pytest.mark.skipif(os.geteuid() != 0, reason="skipped, because attackers are root here"),
]
IMAGE = "localhost/tocsin-attacks:7"
# By these an alert is told from others of its rule, and looked at, whatever the rule's own text shows.
SHOWN = ["proc.name", "proc.pname", "proc.cmdline", "proc.cwd", "proc.exepath", "proc.exe", "proc.args", "proc.pcmdline", "proc.aname[2]",
         "proc.tty", "user.name", "user.uid", "group.name", "evt.type", "evt.res", "fd.name", "fd.nameraw", "fd.type", "fd.rport",
         "container.id", "container.name", "container.image.repository", "container.privileged"]
NAMES = ["nginx", "redis-server", "sshd", "ssh", "webapp", "nmap", "tor", "xmrig", "kthreadd", "bpftool", "pkexec", "setcap", "crontab", "useradd",
         "curl", "systemctl", "mysqld", "sha1sum", "apk", "socat", "scp", "wget", "lua", "ruby", "kubectl", "sudoedit", "npm", "java"]  # what attack is called besides
APPLETS = ["sh", "id", "sleep", "cat", "nc", "grep", "find", "cp", "touch", "ln", "rm", "mkdir", "mv", "chmod", "chroot", "mount",
           "umount", "debugfs", "ls", "tar", "base64", "true"]


class Range:
    """Where attacks are run: a folder that is there by the same name on the host and in the container."""

    def __init__(self, folder):
        self.folder = folder
        self.unique = "provoke" + uuid.uuid4().hex[:6]
        self.container = None
        self.programs = {HOST: folder / "programs", CONTAINER: pathlib.Path("/programs")}

    def place(self, attack):
        return self.folder / re.sub(r"\W", "-", attack.name)

    def fill(self, text, attack):
        """Puts the attack's own names in the place of those of the table."""
        for name, value in (("{a}", self.programs[attack.where]), ("{work}", self.place(attack)), ("{unique}", self.unique)):
            text = text.replace(name, str(value))
        return text

    def make(self):
        """The programs, and an image in which they are, too."""
        programs = self.programs[HOST]
        root = self.folder / "root"
        for name in ("bin", "dev", "etc", "proc", "sys", "tmp", "programs"):
            (root / name).mkdir(parents=True)
        shutil.copy(shutil.which("busybox"), root / "bin" / "busybox")
        for name in APPLETS:
            (root / "bin" / name).symlink_to("busybox")
        (root / "etc" / "passwd").write_text("root:x:0:0::/:/bin/sh\nweb:x:33:33::/:/bin/sh\namy:x:65534:65534::/:/bin/sh\n")
        (root / "etc" / "group").write_text("root:x:0:\npages:x:33:\n")
        (root / "etc" / "sudoers").write_text("root ALL=(ALL) ALL\n")
        shutil.copy(BUILD / "tests" / "attacks" / "attack", root / "programs" / "attack")
        for name in NAMES:
            (root / "programs" / name).symlink_to("attack")
        shutil.copytree(root / "programs", programs, symlinks=True)
        run("tar", "-C", root, "-cf", self.folder / "image.tar", ".")
        run("podman", "import", self.folder / "image.tar", IMAGE)

    def start(self):
        self.container = self.unique
        podman("run", "-d", "--name", self.container, *LIMITS, "--privileged", "-v", f"{self.folder}:{self.folder}",
               "-v", "/var/tmp:/mnt/var-tmp:ro", IMAGE, "sleep", "300",
               start_new_session=True)
        self.container_id = podman("inspect", "-f", "{{.Id}}", self.container)[:12]

    def script(self, attacks, name):
        """One script that makes all these attacks, each by a shell of its own in a folder of its own."""
        lines, awaited = [], ""
        for attack in sorted(attacks, key=lambda attack: not attack.first):
            self.place(attack).mkdir(mode=0o777)
            line = f"cd {self.place(attack)} && /bin/sh -c {shlex.quote(self.fill(attack.script, attack))} </dev/null >said 2>&1"
            lines.append(line + (" &" if attack.first else ""))
        path = self.folder / name
        path.write_text("\n".join([*lines, "wait", ""]))
        return path

    def commands(self):
        """What is to be run at once, and what after that on a terminal and without."""
        there = [attack for attack in detections.ATTACKS if attack.script]
        exec_ = ["podman", "--runtime=runc", "--cgroup-manager=cgroupfs", "exec"]
        return ([["sh", self.script([a for a in there if a.where == HOST], "host.sh")],
                 [*exec_, self.container, "sh", self.script([a for a in there if a.where == CONTAINER], "container.sh")],
                 [*exec_, self.container, "/bin/tar", "-cf", "/dev/null", "/programs/attack"]],
                [*exec_, "-it", self.container, "sh"])

    def attack(self, observer=lambda name: []):
        """`observer` gives a command that runs another one."""
        at_once, on_terminal = self.commands()
        running = [subprocess.Popen([*observer(f"spool{i}"), *command], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                   for i, command in enumerate(at_once)]
        in_terminal(*observer("spool-terminal"), *on_terminal)
        assert [process.wait(60) for process in running] == [0] * len(running)

    def stop(self):
        if self.container is not None:
            podman("rm", "-f", "-t", "0", self.container, check=False)
        run("podman", "rmi", "-f", IMAGE, check=False)


class Outcome:
    """The alerts of all attacks."""

    def __init__(self, range_, path, probe):
        self.range, self.path, self.probe = range_, path, probe
        self.attacks = {attack.name: attack for attack in detections.ATTACKS}
        self.alerts, self.read_to = {}, 0

    def read(self):
        with open(self.path) as file:
            file.seek(self.read_to)
            for line in iter(file.readline, ""):
                if not line.endswith("\n"):
                    break
                alert = json.loads(line)
                self.alerts.setdefault(alert["rule"], []).append(alert)
                self.read_to += len(line.encode())

    def wait(self):
        """Until all alerts are there; each test says what it misses."""
        def complete():
            self.read()
            return all(self.find(row)[0] for file, row in ROWS if os.path.exists(RULES[file]) and is_seen(self.probe, row))

        with contextlib.suppress(AssertionError):
            wait_for(complete, 25, "all alerts")

    def want(self, row):
        attack = self.attacks[row.attack]
        inside = attack.where == CONTAINER
        want = {"proc.cwd": "{work}/", "proc.pname": "sh", "user.name": "root",
                "container.id": self.range.container_id if inside else "host",
                "container.name": self.range.container if inside else "host",
                **({"container.image.repository": IMAGE.split(":")[0], "container.privileged": True} if inside else {}),
                **row.want}
        return {name: self.fill(value, attack) for name, value in want.items()}

    def fill(self, value, attack):
        if isinstance(value, re.Pattern):
            return re.compile(self.range.fill(value.pattern, attack))
        return self.range.fill(value, attack) if isinstance(value, str) else value

    def find(self, row):
        """(the alert, None) or (None, the nearest ones)."""
        want = self.want(row)
        near = []
        for alert in self.alerts.get(row.rule, []):
            wrong = {name: alert["output_fields"].get(name) for name, value in want.items()
                     if not agrees(alert["output_fields"].get(name), value)}
            if not wrong:
                return alert, None
            near.append((len(wrong), wrong, alert))
        return None, [(wrong, alert["output_fields"]) for _, wrong, alert in sorted(near, key=lambda found: found[0])[:2]]


def agrees(have, want):
    if want is KNOWN:
        return have is not None
    if isinstance(want, re.Pattern):
        return have is not None and want.match(str(have)) is not None
    return have == want


RULES = {"falco_rules.yaml": FALCO, "tocsin_rules.yaml": ROOT / "rules" / "tocsin_rules.yaml",
         "generator_rules.yaml": ROOT / "tests" / "attacks" / "generator_rules.yaml"}
ROWS = [(file, row) for file, rows in detections.TABLES.items() for row in rows if isinstance(row, Detection)]


def in_cluster(range_):
    """Runs a command where the API of Kubernetes has a name."""
    hosts = range_.folder / "hosts"
    hosts.write_text("127.0.0.1 localhost\n10.96.0.1 kubernetes.default.svc.cluster.local\n")
    return ["unshare", "-m", "--propagation", "slave", "sh", "-c", f'mount --bind {hosts} /etc/hosts && exec "$@"', "sh"]


@contextlib.contextmanager
def watched(range_, probe, hub):
    """Lets the attacks loose below a sensor."""
    range_.make()
    if probe != "ebpf":
        range_.start()
        options = ["--hub", f"http://127.0.0.1:{hub.port}"]
        range_.attack(lambda name: [*in_cluster(range_), *observed_by(probe, [*options, "--spool-dir", str(range_.folder / name)])])
        yield
        return
    sensor = Sensor(range_.folder / "spool", hub.port, prefix=in_cluster(range_))
    try:
        range_.start()
        range_.attack()
        yield
    finally:
        sensor.stop()


PROBES = ["ebpf", "run", "attach"]


def is_seen(probe, row):
    return probe == "ebpf" or not (row.not_by_ptrace or (probe == "attach" and row.not_by_attach))


@pytest.fixture(scope="module")
def outcome(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("provoke")
    os.chmod(folder, 0o755)
    range_ = Range(folder)
    rules = [path for path in RULES.values() if os.path.exists(path)]
    hub = Hub(tmp_path_factory.mktemp("hub"), {
        "rules_files": [str(path) for path in rules], "rule_matching": "all", "rules": [{"enable": {"rule": "*"}}],
        "append_output": [{"extra_fields": SHOWN}],
        "outputs": {"archive": {"type": "file", "path": str(folder / "alerts.json")}}})
    try:
        hub.start()
        with watched(range_, request.param, hub):
            result = Outcome(range_, folder / "alerts.json", request.param)
            result.wait()
        yield result
    finally:
        hub.stop()
        range_.stop()


@pytest.mark.skipif(bool(MISSING), reason=f"skipped, because there is no {' nor '.join(MISSING)}")
@pytest.mark.parametrize("outcome", PROBES, indirect=True)
@pytest.mark.parametrize("file, row", ROWS, ids=[f"{row.rule}: {row.attack}" for _, row in ROWS])
def test_the_attack_rings_the_bell(outcome, file, row):
    if not os.path.exists(RULES[file]):
        pytest.skip(f"skipped, because {file} is not here")
    alert, near = outcome.find(row)
    if not is_seen(outcome.probe, row):
        assert alert is None, "it is seen: the table is wrong"
        return
    said = outcome.range.place(outcome.attacks[row.attack]) / "said"
    assert alert is not None, f"wanted {outcome.want(row)}\nnearest {near}\nthe attack said: {said.read_text() if said.exists() else ''}"
    nowhere = {*row.without, *NOWHERE, *NOT_IN[outcome.attacks[row.attack].where], *NOT_BY[outcome.probe]}
    unknown = [name for name in fields_without_value(alert) if name not in nowhere]
    assert not unknown, f"no value for {unknown} in {alert['output']}"


# What does not exist here: nobody has logged in; ancestors end with the machine's first process, which is soon when
# these tests are a service's, those of a traced command end with itself.
NOWHERE = {"user.loginname"} | {f"proc.aname[{n}]" for n in range(4, 8)}
NOT_IN = {HOST: {"container.start_ts"}, CONTAINER: set()}
NOT_BY = {"ebpf": set(), "run": {f"proc.aname[{n}]" for n in range(2, 8)} | {"proc.aexepath[2]"}, "attach": set()}


def fields_without_value(alert):
    """Fields that the rule's own text shows and that the alert does not have."""
    shown = set(alert["output_fields"]) - set(SHOWN)
    return sorted(name for name in shown if alert["output_fields"][name] is None)
