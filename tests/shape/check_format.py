#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails with the list of files that clang-format would change. Formatters of different versions disagree, so only the
pinned one counts. Without it the check is skipped (exit code 77) and prints the reason.

usage: check_format.py ROOT VERSION CLANG_FORMAT     (CLANG_FORMAT: a path, or empty if there is none)
"""

import pathlib
import re
import subprocess
import sys

import shape

SKIPPED = 77
FOLDERS = ("trainer", "tests", "bench")


def version_of(clang_format):
    try:
        text = subprocess.run([clang_format, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    found = re.search(r"version (\d+\.\d+\.\d+)", text)
    return found.group(1) if found else None


def badly_formatted(root, clang_format):
    files = [p for folder in FOLDERS for p in shape.files_below(root / folder, shape.SOURCE_ENDINGS | shape.HEADER_ENDINGS)]
    if not files:
        raise RuntimeError(f"no source files below {root}")
    run = subprocess.run(
        [clang_format, "--dry-run", "--Werror", "--style=file", *map(str, files)], capture_output=True, text=True, check=False
    )
    bad = sorted({match for match in re.findall(r"^(.+?):\d+:\d+: error:", run.stderr, re.MULTILINE)})
    if run.returncode != 0 and not bad:
        raise RuntimeError(f"{clang_format} failed: {run.stderr.strip()}")
    return [pathlib.Path(name).relative_to(root).as_posix() for name in bad]


def main(arguments):
    if len(arguments) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    root, wanted, clang_format = pathlib.Path(arguments[0]).resolve(), arguments[1], arguments[2]
    version = version_of(clang_format) if clang_format else None
    if version != wanted:
        print(f"skipped: clang-format {wanted} is needed, {'none' if version is None else version} is there")
        return SKIPPED
    bad = badly_formatted(root, clang_format)
    for name in bad:
        print(f"{name}: not formatted")
    if bad:
        print(f"{len(bad)} files; to mend them: {clang_format} -i {' '.join(bad)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
