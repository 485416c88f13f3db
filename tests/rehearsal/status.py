# SPDX-License-Identifier: Apache-2.0
"""The status that a kubelet reports to the API server."""

import datetime

from api import Missing, pod_path


def now():
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Status:
    """The methods of Pod that keep its status: phase, conditions, states of its containers."""

    def _status(self, container, state):
        return {"name": container["name"], "image": container["image"], "imageID": container["image"], "ready": False, "started": False, "restartCount": 0, "state": state, "lastState": {}}

    def _running(self, container, run):
        statuses = self.first_statuses if container["name"] in self.first_statuses else self.statuses
        before = statuses[container["name"]]
        status = self._status(container, {"running": {"startedAt": now()}})
        ended = before["state"].get("terminated") or before["lastState"].get("terminated")
        if ended:
            status["restartCount"], status["lastState"] = before["restartCount"] + 1, {"terminated": ended}
        status["started"], status["containerID"] = True, f"rehearsal://{run.process.pid}"
        return status

    def _terminated(self, container, run, statuses):
        status, code = statuses[container["name"]], run.code()
        begun = status["state"].get("running", {}).get("startedAt", self.started)
        ended = {"exitCode": code, "reason": "Completed" if code == 0 else "Error", "startedAt": begun, "finishedAt": now(), "containerID": status.get("containerID", "rehearsal://0"),
                 "message": run.termination_message(container.get("terminationMessagePolicy", "File"))}
        status.update(ready=False, started=False, state={"terminated": ended})
        return status

    def _conditions(self):
        ready = self.phase == "Running" and not self.stopping and all(status["ready"] for status in self.statuses.values())
        for kind, value in (("PodScheduled", True), ("Initialized", self.initialized), ("ContainersReady", ready), ("Ready", ready)):
            if kind not in self.changed or self.changed[kind][0] != value:
                self.changed[kind] = (value, now())
            yield {"type": kind, "status": "True" if value else "False", "lastTransitionTime": self.changed[kind][1]}

    def _report(self, more=(), **named):
        status = {"phase": self.phase, "startTime": self.started, "conditions": [*self._conditions(), *more], "hostIP": self.kubelet.network.gateway,
                  "containerStatuses": list(self.statuses.values()), "initContainerStatuses": list(self.first_statuses.values()), **named}
        if self.address:
            status.update(podIP=self.address, podIPs=[{"ip": self.address}])
        try:
            self.api.patch(pod_path(self.thing, "/status"), {"metadata": {"uid": self.uid}, "status": status})
        except Missing:
            self.gone.set()
