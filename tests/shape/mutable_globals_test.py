#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plants mutable globals, and expects each to be found."""

import pathlib
import tempfile
import unittest

import check_shape
import mutable_globals

GLOBALS = """
int count = 0;
std::atomic<int> the_device{-1};  // of use_device()
thread_local std::vector<const Node*> running;
std::string text;
void f() {
  static auto* const all = new Names;
  static char help[] = "--help";
}
struct A {
  static TinyRun* tiny_;
};
"""
NONE = """
constexpr int kCount = 0;
const char* const kText = "a";
inline constexpr const char* kName = "b";
using Names = std::vector<std::string>;
int f(int a);
std::string g() { return "a"; }
struct A {
  static int h(int b = 0);
  static constexpr int kMost = 3;
  int member = 0;
};
void k() {
  static const std::string text = "a";
  int local = 0;
}
"""


class MutableGlobals(unittest.TestCase):
    def names(self, text):
        return [name for _, name in mutable_globals.variables(text)]

    def test_each_is_found(self):
        self.assertEqual(self.names(GLOBALS), ["count", "the_device", "running", "text", "all", "help", "tiny_"])

    def test_constants_functions_and_members_are_none(self):
        self.assertEqual(self.names(NONE), [])

    def test_a_file_that_is_not_listed_is_a_problem_and_so_is_a_line_without_need(self):
        with tempfile.TemporaryDirectory(prefix="ebb-globals-") as folder:
            root = pathlib.Path(folder)
            (root / "trainer/base").mkdir(parents=True)
            (root / "trainer/base/a.cpp").write_text("int count = 0;\n", encoding="utf-8")
            (root / "trainer/base/b.cpp").write_text(NONE, encoding="utf-8")
            found = list(mutable_globals.problems(root, {"trainer/base/b.cpp": "none"}))
            self.assertEqual(len(found), 2)
            self.assertIn("trainer/base/a.cpp:1: `count` is a mutable global", found[0])
            self.assertIn("trainer/base/b.cpp has no mutable global", found[1])
            self.assertEqual(list(mutable_globals.problems(root, {"trainer/base/a.cpp": "a test"})), [])

    def test_the_shape_includes_it(self):
        self.assertIn(check_shape.check_mutable_globals, check_shape.CHECKS)


if __name__ == "__main__":
    unittest.main()
