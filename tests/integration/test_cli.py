"""The tocsin command: what it says of files, and what it shows of a real hub."""
import contextlib
import http.server
import json
import os
import re
import sqlite3
import subprocess
import threading

import pytest

from hub import BUILD, Hub, alert
from servers import free_port, wait_for

TOCSIN = BUILD / "cli" / "tocsin"
TOKEN = "a-token-for-the-tests-of-the-command"


def clean_environment(**more):
    """No TOCSIN_ variable of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    return {**kept, "LC_ALL": "C.UTF-8", "TZ": "UTC", **more}


def tocsin(*arguments, text=None, **environment):
    return subprocess.run([TOCSIN, *map(str, arguments)], input=text, capture_output=True, timeout=60,
                          encoding="utf-8", env=clean_environment(**environment))


# --- without a hub ---------------------------------------------------------------------------------

def test_a_good_configuration_is_ok_and_counted(tmp_path):
    path = tmp_path / "hub.yaml"
    path.write_text("outputs:\n  a: {type: stdout}\n")
    done = tocsin("check", path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{path}: ok (1 output, 0 rules)\n", "")


def test_a_bad_configuration_names_every_place_and_nothing_secret(tmp_path):
    path = tmp_path / "hub.yaml"
    path.write_text("ingest: {token: hunter2, timeout: 10 minutes}\njournal: {maxsize: 1GiB}\n")
    path.chmod(0o600)
    done = tocsin("check", path)
    assert done.returncode == 1 and done.stdout == ""
    assert f"{path}:1:35: ingest.timeout: \"10 minutes\" is not a duration (try 10m)" in done.stderr
    assert f"{path}:2:11: journal: unknown setting \"maxsize\", did you mean \"max_size\"?" in done.stderr
    assert "^" in done.stderr and done.stderr.endswith("2 errors\n")
    assert "hunter2" not in done.stderr


def test_check_takes_standard_input_and_speaks_json():
    done = tocsin("check", "-o", "json", "-", text="listen: here\n")
    answer = json.loads(done.stdout)
    assert done.returncode == 1 and not answer["ok"]
    assert (answer["errors"][0]["line"], answer["errors"][0]["column"]) == (1, 9)


def test_check_reads_the_rules_that_the_configuration_names(tmp_path):
    rules = tmp_path / "rules.yaml"
    path = tmp_path / "hub.yaml"
    path.write_text(f"rules_files: [{rules}]\n")
    rules.write_text("- rule: Shell\n  desc: a shell\n  condition: evt.type = execve and proc.name = bash\n"
                     "  output: shell (%proc.name)\n  priority: NOTICE\n")
    done = tocsin("check", path)
    assert done.returncode == 0 and "ok (0 outputs, 1 rule)" in done.stdout
    rules.write_text("- rule: Shell\n  desc: a shell\n  condition: proc.nam = bash\n"
                     "  output: shell\n  priority: NOTICE\n")
    done = tocsin("check", path)
    assert done.returncode == 1 and f"{rules}:3" in done.stderr
    done = tocsin("rules", "check", rules)
    assert done.returncode == 1 and f"{rules}:3" in done.stdout
    done = tocsin("rules", "check", "-o", "json", rules)
    assert done.returncode == 1 and json.loads(done.stdout)["tocsin"]["errors"][0]["line"] == 3


def test_what_check_shows_holds_no_secret(tmp_path):
    path = tmp_path / "hub.yaml"
    path.write_text("admin: {token: hunter2-hunter2-hunter2}\n")
    path.chmod(0o600)
    done = tocsin("check", "--show", path)
    assert done.returncode == 0 and 'token: "<secret>"' in done.stdout and "hunter2" not in done.stdout


@pytest.mark.parametrize("arguments, says", [
    ([], "a verb is wanted"),
    (["tial"], 'there is no verb "tial"'),
    (["dead-letters"], "say list or replay"),
    (["outputs", "--bogus"], "--bogus: there is no such option"),
    (["tail", "-n"], "-n wants a value"),
    (["tail", "-n", "many"], '-n: "many" is not a number'),
    (["tail", "--priority", "loud"], '--priority: "loud" is unknown'),
    (["outputs", "-o", "xml"], '-o: "xml" is not text or json'),
    (["check", "a", "b"], "check takes one file"),
    (["status", "--url", "ftp://x"], "does not begin with http"),
])
def test_wrong_usage_says_what_and_where_to_read_on(arguments, says):
    done = tocsin(*arguments)
    assert done.returncode == 2 and says in done.stderr and "--help" in done.stderr and done.stdout == ""


def test_every_verb_has_help_with_examples():
    verbs = re.findall(r"^  ([a-z-]+(?: [a-z]+)?)  +\S", tocsin("--help").stdout.split("outputs   ", 1)[1], re.M)
    assert {"check", "rules check", "tail", "dead-letters replay", "audit"} <= set(verbs)
    for verb in verbs:
        done = tocsin(*verb.split(), "--help")
        assert done.returncode == 0 and f"Usage: tocsin {verb}" in done.stdout and re.search(r"^  .*tocsin ", done.stdout, re.M)


def test_the_first_word_of_some_verbs_has_help_too():
    done = tocsin("dead-letters", "--help")
    assert done.returncode == 0 and "Usage: tocsin dead-letters VERB" in done.stdout
    assert "dead-letters replay" in done.stdout and "tail" not in done.stdout


def test_the_completion_is_a_script_that_bash_takes():
    done = tocsin("completion", "bash")
    assert done.returncode == 0
    script = done.stdout + '\nCOMP_WORDS=(tocsin dead-letters re); COMP_CWORD=2; _tocsin; echo "${COMPREPLY[@]}"\n'
    assert subprocess.run(["bash", "-c", script], capture_output=True, text=True).stdout == "replay\n"


def test_no_hub_is_its_own_status():
    done = tocsin("outputs", "--url", "http://127.0.0.1:9")
    assert done.returncode == 3 and "no hub answers" in done.stderr and "--url" in done.stderr


def test_an_audit_of_nothing_fails(tmp_path):
    done = tocsin("audit", "--data-dir", tmp_path)
    assert done.returncode == 1 and done.stderr.count(str(tmp_path / "journal.db")) == 1


# --- with one --------------------------------------------------------------------------------------

class Receiver(http.server.ThreadingHTTPServer):
    """Takes webhooks; answers with `status`."""

    def __init__(self):
        receiver = self
        receiver.status, receiver.bodies = 200, []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if receiver.status == 200:
                    receiver.bodies.append(body)
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server_port}/"


@pytest.fixture
def receiver():
    server = Receiver()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def hub(tmp_path, receiver):
    one = Hub(tmp_path, {"admin": {"listen": "127.0.0.1:0", "token": TOKEN},
                         "outputs": {"hook": {"type": "webhook", "url": receiver.url}}}).start()
    yield one
    one.stop()


def ask(hub, *arguments, **environment):
    return tocsin(*arguments, **{"TOCSIN_URL": f"http://127.0.0.1:{hub.admin_port}", "TOCSIN_TOKEN": TOKEN,
                                 **environment})


def test_outputs_are_a_table_and_json(hub):
    assert hub.post(alert())[0] == 200
    hub.drained("hook")
    done = ask(hub, "outputs")
    assert done.returncode == 0
    heads, row = (line.split() for line in done.stdout.splitlines())
    assert heads[:4] == ["NAME", "TYPE", "STATE", "LAG"]
    assert row[:4] == ["hook", "webhook", "idle", "0"]
    assert json.loads(ask(hub, "outputs", "-o", "json").stdout)["outputs"][0]["delivered"] == 1


def test_a_wrong_token_is_not_allowed_and_not_printed(hub):
    done = ask(hub, "outputs", TOCSIN_TOKEN="wrong-but-still-secret")
    assert done.returncode == 4 and "not allowed" in done.stderr
    assert "wrong-but-still-secret" not in done.stderr + done.stdout


def test_the_token_comes_from_a_file_too(hub, tmp_path):
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    url = f"http://127.0.0.1:{hub.admin_port}"
    assert tocsin("status", "--url", url, "--token-file", file).returncode == 0
    config = tmp_path / "other.yaml"
    config.write_text(f"admin: {{listen: '127.0.0.1:{hub.admin_port}', token: 'file:{file}'}}\n")
    assert tocsin("status", "-c", config).returncode == 0
    assert tocsin("status", "--url", url, "--token-file", tmp_path / "missing").returncode == 4


def test_status_and_login(hub):
    done = ask(hub, "status")
    assert done.returncode == 0 and "version " in done.stdout and "journal.last " in done.stdout
    assert ask(hub, "status", "--quiet").stdout == ""
    link = ask(hub, "login").stdout.strip()
    found = re.fullmatch(rf"http://127\.0\.0\.1:{hub.admin_port}/#token=(\S+)", link)
    assert found
    body = json.dumps({"token": found.group(1)})
    assert hub.request("POST", "/api/v1/login", body, port=hub.admin_port)[0] == 200
    assert hub.request("POST", "/api/v1/login", body, port=hub.admin_port)[0] == 401


def test_tail_shows_older_alerts_oldest_first_and_filters(hub):
    for number in range(5):
        hub.post(alert(rule=f"Rule {number}", priority="Error" if number % 2 else "Notice", hostname="web-1"))
    done = ask(hub, "tail", "--no-follow", "-n", "3")
    assert [line.split("Rule ")[1][0] for line in done.stdout.splitlines()] == ["2", "3", "4"]
    line = done.stdout.splitlines()[1]
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} Error +web-1 Rule 3: Sensitive file opened", line), line
    done = ask(hub, "tail", "--no-follow", "--priority", "error")
    assert len(done.stdout.splitlines()) == 2
    done = ask(hub, "tail", "--no-follow", "--rule", "Rule 0", "-o", "json")
    assert json.loads(done.stdout)["alert"]["rule"] == "Rule 0"


def test_tail_escapes_what_would_drive_the_terminal(hub):
    hub.post(alert(output="evil \x1b[2J\u202e file", rule="Rule \x07"))
    done = ask(hub, "tail", "--no-follow", "--color", "never")
    assert "\\x1b[2J\\u{202e}" in done.stdout and "Rule \\x07" in done.stdout
    assert "\x1b" not in done.stdout and "\u202e" not in done.stdout
    assert "\x1b[" in ask(hub, "tail", "--no-follow", "--color", "always").stdout


class Tail:
    """`tocsin tail` in the background, its lines in a list."""

    def __init__(self, hub, *arguments):
        environment = clean_environment(TOCSIN_URL=f"http://127.0.0.1:{hub.admin_port}", TOCSIN_TOKEN=TOKEN)
        self.process = subprocess.Popen([TOCSIN, "tail", *arguments], env=environment, encoding="utf-8",
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.lines, self.complaints = [], []
        self.readers = [threading.Thread(target=self.read, args=pair, daemon=True)
                        for pair in ((self.process.stdout, self.lines), (self.process.stderr, self.complaints))]
        for reader in self.readers:
            reader.start()

    @staticmethod
    def read(stream, lines):
        for line in stream:
            lines.append(line)

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=20)
        for reader in self.readers:
            reader.join(timeout=20)


def test_tail_follows_and_goes_on_after_the_hub_restarted(tmp_path, receiver):
    port = free_port()
    hub = Hub(tmp_path, {"admin": {"listen": f"127.0.0.1:{port}", "token": TOKEN}}).start()
    hub.post(alert(rule="Before"))
    tail = Tail(hub, "-n", "1")
    try:
        wait_for(lambda: any("Before" in line for line in tail.lines), what="the older alert")
        hub.post(alert(rule="Live"))
        wait_for(lambda: any("Live" in line for line in tail.lines), what="the live alert")
        hub.stop()
        wait_for(lambda: any("trying again" in line for line in tail.complaints), what="the complaint")
        hub.start()
        hub.post(alert(rule="After"))
        wait_for(lambda: any("After" in line for line in tail.lines), 30, "the alert after the restart")
        assert sum("Live" in line for line in tail.lines) == 1
    finally:
        tail.stop()
        hub.stop()


def test_dead_letters_are_listed_and_replayed(hub, receiver):
    receiver.status = 400
    assert hub.post(alert(rule="Unwanted"))[0] == 200
    listed = wait_for(lambda: (lambda done: done if "Unwanted" in done.stdout else None)(
        ask(hub, "dead-letters", "list")), what="the dead letter")
    assert "hook" in listed.stdout and "400" in listed.stdout
    assert ask(hub, "dead-letters", "list", "--output", "other").stdout == "no dead letters\n"
    letter = json.loads(ask(hub, "dead-letters", "list", "-o", "json").stdout)
    receiver.status = 200
    done = ask(hub, "dead-letters", "replay", letter["id"])
    assert (done.returncode, done.stdout) == (0, "1 dead letter handed back\n")
    wait_for(lambda: receiver.bodies, what="the replayed alert")
    assert b"Unwanted" in receiver.bodies[0]
    wait_for(lambda: "no dead letters" in ask(hub, "dead-letters", "list").stdout, what="the empty list")
    assert ask(hub, "dead-letters", "replay").returncode == 1


def test_kick_knows_outputs_by_name(hub):
    assert ask(hub, "kick", "hook").returncode == 0
    assert ask(hub, "kick", "nobody").returncode == 1


def test_the_audit_adds_up_with_the_hub_running_and_stopped(hub, tmp_path):
    for _ in range(20):
        hub.post(alert())
    hub.drained("hook")
    config = tmp_path / "hub.yaml"

    def settled():
        done = tocsin("audit", "-c", config)
        assert done.returncode == 0 and re.search(r"^hook +20 .* OK$", done.stdout, re.M), done.stdout
        return re.search(r"^hook +20 +20 +0 +0 +0  OK$", done.stdout, re.M)
    wait_for(settled, what="the deliveries on disk")
    hub.stop()
    answer = json.loads(tocsin("audit", "-o", "json", "--store", tmp_path / "data" / "journal.db").stdout)
    assert answer["holds"] and answer["outputs"][0]["delivered"] == 20


def test_an_audit_that_does_not_add_up_says_so(hub, tmp_path):
    for _ in range(3):
        hub.post(alert())
    hub.drained("hook")
    hub.stop()
    store = tmp_path / "data" / "journal.db"
    with contextlib.closing(sqlite3.connect(store)) as connection:
        assert connection.execute("DELETE FROM delivery").rowcount > 0
        connection.commit()
    done = tocsin("audit", "--store", store)
    assert done.returncode == 1 and "OK" not in done.stdout, done.stdout
