# SPDX-License-Identifier: Apache-2.0
"""Ends of the launcher's pod: preemption, deletion, deletion by force, the loss of its node."""

import os
import re
import signal
import time

from kubelet import wait_for
from rehearsal import KILLED, STEPS, STOPPED, Rehearsal

OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"  # a taint, set by a person or a cloud's controller


class Launchers(Rehearsal):
    def test_a_preempted_launcher_resumes_to_the_same_bits(self):
        self.install()
        self.until_step(15)
        first = self.launcher()
        self.preempt(first)
        self.until_succeeded()
        self.assertEqual(self.codes(), [STOPPED, 0])
        self.assertEqual(self.steps(), list(range(STEPS)))
        self.assert_as_undisturbed()

    def test_the_ranks_end_with_a_launcher_deleted_by_force(self):
        """Like a launcher whose node is lost. mpirun's daemons end the ranks, which may still save.

        If they cannot, the lease of the run folder expires.
        """
        self.install()
        self.until_step(25)
        first = self.launcher()
        self.delete_pod(first, "--force", "--grace-period=0")
        second = self.launcher(but=[first])
        self.until_succeeded()
        self.assertEqual([first.code(), second.code()], [KILLED, 0])
        self.assert_logged(second, "resumes from step [2-5]")
        self.assertEqual(self.steps(), list(range(STEPS)))
        self.assert_as_undisturbed()

    def test_a_launcher_deleted_during_a_save_completes_it(self):
        """The operator creates the next launcher when the first has ended (podReplacementPolicy: Failed)."""
        self.install(overrides=["checkpoint.every=1"])
        self.until_step(5)
        first = self.launcher()
        rank = self.hang_a_save(self.worker(1))
        self.delete_pod(first)
        time.sleep(5)
        self.assertEqual(self.launcher(), first)
        self.assertTrue(self.unfinished_saves())
        self.assertTrue(first.is_alive())
        os.kill(rank, signal.SIGCONT)
        self.until_succeeded()
        self.assertEqual(self.codes(), [STOPPED, 0])
        self.assertEqual(self.steps(), list(range(STEPS)))
        self.assert_as_undisturbed()

    def test_a_launcher_on_a_lost_node_is_replaced_once_the_node_is_out_of_service(self):
        """No kubelet confirms the end of its pod, and the Job waits for that, even after a deletion by force."""
        self.install()
        self.until_step(25)
        first = self.launcher()
        first.abandon()  # its processes end, and nobody tells the server
        self.delete_pod(first)
        self.delete_pod(first, "--force", "--grace-period=0")
        time.sleep(5)
        self.assertEqual(self.launcher(), first)
        node = first.spec["nodeName"]
        self.addCleanup(self.kubelet.set_ready, node, True)
        self.addCleanup(self.plane.kubectl, "taint", "node", node, f"{OUT_OF_SERVICE}-")
        self.kubelet.set_ready(node, False)
        self.plane.kubectl("taint", "node", node, f"{OUT_OF_SERVICE}=nodeshutdown:NoExecute")
        second = self.launcher(but=[first])
        self.until_succeeded()
        self.assertEqual(second.code(), 0)
        self.assertEqual(self.steps(), list(range(STEPS)))
        self.assert_as_undisturbed()


class OlderOperator(Rehearsal):
    """The operator v0.8.0, which creates the next launcher while the first still ends."""

    def test_a_launcher_of_an_older_operator_waits_for_the_save_of_the_first(self):
        """The next launcher starts during the save, and waits for the lease of the run folder."""
        self.install(overrides=["checkpoint.every=1"])
        self.until_step(5)
        first = self.launcher()
        rank = self.hang_a_save(self.worker(1))
        self.delete_pod(first)
        second = self.launcher(but=[first])
        wait_for("the second launcher's wait", lambda: re.search("waiting for /runs/.*, held by", second.logs()), 40)
        self.assertTrue(self.unfinished_saves())
        self.assertTrue(first.is_alive())
        os.kill(rank, signal.SIGCONT)
        self.until_succeeded()
        self.assertEqual(self.codes(), [STOPPED, 0])
        self.assertEqual(self.steps(), list(range(STEPS)))
        self.assert_as_undisturbed()
