# SPDX-License-Identifier: Apache-2.0
"""Control groups (version 1 or 2) that limit or count the memory of a container, and limit its CPU time."""

import pathlib
import secrets
import threading
import time

MOUNT = pathlib.Path("/sys/fs/cgroup")
PREFIX = "ebb-rehearsal-"
PARENT = PREFIX + secrets.token_hex(4)  # a process number is not unique across PID namespaces
STALE_AFTER_S = 2 * 3600  # every rehearsal is shorter
FILES = {"memory": "memory.limit_in_bytes", "cpu": "cpu.cfs_quota_us"}  # the limits of version 1
PERIOD_US = 100_000  # of a kubelet's quotas


def parents():
    """{controller: parent folder of its groups}, for those that are allowed here. On version 2 it is one folder."""
    if any((MOUNT / name / file).exists() for name, file in FILES.items()):
        made = {name: _make(MOUNT / name, [name], first=True) for name in FILES}
        return {name: above for name, (above, _) in made.items() if above}
    try:
        known = (MOUNT / "cgroup.controllers").read_text().split()
    except OSError:
        return {}
    above, allowed = _make(MOUNT, [name for name in FILES if name in known], first=False)
    return dict.fromkeys(allowed, above)


def _make(mount, controllers, first):
    """(the parent folder, the controllers that its groups get); (None, []) if it is not allowed."""
    above = mount / PARENT
    try:
        if not (first or controllers):
            return None, []
        remove_stale(mount)
        above.mkdir()
    except OSError:
        return None, []
    if not first:
        controllers = [name for name in controllers if all(_enable(folder, name) for folder in (mount, above))]
    if not controllers:
        remove(above)
        return None, []
    return above, controllers


def _enable(folder, controller):
    """Lets the groups in a folder of version 2 have a controller."""
    try:
        (folder / "cgroup.subtree_control").write_text(f"+{controller}")
        return True
    except OSError:
        return False


def remove_stale(folder):
    """Removes the groups of killed rehearsals. Only a group without processes can be removed."""
    for above in folder.glob(PREFIX + "*"):
        if time.time() - above.stat().st_mtime > STALE_AFTER_S:
            for group in [*above.glob("*/"), above]:
                try:
                    group.rmdir()
                except OSError:
                    pass


def remove(folder):
    """Removes a group. Its last processes may need some time to end."""
    for _ in range(50):
        try:
            folder.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError as error:
            last = error
            time.sleep(0.1)
    print(f"could not remove {folder}: {last}", flush=True)


class Limit:
    """The control groups of a container. The first process joins by writing 0 to each `cgroup.procs`."""

    def __init__(self, above, name, megabytes=None, whole=False, cores=None):
        """above: of parents(), with memory. megabytes: the limit; None only counts. whole: all processes are killed at once.

        Kubelets request `whole` on version 2. cores: the limit of CPU time; None: no limit.
        """
        self.folder, self.whole = above["memory"] / name, whole
        self.folder.mkdir()
        first = MOUNT / "memory" in self.folder.parents
        if megabytes:
            (self.folder / ("memory.limit_in_bytes" if first else "memory.max")).write_text(str(megabytes << 20))
            # As with kubelets, memory above the limit is not swapped out.
            swap = self.folder / ("memory.swappiness" if first else "memory.swap.max")
            if swap.exists():
                swap.write_text("0")
        self.events = self.folder / ("memory.oom_control" if first else "memory.events")
        # A container sees its own group as the root.
        self.groups = [{"folder": str(self.folder), "target": "/sys/fs/cgroup/memory" if first else "/sys/fs/cgroup"}]
        if cores and "cpu" in above:
            self._limit_cores(above["cpu"] / name, cores, first)
        self.closed = threading.Event()
        if whole and not first:
            (self.folder / "memory.oom.group").write_text("1")
        # Version 1 kills one process. The kill is disabled until all can be killed together.
        self.held = whole and first
        if self.held:
            self.events.write_text("1")

    def _limit_cores(self, folder, cores, first):
        quota = max(1000, round(cores * PERIOD_US))  # as kubelets do: at least a millisecond
        if first:
            folder.mkdir()
            (folder / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (folder / "cpu.cfs_quota_us").write_text(str(quota))
            self.groups.append({"folder": str(folder), "target": "/sys/fs/cgroup/cpu"})
        else:
            (folder / "cpu.max").write_text(f"{quota} {PERIOD_US}")  # the group of the memory

    def watch(self, end_all):
        """On version 1: lets the kernel kill and count one process, then calls `end_all`."""
        if self.held:
            threading.Thread(target=self._watch, args=(end_all,), daemon=True).start()

    def _watch(self, end_all):
        while not self.closed.wait(0.01):
            try:
                if not self._event("under_oom"):
                    continue
                self.events.write_text("0")
                while not self.kills() and not self.closed.is_set():
                    time.sleep(0.0005)
            except OSError:
                return  # the group is gone
            end_all()
            return

    def _event(self, name):
        return int(dict(line.split() for line in self.events.read_text().splitlines()).get(name, 0))

    def kills(self):
        """The number of processes that the kernel killed for lack of memory."""
        return self._event("oom_kill")

    def close(self):
        self.closed.set()
        for group in self.groups:
            remove(pathlib.Path(group["folder"]))
