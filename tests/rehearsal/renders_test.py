# SPDX-License-Identifier: Apache-2.0
"""Checks every golden render of the chart with a real API server.

  renders_test.py SOURCE_DIR

The server knows the definitions of the MPI operator and of the monitoring operator. It checks the
fields of an MPIJob's pods, but the Pod Security Standard only for pods themselves. The test
therefore also submits each job's pods. Exit code 77 (skipped) if the control plane is missing.
"""

import json
import pathlib
import re
import shlex
import sys
import unittest

from control_plane import ControlPlane, missing_parts

SKIPPED = 77
SOURCE = pathlib.Path(sys.argv[1]).resolve()
GOLDEN = sorted((SOURCE / "tests/charts/golden").glob("*.yaml"))
# (render, role) -> the violation of the standard by its pods; role None: all of them
BEYOND = {("host-path", None): "hostPath", ("rdma", "worker"): "IPC_LOCK"}
# Objects that pods refer to. Without them the server refuses a pod before it checks its security.
NAMED = [{"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "nvidia"}, "handler": "nvidia"},
         {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "high"}, "value": 1000},
         *({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "n"}} for name in ("r-ebb", "other"))]


def templates(thing):
    """The pod templates of a Job or an MPIJob."""
    if thing["kind"] == "MPIJob":
        return [role["template"] for role in thing["spec"]["mpiReplicaSpecs"].values()]
    return [thing["spec"]["template"]] if thing["kind"] == "Job" else []


class Renders(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.plane = ControlPlane(SOURCE / ".deps/bin", SOURCE / ".deps/kube/crds")
        cls.enterClassContext(cls.plane)
        cls.plane.namespace("n")
        for level in ("baseline", "privileged"):
            cls.plane.namespace(level, level)
        cls.plane.kubectl("apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": NAMED}))

    def dry_run(self, text, *more, namespace="n"):
        return self.plane.kubectl("apply", "--dry-run=server", "--validate=strict", "-n", namespace, "-f", "-", *more, check=False, input=text)

    def test_the_server_accepts_every_golden_render(self):
        self.assertGreaterEqual(len(GOLDEN), 5)
        for path in GOLDEN:
            with self.subTest(path.stem):
                done = self.dry_run(path.read_text())
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertNotIn("Warning", done.stderr)

    def test_pods_meet_the_restricted_standard_except_known_violations(self):
        for path in GOLDEN:
            things = json.loads(self.dry_run(path.read_text(), "-o", "json").stdout)
            pods = [template for thing in things.get("items", [things]) for template in templates(thing)]
            self.assertTrue(pods, path)
            for pod in pods:
                role = pod["metadata"]["labels"]["app.kubernetes.io/component"]
                beyond = BEYOND.get((path.stem, None), BEYOND.get((path.stem, role)))
                with self.subTest(path.stem, role=role):
                    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {**pod["metadata"], "name": "p"}, "spec": pod["spec"]}
                    # The claim that a pod refers to need not exist for this check.
                    done = self.dry_run(json.dumps(pod))
                    if beyond:
                        self.assertIn('violates PodSecurity "restricted', done.stderr)
                        self.assertIn(beyond, done.stderr)
                        self.assert_level_needed(pod)
                    else:
                        self.assertEqual(done.returncode, 0, done.stderr)

    def assert_level_needed(self, pod):
        """A pod beyond `restricted` needs the level `privileged`; `baseline` is not enough."""
        # Only the namespace `n` has the service accounts of the renders.
        pod = {**pod, "spec": {key: value for key, value in pod["spec"].items() if key != "serviceAccountName"}}
        self.assertIn('violates PodSecurity "baseline', self.dry_run(json.dumps(pod), namespace="baseline").stderr)
        done = self.dry_run(json.dumps(pod), namespace="privileged")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_the_server_accepts_the_pod_of_the_page_that_fills_a_claim(self):
        page = (SOURCE / "docs/kubernetes.md").read_text()
        (command,) = re.findall(r"^ *kubectl (run fill .*?\}\]\}\}')$", page, re.MULTILINE | re.DOTALL)
        words = shlex.split(command.replace("REGISTRY", "registry.example"))
        done = self.plane.kubectl("-n", "n", *words, "--dry-run=server", "-o", "json", check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stderr)
        spec = json.loads(done.stdout)["spec"]
        self.assertEqual(spec["volumes"][0]["persistentVolumeClaim"]["claimName"], "datasets")
        self.assertEqual(spec["containers"][0]["volumeMounts"][0]["mountPath"], "/data")

    def test_the_server_refuses_an_unknown_field(self):
        text = (SOURCE / "tests/charts/golden/mpijob.yaml").read_text()
        self.assertIn("imagePullPolicy", text)
        done = self.dry_run(text.replace("imagePullPolicy", "imagePulPolicy"))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("imagePulPolicy", done.stderr)


if __name__ == "__main__":
    reason = missing_parts(SOURCE / ".deps/bin", SOURCE / ".deps/kube/crds")
    if reason:
        print(f"skipped: {reason}")
        sys.exit(SKIPPED)
    unittest.main(argv=sys.argv[:1], verbosity=2)
