#!/usr/bin/env python3
"""What the sensor costs and how fast it is, each figure beside the same machine without it.

    python3 tests/bench/bench_sensor.py [--build build/release] [--rounds 40] [--only PART…]

As root. Prints the machine, then a part after the other; --only takes their names.
"""
import argparse
import contextlib
import gzip
import http.server
import json
import os
import pathlib
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).parents[2]
RULES = ROOT / "rules" / "tocsin_rules.yaml"

TARGETS = ["sensor/tocsin-sensor", "hub/tocsin-hub", "tests/bench/bench_load", "tests/bench/bench_probe", "tests/bench/bench_tape",
           "tests/tools/flood", "tests/tools/load", "tests/tools/null_server"]


def machine():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return f"{platform.release()}, {model.group(1) if model else platform.machine()}, {os.cpu_count()} cores"


def wait_for(condition, seconds, what):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise SystemExit(f"bench_sensor: not within {seconds} s: {what}")


def spread(values, form="{:.1f}"):
    values = sorted(values)
    return (f"{form} ({form}–{form})").format(statistics.median(values), values[len(values) // 10],
                                              values[len(values) * 9 // 10])


def proc_status(pid, key):
    return int(re.search(rf"{key}:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1))


def cpu_seconds(pid):
    """In nanoseconds' precision: of all threads."""
    return sum(int((task / "schedstat").read_text().split()[0])
               for task in pathlib.Path(f"/proc/{pid}/task").iterdir()) / 1e9


@contextlib.contextmanager
def sensor(build, *options, cpu=None, rules=None):
    """A sensor that prints nowhere, or sends to where `options` say."""
    where = options or ("--print",)
    with tempfile.TemporaryDirectory() as folder:
        log = pathlib.Path(folder) / "log"
        command = [build / "sensor" / "tocsin-sensor", "--rules", rules or RULES, "--spool-dir", pathlib.Path(folder) / "spool", *where]
        if cpu is not None:
            command = ["taskset", "-c", str(cpu), *command]
        with open(log, "w") as file:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=file)
        try:
            wait_for(lambda: "start: version" in log.read_text() or process.poll() is not None, 20, "the sensor's start")
            if process.poll() is not None:
                raise SystemExit(log.read_text())
            yield process
        finally:
            process.terminate()
            process.wait()


class Sink:
    """Takes everybody's POSTs, says when they came."""

    def __init__(self):
        outer, self.came = self, []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                came = time.monotonic()
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                outer.came.append((came, self.path, body))
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def first(self, text, path, since):
        """When the first of these came after `since`, or None."""
        for when, where, body in reversed(self.came):
            if when < since:
                return None
            if text in body and where.startswith(path):
                return when
        return None


@contextlib.contextmanager
def hub(build, sink):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "hub.yaml").write_text(json.dumps(
            {"listen": "127.0.0.1:0", "data_dir": str(folder / "data"), "admin": {"listen": "off"}, "rules_files": [str(RULES)],
             "outputs": {"there": {"type": "webhook", "url": f"http://127.0.0.1:{sink.port}/out"}}}))
        with open(folder / "log", "w") as log:
            process = subprocess.Popen([build / "hub" / "tocsin-hub", "-c", folder / "hub.yaml"], stderr=log)
        try:
            found = wait_for(lambda: re.search(r"taking events on .*port (\d+)", (folder / "log").read_text()) or
                             (process.poll() is not None and sys.exit((folder / "log").read_text())), 20, "the hub")
            yield int(found.group(1))
        finally:
            process.terminate()
            process.wait()


# ---- parts ----

def calls(build, rounds):
    """ns a call: CPU of who calls, the sensor on the other processor."""
    done = subprocess.run([build / "tests/bench/bench_probe", RULES, str(rounds)], capture_output=True, text=True, check=True)
    figures = json.loads(done.stdout)
    for name, ways in figures.items():
        if not isinstance(ways, dict):
            continue
        none, empty, ours = ways["none"][0], ways["empty"][0], ways["sensor"][0]
        print(f"  {name:18} none {none:9.1f}  empty program {empty:9.1f} ({empty / none:.3f})  sensor {ours:9.1f}"
              f" ({ways['sensor'][1]:.1f}–{ways['sensor'][2]:.1f})  ratio {ours / none:.3f}, added {ours - none:.0f},"
              f" beyond the empty one {ours - empty:.0f}, round by round {ways['beyond'][0]:.3f} ({ways['beyond'][1]:.3f}–{ways['beyond'][2]:.3f})")


def latency(build, rounds):
    """ms from the call to the alert at the hub, and at its output; one at a time"""
    def provoke(sink, path):
        waits = []
        for number in range(rounds):
            time.sleep(0.03 + 0.0017 * (number % 37))
            before = time.monotonic()
            os.close(os.open("/etc/shadow", os.O_RDONLY))
            arrived = wait_for(lambda: sink.first(b"/etc/shadow", path, before), 5, f"alert {number}")
            waits.append((arrived - before) * 1000)
        return waits

    sink = Sink()
    with sensor(build, "--hub", f"http://127.0.0.1:{sink.port}"):
        waits = provoke(sink, "/api")
    print(f"  at the hub       {spread(waits, '{:.2f}')} ms")
    sink = Sink()
    with hub(build, sink) as port, sensor(build, "--hub", f"http://127.0.0.1:{port}"):
        waits = provoke(sink, "/out")
    print(f"  at its output    {spread(waits, '{:.2f}')} ms")


@contextlib.contextmanager
def empty_program(build):
    """The empty program at the end of every call: what observing calls costs at all."""
    holder = subprocess.Popen([build / "tests/bench/bench_probe", "empty"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "attached\n"
        yield
    finally:
        holder.stdin.close()
        holder.wait()


def alternate(rounds, job, pairs, build):
    """Ratios of what a job takes with the empty program, and with the sensor, to what it takes without, round by round. The
    three take turns, each first as often as the others, and job and sensor change their processors with each round."""
    bare, ratios = [], {"empty": [], "sensor": []}
    for turn in range(rounds):
        cpu, sensor_cpu = pairs[turn % len(pairs)]
        ways = {"none": contextlib.nullcontext, "empty": lambda: empty_program(build), "sensor": lambda: sensor(build, cpu=sensor_cpu)}
        taken = {}
        for name in (list(ways) * 2)[turn % 3:][:3]:
            with ways[name]():
                taken[name] = job(cpu)
        bare.append(taken["none"])
        for name, values in ratios.items():
            values.append(taken[name] / taken["none"])
    return bare, ratios


def pinned(command, cpu):
    return command if cpu is None else ["taskset", "-c", str(cpu), *map(str, command)]


def timed(*command, cpu=None):
    """CPU seconds of a command and what it starts: others who use the machine do not show in it."""
    process = subprocess.Popen(pinned(command, cpu), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"bench_sensor: {command[0]}: exit status {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def fork_exec(cpu):
    """1,000 times /bin/true by the shell."""
    return timed("sh", "-c", "i=0; while [ $i -lt 1000 ]; do /bin/true; i=$((i+1)); done", cpu=cpu)


def compile_job(cpu):
    sources = [ROOT / "base" / name for name in ("str.c", "json.c", "buf.c", "clock.c")]
    return sum(timed("cc", "-std=gnu17", "-D_GNU_SOURCE", "-I", ROOT, "-O1", "-c", source, "-o", "/dev/null", cpu=cpu)
               for source in sources)


def http_server(cpu, build):
    """CPU seconds of an epoll server for each request, 64 connections; the load is on all processors."""
    server = subprocess.Popen(pinned([build / "tests/tools/null_server"], cpu), stdout=subprocess.PIPE, text=True)
    try:
        port = int(server.stdout.readline())
        done = subprocess.run([build / "tests/tools/load", "-p", str(port), "-c", "64", "-b", "1", "-s", "2"],
                              capture_output=True, text=True, check=True)
        return cpu_seconds(server.pid) / json.loads(done.stdout)["accepted"]
    finally:
        server.kill()
        server.wait()


def redis(cpu):
    """CPU seconds of redis-server for each request of redis-benchmark, 50 connections."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    server = subprocess.Popen(pinned(["redis-server", "--port", port, "--save", "", "--appendonly", "no"], cpu),
                              stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: subprocess.run(["redis-cli", "-p", port, "ping"], capture_output=True).stdout == b"PONG\n", 10, "redis")
        before = cpu_seconds(server.pid)
        subprocess.run(["redis-benchmark", "-p", port, "-t", "get,set", "-c", "50", "-n", "40000", "-q"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return (cpu_seconds(server.pid) - before) / 80000
    finally:
        server.kill()
        server.wait()


def work(build, rounds):
    """real work: ratio of CPU with the sensor to CPU without, all rules (redis and http: the server's, a request)"""
    jobs = {"fork+exec": fork_exec, "compile": compile_job, "http": lambda cpu: http_server(cpu, build)}
    if shutil.which("redis-server"):
        jobs["redis"] = redis
    for name, job in jobs.items():
        for where, pairs in (("pinned", ((0, 1), (1, 0))), ("shared", ((None, None),))):
            bare, ratios = alternate(max(6, rounds // 2), job, pairs, build)
            beyond = [ours / empty for ours, empty in zip(ratios["sensor"], ratios["empty"])]
            print(f"  {name:10} {where:7} empty program {spread(ratios['empty'], '{:.3f}')}  sensor {spread(ratios['sensor'], '{:.3f}')}"
                  f"  beyond the empty one {spread(beyond, '{:.3f}')}   without: {statistics.median(bare):.3g} s")


def memory(build, rounds):
    """resident memory, MiB: all, and what is not a mapped file (the rings count as files); with full tables: all, and proportional"""
    def show(what, pid):
        print(f"  {what:24} {proc_status(pid, 'VmRSS') / 1024:5.1f}  {proc_status(pid, 'RssAnon') / 1024:5.1f}")

    with sensor(build) as ours:
        time.sleep(1)
        show("at start", ours.pid)
    before = len(os.listdir("/proc"))
    for count in (10000, 20000):
        sleepers = subprocess.Popen([build / "tests/bench/bench_load", "sleepers", str(count)], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, text=True, process_group=0)
        try:
            started = int(sleepers.stdout.readline())
            with sensor(build) as ours:
                time.sleep(1)
                show(f"{started} processes", ours.pid)
        finally:
            sleepers.stdin.close()
            sleepers.wait()
            wait_for(lambda: len(os.listdir("/proc")) < before + 1000, 60, "the end of the sleepers")
    for processes, arguments in ((10000, 100), (40000, 100), (12000, 4000)):
        rss, pss = replayed_memory(build, processes, arguments)
        print(f"  played back: {processes} programs with {arguments} bytes of arguments: {rss:.1f}  {pss:.1f}; the rings come on top")


def replayed_memory(build, processes, arguments):
    """The most that it takes, MiB, to play back a recording of so many programs that go on running: resident and proportional."""
    rss = pss = 0
    with tempfile.TemporaryDirectory() as folder:
        tape = pathlib.Path(folder) / "tape"
        subprocess.run([build / "tests/bench/bench_tape", tape, str(processes), str(arguments)], check=True)
        ours = subprocess.Popen([build / "sensor/tocsin-sensor", "--rules", RULES, "--spool-dir", folder, "--print", "--replay", tape],
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while ours.poll() is None:
            with contextlib.suppress(OSError, TypeError):
                text = pathlib.Path(f"/proc/{ours.pid}/smaps_rollup").read_text()
                rss = max(rss, int(re.search(r"Rss:\s+(\d+)", text)[1]))
                pss = max(pss, int(re.search(r"Pss:\s+(\d+)", text)[1]))
            time.sleep(0.003)
    return rss / 1024, pss / 1024


def idle(build, rounds):
    """CPU of the sensor, percent of a core, while nothing is done here; 20 s"""
    with sensor(build) as ours:
        time.sleep(2)
        before, since = cpu_seconds(ours.pid), time.monotonic()
        time.sleep(20)
        print(f"  {(cpu_seconds(ours.pid) - before) / (time.monotonic() - since) * 100:.3f} %")


EVERY_READ = """
- rule: Never
  desc: The kernel cannot tell, so every read reaches the rules.
  condition: evt.type in (open, openat, openat2) and fd.name startswith /etc and proc.cmdline contains no-such-word
  output: "%evt.type"
  priority: NOTICE
"""


def throughput(build, rounds):
    """events a second through ring, tables and all rules; one core makes the calls, the sensor has the other"""
    for kind, what in (("opens", "reads of one file"), ("mix", "opens, connects, copies of descriptors, modes")):
        stream(build, kind, what)


def emitted(port):
    """Records that were handed to the sensor, whoever made them."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        return sum(int(count) for count in re.findall(r"records_emitted_total\{.*\} (\d+)", answer.read().decode()))


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def stream(build, kind, what):
    seconds = 5
    port = free_port()
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as rules:
        rules.write(RULES.read_text() + EVERY_READ)
        rules.flush()
        sink = Sink()
        with tempfile.NamedTemporaryFile(dir="/etc", prefix="tocsin-bench-") as file, \
                sensor(build, "--hub", f"http://127.0.0.1:{sink.port}", "--metrics", f"127.0.0.1:{port}", cpu=1, rules=rules.name) as ours:
            before, had = cpu_seconds(ours.pid), emitted(port)
            made = int(subprocess.run(pinned([build / "tests/bench/bench_load", kind, file.name, str(seconds)], 0),
                                      capture_output=True, text=True, check=True).stdout)
            time.sleep(1.2)
            cpu, taken = cpu_seconds(ours.pid) - before, emitted(port) - had
        stats = [json.loads(body)["stats"] for _, path, body in sink.came if "heartbeat" in path][-1]
    print(f"  {what}: made {made / seconds:,.0f}/s; taken {taken:,}, lost {sum(stats['lost'].values()):,};"
          f" CPU of the sensor {cpu / taken * 1e9:.0f} ns an event: {taken / cpu:,.0f}/s on one core")


def flood(build, rounds):
    """60 reads of /etc/shadow beside floods of opens, connects, writes and forks on every core: how many arrive, and when"""
    sink = Sink()
    with sensor(build, "--hub", f"http://127.0.0.1:{sink.port}"):
        floods = subprocess.Popen([build / "tests/tools/flood", "12"], stdout=subprocess.PIPE, text=True)
        time.sleep(1)
        waits = []
        for _ in range(60):
            before = time.monotonic()
            os.close(os.open("/etc/shadow", os.O_RDONLY))
            while (arrived := sink.first(b"/etc/shadow", "/api/v1/events", before)) is None and time.monotonic() - before < 3:
                time.sleep(0.002)
            if arrived:
                waits.append((arrived - before) * 1000)
            time.sleep(0.05)
        made = json.loads(floods.communicate()[0])
    stats = [json.loads(body)["stats"] for _, path, body in sink.came if "heartbeat" in path][-1]
    print(f"  {len(waits)} of 60, {spread(waits)} ms, latest {max(waits):.1f}; flood {sum(made.values()):,} calls; seen {stats['seen']:,},"
          f" filtered {stats['filtered']:,}, shed {sum(stats['lost'].values()):,}; equation"
          f" {'holds' if stats['seen'] == stats['filtered'] + stats['emitted'] + sum(stats['lost'].values()) else 'BROKEN'}")


PARTS = {"calls": calls, "work": work, "memory": memory, "idle": idle, "latency": latency, "throughput": throughput, "flood": flood}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--rules", type=pathlib.Path, default=RULES, help="default: the shipped ones; Falco's, yours")
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    globals()["RULES"] = arguments.rules.resolve()
    subprocess.run(["ninja", "-C", build, *TARGETS], check=True, stdout=subprocess.DEVNULL)
    print(machine())
    for name in arguments.only:
        print(f"{name}: {PARTS[name].__doc__.splitlines()[0]}")
        PARTS[name](build, arguments.rounds)


if __name__ == "__main__":
    main()
