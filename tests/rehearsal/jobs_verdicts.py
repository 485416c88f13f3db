# SPDX-License-Identifier: Apache-2.0
"""Permanent failures, and the report of a failure: code, rank, host and error."""

import json
import os
import signal
import time

from kubelet import wait_for
from rehearsal import LOST, NO_DATA, STEPS, Rehearsal


class Verdicts(Rehearsal):
    def test_the_next_pod_reports_a_permanent_failure_again(self):
        self.install("job.backoffLimit=1", overrides=["data.source=/data/elsewhere"])
        name = self.job()["metadata"]["name"]
        first = self.failed(self.launcher())
        self.assertRegex(first.message(), rf"^code 3 \(data\), rank [0-3] on {name}-worker-[01]\S*: .*/data/elsewhere")
        verdict = json.loads((self.run_folder / "verdict.json").read_text())
        self.assertEqual((verdict["code"], verdict["attempt"]), (NO_DATA, name))
        second = self.launcher(but=[first])
        wait_for("its start", lambda: second.runs, 60, every=0.05)
        self.failed(second)
        took = time.monotonic() - second.runs[0].started
        print(f"  the launcher that followed ended {took:.1f} s after its start", flush=True)
        self.assertLess(took, 10)
        self.assert_logged(second, f"attempt {name} ended on .* with code 3 and would fail again")
        self.assertNotIn("mpirun", second.logs())
        self.assertEqual(second.message(), first.message())
        wait_for("the job's failure", lambda: self.conditions(self.job()).get("Failed"), 60)
        self.assertEqual(self.codes(), [NO_DATA, NO_DATA])

    def test_the_job_ends_within_a_minute_of_a_permanent_failure(self):
        """With the default values, whose workers would otherwise keep their nodes."""
        self.install(overrides=["data.source=/data/elsewhere"])
        first = self.failed(self.launcher())
        began = time.monotonic()
        wait_for("the job's failure", lambda: self.conditions(self.job()).get("Failed"), 60)
        wait_for("the end of the workers", lambda: not any(pod.is_alive() for pod in self.kubelet.all(self.ns)), 60 - (time.monotonic() - began))
        print(f"  the job and its workers ended {time.monotonic() - began:.0f} s after the first launcher", flush=True)
        self.assertEqual(self.codes(), [NO_DATA] * 3)
        self.assertIn("/data/elsewhere", first.message())

    def test_a_new_attempt_ignores_the_verdict(self):
        """The data was added meanwhile; configuration and image are the same."""
        later = self.world.folder / "data" / self.ns
        overrides = [f"data.source=/data/{self.ns}"]
        self.install("job.backoffLimit=0", overrides=overrides)
        first = self.failed(self.launcher())
        self.assertEqual(first.code(), NO_DATA)
        later.symlink_to("fashion-mnist")
        self.addCleanup(later.unlink)
        self.chart("upgrade", "job.backoffLimit=0,job.attempt=2", overrides=overrides)
        self.until_succeeded()
        self.assertEqual(self.codes(), [NO_DATA, 0])
        self.assertEqual(self.steps(), list(range(STEPS)))
        self.assertFalse((self.run_folder / "verdict.json").exists())

    def test_a_killed_rank_is_reported_with_code_rank_host_and_error(self):
        self.install("job.restarts=0,job.backoffLimit=0")
        self.until_step(5)
        worker = self.worker(1)
        os.kill(self.ranks(worker)[0], signal.SIGKILL)
        launcher = self.failed(self.launcher())
        self.assertEqual(launcher.code(), LOST)
        self.assertRegex(launcher.message(), rf"^code 5 \(communication\), rank [23] on {worker.name}\S*: .*\w")
        wait_for("the job's failure", lambda: self.conditions(self.job()).get("Failed"), 60)
        (status,) = json.loads(self.plane.kubectl("-n", self.ns, "get", "pod", launcher.name, "-o", "json").stdout)["status"]["containerStatuses"]
        self.assertEqual(status["state"]["terminated"]["message"].strip(), launcher.message().strip())
