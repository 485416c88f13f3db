# SPDX-License-Identifier: Apache-2.0
"""The environment of all rehearsals: namespaces, control plane, kubelet and the packed data set."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from api import Api
from control_plane import ControlPlane, missing_parts
from kubelet import WATCHED, Kubelet
from sandbox import Network, run

INSIDE = "EBB_REHEARSAL_INSIDE"
FASHION_MNIST = pathlib.Path("/usr/share/datasets/fashion-mnist")

# Checks for the rights that pods need: namespaces, an overlay over a shared tree, and a bridge.
NEEDED = """mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/usr,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
ip link add ebb0 type bridge
ip link add ebb1 type veth peer name ebb2"""

# The first process of a PID namespace must wait for orphans. Otherwise inner namespaces do not end.
REAPER = '"$@"; exit $?'


def reason_to_skip(source):
    if os.geteuid() != 0:
        return "pods need namespaces, which only root can create here"
    for program in ("unshare", "nsenter", "ip", "openssl"):
        if not shutil.which(program):
            return f"{program} is missing"
    tried = subprocess.run(["unshare", "--mount", "--net", "--pid", "--uts", "--ipc", "--fork", "sh", "-ec", NEEDED], capture_output=True, text=True)
    if tried.returncode:
        return f"this machine does not allow the namespaces of a pod: {tried.stderr.strip()}"
    missing = missing_parts(source / ".deps/bin", source / ".deps/kube/crds")
    if missing:
        return missing
    if not (source / ".deps/kube/root.version").exists():
        return ".deps/kube/root, the tree of the image, is missing (scripts/setup all makes it, as root on Debian 12)"
    if not FASHION_MNIST.exists():
        return f"{FASHION_MNIST} is missing (scripts/setup installs it)"
    return ""


def move_inside():
    """Starts this program again in namespaces of its own.

    Its processes cannot outlive it there, and its ports and bridge are its own.
    """
    if os.environ.get(INSIDE):
        return
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "--mount", "--net", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--mount-proc", "--propagation", "private",
                          "sh", "-c", REAPER, "sh", sys.executable, "-B", *sys.argv])


def libraries_of(program):
    """The folders of Python packages that contain the program's libraries."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    paths = [line.split("=>")[1].split()[0] for line in listed.splitlines() if "/site-packages/" in line]
    return sorted({path[:path.index("/site-packages/") + len("/site-packages")] for path in paths})


class World:
    """A context manager. Call move_inside() first."""

    def __init__(self, source, ebb, operator="mpi-operator"):
        self.source, self.ebb = source, ebb
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ebb-rehearsal-"))
        self.plane = ControlPlane(source / ".deps/bin", source / ".deps/kube/crds", operator=operator)

    def __enter__(self):
        run("ip", "link", "set", "lo", "up")
        # In memory: an overlay's upper folder may not be on another overlay, such as the root of a
        # container.
        run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", self.folder)
        self._pack()
        self.plane.__enter__()
        try:
            self.api = Api(self.plane.server, self.plane.token, self.plane.certificate)
            core = self.ebb.with_name("ebb-core")
            over = [(str(self.ebb), "/usr/local/bin/ebb"), (str(core), "/usr/local/bin/ebb-core")]
            kernels = self.ebb.parent / "libebb_cuda.so"
            if kernels.exists():
                over.append((str(kernels), "/usr/local/bin/libebb_cuda.so"))
            over += [(path, path) for path in libraries_of(core)]
            images = {"ebb:0.2.0": (self.source / ".deps/kube/root", over)}
            self.kubelet = Kubelet(self.api, Network(), images, self.folder).__enter__()
            WATCHED.append(self.plane.check)
        except BaseException:
            self.plane.__exit__()
            raise
        return self

    def __exit__(self, *_):
        WATCHED.remove(self.plane.check)
        self.kubelet.__exit__()
        self.plane.__exit__()
        run("umount", "--lazy", self.folder)
        self.folder.rmdir()

    def _pack(self):
        """Packs Fashion-MNIST, as scripts/quickstart does."""
        for split, prefix in (("train", "train"), ("test", "t10k")):
            self.pack(prefix, "fashion-mnist", split)

    def pack(self, prefix, name, split, *options):
        """Packs images of Fashion-MNIST as a split of the dataset `name`."""
        run(self.ebb, "data", "pack", FASHION_MNIST / f"{prefix}-images-idx3-ubyte.gz", "--labels", FASHION_MNIST / f"{prefix}-labels-idx1-ubyte.gz",
            *options, "-o", self.folder / "data" / name / split)
