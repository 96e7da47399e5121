"""tocsin rules check: what it prints, and how it ends."""

import json
import os
import pathlib
import subprocess

import pytest

BUILD = pathlib.Path(os.environ.get("TOCSIN_BUILD", "build/asan"))
GOOD = """\
- rule: Shell
  desc: d
  condition: evt.type = execve and proc.name = bash
  output: "%proc.name"
  priority: INFO
"""
CHAIN = """\
- macro: inner
  condition: proc.nam = bash
- macro: outer
  condition: evt.type = execve and inner
- rule: Shell
  desc: d
  condition: >
    evt.type = execve
    and outer
  output: "%proc.name"
  priority: INFO
- rule: Other
  desc: d
  condition: evt.type = execv
  output: o
  priority: LOUD
"""


def check(*arguments, text=None):
    return subprocess.run([BUILD / "cli/tocsin", "rules", "check", *map(str, arguments)], input=text,
                          capture_output=True, text=True, timeout=60)


@pytest.fixture
def rules(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path
    return write


def result(done):
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1
    return json.loads(done.stdout)


def test_a_good_file(rules):
    done = check(rules("good.yaml", GOOD))
    assert done.returncode == 0
    assert done.stdout.splitlines()[0].endswith("good.yaml: Ok")
    assert "1 rule, 1 enabled, 0 errors, 0 warnings" in done.stdout


def test_warnings_fail_only_when_strict(rules):
    path = rules("warn.yaml", GOOD + "- macro: unused\n  condition: evt.type = open\n")
    done = check(path)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, f"{path}: Ok, with warnings")
    assert f"{path}:6:3: warning LOAD_UNUSED_MACRO: macro 'unused'" in done.stdout or "LOAD_UNUSED_MACRO" in done.stdout
    assert check("--strict", path).returncode == 1
    answer = result(check("--strict", "-o", "json", path))
    assert answer["falco_load_results"][0]["successful"] is True
    assert answer["tocsin"]["ok"] is False


def test_errors_with_their_way_and_what_was_meant(rules):
    path = rules("chain.yaml", CHAIN)
    done = check(path)
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert lines[0] == f"{path}: Invalid"
    at = next(i for i, line in enumerate(lines) if "proc.nam." in line)
    assert lines[at].startswith(f"{path}:2:14: error LOAD_ERR_COMPILE_CONDITION: rule 'Shell': ")
    assert lines[at].endswith("Did you mean 'proc.name'?")
    assert lines[at + 1:at + 5] == [
        "    condition: proc.nam = bash",
        "               ^",
        f"{path}:4:36: note: macro 'inner' is used here by macro 'outer'",
        f"{path}:9:9: note: macro 'outer' is used here by rule 'Shell'"]
    assert "Invalid priority 'LOUD'" in done.stdout
    assert "unknown event type execv. Did you mean 'execve'?" in done.stdout


def test_one_error_at_a_time(rules):
    done = check("--first-error", "-o", "json", rules("chain.yaml", "- nothing: here\n" + CHAIN))
    first = result(done)["falco_load_results"][0]
    assert done.returncode == 1
    assert [e["code"] for e in first["errors"]] == ["LOAD_ERR_YAML_VALIDATE"]
    assert [w["code"] for w in first["warnings"]] == ["LOAD_UNKNOWN_ITEM"]


def test_json_is_what_falco_prints(rules):
    path = rules("chain.yaml", CHAIN)
    answer = result(check("-o", "json", path))
    assert list(answer) == ["falco_load_results", "tocsin"]
    (file,) = answer["falco_load_results"]
    assert list(file) == ["errors", "name", "schema_valid", "schema_warnings", "successful", "warnings"]
    assert (file["name"], file["successful"], file["schema_valid"]) == (str(path), False, False)
    assert "LOUD" in file["schema_warnings"][0]
    error = next(e for e in file["errors"] if "proc.nam." in e["message"])
    assert list(error) == ["code", "codedesc", "context", "message"]
    assert (error["code"], error["codedesc"]) == ("LOAD_ERR_COMPILE_CONDITION", "Error compiling condition")
    assert [(at["item_type"], at["item_name"]) for at in error["context"]["locations"]] == [
        ("rules content", ""), ("rule", "Shell"), ("rule condition", ""), ("condition expression", ""),
        ("macro", "outer"), ("macro condition", ""), ("condition expression", ""),
        ("macro", "inner"), ("macro condition", ""), ("condition expression", "")]
    last = error["context"]["locations"][-1]["position"]
    assert last == {"column": 13, "line": 1, "name": str(path), "offset": CHAIN.index("proc.nam")}
    assert error["context"]["snippet"] == "  condition: proc.nam = bash\n             ^\n"
    flat = next(e for e in answer["tocsin"]["errors"] if "proc.nam." in e["text"])
    assert (flat["line"], flat["column"], flat["did_you_mean"]) == (2, 14, "proc.name")
    assert [use["macro"] for use in flat["uses"]] == ["outer", "inner"]
    assert (answer["tocsin"]["ok"], answer["tocsin"]["rules"]) == (False, 0)


def test_an_error_belongs_to_the_file_where_it_stands(rules):
    first = rules("1.yaml", GOOD + "- macro: m\n  condition: proc.nam = a\n")
    second = rules("2.yaml", GOOD.replace("Shell", "Second").replace("proc.name = bash", "m"))
    files = result(check("-o", "json", first, second))["falco_load_results"]
    assert [file["successful"] for file in files] == [False, True]


def test_files_that_cannot_be_read(rules, tmp_path):
    done = check(tmp_path / "nothing.yaml", rules("good.yaml", GOOD))
    assert done.returncode == 1
    assert "nothing.yaml: Invalid" in done.stdout and "LOAD_ERR_FILE_READ" in done.stdout
    assert "good.yaml: Ok" in done.stdout
    big = tmp_path / "big.yaml"
    with open(big, "wb") as out:
        out.truncate(100 << 20)
    done = check(big)
    assert done.returncode == 1 and "16 MB" in done.stdout


def test_bytes_that_are_no_text(rules):
    for text, place in ((GOOD.encode() + b"- rule: \xff\n", ":6:9:"), (b"- rule: a\n  desc: \0\n", ":2:9:")):
        done = check(rules("bytes.yaml", text))
        assert done.returncode == 1
        assert "LOAD_ERR_YAML_PARSE" in done.stdout and place in done.stdout


def test_standard_input():
    done = check("-", text=GOOD)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "-: Ok")
    assert check("-", text=CHAIN).returncode == 1


def test_plugins_and_sources(rules):
    path = rules("plugin.yaml", "- required_plugin_versions:\n    - name: k8saudit\n      version: 0.7.0\n"
                 "- rule: r\n  desc: d\n  source: mine\n  condition: ka.verb = create\n  output: o\n"
                 "  priority: INFO\n")
    done = check(path)
    assert done.returncode == 1
    assert "must load one of: k8saudit (>= 0.7.0)" in done.stdout and "LOAD_UNKNOWN_SOURCE" in done.stdout
    done = check("--plugin", "k8saudit:0.7.1", "--source", "mine", path)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, f"{path}: Ok")
    assert check("--plugin", "k8saudit:1.0.0", path).returncode == 1
    assert check("--plugin", "k8saudit", path).returncode == 2


def test_deprecated_fields_are_found_anywhere_in_an_output(rules):
    text = GOOD.replace('"%proc.name"', "latency=%evt.latency.s evt.dir").replace("execve and", "execve and evt.dir=< and")
    (file,) = result(check("-o", "json", rules("old.yaml", text)))["falco_load_results"]
    told = [(w["deprecated_field"], w["message"].rsplit(" ", 1)[1]) for w in file["warnings"]]
    assert sorted(told) == [("evt.dir", "condition"), ("evt.dir", "output"), ("evt.latency", "output"),
                            ("evt.latency.s", "output")]


def test_files_of_other_kinds(rules, tmp_path):
    assert check("/dev/null").returncode == 0
    assert "Is a directory" not in check(tmp_path / "none").stdout
    marked = rules("marked.yaml", "\ufeff" + GOOD.replace("proc.name = bash", "proc.nam = bash"))
    assert f"{marked}:3:36: error" in check(marked).stdout
    source, sink = os.pipe()
    with os.fdopen(sink, "w") as pipe:
        pipe.write(GOOD)
    done = subprocess.run([BUILD / "cli/tocsin", "rules", "check", f"/dev/fd/{source}"], pass_fds=[source],
                          capture_output=True, text=True, timeout=60)
    os.close(source)
    assert done.returncode == 0 and "1 rule" in done.stdout


def test_a_value_that_needs_quotes_is_told_so(rules):
    assert "must stand in quotes" in check(rules("percent.yaml", GOOD.replace('"%proc.name"', "%proc.name"))).stdout


def test_selection(rules):
    path = rules("two.yaml", GOOD + GOOD.replace("Shell", "Second"))
    assert result(check("-o", "json", "-D", "S*d", path))["tocsin"]["enabled"] == 1


def test_a_selection_of_nothing_is_told(rules):
    done = check("-D", "Shel", "-T", "nothing", "-D", "Sh*", rules("one.yaml", GOOD))
    assert done.returncode == 0
    assert done.stderr.splitlines() == ['tocsin: no rule has the name "Shel"',
                                        'tocsin: no rule has the tag "nothing"']


def test_usage():
    assert check().returncode == 2
    assert check("--nothing", "x").returncode == 2


@pytest.mark.parametrize("more, valid", [
    ("  exceptions: [{name: e, fields: [proc.name], comps: [=], values: [[x]]}]", True),
    ("  exceptions: [{name: e, fields: [proc.name], value: [[x]]}]", False),
    ("- required_plugin_versions: [{name: container, version: 0.4.0, alternative: []}]", False),
    ("- required_plugin_versions: [{name: container, version: 0.4.0, alternatives: [{name: a, version: 1.0.0}]}]", True),
    ("  enabled: true", True),
    ("  enabled: yes", False),
    ("  capture: 'yes'", False),
    ("  capture_duration: 5000", True),
    ("- rule: R\n  enabled: false\n  override: {enabled: replace}", True),
])
def test_the_schema_looks_into_mappings(rules, more, valid):
    rule = "- rule: R\n  desc: d\n  condition: evt.type = open\n  output: o\n  priority: INFO\n"
    (file,) = result(check("-o", "json", rules("inner.yaml", rule + more + "\n")))["falco_load_results"]
    assert (file["successful"], file["schema_valid"]) == (True, valid)
