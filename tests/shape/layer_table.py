#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the table of layers that docs/architecture.md shows, made from tests/shape/layers.txt.

usage: layer_table.py ROOT [--write]      (--write: puts it into the page)
"""

import pathlib
import sys

import shape

PAGE = "docs/architecture.md"
BEGIN = "<!-- layers: made by tests/shape/layer_table.py from layers.txt -->"
END = "<!-- end of layers -->"


def table(rules):
    rows = ["| folder | holds | may use |", "| --- | --- | --- |"]
    for layer, edges in rules.edges.items():
        rows.append(f"| `{layer}` | {rules.holds.get(layer, '')} | {', '.join(edges) or '–'} |")
    return "\n".join(rows)


def split(text):
    """The page before, in and after the table. ValueError if its marks are missing."""
    before, begin, rest = text.partition(BEGIN)
    inside, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE}: has no line {BEGIN} with a line {END} after it")
    return before, inside, after


def is_current(root, rules):
    return split((root / PAGE).read_text(encoding="utf-8"))[1].strip() == table(rules)


def main(arguments):
    if len(arguments) not in (1, 2) or arguments[1:] not in ([], ["--write"]):
        print(__doc__, file=sys.stderr)
        return 2
    root = pathlib.Path(arguments[0])
    rules = shape.Rules((root / "tests" / "shape" / "layers.txt").read_text(encoding="utf-8"))
    if len(arguments) == 1:
        print(table(rules))
        return 0
    before, _, after = split((root / PAGE).read_text(encoding="utf-8"))
    (root / PAGE).write_text(f"{before}{BEGIN}\n\n{table(rules)}\n\n{END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.exit(main(sys.argv[1:]))
