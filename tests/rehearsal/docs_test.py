# SPDX-License-Identifier: Apache-2.0
"""Checks that each row of the table in docs/kubernetes.md names a test, and each test has a row.

The tests of CTest that the page names must exist too.

  docs_test.py SOURCE_DIR
"""

import pathlib
import re
import sys


def main():
    source = pathlib.Path(sys.argv[1])
    text = (source / "docs/kubernetes.md").read_text()
    rows = re.findall(r"^\| (\d+) \|.*\| ([^|]+) \|$", text, re.MULTILINE)
    named = [name for _, names in rows for name in re.findall(r"`(\w+)`", names)]
    there = [name for path in sorted((source / "tests/rehearsal").glob("jobs_*.py")) for name in re.findall(r"^    def test_(\w+)\(", path.read_text(), re.MULTILINE)]
    found = [f"{name} is in docs/kubernetes.md, but there is no such test" for name in sorted(set(named) - set(there))]
    found += [f"{name} has no row in docs/kubernetes.md" for name in sorted(set(there) - set(named))]
    found += [f"row {number} names no test" for number, names in rows if "`" not in names]
    lists = "\n".join(path.read_text() for path in (source / "tests").glob("*/CMakeLists.txt"))
    for name in sorted(set(re.findall(r"`((?:charts|docker|doctor|launch|rehearsal|scripts)_\w+)`", text))):
        if not re.search(rf"(add_test\(NAME |ebb_test\(){name}\b", lists):
            found.append(f"{name} is in docs/kubernetes.md, but CTest has no such test")
    if [int(number) for number, _ in rows] != list(range(1, len(rows) + 1)):
        found.append("the rows are not numbered from 1")
    # References to rows, such as [6 to 8] and [2, 3, 5].
    for words in re.findall(r"\[(\d+(?:(?:, | to )\d+)*)\]", text):
        found += [f"row {number} does not exist" for number in re.findall(r"\d+", words) if int(number) > len(rows)]
    for problem in found:
        print(f"FAILED {problem}")
    print(f"{len(rows)} rows, {len(there)} tests")
    return int(bool(found) or not rows)


if __name__ == "__main__":
    sys.exit(main())
