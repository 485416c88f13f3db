# SPDX-License-Identifier: Apache-2.0
"""Processes that the kernel kills for lack of memory.

The kernel counts these kills for the whole machine, so no other rehearsal may run at the same time.
"""

import json

from kubelet import wait_for
from rehearsal import NO_MEMORY, Rehearsal


class Memory(Rehearsal):
    def test_a_rank_above_the_memory_limit_is_reported_and_not_retried(self):
        """The kernel kills the rank, as on a real node. The launcher's group does not count it."""
        if not self.kubelet.limits:
            self.skip("this machine does not allow memory limits (control groups)")
        self.install("job.backoffLimit=1,worker.resources.limits.memory=700Mi", overrides=["data.batch=40000", "memory.check=warn"])
        name = self.job()["metadata"]["name"]
        first = self.failed(self.launcher())
        self.assertRegex(first.message(), rf"^code 4 \(memory\), rank [0-3] on {name}-worker-[01]\S*: the kernel (killed|has killed) a process .* for lack of memory")
        self.assertEqual(json.loads((self.run_folder / "verdict.json").read_text())["code"], NO_MEMORY)
        second = self.failed(self.launcher(but=[first]))
        self.assertNotIn("mpirun", second.logs())
        self.assertEqual(self.codes(), [NO_MEMORY, NO_MEMORY])
        wait_for("the job's failure", lambda: self.conditions(self.job()).get("Failed"), 60)

    def test_the_next_container_reports_that_all_processes_were_killed_for_memory(self):
        """The kernel kills sshd and all ranks of a worker at once, as on control groups version 2.

        No process of that container is left to report it.
        """
        if not self.kubelet.limits:
            self.skip("this machine does not allow memory limits (control groups)")
        self.kubelet.kills_whole = True
        self.install("job.backoffLimit=0,worker.resources.limits.memory=700Mi", overrides=["data.batch=40000", "memory.check=warn"])
        launcher = self.failed(self.launcher())
        self.assertEqual(launcher.code(), NO_MEMORY)
        self.assertRegex(launcher.message(), r"^code 4 \(memory\), rank [0-3] on \S+-worker-[01]\S*: the kernel killed a process .* for lack of memory \(its limit is 700")
        self.assert_logged(launcher, "starting again in ")
        self.assertEqual(json.loads((self.run_folder / "verdict.json").read_text())["code"], NO_MEMORY)
