#!/usr/bin/env python3
"""What the sensor costs and how fast it is, each figure beside the same machine without it.

    python3 tests/bench/bench_sensor.py [--build build/release] [--rounds 40] [--only PART…]

As root. Prints the machine, then a part after the other; --only takes their names.
"""
import argparse
import contextlib
import ctypes
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

ROOT = pathlib.Path(__file__).parents[2]
RULES = ROOT / "rules" / "tocsin_rules.yaml"


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
def sensor(build, *options, cpu=None, rules=RULES):
    """A sensor that prints nowhere, or sends to where `options` say."""
    where = options or ("--print",)
    with tempfile.TemporaryDirectory() as folder:
        log = pathlib.Path(folder) / "log"
        command = [build / "sensor" / "tocsin-sensor", "--rules", rules, "--spool-dir", pathlib.Path(folder) / "spool", *where]
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
        if name == "rounds":
            continue
        none, empty, ours = ways["none"][0], ways["empty"][0], ways["sensor"][0]
        print(f"  {name:18} none {none:9.1f}  empty program {empty:9.1f} ({empty / none:.3f})  sensor {ours:9.1f}"
              f" ({ways['sensor'][1]:.1f}–{ways['sensor'][2]:.1f})  ratio {ours / none:.3f}, added {ours - none:.0f},"
              f" beyond the empty one {ours - empty:.0f}")


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


PARTS = {"calls": calls, "latency": latency}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    arguments = parser.parse_args()
    print(machine())
    for name in arguments.only:
        print(f"{name}: {PARTS[name].__doc__.splitlines()[0]}")
        PARTS[name](arguments.build.resolve(), arguments.rounds)


if __name__ == "__main__":
    main()
