# SPDX-License-Identifier: Apache-2.0
"""Drained nodes: `kubectl drain` evicts all pods of one through the API."""

from rehearsal import STEPS, STOPPED, Rehearsal


class Nodes(Rehearsal):
    def drain(self, node):
        self.addCleanup(self.plane.kubectl, "uncordon", node)
        self.plane.kubectl("drain", node, "--delete-emptydir-data", "--timeout=90s")

    def assert_on_other_node(self, pods, node):
        for pod in pods:
            self.assertNotEqual(pod.spec["nodeName"], node, pod.name)

    def test_a_drained_node_of_a_worker_saves_and_the_run_resumes_elsewhere(self):
        self.install()
        self.until_step(5)
        launcher = self.launcher()
        # The two workers are on two nodes.
        index = next(i for i in range(2) if self.worker(i).spec["nodeName"] != launcher.spec["nodeName"])
        worker = self.worker(index)
        self.drain(worker.spec["nodeName"])
        self.until_succeeded()
        self.assertIsNot(self.worker(index), worker)
        self.assert_on_other_node([self.worker(index)], worker.spec["nodeName"])
        self.assert_logged(launcher, "a rank was asked to stop, .*\n.*starting again in .*, from the checkpoint of step [1-9]")
        self.assertEqual(self.codes(), [0])
        self.assertEqual(self.steps(), list(range(STEPS)))
        self.assert_as_undisturbed()

    def test_a_drained_node_of_the_launcher_saves_and_another_resumes_elsewhere(self):
        """A worker is on that node too."""
        self.install()
        self.until_step(5)
        first = self.launcher()
        node = first.spec["nodeName"]
        self.drain(node)
        second = self.launcher(but=[first])
        self.until_succeeded()
        self.assertEqual([first.code(), second.code()], [STOPPED, 0])
        self.assert_on_other_node([second, self.worker(0), self.worker(1)], node)
        self.assert_logged(second, "resumes from step [1-9]")
        self.assertEqual(self.steps(), list(range(STEPS)))
        self.assert_as_undisturbed()
