# SPDX-License-Identifier: Apache-2.0
"""Tests parts of the rehearsal that need no control plane.

  parts_test.py
"""

import pathlib
import tempfile
import threading
import time
import types
import unittest

import kubelet
import limits
from control_plane import ControlPlane
from policies import Cluster, ruleset
from volumes import cores


class DeadProgram(unittest.TestCase):
    """A program of the control plane that ends is named by the test that meets it."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.bin = pathlib.Path(folder.name)
        self.program("etcd", "echo the disk is full; exit 3")
        self.program("kubectl", "echo connection refused >&2; exit 1")
        self.plane = ControlPlane(self.bin, None)
        self.addCleanup(self.plane.__exit__)
        kubelet.WATCHED.append(self.plane.check)
        self.addCleanup(kubelet.WATCHED.clear)

    def program(self, name, text):
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def test_a_wait_ends_at_once_and_names_it(self):
        self.plane._run("etcd")
        begun = time.monotonic()
        self.assertRaisesRegex(RuntimeError, "etcd ended with code 3:\nthe disk is full", kubelet.wait_for, "a launcher", lambda: False, 60)
        self.assertLess(time.monotonic() - begun, 10)

    def test_a_client_that_fails_because_of_it_names_it(self):
        self.plane._run("etcd")
        self.plane.processes[0][1].wait()
        self.assertRaisesRegex(RuntimeError, "etcd ended with code 3", self.plane.kubectl, "get", "pods")
        self.assertRaisesRegex(RuntimeError, "etcd ended with code 3", kubelet.wait_for, "a launcher", lambda: 1 / 0, 60)

    def test_another_failure_of_a_client_stays_what_it_is(self):
        self.program("etcd", "exec sleep 60")
        self.plane._run("etcd")
        self.assertRaisesRegex(RuntimeError, "kubectl.*: code 1\nconnection refused", self.plane.kubectl, "get", "pods")
        self.assertRaisesRegex(AssertionError, "a launcher: not within 0.1 s", kubelet.wait_for, "a launcher", lambda: False, 0.1)


class Cores(unittest.TestCase):
    def test_quantities(self):
        self.assertEqual([cores(text) for text in ("2", 2, "1.5", "500m")], [2, 2, 1.5, 0.5])

    def test_a_group_gets_the_quota(self):
        above = limits.parents()
        for folder in set(above.values()):
            self.addCleanup(limits.remove, folder)
        if set(above) != {"memory", "cpu"}:
            print(f"\nskipped: test_a_group_gets_the_quota: this machine allows only limits of {', '.join(above) or 'nothing'}", flush=True)
            self.skipTest("control groups")
        limit = limits.Limit(above, "one", 64, cores=0.5)
        folders = [pathlib.Path(group["folder"]) for group in limit.groups]
        found = [path.read_text().split()[0] for folder in folders for path in (folder / "cpu.max", folder / "cpu.cfs_quota_us") if path.exists()]
        limit.close()
        self.assertEqual(found, ["50000"])
        self.assertFalse(any(folder.exists() for folder in folders))


class Names(unittest.TestCase):
    def test_only_ready_pods_have_a_name_unless_their_service_says_otherwise(self):
        spec, ready = {}, False
        nodes = kubelet.Kubelet.__new__(kubelet.Kubelet)
        nodes.lock, nodes.api = threading.Lock(), types.SimpleNamespace(get=lambda _: {"spec": spec})
        nodes.pods = {"u": types.SimpleNamespace(namespace="n", hostname="w-0", subdomain="w", address="10.0.0.2", is_ready=lambda: ready)}
        self.assertIsNone(nodes.address_of("w-0", "w", "n"))
        spec["publishNotReadyAddresses"] = True
        self.assertEqual(nodes.address_of("w-0", "w", "n"), "10.0.0.2")
        spec["publishNotReadyAddresses"] = False
        ready = True
        self.assertEqual(nodes.address_of("w-0", "w", "n"), "10.0.0.2")
        self.assertIsNone(nodes.address_of("w-0", "w", "elsewhere"))


class NetworkPolicies(unittest.TestCase):
    CLUSTER = Cluster([("n", {"app": "a"}, "10.0.0.2"), ("n", {"app": "b"}, "10.0.0.3"), ("m", {"app": "a"}, "10.0.0.4")], {"n": {}, "m": {"name": "m"}}, "10.0.0.1")

    def chains(self, labels=None, **spec):
        policy = {"metadata": {"namespace": "n"}, "spec": {"podSelector": {"matchLabels": {"app": "a"}}, "policyTypes": ["Ingress", "Egress"], **spec}}
        return self.CLUSTER.chains([policy], "n", labels or {"app": "a"})

    def test_a_pod_that_no_policy_selects_is_open(self):
        self.assertEqual(self.chains(labels={"app": "b"}), {"input": None, "output": None})
        self.assertEqual(self.chains(policyTypes=["Ingress"])["output"], None)
        self.assertIn("policy accept", ruleset({"input": None}))

    def test_a_policy_without_rules_admits_only_the_node(self):
        self.assertEqual(self.chains(), {"input": ["ip saddr 10.0.0.1 accept"], "output": []})
        self.assertIn("policy drop", ruleset({"input": []}))

    def test_peers_are_of_the_namespace_unless_they_name_others(self):
        peers = [{"podSelector": {"matchLabels": {"app": "a"}}}]
        self.assertEqual(self.chains(egress=[{"to": peers}])["output"], ["ip daddr { 10.0.0.2 } accept"])
        peers[0]["namespaceSelector"] = {"matchLabels": {"name": "m"}}
        self.assertEqual(self.chains(egress=[{"to": peers, "ports": [{"port": 9}]}])["output"], ["ip daddr { 10.0.0.4 } tcp dport 9 accept"])
        # Peers that select nothing admit nothing.
        peers[0]["podSelector"] = {"matchLabels": {"app": "c"}}
        self.assertEqual(self.chains(egress=[{"to": peers}])["output"], [])

    def test_ports_without_peers_are_open_to_all(self):
        self.assertEqual(self.chains(egress=[{"ports": [{"port": 53, "protocol": "UDP"}]}])["output"], ["udp dport 53 accept"])

    def test_what_it_does_not_know_is_refused(self):
        for peer in ({"ipBlock": {"cidr": "10.0.0.0/8"}}, {"podSelector": {"matchExpressions": []}}):
            self.assertRaisesRegex(ValueError, "does not know", self.chains, ingress=[{"from": [peer]}])


if __name__ == "__main__":
    unittest.main(verbosity=2)
