# SPDX-License-Identifier: Apache-2.0
"""A Kubernetes control plane of plain processes on loopback.

The processes are etcd, kube-apiserver, kube-controller-manager and the MPI operator. There is no
kubelet and no scheduler, so pods stay Pending unless kubelet.py runs them.

  with ControlPlane(bin_folder, crd_folder) as plane:
      plane.kubectl("apply", "-f", "-", input=text)
"""

import pathlib
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from functools import partial

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl", "mpi-operator", "mpi-operator-older", "helm")
CRDS = ("kubeflow.org_mpijobs.yaml", "monitoring.coreos.com_podmonitors.yaml", "monitoring.coreos.com_prometheusrules.yaml")
CONTROLLERS = ("job-controller", "namespace-controller", "serviceaccount-controller", "serviceaccount-token-controller", "root-ca-certificate-publisher-controller",
               "garbage-collector-controller", "ttl-after-finished-controller", "persistentvolume-binder-controller", "persistentvolumeclaim-protection-controller",
               "persistentvolume-protection-controller", "endpointslice-controller", "disruption-controller", "pod-garbage-collector-controller")


def missing_parts(binaries, crds):
    """A sentence that names the missing programs and definitions; empty if there are none."""
    gone = [name for name in PROGRAMS if not (binaries / name).exists()] + [name for name in CRDS if not (crds / name).exists()]
    return f"missing: {', '.join(gone)} (scripts/setup all makes them)" if gone else ""


def free_ports(count):
    """Returns distinct free ports. All sockets stay open until all ports are known."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class ControlPlane:
    def __init__(self, binaries, crds, log=print, operator="mpi-operator"):
        self.bin, self.crds, self.log, self.operator = binaries, crds, log, operator
        self.processes = []
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ebb-plane-"))
        self.token = secrets.token_hex(16)
        self.kubeconfig = self.folder / "kubeconfig"

    def __enter__(self):
        started = time.monotonic()
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        self.log(f"the control plane is ready after {time.monotonic() - started:.0f} s")
        return self

    def __exit__(self, *_):
        # In reverse order: the server ends before its store.
        for _, process, log in reversed(self.processes):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            log.close()
        self.processes = []
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, name, *arguments):
        log = open(self.folder / f"{name}.log", "w+b")
        self.processes.append((name, subprocess.Popen([self.bin / name, *arguments], stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder), log))

    def tail(self, name, lines=30):
        path = self.folder / f"{name}.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""

    def check(self):
        """Raises if a process has ended."""
        for name, process, _ in self.processes:
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended with code {process.returncode}:\n{self.tail(name)}")

    def _until(self, what, ready, seconds):
        end = time.monotonic() + seconds
        while not ready():
            self.check()
            if time.monotonic() > end:
                raise RuntimeError(f"{what}: not ready within {seconds} s\n" + "\n".join(f"--- {name}\n{self.tail(name, 10)}" for name, _, _ in self.processes))
            time.sleep(0.2)

    def _established(self, definition):
        line = ("wait", "--for=condition=Established", "--timeout=5s", "-f", self.crds / definition)
        return self.kubectl(*line, check=False).returncode == 0

    def _start(self):
        store, peer, self.port, manager = free_ports(4)
        # The data need not survive the test, so etcd does not wait for the disk.
        self._run("etcd", "--data-dir", "etcd", "--listen-client-urls", f"http://127.0.0.1:{store}", "--advertise-client-urls", f"http://127.0.0.1:{store}",
                  "--listen-peer-urls", f"http://127.0.0.1:{peer}", "--unsafe-no-fsync")
        self.server = f"https://127.0.0.1:{self.port}"
        key = self.folder / "sa.key"
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        (self.folder / "tokens.csv").write_text(f'{self.token},admin,admin,"system:masters"\n')
        self._run("kube-apiserver", f"--etcd-servers=http://127.0.0.1:{store}", f"--secure-port={self.port}", "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
                  f"--cert-dir={self.folder}/certs", f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}", "--service-account-issuer=https://kubernetes.default.svc",
                  f"--token-auth-file={self.folder}/tokens.csv", "--authorization-mode=RBAC", "--service-cluster-ip-range=10.96.0.0/24", "--endpoint-reconciler-type=none",
                  "--enable-admission-plugins=PodSecurity")
        self.certificate = self.folder / "certs/apiserver.crt"
        self._until("kube-apiserver's certificate", self.certificate.exists, 60)
        self.kubeconfig.write_text(
            "apiVersion: v1\nkind: Config\ncurrent-context: plane\n"
            f"clusters: [{{name: plane, cluster: {{server: '{self.server}', certificate-authority: '{self.certificate}'}}}}]\n"
            f"users: [{{name: admin, user: {{token: '{self.token}'}}}}]\n"
            "contexts: [{name: plane, context: {cluster: plane, user: admin}}]\n")
        self._until("kube-apiserver", lambda: self.kubectl("get", "--raw", "/readyz", check=False).returncode == 0, 90)
        self._run("kube-controller-manager", f"--kubeconfig={self.kubeconfig}", f"--controllers={','.join(CONTROLLERS)}", f"--service-account-private-key-file={key}",
                  f"--root-ca-file={self.certificate}", "--use-service-account-credentials=false", "--leader-elect=false", f"--secure-port={manager}", "--bind-address=127.0.0.1")
        for name in CRDS:
            self.kubectl("apply", "--server-side", "-f", self.crds / name)
            # kubectl wait fails for a definition that has no conditions yet.
            self._until(name, partial(self._established, name), 60)
        self.kubectl("create", "namespace", "mpi-operator")
        self._run(self.operator, "--kubeConfig", self.kubeconfig, "--lock-namespace", "mpi-operator", "--monitoring-port", "0")
        self._until("the default service account", lambda: self.kubectl("get", "serviceaccount", "default", check=False).returncode == 0, 60)

    def kubectl(self, *arguments, check=True, input=None):
        return self._client([self.bin / "kubectl", "--kubeconfig", self.kubeconfig, *arguments], check, input)

    def helm(self, *arguments, check=True):
        return self._client([self.bin / "helm", "--kubeconfig", self.kubeconfig, *arguments], check, None)

    def _client(self, command, check, text):
        # The clients' caches stay out of the user's home folder.
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder)}
        done = subprocess.run([str(word) for word in command], input=text, capture_output=True, text=True, env=environment, stdin=None if text is not None else subprocess.DEVNULL)
        if check and done.returncode:
            self.check()  # a client fails because of such a program
            raise RuntimeError(f"{' '.join(str(word) for word in command)}: code {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def namespace(self, name, level="restricted"):
        self.kubectl("create", "namespace", name)
        self.kubectl("label", "namespace", name, f"pod-security.kubernetes.io/enforce={level}")
        self._until(f"the service account of {name}", lambda: self.kubectl("-n", name, "get", "serviceaccount", "default", check=False).returncode == 0, 30)
