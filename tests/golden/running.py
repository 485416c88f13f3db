# SPDX-License-Identifier: Apache-2.0
"""What the comparisons share: their command lines, what they need, and the programs that they run."""

import argparse
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys

SKIPPED = 77  # exit code of a comparison that lacks a program, a library or data


def parser_of(*paths):
    """Returns a parser for a command line with these paths, in this order."""
    parser = argparse.ArgumentParser()
    for path in paths:
        parser.add_argument(path, type=pathlib.Path)
    return parser


def skip(reason):
    """Ends the comparison as skipped."""
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def need_module(name):
    if importlib.util.find_spec(name) is None:
        skip(f"this Python has no {name}")


def need_bible():
    if shutil.which("bible") is None:
        skip("the program bible is missing (Debian's bible-kjv and bible-kjv-text)")


def run(*command):
    """Returns the standard output. A failure ends the comparison and prints all output."""
    done = subprocess.run([str(c) for c in command], env=os.environ, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout
