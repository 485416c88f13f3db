# SPDX-License-Identifier: Apache-2.0
"""Checks and observation of a job: preflight, helm test, a scrape by Prometheus."""

import re
import subprocess
import urllib.request

from kubelet import wait_for
from rehearsal import LONG, STEPS, Rehearsal


class Watched(Rehearsal):
    def test_helm_test_passes_while_the_job_trains(self):
        self.install(overrides=LONG)
        self.until_step(3)
        done, said = self.helm_test()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr + said)
        self.assertRegex(done.stdout, r"Phase: +Succeeded")
        self.assertIn("2 workers have the same version and answer by ssh. The checkpoint volume is writable.", said)
        self.assertEqual(len(re.findall("answers by ssh with the same version", said)), 2, said)
        before = max(self.steps())
        self.until_step(before + 3)  # training continues

    def test_helm_test_names_a_missing_worker(self):
        self.install("tests.waitForWorkers=5", overrides=LONG)
        self.until_step(3)
        worker = self.worker(1)
        self.kubelet.hold(worker.name)
        self.addCleanup(self.kubelet.release, worker.name)
        self.delete_pod(worker)
        wait_for("the worker's end", lambda: not worker.is_alive(), 60)
        done, said = self.helm_test()
        self.assertNotEqual(done.returncode, 0, said)
        self.assertRegex(said, rf"FAILED +{worker.name}\S*: no such name in DNS after 5 s")

    def test_prometheus_can_parse_a_scrape_during_training(self):
        promtool = self.world.source / ".deps/unpacked/prometheus/usr/bin/promtool"
        self.install("metrics.enabled=true", overrides=LONG)
        self.until_step(5)
        texts = []
        for index in range(2):
            with urllib.request.urlopen(f"http://{self.worker(index).address}:9400/metrics", timeout=10) as answer:
                texts.append(answer.read().decode())
        self.assertGreaterEqual(float(re.search(r"^ebb_steps_total (\S+)$", texts[0], re.MULTILINE)[1]), 5)
        for index, text in enumerate(texts):
            with self.subTest(worker=index):
                # The ranks of this node, and no others.
                self.assertEqual(sorted(re.findall(r'^ebb_rank_info\{.*?rank="(\d)"', text, re.MULTILINE)), [str(2 * index), str(2 * index + 1)], text)
                if not promtool.exists():
                    self.skip(f"{promtool} is missing (scripts/setup all unpacks it)")
                done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True)
                self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)

    def test_preflight_runs_before_training(self):
        self.install("job.preflight=true")
        self.until_succeeded()
        launcher = self.launcher()
        self.assert_logged(launcher, r"ok +ranks +4 on 2 hosts")
        self.assert_logged(launcher, "ready to train")
        self.assertEqual(self.codes(), [0])
        self.assertEqual(self.steps(), list(range(STEPS)))
        self.assert_as_undisturbed()
