"""What all rehearsals share: a machine of their own, the control plane on it, the kubelet, and the packed data set."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from api import Api
from control_plane import ControlPlane, lacking
from kubelet import Kubelet
from sandbox import Network, run

INSIDE = "EBB_REHEARSAL_INSIDE"
FASHION_MNIST = pathlib.Path("/usr/share/datasets/fashion-mnist")


def reason_to_skip(source):
    if os.geteuid() != 0:
        return "pods are namespaces, which only root can make here"
    for program in ("unshare", "nsenter", "ip", "openssl"):
        if not shutil.which(program):
            return f"there is no {program}"
    if subprocess.run(["unshare", "--mount", "--net", "--pid", "--uts", "--ipc", "--fork", "true"], capture_output=True).returncode:
        return "this machine makes no namespaces (a container without the rights?)"
    missing = lacking(source / ".deps/bin", source / ".deps/kube/crds")
    if missing:
        return missing
    if not (source / ".deps/kube/root.version").exists():
        return "there is no .deps/kube/root, the tree of the image (scripts/setup all makes it, as root on Debian 12)"
    if not FASHION_MNIST.exists():
        return f"there is no {FASHION_MNIST} (scripts/setup installs it)"
    return ""


def move_inside():
    """Starts this program again in namespaces of its own: what it starts cannot outlive it, and its ports and bridge are nobody else's."""
    if os.environ.get(INSIDE):
        return
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "--mount", "--net", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--mount-proc", "--propagation", "private", sys.executable, "-B", *sys.argv])


def libraries_of(program):
    """The folders of Python packages that a program has its libraries from."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    paths = [line.split("=>")[1].split()[0] for line in listed.splitlines() if "/site-packages/" in line]
    return sorted({path[:path.index("/site-packages/") + len("/site-packages")] for path in paths})


class World:
    """Used as a context manager, within move_inside()."""

    def __init__(self, source, ebb):
        self.source, self.ebb = source, ebb
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ebb-rehearsal-"))
        self.plane = ControlPlane(source / ".deps/bin", source / ".deps/kube/crds")

    def __enter__(self):
        run("ip", "link", "set", "lo", "up")
        self.folder.chmod(0o755)
        self._pack()
        self.plane.__enter__()
        try:
            self.api = Api(self.plane.server, self.plane.token, self.plane.certificate)
            over = [(str(self.ebb), "/usr/local/bin/ebb")]
            kernels = self.ebb.parent / "libebb_cuda.so"
            if kernels.exists():
                over.append((str(kernels), "/usr/local/bin/libebb_cuda.so"))
            over += [(path, path) for path in libraries_of(self.ebb)]
            images = {"ebb:0.1.0": (self.source / ".deps/kube/root", over)}
            self.kubelet = Kubelet(self.api, Network(), images, self.folder).__enter__()
        except BaseException:
            self.plane.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.kubelet.__exit__()
        self.plane.__exit__()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _pack(self):
        """As scripts/quickstart does it."""
        for split, prefix in (("train", "train"), ("test", "t10k")):
            run(self.ebb, "data", "pack", FASHION_MNIST / f"{prefix}-images-idx3-ubyte.gz", "--labels", FASHION_MNIST / f"{prefix}-labels-idx1-ubyte.gz",
                "-o", self.folder / "data/fashion-mnist" / split)
