# SPDX-License-Identifier: Apache-2.0
"""Lists skipped tests and their reasons, from ctest's LastTest.log: `skipped.py LOG`.

ctest counts a GoogleTest program as passed even if it skipped some of its tests. This script therefore
reads the program's output. A script that skips completely prints `skipped: REASON` and exits with 77.
"""

import re
import sys

RUN = re.compile(r"\[ RUN      \] (\S+)")
SKIPPED = re.compile(r"\[  SKIPPED \] (\S+) \(\d+ ms\)")
PROGRAM = re.compile(r"^\d+/\d+ Test: (.+)$")
SCRIPT = re.compile(r"^skipped: (.+)$")


def read(lines):
    """Yields (program, test, reason) once a test, even if several ranks skipped it."""
    program, reason, collecting, seen = "", [], False, set()
    for line in lines:
        line = line.rstrip("\n")
        if found := PROGRAM.match(line):
            program, collecting = found.group(1), False
        elif found := SCRIPT.match(line):
            yield program, "", found.group(1)
        elif RUN.search(line):
            reason, collecting = [], False
        elif line.endswith(": Skipped") or line == "Skipped":
            collecting = True
        elif found := SKIPPED.search(line):
            name = found.group(1)
            if (program, name) not in seen:
                seen.add((program, name))
                yield program, name, " ".join(reason) or "no reason given"
            reason, collecting = [], False
        elif collecting and line.strip() and line.strip() not in reason:
            reason.append(line.strip())


def main(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as log:
            skips = list(read(log))
    except FileNotFoundError:
        print(f"{path} does not exist, so skipped tests are not listed")
        return
    by_reason = {}
    for program, name, reason in skips:
        by_reason.setdefault(reason, []).append(f"{program}: {name}" if name else program)
    print(f"\nSkipped: {len(skips)} tests" + (", because:" if skips else ""))
    for reason, names in sorted(by_reason.items()):
        print(f"  {reason}")
        for name in names:
            print(f"    {name}")


if __name__ == "__main__":
    main(sys.argv[1])
