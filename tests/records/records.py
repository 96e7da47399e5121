#!/usr/bin/python3
"""Recordings for the tests, and what comes of them.

    TOCSIN_BUILD=build/asan tests/records/records.py make [NAME...]     records anew (root, eBPF)
    TOCSIN_BUILD=build/asan tests/records/records.py golden [NAME...]   only plays back anew

A recording is tests/data/records/NAME.rec, what is expected of it NAME.ndjson beside it. `make` is for when
the form of records changed (the sensor then refuses the old ones); `golden` for when an event's fields were
changed on purpose: read the difference before it is committed."""
import os
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("TOCSIN_BUILD", os.path.join(ROOT, "build", "asan"))
SENSOR = os.path.join(BUILD, "sensor", "tocsin-sensor")
TRIM = os.path.join(BUILD, "tests", "records", "trim_record")
DATA = os.path.join(ROOT, "tests", "data", "records")
CORPUS = os.path.join(ROOT, "tests", "fuzz", "corpus", "record")
FOLDER = "/tmp/tocsin-records"
CONTAINER = "0123456789abcdef" * 4

# The name, and a shell script or a Python program (second line on) that runs in FOLDER.
SCENARIOS = {
    "shell": """sh
        echo hello >a; mv a b; chmod 4755 b; ln -s b c; mkdir d; cat /etc/shadow >/dev/null; ls d; rm b c; rmdir d""",
    "network": """python
        import socket
        listener = socket.create_server(("127.0.0.1", 28011))
        client = socket.create_connection(("127.0.0.1", 28011))
        served, _ = listener.accept()
        client.sendall(b"x")
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.sendto(b"x", ("127.0.0.1", 28012))
        local = socket.socket(socket.AF_UNIX)
        local.connect_ex("/tmp/tocsin-records/no.sock")""",
    "privilege": """python
        import ctypes, os
        os.setgid(65534)
        os.setresuid(65534, 65534, 0)
        os.setresuid(0, 0, 0)
        ctypes.CDLL(None).unshare(0x10000000)
        os.setuid(65534)
        ctypes.CDLL(None).ptrace(16, 1, 0, 0)""",
    "container": f"""sh
        echo $$ >"$(awk '$3 == "cgroup2" {{ print $2; exit }}' /proc/mounts)/docker-{CONTAINER}.scope/cgroup.procs"
        sh -c 'echo x >/tmp/tocsin-records/in-container; cat /tmp/tocsin-records/in-container'""",
    "flood": """python
        import os
        for i in range(100):
            os.close(os.open("/tmp/tocsin-records/flood", os.O_WRONLY | os.O_CREAT))
        open("/etc/shadow").close()""",
    "hostile": """python
        import os
        for name in (b"\\x1b[31mred", b"new\\nline", b"\\xff\\xfe", b"a" * 255, "\\u202egnp.exe".encode()):
            os.close(os.open(name, os.O_WRONLY | os.O_CREAT))
            os.unlink(name)
        os.spawnv(os.P_WAIT, "/bin/true", [b"tr\\x1bue", b"x" * 5000, b"\\xff"])""",
}


def arguments(text):
    kind, program = text.split("\n", 1)
    lines = program.split("\n")
    indent = len(lines[0]) - len(lines[0].lstrip())
    program = "\n".join(line[indent:] for line in lines)
    return ["sh", "-c", program] if kind == "sh" else ["python3", "-I", "-S", "-c", program]


def wait_for(path, text):
    end = time.monotonic() + 20
    while text not in open(path).read():
        if time.monotonic() > end:
            sys.exit(open(path).read())
        time.sleep(0.05)


def container_cgroup():
    with open("/proc/mounts") as mounts:
        where = next(line.split()[1] for line in mounts if line.split()[2] == "cgroup2")
    return f"{where}/docker-{CONTAINER}.scope"


def act(name):
    """Runs a scenario as a child of process 1, so that it has no ancestors of ours; its process id."""
    os.makedirs(FOLDER, exist_ok=True)
    inner, outer = os.pipe()
    os.set_inheritable(outer, False)
    child = os.fork()
    if child == 0:
        os.setsid()
        pid = os.fork()
        if pid == 0:
            os.close(outer)
            time.sleep(0.2)  # the parent ends, and is told of
            os.chdir(FOLDER)
            null = os.open("/dev/null", os.O_RDWR)
            for fd in range(3):
                os.dup2(null, fd)
            command = arguments(SCENARIOS[name])
            os.execvpe(command[0], command, {"PATH": "/usr/bin:/bin"})
        os.write(outer, f"{pid}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    pid = int(os.read(inner, 20))
    while os.path.exists(f"/proc/{pid}"):
        time.sleep(0.05)
    return pid


def record(name):
    with tempfile.TemporaryDirectory() as folder:
        raw, log = f"{folder}/raw", f"{folder}/log"
        with open(log, "w") as errors:
            sensor = subprocess.Popen([SENSOR, "--print", "--all-events", "--spool-dir", folder, "--hostname", "node1",
                                       "--record", raw], stdout=subprocess.DEVNULL, stderr=errors)
        wait_for(log, "start: version")
        if name == "container":
            os.makedirs(container_cgroup(), exist_ok=True)
        try:
            pid = act(name)
        finally:
            time.sleep(0.3)
            sensor.send_signal(signal.SIGTERM)
            sensor.wait()
            if name == "container":
                os.rmdir(container_cgroup())
        subprocess.run([TRIM, raw, f"{DATA}/{name}.rec", str(pid)], check=True)
    os.chmod(f"{DATA}/{name}.rec", 0o644)


def play(path, *options):
    """Standard output and standard error of a replay."""
    done = subprocess.run([SENSOR, "--print", "--all-events", "--lifecycle", "--replay", path, *options],
                          capture_output=True, check=True)
    return done.stdout, done.stderr.decode()


def golden(name):
    with open(f"{DATA}/{name}.ndjson", "wb") as out:
        out.write(play(f"{DATA}/{name}.rec")[0])


def seed(name):
    """For the fuzzer: the frames without the header, which it makes itself."""
    host = 8 + 4 + 4 + 8 + 8 + 256 + 37 + 37 + 16
    with open(f"{DATA}/{name}.rec", "rb") as file:
        frames = file.read()[(host + 7) // 8 * 8:]
    with open(f"{CORPUS}/{name}", "wb") as file:
        file.write(frames[:8192])


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in ("make", "golden"):
        sys.exit(__doc__)
    for name in sys.argv[2:] or SCENARIOS:
        if sys.argv[1] == "make":
            record(name)
            seed(name)
        golden(name)


if __name__ == "__main__":
    main()
