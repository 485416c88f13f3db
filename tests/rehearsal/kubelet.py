# SPDX-License-Identifier: Apache-2.0
"""A small replacement for the scheduler and the kubelets of two nodes.

It runs the pods of an API server as processes of this machine. It supports the features that the
chart's pods use, and fails a pod that needs another one. It does not support seccomp, logs through
the API (they are files here), and control groups other than those of memory and CPU.
"""

import threading
import time

import limits
import policies
from api import Missing, pod_path
from pod import Pod
from resolver import Resolver
from status import now

NODES = ("node-0", "node-1")
WATCHED = []  # functions that raise if all waiting is in vain


class Kubelet:
    def __init__(self, api, network, images, folder, log=print):
        """images: name of an image -> (folder of its root, [(source, target)] mounted over it)."""
        self.api, self.network, self.images, self.folder, self.log = api, network, images, folder, log
        self.pods, self.unscheduled, self.held = {}, {}, set()
        self.lock, self.ended = threading.Lock(), threading.Event()
        self.errors = []
        self.limits = limits.parents()  # folders of the limits of memory and CPU, as far as they are allowed here
        self.open_because = policies.reason_not_to()  # why network policies are not enforced; empty: they are
        self.policies = None if self.open_because else policies.Policies(self)
        self.kills_whole = False  # whether a container above its memory limit is killed as a whole
        self.key_owner = None  # (part of a pod's name, user, mode): wrong owner and mode of its secrets

    def __enter__(self):
        for name in NODES:
            self.api.post("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}})
            self.set_ready(name, True)
        self.resolver = Resolver(self.network.gateway, self.address_of)
        self.resolver.start()
        works = [self._watch, self._schedule] + ([self.policies.watch] if self.policies else [])
        for work in works:
            threading.Thread(target=work, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        with self.lock:
            pods = list(self.pods.values())
        for pod in pods:
            pod.abandon()
        for pod in pods:
            pod.join(20)
        self.resolver.close()
        for folder in set(self.limits.values()):
            limits.remove(folder)

    # Faults of nodes, for tests.

    def set_ready(self, name, ready):
        """Sets the condition Ready of a node, as its kubelet does, or the controller that misses the kubelet."""
        condition = {"type": "Ready", "status": str(ready), "reason": "KubeletReady" if ready else "NodeStatusUnknown", "lastHeartbeatTime": now(), "lastTransitionTime": now()}
        self.api.patch(f"/api/v1/nodes/{name}/status", {"status": {"conditions": [condition]}})

    def hold(self, name):
        """Schedules no pod of this name until release()."""
        with self.lock:
            self.held.add(name)

    def release(self, name):
        with self.lock:
            self.held.discard(name)

    def find(self, namespace, part):
        """The newest pod of this namespace whose name contains `part`."""
        with self.lock:
            found = [pod for pod in self.pods.values() if pod.namespace == namespace and part in pod.name]
        return found[-1] if found else None

    def all(self, namespace, part=""):
        with self.lock:
            return [pod for pod in self.pods.values() if pod.namespace == namespace and part in pod.name]

    def everyone(self):
        """The pods of all namespaces."""
        with self.lock:
            return list(self.pods.values())

    def address_of(self, hostname, service, namespace):
        """Resolves a pod that is ready. One that is not ready has a name only if its Service says so."""
        with self.lock:
            found = [pod for pod in self.pods.values() if (pod.namespace, pod.hostname, pod.subdomain) == (namespace, hostname, service) and pod.address]
        for pod in found:
            if pod.is_ready() or self._publishes(service, namespace):
                return pod.address
        return None

    def _publishes(self, service, namespace):
        """Whether the Service also publishes the addresses of pods that are not ready."""
        try:
            return self.api.get(f"/api/v1/namespaces/{namespace}/services/{service}")["spec"].get("publishNotReadyAddresses", False)
        except Missing:
            return False

    def _watch(self):
        while not self.ended.is_set():
            try:
                for kind, thing in self.api.watch("/api/v1/pods"):
                    if self.ended.is_set():
                        return
                    self._see(kind, thing)
            except Exception as error:  # the server restarts, or ends before the test
                if not self.ended.is_set():
                    self.log(f"kubelet: {error}; watching again")
                    self.ended.wait(1)

    def _see(self, kind, thing):
        uid = thing["metadata"]["uid"]
        with self.lock:
            known = self.pods.get(uid)
            if known is None and kind != "DELETED":
                if not thing["spec"].get("nodeName"):
                    self.unscheduled[uid] = thing
                    return
                self.unscheduled.pop(uid, None)
                if thing["status"].get("phase") in ("Succeeded", "Failed"):
                    return
                known = self.pods[uid] = Pod(self, thing)
                known.start()
                return
            if kind == "DELETED":
                self.unscheduled.pop(uid, None)
        if known is not None:
            known.see(kind, thing)

    def _schedule(self):
        turn = 0
        while not self.ended.wait(0.2):
            with self.lock:
                free = [pod for pod in self.unscheduled.values() if pod["metadata"]["name"] not in self.held]
            try:
                nodes = self._nodes() if free else []
                for pod in free if nodes else ():
                    if not pod["metadata"].get("deletionTimestamp"):
                        self._bind(pod, nodes[turn % len(nodes)])
                        turn += 1
                    with self.lock:
                        self.unscheduled.pop(pod["metadata"]["uid"], None)
            except Exception as error:
                self.log(f"kubelet: {error}")

    def _nodes(self):
        """The nodes that take pods: not those that are drained."""
        return [name for name in NODES if not self.api.get(f"/api/v1/nodes/{name}")["spec"].get("unschedulable")]

    def _bind(self, pod, node):
        try:
            self.api.post(pod_path(pod, "/binding"), {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod["metadata"]["name"]},
                                                      "target": {"apiVersion": "v1", "kind": "Node", "name": node}})
        except Missing:
            pass  # the pod has been deleted meanwhile

    def fail(self, pod, error):
        """Records an error of this replacement, not of the pod."""
        self.errors.append(f"{pod.namespace}/{pod.name}: {error}")
        self.log(f"kubelet: {pod.namespace}/{pod.name}: {error}")


def wait_for(what, ready, seconds, every=0.2):
    """Waits until `ready` returns a true value, and returns it. Raises at once if a function of WATCHED does."""
    end = time.monotonic() + seconds
    while True:
        try:
            found = ready()
        except Exception:
            check_all()
            raise
        if found:
            return found
        check_all()
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(every)


def check_all():
    for check in WATCHED:
        check()
