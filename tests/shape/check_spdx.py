#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that every source, header, script and CMake file names its licence in its first line, or below `#!`.

Prints the files that do not, one a line. Exit code 1 if there are any, else 0.

usage: check_spdx.py ROOT
"""

import pathlib
import sys

IDENTIFIER = "SPDX-License-Identifier: Apache-2.0"
# Folders of the root that the scripts make.
SKIPPED_FOLDERS = {".deps", ".git", ".ccache", "build", "data", "runs", "install"}
# Golden renders hold the output of other programs.
SKIPPED_PATHS = ("tests/charts/golden/", "charts/ebb/templates/")
SLASHES = {".cpp", ".cu", ".cuh", ".h", ".hpp", ".inc"}
HASHES = {".cmake", ".py", ".sh", ".toml"}
HASH_NAMES = {"CMakeLists.txt", "Dockerfile", "Doxyfile"}


def marker(path):
    """The marker of the identifier's comment; None for a file that needs no identifier."""
    if path.suffix in SLASHES:
        return "//"
    if path.suffix in HASHES or path.name in HASH_NAMES:
        return "#"
    if path.suffix == "":
        with path.open("rb") as file:
            if file.read(2) == b"#!":
                return "#"
    return None


def files(root, folder=None):
    for path in sorted((folder or root).iterdir()):
        if path.is_symlink() or path.relative_to(root).as_posix().startswith(SKIPPED_PATHS):
            continue
        if path.is_dir():
            if path.name != "__pycache__" and (folder or path.name not in SKIPPED_FOLDERS):
                yield from files(root, path)
        elif path.stat().st_size:
            yield path


def lacking(root):
    """(path, marker) of each file without the identifier."""
    for path in files(root):
        mark = marker(path)
        if mark is None:
            continue
        lines = path.read_text(encoding="utf-8").splitlines()[:2]
        wanted = lines[1:] if lines[0].startswith("#!") else lines[:1]
        if f"{mark} {IDENTIFIER}" not in wanted:
            yield path, mark


def main(arguments):
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    root = pathlib.Path(arguments[0]).resolve()
    found = list(lacking(root))
    for path, mark in found:
        print(f"{path.relative_to(root)}: does not begin with `{mark} {IDENTIFIER}`")
    print(f"{len(found)} problems" if found else "every file names its licence")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
