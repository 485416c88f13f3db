# SPDX-License-Identifier: Apache-2.0
"""Processes that the kernel kills for lack of memory.

The kernel counts these kills for the whole machine, so no other rehearsal may run at the same time.
"""

import json

from kubelet import wait_for
from rehearsal import KILLED, NO_MEMORY, Rehearsal

ONE_POD = "mode=job,workers=1,slotsPerWorker=2,worker.resources.limits.memory=700Mi"
TOO_LARGE = ["data.batch=40000", "memory.check=warn"]


class Memory(Rehearsal):
    def memory_limits(self):
        if "memory" not in self.kubelet.limits:
            self.skip("this machine does not allow memory limits (control groups)")

    def failed_job(self, pods):
        """Waits until the Job has failed after so many pods. Returns its reason and the codes of the pods."""
        def reason():
            (job,) = json.loads(self.plane.kubectl("-n", self.ns, "get", "jobs", "-o", "json").stdout)["items"]
            return next((one["reason"] for one in job["status"].get("conditions", []) if one["type"] == "Failed"), None)
        found = wait_for("the job's failure", reason, 120)
        self.assertEqual(len(self.kubelet.all(self.ns)), pods)
        return found, [pod.code() for pod in self.kubelet.all(self.ns)]

    def test_a_rank_above_the_memory_limit_is_reported_and_not_retried(self):
        """The kernel kills the rank, as on a real node. The launcher's group does not count it."""
        self.memory_limits()
        self.install("job.backoffLimit=1,worker.resources.limits.memory=700Mi", overrides=TOO_LARGE)
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
        self.memory_limits()
        self.kubelet.kills_whole = True
        self.install("job.backoffLimit=0,worker.resources.limits.memory=700Mi", overrides=TOO_LARGE)
        launcher = self.failed(self.launcher())
        self.assertEqual(launcher.code(), NO_MEMORY)
        self.assertRegex(launcher.message(), r"^code 4 \(memory\), rank [0-3] on \S+-worker-[01]\S*: the kernel killed a process .* for lack of memory \(its limit is 700")
        self.assert_logged(launcher, "starting again in ")
        self.assertEqual(json.loads((self.run_folder / "verdict.json").read_text())["code"], NO_MEMORY)

    def test_one_pod_with_a_rank_above_the_memory_limit_is_not_retried(self):
        self.memory_limits()
        self.install(ONE_POD, overrides=TOO_LARGE)
        self.assertEqual(self.failed_job(1), ("PodFailurePolicy", [NO_MEMORY]))
        self.assertRegex(self.kubelet.all(self.ns)[0].message(), r"^code 4 \(memory\).* for lack of memory")

    def test_one_pod_that_is_killed_as_a_whole_is_retried(self):
        """No process is left to tell the cause, and the next pod has its own control group."""
        self.memory_limits()
        self.kubelet.kills_whole = True
        self.install(ONE_POD, "job.backoffLimit=1", overrides=TOO_LARGE)
        self.assertEqual(self.failed_job(2), ("BackoffLimitExceeded", [KILLED, KILLED]))
