# SPDX-License-Identifier: Apache-2.0
"""The network policy, enforced by rules of nftables. The other rehearsals run under it too."""

import json

from kubelet import wait_for
from rehearsal import LONG, Rehearsal

LISTENER = "ssh-keygen -q -N '' -f /tmp/key && exec /usr/sbin/sshd -De -f /dev/null -p 8080 -h /tmp/key -o PidFile=/tmp/pid"


class Policies(Rehearsal):
    def stranger(self, name, namespace, **labels):
        """A pod of no release. It listens on port 8080."""
        security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace, "labels": labels},
               "spec": {"automountServiceAccountToken": False, "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
                        "containers": [{"name": "ebb", "image": "ebb:0.2.0", "command": ["bash", "-c", LISTENER], "securityContext": security}]}}
        self.plane.kubectl("apply", "-f", "-", input=json.dumps(pod))
        found = wait_for(f"the pod {name}", lambda: self.kubelet.find(namespace, name), 30)
        wait_for(f"the listener of {name}", lambda: found.address and found.containers.get("ebb") and self.reaches(found, "127.0.0.1", 8080), 30)
        return found

    @staticmethod
    def reaches(pod, address, port):
        return pod.containers["ebb"].execute(["timeout", "2", "bash", "-c", f"exec 3<>/dev/tcp/{address}/{port}"], 5) == 0

    def assert_reached(self, expected, pod, other, port):
        self.assertEqual(self.reaches(pod, other.address, port), expected, f"{pod.name} to {other.name}, port {port}")

    def test_the_network_policy_admits_the_release_prometheus_and_the_extra_egress(self):
        if self.kubelet.open_because:
            self.skip(self.kubelet.open_because)
        self.plane.namespace("monitoring")
        self.addCleanup(self.plane.kubectl, "delete", "namespace", "monitoring", "--wait=false")
        self.install("metrics.enabled=true", overrides=LONG)
        named = {"app.kubernetes.io/name": "prometheus"}
        beside = self.stranger("beside", self.ns, **named)
        prometheus, other = self.stranger("prometheus", "monitoring", **named), self.stranger("other", "monitoring")
        self.until_step(3)
        launcher, worker, second = self.launcher(), self.worker(0), self.worker(1)
        self.assert_reached(True, beside, other, 8080)  # neither has a policy
        for pod, port, expected in ((second, 2222, True), (launcher, 2222, True), (prometheus, 9400, True), (prometheus, 2222, False), (beside, 2222, False), (beside, 9400, False), (other, 9400, False)):
            self.assert_reached(expected, pod, worker, port)
        self.assert_reached(False, worker, other, 8080)
        egress = "networkPolicy.extraEgress[0]"
        self.chart("upgrade", f"metrics.enabled=true,{egress}.to[0].namespaceSelector.matchLabels.kubernetes\\.io/metadata\\.name=monitoring,{egress}.ports[0].port=8080", overrides=LONG)
        wait_for("the extra egress", lambda: self.reaches(worker, other.address, 8080), 20)
        self.assert_reached(False, worker, beside, 8080)
        self.chart("upgrade", "metrics.enabled=true,networkPolicy.enabled=false", overrides=LONG)
        wait_for("the end of the policy", lambda: self.reaches(beside, worker.address, 2222), 20)
        # The policy is not part of the job.
        self.assertIs(self.launcher(), launcher)
        self.until_step(max(self.steps()) + 3)
