"""Hub and sensor know each other by certificates: the hub's own TLS, on both doors."""
import json
import os
import shutil
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from hub import BUILD, Hub, alert
from servers import wait_for

CLI = BUILD / "cli" / "tocsin"
SENSOR = BUILD / "sensor" / "tocsin-sensor"


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A CA; authority(name, …) makes NAME.pem and NAME.key that it signed."""
    folder = tmp_path_factory.mktemp("ca")

    def make_root(name):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 2, "-subj", f"/CN={name}",
                "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem")

    def make(name, root="root", purpose="serverAuth", days=2):
        (folder / "extensions").write_text(f"subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage={purpose}\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout", folder / f"{name}.key",
                "-out", folder / f"{name}.csr")
        openssl("x509", "-req", "-in", folder / f"{name}.csr", "-CA", folder / f"{root}.pem", "-CAkey", folder / f"{root}.key",
                "-CAcreateserial", "-days", days, "-extfile", folder / "extensions", "-out", folder / f"{name}.pem")
        return folder

    for name in ("root", "stranger"):
        make_root(name)
    make("hub")
    make("next")
    make("sensor", purpose="clientAuth")
    make("foreign", "stranger", "clientAuth")
    make("late", purpose="clientAuth", days=-1)
    return folder


@pytest.fixture
def hub(tmp_path, authority):
    """Both doors speak https; events want a client's certificate when asked so."""
    started = []
    for end in ("pem", "key"):
        shutil.copy(authority / f"hub.{end}", tmp_path / f"own.{end}")
    own = {"cert_file": str(tmp_path / "own.pem"), "key_file": str(tmp_path / "own.key")}

    def start(mutual=False, **settings):
        ingest = {**own, **({"client_ca_file": str(authority / "root.pem")} if mutual else {})}
        started.append(Hub(tmp_path, {"ingest": ingest, "admin": {"listen": "127.0.0.1:0", **own}, **settings}).start())
        return started[-1]

    yield start
    for each in started:
        each.stop()


def ask(authority, url, body=None, client=None, headers=None):
    """(status, headers, text)"""
    context = ssl.create_default_context(cafile=authority / "root.pem")
    if client is not None:
        context.load_cert_chain(authority / f"{client}.pem", authority / f"{client}.key")
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), headers or {})
    try:
        with urllib.request.urlopen(request, context=context, timeout=20) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def serial(port):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), 10) as plain, context.wrap_socket(plain) as secure:
        return secure.getpeercert(binary_form=True), secure.version()


def test_events_come_in_and_the_ui_logs_in(hub, authority):
    hub = hub()
    url, admin = f"https://127.0.0.1:{hub.port}", f"https://127.0.0.1:{hub.admin_port}"
    assert ask(authority, f"{url}/", alert())[0] == 200
    assert "tocsin_hub_certificate_expiry_timestamp_seconds{listener=\"ingest\"}" in ask(authority, f"{url}/metrics")[2]
    token = (hub.folder / "data" / "admin.token").read_text().strip()
    status, headers, _ = ask(authority, f"{admin}/api/v1/login", {"token": token}, headers={"Content-Type": "application/json"})
    assert status == 200 and "; Secure" in headers["Set-Cookie"]
    assert serial(hub.port)[1] == "TLSv1.3"


def test_the_command_line_and_its_streams_speak_it(hub, authority):
    hub = hub()
    where = {**os.environ, "TOCSIN_URL": f"https://127.0.0.1:{hub.admin_port}", "TOCSIN_TOKEN": (hub.folder / "data" / "admin.token").read_text().strip()}
    refused = subprocess.run([CLI, "status"], env=where, capture_output=True, text=True, check=False)
    assert refused.returncode != 0 and "certificate" in refused.stderr
    missing = subprocess.run([CLI, "status", "--ca-file", "/nowhere.pem"], env=where, capture_output=True, text=True, check=False)
    assert "/nowhere.pem: No such file" in missing.stderr
    done = subprocess.run([CLI, "status", "--ca-file", authority / "root.pem"], env=where, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    tail = subprocess.Popen([CLI, "tail"], env={**where, "TOCSIN_CA_FILE": str(authority / "root.pem")}, stdout=subprocess.PIPE, text=True)
    try:
        def heard():
            ask(authority, f"https://127.0.0.1:{hub.port}/", alert())
            return hub_streams(authority, hub) > 0
        wait_for(heard, 20, "a stream")
        ask(authority, f"https://127.0.0.1:{hub.port}/", alert())
        assert "Read sensitive file" in tail.stdout.readline()
    finally:
        tail.kill()
        tail.wait()
    wait_for(lambda: hub_streams(authority, hub) == 0, 40, "the end of the stream that nobody reads")


def hub_streams(authority, hub):
    for line in ask(authority, f"https://127.0.0.1:{hub.port}/metrics")[2].splitlines():
        if line.startswith("tocsin_api_streams "):
            return float(line.split()[1])
    raise AssertionError("no such metric")


@pytest.mark.parametrize("client, why", [(None, "a client certificate is needed"), ("foreign", "not signed by an authority"),
                                         ("late", "has expired"), ("hub", "is not for clients")])
def test_who_shows_no_good_certificate_is_refused_and_told_why(hub, authority, client, why):
    url = f"https://127.0.0.1:{hub(mutual=True).port}"
    status, _, text = ask(authority, f"{url}/", alert(), client)
    assert status == 403 and why in text
    assert ask(authority, f"{url}/healthz", client=client)[0] == 200


def test_sensor_and_hub_know_each_other(hub, authority, tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text("- rule: True\n  desc: d\n  condition: evt.type in (execve, execveat) and proc.name = true\n  output: x\n  priority: NOTICE\n")
    hub = hub(mutual=True, rules_files=[str(rules)])
    sensor = [SENSOR, "run", "--hub", f"https://127.0.0.1:{hub.port}", "--spool-dir", tmp_path / "spool", "--ca-file", authority / "root.pem"]
    mine = ["--cert-file", authority / "sensor.pem", "--key-file", authority / "sensor.key"]
    subprocess.run([*sensor, *mine, "--", "sh", "-c", "sleep 1; /bin/true; sleep 1"], check=True, timeout=60, capture_output=True)

    token = (hub.folder / "data" / "admin.token").read_text().strip()

    def came():
        answer = ask(authority, f"https://127.0.0.1:{hub.admin_port}/api/v1/alerts", headers={"Authorization": f"Bearer {token}"})
        return [each for each in json.loads(answer[2])["alerts"] if "True" in json.dumps(each)]
    wait_for(came, 20, "the alert")
    stranger = [*sensor[:-1], authority / "stranger.pem", *mine]
    told = subprocess.run([*stranger, "--", "true"], timeout=60, capture_output=True, text=True, check=False)
    assert "certificate" in told.stderr, told.stderr


def test_a_renewed_certificate_is_shown_without_a_restart_and_a_broken_one_never(hub, authority):
    hub = hub()
    before, _ = serial(hub.port)

    def renew(name, *ends):
        for end in ends:
            shutil.copy(authority / f"{name}.{end}", hub.folder / "fresh")
            os.rename(hub.folder / "fresh", hub.folder / f"own.{end}")

    renew("next", "pem")  # and the key not yet
    wait_for(lambda: serial(hub.port)[0] and "stays in force" in hub.read_log(), 20, "the refusal")
    assert serial(hub.port)[0] == before
    renew("next", "key")
    wait_for(lambda: serial(hub.port)[0] != before, 20, "the new certificate")
    (hub.folder / "own.key").write_text("nonsense")
    wait_for(lambda: serial(hub.port)[0] and hub.read_log().count("stays in force") >= 2, 20, "the second refusal")
    assert serial(hub.port)[0] != before


def test_who_does_not_shake_hands_keeps_nobody_waiting(hub, authority):
    hub = hub()
    silent = [socket.create_connection(("127.0.0.1", hub.port)) for _ in range(20)]
    for each in silent[:10]:
        each.sendall(b"\x16\x03\x01\x02\x00\x01")
    with socket.create_connection(("127.0.0.1", hub.port), 10) as plain:
        plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" not in plain.recv(100)
    begin = time.monotonic()
    assert ask(authority, f"https://127.0.0.1:{hub.port}/", alert())[0] == 200
    assert time.monotonic() - begin < 10
    for each in silent:
        each.close()


@pytest.mark.parametrize("ingest, what", [
    ({"cert_file": "{own}/hub.pem"}, "wants key_file"), ({"key_file": "{own}/hub.key"}, "wants cert_file"),
    ({"client_ca_file": "{own}/root.pem"}, "wants cert_file and key_file"),
    ({"cert_file": "/nowhere.pem", "key_file": "{own}/hub.key"}, "/nowhere.pem"),
    ({"cert_file": "{own}/hub.pem", "key_file": "{own}/next.key"}, "next.key: The certificate and the given key do not match"),
    ({"cert_file": "{own}/hub.key", "key_file": "{own}/hub.key"}, "hub.key"),
    ({"cert_file": "{own}/hub.pem", "key_file": "{own}/hub.key", "client_ca_file": "{own}/hub.key"}, "hub.key")])
def test_what_cannot_be_is_told_at_the_start(tmp_path, authority, ingest, what):
    hub = Hub(tmp_path, {"ingest": {key: value.format(own=authority) for key, value in ingest.items()}}).start(wait=False)
    assert hub.process.wait(30) != 0 and what in hub.read_log(), hub.read_log()
