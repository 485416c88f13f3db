# SPDX-License-Identifier: Apache-2.0
"""A small source tree in a folder that the test removes."""

import pathlib
import tempfile
import unittest


class PlantedTree(unittest.TestCase):
    def plant(self, files):
        """Writes `files`, a text for each path, and returns their root."""
        folder = tempfile.TemporaryDirectory(prefix="ebb-shape-")
        self.addCleanup(folder.cleanup)
        root = pathlib.Path(folder.name).resolve()
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return root
