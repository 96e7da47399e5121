#!/usr/bin/env python3
"""Ingest and delivery figures of the hub, each beside the same load on a bare HTTP server.

    python3 tests/bench/bench_hub.py [--build build/release] [--seconds 5] [--rounds 3]

For 1, 64 and 512 connections, one alert of about 900 bytes a request: accepted a second, delivered a
second to one webhook on this machine, latency of the answer, the hub's CPU and memory. Then batches of 500.
Every alert is different; after each run the hub is given time to deliver the rest, and what arrived is
compared with what was acknowledged. The baseline is tests/tools/null_server: the hub's HTTP layer that
answers at once and does nothing. Load generator and receiver share the machine's processors.
"""
import argparse
import http.client
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).parents[2]


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    body = connection.getresponse().read().decode()
    connection.close()
    return body


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid):
    found = re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())
    return int(found.group(1)) / 1024


class Program:
    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def stop(self):
        self.process.kill()
        self.process.wait()


def load(build, port, connections, batch, seconds, path="/"):
    done = subprocess.run([build / "tests/tools/load", "-p", str(port), "-c", str(connections), "-b", str(batch),
                           "-s", str(seconds), "-u", path], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def start_hub(build, folder, settings):
    (folder / "hub.yaml").write_text(json.dumps({"listen": "127.0.0.1:0", "data_dir": str(folder / "data"),
                                                 "admin": {"listen": "off"}, **settings}))
    log = open(folder / "log", "w")
    process = subprocess.Popen([build / "hub/tocsin-hub", "-c", folder / "hub.yaml"], stderr=log)
    while True:
        found = re.search(r"taking events on .*port (\d+)", (folder / "log").read_text())
        if found:
            return process, int(found.group(1))
        if process.poll() is not None:
            raise SystemExit((folder / "log").read_text())
        time.sleep(0.02)


def one_run(build, connections, batch, seconds, baseline=True):
    figures = {}
    if baseline:
        null = Program(build / "tests/tools/null_server")
        figures["null_per_s"] = load(build, null.port, connections, batch, min(seconds, 2))["accepted_per_s"]
        null.stop()
    receiver = Program(build / "tests/tools/receiver")
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as name:
        folder = pathlib.Path(name)
        hub, port = start_hub(build, folder, {"outputs": {"hook": {
            "type": "webhook", "url": f"http://127.0.0.1:{receiver.port}/", "concurrency": 16}}})
        cpu = cpu_seconds(hub.pid)
        run = load(build, port, connections, batch, seconds, "/api/v1/events" if batch > 1 else "/")
        figures.update(run)
        figures["resident_mib"] = resident_mib(hub.pid)
        during = json.loads(get(receiver.port, "/count"))["distinct"]
        figures["delivered_per_s"] = during / run["seconds"]
        begin, last = time.monotonic(), during
        while last < run["accepted"] and time.monotonic() - begin < 120:
            time.sleep(0.05)
            last = json.loads(get(receiver.port, "/count"))["distinct"]
        drained = time.monotonic() - begin
        figures["drain_per_s"] = (last - during) / drained if last - during > 1000 else float("nan")
        figures["lost"] = run["accepted"] - last
        figures["resident_after_mib"] = resident_mib(hub.pid)
        figures["cpu_us"] = (cpu_seconds(hub.pid) - cpu) / max(run["accepted"], 1) * 1e6
        hub.send_signal(signal.SIGTERM)
        hub.wait()
    receiver.stop()
    return figures


def show(label, runs):
    def middle(key):
        values = [run[key] for run in runs if key in run and run[key] == run[key]]
        return (statistics.median(values), min(values), max(values)) if values else (float("nan"),) * 3

    print(f"\n{label} (median of {len(runs)}; min … max)")
    for key, name in [("accepted_per_s", "accepted/s"), ("delivered_per_s", "delivered/s meanwhile"),
                      ("drain_per_s", "delivered/s afterwards"), ("p50_ms", "answer p50, ms"), ("p99_ms", "answer p99, ms"),
                      ("cpu_us", "hub CPU an alert, all in, µs"), ("resident_mib", "resident, MiB"),
                      ("resident_after_mib", "resident when delivered, MiB"), ("refused", "refused"), ("lost", "lost")]:
        mid, low, high = middle(key)
        print(f"  {name:<30} {mid:>10.1f}   ({low:.1f} … {high:.1f})")
    if "null_per_s" in runs[0]:
        ratio = statistics.median(run["accepted_per_s"] / run["null_per_s"] for run in runs)
        print(f"  {'ratio to the bare HTTP server':<30} {ratio:>10.2f}   (it answers {middle('null_per_s')[0]:.0f}/s)")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="connections×batch, such as 64x1")
    arguments = parser.parse_args()
    for connections, batch in [(1, 1), (64, 1), (512, 1), (4, 500)]:
        if arguments.only and arguments.only != f"{connections}x{batch}":
            continue
        runs = [one_run(arguments.build, connections, batch, arguments.seconds) for _ in range(arguments.rounds)]
        show(f"{connections} connections, {batch} alert{'s' if batch > 1 else ''} a request", runs)


main()
