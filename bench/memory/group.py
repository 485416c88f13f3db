# SPDX-License-Identifier: Apache-2.0
"""A control group with a limit of memory, version 1 or 2."""

import os
import pathlib
import re
import time


class Group:
    """With it as a context, enter() moves the calling process into the group. False if none can be made."""

    def __init__(self, limit):
        self.limit, self.path = limit, None

    def __enter__(self):
        name = f"ebb-bench-{os.getpid()}-{time.monotonic_ns()}"
        for parent, file, swap in ((pathlib.Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"),
                                   (pathlib.Path("/sys/fs/cgroup"), "memory.max", "memory.swap.max")):
            path = parent / name
            try:
                path.mkdir()
                (path / file).write_text(str(self.limit))
                if (path / swap).exists():
                    (path / swap).write_text("0" if swap == "memory.swap.max" else str(self.limit))
                self.path = path
                return self
            except OSError:
                if path.exists():
                    path.rmdir()
        return self

    def __exit__(self, *_):
        for _ in range(100):
            if self.path is None:
                return
            try:
                self.path.rmdir()
                self.path = None
            except OSError:
                time.sleep(0.05)

    def __bool__(self):
        return self.path is not None

    def kills(self):
        """Processes of the group that the kernel killed for lack of memory."""
        for file in ("memory.oom_control", "memory.events"):
            if (self.path / file).exists():
                return int(re.search(r"oom_kill (\d+)", (self.path / file).read_text())[1])
        raise FileNotFoundError(f"{self.path} has no count of kills")

    def enter(self):
        (self.path / "cgroup.procs").write_text(str(os.getpid()))
