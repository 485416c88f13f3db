"""The chart as helm renders it: lint, whole renders held against tests/charts/golden, and every refusal with its words.

  chart_test.py HELM SOURCE_DIR [--write]      --write makes the golden files anew, to be read before they are committed

Exit code 0 where all is as expected, 1 where not, 77 (skipped) where there is no helm.
"""

import argparse
import difflib
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from cases import CLAIM, REFUSALS, RENDERS, VAE, given, text

SKIPPED = 77
KUBE_VERSION = ["--kube-version", "1.34.0"]  # helm asks no cluster here, and would take an old one

WITH_TEST = {"mpijob", "job", "host-path"}


class Chart:
    def __init__(self, helm, source):
        self.helm, self.source, self.failed = helm, source, False

    def fail(self, what):
        print(f"FAILED {what}")
        self.failed = True

    def run(self, *line):
        return subprocess.run([self.helm, *line, *KUBE_VERSION], cwd=self.source, capture_output=True, text=True)

    def render(self, arguments, release="r", namespace="n"):
        return self.run("template", release, "charts/ebb", "--namespace", namespace, *arguments)

    def job_name(self, *arguments):
        rendered = self.render(arguments)
        return re.search(r"kind: (?:MPI)?Job\nmetadata:\n  name: (\S+)", rendered.stdout).group(1)


def lint(chart):
    for name, arguments in RENDERS.items():
        done = chart.run("lint", "--strict", "charts/ebb", *arguments)
        if done.returncode:
            chart.fail(f"lint of {name}:\n{done.stdout}{done.stderr}")


def renders(chart, write):
    for name, arguments in RENDERS.items():
        # The pod of `helm test` holds its whole script: enough in those where it is another.
        arguments = arguments if name in WITH_TEST else [*arguments, "--skip-tests"]
        done = chart.render(arguments)
        if done.returncode:
            chart.fail(f"{name}: {done.stderr}")
            continue
        golden = chart.source / f"tests/charts/golden/{name}.yaml"
        if write:
            golden.write_text(done.stdout)
        before = golden.read_text() if golden.exists() else ""
        if before != done.stdout:
            chart.fail(f"{name} is not as {golden.name}:\n" + "".join(difflib.unified_diff(before.splitlines(True), done.stdout.splitlines(True), "golden", "now")))
        if chart.render(arguments).stdout != done.stdout:
            chart.fail(f"{name}: two renders differ")
    kept = {path.stem for path in (chart.source / "tests/charts/golden").glob("*.yaml")}
    if kept != set(RENDERS):
        chart.fail(f"golden files that no render has, or renders without one: {kept ^ set(RENDERS)}")


def refusals(chart):
    for words, arguments in REFUSALS.items():
        done = chart.render(arguments)
        if done.returncode == 0:
            chart.fail(f"taken, and should be refused with {words!r}: {arguments}")
        elif words not in done.stderr:
            chart.fail(f"refused, but not with {words!r}: {done.stderr}")


def taken(chart):
    """What is just within a limit, or looks like what is refused."""
    for arguments in (given("fullnameOverride=a123456789b123456789c123456789d123456789e1234"), given("checkpointBytes=25165824000"), text("memory: {budget: auto}", CLAIM),
                      text("memory: {budget: 6GiB}", CLAIM, "slotsPerWorker=2,worker.resources.limits.memory=12Gi"), given("env.TOKENIZERS_PARALLELISM=off"),
                      text("memory: {budget: 99GiB}", CLAIM, "gpu.count=1,worker.resources.limits.memory=12Gi"), given("worker.securityContext.capabilities.add={NET_BIND_SERVICE}")):
        done = chart.render(arguments)
        if done.returncode:
            chart.fail(f"refused: {arguments}: {done.stderr}")


def namespaces(chart):
    """A release in another namespace differs from it by that name alone, also where YAML would read the name as something else."""
    for name in ("y", "123", "1e3"):
        done = chart.render([*RENDERS["mpijob"], "--set", "fullnameOverride=on"], release=name, namespace=name)
        for words in (f'namespace: "{name}"', f'app.kubernetes.io/instance: "{name}"', 'name: "on"'):
            if words not in done.stdout:
                chart.fail(f"release and namespace {name}: no {words} in the render {done.stderr}")
        bare = re.findall(rf"^.*: {name}$", done.stdout, re.MULTILINE)
        if bare:
            chart.fail(f"not quoted: {bare}")
    for name, arguments in RENDERS.items():
        here, there = chart.render(arguments).stdout, chart.render(arguments, namespace="elsewhere").stdout
        if here != re.sub(r"\belsewhere\b", "n", there):
            chart.fail(f"{name} is another thing in another namespace")


def notes(chart):
    """What is said after an install. helm prints it to who has a cluster, so here it is a template like the others."""
    said = {
        "mpijob": ["4 ranks train as MPIJob r-ebb-", "component=launcher --tail", "describe pods -l app.kubernetes.io/instance=r,app.kubernetes.io/component=launcher", "The launcher waits 600 s", "helm -n n test r --logs", "WARNING: how large a checkpoint is"],
        "job": ["4 ranks train as Job r-ebb-", "component=trainer --tail"],
        "metrics": ["Metrics are at port 9464"],
        "host-path": ["Pod Security level `privileged` (a host path)"],
        "rdma": ["Pod Security level `privileged` (rdma.ipcLock)"],
        "ephemeral": ["checkpoints lie in the pod (checkpoints.ephemeral.size)"],
    }
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder, "ebb")
        shutil.copytree(chart.source / "charts/ebb", copy)
        body = (copy / "templates/NOTES.txt").read_text()
        (copy / "templates/notes.yaml").write_text('{{- define "notes" }}' + body + '{{ end }}kind: Notes\ntext: |\n  {{- include "notes" . | nindent 2 }}\n')
        for name, words in said.items():
            done = chart.run("template", "r", str(copy), "--namespace", "n", "--show-only", "templates/notes.yaml", *RENDERS[name])
            for word in words:
                if word not in done.stdout:
                    chart.fail(f"the notes of {name} do not say {word!r}: {done.stdout}{done.stderr}")
            if name != "metrics" and "Metrics are" in done.stdout:
                chart.fail(f"the notes of {name} tell of metrics that nobody serves")


def identity(chart):
    """The digest in the job's name: of all that it does, and of nothing else."""
    base = RENDERS["mpijob"]
    name = chart.job_name(*base)
    # What is not the job's own can change while it runs.
    for beside in ("job.suspend=true", "tests.waitForWorkers=1", "kueue.queueName=q", "networkPolicy.enabled=false", "checkpoints.claim.size=20Gi"):
        if chart.job_name(*base, "--set", beside) != name:
            chart.fail(f"{beside} gives the job another name")
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as other:
        other.write((chart.source / VAE).read_text() + "# another text\n")
        other.flush()
        changes = ["image.tag=x", "workers=4", "env.A=b", "shm.size=2Gi", "metrics.enabled=true", "job.attempt=2", "secrets[0].name=a,secrets[0].mountPath=/a"]
        names = [chart.job_name(*base, "--set", change) for change in changes] + [chart.job_name(*base, "--set-file", f"config={other.name}")]
    if name in names or len(set(names)) != len(names):
        chart.fail(f"different jobs share a name: {name}, {names}")
    # The operator makes objects of these names.
    for arguments in RENDERS.values():
        rendered = chart.render(arguments).stdout
        name = chart.job_name(*arguments)
        for taken_name in (name, f"{name}-config", f"{name}-ssh", f"{name}-launcher"):
            kinds = re.findall(rf"kind: (\w+)\nmetadata:\n  name: {taken_name}\n", rendered)
            if kinds not in ([], ["MPIJob"], ["Job"]):
                chart.fail(f"{taken_name} is the operator's, and the chart has a {kinds}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("helm")
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("--write", action="store_true")
    a = parser.parse_args()
    if not pathlib.Path(a.helm).exists():
        print("skipped: there is no helm (scripts/setup all builds it)")
        return SKIPPED
    chart = Chart(a.helm, a.source)
    lint(chart)
    renders(chart, a.write)
    for check in (refusals, taken, namespaces, notes, identity):
        check(chart)
    print(f"{len(RENDERS)} renders, {len(REFUSALS)} refusals")
    return int(chart.failed)


if __name__ == "__main__":
    sys.exit(main())
