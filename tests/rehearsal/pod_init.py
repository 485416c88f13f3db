# SPDX-License-Identifier: Apache-2.0
"""Starts one container, from within its pod's network namespace.

  pod_init.py SPEC.json

It makes the container's mount and PID namespaces, assembles its root, drops rights, and replaces
itself by the container's command as PID 1. It exits with the code of the command, or with 128 plus
the signal.

The steps are those of a container runtime, without control groups except for memory and CPU, and
without seccomp's default profile.
"""

import ctypes
import json
import os
import pathlib
import subprocess
import sys

NEW_MOUNTS, NEW_PIDS, PRIVATE = 0x00020000, 0x20000000, 0x40000 | 0x4000  # from <sched.h> and <sys/mount.h>
DEVICES = {"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9}


def mount(*arguments):
    subprocess.run(["mount", *map(str, arguments)], check=True)


def below(root, target):
    return pathlib.Path(root) / target.lstrip("/")


def bind(root, source, target, readonly):
    at = below(root, target)
    if os.path.isdir(source):
        at.mkdir(parents=True, exist_ok=True)
    else:
        at.parent.mkdir(parents=True, exist_ok=True)
        if not at.exists():
            at.touch()
    mount("--bind", source, at)
    if readonly:
        mount("-o", "remount,bind,ro", at)


def devices(root):
    dev = below(root, "/dev")
    mount("-t", "tmpfs", "-o", "mode=755,size=64k,nosuid", "tmpfs", dev)
    for name, minor in DEVICES.items():
        os.mknod(dev / name, 0o666 | 0o020000, os.makedev(1, minor))
        os.chmod(dev / name, 0o666)
    os.mknod(dev / "tty", 0o666 | 0o020000, os.makedev(5, 0))
    os.chmod(dev / "tty", 0o666)
    for name, target in {"fd": "fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}.items():
        (dev / name).symlink_to(f"/proc/self/{target}")
    (dev / "pts").mkdir()
    mount("-t", "devpts", "-o", "newinstance,ptmxmode=0666,mode=620", "devpts", dev / "pts")
    (dev / "ptmx").symlink_to("pts/ptmx")
    (dev / "shm").mkdir()
    mount("-t", "tmpfs", "-o", "size=64m,mode=1777", "tmpfs", dev / "shm")  # a runtime's default; a volume may replace it


def join_groups(groups):
    """Joins the control groups; all child processes join them too."""
    for group in groups:
        pathlib.Path(group["folder"], "cgroup.procs").write_text("0")


def mount_groups(root, groups):
    """Mounts the control groups where programs read their limits."""
    mount("-t", "tmpfs", "-o", "mode=755,size=64k", "tmpfs", below(root, "/sys/fs/cgroup"))
    for group in groups:
        bind(root, group["folder"], group["target"], True)


def start(spec):
    root = spec["folder"] + "/root"
    join_groups(spec["groups"])
    for part in ("root", "upper", "work"):
        os.makedirs(f"{spec['folder']}/{part}", exist_ok=True)
    mount("-t", "overlay", "overlay", "-o", f"lowerdir={spec['image']},upperdir={spec['folder']}/upper,workdir={spec['folder']}/work", root)
    mount("-t", "proc", "proc", below(root, "/proc"))
    mount("-t", "sysfs", "-o", "ro", "sysfs", below(root, "/sys"))
    if spec["groups"]:
        mount_groups(root, spec["groups"])
    devices(root)
    for one in spec["mounts"]:
        bind(root, one["source"], one["target"], one["readonly"])
    if spec["readonly"]:
        mount("-o", "remount,ro", root)
    os.chroot(root)
    os.chdir(spec["workdir"])
    os.umask(0o022)
    os.execve("/usr/bin/setpriv", ["setpriv", *spec["rights"], "--", *spec["command"]], spec["env"])


def main():
    spec = json.loads(pathlib.Path(sys.argv[1]).read_text())
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(NEW_MOUNTS | NEW_PIDS) or libc.mount(b"none", b"/", None, PRIVATE, None):
        raise OSError(ctypes.get_errno(), "cannot make namespaces")
    child = os.fork()  # the first process in its PID namespace: the kernel ends the others with it
    if child == 0:
        start(spec)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
