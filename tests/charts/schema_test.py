# SPDX-License-Identifier: Apache-2.0
"""values.schema.json has every value of values.yaml and no other, and is closed: `schema_test.py SOURCE_DIR`. If the
operator's CRD is available, a role's values must have the keys of its pod template, since a closed schema refuses any
other.

Exit code 0 if this holds, 1 if not, 77 (skipped) if Python has no yaml.
"""

import json
import pathlib
import sys

from skipping import yaml_or_skip

# Empty in values.yaml: Kubernetes defines the keys.
KUBERNETES = ("resources", "affinity", "dnsConfig", "schedulingPolicy", "podSecurityContext", "securityContext")


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
        elif isinstance(value, dict) and "properties" in resolved(properties[key], schema) and (value or key not in KUBERNETES):
            yield from problems(value, properties[key], schema, f"{at}{key}.")


def open_objects(node, at=""):
    """Objects with named keys that also accept other keys, in lists as well."""
    if isinstance(node, dict):
        if node.get("type") == "object" and ("properties" in node or "required" in node) and node.get("additionalProperties") is not False:
            yield at
        for key, value in node.items():
            yield from open_objects(value, f"{at}/{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from open_objects(value, f"{at}/{index}")


def pod_template(crd):
    """The pod schema of the operator's newest version: its own copy of Kubernetes' schema."""
    (version,) = [one["schema"]["openAPIV3Schema"] for one in crd["spec"]["versions"] if one["name"] == "v2beta1"]
    return version["properties"]["spec"]["properties"]["mpiReplicaSpecs"]["additionalProperties"]["properties"]["template"]["properties"]["spec"]["properties"]


def differing(node, theirs, schema, at):
    """Keys that only one of the two has, below keys of both. Kubernetes checks the parts that the schema leaves open."""
    node = resolved(node, schema)
    if "items" in node:
        yield from differing(node["items"], theirs["items"], schema, f"{at}[]")
    if "properties" not in node:
        return
    known = theirs.get("properties", {})
    for key in sorted(set(node["properties"]) ^ set(known)):
        yield f"{at}.{key} is known to {'Kubernetes and not to the schema' if key in known else 'the schema and not to Kubernetes'}"
    for key in sorted(set(node["properties"]) & set(known)):
        yield from differing(node["properties"][key], known[key], schema, f"{at}.{key}")


def unlike_kubernetes(schema, pod):
    container = pod["containers"]["items"]["properties"]
    theirs = {"podSecurityContext": pod["securityContext"], "securityContext": container["securityContext"], "extraVolumes": pod["volumes"], "extraVolumeMounts": container["volumeMounts"],
              "extraEnv": container["env"], "extraEnvFrom": container["envFrom"], "resources": container["resources"], "extraContainers": pod["containers"]}
    theirs.update({key: pod[key] for key in ("initContainers", "topologySpreadConstraints", "tolerations", "affinity", "dnsConfig", "resourceClaims")})
    for key, value in theirs.items():
        yield from differing(schema["definitions"]["role"]["properties"][key], value, schema, key)


def main():
    chart = pathlib.Path(sys.argv[1]) / "charts/ebb"
    schema = json.loads((chart / "values.schema.json").read_text())
    values = yaml.safe_load((chart / "values.yaml").read_text())
    found = list(problems(values, schema, schema)) + [f"{at} is open" for at in open_objects(schema)]
    crd = pathlib.Path(sys.argv[1]) / ".deps/kube/crds/kubeflow.org_mpijobs.yaml"
    if crd.exists():
        found += unlike_kubernetes(schema, pod_template(yaml.safe_load(crd.read_text())))
    for problem in found:
        print(f"FAILED {problem}")
    print(f"{len(found)} problems")
    if not crd.exists():
        print("skipped: the schema is not held against Kubernetes: there is no .deps/kube/crds (scripts/setup all makes it, as root on Debian 12)")
    return int(bool(found))


if __name__ == "__main__":
    yaml = yaml_or_skip()
    sys.exit(main())
