"""A container's memory, limited or counted by a control group of this machine, version 1 or 2."""

import pathlib
import secrets
import threading
import time

MOUNT = pathlib.Path("/sys/fs/cgroup")
PREFIX = "ebb-rehearsal-"
ABOVE = PREFIX + secrets.token_hex(4)  # a process number would be that of a namespace
LEFT_BEHIND_S = 2 * 3600  # no rehearsal takes so long


def parent():
    """The folder below which groups with a memory limit are made; None where none can be."""
    first = (MOUNT / "memory/memory.limit_in_bytes").exists()
    above = (MOUNT / "memory" if first else MOUNT) / ABOVE
    try:
        if not first:
            if "memory" not in (MOUNT / "cgroup.controllers").read_text().split():
                return None
            (MOUNT / "cgroup.subtree_control").write_text("+memory")
        sweep(above.parent)
        above.mkdir()
        if not first:
            (above / "cgroup.subtree_control").write_text("+memory")
        return above
    except OSError:
        if above.exists():
            remove(above)
        return None


def sweep(folder):
    """What a rehearsal that was killed has left: only a group without processes can be removed."""
    for above in folder.glob(PREFIX + "*"):
        if time.time() - above.stat().st_mtime > LEFT_BEHIND_S:
            for group in [*above.glob("*/"), above]:
                try:
                    group.rmdir()
                except OSError:
                    pass


def remove(folder):
    """An empty group, and the time that its last processes need to be gone."""
    for _ in range(50):
        try:
            folder.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError as error:
            last = error
            time.sleep(0.1)
    print(f"left behind: {folder}: {last}", flush=True)


class Limit:
    """The group of one container. Its first process joins it by writing 0 into `cgroup.procs`."""

    def __init__(self, above, name, megabytes=None, whole=False):
        """megabytes: None counts without a limit. whole: the kernel kills all of it at once, as kubelets ask for on version 2."""
        self.folder, self.whole = above / name, whole
        self.folder.mkdir()
        first = MOUNT / "memory" in self.folder.parents
        if megabytes:
            (self.folder / ("memory.limit_in_bytes" if first else "memory.max")).write_text(str(megabytes << 20))
            # As kubelets do: what is above the limit is killed and not paged out.
            swap = self.folder / ("memory.swappiness" if first else "memory.swap.max")
            if swap.exists():
                swap.write_text("0")
        self.events = self.folder / ("memory.oom_control" if first else "memory.events")
        # As a container sees it: its own group is the root.
        self.target = "/sys/fs/cgroup/memory" if first else "/sys/fs/cgroup"
        self.closed = threading.Event()
        if whole and not first:
            (self.folder / "memory.oom.group").write_text("1")
        # Version 1 kills one process. The killing is held back until all of them can be made to go together.
        self.held = whole and first
        if self.held:
            self.events.write_text("1")

    def watch(self, end_all):
        """For version 1: has the kernel kill one, so that it counts that, and `end_all` at once the rest."""
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
                return  # it has gone
            end_all()
            return

    def _event(self, name):
        return int(dict(line.split() for line in self.events.read_text().splitlines()).get(name, 0))

    def kills(self):
        """Processes in it that the kernel has killed for lack of memory."""
        return self._event("oom_kill")

    def close(self):
        self.closed.set()
        remove(self.folder)
