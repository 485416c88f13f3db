# SPDX-License-Identifier: Apache-2.0
"""Failures of workers, and how the launcher handles them in its own pod."""

import os
import re
import signal
import time

from kubelet import wait_for
from rehearsal import LOST, STEPS, Rehearsal


class Workers(Rehearsal):
    def test_a_deleted_worker_is_recreated_and_the_run_resumes(self):
        self.install()
        self.until_step(5)
        launcher, worker = self.launcher(), self.worker(1)
        self.delete_pod(worker)
        self.until_succeeded()
        self.assertIsNot(self.worker(1), worker)
        # preStop asked the ranks to stop, so they saved.
        self.assert_logged(launcher, "a rank was asked to stop, .*\n.*starting again in .*, from the checkpoint of step [1-9]")
        self.assertEqual(self.codes(), [0])
        self.assertEqual(self.steps(), list(range(STEPS)))
        self.assert_as_undisturbed()

    def test_an_evicted_worker_is_replaced_once_it_is_deleted_while_the_launcher_waits(self):
        """The operator does not replace a failed pod. helm's notes show how to delete it."""
        notes = self.install().stdout
        self.until_step(5)
        launcher, worker = self.launcher(), self.worker(1)
        worker.evict()
        wait_for("the launcher's wait", lambda: "waiting for 1 of 2 hosts" in launcher.logs(), 90)
        self.assertIs(self.worker(1), worker)
        self.assertEqual(self.reason("Failed"), "MPIJobEvicted")
        line = next(line.split() for line in notes.splitlines() if "status.phase=Failed" in line)
        self.assertEqual(line.pop(0), "kubectl")
        self.plane.kubectl(*line)
        wait_for("the run's end", lambda: launcher.code() is not None, 120)
        # The operator clears the condition of the eviction only now.
        wait_for("the job's success", lambda: self.conditions(self.job()).get("Succeeded"), 60)
        self.assertFalse(self.conditions(self.job()).get("Failed"))
        self.assertEqual(self.codes(), [0])
        self.assertIsNot(self.worker(1), worker)
        self.assert_as_undisturbed()

    def test_the_launcher_names_an_evicted_worker_and_the_command_that_replaces_it(self):
        self.install("job.waitForWorkers=15")
        self.until_step(5)
        first, worker = self.launcher(), self.worker(1)
        worker.evict()
        wait_for("the end of the launcher's wait", lambda: first.phase == "Failed", 90)
        self.assertEqual(first.code(), LOST)
        self.assertIs(self.worker(1), worker)
        self.assertRegex(first.message(), rf"^code 5 \(communication\) on {first.hostname}: 1 of 2 hosts did not answer on port 2222 within 15 s: {worker.name}")
        line = re.search(rf"kubectl (-n {self.ns} delete pod {worker.name});", first.message())
        self.assertTrue(line, first.message())
        self.plane.kubectl(*line[1].split(), "--wait=false")
        wait_for("the run's end", lambda: self.codes()[-1] == 0, 120)
        self.assertEqual(self.codes(), [LOST, 0])
        self.assertIsNot(self.worker(1), worker)
        self.assert_as_undisturbed()

    def test_a_worker_restarts_after_its_sshd_is_killed_and_the_run_resumes(self):
        self.install()
        self.until_step(5)
        launcher, worker = self.launcher(), self.worker(0)
        worker.containers["ebb"].kill()
        self.until_succeeded()
        self.assert_logged(launcher, "starting again in ")
        self.assertEqual(self.codes(), [0])
        self.assertEqual(worker.statuses["ebb"]["restartCount"], 1)
        self.assert_as_undisturbed()

    def test_a_worker_of_a_lost_node_is_detected_and_replaced_by_force(self):
        """No connection closes, as after a power loss, so only a timeout detects it.

        Such a pod is deleted by a person, or by the node controller after its own timeout.
        """
        self.install("job.waitForWorkers=90", overrides=["parallel.timeout=10s"])
        self.until_step(25)
        launcher, worker = self.launcher(), self.worker(1)
        worker.cut_off()
        wait_for("a report of the missing ranks", lambda: re.search(r"rank [0-3] of 4 on \S+worker-0.* has not started it|its data did not arrive|cannot complete", launcher.logs()), 60)
        wait_for("the launcher's wait", lambda: "waiting for 1 of 2 hosts" in launcher.logs(), 90)
        self.assertIs(self.worker(1), worker)
        self.delete_pod(worker, "--force", "--grace-period=0")
        self.until_succeeded()
        self.assertEqual(self.codes(), [0])
        self.assertEqual(self.steps(), list(range(STEPS)))
        self.assert_as_undisturbed()

    def test_a_worker_that_cannot_save_within_its_grace_loses_the_steps_since_the_checkpoint(self):
        self.install("terminationGracePeriodSeconds=30")
        self.until_step(25)
        launcher, worker = self.launcher(), self.worker(1)
        os.kill(self.ranks(worker)[0], signal.SIGSTOP)
        self.delete_pod(worker)
        self.until_succeeded()
        self.assert_logged(launcher, "starting again in .*, from the checkpoint of step 20 ")
        self.assert_logged(launcher, "resumes from step 20")
        self.assertEqual(self.codes(), [0])
        self.assertEqual(self.steps(), list(range(STEPS)))
        self.assert_as_undisturbed()

    def test_a_worker_10_s_late_is_waited_for(self):
        self.kubelet.hold(self.name_of_worker(1))
        self.addCleanup(self.kubelet.release, self.name_of_worker(1))
        self.install()
        wait_for("the first worker", lambda: self.worker(0) and self.worker(0).phase == "Running", 60)
        time.sleep(10)
        self.assertEqual(self.kubelet.all(self.ns, "-launcher-"), [])
        self.assertEqual(self.steps(), [])
        self.kubelet.release(self.name_of_worker(1))
        self.until_succeeded()
        self.assertEqual(self.codes(), [0])

    def test_no_launcher_starts_without_a_worker(self):
        self.kubelet.hold(self.name_of_worker(1))
        self.addCleanup(self.kubelet.release, self.name_of_worker(1))
        self.install()
        wait_for("the first worker", lambda: self.worker(0) and self.worker(0).phase == "Running", 60)
        time.sleep(10)
        self.assertEqual(self.kubelet.all(self.ns, "-launcher-"), [])
        self.assertFalse(self.conditions(self.job()).get("Running"))
        self.assertFalse(self.conditions(self.job()).get("Failed"))

    def test_a_worker_that_does_not_return_is_named(self):
        self.install("job.waitForWorkers=10,job.backoffLimit=1")
        self.until_step(5)
        worker = self.worker(1)
        self.kubelet.hold(worker.name)
        self.addCleanup(self.kubelet.release, worker.name)
        first = self.launcher()
        self.delete_pod(worker)
        wait_for("the end of the launcher's wait", lambda: first.phase == "Failed", 90)
        second = self.launcher(but=[first])
        wait_for("the end of the next launcher's wait", lambda: second.phase == "Failed", 60)
        for launcher in (first, second):
            self.assertEqual(launcher.code(), LOST)
            self.assert_logged(launcher, worker.name)
            self.assertIn(f"kubectl -n {self.ns} describe pod {worker.name}", launcher.message())
            self.assertIn(f"kubectl -n {self.ns} delete pod {worker.name}", launcher.message())
        wait_for("the job's failure", lambda: self.conditions(self.job()).get("Failed"), 60)

    def test_a_host_key_that_others_may_read_is_named_by_the_worker(self):
        self.kubelet.key_owner = ("-worker-", 1000, 0o640)
        self.install()
        worker = wait_for("a worker", lambda: self.worker(0), 60)
        self.assertRegex(wait_for("its sshd's end", worker.message, 60), "UNPROTECTED PRIVATE KEY FILE")
        self.assertEqual(self.kubelet.all(self.ns, "-launcher-"), [])

    def test_a_key_that_others_may_read_is_named_by_the_launcher(self):
        self.kubelet.key_owner = ("-launcher-", 1000, 0o640)
        self.install("job.backoffLimit=0,job.restarts=1")
        launcher = self.launcher()
        wait_for("its end", lambda: launcher.phase == "Failed", 60)
        self.assertEqual(launcher.code(), LOST)
        self.assert_logged(launcher, "UNPROTECTED PRIVATE KEY FILE")
        self.assert_logged(launcher, "could not start ranks on every host .*: a host is down, refuses ssh, or.*\n.*not started again: 1 restart in a row brought no newer checkpoint")
        self.assertRegex(launcher.message(), r"^code 5 \(communication\): .*unable to reliably start")
        wait_for("the job's failure", lambda: self.conditions(self.job()).get("Failed"), 60)
