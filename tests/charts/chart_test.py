# SPDX-License-Identifier: Apache-2.0
"""The chart as helm renders it: lint, whole renders compared with tests/charts/golden, and every refusal with its
message. Renders are compared as parsed documents, since versions of helm differ in blank lines.

  chart_test.py HELM SOURCE_DIR [--write]      --write writes the golden files again; review them before a commit

The environment variable HELM selects another helm. Exit code 0 if all is as expected, 1 if not, 77 (skipped) if a tool is missing.
"""

import argparse
import difflib
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

from cases import CLAIM, REFUSALS, RENDERS, VAE, given, text
from skipping import helm_or_skip, yaml_or_skip

KUBE_VERSION = ["--kube-version", "1.34.0"]  # helm contacts no cluster here, and would assume an old one

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


def documents(text):
    return [document for document in yaml.safe_load_all(text) if document is not None]


def lines(things):
    return yaml.safe_dump_all(things, width=1000).splitlines(True)


def renders(chart, write):
    for name, arguments in RENDERS.items():
        # The pod of `helm test` contains its whole script, so only renders with a different pod keep it.
        arguments = arguments if name in WITH_TEST else [*arguments, "--skip-tests"]
        done = chart.render(arguments)
        if done.returncode:
            chart.fail(f"{name}: {done.stderr}")
            continue
        golden = chart.source / f"tests/charts/golden/{name}.yaml"
        if write:
            golden.write_text(done.stdout)
        before = documents(golden.read_text() if golden.exists() else "")
        now = documents(done.stdout)
        if before != now:
            chart.fail(f"{name} is not as {golden.name}:\n" + "".join(difflib.unified_diff(lines(before), lines(now), "golden", "now")))
        if chart.render(arguments).stdout != done.stdout:
            chart.fail(f"{name}: two renders differ")
    kept = {path.stem for path in (chart.source / "tests/charts/golden").glob("*.yaml")}
    if kept != set(RENDERS):
        chart.fail(f"golden files that no render has, or renders without one: {kept ^ set(RENDERS)}")


def refusals(chart):
    for words, arguments in REFUSALS.items():
        done = chart.render(arguments)
        if done.returncode == 0:
            chart.fail(f"accepted, but should be refused with {words!r}: {arguments}")
        elif words not in done.stderr:
            chart.fail(f"refused, but not with {words!r}: {done.stderr}")


def taken(chart):
    """Inputs just within a limit, or similar to refused ones."""
    for arguments in (given("fullnameOverride=a123456789b123456789c123456789d123456789e1234"), given("checkpointBytes=25165824000"),
                      given("env.TOKENIZERS_PARALLELISM=off"),
                      given("shm.size=1Gi,worker.resources.limits.memory=1073741824"), given("worker.securityContext.capabilities.add={NET_BIND_SERVICE}"),
                      # One pod alone mounts the claim.
                      given("mode=job,checkpoints.claim.accessModes={ReadWriteOnce},data.claim.size=1Gi", "data.claim.accessModes={ReadWriteOnce}"),
                      given("data.claim.size=1Gi", "data.claim.accessModes={ReadWriteOncePod}"), given("workers=2,data.claim.size=1Gi", "data.claim.accessModes={ReadOnlyMany}"),
                      # Known only in the pod's environment.
                      text("data: {batch: '${BATCH:-8}'}", CLAIM, "workers=7"), given("workers=7", "overrides[0]=data.batch=${BATCH:-8}"),
                      given("overrides[0]=run.dir=/runs/team"), given("overrides[0]=run.dir=\"/runs/a b\""), given("overrides[0]=run.dir=/elsewhere,overrides[1]=run.dir=/runs"),
                      text("run: {dir: /elsewhere}", CLAIM), given("checkpoints.mountPath=/srv/runs/", "overrides[0]=run.dir=/srv/runs"),
                      # Not doubled keys: lists, values of several lines, another document that is empty.
                      text("model:\n  blocks:\n    - kind: a\n      size: 1\n    - kind: b\n      size: 2", CLAIM), text("x: [ {a: 1\\,\n b: 2}\\,\n {a: 1\\,\n b: 2} ]", CLAIM),
                      text('run:\n  note: "y: 1\n    y: 2\n    y: 3"', CLAIM), text("run: {name: a}\n...\n# the end\n", CLAIM),
                      given("security.restricted=false,worker.extraVolumes[0].name=x", "worker.extraVolumeMounts[0].name=x,worker.extraVolumeMounts[0].mountPath=/dev/infiniband"),
                      given("overrides[0]=telemetry.port=0"), text("telemetry: {port: 0}", CLAIM), text("telemetry: {port: 2222}", CLAIM, "metrics.enabled=true"),
                      given("worker.extraVolumes[0].name=x,worker.extraVolumes[0].image.reference=a"), given("worker.extraVolumes[0].name=x"),
                      given("security.restricted=false,worker.extraVolumes[0].name=x,worker.extraVolumes[0].nfs.server=s,worker.extraVolumes[0].nfs.path=/"),
                      given("worker.securityContext.procMount=Default,worker.securityContext.seLinuxOptions.type=container_t,worker.securityContext.seLinuxOptions.level=s0"),
                      given("worker.podSecurityContext.sysctls[0].name=net.ipv4.tcp_rmem,worker.podSecurityContext.sysctls[0].value=a", "worker.securityContext.appArmorProfile.type=Localhost"),
                      given("worker.initContainers[0].name=a,worker.initContainers[0].ports[0].containerPort=80,worker.initContainers[0].startupProbe.tcpSocket.port=80"),
                      given("data.existingClaim=sets", "worker.extraVolumeMounts[0].name=data,worker.extraVolumeMounts[0].mountPath=/more,worker.extraVolumeMounts[0].subPath=a")):
        done = chart.render(arguments)
        if done.returncode:
            chart.fail(f"refused: {arguments}: {done.stderr}")


# Values that the releases of older charts lack.
NEW = ("image.digest", "job.labels", "job.annotations", "data.readOnly", "networkPolicy.dnsPorts",
       *(f"{role}.{key}" for role in ("worker", "launcher") for key in ("resourceClaims", "dnsConfig", "extraContainers")))


def reused(chart):
    """`helm upgrade --reuse-values` with values of an older chart renders the same as with the defaults."""
    lacking = [word for key in NEW for word in ("--set", f"{key}=null")]
    for name in ("mpijob", "job", "claims", "secrets"):
        before, now = chart.render(RENDERS[name]), chart.render([*RENDERS[name], *lacking])
        if now.stdout != before.stdout:
            chart.fail(f"{name} without the newest values renders otherwise: {now.stderr}")


def configurations(chart):
    """Each configuration of the program, unchanged, on one rank."""
    found = sorted(chart.source.glob("configs/*.yaml"))
    if not found:
        chart.fail("there are no configs/*.yaml")
    for config in found:
        done = chart.render(given(config=config))
        if done.returncode:
            chart.fail(f"{config.name}: {done.stderr}")


def defaults(chart):
    """The chart's defaults for keys that a configuration lacks equal those of the program."""
    def of(header, name):
        return re.search(rf"std::int64_t {name} = (\d+);", (chart.source / "trainer" / header).read_text()).group(1)
    batch, steps = of("data/config.h", "batch"), of("train/config.h", "steps")
    silent = text("run: {name: a}", CLAIM)
    rendered = chart.render(silent).stdout
    if f'{{name: EBB_STEPS, value: "{steps}"}}' not in rendered:
        chart.fail(f"run.steps of the program is {steps}, and the chart has {re.findall('name: EBB_STEPS.*', rendered)}: see ebb.ownDefaults")
    # One rank more than there are samples can never share them.
    said = chart.render([*silent, "--set", f"workers={int(batch) + 1}"]).stderr
    if f"data.batch of the run is {batch} (the default)" not in said:
        chart.fail(f"data.batch of the program is {batch}, and the chart says: {said} see ebb.ownDefaults")


def namespaces(chart):
    """A release in another namespace differs only by that name, even if YAML would read the name as another type."""
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
    """The notes after an install. helm prints them only with a cluster, so here they are rendered as a template."""
    said = {
        "mpijob": ["4 ranks train as MPIJob r-ebb-", "component=launcher --tail", "describe pods -l app.kubernetes.io/instance=r,app.kubernetes.io/component=launcher", "The launcher waits 600 s", "keeps its condition Failed", "kubectl -n n delete pod POD --force --grace-period=0", "are in /runs/vae-fashion-mnist/memory", "helm -n n test r --logs", "WARNING: checkpointBytes is not set"],
        "job": ["4 ranks train as Job r-ebb-", "component=trainer --tail"],
        "metrics": ["Every training pod serves metrics on port 9464"],
        "host-path": ["Pod Security level `privileged` (a host path)"],
        "rdma": ["Pod Security level `privileged` (rdma.ipcLock)"],
        "ephemeral": ["the pod stores the checkpoints (checkpoints.ephemeral.size)"],
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
            if name != "metrics" and "serves metrics" in done.stdout:
                chart.fail(f"the notes of {name} tell of metrics that nobody serves")


def identity(chart):
    """The digest in the job's name covers all that the job does, and nothing else."""
    base = RENDERS["mpijob"]
    name = chart.job_name(*base)
    # Values outside of the job can change while it runs.
    for beside in ("job.suspend=true", "tests.waitForWorkers=1", "kueue.queueName=q", "networkPolicy.enabled=false", "checkpoints.claim.size=20Gi"):
        if chart.job_name(*base, "--set", beside) != name:
            chart.fail(f"{beside} gives the job another name")
    served = RENDERS["metrics"]
    for beside in ("metrics.podMonitor.enabled=true", "metrics.podMonitor.interval=30s", "metrics.prometheusRule.enabled=true", "metrics.dashboard.enabled=true"):
        if chart.job_name(*served, "--set", beside) != chart.job_name(*served, "--set", "metrics.podMonitor.enabled=false"):
            chart.fail(f"{beside} gives the job with metrics another name")
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as other:
        other.write((chart.source / VAE).read_text() + "# another text\n")
        other.flush()
        changes = ["image.tag=x", "workers=4", "env.A=b", "shm.size=2Gi", "metrics.enabled=true", "job.attempt=2", "secrets[0].name=a,secrets[0].mountPath=/a", "worker.resources.limits.memory=8Gi"]
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


def documented(chart):
    """helm accepts each `helm install` of the pages."""
    for page in ("README.md", "docs/kubernetes.md"):
        whole = (chart.source / page).read_text().replace("\\\n", " ")
        lines = [line.removeprefix("$ ") for line in whole.splitlines() if line.removeprefix("$ ").startswith("helm install ")]
        if not lines:
            chart.fail(f"{page} names no helm install")
        for line in lines:
            release, folder, *arguments = shlex.split(line)[2:]
            done = chart.run("template", release, folder, *arguments)
            if done.returncode:
                chart.fail(f"{page}: {line}: {done.stderr}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("helm")
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("--write", action="store_true")
    a = parser.parse_args()
    chart = Chart(helm_or_skip(a.helm), a.source)
    lint(chart)
    renders(chart, a.write)
    for check in (refusals, taken, reused, configurations, defaults, namespaces, notes, identity, documented):
        check(chart)
    print(f"{len(RENDERS)} renders, {len(REFUSALS)} refusals")
    return int(chart.failed)


if __name__ == "__main__":
    yaml = yaml_or_skip()
    sys.exit(main())
