"""The chart as helm renders it: lint, whole renders held against tests/charts/golden, and every refusal with its words.

  chart_test.py HELM SOURCE_DIR [--write]      --write makes the golden files anew, to be read before they are committed

Exit code 0 where all is as expected, 1 where not, 77 (skipped) where there is no helm.
"""

import argparse
import difflib
import pathlib
import re
import subprocess
import sys
import tempfile

SKIPPED = 77
VAE = "configs/vae-fashion-mnist.yaml"
KUBE_VERSION = ["--kube-version", "1.34.0"]  # helm asks no cluster here, and would take an old one
CLAIM = "checkpoints.claim.size=10Gi"

# name -> arguments after `helm template r charts/ebb`
RENDERS = {
    "mpijob": ["--set-file", f"config={VAE}", "--set", CLAIM, "--set", "workers=2,slotsPerWorker=2"],
    "job": ["--set-file", f"config={VAE}", "--set", CLAIM, "--set", "mode=job,slotsPerWorker=4"],
    "gpu": ["--set-file", f"config={VAE}", "--set", CLAIM, "--set", "gpu.count=2,slotsPerWorker=2,workers=4", "--set", "env.NCCL_SOCKET_IFNAME=eth0",
            "--set", "worker.tolerations[0].key=nvidia.com/gpu,worker.tolerations[0].operator=Exists", "--set", "shm.size=16Gi",
            "--set", "worker.resources.limits.memory=64Gi", "--set", "kueue.queueName=team,job.suspend=true"],
    "claims": ["--set-file", f"config={VAE}", "--set", "checkpoints.existingClaim=runs,data.existingClaim=sets", "--set", "networkPolicy.enabled=false",
               "--set", "overrides[0]=optimizer.beta1=0.8"],
    "host-path": ["--set-file", f"config={VAE}", "--set", "checkpoints.hostPath=/srv/runs,security.restricted=false"],
}
# what is said -> arguments
REFUSALS = {
    "config is empty": ["--set", CLAIM],
    "config is no YAML": ["--set-string", "config=a: [", "--set", CLAIM],
    "got object, want string": ["--set", "config.run.name=x", "--set", CLAIM],
    "at '/workers'": ["--set-file", f"config={VAE}", "--set", CLAIM, "--set", "workers=0"],
    "additional properties 'wrokers' not allowed": ["--set-file", f"config={VAE}", "--set", CLAIM, "--set", "wrokers=2"],
    "at '/job/cleanPodPolicy'": ["--set-file", f"config={VAE}", "--set", CLAIM, "--set", "job.cleanPodPolicy=Runing"],
    "cannot share": ["--set-file", f"config={VAE}", "--set", CLAIM, "--set", "workers=7"],
    "parallel.ranks of the run is 3": ["--set-string", "config=parallel: {ranks: 3}", "--set", CLAIM],
    "mode job is one pod": ["--set-file", f"config={VAE}", "--set", CLAIM, "--set", "mode=job,workers=2"],
    "checkpoints have no place": ["--set-file", f"config={VAE}"],
    "checkpoints are given more than one place": ["--set-file", f"config={VAE}", "--set", CLAIM, "--set", "checkpoints.existingClaim=x"],
    "loses them with the pod": ["--set-file", f"config={VAE}", "--set", "checkpoints.emptyDir=true"],
    "data is given more than one place": ["--set-file", f"config={VAE}", "--set", CLAIM, "--set", "data.existingClaim=x,data.claim.size=1Gi"],
    "Pod Security Standard": ["--set-file", f"config={VAE}", "--set", "checkpoints.hostPath=/srv"],
    "is too short": ["--set-file", f"config={VAE}", "--set", CLAIM, "--set", "checkpointBytes=100000000000"],
    "holds a volume called tmp": ["--set-file", f"config={VAE}", "--set", CLAIM, "--set", "worker.extraVolumes[0].name=tmp"],
    "cannot be the name of a job": ["--set-file", f"config={VAE}", "--set", CLAIM],
    "is another folder in each of 2 workers": ["--set-file", f"config={VAE}", "--set", "checkpoints.emptyDir=true,job.backoffLimit=0,workers=2"],
    "has to hold ReadWriteMany": ["--set-file", f"config={VAE}", "--set", CLAIM, "--set", "workers=2,checkpoints.claim.accessModes={ReadWriteOnce}"],
    "data.batch of the run is 9": ["--set-file", f"config={VAE}", "--set", CLAIM, "--set", "workers=2", "--set", "overrides[0]=data.batch=9"],
}


class Chart:
    def __init__(self, helm, source):
        self.helm, self.source, self.failed = helm, source, False

    def fail(self, text):
        print(f"FAILED {text}")
        self.failed = True

    def render(self, arguments, release="r"):
        return subprocess.run([self.helm, "template", release, "charts/ebb", "--namespace", "n", *KUBE_VERSION, *arguments], cwd=self.source, capture_output=True, text=True)

    def job_name(self, *arguments):
        rendered = self.render(arguments)
        return re.search(r"kind: (?:MPI)?Job\nmetadata:\n  name: (\S+)", rendered.stdout).group(1)


def lint(chart):
    done = subprocess.run([chart.helm, "lint", "--strict", *KUBE_VERSION, "charts/ebb", *RENDERS["mpijob"]], cwd=chart.source, capture_output=True, text=True)
    if done.returncode:
        chart.fail(f"lint:\n{done.stdout}{done.stderr}")


def renders(chart, write):
    for name, arguments in RENDERS.items():
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


def refusals(chart):
    for words, arguments in REFUSALS.items():
        done = chart.render(arguments, "1st" if "name of a job" in words else "r")
        if done.returncode == 0:
            chart.fail(f"taken, and should be refused with {words!r}: {arguments}")
        elif words not in done.stderr:
            chart.fail(f"refused, but not with {words!r}: {done.stderr}")


def identity(chart):
    """The digest in the job's name: of all that it does, and of nothing else."""
    base = RENDERS["mpijob"]
    name = chart.job_name(*base)
    if chart.job_name(*base, "--set", "job.suspend=true") != name:
        chart.fail("suspending a job gives it another name")
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as other:
        other.write((chart.source / VAE).read_text() + "# another text\n")
        other.flush()
        changes = (["--set", "image.tag=x"], ["--set", "workers=4"], ["--set", "env.A=b"], ["--set", "shm.size=2Gi"], ["--set-file", f"config={other.name}"])
        names = [chart.job_name(*base, *change) for change in changes]
    if name in names or len(set(names)) != len(names):
        chart.fail(f"different jobs share a name: {name}, {names}")
    # The operator makes objects of these names.
    rendered = chart.render(base).stdout
    for taken in (name, f"{name}-config", f"{name}-ssh", f"{name}-launcher"):
        kinds = re.findall(rf"kind: (\w+)\nmetadata:\n  name: {taken}\n", rendered)
        if kinds not in ([], ["MPIJob"]):
            chart.fail(f"{taken} is the operator's, and the chart has a {kinds}")


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
    refusals(chart)
    identity(chart)
    print(f"{len(RENDERS)} renders, {len(REFUSALS)} refusals")
    return int(chart.failed)


if __name__ == "__main__":
    sys.exit(main())
