# SPDX-License-Identifier: Apache-2.0
"""Runs the programs of the comparisons."""

import os
import subprocess
import sys

SKIPPED = 77  # exit code of a comparison that lacks a program, a library or data


def run(*command):
    """Returns the standard output. A failure ends the comparison and prints all output."""
    done = subprocess.run([str(c) for c in command], env=os.environ, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout
