"""What the tests of the chart share: how one is skipped."""

import sys

SKIPPED = 77


def yaml_or_skip():
    """The module, or the test's end with the reason where Python has it not."""
    try:
        import yaml
    except ImportError:
        print("skipped: Python has no yaml (scripts/setup all installs python3-yaml)")
        sys.exit(SKIPPED)
    return yaml
