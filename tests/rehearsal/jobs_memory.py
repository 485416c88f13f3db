"""What the kernel kills for lack of memory. It counts that for the whole machine: no other rehearsal may lose a process meanwhile."""

import json

from kubelet import wait_for
from rehearsal import NO_MEMORY, Rehearsal


class Memory(Rehearsal):
    def test_a_rank_that_outgrows_the_memory_limit_is_told_and_not_tried_again(self):
        """By the kernel's kill, as on a real node; the launcher's own group counts nothing of it."""
        if not self.kubelet.limits:
            self.skip("this machine lets nobody set a memory limit (control groups)")
        self.install("job.backoffLimit=1,worker.resources.limits.memory=700Mi", overrides=["data.batch=40000"])
        name = self.job()["metadata"]["name"]
        first = self.failed(self.launcher())
        self.assertRegex(first.message(), rf"^code 4 \(memory\), rank [0-3] on {name}-worker-[01]\S*: the kernel (killed|has killed) a process .* for lack of memory")
        self.assertEqual(json.loads((self.run_folder / "verdict.json").read_text())["code"], NO_MEMORY)
        second = self.failed(self.launcher(but=[first]))
        self.assertNotIn("mpirun", second.logs())
        self.assertEqual(self.codes(), [NO_MEMORY, NO_MEMORY])
        wait_for("the job's failure", lambda: self.conditions(self.job()).get("Failed"), 60)

    def test_a_container_that_is_killed_whole_for_its_memory_is_told_by_the_next(self):
        """As kubelets have it on control groups of version 2: sshd and all ranks of the worker go at once, and nobody in it is left to say why."""
        if not self.kubelet.limits:
            self.skip("this machine lets nobody set a memory limit (control groups)")
        self.kubelet.kills_whole = True
        self.install("job.backoffLimit=0,worker.resources.limits.memory=700Mi", overrides=["data.batch=40000"])
        launcher = self.failed(self.launcher())
        self.assertEqual(launcher.code(), NO_MEMORY)
        self.assertRegex(launcher.message(), r"^code 4 \(memory\), rank [0-3] on \S+-worker-[01]\S*: the kernel killed a process .* for lack of memory \(its limit is 700")
        self.assert_said(launcher, "starting again in ")
        self.assertEqual(json.loads((self.run_folder / "verdict.json").read_text())["code"], NO_MEMORY)
