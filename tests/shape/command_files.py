# SPDX-License-Identifier: Apache-2.0
"""The source of each command of ebb: trainer/cli/NAME.cpp, with an underscore for each dash of the name."""

import re

LIST = "trainer/cli/commands.h"


def commands(text):
    """The names in the list kCommands of commands.h; none if `text` has no such list."""
    listed = re.search(r"\bkCommands\s*=\s*\{\{(.*?)\}\};", text, re.DOTALL)
    return re.findall(r'\{\s*"([^"]+)"\s*,', listed.group(1)) if listed else []


def problems(root):
    path = root / LIST
    # A tree without the layer has no commands.
    if not path.parent.is_dir():
        return
    names = commands(path.read_text(encoding="utf-8")) if path.is_file() else []
    if not names:
        yield f"{LIST}: cannot find the commands of kCommands"
    for name in names:
        source = f"trainer/cli/{name.replace('-', '_')}.cpp"
        if not (root / source).is_file():
            yield f"{LIST}: the command `{name}` has no {source}"
