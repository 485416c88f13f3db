"""charts/ebb/README.md is what helm-docs makes of the chart, and every value has a word of its own there.

  readme_test.py HELM_DOCS SOURCE_DIR

Exit code 0 where it is, 1 where not, 77 (skipped) where there is no helm-docs.
"""

import difflib
import pathlib
import re
import subprocess
import sys

SKIPPED = 77


def main():
    program, source = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    if not program.exists():
        print("skipped: there is no helm-docs (scripts/setup all builds it)")
        return SKIPPED
    done = subprocess.run([program.resolve(), "--dry-run", "--chart-search-root", "charts/ebb", "--sort-values-order", "file", "--log-level", "warning"], cwd=source, capture_output=True, text=True)
    if done.returncode or "|-----|" not in done.stdout:
        print(f"FAILED helm-docs: {done.stdout}{done.stderr}")
        return 1
    there = (source / "charts/ebb/README.md").read_text()
    if there.strip() != done.stdout.strip():
        print("FAILED charts/ebb/README.md is not of this values.yaml: .deps/bin/helm-docs -c charts/ebb -s file")
        print("".join(difflib.unified_diff(there.splitlines(True), done.stdout.splitlines(True), "README.md", "now")))
        return 1
    # helm-docs' own strict mode does not see comments of the form that it recommends.
    silent = re.findall(r"^\| (\S+) \|.*\|  \|$", there, re.MULTILINE)
    if silent:
        print(f"FAILED values.yaml has no comment `# -- …` above: {', '.join(silent)}")
        return 1
    print(f"{there.count(chr(10) + '| ') - 1} values")
    return 0


if __name__ == "__main__":
    sys.exit(main())
