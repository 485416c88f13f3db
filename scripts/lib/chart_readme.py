# SPDX-License-Identifier: Apache-2.0
"""Makes charts/ebb/README.md from README.md.gotmpl, Chart.yaml and the comments of values.yaml.

  chart_readme.py [CHART_FOLDER]      writes the file (default: charts/ebb)

The comment `# -- …` above a value is its description. `# -- (int) …` also gives its type, for a null
default. The syntax is a subset of that of helm-docs, which makes the same file.
"""

import json
import pathlib
import re
import sys

import yaml

COMMENT = re.compile(r"^ *# -- (?:\((?P<type>\w+)\) )?(?P<text>.*)$")
TYPES = {bool: "bool", int: "int", float: "float", str: "string", list: "list", dict: "object"}


def rows(text):
    """Yields (key, type, default, description) of each value, in file order."""
    lines = text.splitlines()

    def walk(node, value, path):
        for key, child in node.value:
            name, inner = f"{path}{key.value}", value[key.value]
            comment = COMMENT.match(lines[key.start_mark.line - 1]) if key.start_mark.line else None
            if isinstance(inner, dict) and inner and not comment:
                yield from walk(child, inner, f"{name}.")
                continue
            type_name = (comment and comment["type"]) or TYPES.get(type(inner), "string")
            default = "nil" if inner is None else json.dumps(inner, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
            yield name, type_name, default, comment["text"] if comment else ""

    yield from walk(yaml.compose(text), yaml.safe_load(text), "")


def readme(folder):
    values = rows((folder / "values.yaml").read_text())
    table = "| Key | Type | Default | Description |\n|-----|------|---------|-------------|\n"
    table += "\n".join(f"| {key} | {type_name} | `{default}` | {text} |" for key, type_name, default, text in values)
    parts = {"chart.description": yaml.safe_load((folder / "Chart.yaml").read_text())["description"], "chart.valuesTable": table}
    return re.sub(r'{{ template "([\w.]+)" \. }}', lambda found: parts[found[1]], (folder / "README.md.gotmpl").read_text())


if __name__ == "__main__":
    target = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2] / "charts/ebb")
    (target / "README.md").write_text(readme(target))
