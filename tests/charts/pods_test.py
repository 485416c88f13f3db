# SPDX-License-Identifier: Apache-2.0
"""Rules for every render, independent of the golden files: the Pod Security Standard, secrets, volumes, names, metrics, policies.

  pods_test.py HELM SOURCE_DIR

Exit code 0 if all rules hold, 1 if not, 77 (skipped) if a tool is missing.
"""

import re
import subprocess
import sys

from cases import RENDERS
from skipping import helm_or_skip, yaml_or_skip

# https://kubernetes.io/docs/concepts/security/pod-security-standards/: the volumes that `restricted` allows.
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
IMAGE_USER = 1000
NOT_RESTRICTED = {"host-path", "rdma"}
WITH_DATA = {"claims", "host-path", "empty-folders", "ephemeral", "tokenizer", "data-writers"}
failures = []


def expect(held, text):
    if not held:
        print(f"FAILED {text}")
        failures.append(text)


def pods_of(things):
    """(role, labels, spec) of each pod of the objects."""
    for thing in things:
        if thing["kind"] == "Pod":
            yield "test", thing["metadata"]["labels"], thing["spec"]
        elif thing["kind"] == "MPIJob":
            for role, replica in thing["spec"]["mpiReplicaSpecs"].items():
                yield role.lower(), replica["template"]["metadata"]["labels"], replica["template"]["spec"]
        elif thing["kind"] == "Job":
            yield "trainer", thing["spec"]["template"]["metadata"]["labels"], thing["spec"]["template"]["spec"]


def containers(spec):
    return spec.get("initContainers", []) + spec["containers"]


def restricted(where, spec):
    """Checks the standard, field by field; returns the violations."""
    beyond = [f"the host path of {v['name']}" for v in spec["volumes"] if "hostPath" in v]
    beyond += [f"volume {v['name']}" for v in spec["volumes"] if not VOLUMES & set(v) and "hostPath" not in v]
    context = spec["securityContext"]
    beyond += [] if context.get("seccompProfile", {}).get("type") == "RuntimeDefault" else ["no seccomp profile"]
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        expect(key not in spec, f"{where}: {key}")
    for container in containers(spec):
        c = {**context, **container["securityContext"]}
        expect(c["runAsNonRoot"] is True and c.get("runAsUser", IMAGE_USER) > 0, f"{where}: {container['name']} runs as root")
        expect(c["allowPrivilegeEscalation"] is False and not c.get("privileged"), f"{where}: {container['name']} may get more rights")
        expect("ALL" in c["capabilities"]["drop"], f"{where}: {container['name']} keeps capabilities")
        beyond += [f"capability {name}" for name in c["capabilities"].get("add", []) if name != "NET_BIND_SERVICE"]
        expect(not any("hostPort" in port for port in container.get("ports", [])), f"{where}: a port of the host")
    return beyond


def reads_only(name, where, spec):
    """The trainer cannot write to its data. A claim is read-only as a whole, unless an init container writes to it."""
    mounts = [m for m in spec["containers"][0].get("volumeMounts", []) if m["name"] == "data"]
    expect(all(m.get("readOnly") for m in mounts), f"{where}: the data can be written")
    for claim in (v["persistentVolumeClaim"] for v in spec["volumes"] if v["name"] == "data" and "persistentVolumeClaim" in v):
        expect(claim.get("readOnly", False) == (name != "data-writers"), f"{where}: the claim of the data is read-only or not: {claim}")


def pod(name, role, labels, spec):
    where = f"{name}, {role}"
    beyond = restricted(where, spec)
    expect(bool(beyond) == (name in NOT_RESTRICTED and role in ("worker", "trainer", "launcher") and not (name == "rdma" and role == "launcher")), f"{where}: beyond `restricted`: {beyond}")
    expect(spec["automountServiceAccountToken"] is False, f"{where}: has a token of its service account")
    expect(labels["app.kubernetes.io/instance"] == "r" and labels["app.kubernetes.io/component"] == role, f"{where}: labels {labels}")
    expect(labels["sidecar.istio.io/inject"] == "false" and labels["istio.io/dataplane-mode"] == "none", f"{where}: may get a proxy of a mesh")
    of_group = "fsGroup" in spec["securityContext"]
    for volume in (v["secret"] for v in spec["volumes"] if "secret" in v):
        expect(volume["defaultMode"] == (0o440 if of_group else 0o444), f"{where}: the user cannot read the secret {volume['secretName']}, or others can: {volume['defaultMode']:o}")
    for container in spec["containers"][:1]:
        resources = container["resources"]
        requested = set(resources.get("requests", {})) | set(resources.get("limits", {}))
        expect({"cpu", "memory"} <= requested, f"{where}: requests only {requested}")
    reads_only(name, where, spec)
    volumes = [v["name"] for v in spec["volumes"]]
    expect(len(set(volumes)) == len(volumes), f"{where}: two volumes of one name: {volumes}")
    used = set()
    for container in containers(spec):
        mounts = container.get("volumeMounts", [])
        paths = [m["mountPath"] for m in mounts]
        expect(len(set(paths)) == len(paths), f"{where}: two mounts at one path: {paths}")
        used |= {m["name"] for m in mounts}
        variables = [v["name"] for v in container.get("env", [])]
        expect(len(set(variables)) == len(variables), f"{where}: a variable twice: {variables}")
    expect(used == set(volumes), f"{where}: volumes without a mount, or mounts without a volume: {used ^ set(volumes)}")
    # The launcher does not train. It has data only if it checks the configuration against a tokenizer there.
    expect(("data" in volumes) == (name in WITH_DATA and role != "test" and (role != "launcher" or name == "tokenizer")), f"{where}: the data volume is there or not: {volumes}")
    secrets = [v["name"] for v in spec["volumes"] if v["name"].startswith("secret-")]
    given = {"secrets": 2, "openshift": 1}.get(name, 0)
    expect(len(secrets) == (given if role in ("worker", "trainer") else 0), f"{where}: secrets {secrets}")


def supervised(name, mpi, container):
    """A launcher that decides on failures itself stores its verdict beside the run, under the name of its job."""
    arguments = container["args"]
    attempts = [v["valueFrom"]["fieldRef"]["fieldPath"] for v in container["env"] if v["name"] == "EBB_ATTEMPT"]
    expect(attempts == (["metadata.labels['training.kubeflow.org/job-name']"] if mpi else []), f"{name}: the attempt is {attempts}")
    expect(("--supervise" in arguments) == mpi, f"{name}: supervised or not: {arguments}")
    (run,) = [word.removeprefix("run.dir=") for word in arguments if word.startswith("run.dir=")]
    expect([m["name"] for m in container["volumeMounts"] if m["mountPath"] == run] == ["checkpoints"], f"{name}: {container['name']} does not see the checkpoints at {run}")
    expect(arguments[arguments.index("--termination-message") + 1] == "/dev/termination-log", f"{name}: the termination message")


def whole(name, things):
    by_kind = {}
    for thing in things:
        by_kind.setdefault(thing["kind"], []).append(thing)
        expect(thing["metadata"]["namespace"] == "n", f"{name}: {thing['kind']} without a namespace")
    pods = list(pods_of(things))
    (job,) = by_kind.get("MPIJob", by_kind.get("Job"))
    (starts,) = [c for role, _, spec in pods if role in ("launcher", "trainer") for c in spec["containers"]]
    arguments = starts["args"]
    supervised(name, job["kind"] == "MPIJob", starts)
    # Forwarded by name: the variables of the ranks, and no others.
    if job["kind"] == "MPIJob":
        forwarded = [arguments[i + 1] for i, word in enumerate(arguments) if word == "--forward"]
        (worker,) = [spec["containers"][0] for role, _, spec in pods if role == "worker"]
        known = {v["name"] for v in worker["env"]} - {"HOME", "SSHD_NOTE"}
        expect(set(forwarded) == known, f"{name}: forwarded {forwarded}, of {known}")
        for variable in (v for v in worker["env"] if v["name"] in forwarded):
            expect("value" in variable, f"{name}: {variable['name']} is forwarded and comes from a secret")
        expect(job["spec"]["slotsPerWorker"] * job["spec"]["mpiReplicaSpecs"]["Worker"]["replicas"] == int(arguments[arguments.index("-n") + 1]), f"{name}: ranks")
    (test,) = [spec["containers"][0] for role, _, spec in pods if role == "test"]
    variables = {v["name"]: v["value"] for v in test["env"]}
    expect(variables["EBB_JOB"] == job["metadata"]["name"], f"{name}: the test is of another job")
    # The port is the same number everywhere, and absent without metrics.
    ports = [p["containerPort"] for _, _, spec in pods for c in spec["containers"] for p in c.get("ports", []) if p["name"] == "metrics"]
    told = [int(word.split("=")[1]) for word in arguments if word.startswith("telemetry.port=")]
    let_in = [p["port"] for policy in by_kind.get("NetworkPolicy", []) for rule in policy["spec"]["ingress"] for p in rule.get("ports", [])]
    served = name in ("metrics", "metrics-job", "alerts", "dashboard")
    expect(len(ports) == served and ports == told == let_in, f"{name}: metrics at {ports}, told {told}, let in {let_in}")
    for policy in by_kind.get("NetworkPolicy", []):
        chosen = policy["spec"]["podSelector"]["matchLabels"].items()
        expect(all(chosen <= labels.items() for _, labels, _ in pods), f"{name}: the network policy does not choose all pods")
    for monitor in by_kind.get("PodMonitor", []):
        (term,) = monitor["spec"]["selector"]["matchExpressions"]
        chosen = [role for role, labels, _ in pods if monitor["spec"]["selector"]["matchLabels"].items() <= labels.items() and labels[term["key"]] in term["values"]]
        expect(chosen == ["worker"], f"{name}: the monitor chooses {chosen}")
    return len(pods)


def main():
    helm, source = helm_or_skip(sys.argv[1]), sys.argv[2]
    count = 0
    for name, arguments in RENDERS.items():
        done = subprocess.run([helm, "template", "r", "charts/ebb", "--namespace", "n", "--kube-version", "1.34.0", *arguments], cwd=source, capture_output=True, text=True, check=True)
        things = [thing for thing in yaml.safe_load_all(done.stdout) if thing]
        expect(len(re.findall(r"^kind: ", done.stdout, re.MULTILINE)) == len(things), f"{name}: documents")
        for role, labels, spec in pods_of(things):
            pod(name, role, labels, spec)
        count += whole(name, things)
    print(f"{len(RENDERS)} renders, {count} pods")
    return int(bool(failures))


if __name__ == "__main__":
    yaml = yaml_or_skip()
    sys.exit(main())
