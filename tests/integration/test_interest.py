"""Which opens pass in the kernel: what the rules of the moment can match, and nothing else."""
import collections
import ctypes
import json
import os
import platform
import re
import signal
import socket
import subprocess
import sys
import urllib.request
import uuid

import pytest

from hub import Hub
from test_tamper import bpf, map_of
from test_sensor import SENSOR, Sensor, cgroup_root, needs_ebpf, receiver, sensors, wait_for  # noqa: F401 (fixtures)

HERE = os.path.dirname(os.path.abspath(__file__))
READ = "evt.type in (open, openat) and evt.is_open_read = true and fd.num >= 0"

# By rule: its condition, a file that it wants and one that it does not; {t} is a folder of the test's.
WANTED = {
    "whole": ("fd.name = {t}/whole", "whole", "whol"),
    "list": ("fd.name in ({t}/one, {t}/two)", "two", "three"),
    "prefix": ("fd.name startswith {t}/pre", "prefix", "xpre"),
    "directory": ("fd.directory = {t}/keys", "keys/a", "keysafe"),
    "last": ("fd.filename = id_lead", "any/id_lead", "any/id_lead.pub"),
    "ending": ("fd.name endswith .tocsin", "a.tocsin", "a.tocsi"),
    "component": ("fd.name contains /.vault-x/", ".vault-x/deep/er/file", "vault-x/file"),
    "lead": ("fd.filename startswith .envx", ".envx.local", "envx"),
    "any lead": ("fd.name contains /.hid", "z/.hidden/file", "z/hidden"),
    "glob": ("fd.name glob {t}/p/*/mem", "p/12/mem", "p/12/maps"),
    "regex": ("fd.name regex '{t}/r/[0-9]+/environ'", "r/7/environ", "r/7/stat"),
    "pmatch": ("fd.name pmatch ({t}/run/secrets)", "run/secrets/token", "run/x"),
    "anything": ("fd.name contains nywhere", "sub/somanywherex", "sub/some"),
}


def rules_text(wanted, folder):
    return json.dumps([  # which is YAML
        {"rule": name, "desc": "d", "priority": "NOTICE", "output": "%fd.name",
         "condition": f"{READ} and fd.name startswith {os.path.dirname(folder)} and "
                      f"{condition.format(t=folder)}"}
        for name, (condition, *_) in wanted.items()])


def make(path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w"):
        pass


def read(path):
    with open(path):
        pass


@pytest.fixture
def folder(tmp_path):
    path = str(tmp_path / "wanted")
    for _, yes, no in WANTED.values():
        make(f"{path}/{yes}")
        make(f"{path}/{no}")
    return path


def names(receiver):
    return {event["fields"]["fd.name"] for event in receiver.find()}


@needs_ebpf
@pytest.mark.parametrize("rule", WANTED)
def test_the_kernel_lets_pass_what_the_rule_wants(receiver, sensors, tmp_path, folder, rule):  # noqa: F811
    condition, yes, no = WANTED[rule]
    # Alone: no other rule of the set opens the way. The last read says that all before it were looked at.
    (tmp_path / "rules.yaml").write_text(rules_text({rule: WANTED[rule], "end": ("fd.name = {t}/the-end", 0, 0)}, folder))
    make(f"{folder}/the-end")
    sensor = sensors(receiver.port, "--rules", str(tmp_path / "rules.yaml"))
    read(f"{folder}/{no}")
    read(f"{folder}/{yes}")
    read(f"{folder}/the-end")
    wait_for(lambda: f"{folder}/the-end" in names(receiver))
    assert names(receiver) == {f"{folder}/{yes}", f"{folder}/the-end"}
    assert sensor.stop() == 0


@needs_ebpf
def test_names_with_two_dots_pass_when_a_rule_looks_for_them(receiver, sensors, tmp_path, folder):  # noqa: F811
    (tmp_path / "rules.yaml").write_text(rules_text({"dots": ("fd.nameraw contains ../", 0, 0)}, folder))
    sensors(receiver.port, "--rules", str(tmp_path / "rules.yaml"))
    for name in ("whole", "./whole", "keys/../prefix", "any/../two", "keys/a"):
        read(f"{folder}/{name}")
    wait_for(lambda: len(receiver.find()) >= 2)
    assert {event["fields"]["fd.nameraw"] for event in receiver.find()} == \
        {f"{folder}/keys/../prefix", f"{folder}/any/../two"}


@needs_ebpf
def test_what_was_said_of_a_path_is_not_said_of_another(receiver, sensors, tmp_path, folder):  # noqa: F811
    """The kernel keeps what its tables said of a path: of the same file by another name, it asks them again."""
    (tmp_path / "rules.yaml").write_text(rules_text({"whole": ("fd.name = {t}/kept/wanted", 0, 0)}, folder))
    kept = f"{folder}/kept"
    make(f"{kept}/other")
    make(f"{folder}/beside/wanted")
    sensors(receiver.port, "--rules", str(tmp_path / "rules.yaml"))
    for turn in range(1, 4):
        for name in ("kept/other", "kept/other", "beside/wanted", "beside/wanted"):
            read(f"{folder}/{name}")
        os.rename(f"{kept}/other", f"{kept}/wanted")  # the same file
        read(f"{kept}/wanted")
        os.rename(kept, f"{folder}/away")  # the same names below another folder
        read(f"{folder}/away/wanted")
        os.rename(f"{folder}/away", kept)
        read(f"{kept}/wanted")
        os.rename(f"{kept}/wanted", f"{kept}/other")
        wait_for(lambda count=2 * turn: len(receiver.find()) >= count)
        assert len(receiver.find()) == 2 * turn
    assert names(receiver) == {f"{kept}/wanted"}


@needs_ebpf
def test_paths_of_every_length_are_told_apart(receiver, sensors, tmp_path, folder):  # noqa: F811
    """Longer ones than are kept, too; and names of one letter and of the most that there are."""
    (tmp_path / "rules.yaml").write_text(rules_text({"last": ("fd.filename endswith .yes", 0, 0)}, folder))
    sensors(receiver.port, "--rules", str(tmp_path / "rules.yaml"))
    wanted = set()
    for length in (5, 8, 9, 15, 16, 17, 31, 32, 33, 60, 100, 251, 255):
        for end in (".yes", ".not"):
            path = f"{folder}/{'n' * (length - 4)}{end}"
            make(path)
            read(path)
            read(path)
        wanted.add(f"{folder}/{'n' * (length - 4)}.yes")
    deep = folder + "/d" * 40
    make(f"{deep}/a.yes")
    make(f"{deep}/a.not")
    for name in ("a.yes", "a.not", "a.not", "a.yes"):
        read(f"{deep}/{name}")
    wanted.add(f"{deep}/a.yes")
    wait_for(lambda: len(receiver.find()) >= 2 * len(wanted))
    assert names(receiver) == wanted
    assert len(receiver.find()) == 2 * len(wanted)


@needs_ebpf
def test_other_rules_change_what_passes_while_the_sensor_runs(tmp_path, folder):
    """Every kind of fact gives way to the next one, and nothing of it is left behind."""
    hub_folder = tmp_path / "hub"
    (hub_folder / "rules").mkdir(parents=True)
    path = hub_folder / "rules" / "a.yaml"
    path.write_text(rules_text({"whole": WANTED["whole"]}, folder))
    hub = Hub(hub_folder, {"rules_files": [str(hub_folder / "rules")]}).start()
    sensor = Sensor(tmp_path / "spool", hub.port)
    try:
        for name in WANTED:
            path.write_text(rules_text({name: WANTED[name]}, folder))
            wait_for(lambda: loaded(hub) == {name}, what="the rules at the hub")
            wait_for(lambda: raised_version(hub) in sensor.text(), what="the rules in force")
            for _, other, _no in WANTED.values():
                read(f"{folder}/{other}")
            wait_for(lambda: name in raised(hub), what=f"the alert of {name}")
        assert set(WANTED) == raised(hub)
        assert sensor.stop() == 0
    finally:
        sensor.stop(signal.SIGKILL)
        hub.stop()


def loaded(hub):
    return {rule["name"] for rule in hub.api("GET", "/api/v1/rules")[1]["rules"]}


def raised_version(hub):
    return f"version {hub.api('GET', '/api/v1/status')[1]['rules']['policy']} in force"


def raised(hub):
    return {entry["alert"]["rule"] for entry in hub.api("GET", "/api/v1/alerts?limit=500")[1]["alerts"]}


LINKS = {  # by rule: its condition, the name that is opened, and what it leads to
    "name": ("fd.name = {t}/in/link", "in/link", "out/file"),
    "prefix": ("fd.name startswith {t}/in", "in/link", "out/file"),
    "last": ("fd.filename = id_link", "any/id_link", "out/file"),
    "ending": ("fd.name endswith .lnk", "any/a.lnk", "out/file"),
    "component": ("fd.name contains /.vault-x/", ".vault-x/deep/link", "out/file"),
    "lead": ("fd.filename startswith .envx", "any/.envx.link", "out/file"),
    "folder": ("fd.name startswith {t}/shown/", "shown/file", "out/file"),
    "known one": ("fd.name = /proc/self/limits", "/proc/self/limits", None),
}


@needs_ebpf
@pytest.mark.parametrize("rule", LINKS)
@pytest.mark.parametrize("relative", (False, True))
def test_a_rule_may_name_a_path_that_is_a_link(receiver, sensors, tmp_path, rule, relative):  # noqa: F811
    condition, name, target = LINKS[rule]
    folder, end = str(tmp_path / "wanted"), str(tmp_path / "wanted" / "the-end")
    make(end)
    name = os.path.join(folder, name)
    if target is not None:
        make(f"{folder}/{target}")
        os.makedirs(os.path.dirname(os.path.dirname(name)), exist_ok=True)
        if rule == "folder":
            os.symlink("out", os.path.dirname(name))
        else:
            make(f"{os.path.dirname(name)}/beside")
            os.symlink(f"{folder}/{target}", name)
    (tmp_path / "rules.yaml").write_text("".join(
        f"- rule: r{number}\n  desc: d\n  priority: INFO\n  output: '%fd.name'\n  condition: {READ} and {text}\n"
        for number, text in enumerate((condition.format(t=folder), f"fd.name = {end}"))))
    sensor = sensors(receiver.port, "--rules", str(tmp_path / "rules.yaml"))
    if relative:
        at = os.open(os.path.dirname(os.path.dirname(name)), os.O_RDONLY)
        os.close(os.open("/".join(name.split("/")[-2:]), os.O_RDONLY, dir_fd=at))
        os.close(at)
    else:
        read(name)
    read(end)
    wait_for(lambda: end in names(receiver))
    if target is not None or not relative:
        assert name in names(receiver)
    assert sensor.stop() == 0


# Each looks at one thing of a name, so that the kernel is asked about it; the last makes every open pass.
LOOKS = ["fd.name = {t}/qetc/qa", "fd.filename = qshadow.lnk", "fd.name endswith .pem", "fd.name contains /.qssh/",
         "fd.filename startswith plain.l", "fd.name startswith {t}/qhome", "fd.directory = {t}/qlink/.qssh",
         "fd.name contains /.qs", "fd.name startswith /qetc", "fd.name = /qshadow/qhome/qa"]


def beside(receiver, sensors, tmp_path, calls, output, looks, others=()):
    """Two sensors, by name their ids: "few" with a rule for each look at these calls, and "all", to which every such call comes,
    for one more rule that never matches."""
    ids = {}
    for name, more in (("few", []), ("all", ["user.name = nobody-has-this-name"])):
        path = tmp_path / f"{name}.yaml"
        path.write_text(json.dumps([
            {"rule": f"r{number}", "desc": "d", "priority": "INFO", "output": output, "condition": f"{calls} and {text}"}
            for number, text in enumerate([*looks, *more])] + [*others]))
        sensor = sensors(receiver.port, "--rules", str(path), spool=f"spool-{name}")
        ids[name] = re.search(r"sensor (\S+), boot", sensor.text()).group(1)
    return ids


def told_by(ids, events, *fields):
    """How often each of the two told of what."""
    seen = {name: collections.Counter() for name in ids}
    for event in events:
        name = "few" if event["sensor"]["id"] == ids["few"] else "all"
        seen[name][tuple(event["fields"].get(field) for field in fields)] += 1
    return seen


def differences(seen):
    return seen["few"] - seen["all"], seen["all"] - seen["few"]


@needs_ebpf
@pytest.mark.parametrize("seed", range(3))
def test_what_a_rule_wants_passes_however_it_is_opened(receiver, sensors, tmp_path, seed):  # noqa: F811
    """Held against a sensor to which every open comes, for one more rule that never matches."""
    tree, end = str(tmp_path / "tree"), str(tmp_path / "the-end")
    make(end)
    looks = [text.format(t=tree) for text in LOOKS[seed::3]]
    ids = beside(receiver, sensors, tmp_path, "evt.type in (open, openat)", "%fd.name %fd.nameraw %evt.arg.name",
                 [*looks, f"fd.name = {end}"])
    subprocess.run([sys.executable, os.path.join(HERE, "made_opens.py"), tree, str(seed), "150"], check=True)
    read(end)
    wait_for(lambda: len(receiver.find(fd__name=end)) >= 2)
    seen = told_by(ids, receiver.find(proc__name="made-opens"), "fd.name", "fd.nameraw", "evt.arg.name", "evt.rawres", "proc.vpid")
    assert differences(seen) == ({}, {})
    assert sum(seen["all"].values()) > 20


# Of calls other than opens; again the last makes each of them pass.
NAME_LOOKS = ["evt.arg.path = {t}/qetc/qa", "basename(evt.arg.newpath) = qshadow.lnk", "evt.arg.name startswith {t}/qhome",
              "evt.arg.oldpath endswith .pem", "evt.arg.target in (/, qetc/qa)", "evt.arg.linkpath contains /.qssh/",
              "evt.arg.filename glob */plain-d*", "fd.name endswith /qhome", "evt.arg.newpath = /qetc/qhome/qa",
              "evt.arg.path startswith /qshadow", "evt.arg.dir = {t}/qetc/qhome", "evt.arg.arg2_str startswith made-nq",
              "evt.arg.pathname = {t}/qetc", "evt.arg.target = <NA>"]
NAME_CALLS = ("evt.type in (unlink, unlinkat, rmdir, rename, renameat, renameat2, link, linkat, symlink, symlinkat, chmod, "
              "fchmodat, fchmod, chown, fchown, lchown, fchownat, mkdir, mkdirat, mknod, mknodat, umount2, mount, prctl, chroot)")


@needs_ebpf
@pytest.mark.parametrize("seed", range(3))
def test_what_a_rule_wants_passes_whatever_names_it(receiver, sensors, tmp_path, seed):  # noqa: F811
    """The same of other calls with names."""
    tree, end = str(tmp_path / "tree"), str(tmp_path / "the-end")
    looks = [text.format(t=tree) for text in NAME_LOOKS[seed::3]]
    ids = beside(receiver, sensors, tmp_path, NAME_CALLS, "%evt.args %fd.name", [*looks, f"evt.arg.path = {end}"])
    said = interest(tmp_path / "few.yaml")[1]
    assert "always" not in said
    subprocess.run([sys.executable, os.path.join(HERE, "made_names.py"), tree, str(seed), "200"], check=True)
    os.mkdir(end)
    wait_for(lambda: len([event for event in receiver.find() if event["fields"].get("evt.arg.path") == end]) >= 2)
    seen = told_by(ids, [event for event in receiver.find() if event["fields"]["proc.name"].startswith("made-n")],
                   "evt.type", "evt.args", "fd.name", "evt.rawres", "proc.vpid", "proc.name")
    assert differences(seen) == ({}, {})
    assert sum(seen["all"].values()) > 20


def end_rule(path):
    return {"rule": "end", "desc": "d", "priority": "INFO", "output": "o", "condition": f"evt.type = mkdir and evt.arg.path = {path}"}


def talk(port, other, hosts=((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))):
    """Connections and messages to, from and at these ports, some of them in vain."""
    for family, host in hosts:
        for to in (port, other):
            with socket.socket(family) as server, socket.socket(family) as client, \
                    socket.socket(family, socket.SOCK_DGRAM) as here, socket.socket(family, socket.SOCK_DGRAM) as there:
                server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                client.setblocking(False)
                client.connect_ex((host, to))  # nobody listens yet
                server.bind((host, to))
                server.listen()
                with socket.create_connection((host, to)):
                    server.accept()[0].close()
                here.bind((host, to))
                there.sendto(b"a", (host, to))
                there.sendmsg([b"b"], [], 0, (host, to))
                here.recvfrom(1)
                here.recvfrom(1)
                there.connect((host, to))
                there.send(b"c")


@needs_ebpf
@pytest.mark.parametrize("receives", (False, True))
def test_what_a_rule_wants_passes_by_the_ports(receiver, sensors, tmp_path, receives):  # noqa: F811
    """Held against a sensor to which every such call comes. Who receives is told who began: then all that shows it passes."""
    types = "connect, accept, accept4, bind, sendto, sendmsg" + (", recvfrom" if receives else "")
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        port, other = one.getsockname()[1], two.getsockname()[1]
    end = str(tmp_path / "the-end")
    looks = [f"fd.sport = {port}", f"fd.rport in ({port}, 1)", f"(fd.lport = {port} or fd.cport = {port})"]
    ids = beside(receiver, sensors, tmp_path, f"evt.type in ({types})", "%fd.name", looks, [end_rule(end)])
    assert ("connect: ip: by its ports" in interest(tmp_path / "few.yaml")[1]) != receives
    talk(port, other)
    os.mkdir(end)
    wait_for(lambda: len(receiver.find(evt__type="mkdir")) >= 2)
    seen = told_by(ids, receiver.find(proc__pid=os.getpid()), "evt.type", "fd.name", "evt.rawres")
    assert differences(seen) == ({}, {})
    assert sum(seen["all"].values()) > 10 and not any(f":{other}" in str(key[1]) for key in seen["few"])


ADDRESS_LOOKS = ["fd.sip = 127.9.8.7", "fd.rip in (127.9.8.7, ::1)", "fd.snet in (127.9.8.0/22, 10.0.0.0/8)",
                 "(fd.cnet = ::1/128 or fd.lip = 127.9.8.7 or fd.net = 127.9.11.128/25)"]


@needs_ebpf
@pytest.mark.parametrize("seed", range(len(ADDRESS_LOOKS)))
def test_what_a_rule_wants_passes_by_the_addresses(receiver, sensors, tmp_path, seed):  # noqa: F811
    """Held against a sensor to which every such call comes."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        port, other = one.getsockname()[1], two.getsockname()[1]
    end = str(tmp_path / "the-end")
    ids = beside(receiver, sensors, tmp_path, "evt.type in (connect, accept, accept4, bind, sendto, sendmsg)", "%fd.name",
                 [ADDRESS_LOOKS[seed]], [end_rule(end)])
    said = interest(tmp_path / "few.yaml")[1]
    assert "address is in" in said and "connect: ip: by its ports or addresses" in said
    talk(port, other, [(socket.AF_INET, host) for host in ("127.9.8.7", "127.9.11.200", "127.9.12.1")] +
         [(socket.AF_INET6, host) for host in ("::1", "::ffff:127.9.8.7", "::ffff:127.0.0.1")])
    os.mkdir(end)
    wait_for(lambda: len(receiver.find(evt__type="mkdir")) >= 2)
    seen = told_by(ids, receiver.find(proc__pid=os.getpid()), "evt.type", "fd.name", "evt.rawres")
    assert differences(seen) == ({}, {})
    assert sum(seen["all"].values()) > 4 and not any("127.9.12.1" in str(key[1]) for key in seen["few"])


# The names of made_kin.py. The last makes each call pass, and is of the same calls: what no rule asks for no sensor sees.
KIN_LOOKS = ["proc.pname = kin-a", "proc.aname in (kin-b, nobody)", "proc.aname[2] in (kin-a, kin-c)",
             "(proc.aname[3] = kin-a or proc.name = kin-b)"]


@needs_ebpf
@pytest.mark.parametrize("seed", range(len(KIN_LOOKS)))
def test_what_a_rule_wants_passes_by_whom_it_descends_from(receiver, sensors, tmp_path, seed):  # noqa: F811
    """Held against a sensor to which every such call comes, over processes that change their names, programs and parents."""
    ids = beside(receiver, sensors, tmp_path, "evt.type in (mkdir, mkdirat)", "%evt.arg.path",
                 [KIN_LOOKS[seed], "evt.arg.path endswith /the-end"])
    assert "always" not in interest(tmp_path / "few.yaml")[1]

    def grown(tree):
        """What either sensor tells of one tree."""
        def told():
            return [event for event in receiver.find() if event["fields"]["evt.arg.path"].startswith(f"{tree}/")]

        tree.mkdir()
        try:
            subprocess.run([sys.executable, os.path.join(HERE, "made_kin.py"), str(tree), str(seed), "60"], check=True)
            os.mkdir(tree / "the-end")
            wait_for(lambda: len([event for event in told() if event["fields"]["evt.arg.path"].endswith("the-end")]) >= 2)
        finally:
            (tree / "over").touch()
        seen = told_by(ids, told(), "evt.arg.path")
        assert 1 < sum(seen["all"].values()) < len(os.listdir(tree))
        return differences(seen)

    # A processor that stands still in the middle of a record makes a sensor read of a new name too late. What the kernel
    # does not let pass is missing each time.
    assert any(grown(tmp_path / f"tree-{attempt}") == ({}, {}) for attempt in range(4))


# An orphan's child makes a folder, and both have ended before anybody can ask who took the orphan in.
MOURNERS = """
import os, sys
def below(act, waits=True):
    pid = os.fork()
    if pid == 0:
        act()
        os._exit(0)
    if waits:
        os.waitpid(pid, 0)
def orphan():
    while os.getppid() == above:
        pass
    below(lambda: os.mkdir(sys.argv[1]))
    os.write(told, b'x')
def named():
    global above
    above = os.getpid()
    with open('/proc/self/comm', 'w') as comm:
        comm.write('kin-ended')
    below(orphan, False)
came, told = os.pipe()
below(named)
os.read(came, 1)
"""


@needs_ebpf
def test_an_ancestor_that_has_ended_is_not_missed(receiver, sensors, tmp_path):  # noqa: F811
    (tmp_path / "rules.yaml").write_text(json.dumps([
        {"rule": "r", "desc": "d", "priority": "INFO", "output": "%proc.aname[2]",
         "condition": f"evt.type in (mkdir, mkdirat) and (proc.aname = kin-ended or evt.arg.path = {tmp_path}/the-end)"}]))
    sensor = sensors(receiver.port, "--rules", str(tmp_path / "rules.yaml"))
    sensor.process.send_signal(signal.SIGSTOP)
    try:
        subprocess.run([sys.executable, "-c", MOURNERS, str(tmp_path / "made")], check=True)
    finally:
        sensor.process.send_signal(signal.SIGCONT)
    os.mkdir(tmp_path / "the-end")
    wait_for(lambda: any(event["fields"]["evt.arg.path"].endswith("the-end") for event in receiver.find()))
    assert [os.path.basename(event["fields"]["evt.arg.path"]) for event in receiver.find()] == ["made", "the-end"]


# What a process does that moves from one cgroup to another: its name says where it thinks it is.
MOVER = """
import os, sys
group, root, folder = sys.argv[1:]
def move(where):
    with open(where + '/cgroup.procs', 'w') as procs:
        procs.write(str(os.getpid()))
def make(name):
    os.mkdir(folder + '/' + name)
make('inside')
move(root)
make('moved-out')  # as who began in the container
if os.fork() == 0:
    make('forked-outside')
    os._exit(0)
os.wait()
os.execv('/bin/mkdir', ['mkdir', folder + '/executed-outside'])
"""


CONTAINERS_OR_END = "evt.type in (mkdir, mkdirat) and (container.id != host or evt.arg.path = {end})"


class Places:
    """A sensor that looks for what containers do, and who counts what its kernel side passes over."""

    def __init__(self, receiver, sensors, folder):
        (folder / "rules.yaml").write_text(json.dumps([
            {"rule": "r", "desc": "d", "priority": "INFO", "output": "%evt.arg.path",
             "condition": CONTAINERS_OR_END.format(end=folder / "the-end")}]))
        self.receiver, self.folder = receiver, folder
        self.sensor = sensors(receiver.port, "--rules", str(folder / "rules.yaml"), "--metrics", "127.0.0.1:0")
        self.port = int(re.search(r"\(port (\d+)\)", self.sensor.text()).group(1))
        self.made_count = 0

    def filtered(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            return int(re.search(r'^tocsin_sensor_records_filtered_total\{class="path"\} (\d+)', answer.read().decode(), re.M)[1])

    def made(self):
        return [os.path.basename(event["fields"]["evt.arg.path"]) for event in self.receiver.find()]

    def a_new_process_is_known(self):
        """Whether what a new process on the host makes is no record."""
        before = self.filtered()
        self.made_count += 1
        subprocess.run([sys.executable, "-c", "import os, sys\nfor n in range(100): os.mkdir(f'{sys.argv[1]}-{n}')",
                        self.folder / f"new-{self.made_count}"], check=True)
        return self.filtered() - before >= 100

    def end(self):
        os.mkdir(self.folder / "the-end")
        wait_for(lambda: "the-end" in self.made(), 30)
        assert self.sensor.stop() == 0
        return self.made()


@needs_ebpf
def test_the_kernel_knows_the_host_from_containers(receiver, sensors, tmp_path):  # noqa: F811
    root = cgroup_root()
    if root is None or not os.access(root, os.W_OK):
        pytest.skip("skipped, because there is no cgroup2 to write to")
    group = os.path.join(root, f"docker-{uuid.uuid4().hex}{uuid.uuid4().hex}.scope")
    places = Places(receiver, sensors, tmp_path)
    os.mkdir(group)
    try:
        subprocess.run(["sh", "-c", f"echo $$ >{group}/cgroup.procs; exec \"$@\"", "sh", sys.executable, "-c", MOVER, group,
                        root, str(tmp_path)], check=True)
        os.mkdir(tmp_path / "the-end")
        wait_for(lambda: "the-end" in places.made())
        assert places.made() == ["inside", "moved-out", "the-end"]
        # A fork has told of the test's own cgroup by now: what it makes is no record any more.
        before = wait_for(lambda: places.filtered() or 1)
        for number in range(100):
            os.mkdir(f"{tmp_path}/host-{number}")
        wait_for(lambda: places.filtered() - before >= 100)
        assert places.sensor.stop() == 0
        assert places.made() == ["inside", "moved-out", "the-end"]
    finally:
        wait_for(lambda: not open(f"{group}/cgroup.procs").read())
        os.rmdir(group)


# A process that makes a directory each time that it is told to.
MAKER = "import os, sys\nfor line in sys.stdin: os.mkdir(line.strip()); print(flush=True)"


@needs_ebpf
def test_after_a_cgroup_was_renamed_the_kernel_knows_new_processes_again(receiver, sensors, tmp_path):  # noqa: F811
    root = "/sys/fs/cgroup/pids"
    if not os.access(f"{root}/cgroup.procs", os.W_OK):
        pytest.skip("skipped, because there is no old hierarchy of pids")
    group, renamed = f"{root}/{uuid.uuid4().hex}", f"{root}/docker-{uuid.uuid4().hex}{uuid.uuid4().hex}.scope"
    within = "echo $$ >$0/cgroup.procs; exec \"$@\""
    os.mkdir(group)
    places = Places(receiver, sensors, tmp_path)
    old = subprocess.Popen(["sh", "-c", within, group, sys.executable, "-c", MAKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def make(name):
        old.stdin.write(f"{tmp_path}/{name}\n".encode())
        old.stdin.flush()
        old.stdout.readline()

    try:
        make("before")
        wait_for(places.a_new_process_is_known, 30)
        os.rename(group, renamed)
        make("of-who-was-there")  # on the host, as it began
        subprocess.run(["sh", "-c", within, renamed, sys.executable, "-c", f"import os; os.mkdir('{tmp_path}/of-who-came')"], check=True)
        wait_for(places.a_new_process_is_known, 30)
        subprocess.run(["sh", "-c", within, renamed, sys.executable, "-c", f"import os; os.mkdir('{tmp_path}/of-who-came-late')"], check=True)
        assert places.end() == ["of-who-came", "of-who-came-late", "the-end"]
    finally:
        old.communicate()
        at = renamed if os.path.exists(renamed) else group
        wait_for(lambda: not open(f"{at}/cgroup.procs").read())
        os.rmdir(at)


@needs_ebpf
@pytest.mark.skipif(platform.machine() != "x86_64", reason="skipped, because the number of bpf(2) is another one")
def test_more_processes_that_moved_than_are_remembered_cost_only_themselves(receiver, sensors, tmp_path):  # noqa: F811
    root = cgroup_root()
    if root is None or not os.access(root, os.W_OK):
        pytest.skip("skipped, because there is no cgroup2 to write to")
    places = Places(receiver, sensors, tmp_path)
    wait_for(places.a_new_process_is_known, 30)
    found, moved = map_of(places.sensor.process.pid, "moved")
    key, value = ctypes.c_uint32(), ctypes.c_uint64(1)
    group = os.path.join(root, f"docker-{uuid.uuid4().hex}{uuid.uuid4().hex}.scope")

    def remember(tgid):
        key.value = tgid
        return bpf(2, fd=moved, key=ctypes.addressof(key), value=ctypes.addressof(value)) == 0

    os.mkdir(group)
    try:
        tgid = 1 << 24
        while remember(tgid):
            tgid += 1
        assert tgid - (1 << 24) > found["max_entries"] // 2
        subprocess.run(["sh", "-c", f"echo $$ >{group}/cgroup.procs; exec \"$@\"", "sh", sys.executable, "-c", MOVER, group,
                        root, str(tmp_path)], check=True)
        wait_for(lambda: remember(tgid + 1), 30, "room")
        wait_for(places.a_new_process_is_known, 30)
        assert places.end() == ["inside", "moved-out", "the-end"]
    finally:
        os.close(moved)
        wait_for(lambda: not open(f"{group}/cgroup.procs").read())
        os.rmdir(group)


def interest(path):
    run = subprocess.run([SENSOR, "--rules", str(path), "--interest"], capture_output=True, text=True, check=False)
    return run.returncode, run.stdout, run.stderr


def test_interest_says_what_is_looked_for_and_why(tmp_path, folder):
    (tmp_path / "rules.yaml").write_text(rules_text(WANTED, folder))
    status, out, _ = interest(tmp_path / "rules.yaml")
    assert status == 0
    assert 'openat: read: by its path' in out and "write" not in out.replace("read and write", "")
    (tmp_path / "rules.yaml").write_text(
        "- rule: All\n  desc: d\n  priority: INFO\n  output: o\n  condition: evt.type = openat and user.name = x\n")
    status, out, _ = interest(tmp_path / "rules.yaml")
    assert status == 0 and 'openat: read: always, for "All"' in out and "connect" not in out


def test_interest_of_rules_that_do_not_load(tmp_path):
    (tmp_path / "rules.yaml").write_text("- rule: All\n  condition: evt.type = \n")
    status, out, error = interest(tmp_path / "rules.yaml")
    assert status == 1 and out == "" and "rules.yaml:" in error
