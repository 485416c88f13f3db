# SPDX-License-Identifier: Apache-2.0
"""Network policies as rules of nftables in the pods' network namespaces, as a network plugin enforces them.

It supports what the chart renders, and raises an error for all else. A pod without an address gets
its rules before its containers start. Changes of a policy are enforced within a second or two.
"""

import shutil
import subprocess
import threading

PROGRAM = shutil.which("nft", path="/usr/local/sbin:/usr/sbin:/sbin:/usr/bin")
# The first three rules of a chain: replies, the pod itself, and the pod's node, which no policy excludes.
CHAIN = """  chain {hook} {{
    type filter hook {hook} priority 0; policy {policy};
    ct state established,related accept
    {interface} "lo" accept
    {rules}
  }}
"""


def reason_not_to():
    """Why policies cannot be enforced here; empty if they can."""
    if not PROGRAM:
        return "nft is missing (scripts/setup full installs nftables)"
    tried = subprocess.run(["unshare", "--net", PROGRAM, "-f", "-"], input=ruleset({"input": ["udp dport 53 accept"], "output": None}), capture_output=True, text=True)
    return f"this machine does not allow rules of nftables: {tried.stderr.strip()}" if tried.returncode else ""


def ruleset(chains):
    """chains: hook -> list of rules, or None if all is allowed."""
    text = "flush ruleset\ntable inet ebb {\n"
    for hook, rules in chains.items():
        text += CHAIN.format(hook=hook, interface="iifname" if hook == "input" else "oifname", policy="accept" if rules is None else "drop", rules="\n    ".join(rules or []))
    return text + "}\n"


def selects(selector, labels):
    other = set(selector) - {"matchLabels"}
    if other:
        raise ValueError(f"the replacement of the kubelet does not know a selector with {', '.join(sorted(other))}")
    return selector.get("matchLabels", {}).items() <= labels.items()


class Cluster:
    """The pods and namespaces at one time. pods: a list of (namespace, labels, address)."""

    def __init__(self, pods, namespaces, node):
        self.pods, self.namespaces, self.node = pods, namespaces, node

    def addresses(self, peer, namespace):
        """The addresses of the pods that a peer of a policy of this namespace selects."""
        other = set(peer) - {"podSelector", "namespaceSelector"}
        if other:
            raise ValueError(f"the replacement of the kubelet does not know a peer with {', '.join(sorted(other))}")
        for place, labels, address in self.pods:
            here = selects(peer["namespaceSelector"], self.namespaces.get(place, {})) if "namespaceSelector" in peer else place == namespace
            if here and selects(peer.get("podSelector", {}), labels):
                yield address

    def _rules(self, rule, side, field, namespace):
        """The rules of nftables for one rule of a policy. side: `from` or `to`; field: the address of the other pod."""
        where = ""
        if rule.get(side):
            found = sorted({address for peer in rule[side] for address in self.addresses(peer, namespace)})
            if not found:
                return
            where = f"ip {field} {{ {', '.join(found)} }} "
        if not rule.get("ports"):
            yield f"{where}accept"
        for port in rule.get("ports", []):
            yield f"{where}{port.get('protocol', 'TCP').lower()} dport {port['port']} accept"

    def chains(self, policies, namespace, labels):
        """The chains of a pod, for ruleset(). A direction in which no policy selects the pod is open."""
        chains = {"input": None, "output": None}
        for policy in policies:
            spec = policy["spec"]
            if policy["metadata"]["namespace"] != namespace or not selects(spec["podSelector"], labels):
                continue
            for kind, key, side, hook, field in (("Ingress", "ingress", "from", "input", "saddr"), ("Egress", "egress", "to", "output", "daddr")):
                if kind not in spec["policyTypes"]:
                    continue
                if chains[hook] is None:
                    chains[hook] = [f"ip saddr {self.node} accept"] if hook == "input" else []
                chains[hook] += [line for rule in spec.get(key, []) for line in self._rules(rule, side, field, namespace)]
        return chains


class Policies:
    def __init__(self, kubelet):
        self.kubelet, self.lock, self.applied = kubelet, threading.Lock(), {}

    def update(self):
        """Enforces the policies of the server in all pods that have an address."""
        with self.lock:
            api = self.kubelet.api
            policies = api.get("/apis/networking.k8s.io/v1/networkpolicies")["items"]
            namespaces = {one["metadata"]["name"]: one["metadata"].get("labels", {}) for one in api.get("/api/v1/namespaces")["items"]}
            pods = [(pod, pod.address, pod.sandbox) for pod in self.kubelet.everyone() if pod.address and pod.sandbox]
            cluster = Cluster([(pod.namespace, labels_of(pod), address) for pod, address, _ in pods], namespaces, self.kubelet.network.gateway)
            for pod, _, sandbox in pods:
                text = ruleset(cluster.chains(policies, pod.namespace, labels_of(pod)))
                if self.applied.get(pod.uid) != text:
                    done = subprocess.run(["nsenter", "--target", str(sandbox.pause.pid), "--net", "--", PROGRAM, "-f", "-"], input=text, capture_output=True, text=True)
                    if done.returncode and pod.address:  # not one that ended meanwhile
                        raise RuntimeError(f"nft: {done.stderr}{text}")
                    self.applied[pod.uid] = text

    def watch(self):
        while not self.kubelet.ended.wait(1):
            try:
                self.update()
            except Exception as error:  # the server restarts, or ends before the test
                if not self.kubelet.ended.is_set():
                    self.kubelet.log(f"kubelet: {error}; updating the policies again")


def labels_of(pod):
    return pod.thing["metadata"].get("labels", {})
