#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plants violations into a small tree and expects each check to find its own, and nothing in the tree without them."""

import contextlib
import io
import os
import sys
import unittest

import check_format
import check_shape
import layer_table
import shape
from planted_tree import PlantedTree

RULES = """
layer base:
  errors, and
  units
layer comm: base
layer core:
layer step: base comm   # a remark
  one step
only yaml-cpp/: config
never torch/: base
framework torch/ ATen/
tests shape
lines 25
"""

TREE = {
    "trainer/CMakeLists.txt": "add_subdirectory(base)\n",
    "trainer/base/CMakeLists.txt": "ebb_layer(base SOURCES units.cpp)\n",
    "trainer/base/units.h": "#pragma once\n",
    "trainer/base/units.cpp": '#include "base/units.h"\n',
    "trainer/core/CMakeLists.txt": "ebb_layer(core)",
    "trainer/comm/CMakeLists.txt": "ebb_layer(comm TORCH SOURCES world_mpi.cpp LAYERS base LIBRARIES MPI::MPI_CXX)\n",
    "trainer/comm/world.h": '#include "base/units.h"\n',
    "trainer/comm/world_mpi.cpp": '#include <torch/torch.h>\n\n#include "comm/world.h"\n',
    "trainer/step/CMakeLists.txt": "ebb_layer(step SOURCES step.cpp LAYERS base comm)\n",
    "trainer/step/step.cpp": '#include "comm/world.h"\n#include "base/units.h"\n',
    "tests/CMakeLists.txt": "foreach(layer base shape)\nendforeach()\n",
    "tests/base/CMakeLists.txt": "ebb_test(base SOURCES units_test.cpp)\n",
    "tests/base/units_test.cpp": '#include "base/units.h"\n',
    "tests/shape/CMakeLists.txt": "",
    "docs/architecture.md": f"""text before
{layer_table.BEGIN}

| folder | holds | may use |
| --- | --- | --- |
| `base` | errors, and units | – |
| `comm` |  | base |
| `core` |  | – |
| `step` | one step | base, comm |

{layer_table.END}
text after
""",
}


class TreeTest(PlantedTree):
    def tree(self, changes=None):
        """TREE with `changes`, in a folder that the test removes."""
        return self.plant({**TREE, **(changes or {})})


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
            'trainer/comm/world.h:2: comm includes "core/batch.h", but may use only: base',
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

    def test_cmake_links_exactly_the_edges_of_the_table(self):
        self.expect(
            {"trainer/base/CMakeLists.txt": "ebb_layer(base SOURCES units.cpp\n  LAYERS comm LIBRARIES fmt::fmt)\n"},
            "trainer/base/CMakeLists.txt: base links comm, which is no edge of layers.txt",
        )
        self.expect(
            {"trainer/step/CMakeLists.txt": "ebb_layer(step SOURCES step.cpp LAYERS comm)\n"},
            "trainer/step/CMakeLists.txt: step does not link base, an edge of layers.txt",
        )

    def test_what_an_executable_links_counts_as_well(self):
        listed = "add_executable(ebb step.cpp)\ntarget_link_libraries(ebb PRIVATE ebb_options {} fmt::fmt)\n"
        self.expect({"trainer/step/CMakeLists.txt": listed.format("ebb_base ebb_comm")})
        self.expect(
            {"trainer/step/CMakeLists.txt": listed.format("ebb_base ebb_comm ebb_core")},
            "trainer/step/CMakeLists.txt: step links core, which is no edge of layers.txt",
        )

    def test_an_edge_that_no_include_uses_is_found(self):
        self.expect(
            {"trainer/step/step.cpp": '#include "comm/world.h"\n'},
            "layers.txt: step may use base, but no file of trainer/step includes it; remove the edge",
        )

    def test_a_standard_header_with_the_name_of_a_layer_uses_no_edge(self):
        tree = {
            "trainer/memory/CMakeLists.txt": "ebb_layer(memory)\n",
            "trainer/core/CMakeLists.txt": "ebb_layer(core SOURCES core.cpp LAYERS memory)\n",
            "trainer/core/core.cpp": "#include <memory>\n",
        }
        rules = shape.Rules(RULES.replace("layer core:", "layer memory:\nlayer core: memory"))
        self.assertIn(
            "layers.txt: core may use memory, but no file of trainer/core includes it; remove the edge",
            check_shape.problems(self.tree(tree), rules),
        )

    def test_a_layer_without_a_folder_is_found(self):
        rules = shape.Rules(RULES + "layer plan: step\n")
        self.assertIn("layers.txt: there is no folder trainer/plan", check_shape.problems(self.tree(), rules))

    def test_a_stale_table_on_the_page_is_found(self):
        stale = TREE["docs/architecture.md"].replace("one step", "two steps")
        self.expect(
            {"docs/architecture.md": stale},
            "docs/architecture.md: its table of layers is stale: python3 tests/shape/layer_table.py . --write",
        )

    def test_configuration_reaches_no_framework_header(self):
        tree = {
            "trainer/comm/CMakeLists.txt": "ebb_layer(comm TORCH CONFIG config.cpp SOURCES world_mpi.cpp LAYERS base)\n",
            "trainer/comm/config.cpp": '#include "comm/config.h"\n',
            "trainer/comm/config.h": '#include "comm/world.h"\n',
        }
        self.expect(tree)
        self.expect(
            {**tree, "trainer/comm/world.h": '#include "base/units.h"\n\n#include <ATen/ATen.h>\n'},
            "trainer/comm/config.cpp -> trainer/comm/config.h -> trainer/comm/world.h: "
            "a CONFIG source reaches <ATen/ATen.h>",
        )
        self.expect(
            {
                "trainer/step/gan/CMakeLists.txt": "ebb_family(CONFIG config.cpp)\n",
                "trainer/step/gan/config.cpp": "#include <torch/torch.h>\n",
            },
            "trainer/step/gan/config.cpp: a CONFIG source reaches <torch/torch.h>",
        )

    KEYS = {
        "trainer/core/config.h": """
struct InnerConfig {
  double rate = 1;
  void describe(config::Section& s) { s.number("rate", rate).doc("inner.rate is read here alone"); }
};
struct CoreConfig {
  std::int64_t width = 1;
  std::string folder;
  InnerConfig inner;
  void describe(config::Section& s);
  std::string path() const { return folder + "/x"; }
};
""",
        "trainer/core/config.cpp": """
#include "core/config.h"

// config.width
void describe_width(config::Section& s, std::int64_t& width) { s.integer("width", width); }
void CoreConfig::describe(config::Section& s) {
  describe_width(s, width);
  s.text(
      "folder", folder);
  s.section("inner", inner, "inner");
  s.rule({"width"}, [this] { return inner.rate > 1; });
}
""",
        "trainer/core/CMakeLists.txt": "ebb_layer(core SOURCES config.cpp use.cpp)",
        "trainer/core/use.cpp": """
#include "core/config.h"
double use(const CoreConfig& config, Other& other) { return config.width * config.inner.rate; }
""",
    }

    def test_keys_that_are_read_have_no_problem(self):
        self.expect(self.KEYS)

    def test_a_key_whose_member_nothing_reads_is_found(self):
        use = '#include "core/config.h"\ndouble use(CoreConfig& config, Other& other) {{ {} }}\n'
        width = "trainer/core/config.cpp:5: nothing reads CoreConfig::width, the key `width`"
        for body in (
            "return config.inner.rate;",
            "config.width = 5; return config.inner.rate;",  # an assignment reads nothing
            "return other.width * config.inner.rate;",  # nor does another struct's member of that name
            'log("https://a.b", "config.width"); return config.inner.rate;',  # nor does a text
        ):
            self.expect({**self.KEYS, "trainer/core/use.cpp": use.format(body)}, width)
        self.expect(
            {**self.KEYS, "trainer/core/use.cpp": use.format("return config.width;")},
            "trainer/core/config.h:4: nothing reads InnerConfig::rate, the key `rate`",
        )

    def test_a_template_reads_the_members_of_its_parameter(self):
        use = '#include "core/config.h"\ntemplate <class Any>\nstruct Holder {\n  Any value;\n  int f() { return value.width; }\n};\n'
        self.expect({**self.KEYS, "trainer/core/use.cpp": use + "double g(InnerConfig& c) { return c.rate; }\n"})

    def test_a_key_without_a_known_member_is_found(self):
        self.expect(
            {**self.KEYS, "trainer/core/use.cpp": self.KEYS["trainer/core/use.cpp"] + 'void f(S& s) { s.flag("lost", lost); }\n'},
            "trainer/core/use.cpp:4: cannot tell which member the key `lost` sets",
        )

    def test_long_files_are_found(self):
        self.expect({"trainer/base/units.h": "#pragma once\n" * 25})
        self.expect(
            {"trainer/base/units.h": "#pragma once\n" * 26},
            "trainer/base/units.h: has 26 lines, allowed are 25; split it",
        )

    def test_sources_that_nothing_builds_are_found(self):
        self.expect(
            {"trainer/base/units_extra.cpp": ""}, "trainer/base/units_extra.cpp: no CMakeLists.txt lists it, so it is not built"
        )
        self.expect(
            {"trainer/base/CMakeLists.txt": "ebb_layer(base SOURCES # units.cpp\n)\n"},
            "trainer/base/units.cpp: no CMakeLists.txt lists it, so it is not built",
        )
        self.expect(
            {"tests/base/lost_test.cpp": ""}, "tests/base/lost_test.cpp: no CMakeLists.txt lists it, so it is not built"
        )

    def test_a_source_of_the_same_name_elsewhere_does_not_count(self):
        self.expect({"trainer/step/units.cpp": ""}, "trainer/step/units.cpp: no CMakeLists.txt lists it, so it is not built")

    def test_sources_may_be_listed_from_the_root(self):
        self.expect(
            {
                "cmake/Cuda.cmake": 'add_library(ebb_cuda SHARED "${CMAKE_SOURCE_DIR}/trainer/comm/update.cu")\n',
                "trainer/comm/update.cu": "",
            }
        )

    def test_headers_that_nobody_includes_are_found(self):
        self.expect({"trainer/base/unused.h": ""}, "trainer/base/unused.h: nobody includes it")

    def test_sources_that_no_header_names_are_found(self):
        self.expect(
            {"trainer/base/CMakeLists.txt": "ebb_layer(base SOURCES units.cpp bytes.cpp)", "trainer/base/bytes.cpp": ""},
            "trainer/base/bytes.cpp: is not named after a header of its folder, or of the folder above",
        )

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
        rules = shape.Rules("layer base:\nlayer config: base\nlayer memory: base\nlayer core: memory\nlayer step: core\n")
        self.assertEqual(rules.may_use["step"], {"core", "memory", "base", "config"})
        self.assertEqual(rules.may_use["memory"], {"base", "config"})
        self.assertEqual(rules.may_use["config"], {"base"})
        self.assertEqual(rules.may_use["base"], set())
        self.assertEqual(rules.edges["step"], ["core"])

    def test_indented_lines_describe_the_layer_above_them(self):
        self.assertEqual(shape.Rules(RULES).holds, {"base": "errors, and units", "step": "one step"})

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

    def test_the_table_is_written_into_the_page(self):
        root = self.tree({"tests/shape/layers.txt": RULES})
        page = root / "docs/architecture.md"
        page.write_text(f"before\n{layer_table.BEGIN}\nold\n{layer_table.END}\nafter\n", encoding="utf-8")
        self.assertEqual(self.run_main(check_shape.main, root)[0], 1)
        self.assertEqual(self.run_main(layer_table.main, root, "--write"), (0, ""))
        text = page.read_text(encoding="utf-8")
        self.assertTrue(text.startswith("before\n") and text.endswith("after\n"), text)
        self.assertIn("| `step` | one step | base, comm |", text)
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
