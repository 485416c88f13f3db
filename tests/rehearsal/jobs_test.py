"""The chart, installed by helm into a real control plane, and its pods run as processes: to the end, and through what happens to pods.

  jobs_test.py SOURCE_DIR EBB [LANE | TEST…]

Without more, all of them one after another. A lane is a part of them with a control plane of its own; lanes may run at once, except `memory`.
Each test has a namespace of its own that enforces the Pod Security Standard `restricted`. The pods run their own commands (sshd, mpirun, the
program) as user 1000 in the tree that docker/install-runtime has made. Exit code 77 (skipped) where this machine cannot.
"""

import json
import os
import pathlib
import re
import signal
import sys
import time
import unittest

from jobs_memory import Memory  # noqa: F401: unittest finds them here
from jobs_verdicts import Verdicts  # noqa: F401
from jobs_watched import Watched  # noqa: F401
from jobs_workers import Workers  # noqa: F401
from kubelet import wait_for
from rehearsal import KILLED, NO_DATA, STEPS, STOPPED, Rehearsal
from world import World, move_inside, reason_to_skip

SKIPPED = 77


class A_Undisturbed(Rehearsal):
    """The first by its name: others compare with it."""

    def test_two_workers_of_two_ranks_train_to_the_end(self):
        notes = self.install().stdout
        # Until there is a launcher `kubectl logs -l` finds nothing, and ends.
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
        # In the launcher's log, which is all that most people look at, a line for each report.
        lines = re.findall(rf"^step (\d+)/{STEPS} \| loss \d", self.launcher().logs(), re.MULTILINE)
        self.assertIn(str(STEPS), lines, self.launcher().logs())
        done, said = self.helm_test()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr + said)
        self.assertRegex(said, "60 steps")


class Launchers(Rehearsal):
    def test_a_preempted_launcher_goes_on_bit_by_bit(self):
        self.install()
        self.until_step(15)
        first = self.launcher()
        self.preempt(first)
        self.until_succeeded()
        self.assertEqual(self.codes(), [STOPPED, 0])
        self.assertEqual(self.steps(), list(range(STEPS)))
        self.assert_as_undisturbed()

    def test_a_launcher_that_is_gone_at_once_takes_its_ranks_along(self):
        """As when its node is lost and its pod deleted by force. mpirun's daemons end the ranks, which may still save, or leave a lease to expire."""
        self.install()
        self.until_step(25)
        first = self.launcher()
        self.delete_pod(first, "--force", "--grace-period=0")
        second = self.launcher(but=[first])
        self.until_succeeded()
        self.assertEqual([first.code(), second.code()], [KILLED, 0])
        self.assert_said(second, "goes on from step [2-5]")
        self.assertEqual(self.steps(), list(range(STEPS)))
        self.assert_as_undisturbed()

    def test_a_launcher_deleted_during_a_save_hands_the_run_over_whole(self):
        """Its successor starts while it still saves: the folder's lease makes it wait."""
        self.install(overrides=["checkpoint.every=1"])
        self.until_step(5)
        first = self.launcher()
        rank = self.hang_a_save(self.worker(1))
        self.delete_pod(first)
        second = self.launcher(but=[first])
        wait_for("the second launcher's wait", lambda: re.search("waiting for /runs/.*, held by", second.logs()), 40)
        self.assertTrue(self.unfinished())
        self.assertTrue(first.is_alive())
        os.kill(rank, signal.SIGCONT)
        self.until_succeeded()
        self.assertEqual(self.codes(), [STOPPED, 0])
        self.assertEqual(self.steps(), list(range(STEPS)))
        self.assert_as_undisturbed()


class Suspension(Rehearsal):
    def test_a_suspended_job_saves_gives_its_pods_back_and_goes_on(self):
        """As a queue (Kueue) does it for a job that has to make room."""
        self.install()
        self.until_step(5)
        first, name = self.launcher(), self.job()["metadata"]["name"]
        self.suspend(name, True)
        wait_for("the end of all pods", lambda: all(not pod.is_alive() for pod in self.kubelet.all(self.ns)), 90)
        self.assertEqual(first.code(), STOPPED)
        reached = max(self.steps())
        self.assertLess(reached, STEPS - 1)
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

    def test_another_configuration_saves_and_goes_on_and_so_does_a_rollback(self):
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

    def test_a_resized_job_goes_on_with_other_ranks(self):
        self.install()
        self.until_step(4)
        first = self.launcher()
        self.chart("upgrade", "workers=1")
        second = self.launcher(but=[first])
        self.until_succeeded()
        self.assertEqual([first.code(), second.code()], [STOPPED, 0])
        self.assertEqual(self.steps(), list(range(STEPS)))
        self.assert_said(second, "goes on from step")
        self.assertEqual(len(list((self.run_folder / f"checkpoints/step-{STEPS:08d}").glob("*.safetensors"))), 2)

    def test_uninstalled_and_installed_again_it_goes_on_over_the_same_claim(self):
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


class OnePod(Rehearsal):
    """mode: job, without the operator."""

    MODE = "mode=job,workers=1,slotsPerWorker=2"

    def trainer(self, but=()):
        return wait_for("a trainer", lambda: next((pod for pod in reversed(self.kubelet.all(self.ns)) if pod not in but), None), 60)

    def job_conditions(self):
        (job,) = json.loads(self.plane.kubectl("-n", self.ns, "get", "jobs", "-o", "json").stdout)["items"]
        return {one["type"]: one.get("reason") for one in job["status"].get("conditions", [])}

    def test_a_deleted_pod_saves_and_another_goes_on(self):
        self.install(self.MODE, "job.backoffLimit=0")  # a stop on request is no failure
        self.until_step(5)
        first = self.trainer()
        self.delete_pod(first)
        second = self.trainer(but=[first])
        self.assertEqual(first.code(), STOPPED)
        wait_for("the job's end", lambda: "Complete" in self.job_conditions(), 120)
        self.assertEqual(second.code(), 0)
        self.assertEqual(self.steps(), list(range(STEPS)))

    def test_a_failure_that_another_try_cannot_mend_ends_the_job(self):
        self.install(self.MODE, overrides=["data.source=/data/elsewhere"])
        wait_for("the job's end", lambda: self.job_conditions().get("Failed") == "PodFailurePolicy", 60)
        self.assertEqual([pod.code() for pod in self.kubelet.all(self.ns)], [NO_DATA])
        self.assertIn("/data/elsewhere", self.trainer().message())


# Of about one length. Where others are compared with the undisturbed run, it is the first.
LANES = {
    "launchers": (A_Undisturbed, Launchers, Suspension, Releases, OnePod),
    "workers": (A_Undisturbed, Workers),
    "watched": (A_Undisturbed, Watched, Verdicts),
    "memory": (Memory,),
}


def tests_of(words):
    """What unittest is to run."""
    left_out = set(Rehearsal.__subclasses__()) - {part for lane in LANES.values() for part in lane}
    if left_out:
        sys.exit(f"no lane has {', '.join(sorted(part.__name__ for part in left_out))}")
    return [part.__name__ for part in LANES[words[0]]] if len(words) == 1 and words[0] in LANES else words


if __name__ == "__main__":
    source, ebb = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
    reason = reason_to_skip(source)
    if reason:
        print(f"skipped: {reason}")
        sys.exit(SKIPPED)
    move_inside()
    with World(source, ebb) as world:
        Rehearsal.world = world
        done = unittest.main(argv=[sys.argv[0], *tests_of(sys.argv[3:])], verbosity=2, exit=False)
    sys.exit(not done.result.wasSuccessful())
