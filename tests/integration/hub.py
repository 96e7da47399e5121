"""A real tocsin-hub for tests: started on free loopback ports over a data directory, stopped or killed."""
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess

from servers import wait_for

BUILD = pathlib.Path(os.environ.get("TOCSIN_BUILD", pathlib.Path(__file__).parents[2] / "build" / "asan"))
ROOT = pathlib.Path(__file__).parents[2]
NEXT = [0]


def alert(number=None, **changes):
    """An alert as Falco sends it; every call gives another one."""
    NEXT[0] += 1
    number = NEXT[0] if number is None else number
    body = {
        "hostname": "node-1",
        "output": "12:00:00.000000000: Warning Sensitive file opened (file=/etc/shadow user=root)",
        "output_fields": {"evt.num": number, "evt.time": 1790000000000000000 + number, "fd.name": "/etc/shadow",
                          "proc.name": "cat", "user.name": "root", "container.id": "host"},
        "priority": "Warning",
        "rule": "Read sensitive file untrusted",
        "source": "syscall",
        "tags": ["filesystem", "mitre_credential_access"],
        "time": f"2026-11-20T12:00:00.{number % 1000000000:09d}Z",
    }
    body.update(changes)
    return body


class Hub:
    """One hub process. `settings` are the configuration; listeners and data_dir are filled in."""

    def __init__(self, folder, settings=None, environment=None):
        self.folder = pathlib.Path(folder)
        self.settings = {"listen": "127.0.0.1:0", "data_dir": str(self.folder / "data"),
                         "admin": {"listen": "127.0.0.1:0"}, **(settings or {})}
        self.environment = environment or {}
        self.process = None
        self.log = self.folder / "hub.log"
        self.connection = None

    def write_config(self):
        path = self.folder / "hub.yaml"
        path.touch(0o600)
        path.write_text(json.dumps(self.settings, indent=1))
        return path

    def start(self, wait=True):
        self.connection = None
        start = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [BUILD / "hub" / "tocsin-hub", "--config", self.write_config()], stderr=log, stdout=log,
                env={**os.environ, "ASAN_OPTIONS": "detect_leaks=1:quarantine_size_mb=8", **self.environment})
        if wait:
            def ready():
                if self.process.poll() is not None:
                    raise AssertionError("the hub ended:\n" + self.read_log())
                return re.search(r"taking events on .*\(port (\d+)\)", self.read_log(start))
            self.port = int(wait_for(ready, 30, "hub's start").group(1))
            found = re.search(r"web UI and API on .*\(port (\d+)\)", self.read_log(start))
            self.admin_port = int(found.group(1)) if found else None
        return self

    def read_log(self, start=0):
        with open(self.log, "rb") as file:
            file.seek(start)
            return file.read().decode(errors="replace")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, expect=0):
        """SIGTERM; the sanitizers speak at the end."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=60)
        text = self.read_log()
        assert "ThreadSanitizer" not in text and "AddressSanitizer" not in text and "LeakSanitizer" not in text and "runtime error" not in text, text[-6000:]
        assert status == expect, f"exit status {status}\n" + text[-3000:]

    def request(self, method, path, body=None, headers=None, port=None, timeout=30):
        """(status, headers, bytes)"""
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def post(self, body, path="/", headers=None):
        return self.request("POST", path, body, headers)

    def events(self, body, headers=None):
        """(status, answer) of /api/v1/events"""
        status, _, answer = self.request("POST", "/api/v1/events", body, headers)
        return status, json.loads(answer)

    def metric(self, name, **labels):
        """The value of one sample, 0 when it is not there."""
        _, _, text = self.request("GET", "/metrics")
        for line in text.decode().splitlines():
            found = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if not found or found.group(1) != name:
                continue
            have = dict(re.findall(r'(\w+)="([^"]*)"', found.group(2) or ""))
            if all(have.get(key) == value for key, value in labels.items()):
                return float(found.group(3))
        return 0.0

    def api(self, method, path, body=None):
        """(status, parsed answer) of the admin listener, with the admin's token."""
        token = (self.folder / "data" / "admin.token").read_text().strip()
        status, _, answer = self.request(method, path, body, {"Authorization": "Bearer " + token}, self.admin_port)
        return status, json.loads(answer) if answer else None

    def pending(self, output):
        return self.metric("tocsin_hub_output_alerts", output=output, state="pending")

    def drained(self, output, seconds=30):
        wait_for(lambda: self.pending(output) == 0, seconds, f"the end of {output}'s queue")

    def audit(self):
        """Law 1 recounted from the store; the output of `tocsin audit`, which must succeed."""
        done = subprocess.run([BUILD / "cli" / "tocsin", "audit", "--data-dir", self.folder / "data"],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
