# SPDX-License-Identifier: Apache-2.0
"""Marks the plain comments of a header as documentation, for Doxygen: `doxygen_filter.py FILE`.

A comment on a line of its own belongs to the declaration below it, one after code to the declaration before it.
What Doxygen would read as a command or a tag is escaped, but not inside backquotes.
"""

import pathlib
import re
import sys

OWN_LINE = re.compile(r"^(\s*)//\s?(?!/)(.*)$")
AFTER_CODE = re.compile(r"^(\s*[^\s/].*?[;,{}>)\w])(\s*)//\s(.*)$")


def escaped(text):
    parts = text.split("`")
    # The outer parts are prose; an odd quote at the end is a quote.
    prose = [re.sub(r"([\\@<>#%])", r"\\\1", part) if i % 2 == 0 or len(parts) % 2 == 0 else part for i, part in enumerate(parts)]
    return "`".join(prose)


def marked(text):
    lines = []
    for line in text.splitlines():
        if "SPDX-License-Identifier" in line or "NOLINT" in line or "clang-format o" in line:
            lines.append("")
        elif own := OWN_LINE.match(line):
            lines.append(f"{own[1]}/// {escaped(own[2])}")
        elif (after := AFTER_CODE.match(line)) and '"' not in after[3]:
            lines.append(f"{after[1]}{after[2]}///< {escaped(after[3])}")
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(marked(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")))
