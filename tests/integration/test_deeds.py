"""Deeds of intruders that are easily overlooked (tests/tools/deeds.c), each with a rule of its own in Falco's language and
what its alert must say, under eBPF, below a sensor that runs them, and beside one that is attached. One sensor and one
hub for all deeds; rules look at many fields, so that every field's value is held against what was really done."""
import contextlib
import json
import os
import re
import subprocess

import pytest

from hub import BUILD, Hub
from servers import wait_for
from test_sensor import Sensor, ebpf_lacks, observed_by

pytestmark = [
    pytest.mark.skipif(ebpf_lacks() is not None, reason=f"skipped, because {ebpf_lacks()}"),
    pytest.mark.skipif(os.geteuid() != 0, reason="skipped, because intruders are root here"),
]
PROBES = ["ebpf", "run", "attach"]
DEEDS = os.path.join(BUILD, "tests", "tools", "deeds")

OPEN = "evt.type in (open, openat, openat2, open_by_handle_at)"
SHADOW = f"{OPEN} and evt.is_open_read=true and fd.num>=0 and fd.name=/etc/shadow"

DATAGRAM = "evt.type in (sendto, sendmsg, sendmmsg) and fd.l4proto=udp and fd.connected=false and fd.name_changed=true and fd.net=127.0.0.0/8"


class Deed:
    """`fields` by name; a pattern must match. `also`: by probe, where that one sees it otherwise. `mine`: made by a process
    of that command line."""

    def __init__(self, name, condition, fields, also=None, mine=True, rule=None):
        self.name, self.fields, self.also, self.rule = name, fields, also or {}, rule or name
        self.condition = condition + (f' and proc.cmdline="deeds {name}"' if mine else "")


TABLE = [
    Deed("by_openat2", SHADOW, {"evt.type": "openat2", "fd.nameraw": "./shadow", "fd.directory": "/etc", "fd.filename": "shadow",
                             "fd.typechar": "f", "evt.arg.name": "/etc/shadow", "evt.rawarg.name": "./shadow",
                             "evt.arg.resolve": "RESOLVE_NO_MAGICLINKS", "evt.arg.flags": "O_RDONLY", "evt.rawarg.flags": "1",
                             "evt.abspath": "/etc/shadow", "fs.path.name": "/etc/shadow", "fs.path.nameraw": "./shadow",
                             "evt.category": "file", "evt.count": 1, "thread.ismain": True, "evt.arg.ino": re.compile(r"\d+"),
                             "fd.containername": "host:/etc/shadow", "fd.containerdirectory": "host:/etc"}),
    Deed("by_handle", f"{OPEN} and evt.is_open_write=true and fd.name endswith /by_handle/handled",
      {"evt.type": "open_by_handle_at", "fd.name": "{dir}/handled", "evt.arg.path": "{dir}/handled", "evt.arg.flags": "O_RDWR"}),
    Deed("by_link_of_process", SHADOW, {"fd.name": "/etc/shadow", "fd.nameraw": re.compile(r"/proc/self/fd/\d+")}),
    Deed("by_root_of_process", SHADOW, {"fd.name": "/etc/shadow", "fd.nameraw": "/proc/self/root/etc/shadow"}),
    Deed("by_chain_of_links", SHADOW, {"fd.nameraw": "two/shadow", "proc.cwd": "{dir}/"}),
    Deed("by_hard_link", "evt.type in (link, linkat) and evt.arg.oldpath endswith authorized_keys",
      {"evt.arg.oldpath": "{dir}/authorized_keys", "evt.arg.newpath": "{dir}/harmless", "fs.path.source": "{dir}/harmless",
       "fs.path.target": "{dir}/authorized_keys", "fs.path.sourceraw": "harmless"}),
    Deed("below_chroot", f"{OPEN} and evt.is_open_read=true and fd.name endswith /etc/shadow", {"fd.name": "/etc/shadow"},
      also={"run": {"fd.name": re.compile(".*/etc/shadow")}, "attach": {"fd.name": re.compile(".*/etc/shadow")}}),
    Deed("by_bind_mount", "evt.type=mount and evt.arg.flags contains BIND",
      {"evt.arg.dev": "/etc", "evt.arg.dir": "{dir}/bound", "fs.path.source": "/etc", "fs.path.target": "{dir}/bound"}),
    Deed("below_mounts", SHADOW, {"fd.name": "/etc/shadow", "fd.nameraw": "/etc/shadow"}),
    Deed("by_new_mount_api", "evt.type=open_tree", {"evt.arg.path": "/etc", "evt.arg.flags": "0x1"}),
    Deed("by_detached_mount", f"{OPEN} and evt.is_open_read=true and fd.name endswith /shadow", {"fd.name": "/etc/shadow", "fd.nameraw": "shadow"},
      also={"run": {"fd.name": "/shadow"}, "attach": {"fd.name": "/shadow"}}),  # /proc does not tell where such a mount begins
    Deed("by_copy", "evt.type=copy_file_range and fd.name=/etc/hostname", {"evt.arg.len": "100", "fd.name": "/etc/hostname"}),
    Deed("by_sendfile", "evt.type=sendfile and fd.name=/etc/hostname", {"evt.arg.size": "100", "evt.is_io_write": True}),
    Deed("by_vector", "evt.type=writev and evt.buffer contains \"root2:x:0:0\" and fd.name endswith passwd",
      {"evt.buffer": "root2:x:0:0::/:/bin/sh\n", "fd.name": "{dir}/passwd", "evt.io_dir": "write", "evt.rawres": 23,
       "evt.buflen": 23}),
    Deed("hidden_name", "evt.type=rename and evt.arg.newpath contains \"/.../ \"", {"evt.arg.newpath": "{dir}/.../ "}),
    Deed("by_exchange", "evt.type=renameat2", {"evt.arg.flags": "RENAME_EXCHANGE", "evt.arg.oldpath": "{dir}/good",
                                            "fs.path.target": "{dir}/evil", "evt.arg.olddirfd": "AT_FDCWD",
                                            "evt.rawarg.olddirfd": -100}),
    Deed("log_cut", "evt.type=truncate and evt.arg.path endswith auth.log", {"evt.arg.length": "0", "evt.arg.path": "{dir}/auth.log"}),
    Deed("dated_back", "evt.type=utimensat", {"evt.arg.path": "{dir}/old"}),
    Deed("without_name", "evt.is_open_exec=true and evt.arg.flags contains O_TMPFILE", {"evt.is_open_write": True}),
    Deed("from_memory", "evt.type in (execve, execveat) and proc.is_exe_from_memfd=true and proc.args=nothing",
      {"evt.type": "execveat", "proc.exe": "[kworker/u8:2]", "proc.exepath": re.compile("memfd:kworker|/memfd:kworker"),
       "proc.env[A]": "b", "evt.arg.flags": re.compile(".*EXE_FROM_MEMFD"), "evt.arg.exe": "[kworker/u8:2]", "proc.args": "nothing",
       "evt.arg.env": "A=b", "evt.rawarg.uid": 0, "evt.arg.uid": "root"}, mine=False),
    Deed("from_deleted", "evt.type in (execve, execveat) and proc.exepath endswith /from_deleted/dropped",
      {"proc.exe": "dropped", "proc.exepath": "{dir}/dropped"}, mine=False),
    Deed("other_argv", SHADOW.replace(" and fd.num>=0", "") + " and proc.name=innocent",
      {"proc.exepath": DEEDS, "proc.exe": DEEDS, "proc.cmdline": "innocent other_argv", "proc.args": "other_argv"}, mine=False),
    Deed("by_thread", SHADOW, {"proc.name": "deeds", "thread.ismain": False, "evt.count": 1}),
    Deed("exec_by_thread", "evt.type=execve and proc.exe=from-a-thread",
      {"proc.args": "nothing", "thread.ismain": True, "proc.cmdline": "exe nothing", "proc.exepath": DEEDS}, mine=False),
    Deed("after_fork", SHADOW, {"proc.pname": "deeds", "proc.pcmdline": "deeds after_fork", "proc.aname[2]": "sh"}),
    Deed("after_vfork", SHADOW, {"proc.pname": "deeds", "evt.type": "open"}),
    Deed("after_clone3", f"{OPEN} and evt.is_open_write=true and fd.name=/etc/passwd",
      {"evt.arg.flags": re.compile(".*O_APPEND.*O_RDWR"), "proc.vpid": 1, "user.uid": 0}),
    Deed("clone_flags", "evt.type=clone3 and evt.arg.flags contains CLONE_NEWUSER",
         {"evt.arg.flags": "CLONE_NEWPID|CLONE_NEWUSER", "evt.rawarg.flags": "30000000"}),
    Deed("orphan", SHADOW, {"proc.is_sid_leader": False, "proc.name": "deeds", "proc.cmdline": "deeds orphan"}),
    Deed("killed", "evt.type=procexit and evt.arg.sig=SIGKILL", {"evt.arg.sig": "SIGKILL", "evt.rawarg.sig": 9, "evt.arg.ret": "0",
                                                              "proc.pname": "deeds"}),
    Deed("exits", "evt.type=procexit and evt.arg.ret=42", {"evt.rawarg.status": 42 << 8, "evt.arg.core": "0",
                                                             "evt.args": "status=10752 ret=42 sig=0 core=0"}),
    Deed("shell_on_connection", "evt.type in (dup, dup2, dup3) and evt.rawres in (0, 1, 2) and fd.type in (ipv4, ipv6)",
      {"fd.type": "ipv4", "fd.l4proto": "tcp", "fd.sip": "127.0.0.1", "fd.cip": "127.0.0.1", "evt.type": "dup3",
       "fd.sport": re.compile(r"\d+"), "fd.sproto": re.compile(r"\d+"), "fd.connected": True}),
    Deed("shell_on_connection", "evt.type=execve and proc.name=sh and proc.stdout.type=ipv4 and proc.pcmdline=\"deeds shell_on_connection\"",
         {"proc.stdin.type": "ipv4", "proc.stderr.type": "ipv4", "proc.aenv[DEED]": "nothing at all", "proc.aargs[1]": "shell_on_connection",
          "proc.aenv[1]": re.compile(".*DEED=nothing at all"), "proc.cmdline": "sh -c exit 0"}, mine=False, rule="shell with a connection"),
    Deed("shell_on_pair", "evt.type in (dup, dup2, dup3) and evt.rawres in (0, 1) and fd.type=unix", {"fd.typechar": "u"}),
    Deed("kept_connection", "evt.type=dup2 and fd.type=ipv4 and evt.rawres>2", {"evt.arg.newfd": "150", "evt.rawarg.res": 150}),
    Deed("talks", "evt.type in (sendto, sendmsg) and fd.l4proto=tcp and evt.buffer contains jndi",
      {"evt.arg.size": "32", "fd.is_server": False, "evt.category": "net", "evt.arg.data": "GET /${jndi:ldap://x} HTTP/1.0\r\n"}),
    Deed("serves", "evt.type in (read, write, recvfrom) and fd.is_server=true and evt.buffer startswith uid",
         {"evt.type": "write", "fd.name": re.compile(r"127\.0\.0\.1:\d+->127\.0\.0\.1:\d+"), "fd.is_server": True, "evt.category": "net",
          "evt.is_io_write": True, "evt.rawarg.size": "11"}),
    Deed("class_file", "evt.type in (recvfrom, recvmsg) and fd.type in (ipv4, ipv6) and evt.buffer bcontains cafebabe",
         {"evt.type": "recvmsg", "evt.arg.size": "8", "fd.is_server": True, "evt.buflen": 8}),
    Deed("name_lookup", "evt.type=sendto and fd.l4proto=udp and fd.sport=53 and fd.name_changed=true",
      {"fd.rip": "127.0.0.1", "fd.rport": 53, "fd.connected": False, "evt.arg.size": "7"}),
    Deed("second_message", f"{DATAGRAM} and fd.sport=5301 and evt.buffer=exfil", {"evt.type": "sendmmsg", "fd.rip": "127.0.0.1"}),
    Deed("second_try", f"{DATAGRAM} and fd.sport=5302 and evt.buffer=exfil", {"evt.type": "sendto", "evt.rawres": 5}),
    Deed("without_family", f"{DATAGRAM} and fd.sport=5303 and evt.buffer=exfil", {"fd.sip": "127.0.0.1", "fd.typechar": "4"}),
    Deed("by_other_family", f"{DATAGRAM} and fd.sport=5304 and evt.buffer=exfil", {"fd.sip": "127.0.0.1", "fd.typechar": "4"}),
    Deed("long_address", f"{DATAGRAM} and fd.sport=5305 and evt.buffer=exfil", {"evt.type": "sendmsg", "fd.sip": "127.0.0.1"}),
    Deed("connected_datagram", "evt.type=connect and fd.l4proto=udp", {"fd.sport": 53, "evt.arg.addr": "127.0.0.1:53"}),
    Deed("raw_socket", "evt.type=socket and evt.arg.domain=AF_INET and fd.l4proto=raw", {"evt.rawarg.type": 3}),
    Deed("sixth_version", "evt.type=connect and fd.typechar=6", {"fd.sport": 4444, "fd.sip": "::1", "evt.failed": True}),
    Deed("mapped", "evt.type=connect and fd.sip=127.0.0.1 and fd.sport=4445", {"fd.typechar": "4", "fd.rip": "127.0.0.1"}),
    Deed("listens", "evt.type=listen and fd.sport=31337", {"evt.arg.backlog": "7", "fd.name": "0.0.0.0:31337", "fd.is_server": True,
                                                        "fd.lport": 31337}),
    Deed("abstract_socket", "evt.type=connect and fd.name endswith docker.sock", {"fd.type": "unix", "evt.res": "ENOENT"}),
    Deed("nameless_socket", "evt.type=connect and fd.name contains @/containerd-shim/", {"fd.name": "0->0 @/containerd-shim/deed.sock"}),
    Deed("nameless_socket", "evt.type=accept and fd.name contains @/containerd-shim/", {"fd.type": "unix"}, rule="accepted without a name"),
    Deed("many_paths", "evt.type=connect and fd.l4proto=tcp and fd.sport=4446", {"fd.sip": "127.0.0.1", "evt.failed": True}),
    Deed("passed_descriptor", "evt.type=sendmsg and fd.type=unix", {"evt.arg.size": "1"}),
    Deed("takes_descriptor", "evt.type=pidfd_getfd", {"evt.arg.target_fd": "1", "evt.category": "process"}),
    Deed("writes_memory", "evt.type=process_vm_writev", {"evt.arg.pid": "deeds"}),
    Deed("pokes", "evt.type=ptrace and evt.arg.request in (PTRACE_POKETEXT, PTRACE_POKEDATA)", {"evt.arg.data": "0x7", "evt.arg.pid": "deeds"}),
    Deed("enters", "evt.type=setns and fd.type=file",
      {"evt.arg.nstype": "CLONE_NEWUTS", "fd.name": re.compile(r"(namespace|uts):\[\d+\]$"), "fd.typechar": "f"}),
    Deed("enters", f"{OPEN} and evt.is_open_read=true and fd.name endswith /ns/uts", {"fd.name": "/proc/self/ns/uts", "fd.typechar": "f"},
         rule="a namespace opened"),
    Deed("enters", "evt.type=setns and fd.type=pidfd", {"fd.typechar": "P"}, rule="entered by a process"),
    Deed("gone", "evt.type=fchmod and fd.name endswith /gone", {"fd.name": "{dir}/gone", "evt.arg.fd": "<f>{dir}/gone"}),
    Deed("leaves", "evt.type=unshare and evt.arg.flags contains CLONE_NEWUSER", {"evt.arg.flags": re.compile(".*CLONE_NEWNET")}),
    Deed("loads_module", "evt.type=finit_module", {"evt.arg.uargs": "hide=1", "fd.name": "{dir}/rootkit.ko", "evt.failed": True}),
    Deed("loads_program", "evt.type=bpf and evt.arg.cmd=BPF_PROG_LOAD", {"evt.rawarg.cmd": 5, "evt.failed": True}),
    Deed("keeps_key", "evt.type=add_key", {"evt.category": re.compile("system|file")}),
    Deed("faults", "evt.type=userfaultfd", {"evt.arg.flags": "O_CLOEXEC"}),
    Deed("hides_memory", "evt.type=memfd_secret", {"evt.arg.flags": re.compile("0")}),
    Deed("becomes", f"{OPEN} and user.name=nobody and fd.name=/etc/hostname", {"user.uid": 65534, "group.gid": 0,
                                                                          "thread.cap_effective": None}),
    Deed("gives_up", "evt.type=setuid and evt.arg.uid=nobody", {"user.uid": 65534, "evt.rawarg.uid": 65534, "group.gid": 65534,
                                                           "evt.category": "user"}),
    Deed("gains_later", "evt.type in (chmod, fchmodat) and evt.arg.mode contains S_ISUID",
      {"evt.arg.filename": "{dir}/suid", "evt.rawarg.mode": "4755", "fs.path.name": "{dir}/suid"}),
    Deed("makes_device", "evt.type in (mknod, mknodat) and evt.arg.mode contains S_IFCHR", {"evt.arg.path": "{dir}/sda"}),
    Deed("writable_code", "evt.type=mprotect and evt.arg.prot contains PROT_EXEC and evt.arg.prot contains PROT_WRITE",
      {"evt.arg.prot": "PROT_READ|PROT_WRITE|PROT_EXEC", "evt.category": "memory"}),
    Deed("dated_back_by_seconds", "evt.type=futimesat", {"evt.arg.path": "{dir}/old"}),
    Deed("writable_code_by_key", "evt.type=mprotect and evt.arg.prot contains PROT_EXEC and evt.arg.prot contains PROT_WRITE",
         {"evt.arg.prot": "PROT_READ|PROT_WRITE|PROT_EXEC"}),
    Deed("signals_with_a_word", "evt.type=rt_sigqueueinfo and evt.arg.sig=SIGKILL", {"evt.arg.pid": "deeds"}),
    Deed("hole_in_log", "evt.type=fallocate and fd.name endswith auth.log", {"evt.arg.mode": "0x1", "fd.name": "{dir}/auth.log"}),
    Deed("wipes_history", "evt.type=unlinkat and evt.arg.name endswith .bash_history",
      {"evt.arg.name": "{dir}/.bash_history", "evt.abspath": "{dir}/.bash_history", "evt.rawarg.name": ".bash_history"}),
    Deed("profiles", "evt.type=perf_event_open", {"evt.category": "system"}),
    Deed("nameless", f"evt.type=execve and proc.args='' and proc.name=exe and proc.exepath={DEEDS}",
      {"proc.args": "", "proc.cmdline": "exe", "proc.pname": "sh", "evt.args": re.compile("res=0 args= tid=.* comm=exe ")}, mine=False),
    Deed("nothing", "evt.type=execve",
      {"proc.name": "deeds", "proc.exe": DEEDS, "proc.exepath": DEEDS, "proc.args": "nothing", "proc.args[0]": "nothing",
       "proc.cmdline": "deeds nothing", "proc.exeline": f"{DEEDS} nothing", "proc.cmdnargs": 1, "proc.cmdlenargs": 7,
       "proc.pname": "sh", "proc.pid": int, "proc.cwd": "{dir}/", "user.name": "root", "user.uid": 0, "group.gid": 0, "group.name": "root",
       "user.loginuid": int, "proc.tty": int, "proc.is_exe_writable": True, "proc.is_exe_from_memfd": False,
       "proc.exe_ino": os.stat, "evt.arg.res": re.compile("0|SUCCESS"), "evt.arg.comm": "deeds", "evt.arg.cwd": "{dir}/",
       "evt.arg.trusted_exepath": DEEDS, "evt.failed": False, "evt.rawres": 0, "evt.dir": "<", "container.id": "host",
       "proc.env[DEED]": "nothing at all", "proc.env": re.compile(".*DEED=nothing at all"), "evt.count.error": 0,
       "proc.loginshellid": int, "proc.pexepath": re.compile("/.*sh"), "evt.is_async": False, "evt.is_io": False,
       "proc.sid": int, "proc.vpgid": int, "proc.pgid.exepath": re.compile("/.*"), "thread.tid": int, "proc.duration": int,
       "thread.cap_permitted": re.compile(".*CAP_SYS_ADMIN|CAP_.*"), "evt.type": "execve", "syscall.type": "execve",
       "evt.args": re.compile(rf"res=0 exe={DEEDS} args=nothing tid=\d+\(deeds\) pid=\d+\(deeds\) ptid=\d+\(sh\) cwd=/.* comm=deeds "
                              r"env=.*DEED=nothing at all.* flags=\d+\(EXE_WRITABLE.* uid=0\(root\) trusted_exepath=/.* gid=0\(root\)"),
       "evt.rawarg.flags": re.compile(r"\d+"), "proc.is_container_healthcheck": False, "evt.latency": re.compile("0"),
       "evt.buflen": None, "user.homedir": "/root", "thread.nametid": re.compile(r"deeds\d+"), "evt.reltime": re.compile(r"\d+"),
       "evt.is_syslog": False, "evt.count.error.other": 0}),
]

# By numbers that 32-bit programs have besides.
if os.path.exists(DEEDS) and subprocess.run([DEEDS, "by_old_entry"], check=False).returncode == 0 and os.uname().machine == "x86_64":
    TABLE += [
        Deed("by_old_entry", SHADOW, {"fd.name": "/etc/shadow", "evt.type": "open"}),
        Deed("by_older_numbers", "evt.type=setuid", {"evt.arg.uid": "nobody", "user.uid": 65534}),
        Deed("by_older_numbers", "evt.type=truncate", {"evt.arg.path": "{dir}/wtmp", "evt.arg.length": "0"}, rule="cut by an older number"),
    ]


def rules():
    """A rule a deed, which shows every field that is looked at."""
    return "".join(f"- rule: {deed.rule}\n  desc: d\n  condition: >\n    {deed.condition}\n  output: >\n    "
                   + " ".join(f"%{name}" for name in deed.fields) + "\n  priority: NOTICE\n  source: syscall\n" for deed in TABLE)


@contextlib.contextmanager
def beside(probe, hub, folder):
    if probe != "ebpf":
        yield observed_by(probe, ["--hub", f"http://127.0.0.1:{hub.port}", "--spool-dir", str(folder / "spool")])
        return
    sensor = Sensor(folder / "spool", hub.port)
    try:
        yield []
    finally:
        sensor.stop()


class Done:
    """All deeds are done, and their alerts there."""

    def __init__(self, probe, folder, path):
        self.probe, self.folder, self.path = probe, folder, path

    def alerts(self):
        found = {}
        with open(self.path) as file:
            for line in file:
                if line.endswith("\n"):
                    alert = json.loads(line)
                    found.setdefault(alert["rule"], []).append(alert["output_fields"])
        return found

    def wait(self):
        """Each test says what it misses."""
        with contextlib.suppress(AssertionError):
            wait_for(lambda: {deed.rule for deed in TABLE} <= set(self.alerts()), 20, "all alerts")


@pytest.fixture(scope="module", params=PROBES)
def done(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("deeds")
    os.chmod(folder, 0o755)
    (folder / "rules.yaml").write_text(rules())
    hub = Hub(folder, {"rules_files": [str(folder / "rules.yaml")], "rule_matching": "all",
                       "outputs": {"archive": {"type": "file", "path": str(folder / "alerts.json")}}})
    names = list(dict.fromkeys(deed.name for deed in TABLE))
    lines = [f"mkdir {folder}/{name}; cd {folder}/{name} && DEED='nothing at all' {DEEDS} {name} </dev/null" for name in names]
    (folder / "deeds.sh").write_text("\n".join([*lines, "exit 0", ""]))
    hub.start()
    try:
        with beside(request.param, hub, folder) as command:
            subprocess.run([*command, "sh", folder / "deeds.sh"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, timeout=120, check=True)
            outcome = Done(request.param, folder, folder / "alerts.json")
            outcome.wait()
        outcome.found = outcome.alerts()
        yield outcome
    finally:
        hub.stop()


def agrees(have, want):
    if want is int:
        return isinstance(have, int)
    if want is os.stat:
        return have == os.stat(DEEDS).st_ino
    if isinstance(want, re.Pattern):
        return have is not None and want.match(str(have)) is not None
    return have == want or (isinstance(have, int) and not isinstance(have, bool) and str(have) == want)


@pytest.mark.parametrize("deed", TABLE, ids=[deed.rule for deed in TABLE])
def test_a_deed_is_seen_for_what_it_is(done, deed):
    alerts = done.found.get(deed.rule, [])
    wants = {**deed.fields, **deed.also.get(done.probe, {})}
    wants = {name: want.format(dir=done.folder / deed.name) if isinstance(want, str) and "{dir}" in want else want
             for name, want in wants.items()}
    assert alerts, f"no alert of: {deed.condition}"
    wrong = [{name: (fields.get(name), want) for name, want in wants.items() if not agrees(fields.get(name), want)} for fields in alerts]
    assert {} in wrong, wrong[:3]
