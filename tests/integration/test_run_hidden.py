"""tocsin-sensor run, and a workload that hides: behind a tracer of its own."""
import os
import pathlib

from test_run import run  # noqa: F401

ATTACK = pathlib.Path(os.environ["TOCSIN_BUILD"]) / "tests/attacks/attack"
RULES = """
- rule: Read
  desc: A secret is read.
  condition: evt.type in (open, openat, openat2) and evt.is_open_read = true and fd.num >= 0 and fd.name endswith /secret
  output: "%fd.name"
  priority: NOTICE
- rule: Removed
  desc: A secret is removed.
  condition: evt.type in (unlink, unlinkat) and evt.res = SUCCESS and evt.arg.name contains secret
  output: "%evt.arg.name"
  priority: NOTICE
- rule: Ran
  desc: What it runs.
  condition: evt.type in (execve, execveat) and proc.name in (cat, rm)
  output: "%proc.cmdline"
  priority: NOTICE
"""


def test_a_program_under_a_tracer_of_its_own_is_seen(run, tmp_path):  # noqa: F811
    secret = tmp_path / "secret"
    secret.write_text("word\n")
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    hidden = run(ATTACK, "hide", "/bin/sh", "-c", f"exec /bin/cat {secret} {secret}-not", options=("--rules", rules))
    assert hidden.wait() == 1
    # Which program it is: the one that it has become.
    assert hidden.events(evt__type="execve", proc__cmdline=f"cat {secret} {secret}-not")
    read = hidden.events(evt__type="openat", fd__name=secret)
    assert read and read[0]["proc.name"] == "cat" and read[0]["fd.num"] >= 0
    assert not hidden.events(evt__type="openat", fd__name=f"{secret}-not"), "it is not there"


def test_what_nobody_saw_the_end_of_is_presumed_and_said_to_be(run, tmp_path):  # noqa: F811
    secret = tmp_path / "secret"
    secret.write_text("word\n")
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    hidden = run(ATTACK, "hide", "/bin/rm", secret, options=("--rules", rules))
    assert hidden.wait() == 0
    removed = hidden.events(evt__type="unlinkat")
    assert removed and removed[0]["evt.is_presumed"] is True and removed[0]["evt.arg.name"] == str(secret)
