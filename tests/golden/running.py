"""How the comparisons start a program, and what they end with where something that they need is not there."""

import os
import subprocess
import sys

SKIPPED = 77


def run(*command):
    """Its standard output. What fails ends the comparison with all that it has said."""
    done = subprocess.run([str(c) for c in command], env=os.environ, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout
