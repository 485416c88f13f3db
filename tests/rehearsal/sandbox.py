# SPDX-License-Identifier: Apache-2.0
"""A pod's namespaces on this machine, and the processes of its containers in them.

A sleeping process holds the pod's network, as with a real runtime. Each container has its own mount
and PID namespaces. Its command is PID 1 there, so its child processes end with it.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
IMAGE_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
IMAGE_USER, IMAGE_FOLDER, IMAGE_ENTRYPOINT = 1000, "/home/mpiuser", ["/usr/bin/tini", "--"]

# Joins the control groups whose files precede --, and becomes the command after it.
JOIN_AND_RUN = 'while [ "$1" != -- ]; do echo 0 >"$1"; shift; done; shift; exec "$@"'


def run(*command):
    subprocess.run([str(word) for word in command], check=True)


class Network:
    """A bridge in the network namespace of this process."""

    def __init__(self, bridge="ebb0", prefix="10.244.0."):
        self.bridge, self.prefix, self.last = bridge, prefix, 1
        self.gateway = prefix + "1"
        # Without an address of its own, a bridge takes the least of its ports. It would change when that port
        # leaves, and other pods would lose the gateway for seconds, and with it their DNS.
        run("ip", "link", "add", bridge, "address", "02:eb:b0:00:00:01", "type", "bridge")
        run("ip", "address", "add", f"{self.gateway}/24", "dev", bridge)
        run("ip", "link", "set", bridge, "up")

    def connect(self, process):
        """Connects the namespace of a process to the bridge, and returns its address."""
        self.last += 1
        address, end = f"{self.prefix}{self.last}", f"ebb0p{self.last}"
        inside = ("nsenter", "--target", process, "--net", "--")
        run("ip", "link", "add", end, "type", "veth", "peer", "name", "eth0", "netns", process)
        run("ip", "link", "set", end, "master", self.bridge, "up")
        run(*inside, "ip", "link", "set", "lo", "up")
        run(*inside, "ip", "address", "add", f"{address}/24", "dev", "eth0")
        run(*inside, "ip", "link", "set", "eth0", "up")
        run(*inside, "ip", "route", "add", "default", "via", self.gateway)
        return address

    def cut(self, address):
        run("ip", "link", "set", f"ebb0p{address.rsplit('.', 1)[1]}", "down")


class Sandbox:
    def __init__(self, network, pod, folder):
        self.folder, self.namespace = folder, pod["metadata"]["namespace"]
        spec = pod["spec"]
        self.hostname = spec.get("hostname") or pod["metadata"]["name"][:63].rstrip("-.")
        self.subdomain = spec.get("subdomain")
        folder.mkdir(parents=True)
        self.pause = subprocess.Popen(["unshare", "--net", "--ipc", "--uts", "sleep", "infinity"], stdin=subprocess.DEVNULL)
        self._wait_for_namespaces()
        run("nsenter", "--target", self.pause.pid, "--uts", "--", "hostname", self.hostname)
        self.address = network.connect(self.pause.pid)
        full = f"{self.hostname}.{self.subdomain}.{self.namespace}.svc.cluster.local\t" if self.subdomain else ""
        (folder / "hosts").write_text(f"127.0.0.1\tlocalhost\n{self.address}\t{full}{self.hostname}\n")
        (folder / "resolv.conf").write_text(f"search {self.namespace}.svc.cluster.local svc.cluster.local cluster.local\nnameserver {network.gateway}\noptions ndots:5\n")
        (folder / "hostname").write_text(self.hostname + "\n")

    def _wait_for_namespaces(self):
        end = time.monotonic() + 10
        while os.readlink(f"/proc/{self.pause.pid}/ns/uts") == os.readlink("/proc/self/ns/uts"):
            if time.monotonic() > end:
                raise RuntimeError("unshare made no namespaces in 10 s")
            time.sleep(0.01)

    def files(self):
        return [{"source": str(self.folder / name), "target": f"/etc/{name}", "readonly": False} for name in ("hosts", "resolv.conf", "hostname")]

    def close(self):
        self.pause.kill()
        self.pause.wait()  # the last process of the namespace, which ends with it


def rights(pod_context, context):
    """The arguments of setpriv for a security context."""
    user = context.get("runAsUser", pod_context.get("runAsUser", IMAGE_USER))
    group = context.get("runAsGroup", pod_context.get("runAsGroup", user))
    if pod_context.get("runAsNonRoot") and user == 0:
        raise ValueError("container has runAsNonRoot and would run as root")
    groups = sorted({group, *filter(None, [pod_context.get("fsGroup")]), *pod_context.get("supplementalGroups", [])})
    words = [f"--reuid={user}", f"--regid={group}", "--groups=" + ",".join(map(str, groups)), "--inh-caps=-all", "--ambient-caps=-all"]
    if "ALL" in context.get("capabilities", {}).get("drop", []):
        words.append("--bounding-set=-all")
    if context.get("allowPrivilegeEscalation") is False:
        words.append("--no-new-privs")
    return words


class Container:
    """One run of a container."""

    def __init__(self, sandbox, image, folder, command, env, mounts, rights_, readonly, limit=None):
        """limit: the Limit of this run, or None."""
        self.folder, self.limit = folder, limit
        folder.mkdir(parents=True)
        self.message, self.log = folder / "message", folder / "log"
        self.message.touch()
        self.message.chmod(0o666)
        env = {**IMAGE_ENVIRONMENT, "HOSTNAME": sandbox.hostname, **env}
        mounts = sandbox.files() + [{"source": str(self.message), "target": "/dev/termination-log", "readonly": False}] + mounts
        spec = {"folder": str(folder), "image": str(image), "mounts": mounts, "readonly": readonly, "workdir": IMAGE_FOLDER, "rights": rights_,
                "command": command, "env": env, "groups": limit.groups if limit else []}
        (folder / "spec.json").write_text(json.dumps(spec))
        self.env, self.rights = env, rights_
        self.started = time.monotonic()
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["nsenter", "--target", str(sandbox.pause.pid), "--net", "--ipc", "--uts", "--", sys.executable, "-B", str(HERE / "pod_init.py"), str(folder / "spec.json")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def code(self):
        """The exit code; None while it runs."""
        code = self.process.poll()
        return code if code is None or code >= 0 else 128 - code

    def first(self):
        """The process number, on this machine, of its PID 1."""
        pid = self.process.pid
        try:
            children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except FileNotFoundError:
            return None
        return int(children[0]) if children else None

    def signal(self, number):
        first = self.first()
        if first is not None:
            try:
                os.kill(first, number)
            except ProcessLookupError:
                pass

    def kill(self):
        self.signal(signal.SIGKILL)

    def execute(self, command, timeout):
        """Runs a command in the container, as preStop and probes do, for at most `timeout` seconds. Returns its exit code; None if it did not end."""
        first = self.first()
        if first is None:
            return None
        # Such a process shares the limits of the container.
        joined = [f"{group['folder']}/cgroup.procs" for group in self.limit.groups] if self.limit else []
        inside = ["sh", "-c", JOIN_AND_RUN, "sh", *joined, "--", "nsenter", "--target", str(first), "--mount", "--pid", "--uts", "--ipc", "--net", "--root", "--wd", "--", "/usr/bin/setpriv", *self.rights, "--"]
        process = subprocess.Popen(inside + command, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None

    def log_text(self):
        return self.log.read_text(errors="replace")

    def termination_message(self, policy):
        words = self.message.read_text(errors="replace")[:4096]
        if not words and policy == "FallbackToLogsOnError" and self.code():
            words = "\n".join(self.log_text().splitlines()[-80:])[-2048:]
        return words
