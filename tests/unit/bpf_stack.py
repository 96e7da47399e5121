"""The stack of the eBPF programs: 512 bytes for all functions of one chain of calls together, before Linux 6.13 at least.

usage: bpf_stack.py LLVM-OBJDUMP OBJECT
"""
import collections
import re
import subprocess
import sys

LIMIT, ROUND = 512, 32


def read(objdump, path):
    """(bytes of stack by function, functions that each one calls)"""
    text = subprocess.run([objdump, "-dr", "--no-show-raw-insn", path], check=True, capture_output=True, text=True).stdout
    used, calls, starts = collections.Counter(), collections.defaultdict(set), {}
    section = name = number = None
    for line in text.splitlines():
        if found := re.match(r"Disassembly of section (\S+):", line):
            section = found[1]
        elif found := re.match(r"([0-9a-f]+) <((?!LBB)\S+)>:", line):
            name = found[2]
            if section == ".text":
                starts[int(found[1], 16)] = name
        elif found := re.search(r"R_BPF_64_(32|64)\s+(\S+)", line):
            local = found[2] == ".text" # a static function: called by its number, or handed to a helper by its address
            calls[name].add(number if local and found[1] == "64" else (number + 1) * 8 if local else found[2])
        elif name is not None:
            found = re.search(r"(?:call |= )(-?(?:0x)?[0-9a-f]+)(?: ll)?$", line)
            number = int(found[1], 0) if found else number
            if found := re.search(r"r10 - (?:0x)?(\w+)", line):
                used[name] = max(used[name], int(found[1], 16 if "r10 - 0x" in line else 10))
            if (found := re.search(r"r\d+ \+= -(\d+)$", line)) and int(found[1]) <= LIMIT:
                used[name] = max(used[name], int(found[1]))
    return used, {name: {starts.get(to, to) for to in of} for name, of in calls.items()}


def deepest(name, used, calls):
    """(bytes, chain of calls); a function that needs none takes a slot."""
    own = max((used[name] + ROUND - 1) // ROUND * ROUND, ROUND)
    below = [deepest(to, used, calls) for to in calls.get(name, ()) if to in calls or to in used]
    deep, chain = max(below, default=(0, ""))
    return own + deep, f"{name} ({used[name]}) {chain}"


def main():
    used, calls = read(*sys.argv[1:])
    programs = [name for name in calls if name.startswith(("on_", "lsm_"))]
    assert programs and any("step" in to for of in calls.values() for to in map(str, of)), "the object was not understood"
    for name in sorted(programs):
        deep, chain = deepest(name, used, calls)
        print(f"{deep:4} {chain}")
        if deep > LIMIT:
            sys.exit(f"{name}: more than {LIMIT} bytes of stack: kernels before 6.13 refuse it")


main()
