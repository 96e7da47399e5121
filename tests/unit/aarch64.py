"""The sensor compiles for 64-bit ARM: its eBPF side, and of its C side what needs no library of that machine.

usage: aarch64.py CLANG ROOT
"""
import glob
import os
import subprocess
import sys

CROSS = "/usr/aarch64-linux-gnu/include"
# These include headers of libraries, which are installed for this machine only.
NEED_LIBRARIES = {"compile.c", "counts.c", "deny.c", "guard.c", "gzip.c", "hooks.c", "spool.c", "probe_ebpf.c", "respond.c", "said.c", "watched.c"}


def main():
    clang, root = sys.argv[1:]
    warnings = ["-Wall", "-Wextra", "-Werror"]
    multiarch = f"/usr/include/{os.uname().machine}-linux-gnu"
    program = os.path.join(root, "sensor/ebpf/tocsin.bpf.c")
    subprocess.run([clang, "-O2", "-g", "-target", "bpf", "-D__TARGET_ARCH_arm64", "-idirafter", multiarch, *warnings,
                    "-Wno-unused-parameter", "-c", program, "-o", "/dev/null"], check=True)
    if not os.path.isdir(CROSS):
        print(f"skipped, because {CROSS} is not there (libc6-dev-arm64-cross)")
        return 77
    files = [path for path in glob.glob(f"{root}/sensor/**/*.c", recursive=True)
             if os.path.basename(path) not in NEED_LIBRARIES and not path.endswith(".bpf.c")]
    subprocess.run([clang, "--target=aarch64-linux-gnu", "-nostdlibinc", "-isystem", CROSS, "-fsyntax-only", "-std=gnu17",
                    "-D_GNU_SOURCE", '-DTOCSIN_VERSION=""', '-DTOCSIN_RULES_FILE=""', "-I", root, *warnings, *files],
                   check=True)
    return 0


sys.exit(main())
