#!/usr/bin/env python3
"""What running a command under the sensor costs, beside the same command without it, under the least that a tracer
by PTRACE_SYSCALL can do, and under strace -f.

    python3 tests/bench/bench_ptrace.py [--build build/release] [--rounds 8] [--only WORKLOAD…] [--variants VARIANT…]

As root or not; makes everything that it works on in a temporary folder. Before and after each run of a variant the same
work runs natively; a ratio is the run's time to the mean of those two. First the ratio of time, then that of processor time,
the tracer's own included: other users of the machine show less in it. Then how many calls stopped, and memory.
"""
import argparse
import contextlib
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).parents[2]
RULES = ROOT / "rules" / "tocsin_rules.yaml"
STOCK = ROOT.parent / "shared" / "rules" / "falco_rules.yaml"
SECONDS = 0.25  # of a loop
TARGETS = ["sensor/tocsin-sensor", "tests/bench/bench_load", "tests/bench/tracer", "tests/tools/load", "tests/tools/null_server"]
READS = re.compile(r"^open\w*: read(?! and)", re.M)


def machine():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return f"{platform.release()}, {model.group(1) if model else platform.machine()}, {os.cpu_count()} cores"


def spread(values):
    values = sorted(values)
    return f"{statistics.median(values):.2f} ({values[len(values) // 10]:.2f}–{values[len(values) * 9 // 10]:.2f})"


def run(*command, **more):
    return subprocess.run([str(word) for word in command], check=True, stdin=subprocess.DEVNULL, **more)


# ---- what is worked on ----

SOURCE = """#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
struct item {{ struct item *next; char name[64]; double weight; }};
"""
FUNCTION = """static struct item *add_{n}(struct item *list, const char *name)
{{
	struct item *item = calloc(1, sizeof(*item));
	if (item == NULL || strlen(name) >= sizeof(item->name))
		return list;
	strcpy(item->name, name);
	item->weight = sqrt({n} + (double)strlen(name)) * {n};
	for (size_t i = 0; i < strlen(name); i++)
		item->weight += name[i] % ({n} + 2);
	item->next = list;
	return item;
}}
"""


def make_project(folder):
    folder.mkdir()
    files = 12
    for n in range(files):
        calls = "".join(f"\tlist = add_{i}(list, name);\n" for i in range(12))
        (folder / f"part{n}.c").write_text(
            SOURCE.format() + "".join(FUNCTION.format(n=i) for i in range(12)) +
            f"double part{n}(const char *name)\n{{\n\tstruct item *list = NULL;\n{calls}\treturn list->weight;\n}}\n")
    (folder / "main.c").write_text("int main(void)\n{\n\treturn 0;\n}\n")
    objects = " ".join(f"part{n}.o" for n in range(files)) + " main.o"
    (folder / "Makefile").write_text(f"all: program\nprogram: {objects}\n\tgcc -o $@ {objects} -lm\n"
                                     "%.o: %.c\n\tgcc -O1 -c -o $@ $<\n")


PROBES = """
log() { echo "configure: $*" >>config.log; }
found() {
	name=$(echo "$1" | sed 'y/abcdefghijklmnopqrstuvwxyz./ABCDEFGHIJKLMNOPQRSTUVWXYZ_/')
	echo "#define HAVE_$name $2" >>config.h
	echo "checking for $1... $2"
}
try() { # NAME TEXT gcc's arguments
	name=$1; text=$2; shift 2
	cat >conftest.c <<EOF
$text
EOF
	if gcc "$@" conftest.c >conftest.out 2>conftest.err; then found "$name" 1; else found "$name" 0; fi
	grep -v '^ *+' conftest.err >conftest.er1 || :
	cat conftest.er1 >>config.log
	rm -f conftest.c conftest.out conftest.err conftest.er1 conftest.o conftest
}
: >config.h; : >config.log
"""


def make_configure(folder):
    """The manner of autoconf: a shell, many small programs, the compiler."""
    folder.mkdir()
    headers = "stdio stdlib string unistd fcntl errno signal nosuch sys/types sys/stat pthread locale".split()
    functions = "strdup memmem getline pipe2 nosuchcall accept4 fdatasync openat strlcpy getrandom".split()
    lines = ["#!/bin/sh", "set -e", "rm -rf build && mkdir build && cd build", PROBES]
    lines += [f"try {h}.h '#include <{h}.h>' -E -o conftest.out" for h in headers]
    lines += [f"try {f} 'char {f}(); int main(void) {{ return {f}(); }}' -w -o conftest" for f in functions[:6]]
    lines += [f"try {f} 'char {f}(); int x = sizeof({f}());' -w -c -o conftest.o" for f in functions[6:]]
    for word in "install mkdir awk sed grep egrep ranlib ar strip".split():
        lines += [f'where=$(command -v {word} || :); test -z "$where" || echo "{word}: $(basename "$where")"',
                  f'if (echo {word} | grep "{word[:2]}" >/dev/null) && test "$(expr {len(word)} + 1)" -gt 0; then log {word}; fi']
    lines += ["sed -e 's/HAVE_/WITH_/' config.h >config.out && mv config.out config.h",
              "cmp -s config.h config.log || cat config.h >/dev/null"]
    (folder / "configure").write_text("\n".join(lines) + "\n")
    (folder / "configure").chmod(0o755)


def make_files(folder, count, size):
    line = b"all work and no play makes a dull file, number %d of its folder\n"
    for n in range(count):
        place = folder / f"room{n % 97}" / f"shelf{n % 7}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"file{n}.txt").write_bytes((line % n) * (1 + (n * 7919) % (2 * size // 64)))


def make_repository(folder):
    make_files(folder, 400, 4000)
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "all"]):
        run("git", "-C", folder, *words)


# ---- the ways to run something ----

class Variant:
    """A command in front of another."""

    def __init__(self, name, prefix):
        self.name, self.prefix = name, [str(word) for word in prefix]
        self.own = 0.0  # seconds of the processor that it needs for itself

    def __call__(self, *command):
        return [*self.prefix, *(str(word) for word in command)]


def light_rules(sensor, folder):
    """The shipped rules without those that want opens for reading: asked of the sensor, rule by rule."""
    parts = re.split(r"(?m)^(?=- )", RULES.read_text())
    kept = [part for part in parts if not part.startswith("- rule:")]
    file = folder / "light_rules.yaml"
    base = "".join(kept)
    for rule in parts:
        if rule.startswith("- rule:"):
            file.write_text(base + rule)
            if not READS.search(run(sensor, "--interest", "--rules", file, capture_output=True, text=True).stdout):
                kept.append(rule)
    file.write_text("".join(kept))
    return file


def variants_of(build, folder, names):
    sensor = build / "sensor" / "tocsin-sensor"
    shared = [sensor, "--print", "--log-level", "warning", "--spool-dir", folder / "spool"]
    full = ["--rules", STOCK] if STOCK.exists() else []
    all_of_them = {
        "light": lambda: [*shared, "--rules", light_rules(sensor, folder), "--"],
        "full": lambda: [*shared, *full, "--rules", RULES, "--"],
        "classic": lambda: [build / "tests/bench/tracer"],
        "strace": lambda: ["strace", "-f", "-o", "/dev/null"],
    }
    return [Variant(name, all_of_them[name]()) for name in names]


NATIVE = Variant("native", [])


# ---- workloads: each returns seconds, and seconds of the processor or None ----

class Bench:
    def __init__(self, build, folder):
        self.build, self.folder = build, folder
        self.load = build / "tests/bench/bench_load"
        self.figures = folder / "figures"

    def start(self, variant, *command):
        return subprocess.Popen(variant(*command), cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL, start_new_session=True)

    def finish(self, process, command):
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise SystemExit(f"bench_ptrace: {' '.join(map(str, command))}: exit status {process.returncode}")
        return usage.ru_utime + usage.ru_stime

    def measured(self, variant, *command):
        """What bench_load writes, and the processor's seconds of all processes."""
        cpu = self.finish(self.start(variant, self.load, *command), variant(self.load, *command))
        first, _ = (float(word) for word in self.figures.read_text().split())
        return first, max(cpu - variant.own, 1e-9)

    def timed(self, variant, *command):
        return self.measured(variant, "time", self.figures, *command)

    def loop(self, variant, kind):
        return self.measured(variant, "loop", self.figures, kind, self.folder / "small", str(SECONDS))[0], None

    def served(self, variant, server, prepare, drive):
        """A server under the variant; the load is not."""
        process = self.start(variant, *server)
        try:
            port = prepare()
            drive(port, warm=True)
            begin, cpu = time.monotonic(), cpu_of_tree(process.pid)
            drive(port, warm=False)
            return time.monotonic() - begin, cpu_of_tree(process.pid) - cpu
        finally:
            end_tree(process)


def tree_of(pid):
    """The process and all that come of it."""
    pids = [pid]
    for parent in pids:
        with contextlib.suppress(OSError):
            for task in pathlib.Path(f"/proc/{parent}/task").iterdir():
                pids += [int(child) for child in (task / "children").read_text().split()]
    return pids


def cpu_of_tree(pid):
    return sum(int((task / "schedstat").read_text().split()[0])
               for each in tree_of(pid) for task in pathlib.Path(f"/proc/{each}/task").iterdir()) / 1e9


def end_tree(process):
    """The command first: what runs it then ends by itself."""
    for pid in reversed(tree_of(process.pid)):
        with contextlib.suppress(OSError):
            if pathlib.Path(os.readlink(f"/proc/{pid}/exe")).name not in ("tocsin-sensor", "tracer", "strace"):
                os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=10)
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(condition, what, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.005)
    raise SystemExit(f"bench_ptrace: not within {seconds} s: {what}")


def answers(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def compile_job(bench, variant):
    """12 C files and a program, by make and gcc"""
    if not (bench.folder / "project").exists():
        make_project(bench.folder / "project")
    return bench.timed(variant, "make", "-B", "-s", "-C", "project")


def configure(bench, variant):
    """22 probes with the compiler and 18 without, by a shell, as configure makes them"""
    if not (bench.folder / "autoconf").exists():
        make_configure(bench.folder / "autoconf")
    return bench.timed(variant, "sh", "-c", "cd autoconf && exec ./configure")


def git(bench, variant):
    """60 times git status of 400 files"""
    if not (bench.folder / "repository").exists():
        make_repository(bench.folder / "repository")
    return bench.timed(variant, "sh", "-c",
                       "cd repository && i=0; while [ $i -lt 60 ]; do git status >/dev/null; i=$((i+1)); done")


def tree(bench):
    if not (bench.folder / "tree").exists():
        make_files(bench.folder / "tree", 9400, 15000)


def grep(bench, variant):
    """grep -r of 9,400 files, 140 MB"""
    tree(bench)
    return bench.timed(variant, "sh", "-c", "! grep -r no-such-word tree")


def tar(bench, variant):
    """tar of the same files into a pipe"""
    tree(bench)
    return bench.timed(variant, "sh", "-c", "tar cf - tree | cat >/dev/null")


def spawn(bench, variant):
    """posix_spawn of /bin/true and wait, again and again"""
    return bench.loop(variant, "spawn")


def getppid(bench, variant):
    """a call that no rule wants"""
    return bench.loop(variant, "getppid")


def read_open(bench, variant):
    """open for reading and close"""
    (bench.folder / "small").touch()
    return bench.loop(variant, "read")


def write_open(bench, variant):
    """open for writing, with O_CREAT, and close"""
    return bench.loop(variant, "write")


def http(bench, variant):
    """an HTTP server, 64 connections kept, 20,000 requests"""
    said = bench.folder / "port"
    said.write_text("")

    def drive(port, warm):
        run(bench.build / "tests/tools/load", "-p", port, "-c", 64, "-b", 1, "-s", 60, "-n", 500 if warm else 20000,
            stdout=subprocess.DEVNULL)

    return bench.served(variant, ["sh", "-c", f"exec {bench.build}/tests/tools/null_server >{said}"],
                        lambda: int(wait_for(said.read_text, "the HTTP server")), drive)


def redis(bench, variant):
    """redis-server, 50 connections, 40,000 times GET and SET"""
    port = free_port()

    def prepare():
        wait_for(lambda: answers(port), "redis-server")
        return port

    def drive(port, warm):
        run("redis-benchmark", "-p", port, "-t", "get,set", "-c", 50, "-n", 500 if warm else 20000, "-q",
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    return bench.served(variant, ["redis-server", "--port", port, "--save", "", "--appendonly", "no"], prepare, drive)


WORKLOADS = {"compile": compile_job, "configure": configure, "git": git, "grep": grep, "tar": tar, "spawn": spawn,
             "getppid": getppid, "read": read_open, "write": write_open, "http": http, "redis": redis}


# ---- figures ----

def weigh(bench, variant):
    """What a variant takes to start and to end, which is not the workload's."""
    runs = []
    for _ in range(5):
        command = [bench.load, "time", bench.figures, "true"]
        runs.append(bench.finish(bench.start(variant, *command), command))
    variant.own = statistics.median(runs)


def ratios(bench, work, variants, rounds):
    """{variant: ([ratio of time], [ratio of processor time])}, native seconds."""
    found, natives = {variant.name: ([], []) for variant in variants}, []
    work(bench, NATIVE)
    before = work(bench, NATIVE)
    for number in range(rounds):
        for variant in variants[number % len(variants):] + variants[:number % len(variants)]:
            ours, after = work(bench, variant), work(bench, NATIVE)
            found[variant.name][0].append(2 * ours[0] / (before[0] + after[0]))
            if ours[1] is not None:
                found[variant.name][1].append(2 * ours[1] / (before[1] + after[1]))
            natives.append(after[0])
            before = after
    return found, statistics.median(natives)


def table(bench, names, variants, rounds):
    print(f"{'':10}" + "".join(f"{variant.name:>20}" for variant in variants) + "   native")
    for name in names:
        found, native = ratios(bench, WORKLOADS[name], variants, rounds)
        unit = f"{native:.3f} s" if native < 100 else f"{native:.0f} ns"
        if name in ("spawn", "getppid", "read", "write"):
            unit = f"{native:.0f} ns"
        print(f"{name:10}" + "".join(f"{spread(found[v.name][0]):>20}" for v in variants) + f"   {unit}", flush=True)
        if found[variants[0].name][1]:
            print(f"{'  cpu':10}" + "".join(f"{spread(found[v.name][1]):>20}" for v in variants), flush=True)


def calls_of(bench, name):
    """How many system calls the workload makes, by the plain tracer."""
    counted = bench.folder / "counted"
    variant = Variant("counting", [bench.build / "tests/bench/tracer", "-c", counted])
    WORKLOADS[name](bench, variant)
    return int(counted.read_text())


def stops_of(bench, variant, name):
    """How many of them the sensor says that it saw."""
    said = bench.folder / "said"
    prefix = [word if word != "warning" else "debug" for word in variant.prefix]
    WORKLOADS[name](bench, Variant("said", ["sh", "-c", f'exec "$@" 2>>{said}', "sh", *prefix]))
    counts = json.loads(re.findall(r"counts: (\{.*\})", said.read_text())[-1])
    said.unlink()
    return counts["seen"]


def stops(bench, names, variants):
    """how many calls the sensor took note of; no other stopped"""
    for name in names:
        if name in ("spawn", "getppid", "read", "write", "http", "redis"):
            continue
        every = calls_of(bench, name)
        for variant in variants:
            seen = stops_of(bench, variant, name)
            print(f"  {name:10} {variant.name:6} {seen:8,} of {every:10,} calls: {seen / every * 100:.2f} %", flush=True)


def memory(bench, variants):
    """resident memory of the sensor's processes while it compiles, MiB: PSS and RSS, the largest that was seen"""
    for variant in variants:
        compile_job(bench, NATIVE)
        process = bench.start(variant, "make", "-B", "-s", "-C", "project")
        pss = rss = 0.0
        while process.poll() is None:
            found = [memory_of(pid) for pid in tree_of(process.pid)]
            pss, rss = max(pss, sum(p for p, _ in found)), max(rss, sum(r for _, r in found))
            time.sleep(0.05)
        print(f"  {variant.name:6} {pss / 1024:5.1f} PSS, {rss / 1024:5.1f} RSS")


def memory_of(pid):
    """KiB of a process of the sensor's; a child that has yet to exec is the command's."""
    try:
        if not os.readlink(f"/proc/{pid}/exe").endswith("tocsin-sensor"):
            return 0, 0
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        return tuple(int(re.search(rf"^{key}:\s+(\d+)", text, re.M).group(1)) for key in ("Pss", "Rss"))
    except (OSError, AttributeError):
        return 0, 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--variants", nargs="+", choices=("light", "full", "classic", "strace"),
                        default=["light", "full", "classic", "strace"])
    parser.add_argument("--parts", nargs="+", choices=("table", "stops", "memory"), default=["table", "stops", "memory"])
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    run("ninja", "-C", build, *TARGETS, stdout=subprocess.DEVNULL)
    os.environ.update(HOME="/nonexistent", GIT_CONFIG_NOSYSTEM="1", LC_ALL="C")
    names = [name for name in arguments.only if name != "redis" or shutil.which("redis-server")]
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = Bench(build, pathlib.Path(folder))
        variants = variants_of(build, bench.folder, arguments.variants)
        ours = [variant for variant in variants if variant.name in ("light", "full")]
        print(machine())
        for name in names:
            print(f"  {name:10} {WORKLOADS[name].__doc__}")
        for variant in [NATIVE, *variants]:
            weigh(bench, variant)
        if "table" in arguments.parts:
            table(bench, names, variants, arguments.rounds)
        if "stops" in arguments.parts:
            print(f"stops: {stops.__doc__}")
            stops(bench, names, ours)
        if "memory" in arguments.parts:
            print(f"memory: {memory.__doc__}")
            memory(bench, ours)


if __name__ == "__main__":
    main()
