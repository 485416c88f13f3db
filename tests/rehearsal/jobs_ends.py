# SPDX-License-Identifier: Apache-2.0
"""Ends of a job that its values define: the deadline, the clean-up of its pods, the time to live."""

import time

from kubelet import wait_for
from rehearsal import LONG, STEPS, STOPPED, Rehearsal


class Ends(Rehearsal):
    def workers(self):
        """The names of the worker pods that the server knows."""
        return sorted(word for word in self.plane.kubectl("-n", self.ns, "get", "pods", "-o", "name").stdout.split() if "-worker-" in word)

    def saved(self):
        return sorted(path.parent.name for path in (self.run_folder / "checkpoints").glob("step-*/DONE"))

    def test_a_job_at_its_deadline_saves_and_fails_with_the_reason(self):
        self.install("job.activeDeadlineSeconds=60", overrides=LONG)
        launcher = self.launcher()
        wait_for("the job's failure", lambda: self.conditions(self.job()).get("Failed"), 180)
        self.assertEqual(self.reason("Failed"), "DeadlineExceeded")
        self.assertIn("DeadlineExceeded", self.plane.kubectl("-n", self.ns, "describe", "mpijob").stdout)
        wait_for("the end of all pods", lambda: not any(pod.is_alive() for pod in self.kubelet.all(self.ns)), 60)
        self.assertEqual(self.codes(), [STOPPED])
        self.assert_logged(launcher, r"stopped after step \d+ .*; checkpoint saved")
        self.assertEqual(self.saved()[-1], f"step-{max(self.steps()) + 1:08d}")

    def test_cleaning_no_pods_keeps_the_workers_and_the_time_to_live_deletes_the_launcher(self):
        self.install("job.cleanPodPolicy=None,job.ttlSecondsAfterFinished=3")
        self.until_succeeded()
        self.assertEqual(self.codes(), [0])
        wait_for("the deletion of the launcher's Job", lambda: not self.plane.kubectl("-n", self.ns, "get", "jobs", "-o", "name").stdout, 60)
        wait_for("the deletion of the launcher's pod", lambda: "launcher" not in self.plane.kubectl("-n", self.ns, "get", "pods", "-o", "name").stdout, 60)
        self.assertEqual(len(self.workers()), 2)
        self.assertTrue(all(self.worker(index).is_alive() for index in range(2)))
        self.assertTrue(self.conditions(self.job())["Succeeded"])
        self.assertEqual(self.steps(), list(range(STEPS)))

    def cleaned(self, policy):
        """Ends a job with an evicted worker by its deadline. Returns the two workers; the second was evicted."""
        self.install(f"job.cleanPodPolicy={policy},job.activeDeadlineSeconds=75,job.backoffLimit=0", overrides=LONG)
        self.until_step(1)
        launcher, workers = self.launcher(), [self.worker(0), self.worker(1)]
        workers[1].evict()
        wait_for("the launcher's wait", lambda: "waiting for 1 of 2 hosts" in launcher.logs(), 60)
        self.assertEqual(len(self.workers()), 2)
        wait_for("the launcher's end", lambda: not launcher.is_alive(), 150)
        wait_for("the deletion of the first worker", lambda: f"pod/{workers[0].name}" not in self.workers(), 60)
        return workers

    def test_cleaning_running_pods_keeps_an_evicted_worker(self):
        workers = self.cleaned("Running")
        time.sleep(3)
        self.assertEqual(self.workers(), [f"pod/{workers[1].name}"])

    def test_cleaning_all_pods_deletes_an_evicted_worker_too(self):
        self.cleaned("All")
        wait_for("the deletion of the evicted worker", lambda: not self.workers(), 30)
