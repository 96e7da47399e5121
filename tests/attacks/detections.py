"""Which attack provokes which rule, and why some rules cannot be provoked on one machine: the data of
tests/integration/test_provoke.py and of the table in rules/DETECTIONS.md.

usage: detections.py FILE        writes that table
       detections.py --check FILE [RULES_FILE…]   says whether it is as it would be written, and whether each rule has a row
"""
import dataclasses
import pathlib
import re
import sys

KNOWN = object()  # any value that is there

HOST, CONTAINER = "host", "container"


@dataclasses.dataclass
class Attack:
    """A line of shell in a folder of its own. `{a}` is the folder with the attacker's program and links to it by
    other names, `{work}` the attack's folder. `says` is what the table says."""
    name: str
    where: str
    script: str
    says: str
    first: bool = False  # begun before all others and awaited at the end: it takes its time


@dataclasses.dataclass
class Detection:
    """What the alert must say; `without` are fields that the rule's text prints and that do not exist here."""
    rule: str
    attack: str
    want: dict
    without: tuple = ()


@dataclasses.dataclass
class Unprovoked:
    rule: str
    why: str


ATTACKS = [
    Attack("trusted", HOST, "exec {a}/nginx later 6 /etc/shadow", "a program named nginx, six seconds old, opens /etc/shadow", first=True),
    Attack("traversal", HOST, "{a}/webapp run cat {work}/../../../../../../../../etc/pam.conf",
           "a server's child opens ../../../../etc/pam.conf"),
    Attack("shadow", HOST, "cat /etc/shadow", "cat /etc/shadow"),
    Attack("sudoers", CONTAINER, "cat /etc/sudoers", "cat /etc/sudoers"),
    Attack("server shell", HOST, "{a}/redis-server run sh -c 'true; true'", "a program named redis-server starts a shell"),
    Attack("system user", HOST, "{a}/sshd run {a}/attack user 33 id", "below a program named sshd, www-data runs id"),
    Attack("shell on a terminal", CONTAINER, None, "podman exec -it … sh"),
    Attack("netcat", CONTAINER, "/bin/nc -e /bin/sh 127.0.0.1 1", "nc -e /bin/sh …"),
    Attack("grep keys", HOST, "grep -r 'BEGIN RSA PRIVATE' .", "grep -r 'BEGIN RSA PRIVATE' ."),
    Attack("find keys", CONTAINER, "/bin/find /etc -name id_rsa", "find … -name id_rsa"),
    Attack("empty log", HOST, "touch auth.log; {a}/attack empty auth.log", "opens a file named auth.log with O_TRUNC"),
    Attack("shred", HOST, "echo x >junk; shred -u junk", "shred -u FILE"),
    Attack("symlink", HOST, "ln -s /etc/shadow innocent", "ln -s /etc/shadow innocent"),
    Attack("hard link", HOST, "{a}/attack link /etc/shadow {work}/innocent", "link(\"/etc/shadow\", …)"),
    Attack("packet socket", CONTAINER, "{a}/attack packets", "socket(AF_PACKET, SOCK_RAW, …)"),
    Attack("shell on a socket", CONTAINER, "{a}/attack shell", "dup2 of a TCP connection onto 0, 1 and 2, then sh"),
    Attack("module", CONTAINER, "{a}/attack module", "finit_module of a file that is no module"),
    Attack("debugfs", CONTAINER, "debugfs -V", "debugfs in a container of --privileged"),
    Attack("release agent", CONTAINER, "{a}/attack write release_agent", "a file named release_agent opened for writing"),
    Attack("ptrace", HOST, "{a}/attack trace", "PTRACE_ATTACH to another process"),
    Attack("anti-debug", CONTAINER, "{a}/attack traceme", "PTRACE_TRACEME"),
    Attack("AWS keys", HOST, "grep aws_secret_access_key x", "grep aws_secret_access_key …"),
    Attack("shared memory", HOST, "cp {a}/attack /dev/shm/{unique}; /dev/shm/{unique}; rm /dev/shm/{unique}",
           "a program copied into /dev/shm and run"),
    Attack("dropped program", CONTAINER, "cp {a}/attack /tmp/dropped; /tmp/dropped",
           "a program copied within a container of overlayfs and run"),
    Attack("ssh port", CONTAINER, "{a}/attack wire {a}/ssh call 203.0.113.7 443", "a program named ssh connects to port 443"),
    Attack("fileless", HOST, "{a}/attack memory", "a program run from memfd_create's memory by execveat"),
]

FALCO = [
    Detection("Directory traversal monitored file read", "traversal",
              {"proc.name": "cat", "proc.pname": "webapp", "fd.name": "/etc/pam.conf", "fd.nameraw": re.compile(r"/.*(/\.\.){8}/etc/pam\.conf$")}),
    Detection("Read sensitive file trusted after startup", "trusted",
              {"proc.name": "nginx", "proc.cmdline": "nginx later 6 /etc/shadow", "fd.name": "/etc/shadow"}),
    Detection("Read sensitive file untrusted", "shadow", {"proc.name": "cat", "proc.cmdline": "cat /etc/shadow", "fd.name": "/etc/shadow"}),
    Detection("Read sensitive file untrusted", "sudoers", {"proc.name": "cat", "fd.name": "/etc/sudoers"}),
    Detection("Run shell untrusted", "server shell",
              {"proc.name": "sh", "proc.pname": "redis-server", "proc.cmdline": "sh -c true; true", "proc.pcmdline": "redis-server run sh -c true; true"}),
    Detection("System user interactive", "system user", {"proc.name": "id", "proc.pname": "sshd", "user.name": "www-data", "user.uid": 33}),
    Detection("Terminal shell in container", "shell on a terminal",
              {"proc.name": "sh", "proc.pname": KNOWN, "proc.cmdline": "sh", "proc.cwd": "/", "proc.tty": re.compile("[1-9]")}),
    Unprovoked("Contact K8S API Server From Container", "wants the name kubernetes.default.svc.cluster.local to resolve"),
    Detection("Netcat Remote Code Execution in Container", "netcat", {"proc.name": "nc", "proc.cmdline": "nc -e /bin/sh 127.0.0.1 1"}),
    Detection("Search Private Keys or Passwords", "grep keys", {"proc.name": "grep", "proc.cmdline": "grep -r BEGIN RSA PRIVATE ."}),
    Detection("Search Private Keys or Passwords", "find keys", {"proc.name": "find", "proc.cmdline": "find /etc -name id_rsa"}),
    Detection("Clear Log Activities", "empty log", {"proc.name": "attack", "fd.name": "{work}/auth.log", "evt.type": "openat"}),
    Detection("Remove Bulk Data from Disk", "shred", {"proc.name": "shred", "proc.cmdline": "shred -u junk"}, without=("fd.name",)),
    Detection("Create Symlink Over Sensitive Files", "symlink",
              {"proc.name": "ln", "evt.arg.target": "/etc/shadow", "evt.arg.linkpath": "{work}/innocent"}),
    Detection("Create Hardlink Over Sensitive Files", "hard link",
              {"proc.name": "attack", "evt.arg.oldpath": "/etc/shadow", "evt.arg.newpath": "{work}/innocent"}),
    Detection("Packet socket created in container", "packet socket",
              {"proc.name": "attack", "evt.type": "socket"}, without=("fd.name", "fd.lport", "fd.rport", "fd.l4proto")),
    Detection("Redirect STDOUT/STDIN to Network Connection in Container", "shell on a socket",
              {"proc.name": "attack", "evt.type": "dup2", "fd.type": "ipv4", "fd.l4proto": "tcp", "fd.sip": "127.0.0.1",
               "fd.name": re.compile(r"127\.0\.0\.1:\d+->127\.0\.0\.1:\d+$")}),
    Detection("Linux Kernel Module Injection Detected", "module",
              {"proc.name": "attack", "evt.type": "finit_module", "evt.res": re.compile("E"), "proc.args": "module"}),
    Detection("Debugfs Launched in Privileged Container", "debugfs", {"proc.name": "debugfs", "proc.exepath": "/bin/busybox"}),
    Detection("Detect release_agent File Container Escapes", "release agent",
              {"proc.name": "attack", "fd.name": "{work}/release_agent", "thread.cap_effective": re.compile(".*CAP_SYS_ADMIN")}),
    Detection("PTRACE attached to process", "ptrace", {"proc.name": "attack", "proc.pcmdline": re.compile("sh -c ")}),
    Detection("PTRACE anti-debug attempt", "anti-debug", {"proc.name": "attack"}),
    Detection("Find AWS Credentials", "AWS keys", {"proc.name": "grep", "proc.cmdline": "grep aws_secret_access_key x", "group.name": "root"}),
    Detection("Execution from /dev/shm", "shared memory",
              {"proc.name": re.compile("provoke"), "proc.exepath": re.compile("/dev/shm/provoke"), "evt.res": "SUCCESS"}, without=("fd.name",)),
    Detection("Drop and execute new binary in container", "dropped program",
              {"proc.name": "dropped", "proc.exepath": "/tmp/dropped", "evt.arg.flags": re.compile(".*EXE_UPPER_LAYER"),
               "container.start_ts": KNOWN}),
    Detection("Disallowed SSH Connection Non Standard Port", "ssh port",
              {"proc.name": "ssh", "evt.type": "connect", "fd.rport": 443, "fd.l4proto": "tcp",
               "fd.name": re.compile(r"203\.0\.113\.7:\d+->203\.0\.113\.7:443$")}),
    Detection("Fileless execution via memfd_create", "fileless",
              {"proc.name": KNOWN, "proc.exepath": re.compile("memfd:ghost"), "evt.type": "execveat"}),
]

TABLES = {"falco_rules.yaml": FALCO}


# ---- the table ----

TITLES = {"falco_rules.yaml": "Falco's stable rules"}
HEAD = """# Which rules ring, and by what

Each of these attacks is made for real by `tests/integration/test_provoke.py`, on the host or in a container, with `tocsin-sensor`
(eBPF) and `tocsin-hub` running and all rules loaded as they are; the alert must arrive with the facts of the deed (process, parent,
command, user, file or connection, container and image), and with no `<NA>` in its text for what exists.

This file is written by `tests/attacks/detections.py` from the data of that test; a lint keeps it so.
"""


def cell(text):
    return text.replace("|", "\\|").replace("*", "\\*")


def table(rows):
    attacks = {attack.name: attack for attack in ATTACKS}
    yield "| rule | provoked by | where |"
    yield "|---|---|---|"
    for row in rows:
        if isinstance(row, Unprovoked):
            yield f"| {cell(row.rule)} | *not provoked: {cell(row.why)}* | |"
        else:
            yield f"| {cell(row.rule)} | {cell(attacks[row.attack].says)} | {attacks[row.attack].where} |"


def document():
    parts = [HEAD]
    for file, rows in TABLES.items():
        provoked = len({row.rule for row in rows if isinstance(row, Detection)})
        parts.append(f"## {TITLES[file]}: {provoked} of {len({row.rule for row in rows})}\n\n" + "\n".join(table(rows)) + "\n")
    return "\n".join(parts)


def wrong_rows(file, rows):
    """What the table lacks of a rules file, and has too much."""
    names = set(re.findall(r"^- rule: *(.*?) *$", file.read_text(), flags=re.M))
    told = {row.rule for row in rows}
    yield from (f"{file.name}: {name}: is not in the table" for name in sorted(names - told))
    yield from (f"{file.name}: there is no rule {name}" for name in sorted(told - names))


def unused():
    """Attacks that nobody looks at, and rows with an attack that does not exist."""
    used = {row.attack for rows in TABLES.values() for row in rows if isinstance(row, Detection)}
    yield from (f"attack {name}: is not in ATTACKS" for name in sorted(used - {attack.name for attack in ATTACKS}))
    yield from (f"attack {attack.name}: no rule is asked for it" for attack in ATTACKS if attack.name not in used)


def main():
    path = pathlib.Path(sys.argv[-1] if sys.argv[1] != "--check" else sys.argv[2])
    if sys.argv[1] != "--check":
        path.write_text(document())
        return 0
    wrong = [] if path.read_text() == document() else [f"{path}: is not what tests/attacks/detections.py {path} writes"]
    wrong += unused()
    for file in map(pathlib.Path, sys.argv[3:]):
        if file.exists():  # Falco's are not part of this repository
            wrong += wrong_rows(file, TABLES[file.name])
    print("\n".join(wrong) if wrong else "the table is whole")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
