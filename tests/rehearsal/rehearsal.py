# SPDX-License-Identifier: Apache-2.0
"""The base class of the rehearsals. Each has its own namespace and volumes."""

import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import time
import unittest

from kubelet import check_all, wait_for

# Exit codes of ebb; the last is that of a killed process.
NO_DATA, NO_MEMORY, LOST, STOPPED, KILLED = 3, 4, 5, 75, 137
STEPS = 60
LONG = ["run.steps=100000"]  # for a test that ends the run
# The quickstart's model with fewer steps: long enough for a fault during the run on two cores.
OVERRIDES = [f"run.steps={STEPS}", "run.evaluate_every=0", "run.lease_expires=6s", "optimizer.schedule.warmup_steps=10", "checkpoint.every=20"]


class Rehearsal(unittest.TestCase):
    world = None  # set by the main program
    undisturbed = None  # the last checkpoint of a run without faults
    CONFIG = "vae-fashion-mnist"
    OVERRIDES = OVERRIDES

    def setUp(self):
        check_all()
        self.plane, self.kubelet, self.api = self.world.plane, self.world.kubelet, self.world.api
        self.ns = "t-" + hashlib.sha256(self.id().encode()).hexdigest()[:6]
        self.folder = self.world.folder / self.ns
        self.runs = self.folder / "runs"
        self.runs.mkdir(parents=True)
        self.run_folder = self.runs / self.CONFIG
        self.plane.namespace(self.ns)
        self._volume("runs", self.runs)
        self._volume("datasets", self.world.folder / "data", claim=True)
        self.begun = time.monotonic()

    def tearDown(self):
        if self._failed():
            self._print_state()
        check_all()
        self.kubelet.key_owner, self.kubelet.kills_whole = None, False
        self.plane.helm("uninstall", "-n", self.ns, "vae", check=False)
        self.plane.kubectl("delete", "namespace", self.ns, "--wait=false")
        wait_for("the end of all pods", lambda: all(not pod.is_alive() for pod in self.kubelet.all(self.ns)), 60)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.assertEqual(self.kubelet.errors, [])
        print(f"  {time.monotonic() - self.begun:.0f} s", flush=True)

    def skip(self, why):
        """Skips the test, in the format that the summary of all tests reads."""
        # unittest has already begun a line.
        print(f"\nskipped: {self._testMethodName}: {why}", flush=True)
        self.skipTest(why)

    def _failed(self):
        result = getattr(self._outcome, "result", None)
        return any(test is self for test, _ in getattr(result, "failures", []) + getattr(result, "errors", []))

    def _print_state(self):
        """Prints the objects, events and logs of a failed test."""
        print(self.plane.kubectl("-n", self.ns, "get", "mpijobs,jobs,pods,pvc", "-o", "wide", check=False).stdout)
        print(self.plane.kubectl("-n", self.ns, "get", "events", check=False).stdout)
        for pod in self.kubelet.all(self.ns):
            print(f"=== {pod.name} {pod.phase} {pod.message()}\n" + "\n".join(pod.logs().splitlines()[-40:]), flush=True)

    def _volume(self, name, folder, claim=False):
        """Makes a volume for a claim of this namespace. `claim`: makes the claim too."""
        os.chmod(folder, 0o755)
        wanted = name if claim else "vae-ebb-checkpoints"
        volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"{self.ns}-{name}"},
                  "spec": {"capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteMany"], "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": str(folder)},
                           "claimRef": {"namespace": self.ns, "name": wanted}}}
        things = [volume]
        if claim:
            things.append({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": self.ns},
                           "spec": {"accessModes": ["ReadWriteMany"], "storageClassName": "", "resources": {"requests": {"storage": "1Gi"}}}})
        self.plane.kubectl("apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": things}))

    # Commands of a person.

    def chart(self, verb, *values, overrides=()):
        """Runs helm install or upgrade, with the common values of all rehearsals and these."""
        words = [verb, "vae", self.world.source / "charts/ebb", "-n", self.ns, "--set-file", f"config={self.world.source}/configs/{self.CONFIG}.yaml",
                 "--set", "workers=2,slotsPerWorker=2,checkpoints.claim.size=10Gi,data.existingClaim=datasets,shm.size=64Mi,terminationGracePeriodSeconds=60"]
        for i, override in enumerate([*self.OVERRIDES, *overrides]):
            words += ["--set-string", f"overrides[{i}]={override}"]
        for value in values:
            words += ["--set", value]
        if verb == "template":
            words += ["--kube-version", "1.34.0"]  # helm template contacts no cluster
        return self.plane.helm(*words)

    def install(self, *values, **named):
        return self.chart("install", *values, **named)

    def helm_test(self):
        """Runs helm test. Returns its result and the log of its pod."""
        done = self.plane.helm("test", "-n", self.ns, "vae", "--timeout", "90s", check=False)
        return done, self.kubelet.find(self.ns, "vae-ebb-test").logs()

    def suspend(self, job, value):
        self.plane.kubectl("-n", self.ns, "patch", "mpijob", job, "--type=merge", "-p", json.dumps({"spec": {"runPolicy": {"suspend": value}}}))

    def delete_pod(self, pod, *more):
        self.plane.kubectl("-n", self.ns, "delete", "pod", pod.name, "--wait=false", *more)

    def preempt(self, pod):
        """Preempts a pod, as the scheduler does for a pod of a higher priority."""
        condition = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler", "message": "preempting to accommodate a higher priority pod"}
        self.plane.kubectl("-n", self.ns, "patch", "pod", pod.name, "--subresource=status", "--type=strategic", "-p", json.dumps({"status": {"conditions": [condition]}}))
        self.delete_pod(pod)

    def unfinished_saves(self):
        return {path.name for path in (self.run_folder / "checkpoints").glob("*.partial")}

    def ranks(self, worker):
        """The training processes in a worker."""
        first = worker.containers["ebb"].first()
        inside = os.readlink(f"/proc/{first}/ns/pid")
        found = []
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(process / "ns/pid") == inside and (process / "comm").read_text() == "ebb-core\n":
                    found.append(int(process.name))
            except FileNotFoundError:
                pass  # it has ended
        return sorted(found)

    def hang_a_save(self, worker):
        """Stops a rank while it saves, like storage that hangs. Returns the rank's process."""
        for _ in range(50):
            before = wait_for("a save", self.unfinished_saves, 60, every=0.001)
            rank = self.ranks(worker)[-1]
            os.kill(rank, signal.SIGSTOP)
            time.sleep(0.5)
            if self.unfinished_saves() == before:
                return rank
            os.kill(rank, signal.SIGCONT)  # this save had already ended
        self.fail("no save was hit in 50 tries")

    # The state of the job.

    def name_of_worker(self, index):
        """The name that the chart will give a worker of these values."""
        text = self.chart("template")
        return re.search(r"kind: MPIJob\nmetadata:\n  name: (\S+)", text.stdout).group(1) + f"-worker-{index}"

    def jobs(self):
        return json.loads(self.plane.kubectl("-n", self.ns, "get", "mpijobs", "-o", "json").stdout)["items"]

    def job(self):
        found = self.jobs()
        self.assertEqual(len(found), 1, [job["metadata"]["name"] for job in found])
        return found[0]

    @staticmethod
    def conditions(job):
        return {one["type"]: one["status"] == "True" for one in job.get("status", {}).get("conditions", [])}

    def reason(self, condition):
        return next((one["reason"] for one in self.job()["status"]["conditions"] if one["type"] == condition and one["status"] == "True"), None)

    def launcher(self, seconds=90, but=()):
        """The newest launcher that is none of `but`; it may have ended."""
        def find():
            found = [pod for pod in self.kubelet.all(self.ns, "-launcher-") if pod not in but]
            return found[-1] if found else None
        return wait_for("a launcher", find, seconds)

    def failed(self, launcher):
        """Waits until the pod of the launcher has failed."""
        wait_for(f"the end of {launcher.name}", lambda: launcher.phase == "Failed", 90, every=0.05)
        return launcher

    def worker(self, index):
        return self.kubelet.find(self.ns, f"-worker-{index}")

    def steps(self):
        """The numbers of the steps in the run's metrics, from 0."""
        try:
            lines = (self.run_folder / "metrics.jsonl").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [json.loads(line)["step"] for line in lines if line.endswith("}") and '"eval"' not in line]

    def until_step(self, step, seconds=90):
        wait_for(f"step {step}", lambda: max(self.steps(), default=0) >= step, seconds, every=0.02)

    def until_succeeded(self, seconds=150):
        def done():
            job = self.job()
            if self.conditions(job).get("Failed"):
                raise AssertionError(f"the job has failed: {job['status']['conditions']}")
            return self.conditions(job).get("Succeeded")
        wait_for("the job's success", done, seconds, every=0.5)

    def codes(self):
        """The exit codes of the launchers, in the order of their creation."""
        return [pod.code() for pod in self.kubelet.all(self.ns, "-launcher-")]

    def checkpoint(self, step=STEPS):
        """The digests of the shards of a checkpoint."""
        last = self.run_folder / f"checkpoints/step-{step:08d}"
        self.assertTrue((last / "DONE").exists(), last)
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(last.glob("*.safetensors"))}

    def assert_as_undisturbed(self):
        """Compares the last checkpoint with that of the run without faults, bit by bit."""
        if Rehearsal.undisturbed is None:
            self.skip("the undisturbed run did not complete")
        self.assertEqual(self.checkpoint(), Rehearsal.undisturbed)

    def assert_logged(self, pod, pattern):
        self.assertTrue(re.search(pattern, pod.logs()), f"the log of {pod.name} does not match {pattern!r}:\n{pod.logs()[-3000:]}")
