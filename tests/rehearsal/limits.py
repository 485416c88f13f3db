# SPDX-License-Identifier: Apache-2.0
"""Control groups (version 1 or 2) that limit or count the memory of a container."""

import pathlib
import secrets
import threading
import time

MOUNT = pathlib.Path("/sys/fs/cgroup")
PREFIX = "ebb-rehearsal-"
PARENT = PREFIX + secrets.token_hex(4)  # a process number is not unique across PID namespaces
STALE_AFTER_S = 2 * 3600  # every rehearsal is shorter


def parent():
    """Makes the parent folder of the groups with a memory limit; None if it is not allowed here."""
    first = (MOUNT / "memory/memory.limit_in_bytes").exists()
    above = (MOUNT / "memory" if first else MOUNT) / PARENT
    try:
        if not first:
            if "memory" not in (MOUNT / "cgroup.controllers").read_text().split():
                return None
            (MOUNT / "cgroup.subtree_control").write_text("+memory")
        remove_stale(above.parent)
        above.mkdir()
        if not first:
            (above / "cgroup.subtree_control").write_text("+memory")
        return above
    except OSError:
        if above.exists():
            remove(above)
        return None


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
    """The control group of a container. The first process joins by writing 0 to `cgroup.procs`."""

    def __init__(self, above, name, megabytes=None, whole=False):
        """megabytes: the limit; None only counts. whole: all processes are killed at once.

        Kubelets request `whole` on version 2.
        """
        self.folder, self.whole = above / name, whole
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
        self.target = "/sys/fs/cgroup/memory" if first else "/sys/fs/cgroup"
        self.closed = threading.Event()
        if whole and not first:
            (self.folder / "memory.oom.group").write_text("1")
        # Version 1 kills one process. The kill is disabled until all can be killed together.
        self.held = whole and first
        if self.held:
            self.events.write_text("1")

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
        remove(self.folder)
