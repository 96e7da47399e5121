"""tocsin rules VERB, through the real command: the language's own cases, events in and alerts out."""
import base64
import json
import pathlib
import re
import subprocess
import threading

import pytest

from test_cli import TOCSIN, clean_environment, tocsin

CASES = pathlib.Path(__file__).resolve().parents[3] / "shared" / "cases"
SHELL = ("- rule: Shell\n  desc: a shell\n  condition: evt.type = execve and proc.name = bash\n"
         "  output: shell (%proc.name of %user.name)\n  priority: NOTICE\n  tags: [shell, T1059]\n")


def rules_verb(*arguments, text="", **environment):
    return subprocess.run([TOCSIN, "rules", *map(str, arguments)], input=text.encode() if isinstance(text, str) else text,
                          capture_output=True, timeout=120, env=clean_environment(**environment))


def cases(*kinds):
    found = []
    for file in sorted(CASES.glob("rule-cases*.jsonl")):
        found += [case for case in map(json.loads, file.read_text().splitlines()) if case["kind"] in kinds]
    if not found:
        pytest.skip("the language's cases are not here")
    return found


def json_bytes(raw):
    """A JSON string of any bytes, as sensors send them."""
    plain = set(range(0x20, 0x100)) - {0x7F, *b'"\\'}
    return b'"' + b"".join(bytes([byte]) if byte in plain else b"\\u%04x" % byte for byte in raw) + b'"'


def event(fields, source="syscall", time=1700000000123456789, binary=None):
    members = [json.dumps(key).encode() + b":" + json.dumps(value).encode() for key, value in fields.items()]
    members += [json.dumps(key).encode() + b":" + json_bytes(base64.b64decode(value)) for key, value in (binary or {}).items()]
    return (b'{"source":%s,"time":%d,"hostname":"h","fields":{%s}}\n' %
            (json.dumps(source).encode(), time, b",".join(members)))


def alerts(done):
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


def rule(name, condition, output="o", **more):
    return {"rule": name, "desc": "d", "condition": condition, "output": output, "priority": "INFO", **more}


# --- parse -----------------------------------------------------------------------------------------

def test_parse_prints_the_canonical_spelling():
    done = rules_verb("parse", "evt.type in (open,openat)  and not proc.name=cat")
    assert (done.returncode, done.stdout, done.stderr) == (
        0, b"(evt.type in (open, openat) and not proc.name = cat)\n", b"")
    done = rules_verb("parse", "-o", "json", "-", text="a.b = 'x y'\r\n")
    assert json.loads(done.stdout) == {"ok": True, "canonical": 'a.b = "x y"'}


def test_parse_shows_where_a_condition_is_wrong():
    done = rules_verb("parse", "proc.name = cat an fd.num = 1")
    assert done.returncode == 1 and done.stdout == b""
    lines = done.stderr.decode().splitlines()
    assert lines[0].startswith("1:17: error: unexpected token after 'cat'") and lines[2] == " " * 18 + "^"
    done = rules_verb("parse", "-o", "json", "-", text="proc.name = cat\n  and (fd.num = \u00e4\n")
    answer = json.loads(done.stdout)
    assert done.returncode == 1 and not answer["ok"] and answer["line"] == 2


@pytest.mark.parametrize("condition", ["", " ", "\n", "a.b", "a.b =", "a and", "()", "a.b = 'x", "a\0", "a.b = \0x y",
                                       "\ufeffa", "a b", "a.b in (x", "a;b"])
def test_parse_refuses(condition):
    done = rules_verb("parse", "-", text=condition)
    assert done.returncode == 1 and b"error: " in done.stderr and done.stdout == b""


@pytest.mark.parametrize("condition", ["a ", "\ta\r\n", "a.b = \u00e4\u00f6", "a.b = 'x\ty'", "a.b=c\r\nand\r\nd"])
def test_parse_takes(condition):
    assert rules_verb("parse", "-", text=condition).returncode == 0


def test_parse_has_a_limit_on_depth():
    deep = "(" * 150 + "a" + ")" * 150
    assert b"exceeded max depth limit of 100" in rules_verb("parse", deep).stderr
    assert rules_verb("parse", "--max-depth", "1000", deep).returncode == 0
    assert rules_verb("parse", "--max-depth", "1001", deep).returncode == 2


def test_parse_agrees_with_every_case_of_the_language():
    wrong = []
    for case in cases("parse_ok", "parse_err", "canonical"):
        done = rules_verb("parse", "--max-depth", case.get("max_depth", 100), "-", text=case["condition"])
        good = done.returncode == (1 if case["kind"] == "parse_err" else 0)
        if "canonical" in case:
            good = good and done.stdout.decode() == case["canonical"] + "\n"
        if not good:
            wrong.append((case, done.stdout, done.stderr))
    assert not wrong


# --- run -------------------------------------------------------------------------------------------

def test_run_prints_falcos_alert_and_nothing_else(tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text(SHELL)
    events = event({"evt.type": "execve", "proc.name": "bash", "user.name": "root"}) + event({"evt.type": "close"})
    done = rules_verb("run", "--rules", rules, "-", text=events)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == (
        '{"hostname":"h","output":"22:13:20.123456789: Notice shell (bash of root)","output_fields":'
        '{"evt.time":1700000000123456789,"proc.name":"bash","user.name":"root"},"priority":"Notice","rule":"Shell",'
        '"source":"syscall","tags":["T1059","shell"],"time":"2023-11-14T22:13:20.123456789Z"}\n')


def test_run_takes_operands_in_every_order(tmp_path):
    rules, more, events = tmp_path / "a.yaml", tmp_path / "more", tmp_path / "events.ndjson"
    more.mkdir()
    rules.write_text(SHELL)
    (more / "b.yaml").write_text("- rule: Shell\n  tags: [more]\n  override: {tags: append}\n")
    events.write_bytes(event({"evt.type": "execve", "proc.name": "bash"}))
    for arguments in (["--rules", rules, more, events], ["--rules", rules, "--rules", more, events],
                      ["-r", rules, more, "--", events], [rules, more, events]):
        done = rules_verb("run", *arguments)
        assert done.returncode == 0 and alerts(done)[0]["tags"] == ["T1059", "more", "shell"], arguments
    done = rules_verb("run", "--rules", rules, more, text=events.read_bytes())
    assert done.returncode == 0 and len(alerts(done)) == 1
    assert rules_verb("run", "-").returncode == 2


def test_run_goes_on_behind_a_bad_line_and_says_where_it_was(tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text(SHELL)
    good = event({"evt.type": "execve", "proc.name": "bash"})
    text = good + b"{nonsense\n\n" + b'{"time":"yesterday","fields":{}}\n' + b"[]\n" + good.rstrip() + b"\r\n" + good.rstrip()
    done = rules_verb("run", "--rules", rules, "-", text=text)
    said = done.stderr.decode().splitlines()
    assert done.returncode == 1 and len(alerts(done)) == 3 and len(said) == 3
    assert "-:2:2: " in said[0] and "-:4:10: " in said[1] and "-:5:1: " in said[2]


def test_run_takes_alerts_and_every_kind_of_time(tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text(SHELL)
    fields = {"evt.type": "execve", "proc.name": "bash", "user.name": None}
    text = "\n".join(json.dumps(item) for item in (
        {"rule": "Theirs", "priority": "Debug", "output": "x", "output_fields": fields, "time": "2023-11-14T22:13:20Z"},
        {"fields": fields, "time": 1700000000}, {"fields": fields, "time": 1700000000000},
        {"fields": fields, "time": "2023-11-14T23:13:20+01:00"}, {"output_fields": fields, "time": 1700000000.0}))
    done = rules_verb("run", "--rules", rules, text=text)
    assert done.returncode == 0, done.stderr
    assert [alert["time"] for alert in alerts(done)] == ["2023-11-14T22:13:20.000000000Z"] * 5
    assert alerts(done)[0]["output_fields"]["user.name"] is None and alerts(done)[0]["rule"] == "Shell"


def test_run_chooses_rules_as_falco_does(tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text(json.dumps([rule(name, "evt.type = open", tags=[tag], priority=level) for name, tag, level in
                                 (("one", "a", "ERROR"), ("two", "b", "NOTICE"), ("three", "b", "DEBUG"))]))
    text = event({"evt.type": "open"})

    def names(*options):
        done = rules_verb("run", "--rules", rules, *options, "-", text=text)
        assert done.returncode == 0, done.stderr
        return [alert["rule"] for alert in alerts(done)]

    assert names() == ["one"] and names("--match", "all") == ["one", "two", "three"]
    assert names("-D", "o*") == ["two"] and names("-T", "a", "--match", "all") == ["two", "three"]
    assert names("-t", "b") == ["two"] and names("-t", "b", "-D", "two") == ["three"]
    assert names("--priority", "notice", "--match", "all") == ["one", "two"]
    assert rules_verb("run", "--rules", rules, "--priority", "loud", "-").returncode == 2


def test_run_adds_to_outputs_and_prints_iso_times(tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text(SHELL)
    text = event({"evt.type": "execve", "proc.name": "bash", "container.id": "host"})
    done = rules_verb("run", "--rules", rules, "--append-output", "(pid=%proc.pid)", "--suggested-output",
                      "--time-format", "iso", "-", text=text)
    alert = alerts(done)[0]
    assert alert["output"].startswith("2023-11-14T22:13:20.123456789+0000: Notice shell (bash of <NA>) (pid=<NA>)")
    assert "container_id=host" in alert["output"]
    assert "evt.time.iso8601" in alert["output_fields"] and "evt.time" not in alert["output_fields"]


def test_run_knows_other_sources(tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text(json.dumps([rule("mine", "my.field = x", source="mine"), rule("k8s", "ka.verb = get", source="k8s_audit")]))
    text = event({"my.field": "x"}, source="mine") + event({"ka.verb": "get"}, source="k8s_audit")
    done = rules_verb("run", "--rules", rules, "--source", "mine", "-", text=text)
    assert [(alert["rule"], alert["source"]) for alert in alerts(done)] == [("mine", "mine"), ("k8s", "k8s_audit")]
    assert len(alerts(rules_verb("run", "--rules", rules, "-", text=text))) == 1


def test_run_says_what_is_wrong_with_rules_and_files(tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text(SHELL.replace("proc.name =", "proc.nam ="))
    done = rules_verb("run", "--rules", rules, "-", text="")
    assert done.returncode == 1 and done.stdout == b"" and f"{rules}:3:".encode() in done.stderr
    rules.write_text(SHELL)
    done = rules_verb("run", "--rules", rules, tmp_path / "none")
    assert done.returncode == 1 and b"No such file" in done.stderr
    done = rules_verb("run", "--rules", rules, "-", text=b'{"fields":{"proc.name":"' + b"x" * (9 << 20) + b'"}}\n' +
                      event({"evt.type": "execve", "proc.name": "bash"}))
    assert done.returncode == 1 and len(alerts(done)) == 1 and b"-:1:1: " in done.stderr


def test_run_writes_alerts_while_events_still_come(tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text(SHELL)
    with subprocess.Popen([TOCSIN, "rules", "run", "--rules", rules, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          env=clean_environment()) as process:
        watchdog = threading.Timer(30, process.kill)
        watchdog.start()
        for _ in range(3):
            process.stdin.write(event({"evt.type": "execve", "proc.name": "bash"}))
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["rule"] == "Shell"
        process.stdin.close()
        assert process.wait() == 0
        watchdog.cancel()


def test_run_agrees_with_every_condition_of_the_language(tmp_path):
    every = cases("eval")
    rules, events = tmp_path / "rules.yaml", tmp_path / "events"
    rules.write_text(json.dumps([rule(case["id"], case["condition"], "%evt.hostname") for case in every]))
    events.write_bytes(b"".join(event({**case["fields"], "evt.hostname": case["id"]}, binary=case.get("fields_b64"))
                                for case in every))
    done = rules_verb("run", "--match", "all", "--rules", rules, events)
    assert done.returncode == 0, done.stderr
    fired = {alert["rule"] for alert in alerts(done) if alert["rule"] == alert["output_fields"]["evt.hostname"]}
    assert fired == {case["id"] for case in every if case["expect"]}


def test_run_agrees_with_every_output_of_the_language(tmp_path):
    for case in cases("format"):
        if case.get("resolve_transformed_fields") or not case.get("complete"):
            continue
        rules = tmp_path / "rules.yaml"
        rules.write_text(json.dumps([rule("r", "evt.num exists or not evt.num exists", case["format"])]))
        alert = alerts(rules_verb("run", "--rules", rules, "-", text=event(case["fields"])))[0]
        if case["mode"] == "text":
            assert alert["output"].split(": Informational ", 1)[1] == case["output"].lstrip("*"), case
        else:
            assert {name: alert["output_fields"][name] for name in case["field_values"]} == case["field_values"], case


def test_run_detects_what_falco_detects(tmp_path):
    sets = {case["name"]: case["events"] for case in cases("event_set")}
    for case in cases("detect"):
        files, options = [], []
        for number, file in enumerate(case["files"]):
            files.append(tmp_path / f"{case['id']}-{number:02}.yaml")
            files[-1].write_text(file["rules"])
        for choice in case.get("selection", []):
            what, pattern = next(iter(next(iter(choice.values())).items()))
            if "enable" in choice:
                options += ["-t", pattern]
            elif (what, pattern) != ("rule", "*"):
                options += ["-T" if what == "tag" else "-D", pattern]
        if "min_priority" in case:
            options += ["--priority", case["min_priority"]]
        done = rules_verb("run", *options, "--rules", *files, "-", text=b"".join(map(event, sets[case["events"]])))
        assert done.returncode == 0, (case, done.stderr)
        fired = [alert["rule"] for alert in alerts(done)]
        assert {name: fired.count(name) for name in case["expect_counts"]} == case["expect_counts"], case


# --- test ------------------------------------------------------------------------------------------

TEST_RULES = SHELL + ("- rule: Root shell\n  desc: d\n  condition: evt.type = execve and proc.name = bash and user.uid = 0\n"
                      "  output: root\n  priority: ERROR\n"
                      "- rule: Off\n  desc: d\n  condition: evt.type = execve\n  output: o\n  priority: INFO\n  enabled: false\n")
TESTS = """rules: [../rules.yaml]
defaults: {hostname: n1, time: 2026-01-01T00:00:00Z, fields: {evt.type: execve, user.name: joe, user.uid: 1000}}
tests:
  - name: joe
    event: {fields: {proc.name: bash}}
    fires: Shell
  - name: root
    event: {fields: {proc.name: bash, user.uid: 0, user.name: root}}
    fires:
      - {rule: Shell, output: shell (bash of root), contains: "bash of", priority: notice, fields: {proc.name: bash}}
      - Root shell
  - name: nothing
    events: [{fields: {proc.name: zsh}}, {fields: {evt.type: close}}]
    fires: []
    never: Root shell
"""


@pytest.fixture
def suite(tmp_path):
    (tmp_path / "rules.yaml").write_text(TEST_RULES)
    (tmp_path / "tests").mkdir()
    file = tmp_path / "tests" / "shell.yaml"
    file.write_text(TESTS)
    return file


def test_test_passes_and_counts(suite):
    done = rules_verb("test", suite)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"1 file, 3 tests: 3 passed, 0 failed\n", b"")
    done = rules_verb("test", "-v", "--only", "n*", suite.parent)
    assert done.stdout.decode() == f"ok   {suite}:12: nothing\n1 file, 1 test: 1 passed, 0 failed\n"
    answer = json.loads(rules_verb("test", "-o", "json", "--untested", suite).stdout)
    assert answer["ok"] and answer["passed"] == 3 and answer["untested"] == [] and answer["files"][0]["tests"][0]["line"] == 4


def test_test_shows_what_differs(suite):
    suite.write_text(TESTS.replace("fires: Shell", "fires: [Root shell]").replace("output: shell (bash", "output: shell (zsh")
                     .replace("never: Root", "never: Off\n    # Root"))
    report = suite.with_suffix(".xml")
    done = rules_verb("test", "--junit", report, suite)
    text = done.stdout.decode()
    assert done.returncode == 1 and "3 tests: 1 passed, 2 failed" in text
    assert f"FAIL {suite}:4: joe\n    expected: Root shell\n    fired:    Shell — shell (bash of joe)\n" in text
    assert "output expected: shell (zsh of root)\n    output    got: shell (bash of root)\n" in text
    assert 'tests="3" failures="2" errors="0"' in report.read_text()
    done = rules_verb("test", "--tap", suite)
    assert done.stdout.startswith(b"TAP version 13\nnot ok 1 - ") and done.stdout.endswith(b"ok 3 - %s:12: nothing\n1..3\n" % str(suite).encode())


def test_test_takes_other_rules_and_counts_what_no_test_reaches(suite, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text(TEST_RULES + "- rule: Lonely\n  desc: d\n  condition: evt.type = open\n  output: o\n  priority: INFO\n")
    done = rules_verb("test", "--rules", other, "--untested", suite)
    assert done.returncode == 0 and b"1 of 3 rules were not made to fire:\n  Lonely\n" in done.stdout
    assert rules_verb("test", "--match", "first", suite).returncode == 1


@pytest.mark.parametrize("old, new, says", [
    ("fires: Shell", "fires: Shel", '6:12: there is no rule "Shel", did you mean "Shell"?'),
    ("fires: Shell", "fires: Off", '6:12: rule "Off" is not enabled: it cannot fire'),
    ("fires: Shell", "fire: Shell", '6:5: unknown key "fire", did you mean "fires"?'),
    ("fires: Shell", "desc: x", "4:5: this test expects nothing"),
    ("proc.name: bash}", "proc.nmae: bash}", '5:22: there is no field "proc.nmae", did you mean "proc.name"?'),
    ("event: {fields: {proc.name: bash}}", "event: 7", "5:12: an event is a mapping"),
    ("priority: notice", "priority: loud", "this is no priority"),
    ("tests:", "rests:", "unknown key"),
    ("- name: joe", "- names: joe", "a test wants a name"),
    ("rules: [../rules.yaml]", "match: most", "match is first or all"),
    ("rules: [../rules.yaml]", "desc: none", "which rules?"),
    ("rules: [../rules.yaml]", "rules: [../none.yaml]", "none.yaml: error LOAD_ERR_FILE_READ"),
    ("fires: Shell", "fires: [Shell", "did not find"),
])
def test_test_says_what_is_wrong_with_a_test_file(suite, old, new, says):
    suite.write_text(TESTS.replace(old, new, 1))
    done = rules_verb("test", suite)
    assert done.returncode == 1 and says in done.stderr.decode(), done.stderr.decode()
    assert b"1 file is wrong" in done.stdout


def test_test_wants_a_file():
    assert rules_verb("test").returncode == 2
    assert rules_verb("test", "/nonexistent").returncode == 1


# --- list, describe, fields ------------------------------------------------------------------------

MANY = """- required_engine_version: 0.31.0
- list: shells
  items: [bash, zsh]
- list: programs
  items: [shells, "a b"]
- macro: spawned
  condition: evt.type in (execve, execveat)
- macro: unused_one
  condition: evt.type = open
- rule: Shell
  desc: a shell
  condition: spawned and proc.name in (programs)
  output: shell (%proc.name %proc.aname[2])
  priority: WARNING
  tags: [b, a]
  exceptions:
    - {name: by_parent, fields: [proc.pname, user.name], comps: [startswith, =], values: [[cron, root]]}
- rule: Off
  desc: d
  condition: evt.type = open
  output: o
  priority: INFO
  enabled: false
- rule: Newer
  desc: d
  condition: evt.type = open and some.new.field = 1
  output: o
  priority: INFO
  skip-if-unknown-filter: true
- rule: Elsewhere
  desc: d
  condition: x.y = 1
  output: o
  priority: INFO
  source: elsewhere
"""


@pytest.fixture
def many(tmp_path):
    file = tmp_path / "many.yaml"
    file.write_text(MANY)
    return file


def test_list_says_which_rules_take_part_and_why_not(many):
    listed = json.loads(rules_verb("list", "-o", "json", many).stdout)["rules"]
    assert [(one["name"], one["enabled"], one["state"].split(":")[0]) for one in listed] == [
        ("Shell", True, "enabled"), ("Off", False, "disabled by its own word"), ("Newer", False, "skipped"),
        ("Elsewhere", False, "unknown source")]
    assert listed[0]["events"] == ["execve", "execveat"] and listed[0]["tags"] == ["a", "b"] and listed[0]["line"] == 10
    assert "some.new.field" in listed[2]["state"]

    def states(*options):
        return [one["state"] for one in json.loads(rules_verb("list", "-o", "json", *options, many).stdout)["rules"]]

    assert states("-D", "S*l")[0] == "disabled by --disable S*l" and states("-T", "a")[0] == "disabled by --disable-tag a"
    assert states("-p", "error")[0] == "disabled: less severe than Error" and states("-t", "c")[0].startswith("disabled: none")
    assert states("-t", "a")[0] == "enabled" and states("--source", "elsewhere")[3] == "enabled"
    text = rules_verb("list", many).stdout.decode().splitlines()
    assert text[0].split()[:3] == ["RULE", "PRIORITY", "SOURCE"] and len(text) == 5
    assert len(rules_verb("list", "--enabled", many).stdout.decode().splitlines()) == 2


def test_list_lists_macros_and_lists(many):
    macros = json.loads(rules_verb("list", "--macros", "-o", "json", many).stdout)["macros"]
    assert [(one["name"], one["used"]) for one in macros] == [("spawned", True), ("unused_one", False)]
    lists = json.loads(rules_verb("list", "--lists", "-o", "json", many).stdout)["lists"]
    assert lists[1]["items"] == ["shells", '"a b"'] or lists[1]["items"] == ["shells", "a b"]
    assert b"zsh" in rules_verb("list", "--lists", many).stdout
    assert rules_verb("list", "--lists", "--macros", many).returncode == 2 and rules_verb("list").returncode == 2


def test_describe_says_what_falco_says(many):
    done = rules_verb("describe", "-o", "json", "Shell", many)
    answer = json.loads(done.stdout)
    assert list(answer) == ["rules"] and len(answer["rules"]) == 1
    details, info = answer["rules"][0]["details"], answer["rules"][0]["info"]
    assert details["condition_compiled"] == (
        '((evt.type in (execve, execveat) and proc.name in (bash, zsh, "a b")) and '
        'not (proc.pname startswith cron and user.name = root))')
    assert details["macros"] == ["spawned"] and details["lists"] == ["programs"]
    assert details["condition_operators"] == ["=", "in", "startswith"]
    assert details["condition_fields"] == ["evt.type", "proc.name", "proc.pname", "user.name"]
    assert details["output_fields"] == ["proc.aname[2]", "proc.name"] and details["events"] == ["execve", "execveat"]
    assert details["exception_names"] == ["by_parent"] and details["exception_fields"] == ["proc.pname", "user.name"]
    assert info["condition"] == "spawned and proc.name in (programs)" and info["priority"] == "Warning" and info["enabled"]
    everything = json.loads(rules_verb("describe", "-o", "json", many).stdout)
    assert list(everything) == ["lists", "macros", "required_engine_version", "required_plugin_versions", "rules"]
    assert len(everything["rules"]) == 4 and everything["required_engine_version"] == "0.31.0"
    assert everything["lists"][1]["details"]["lists"] == ["shells"]
    assert everything["macros"][1] == {"details": {
        "condition_compiled": "evt.type = open", "condition_fields": ["evt.type"], "condition_operators": ["="],
        "events": ["open"], "lists": [], "macros": [], "plugins": [], "used": False},
        "info": {"condition": "evt.type = open", "name": "unused_one"}}


def test_describe_tells_people_of_rules_macros_and_lists(many):
    text = rules_verb("describe", "Shell", many).stdout.decode()
    assert "Compiled    ((evt.type in" in text and "Lists       programs = bash, zsh" in text
    assert rules_verb("describe", "spawned", many).stdout.startswith(b"Macro       spawned\n")
    assert rules_verb("describe", "shells", many).stdout.startswith(b"List        shells\n")
    done = rules_verb("describe", "Shel", many)
    assert done.returncode == 1 and b'did you mean "Shell"?' in done.stderr
    assert rules_verb("describe", "--all", many).stdout.count(b"Rule        ") == 4
    assert rules_verb("describe", "Shell").returncode == 2


def test_describe_agrees_with_the_languages_compiled_conditions(tmp_path):
    for case in cases("load_ok", "load_warn"):
        if "compiled_conditions" not in case or "rules" not in case:
            continue
        rules = tmp_path / "rules.yaml"
        rules.write_text(case["rules"])
        described = json.loads(rules_verb("describe", "-o", "json", rules).stdout)["rules"]
        compiled = {one["info"]["name"]: one["details"]["condition_compiled"] for one in described}
        assert {name: compiled[name] for name in case["compiled_conditions"]} == case["compiled_conditions"], case


def test_fields_lists_the_catalogue():
    fields = {one["name"]: one for one in json.loads(rules_verb("fields", "-o", "json").stdout)["fields"]}
    catalogue = CASES.parent / "spec" / "fields.jsonl"
    if catalogue.exists():
        assert {json.loads(line)["field"] for line in catalogue.read_text().splitlines()} <= set(fields)
    assert fields["proc.name"]["from"] == "sensor" and fields["evt.arg"]["argument"]["required"]
    assert fields["fd.directory"]["from"] == "derived" and fields["evt.dir"]["flags"] == ["deprecated"]
    names = [line.split()[0] for line in rules_verb("fields", "proc.*name").stdout.decode().splitlines()[1:]]
    assert "proc.name" in names and "proc.exe" not in names
    assert b"| `fd.num` | integer |" in rules_verb("fields", "--markdown", "fd.").stdout
    done = rules_verb("fields", "no.such")
    assert done.returncode == 1 and done.stdout == b""


def test_fields_knows_what_the_sensor_sets():
    source = pathlib.Path(__file__).resolve().parents[2]
    table = (source / "cli" / "rules_fields.c").read_text().split("sensor_fields[] = {", 1)[1].split("}", 1)[0]
    text = "".join((source / "sensor" / f"enrich{part}.c").read_text() for part in ("", "_object", "_params", "_process"))
    assert set(re.findall(r"FIELD_[A-Z0-9_]+", text)) - {"FIELD_NONE", "FIELD_CATALOGUE_END"} <= set(re.findall(r"FIELD_[A-Z0-9_]+", table))
    asked = [name for part in ("asked", "event", "live") for name in
             re.findall(r'^\t\{ "([a-z0-9_]+\.[a-z0-9_.]+)", put_', (source / "sensor" / f"enrich_{part}.c").read_text(), re.M)]
    listed = {one["name"]: one for one in json.loads(rules_verb("fields", "--sensor", "-o", "json").stdout)["fields"]}
    assert len(asked) > 80 and {name for name in asked if not name.startswith("evt.abspath.")} <= set(listed)


# --- bench -----------------------------------------------------------------------------------------

def test_bench_measures_rules_on_its_own_events_or_on_others(many, tmp_path):
    answer = json.loads(rules_verb("bench", "--rules", many, "--seconds", "0", "-o", "json").stdout)
    assert answer["events"] == 2000 and answer["ns_per_event"] > 0 and answer["p50_ns"] <= answer["p99_ns"] <= answer["max_ns"]
    assert [one["rule"] for one in answer["by_rule"]] == ["Shell"] and (answer["enabled"], answer["rules"]) == (1, 2)
    events = tmp_path / "events"
    events.write_bytes(event({"evt.type": "execve", "proc.name": "zsh"}) * 10 + b"nonsense\n")
    done = rules_verb("bench", "--rules", many, "--seconds", "0", events)
    assert done.returncode == 0 and b"10 (%s), 10 alerts" % str(events).encode() in done.stdout
    assert b"1 events cannot be read" in done.stderr and b"RULE, WITHOUT THE OTHERS" in done.stdout
    assert rules_verb("bench", "--rules", many, "-", text="").returncode == 1


# --- fmt -------------------------------------------------------------------------------------------

UNTIDY = '''# the header

- macro:   spawned   # kept
  condition:   (evt.type in (execve,
     execveat))


# of the rule
- rule: Shell
  tags: [b,   a,
     "c d", 'e']  
  # why
  priority: WARNING   # at a line's end
  output: >
    shell
    (%proc.name)
  condition: spawned and proc.name in (bash, zsh, "a  b")   and not proc.pname in (aaaaaaaaaaaaaaa, bbbbbbbbbbbbbbbb, ccccccccccc) or fd.num=1
  exceptions:
    - name: x   # deep
      fields: proc.name
  desc: d
- list: short
  items:
    - one  # first
    - two
# the end
'''

TIDY = '''# the header

- macro:   spawned   # kept
  condition: (evt.type in (execve, execveat))

# of the rule
- rule: Shell
  desc: d
  condition: >
    spawned
    and proc.name in (bash, zsh, "a  b")
    and not proc.pname in (aaaaaaaaaaaaaaa, bbbbbbbbbbbbbbbb, ccccccccccc)
    or fd.num=1
  exceptions:
    - name: x   # deep
      fields: proc.name
  output: >
    shell
    (%proc.name)
  # why
  priority: WARNING   # at a line's end
  tags: [b, a, "c d", 'e']

- list: short
  items:
    - one  # first
    - two

# the end
'''


def test_fmt_lays_out_and_keeps_every_comment(tmp_path):
    done = rules_verb("fmt", "-", text=UNTIDY)
    assert (done.returncode, done.stderr) == (0, b"") and done.stdout.decode() == TIDY
    assert rules_verb("fmt", "-", text=TIDY).stdout.decode() == TIDY
    narrow = rules_verb("fmt", "--width", "62", "-", text=TIDY).stdout.decode()
    assert "    and not proc.pname in (aaaaaaaaaaaaaaa, bbbbbbbbbbbbbbbb,\n    ccccccccccc)\n" in narrow


def test_fmt_puts_dashes_in_one_place():
    text = "- list: l\n  items:\n  - a # first\n  - b\n- list: m\n  items:\n      - a\n      # second\n      - b\n"
    assert rules_verb("fmt", "-", text=text).stdout.decode() == (
        "- list: l\n  items:\n    - a # first\n    - b\n\n- list: m\n  items:\n    - a\n    # second\n    - b\n")


def test_describe_names_the_plugins_of_fields(tmp_path):
    (tmp_path / "p.yaml").write_text(
        "- rule: R\n  desc: d\n  condition: evt.type = open and container.id != host\n  output: '%k8s.ns.name'\n"
        "  priority: INFO\n- rule: S\n  desc: d\n  condition: evt.type = open\n  output: o\n  priority: INFO\n")
    told = json.loads(rules_verb("describe", "-a", "-o", "json", tmp_path / "p.yaml").stdout)
    assert [rule["details"]["plugins"] for rule in told["rules"]] == [["container"], []]


def test_fmt_checks_and_writes_in_place(tmp_path):
    file, good = tmp_path / "a.yaml", tmp_path / "b.yaml"
    file.write_text(UNTIDY)
    good.write_text(TIDY)
    file.chmod(0o640)
    done = rules_verb("fmt", "--check", file, good)
    assert (done.returncode, done.stdout.decode()) == (1, f"{file}\n") and file.read_text() == UNTIDY
    done = rules_verb("fmt", "-w", file, good)
    assert (done.returncode, done.stdout) == (0, b"") and file.read_text() == TIDY and file.stat().st_mode & 0o777 == 0o640
    assert rules_verb("fmt", "--check", file, good).returncode == 0 and len(list(tmp_path.iterdir())) == 2
    done = rules_verb("fmt", "-", text="- rule: [\n")
    assert done.returncode == 1 and done.stdout == b"" and b"-:" in done.stderr
    assert rules_verb("fmt").returncode == 2 and rules_verb("fmt", "-w", "-").returncode == 2


def test_fmt_changes_no_rule_of_the_language(tmp_path):
    source = pathlib.Path(__file__).resolve().parents[2]
    texts = [file.read_text() for file in [*sorted((source / "rules").glob("*.yaml")), CASES.parent / "rules" / "falco_rules.yaml"]
             if file.exists()]
    for case in cases("load_ok", "detect", "select"):
        texts += [case["rules"]] if isinstance(case.get("rules"), str) and "condition" not in case else []
        texts += [file["rules"] for file in case.get("files", [])]
    for text in texts:
        done = rules_verb("fmt", "-", text=text)
        assert done.returncode == 0, (text, done.stderr)

    def described(name):
        answer = json.loads(rules_verb("describe", "-o", "json", tmp_path / name).stdout)
        for rule in answer["rules"]:
            rule["info"].update(line=0, file="", condition="")
        for macro in answer["macros"]:
            macro["info"]["condition"] = ""
        return answer

    for text in texts[:2]:
        (tmp_path / "before.yaml").write_text(text)
        (tmp_path / "after.yaml").write_bytes(rules_verb("fmt", "-", text=text).stdout)
        assert described("before.yaml") == described("after.yaml")


def test_what_is_not_utf8_is_told_as_falco_tells_it(tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text("- rule: R\n  desc: d\n  condition: evt.type = open and fd.name contains \"\\xff\"\n"
                     "  output: f=%fd.name\n  priority: INFO\n")
    done = rules_verb("run", "--rules", rules, "-",
                      text=event({"evt.type": "open"}, binary={"fd.name": base64.b64encode(b"/a\xffb\xc3\xa9")}))
    (alert,) = map(json.loads, done.stdout.decode().splitlines())
    assert alert["output"].endswith("f=/a\ufffdbé")
    assert alert["output_fields"]["fd.name"] == "/a\ufffdbé"


# --- rules that look at many events ----------------------------------------------------------------

TOGETHER = """
- rule: Shell
  desc: d
  condition: evt.type = execve and proc.name = bash
  output: shell
  priority: NOTICE
  tags: [T1059]
- rule: About a shell
  desc: d
  condition: alert.rule = Shell and alert.tags intersects (T1059)
  output: alert %alert.rule of %alert.source (%proc.name)
  priority: ERROR
  source: alert
- threshold: Three shells
  desc: d
  condition: evt.type = execve and proc.name = bash
  count: 3
  within: 60s
  by: [hostname, user.name]
  output: "%watch.count shells of %user.name"
  priority: WARNING
- threshold: Two alerts
  desc: d
  condition: alert.rule exists
  count: 2
  within: 60s
  by: [hostname]
  output: two alerts
  priority: ERROR
  source: alert
- absent: Nothing runs
  desc: d
  condition: evt.type = execve
  within: 5m
  by: [hostname]
  output: nothing runs on %evt.hostname
  priority: ERROR
"""


def test_run_plays_rules_that_look_at_many_events(tmp_path):
    file = tmp_path / "rules.yaml"
    file.write_text(TOGETHER)
    fields = {"evt.type": "execve", "proc.name": "bash", "user.name": "eve"}
    base = 1700000000 * 10**9
    events = b"".join(event(fields, time=base + i * 10**9) for i in range(3)) + event({"evt.type": "open"}, time=base + 600 * 10**9)
    done = rules_verb("run", "--match", "all", "--rules", file, text=events)
    assert (done.returncode, done.stderr) == (0, b"")
    assert [alert["rule"] for alert in alerts(done)] == [
        "Shell", "About a shell", "Shell", "About a shell", "Two alerts", "Shell", "About a shell", "Three shells",
        "Nothing runs"]
    assert alerts(done)[1]["output"].endswith("Error alert Shell of syscall (bash)")
    assert alerts(done)[-2]["output"].endswith("Warning 3 shells of eve")
    assert alerts(done)[-1]["hostname"] == "h" and alerts(done)[-1]["output"].endswith("Error nothing runs on h")


def test_test_lets_time_go_on(tmp_path):
    (tmp_path / "rules.yaml").write_text(TOGETHER)
    file = tmp_path / "tests.yaml"
    text = """
rules: [rules.yaml]
defaults: {hostname: n1, time: 2026-01-01T00:00:00Z, fields: {evt.type: execve, proc.name: cat, user.name: eve}}
tests:
  - {name: not yet, event: {}, after: 4m, fires: []}
  - {name: now, event: {}, after: 5m, fires: [{rule: Nothing runs, output: nothing runs on n1}]}
  - {name: again, events: [{}, {wait: 6m}, {}, {wait: 6m}], fires: [Nothing runs, Nothing runs]}
  - {name: too slow, events: [{fields: {proc.name: bash}}, {wait: 40s}, {fields: {proc.name: bash}}, {wait: 40s}, {fields: {proc.name: bash}}],
     never: [Three shells]}
"""
    file.write_text(text)
    done = rules_verb("test", file)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"1 file, 4 tests: 4 passed, 0 failed\n", b"")
    file.write_text(text.replace("after: 4m", "after: soon"))
    done = rules_verb("test", file)
    assert done.returncode == 1 and b"a duration from 1ms to 365d is wanted here" in done.stderr
