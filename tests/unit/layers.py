"""Keeps the arrows between folders one-way: reads every #include "room/…" against the table of CONTRIBUTING.md."""
import pathlib
import re
import sys

MAY = {
    "base": {"base", "include"},
    "include": {"base", "include"},
    "rules": {"base", "include", "rules"},
    "outputs": {"base", "include", "outputs"},
    "sensor": {"base", "include", "rules", "sensor"},
    "hub": {"base", "include", "rules", "hub", "web"},
    "cli": {"base", "include", "rules", "cli", "hub", "sensor"},
    "web": {"base", "web"},
}
CLI_OF_HUB = {"hub/config.h", "hub/journal/journal.h", "hub/normalise/normalise.h", "hub/rules_file.h",
              "hub/watch/watch.h"}
CLI_OF_SENSOR = {"sensor/caps.h"}  # and all of sensor/seccomp/
WALLS = {  # a library's header is included in one place
    "microhttpd.h": {"hub/server.c"},
    "curl/curl.h": {"base/http.c", "cli/stream.c"},
    "jansson.h": set(),
    "seccomp.h": {"sensor/seccomp/compile.c"},
}
BANNED = re.compile(r"\b(strcpy|strcat|sprintf|strtok|atoi|atol|gets|alloca|system|popen)\s*\(")


def main():
    root = pathlib.Path(sys.argv[1])
    wrong = []
    for room, may in MAY.items():
        for file in sorted([*(root / room).rglob("*.[ch]")]):
            name = str(file.relative_to(root))
            for number, line in enumerate(file.read_text().splitlines(), 1):
                found = re.match(r'\s*#include\s+"((\w+)/[^"]+)"', line)
                if found and found.group(2) in MAY and found.group(2) not in may:
                    wrong.append(f"{name}:{number}: {room}/ may not include {found.group(1)}")
                if found and room == "cli" and found.group(2) == "hub" and found.group(1) not in CLI_OF_HUB:
                    wrong.append(f"{name}:{number}: cli/ may not include {found.group(1)}")
                if (found and room == "cli" and found.group(2) == "sensor" and found.group(1) not in CLI_OF_SENSOR
                        and not found.group(1).startswith("sensor/seccomp/")):
                    wrong.append(f"{name}:{number}: cli/ may not include {found.group(1)}")
                found = re.match(r"\s*#include\s+<([^>]+)>", line)
                if found and found.group(1) in WALLS and name not in WALLS[found.group(1)]:
                    wrong.append(f"{name}:{number}: only {WALLS[found.group(1)] or 'nobody'} may include {found.group(1)}")
                if BANNED.search(line) and not line.lstrip().startswith("*") and "/*" not in line:
                    wrong.append(f"{name}:{number}: {BANNED.search(line).group(1)}() is not used here")
    print("\n".join(wrong))
    sys.exit(1 if wrong else 0)


main()
