# SPDX-License-Identifier: Apache-2.0
"""Ends of the launcher's pod: preemption, deletion, deletion by force, the loss of its node."""

import contextlib
import os
import re
import signal
import time

from kubelet import wait_for
from rehearsal import KILLED, STEPS, STOPPED, Rehearsal

OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"  # a taint, set by a person or a cloud's controller


@contextlib.contextmanager
def deleted_in_a_save(test):
    """Gives a launcher whose pod was deleted during a save that hangs. Afterwards the save goes on, and the run ends as an undisturbed one."""
    test.install(overrides=["checkpoint.every=1"])
    test.until_step(5)
    launcher = test.launcher()
    rank = test.hang_a_save(test.worker(1))
    test.delete_pod(launcher)
    yield launcher
    test.assertTrue(test.unfinished_saves())
    test.assertTrue(launcher.is_alive())
    os.kill(rank, signal.SIGCONT)
    test.until_succeeded()
    test.assertEqual(test.codes(), [STOPPED, 0])
    test.assertEqual(test.steps(), list(range(STEPS)))
    test.assert_as_undisturbed()


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
        with deleted_in_a_save(self) as first:
            time.sleep(5)
            self.assertEqual(self.launcher(), first)

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
        with deleted_in_a_save(self) as first:
            second = self.launcher(but=[first])
            wait_for("the second launcher's wait", lambda: re.search("waiting for /runs/.*, held by", second.logs()), 40)
