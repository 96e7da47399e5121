"""What is installed beside the programs agrees with them."""
import os
import re
import shutil
import subprocess

import pytest

from hub import BUILD, ROOT, Hub, alert

TOCSIN = BUILD / "cli" / "tocsin"
DEPLOY = ROOT / "deploy"
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}


def check(path, *options):
    return subprocess.run([TOCSIN, "check", *options, path], capture_output=True, text=True, env=ENVIRONMENT)


def example(tmp_path, *changes):
    """The packaged example, with its rules where they are in the source."""
    text = (DEPLOY / "tocsin.yaml").read_text()
    text = text.replace("/usr/share/tocsin/rules", f"{ROOT}/rules")
    for pattern, replacement in changes:
        text = re.sub(pattern, replacement, text, flags=re.M)
    path = tmp_path / "tocsin.yaml"
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_the_example_configuration_loads(tmp_path):
    done = check(example(tmp_path))
    assert done.returncode == 0 and "ok (1 output, " in done.stdout and done.stderr == "", done.stderr


def test_every_commented_setting_of_the_example_is_right_too(tmp_path):
    (tmp_path / "rules").mkdir()
    path = example(tmp_path, (r"^( *)#(?=\S)", r"\1"), (r"file:/etc/tocsin/[a-z.]+", "https://x.example/"),
                   (r"/etc/tocsin/rules", str(tmp_path / "rules")))
    done = check(path)
    assert not re.search(r"^ *#\S", path.read_text(), re.M)
    missing = re.search(r'"(kafka|redis)" is not one of', done.stderr)
    if missing:
        pytest.skip(f"built without {missing.group(1)}")
    assert done.returncode == 0 and "ok (5 outputs, " in done.stdout, done.stderr


def test_the_manual_names_every_setting(tmp_path):
    manual = (DEPLOY / "man" / "tocsin.yaml.5").read_text()
    named = set(re.findall(r"^\.It Cm (\S+)$", manual, re.M)) | set(re.findall(r"^\.Ss (\S+)$", manual, re.M))
    shown = check(example(tmp_path), "--show").stdout
    settings = set(re.findall(r"^ *(?:- )?([a-z_]+):", shown, re.M)) - {"archive", "type", "name"}
    for source in (ROOT / "outputs").glob("*.[ch]"):
        settings |= set(re.findall(r'\.key = "([a-z_]+)"', source.read_text()))
    assert settings - named == set()


def test_the_manual_names_every_verb():
    manual = (DEPLOY / "man" / "tocsin.1").read_text()
    verbs = re.findall(r"^  ([a-z-]+(?: [a-z]+)?)  +\S", subprocess.run(
        [TOCSIN, "--help"], capture_output=True, text=True).stdout.split("outputs   ", 1)[1], re.M)
    assert len(verbs) > 10
    for verb in verbs:
        assert re.search(rf"^\.It Cm {verb}\b", manual, re.M), verb


def test_who_only_builds_needs_no_package_of_the_tests(tmp_path):
    """As on a machine where nobody installed more than deploy/setup.sh does."""
    packages = subprocess.run(["bash", "-c", ". deploy/packages.sh; echo $test_packages"], cwd=ROOT, capture_output=True,
                              text=True, check=True).stdout.split()
    listed = subprocess.run(["dpkg", "-L", *packages], capture_output=True, text=True).stdout.split("\n")
    theirs = {os.path.basename(path) for path in listed if path.endswith(".pc")}
    assert "cmocka.pc" in theirs
    folders = subprocess.run(["pkg-config", "--variable", "pc_path", "pkg-config"], capture_output=True, text=True,
                             check=True).stdout.strip().split(":")
    (tmp_path / "pc").mkdir()
    for folder in folders:
        for name in os.listdir(folder) if os.path.isdir(folder) else []:
            if name not in theirs and not (tmp_path / "pc" / name).exists():
                (tmp_path / "pc" / name).symlink_to(os.path.join(folder, name))
    (tmp_path / "native.ini").write_text("[binaries]\ncmake = 'false'\n")
    done = subprocess.run(["meson", "setup", "--native-file", tmp_path / "native.ini", tmp_path / "build", ROOT], capture_output=True, text=True,
                          env={**ENVIRONMENT, "PKG_CONFIG_LIBDIR": str(tmp_path / "pc")})
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Run-time dependency cmocka found: NO" in done.stdout and "Run-time dependency libbpf found: YES" in done.stdout


@pytest.mark.parametrize("page", sorted((DEPLOY / "man").iterdir()), ids=lambda page: page.name)
def test_the_manual_is_clean(page):
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")
    done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", page], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_prometheus_rules_ask_for_metrics_that_there_are(tmp_path):
    rules = (DEPLOY / "prometheus" / "tocsin.rules.yaml").read_text()
    wanted = set(re.findall(r"\btocsin_[a-z_]+", "\n".join(re.findall(r"expr: (.*)", rules))))
    hub = Hub(tmp_path, {"outputs": {"o": {"type": "file", "path": str(tmp_path / "o.json")}}}).start()
    hub.post(alert())
    _, _, text = hub.request("GET", "/metrics")
    hub.stop()
    there = set(re.findall(r"^(\w+)", text.decode(), re.M))
    assert len(wanted) > 8 and wanted - there == set()


@pytest.mark.parametrize("unit, most", [("tocsin-hub", 1.5), ("tocsin-sensor", 3.5)])
def test_the_units_stay_closed(tmp_path, unit, most):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd is not installed")
    path = tmp_path / f"{unit}.service"
    text = (DEPLOY / "systemd" / f"{unit}.service.in").read_text()
    path.write_text(re.sub(r"@(\w+)@", r"/usr/\1", text))
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", path], capture_output=True, text=True)
    found = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
    if not found:
        pytest.skip("systemd-analyze cannot judge units here")
    assert float(found.group(1)) <= most
