#!/usr/bin/env python3
"""Plants violations into a small tree and expects each check to find its own, and nothing in the tree without them."""

import contextlib
import io
import os
import pathlib
import sys
import tempfile
import unittest

import check_format
import check_shape
import shape

RULES = """
layer base:
layer config: base
layer memory: base
layer core: memory
layer comm: memory
layer step: core comm   # a remark
only yaml-cpp/: config
never torch/: base
framework torch/ ATen/
tests shape
lines 20
"""

TREE = {
    "trainer/CMakeLists.txt": "add_subdirectory(base)\n",
    "trainer/base/CMakeLists.txt": "ebb_layer(base SOURCES units.cpp)\n",
    "trainer/base/units.h": "#pragma once\n",
    "trainer/base/units.cpp": '#include "base/units.h"\n',
    "trainer/comm/CMakeLists.txt": "ebb_layer(comm TORCH SOURCES mpi.cpp LAYERS memory LIBRARIES MPI::MPI_CXX)\n",
    "trainer/comm/world.h": '#include "base/units.h"\n',
    "trainer/comm/mpi.cpp": '#include <torch/torch.h>\n\n#include "comm/world.h"\n',
    "trainer/step/CMakeLists.txt": "ebb_layer(step SOURCES step.cpp LAYERS core comm)\n",
    "trainer/step/step.cpp": '#include "comm/world.h"\n#include "base/units.h"\n',
    "tests/CMakeLists.txt": "foreach(layer base shape)\nendforeach()\n",
    "tests/base/CMakeLists.txt": "ebb_test(base SOURCES units_test.cpp)\n",
    "tests/base/units_test.cpp": '#include "base/units.h"\n',
    "tests/shape/CMakeLists.txt": "",
}


class TreeTest(unittest.TestCase):
    def tree(self, changes=None):
        """TREE with `changes`, in a folder that goes with the test."""
        folder = tempfile.TemporaryDirectory(prefix="ebb-shape-")
        self.addCleanup(folder.cleanup)
        root = pathlib.Path(folder.name).resolve()
        for name, text in {**TREE, **(changes or {})}.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return root


class ShapeTest(TreeTest):
    def expect(self, changes, *problems):
        self.assertEqual(check_shape.problems(self.tree(changes), shape.Rules(RULES)), list(problems))

    def test_a_good_tree_has_no_problems(self):
        self.expect({})

    def test_a_lower_layer_may_not_include_a_higher_one(self):
        self.expect(
            {"trainer/base/units.cpp": '\n#include "base/units.h"\n#include "comm/world.h"\n'},
            'trainer/base/units.cpp:3: base includes "comm/world.h", but may use only: nothing',
        )

    def test_peers_may_not_include_each_other(self):
        self.expect(
            {"trainer/core/batch.h": "", "trainer/comm/world.h": '#include "base/units.h"\n  #  include "core/batch.h"\n'},
            'trainer/comm/world.h:2: comm includes "core/batch.h", but may use only: base, config, memory',
        )

    def test_angle_brackets_hide_nothing(self):
        self.expect(
            {"trainer/base/units.cpp": '#include "base/units.h"\n#include <comm/world.h>\n'},
            'trainer/base/units.cpp:2: base includes "comm/world.h", but may use only: nothing',
        )

    def test_commented_includes_do_not_count(self):
        self.expect(
            {"trainer/base/units.cpp": '// #include "comm/world.h"\n/*\n#include "comm/world.h"\n*/\n#include "base/units.h"\n'}
        )

    def test_includes_are_written_from_the_root_of_trainer(self):
        self.expect(
            {"trainer/base/units.cpp": '#include "base/units.h"\n#include "units.h"\n'},
            "trainer/base/units.cpp:2: there is no trainer/units.h; includes of ours are written from trainer/",
        )

    def test_a_folder_that_is_no_layer_is_found(self):
        self.expect(
            {"trainer/util/CMakeLists.txt": "add_library(util misc.cpp)", "trainer/util/misc.cpp": ""},
            "trainer/util/misc.cpp: `util` is not a layer of layers.txt",
        )

    def test_headers_from_outside_stay_where_they_belong(self):
        self.expect(
            {"trainer/comm/world.h": '#include "base/units.h"\n#include <yaml-cpp/yaml.h>\n'},
            "trainer/comm/world.h:2: <yaml-cpp/yaml.h> may be included only in: config",
        )
        self.expect(
            {"trainer/base/units.cpp": '#include "base/units.h"\n#include <torch/torch.h>\n'},
            "trainer/base/units.cpp:2: <torch/torch.h> may not be included in base",
        )

    def test_links_between_layers_follow_the_table(self):
        self.expect(
            {"trainer/base/CMakeLists.txt": "ebb_layer(base SOURCES units.cpp\n  LAYERS comm LIBRARIES fmt::fmt)\n"},
            "trainer/base/CMakeLists.txt: ebb_layer(base): links comm, which layers.txt does not allow",
        )

    def test_configuration_reaches_no_framework_header(self):
        tree = {
            "trainer/comm/CMakeLists.txt": "ebb_layer(comm TORCH CONFIG config.cpp SOURCES mpi.cpp LAYERS memory)\n",
            "trainer/comm/config.cpp": '#include "comm/config.h"\n',
            "trainer/comm/config.h": '#include "comm/world.h"\n',
        }
        self.expect(tree)
        self.expect(
            {**tree, "trainer/comm/world.h": '#include "base/units.h"\n\n#include <ATen/ATen.h>\n'},
            "trainer/comm/config.cpp -> trainer/comm/config.h -> trainer/comm/world.h: "
            "a CONFIG source reaches <ATen/ATen.h>",
        )

    def test_long_files_are_found(self):
        self.expect({"trainer/base/units.h": "#pragma once\n" * 20})
        self.expect(
            {"trainer/base/units.h": "#pragma once\n" * 21},
            "trainer/base/units.h: has 21 lines, allowed are 20; split it",
        )

    def test_sources_that_nothing_builds_are_found(self):
        self.expect(
            {"trainer/base/extra.cpp": ""}, "trainer/base/extra.cpp: no CMakeLists.txt lists it, so it is not built"
        )
        self.expect(
            {"trainer/base/CMakeLists.txt": "ebb_layer(base SOURCES # units.cpp\n)\n"},
            "trainer/base/units.cpp: no CMakeLists.txt lists it, so it is not built",
        )
        self.expect(
            {"tests/base/lost_test.cpp": ""}, "tests/base/lost_test.cpp: no CMakeLists.txt lists it, so it is not built"
        )

    def test_a_source_of_the_same_name_elsewhere_does_not_count(self):
        self.expect({"trainer/comm/units.cpp": ""}, "trainer/comm/units.cpp: no CMakeLists.txt lists it, so it is not built")

    def test_sources_may_be_listed_from_the_root(self):
        self.expect(
            {
                "cmake/Cuda.cmake": 'add_library(ebb_cuda SHARED "${CMAKE_SOURCE_DIR}/trainer/comm/update.cu")\n',
                "trainer/comm/update.cu": "",
            }
        )

    def test_headers_that_nobody_includes_are_found(self):
        self.expect({"trainer/base/unused.h": ""}, "trainer/base/unused.h: nobody includes it")

    def test_tests_mirror_the_layers(self):
        self.expect(
            {"tests/misc/CMakeLists.txt": "", "tests/CMakeLists.txt": "foreach(layer base shape misc)"},
            "tests/misc: mirrors no folder of trainer/",
        )

    def test_folders_of_tests_that_do_not_run_are_found(self):
        self.expect(
            {"tests/comm/CMakeLists.txt": ""},
            "tests/comm: tests/CMakeLists.txt does not name it, so its tests do not run",
        )
        self.expect(
            {"tests/comm/data.txt": ""}, "tests/comm: has no CMakeLists.txt, so its tests do not run"
        )


class RulesTest(unittest.TestCase):
    def test_use_is_transitive_and_base_and_config_are_for_all(self):
        rules = shape.Rules(RULES)
        self.assertEqual(rules.may_use["step"], {"core", "comm", "memory", "base", "config"})
        self.assertEqual(rules.may_use["memory"], {"base", "config"})
        self.assertEqual(rules.may_use["config"], {"base"})
        self.assertEqual(rules.may_use["base"], set())

    def test_a_layer_uses_only_layers_above_its_line(self):
        with self.assertRaisesRegex(ValueError, "layers.txt:1: base uses config"):
            shape.Rules("layer base: config\nlayer config:\n")
        with self.assertRaisesRegex(ValueError, "layers.txt:1: `lyer` is not known"):
            shape.Rules("lyer base:\n")


class CommandTest(TreeTest):
    def run_main(self, main, *arguments):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            code = main([str(argument) for argument in arguments])
        return code, out.getvalue()

    def test_shape_ends_with_one_and_the_list(self):
        root = self.tree({"tests/shape/layers.txt": RULES, "trainer/base/unused.h": ""})
        code, text = self.run_main(check_shape.main, root)
        self.assertEqual(code, 1)
        self.assertEqual(text, "trainer/base/unused.h: nobody includes it\n1 problems\n")
        (root / "trainer/base/unused.h").unlink()
        self.assertEqual(self.run_main(check_shape.main, root), (0, "the shape holds\n"))

    def test_format_is_skipped_without_the_pinned_tool(self):
        root = self.tree()
        code, text = self.run_main(check_format.main, root, "19.1.7", "")
        self.assertEqual((code, text), (77, "skipped: clang-format 19.1.7 is needed, none is there\n"))
        other = root / "clang-format"
        other.write_text("#!/bin/sh\necho 'clang-format version 14.0.6'\n", encoding="utf-8")
        other.chmod(0o755)
        code, text = self.run_main(check_format.main, root, "19.1.7", other)
        self.assertEqual((code, text), (77, "skipped: clang-format 19.1.7 is needed, 14.0.6 is there\n"))

    def test_format_names_the_files_that_are_not_formatted(self):
        tool = os.environ.get("EBB_CLANG_FORMAT", "")
        version = check_format.version_of(tool) if tool else None
        if version is None:
            self.skipTest("there is no clang-format")
        root = self.tree({".clang-format": "BasedOnStyle: Google\n", "trainer/step/step.cpp": "int   x;\n"})
        code, text = self.run_main(check_format.main, root, version, tool)
        self.assertEqual(code, 1)
        self.assertTrue(text.startswith("trainer/step/step.cpp: not formatted\n"), text)
        self.assertIn("1 files; to mend them:", text)
        (root / "trainer/step/step.cpp").write_text("int x;\n", encoding="utf-8")
        self.assertEqual(self.run_main(check_format.main, root, version, tool)[0], 0)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    unittest.main(verbosity=2)
