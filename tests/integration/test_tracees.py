"""Programs that do whatever a sensor may not like (tests/attacks/hostile.c): the sensor neither crashes nor hangs nor lies, with
each probe. What they know to have done is what was reported, each once. More seeds: TOCSIN_HOSTILE=FIRST:COUNT:SECONDS."""
import collections
import os
import subprocess

import pytest

from test_sensor import BUILD, SENSOR, ebpf_lacks, receiver, sensors, wait_for  # noqa: F401

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="skipped, because a hostile program is root here")
HOSTILE = os.path.join(BUILD, "tests", "attacks", "hostile")
SILENT = os.path.join(BUILD, "tests", "tools", "silent_files")
FIRST, COUNT, SECONDS = (int(word) for word in os.environ.get("TOCSIN_HOSTILE", "1:1:3").split(":"))
PROBES = [pytest.param("ebpf", marks=pytest.mark.skipif(ebpf_lacks() is not None, reason=f"skipped, because {ebpf_lacks()}")), "run", "attach"]


def sane(log):
    for word in ("AddressSanitizer", "LeakSanitizer", "runtime error", "keeps the sensor", "was killed", "crash"):
        assert word not in log, log[-4000:]


def let_loose(probe, program, folder, rules, receiver, sensors):  # noqa: F811
    """Runs the program below a sensor; gives the sensor's log."""
    command = ["sh", "-c", f"read go; {program}; mkdir /nonexistent-hostile/end 2>/dev/null; true"]
    if probe == "run":
        log = folder / "sensor.log"
        with open(log, "w") as out:
            subprocess.run([SENSOR, "run", "--rules", rules, "--spool-dir", folder / "spool", "--hub", f"http://127.0.0.1:{receiver.port}",
                            "--", *command], input=b"go\n", stderr=out, timeout=SECONDS + 60, check=True)
        return log.read_text()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    whom, word = ([str(process.pid)], "attach") if probe == "attach" else ([], None)
    sensor = sensors(receiver.port, *whom, "--rules", rules, word=word)
    process.communicate(b"go\n", SECONDS + 60)
    assert process.returncode == 0
    wait_for(lambda: receiver.find(evt__type="mkdir"), 30)
    assert sensor.stop() == 0, sensor.text()
    return sensor.text()


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
@pytest.mark.parametrize("probe", PROBES)
def test_hostile_programs_are_survived_and_told_of_truly(probe, seed, tmp_path, receiver, sensors):  # noqa: F811
    folder = tmp_path / "hostile"
    folder.mkdir()
    os.chmod(tmp_path, 0o777)
    os.chmod(folder, 0o777)
    (tmp_path / "rules.yaml").write_text(
        "- rule: Mark\n  desc: d\n  priority: NOTICE\n  output: x\n"
        f"  condition: evt.type in (open, openat) and fd.name startswith {folder}/m- and evt.is_open_write = true\n"
        "- rule: Others\n  desc: d\n  priority: NOTICE\n  output: x\n"
        "  condition: evt.type in (ptrace, connect, sendmsg, mount, unshare, chroot, renameat, setresuid, io_uring_setup) and proc.pname = none\n"
        "- rule: End\n  desc: d\n  priority: NOTICE\n  output: x\n  condition: evt.type = mkdir and evt.arg.path = /nonexistent-hostile/end\n")
    sane(let_loose(probe, f"{HOSTILE} {seed} {SECONDS} {folder}", folder, str(tmp_path / "rules.yaml"), receiver, sensors))
    done = {int(line) for line in (folder / "log").read_text().split()}
    told = collections.Counter(int(event["fields"]["fd.name"].rpartition("-")[2]) for event in receiver.find(fd__name=lambda name: name is not None)
                               if event["fields"].get("evt.res") in ("SUCCESS", None))
    lost = sum(receiver.heartbeats[-1]["stats"]["lost"].values()) if receiver.heartbeats else 0
    assert len(done) > 20
    assert len(done - set(told)) <= lost, f"not told of {sorted(done - set(told))}, lost {lost}"
    assert [number for number, times in told.items() if times > 1] == []


@pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="skipped, because there are no file systems of users")
@pytest.mark.parametrize("probe", PROBES)
def test_a_file_system_that_does_not_answer_keeps_nobody_waiting(probe, tmp_path, receiver, sensors):  # noqa: F811
    """Its server may be a process that waits for the sensor."""
    folder = tmp_path / "silent"
    folder.mkdir()
    (tmp_path / "rules.yaml").write_text(
        f"- rule: Mode\n  desc: d\n  priority: NOTICE\n  output: x\n  condition: evt.type = fchmod and fd.name = {folder}/file\n"
        f"- rule: Open\n  desc: d\n  priority: NOTICE\n  output: x\n  condition: evt.type in (open, openat) and fd.name = {folder}/file\n"
        "- rule: End\n  desc: d\n  priority: NOTICE\n  output: x\n  condition: evt.type = mkdir and evt.arg.path startswith /nonexistent-hostile/\n")
    log = let_loose(probe, f"{SILENT} {folder} /nonexistent-hostile/own; echo ended $? >{folder}/how", folder, str(tmp_path / "rules.yaml"),
                    receiver, sensors)
    if (folder / "how").read_text() == "ended 77\n":
        pytest.skip("skipped, because no file system can be mounted")
    sane(log)
    assert "does not answer" not in log
    assert [event["fields"]["evt.type"] for event in receiver.find(fd__name=str(folder / "file"))] == ["openat", "fchmod"]
    assert receiver.find(evt__arg__path="/nonexistent-hostile/own")
