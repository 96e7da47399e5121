"""Keeps the shipped rules whole: each is described, tagged with where it looks and with a technique of MITRE ATT&CK,
begins its condition with types of events, and is tried both ways in rules/tests; names of programs are as short as
the kernel cuts them. usage: shipped_rules.py RULES_FOLDER TOCSIN"""
import pathlib
import re
import subprocess
import sys

KINDS = ("rule", "threshold", "distinct", "first_seen", "absent", "sequence")
PLACES = {"host", "container", "hub", "windows", "aws", "kubernetes"}
TECHNIQUE = re.compile(r"T\d{4}(\.\d{3})?$")
COMM_MAX = 15
NOT_PROGRAMS = {"pool_hosts"}


def blocks(text):
    """Top-level items of a rules file: (kind, name, text)."""
    for block in re.split(r"^(?=- )", text, flags=re.M)[1:]:
        kind, name = re.match(r"- (\w+): *(.*)", block).groups()
        yield kind, name.strip("\"'"), block


def flow(block, key):
    """What stands between the brackets of `key: […]`."""
    found = re.search(rf"^ +{key}: *\[([^\]]*(?:\[[^\]]*\][^\]]*)*)\]", block, flags=re.M)
    return [] if found is None else [item.strip().strip("\"'") for item in found[1].replace("\n", " ").split(",") if item.strip()]


def tried(folder):
    fired, quiet = set(), set()
    for file in folder.glob("*.yaml"):
        for test in re.split(r"^  - name:", file.read_text(), flags=re.M)[1:]:
            fired.update(flow(test, "fires"))
            fired.update(name.strip("\"'") for name in re.findall(r"^ +- rule: (.*)$", test, flags=re.M))
            quiet.update(flow(test, "never"))
    return fired, quiet


def check_rule(kind, name, block, fired, quiet):
    tags = flow(block, "tags")
    hub_only = " source: tocsin" in block or " source: alert" in block
    if re.search(r"^  desc: *(>|\S)", block, flags=re.M) is None:
        yield "has no desc"
    if not PLACES & set(tags):
        yield "has no tag for where it looks: " + ", ".join(sorted(PLACES))
    if not hub_only and not any(TECHNIQUE.match(tag) for tag in tags):
        yield "names no technique of MITRE ATT&CK"
    if not hub_only and not any(tag.startswith("mitre_") for tag in tags):
        yield "names no tactic of MITRE ATT&CK"
    if name not in fired:
        yield "is made to fire by no test"
    if name not in quiet:
        yield "has no test in which it must not fire"


def check_list(name, block):
    if not name.endswith(("programs", "tools", "debuggers", "miners", "shells")) or name in NOT_PROGRAMS:
        return
    for item in flow(block, "items"):
        if len(item.strip("'\"")) > COMM_MAX:
            yield f"{item} is longer than the kernel lets a name be"


def main():
    folder = pathlib.Path(sys.argv[1])
    fired, quiet = tried(folder / "tests")
    files = sorted(folder.glob("*.yaml"))
    wrong, rules = [], set()
    for file in files:
        for kind, name, block in blocks(file.read_text()):
            found = check_list(name, block) if kind == "list" else ()
            if kind in KINDS:
                if name in rules:
                    wrong.append(f"{file.name}: {name}: is there twice")
                rules.add(name)
                found = check_rule(kind, name, block, fired, quiet)
            wrong += [f"{file.name}: {name}: {what}" for what in found]
    wrong += [f"tests: there is no rule {name}" for name in sorted((fired | quiet) - rules)]
    for what in [*[[file] for file in files], files]:
        done = subprocess.run([sys.argv[2], "rules", "check", *map(str, what)], capture_output=True, text=True, timeout=60)
        notes = re.findall(r"^\S+ (?:warning|error) .*", done.stdout + done.stderr, flags=re.M)
        if done.returncode != 0 or notes:
            wrong += notes or [done.stdout + done.stderr]
    print("\n".join(wrong) if wrong else f"{len(rules)} rules are whole")
    return 1 if wrong else 0


sys.exit(main())
