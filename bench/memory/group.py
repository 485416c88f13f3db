# SPDX-License-Identifier: Apache-2.0
"""A control group with a limit of memory, version 1 or 2."""

import os
import pathlib
import time


class Group:
    """With it as a context, enter() moves the calling process into the group. False if none can be made."""

    def __init__(self, limit):
        self.limit, self.path = limit, None

    def __enter__(self):
        name = f"ebb-bench-{os.getpid()}-{time.monotonic_ns()}"
        for parent, file in ((pathlib.Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"), (pathlib.Path("/sys/fs/cgroup"), "memory.max")):
            path = parent / name
            try:
                path.mkdir()
                (path / file).write_text(str(self.limit))
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

    def enter(self):
        (self.path / "cgroup.procs").write_text(str(os.getpid()))
