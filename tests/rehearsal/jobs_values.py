# SPDX-License-Identifier: Apache-2.0
"""Values that must reach the ranks: variables, secrets, limits of CPU time."""

import pathlib
import re

from kubelet import wait_for
from rehearsal import LONG, Rehearsal

SECRET = "not-for-the-command-line"


class Values(Rehearsal):
    def environment(self, process):
        return dict(line.split("=", 1) for line in pathlib.Path(f"/proc/{process}/environ").read_text().split("\0") if "=" in line)

    def test_env_and_secrets_reach_every_rank(self):
        self.plane.kubectl("-n", self.ns, "create", "secret", "generic", "hub", f"--from-literal=token={SECRET}")
        self.install("env.DEVICE=cpu,env.HUB_TOKEN_PATH=/secrets/hub/token,secrets[0].name=hub,secrets[0].mountPath=/secrets/hub",
                     "worker.extraEnv[0].name=OF_SSHD,worker.extraEnv[0].value=x,launcher.extraEnv[0].name=OF_MPIRUN,launcher.extraEnv[0].value=y",
                     overrides=[*LONG, "run.device=${DEVICE}"])
        self.until_step(3)
        found = 0
        for worker in (self.worker(0), self.worker(1)):
            container = worker.containers["ebb"]
            # sshd writes over its own environment. Its child is the loop of ebb-worker.
            (loop,) = pathlib.Path(f"/proc/{container.first()}/task/{container.first()}/children").read_text().split()[:1]
            self.assertEqual(self.environment(loop).get("OF_SSHD"), "x")
            for rank in self.ranks(worker):
                seen = self.environment(rank)
                self.assertEqual((seen.get("DEVICE"), seen.get("HUB_TOKEN_PATH"), seen.get("EBB_DATA")), ("cpu", "/secrets/hub/token", "/data"))
                self.assertFalse({"OF_SSHD", "OF_MPIRUN"} & set(seen))
                self.assertEqual(pathlib.Path(f"/proc/{rank}/root/secrets/hub/token").read_text(), SECRET)
                found += 1
            # As the user of the ranks, and no other user.
            self.assertEqual(container.execute(["grep", "-q", f"^{SECRET}$", "/secrets/hub/token"], 10), 0)
            self.assertEqual(pathlib.Path(f"/proc/{container.first()}/root/secrets/hub/token").stat().st_mode & 0o777, 0o440)
        self.assertEqual(found, 4)
        launcher = self.launcher().containers["ebb"].first()
        self.assertEqual(self.environment(launcher).get("OF_MPIRUN"), "y")
        self.assertFalse(pathlib.Path(f"/proc/{launcher}/root/secrets").exists())
        self.assertNotIn(SECRET, self.plane.kubectl("-n", self.ns, "get", "mpijobs,jobs,pods,configmaps", "-o", "yaml").stdout)

    def cpu_limits(self):
        if "cpu" not in self.kubelet.limits:
            self.skip("this machine does not allow limits of CPU time (control groups)")

    def test_the_threads_of_the_ranks_fit_the_cpu_limit(self):
        self.cpu_limits()
        self.install("slotsPerWorker=1,worker.resources.limits.cpu=1500m", overrides=LONG)
        self.until_step(3)
        self.assert_logged(self.launcher(), r"2 ranks x 1 thread on CPU.* \(the control group allows 1.5 cores\)")

    def test_workers_with_little_cpu_time_stay_ready(self):
        """The probe runs within the limit of the ranks, as with a kubelet."""
        self.cpu_limits()
        self.install("worker.resources.limits.cpu=300m", overrides=LONG)
        self.until_step(3, seconds=180)
        before = [len(self.worker(index).probes) for index in range(2)]
        wait_for("three probes of each worker", lambda: all(len(self.worker(index).probes) >= before[index] + 3 for index in range(2)), 60)
        for index in range(2):
            worker = self.worker(index)
            probes = worker.probes[before[index]:]
            print(f"  the slowest probe of {worker.name} took {max(seconds for seconds, _ in probes):.1f} s", flush=True)
            self.assertEqual({code for _, code in probes}, {0}, worker.probes)
            self.assertTrue(worker.is_ready())
            self.assertEqual(worker.statuses["ebb"]["restartCount"], 0)
            throttled = [pathlib.Path(group["folder"], "cpu.stat").read_text() for group in worker.containers["ebb"].limit.groups if pathlib.Path(group["folder"], "cpu.stat").exists()]
            self.assertGreater(max(int(re.search(r"^nr_throttled (\d+)", text, re.MULTILINE)[1]) for text in throttled), 10)
