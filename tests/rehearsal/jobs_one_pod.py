# SPDX-License-Identifier: Apache-2.0
"""Jobs of one pod (`mode: job`)."""

import json
import os
import signal
import time

from kubelet import wait_for
from rehearsal import LONG, LOST, NO_DATA, STEPS, STOPPED, Rehearsal


class OnePod(Rehearsal):
    """The chart's `mode: job`, without the operator."""

    MODE = "mode=job,workers=1,slotsPerWorker=2"

    def trainer(self, but=()):
        return wait_for("a trainer", lambda: next((pod for pod in reversed(self.kubelet.all(self.ns)) if pod not in but), None), 60)

    def job_conditions(self):
        (job,) = json.loads(self.plane.kubectl("-n", self.ns, "get", "jobs", "-o", "json").stdout)["items"]
        return {one["type"]: one.get("reason") for one in job["status"].get("conditions", [])}

    def test_a_deleted_pod_saves_and_another_resumes(self):
        self.install(self.MODE, "job.backoffLimit=0")  # a stop on request is no failure
        self.until_step(5)
        first = self.trainer()
        self.delete_pod(first)
        second = self.trainer(but=[first])
        self.assertEqual(first.code(), STOPPED)
        wait_for("the job's end", lambda: "Complete" in self.job_conditions(), 120)
        self.assertEqual(second.code(), 0)
        self.assertEqual(self.steps(), list(range(STEPS)))

    def upgraded(self):
        """The job's ID after an upgrade with the same values."""
        self.chart("upgrade", self.MODE)
        time.sleep(3)
        (job,) = json.loads(self.plane.kubectl("-n", self.ns, "get", "jobs", "-o", "json").stdout)["items"]
        return job["metadata"]["uid"], job["spec"].get("suspend", False)

    def test_the_same_values_leave_a_suspended_and_a_finished_job_alone(self):
        self.install(self.MODE)
        self.until_step(5)
        (job,) = json.loads(self.plane.kubectl("-n", self.ns, "get", "jobs", "-o", "json").stdout)["items"]
        name, uid = job["metadata"]["name"], job["metadata"]["uid"]
        self.plane.kubectl("-n", self.ns, "patch", "job", name, "--type=merge", "-p", '{"spec": {"suspend": true}}')
        wait_for("the end of all pods", lambda: all(not pod.is_alive() for pod in self.kubelet.all(self.ns)), 90)
        self.assertEqual(self.upgraded(), (uid, True))
        self.assertFalse(any(pod.is_alive() for pod in self.kubelet.all(self.ns)))
        self.plane.kubectl("-n", self.ns, "patch", "job", name, "--type=merge", "-p", '{"spec": {"suspend": false}}')
        wait_for("the job's end", lambda: "Complete" in self.job_conditions(), 120)
        pods = len(self.kubelet.all(self.ns))
        self.assertEqual(self.upgraded(), (uid, False))
        self.assertEqual(len(self.kubelet.all(self.ns)), pods)
        self.assertEqual(self.steps(), list(range(STEPS)))

    def test_a_job_that_its_time_to_live_deleted_trains_no_step_again(self):
        """helm creates an object that is missing in the cluster."""
        self.install(self.MODE, "job.ttlSecondsAfterFinished=1")
        wait_for("the deletion of the job", lambda: self.steps()[-1:] == [STEPS - 1] and not self.plane.kubectl("-n", self.ns, "get", "jobs", "-o", "name").stdout, 120)
        before, pods = (self.run_folder / "metrics.jsonl").read_bytes(), self.kubelet.all(self.ns)
        self.chart("upgrade", self.MODE, "job.ttlSecondsAfterFinished=1")
        again = self.trainer(but=pods)
        wait_for("its end", lambda: not again.is_alive(), 60)
        self.assertEqual(again.code(), 0)
        self.assertIn("Done", again.logs())
        self.assertEqual((self.run_folder / "metrics.jsonl").read_bytes(), before)

    def test_a_pod_at_its_deadline_saves_and_the_job_shows_the_reason(self):
        self.install(self.MODE, "job.activeDeadlineSeconds=20", overrides=LONG)
        wait_for("the job's end", lambda: self.job_conditions().get("Failed") == "DeadlineExceeded", 60)
        wait_for("the end of the pod", lambda: not any(pod.is_alive() for pod in self.kubelet.all(self.ns)), 60)
        self.assertEqual([pod.code() for pod in self.kubelet.all(self.ns)], [STOPPED])
        self.assertTrue((self.run_folder / f"checkpoints/step-{max(self.steps()) + 1:08d}/DONE").exists())

    def test_an_eviction_does_not_count_as_a_failure_and_a_killed_rank_does(self):
        self.install(self.MODE, "job.backoffLimit=1")
        self.until_step(5)
        first = self.trainer()
        first.evict()
        second = self.trainer(but=[first])
        wait_for("the second pod's first step", lambda: "\nstep " in second.logs(), 90)
        os.kill(self.ranks(second)[1], signal.SIGKILL)
        third = self.trainer(but=[first, second])
        self.assertEqual(second.code(), LOST)
        wait_for("the job's end", lambda: "Complete" in self.job_conditions(), 120)
        self.assertEqual(third.code(), 0)
        self.assertEqual(self.steps(), list(range(STEPS)))

    def test_a_permanent_failure_ends_the_job(self):
        self.install(self.MODE, overrides=["data.source=/data/elsewhere"])
        wait_for("the job's end", lambda: self.job_conditions().get("Failed") == "PodFailurePolicy", 60)
        self.assertEqual([pod.code() for pod in self.kubelet.all(self.ns)], [NO_DATA])
        self.assertIn("/data/elsewhere", self.trainer().message())
