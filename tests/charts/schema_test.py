"""values.schema.json knows every value of values.yaml and no other, and is closed: `schema_test.py SOURCE_DIR`.

Exit code 0 where it is so, 1 where not, 77 (skipped) where Python has no yaml.
"""

import json
import pathlib
import sys

from skipping import yaml_or_skip


def resolved(node, schema):
    return schema["definitions"][node["$ref"].split("/")[-1]] if "$ref" in node else node


def problems(values, node, schema, at=""):
    node = resolved(node, schema)
    properties = node.get("properties", {})
    if properties and node.get("additionalProperties") is not False:
        yield f"{at or 'the top'} takes keys that the schema does not know"
    for key in sorted(set(properties) - set(values) - {"global"}):
        yield f"{at}{key} is in the schema and not in values.yaml"
    for key, value in values.items():
        if key not in properties:
            yield f"{at}{key} is in values.yaml and not in the schema"
        elif isinstance(value, dict) and "properties" in resolved(properties[key], schema) and (value or key not in ("resources", "affinity", "schedulingPolicy")):
            yield from problems(value, properties[key], schema, f"{at}{key}.")


def open_objects(node, at=""):
    """Objects with named keys that take others too, in lists as well."""
    if isinstance(node, dict):
        if node.get("type") == "object" and "properties" in node and "additionalProperties" not in node and "required" not in node:
            yield at
        for key, value in node.items():
            yield from open_objects(value, f"{at}/{key}")


def main():
    chart = pathlib.Path(sys.argv[1]) / "charts/ebb"
    schema = json.loads((chart / "values.schema.json").read_text())
    values = yaml.safe_load((chart / "values.yaml").read_text())
    found = list(problems(values, schema, schema)) + [f"{at} is open" for at in open_objects(schema)]
    for problem in found:
        print(f"FAILED {problem}")
    print(f"{len(found)} problems")
    return int(bool(found))


if __name__ == "__main__":
    yaml = yaml_or_skip()
    sys.exit(main())
