# SPDX-License-Identifier: Apache-2.0
"""Common functions of the chart's tests: the choice of helm, and skips."""

import os
import pathlib
import subprocess
import sys

SKIPPED = 77


def helm_or_skip(given):
    """The helm to test with, HELM of the environment before the given one; its version is printed. Ends the test if there is none."""
    helm = os.environ.get("HELM") or given
    if not pathlib.Path(helm).exists():
        print(f"skipped: there is no {helm} (scripts/setup full fetches helm)")
        sys.exit(SKIPPED)
    version = subprocess.run([helm, "version", "--short"], capture_output=True, text=True, check=True).stdout.strip()
    print(f"helm {version}", flush=True)
    return helm


def yaml_or_skip():
    """Returns the module; ends the test with the reason if Python does not have it."""
    try:
        import yaml
    except ImportError:
        print("skipped: Python has no yaml (scripts/setup full installs python3-yaml)")
        sys.exit(SKIPPED)
    return yaml
