# SPDX-License-Identifier: Apache-2.0
"""A pod from its binding to its end: volumes, containers, restarts, readiness, status, deletion."""

import re
import shutil
import threading
import time

from ending import Ending
from limits import Limit
from sandbox import Container, Sandbox, rights
from status import Status, now
from volumes import NotYet, Volumes, cores, megabytes

TICK = 0.1


class Deleted(Exception):
    pass


class Pod(Status, Ending, threading.Thread):
    def __init__(self, kubelet, thing):
        threading.Thread.__init__(self, daemon=True)
        self.kubelet, self.api, self.thing = kubelet, kubelet.api, thing
        self.spec, self.name, self.namespace = thing["spec"], thing["metadata"]["name"], thing["metadata"]["namespace"]
        self.uid = thing["metadata"]["uid"]
        self.hostname, self.subdomain = self.spec.get("hostname", self.name), self.spec.get("subdomain")
        self.folder = kubelet.folder / "pods" / f"{self.namespace}_{self.name}_{self.uid[:8]}"
        self.address, self.sandbox, self.volumes, self.containers, self.runs = None, None, None, {}, []
        self.statuses, self.first_statuses, self.phase, self.ready, self.initialized = {}, {}, "Pending", False, False
        self.started = now()
        self.delete, self.abandoned, self.eviction, self.gone = None, threading.Event(), None, threading.Event()
        self.stopping = False
        self.failures = {}
        self.probes = []  # (seconds, exit code or None) of each
        self.next_probe = {}
        self.changed = {}
        if thing["metadata"].get("deletionTimestamp"):
            self.see("MODIFIED", thing)

    # The interface for other threads.

    def see(self, kind, thing):
        if kind == "DELETED":
            self.gone.set()
        elif thing["metadata"].get("deletionTimestamp"):
            self.delete = thing["metadata"].get("deletionGracePeriodSeconds", 30)

    def abandon(self):
        self.abandoned.set()

    def evict(self, message="The node was low on resource: memory."):
        """Evicts the pod without a grace period, like a node that runs out of memory."""
        self.eviction = message

    def cut_off(self):
        """Drops all packets to the pod, like a node without power or network."""
        self.kubelet.network.cut(self.address)

    def logs(self):
        """The logs of all runs of its containers."""
        return "".join(f"--- {run.folder.name}\n{run.log_text()}" for run in self.runs)

    def code(self):
        """The first exit code of its containers that is not 0, else 0; None while one runs."""
        codes = [status["state"].get("terminated", {}).get("exitCode") for status in self.statuses.values()]
        return None if None in codes or not codes else next(filter(None, codes), 0)

    def is_ready(self):
        return bool(self.statuses) and all(status["ready"] for status in self.statuses.values())

    def message(self):
        states = [status["state"].get("terminated") or status["lastState"].get("terminated") for status in self.statuses.values()]
        return "\n".join(state["message"] for state in states if state and state.get("message"))

    # The pod's own thread.

    def run(self):
        try:
            self._run_pod()
        except Deleted:
            self._end()
        except Exception as error:
            if not self.abandoned.is_set():
                self.kubelet.fail(self, repr(error))
                self.phase = "Failed"
                self._report(reason="RehearsalFailed", message=str(error))
        finally:
            self._close()

    def _close(self):
        for run in self.runs:
            run.kill()
        for run in self.runs:
            try:
                run.process.wait(10)
            except Exception:
                run.process.kill()
            if run.limit:
                run.limit.close()
            for part in ("root", "upper", "work"):
                shutil.rmtree(run.folder / part, ignore_errors=True)
        self.address = None
        if self.sandbox:
            self.sandbox.close()
            self.sandbox = None
        if self.volumes:
            self.volumes.close()

    def _check(self):
        if self.abandoned.is_set() or self.delete is not None or self.eviction or self.gone.is_set():
            raise Deleted

    def _sleep(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._check()
            time.sleep(TICK)

    def _run_pod(self):
        unknown = [c["image"] for c in self.spec.get("initContainers", []) + self.spec["containers"] if c["image"] not in self.kubelet.images]
        for container in self.spec.get("initContainers", []):
            self.first_statuses[container["name"]] = self._status(container, {"waiting": {"reason": "PodInitializing"}})
        for container in self.spec["containers"]:
            self.statuses[container["name"]] = self._status(container, {"waiting": {"reason": "ErrImagePull" if unknown else "ContainerCreating"}})
        self._report()
        while unknown:
            self._sleep(1)
        self.volumes = Volumes(self.api, self.thing, self.folder, self.kubelet.key_owner)
        while True:
            try:
                self.volumes.prepare()
                break
            except NotYet:
                self._sleep(0.5)
        self.sandbox = Sandbox(self.kubelet.network, self.thing, self.folder / "sandbox")
        self.address = self.sandbox.address
        if self.kubelet.policies:
            self.kubelet.policies.update()
        self._report()
        for container in self.spec.get("initContainers", []):
            if not self._initialize(container):
                return
        self.initialized = True
        self._serve()

    def _initialize(self, container):
        """Runs an init container. False if the pod has failed."""
        while True:
            run = self._start(container)
            self.first_statuses[container["name"]] = self._running(container, run)
            self._report()
            while run.code() is None:
                self._sleep(TICK)
            status = self._terminated(container, run, self.first_statuses)
            if run.code() == 0:
                status["ready"] = True
                self._report()
                return True
            if self.spec.get("restartPolicy") == "Never":
                self.phase = "Failed"
                self._report()
                return False
            self._report()
            self._sleep(self._backoff(status["restartCount"]))

    def _serve(self):
        running, due = {}, {container["name"]: 0.0 for container in self.spec["containers"]}
        by_name = {container["name"]: container for container in self.spec["containers"]}
        self.containers = running
        while True:
            self._check()
            before = repr((self.statuses, self.phase))
            for name, at in list(due.items()):
                if time.monotonic() >= at:
                    del due[name]
                    running[name] = self._start(by_name[name])
                    self.statuses[name] = self._running(by_name[name], running[name])
                    self.phase = "Running"
            for name, run in list(running.items()):
                code = run.code()
                if code is None:
                    self._probe(by_name[name], run)
                    continue
                del running[name]
                status = self._terminated(by_name[name], run, self.statuses)
                policy = self.spec.get("restartPolicy", "Always")
                if policy == "Always" or (policy == "OnFailure" and code):
                    wait = self._backoff(status["restartCount"])
                    due[name] = time.monotonic() + wait
                    if wait:
                        status["lastState"], status["state"] = status["state"], {"waiting": {"reason": "CrashLoopBackOff"}}
            if not running and not due:
                self.phase = "Failed" if any(status["state"]["terminated"]["exitCode"] for status in self.statuses.values()) else "Succeeded"
                self._report()
                return
            if repr((self.statuses, self.phase)) != before:
                self._report()
            time.sleep(TICK)

    @staticmethod
    def _backoff(restarts):
        """The delay of a restart in seconds. The first restart has none."""
        return 0 if restarts == 0 else min(300, 10 * 2 ** (restarts - 1))

    def _environment(self, container):
        env = {}
        for variable in container.get("env", []):
            source = variable.get("valueFrom")
            if not source:
                env[variable["name"]] = variable.get("value", "")
            elif "fieldRef" in source:
                env[variable["name"]] = self._field(source["fieldRef"]["fieldPath"])
            else:
                raise ValueError(f"the replacement of the kubelet does not know a variable from {', '.join(source)}")
        if container.get("envFrom"):
            raise ValueError("the replacement of the kubelet does not know envFrom")
        return env

    def _field(self, path):
        """A field of the downward API. A label that does not exist is empty, as with a kubelet."""
        keyed = re.fullmatch(r"metadata\.(labels|annotations)\['([^']+)'\]", path)
        if keyed:
            return self.thing["metadata"].get(keyed[1], {}).get(keyed[2], "")
        return {"metadata.name": self.name, "metadata.namespace": self.namespace, "metadata.uid": self.uid, "spec.nodeName": self.spec["nodeName"],
                "status.podIP": self.address, "status.hostIP": self.kubelet.network.gateway}[path]

    def _start(self, container):
        image, over = self.kubelet.images[container["image"]]
        env = self._environment(container)
        words = [word if "$(" not in word else self._expand(word, env) for word in container.get("command", ["/usr/bin/tini", "--"]) + container.get("args", [])]
        mounts = []
        for mount in sorted(container.get("volumeMounts", []), key=lambda one: one["mountPath"].count("/")):
            source = self.volumes.paths[mount["name"]]
            if mount.get("subPath"):
                source = f"{source}/{mount['subPath']}"
            mounts.append({"source": str(source), "target": mount["mountPath"], "readonly": mount.get("readOnly", False) or mount["name"] in self.volumes.readonly})
        # Last, since a checkout in /tmp has the program's libraries below a volume of the pod.
        mounts += [{"source": source, "target": target, "readonly": True} for source, target in over]
        context = container.get("securityContext", {})
        start = f"{container['name']}-{len(self.runs)}"
        run = Container(self.sandbox, image, self.folder / start, words, env, mounts, rights(self.spec.get("securityContext", {}), context),
                        context.get("readOnlyRootFilesystem", False), self._limit(container, start))
        if run.limit:
            run.limit.watch(run.kill)
        self.runs.append(run)
        self.next_probe.pop(container["name"], None)
        return run

    def _limit(self, container, start):
        """The container's own control groups, of which one counts its kills; None if not allowed."""
        above = self.kubelet.limits
        if "memory" not in above:
            return None
        wanted = container.get("resources", {}).get("limits", {})
        size, cpu = (wanted.get(name) for name in ("memory", "cpu"))
        return Limit(above, f"{self.uid[:8]}-{start}", megabytes(size) if size else None, self.kubelet.kills_whole and bool(size), cores(cpu) if cpu else None)

    @staticmethod
    def _expand(word, env):
        for name, value in env.items():
            word = word.replace(f"$({name})", value)
        return word

    def _probe(self, container, run):
        """Updates the readiness. A container without a probe is ready once it runs."""
        name, probe = container["name"], container.get("readinessProbe")
        if probe is None:
            self.statuses[name]["ready"] = True
            return
        if "exec" not in probe:
            raise ValueError("the replacement of the kubelet knows only exec probes")
        if time.monotonic() < self.next_probe.setdefault(name, run.started + probe.get("initialDelaySeconds", 0)):
            return
        self.next_probe[name] = time.monotonic() + probe.get("periodSeconds", 10)
        begun = time.monotonic()
        code = run.execute(probe["exec"]["command"], probe.get("timeoutSeconds", 1))
        self.probes.append((time.monotonic() - begun, code))
        if code == 0:
            self.failures[name] = 0
            self.statuses[name]["ready"] = True
        else:
            self.failures[name] = self.failures.get(name, 0) + 1
            if self.failures[name] >= probe.get("failureThreshold", 3):
                self.statuses[name]["ready"] = False
