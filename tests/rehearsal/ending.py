# SPDX-License-Identifier: Apache-2.0
"""The end of a pod: it is deleted through the API, evicted by its node, or already gone."""

import signal
import threading
import time

from api import Missing, pod_path
from status import now

TICK = 0.1


class Ending:
    """The methods of Pod that end it."""

    def _end(self):
        if self.abandoned.is_set():
            return
        grace = 0 if self.eviction or self.gone.is_set() else self.delete
        self.stopping = True
        if not self.gone.is_set():
            self._report()  # no longer ready
        self._halt(grace)
        by_name = {container["name"]: container for container in self.spec["containers"]}
        for name, run in list(self.containers.items()):
            self._terminated(by_name[name], run, self.statuses)
        if self.gone.is_set():
            return
        if self.phase not in ("Succeeded", "Failed"):
            codes = [status["state"]["terminated"]["exitCode"] for status in self.statuses.values() if "terminated" in status["state"]]
            self.phase = "Succeeded" if codes and not any(codes) and not self.eviction else "Failed"
        if self.eviction:
            self._report([{"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet", "message": self.eviction, "lastTransitionTime": now()}],
                         reason="Evicted", message=self.eviction)
            return
        self._report()
        self._close()
        try:
            self.api.delete(pod_path(self.thing), {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}})
        except Missing:
            pass

    def _halt(self, grace):
        """Runs preStop, then sends TERM to the first process, then KILL after the grace period.

        preStop and TERM share the grace period.
        """
        end = time.monotonic() + grace
        threads = []
        for container in self.spec["containers"]:
            run = self.containers.get(container["name"])
            if run and run.code() is None:
                threads.append(threading.Thread(target=self._halt_one, args=(container, run, end, grace), daemon=True))
                threads[-1].start()
        for thread in threads:
            thread.join()

    def _halt_one(self, container, run, end, grace):
        hook = container.get("lifecycle", {}).get("preStop", {}).get("exec")
        if hook and grace:
            run.execute(hook["command"], max(1, end - time.monotonic()))
        run.signal(signal.SIGTERM)
        end = max(end, time.monotonic() + (2 if grace else 0))
        while run.code() is None and time.monotonic() < end and not self.gone.is_set():
            time.sleep(TICK)
        run.kill()
        run.process.wait()
