# SPDX-License-Identifier: Apache-2.0
"""Installs the chart by helm into a real control plane, and runs its pods as processes.

  jobs_test.py SOURCE_DIR EBB [LANE | TEST…]

The tests let runs complete, and inject faults into pods. Without further arguments all tests run
one after another. A lane is a group of tests with its own control plane; lanes may run at the same
time, except `memory`.

Each test has a namespace that enforces the Pod Security Standard `restricted`. The pods run their own
commands (sshd, mpirun, the program) as user 1000, in the tree that docker/install-runtime has made.
Exit code 77 (skipped) if this machine lacks a program or a right.
"""

import json
import pathlib
import re
import sys
import time
import unittest

from jobs_ends import Ends  # noqa: F401 - unittest finds them here
from jobs_launchers import Launchers, OlderOperator  # noqa: F401
from jobs_memory import Memory  # noqa: F401
from jobs_nodes import Nodes  # noqa: F401
from jobs_one_pod import OnePod  # noqa: F401
from jobs_policies import Policies  # noqa: F401
from jobs_values import Values  # noqa: F401
from jobs_verdicts import Verdicts  # noqa: F401
from jobs_watched import Watched  # noqa: F401
from jobs_workers import Workers  # noqa: F401
from kubelet import wait_for
from rehearsal import STEPS, STOPPED, Rehearsal
from world import World, move_inside, reason_to_skip

SKIPPED = 77


class A_Undisturbed(Rehearsal):
    """It runs first because of its name. Other tests compare their results with it."""

    def test_two_workers_of_two_ranks_train_to_the_end(self):
        notes = self.install().stdout
        # `kubectl logs -l` finds nothing before there is a launcher.
        wait = next(line.split() for line in notes.splitlines() if " wait --for=" in line)
        self.plane.kubectl(*wait[1:])
        self.assertEqual(self.launcher(seconds=1).phase, "Running")
        self.until_succeeded()
        self.assertEqual(self.codes(), [0])
        self.assertEqual(self.steps(), list(range(STEPS)))
        self.assertEqual(sorted(path.name for path in (self.run_folder / "memory").iterdir()), [f"rank-{rank:05d}.jsonl" for rank in range(4)])
        self.assertIn("results.json", [path.name for path in self.run_folder.iterdir()])
        wait_for("the end of the workers (cleanPodPolicy Running)", lambda: not self.plane.kubectl("-n", self.ns, "get", "pods", "-o", "name", check=False).stdout.count("worker"), 60)
        Rehearsal.undisturbed = self.checkpoint()
        # The launcher's log has a line for each report of progress.
        lines = re.findall(rf"^step (\d+)/{STEPS} \| loss \d", self.launcher().logs(), re.MULTILINE)
        self.assertIn(str(STEPS), lines, self.launcher().logs())
        done, said = self.helm_test()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr + said)
        self.assertRegex(said, "60 steps")


class TwoNetworks(Rehearsal):
    """A model that trains two networks in turn, on a small dataset of its own."""

    CONFIG = "gan-fashion-mnist"
    STEPS = 8
    OVERRIDES = [f"run.steps={STEPS}", "run.evaluate_every=0", "evaluate.samples=0", "run.lease_expires=6s", "data.batch=32", "checkpoint.every=4"]

    def test_two_workers_train_both_networks(self):
        for split in ("train", "test"):
            self.world.pack("t10k", "fashion-mnist-32", split, "--pad", "32")
        self.install()
        self.until_succeeded()
        self.assertEqual(self.codes(), [0])
        lines = [json.loads(line) for line in (self.run_folder / "metrics.jsonl").read_text().splitlines()]
        steps = [line for line in lines if "phases" in line]
        self.assertEqual([line["step"] for line in steps], list(range(self.STEPS)))
        for line in steps:
            self.assertEqual(sorted(line["phases"]), ["discriminator", "generator"])
        self.assertIn("samples.png", [path.name for path in self.run_folder.iterdir()])


class OtherUsers(Rehearsal):
    def test_a_user_without_a_passwd_entry_trains(self):
        """OpenShift chooses the user and the group of the volumes, and the group 0."""
        user = "podSecurityContext.runAsUser=1000660000,{0}.podSecurityContext.runAsGroup=0,{0}.podSecurityContext.fsGroup=1000660000"
        self.install(*(f"{role}.{user.format(role)}" for role in ("worker", "launcher")))
        self.until_step(3)
        done, said = self.helm_test()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr + said)
        worker = self.worker(0)
        self.until_succeeded()
        self.assertEqual(self.codes(), [0])
        self.assertEqual(self.steps(), list(range(STEPS)))
        self.assertEqual({path.stat().st_uid for path in self.run_folder.iterdir()}, {1000660000})
        # The probe of a worker opens no connection, which sshd would log.
        lines = [line for line in worker.logs().splitlines() if "preauth" in line or "kex_exchange" in line]
        self.assertLessEqual(len(lines), 3, worker.logs())


class Suspension(Rehearsal):
    def test_a_suspended_job_saves_frees_its_pods_and_resumes(self):
        """A queue (Kueue) suspends a job in favour of another one."""
        self.install()
        self.until_step(5)
        first, name = self.launcher(), self.job()["metadata"]["name"]
        self.suspend(name, True)
        wait_for("the end of all pods", lambda: all(not pod.is_alive() for pod in self.kubelet.all(self.ns)), 90)
        self.assertEqual(first.code(), STOPPED)
        reached = max(self.steps())
        self.assertLess(reached, STEPS - 1)
        self.chart("upgrade")  # with the same values
        time.sleep(3)
        self.assertIs(self.job()["spec"]["runPolicy"]["suspend"], True)
        self.assertFalse(any(pod.is_alive() for pod in self.kubelet.all(self.ns)))
        self.suspend(name, False)
        self.until_succeeded()
        self.assertEqual(self.steps(), list(range(STEPS)))
        self.assert_as_undisturbed()


class Releases(Rehearsal):
    def test_the_same_configuration_leaves_the_job_alone(self):
        self.install()
        self.until_step(3)
        before, pods = self.job(), {pod.uid for pod in self.kubelet.all(self.ns)}
        self.chart("upgrade")
        time.sleep(3)
        self.assertEqual(self.job()["metadata"]["uid"], before["metadata"]["uid"])
        self.until_succeeded()
        self.assertEqual(self.codes(), [0])
        self.assertEqual({pod.uid for pod in self.kubelet.all(self.ns)}, pods)

    def test_another_configuration_and_a_rollback_save_and_resume(self):
        self.install()
        self.until_step(4)
        first, name = self.launcher(), self.job()["metadata"]["name"]
        self.chart("upgrade", overrides=["checkpoint.keep=2"])
        other = self.job()["metadata"]["name"]
        self.assertNotEqual(other, name)
        second = self.launcher(but=[first])
        wait_for("the first launcher's end", lambda: not first.is_alive(), 90)
        self.assertEqual(first.code(), STOPPED)
        reached = max(self.steps())
        self.until_step(reached + 3)
        self.plane.helm("rollback", "-n", self.ns, "vae", "1")
        self.assertEqual(self.job()["metadata"]["name"], name)
        wait_for("the second launcher's end", lambda: not second.is_alive(), 90)
        self.assertEqual(second.code(), STOPPED)
        self.until_succeeded()
        self.assertEqual(self.steps(), list(range(STEPS)))
        self.assert_as_undisturbed()

    def test_a_resized_job_resumes_with_other_ranks(self):
        self.install()
        self.until_step(4)
        first = self.launcher()
        self.chart("upgrade", "workers=1")
        second = self.launcher(but=[first])
        self.until_succeeded()
        self.assertEqual([first.code(), second.code()], [STOPPED, 0])
        self.assertEqual(self.steps(), list(range(STEPS)))
        self.assert_logged(second, "resumes from step")
        self.assertEqual(len(list((self.run_folder / f"checkpoints/step-{STEPS:08d}").glob("*.safetensors"))), 2)

    def test_a_reinstalled_release_resumes_from_the_same_claim(self):
        self.install()
        self.until_step(4)
        first = self.launcher()
        self.plane.helm("uninstall", "-n", self.ns, "vae")
        wait_for("the end of all pods", lambda: all(not pod.is_alive() for pod in self.kubelet.all(self.ns)), 90)
        self.assertEqual(first.code(), STOPPED)
        self.assertEqual(self.plane.kubectl("-n", self.ns, "get", "pvc", "vae-ebb-checkpoints", "-o", "jsonpath={.status.phase}").stdout, "Bound")
        reached = max(self.steps())
        self.assertLess(reached, STEPS)
        self.install()
        self.until_succeeded()
        self.assertEqual(self.steps(), list(range(STEPS)))
        self.assert_as_undisturbed()


# The lanes take about the same time. A lane that compares with the undisturbed run starts with it.
LANES = {
    "launchers": (A_Undisturbed, Launchers, Suspension, Releases, OnePod),
    "workers": (A_Undisturbed, Workers, TwoNetworks, OtherUsers),
    "watched": (A_Undisturbed, Watched, Verdicts),
    "values": (A_Undisturbed, Nodes, Ends, Values, Policies),
    "memory": (Memory,),
    "older": (A_Undisturbed, OlderOperator),
}


def test_names(words):
    """The arguments of unittest."""
    left_out = set(Rehearsal.__subclasses__()) - {part for lane in LANES.values() for part in lane}
    if left_out:
        sys.exit(f"in no lane: {', '.join(sorted(part.__name__ for part in left_out))}")
    return [part.__name__ for part in LANES[words[0]]] if len(words) == 1 and words[0] in LANES else words


if __name__ == "__main__":
    source, ebb = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
    reason = reason_to_skip(source)
    if reason:
        print(f"skipped: {reason}")
        sys.exit(SKIPPED)
    move_inside()
    operator = "mpi-operator-older" if sys.argv[3:] == ["older"] else "mpi-operator"
    with World(source, ebb, operator) as world:
        Rehearsal.world = world
        done = unittest.main(argv=[sys.argv[0], *test_names(sys.argv[3:])], verbosity=2, exit=False)
    sys.exit(not done.result.wasSuccessful())
