#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plants files without a licence line into a small tree, and expects each to be found."""

import contextlib
import io
import pathlib
import tempfile
import unittest

import check_spdx

LINE = f"{check_spdx.IDENTIFIER}\n"


class Spdx(unittest.TestCase):
    def found(self, files):
        with tempfile.TemporaryDirectory(prefix="ebb-spdx-") as folder:
            root = pathlib.Path(folder).resolve()
            for name, text in files.items():
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                code = check_spdx.main([str(root)])
        lines = out.getvalue().splitlines()
        self.assertEqual(code, 1 if len(lines) > 1 else 0)
        return [line.split(":")[0] for line in lines[:-1]]

    def test_files_with_the_line_pass(self):
        self.assertEqual(self.found({"a.cpp": f"// {LINE}int a;\n", "b.py": f"# {LINE}", "run": f"#!/bin/sh\n# {LINE}", "CMakeLists.txt": f"# {LINE}"}), [])

    def test_files_without_it_are_found(self):
        files = {"a.h": "#pragma once\n", "b.py": "import os\n", "bin/run": "#!/bin/sh\ntrue\n", "x/CMakeLists.txt": "project(x)\n", "x/data/a.cpp": "int a;\n"}
        self.assertEqual(self.found(files), sorted(files))

    def test_the_line_counts_only_at_the_beginning_and_whole(self):
        self.assertEqual(self.found({"a.cpp": f"int a;\n// {LINE}", "b.cpp": f"// {LINE.replace('2.0', '2.1')}"}), ["a.cpp", "b.cpp"])

    def test_other_files_need_none(self):
        self.assertEqual(self.found({"a.md": "text\n", "b.yaml": "a: 1\n", "data": "no script\n", "build/a.cpp": "int a;\n", "empty.py": ""}), [])


if __name__ == "__main__":
    unittest.main()
