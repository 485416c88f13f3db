#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plants names of families and formats into a small tree, and expects each to be found outside of its permitted places."""

import unittest

import check_shape
import registered_names
import shape
from planted_tree import PlantedTree

TREE = {
    "trainer/models/CMakeLists.txt": "# the families\nset(EBB_FAMILIES gan lm)\n",
    "trainer/models/gan/family.cpp": 'Family gan_family() {\n  family.name = "gan";\n}\n',
    "trainer/models/lm/hub.cpp": 'Types model_types() const override { return {"lm2", "bison"}; }\n',
    "trainer/data/format.cpp": '#include "data/tar/format.h"\nFormats builtin_formats() {\n  return {tar_format(), token_format()};\n}\n',
    "trainer/data/tar/format.cpp": 'Format tar_format() {\n  Format format;\n  format.name = "tar";\n}\n',
    "trainer/data/tokens/format.cpp": 'Format token_format() {\n  Format format = other();\n  format.name = "tokens";\n}\n',
    "trainer/train/use.cpp": "// a gan in a tar\nint tokens = 1;\n",
}


class RegisteredNames(PlantedTree):
    def root(self, changes):
        return self.plant({**TREE, **changes})

    def problems(self, changes, exceptions=None):
        return list(registered_names.problems(self.root(changes), exceptions or {}))

    def expect_found(self, code, name):
        found = self.problems({"trainer/train/use.cpp": f"\n{code}\n"})
        self.assertEqual(len(found), 1, (code, found))
        self.assertTrue(found[0].startswith("trainer/train/use.cpp:2: "), found)
        self.assertIn(f"names `{name}`, which only trainer/", found[0])

    def expect_nothing(self, code):
        self.assertEqual(self.problems({"trainer/train/use.cpp": code}), [], code)

    def test_names_are_read_from_the_registries(self):
        names = {(name.name, name.folder) for name in registered_names.names_of(self.root({}))}
        self.assertEqual(
            names,
            {
                ("gan", "trainer/models/gan"),
                ("lm", "trainer/models/lm"),
                ("lm2", "trainer/models/lm"),
                ("bison", "trainer/models/lm"),
                ("tar", "trainer/data/tar"),
                ("tokens", "trainer/data/tokens"),
            },
        )

    def test_comments_and_the_entries_themselves_may_use_them(self):
        self.expect_nothing("// gan\n/* tar\n lm */\n")
        self.expect_nothing('const char* url = "http://x"; // gan\n')

    def test_an_identifier_that_holds_a_name_is_found(self):
        for code in ("bool is_gan;", "GanConfig config;", "int kGanCount;", "GANConfig config;", "gan_family();"):
            self.expect_found(code, "gan")
        self.expect_found("LmModel model;", "lm")
        self.expect_found("TarReader reader;", "tar")
        self.expect_nothing("int organ, start, target, helm; Elms elms;")

    def test_a_literal_with_the_word_is_found(self):
        self.expect_found('help("weights of a GAN");', "gan")
        self.expect_found('help("GAN-2, others");', "gan")
        self.expect_found('help(R"(a "Bison")");', "bison")
        self.expect_found('help("a \\"tar\\" file");', "tar")
        self.expect_found('auto url = "http://x"; bool is_gan;', "gan")
        self.expect_nothing('help("an organ, a target and 1\'000");')

    def test_an_include_of_an_entry_is_found(self):
        self.expect_found('#include "models/gan/config.h"', "gan")
        self.expect_found('#include "data/tokens/token_file.h"', "tokens")
        self.expect_nothing('#include "models/family.h"\n')

    def test_an_ordinary_word_counts_only_as_the_name(self):
        self.expect_nothing('int tokens_per_s = 1; log("{} tokens of {}");\n')
        for code in ('if (format == "tokens") f();', 'help("data.format=tokens");', 'help("only where data.format is tokens");'):
            self.expect_found(code, "tokens")

    def test_an_entry_may_not_name_another(self):
        found = self.problems({"trainer/models/lm/model.cpp": "bool is_gan;\n"})
        self.assertEqual([line.split(":")[0] for line in found], ["trainer/models/lm/model.cpp"])

    def test_an_exception_holds_for_its_file_and_name_alone(self):
        use = "trainer/train/use.cpp"
        self.assertEqual(self.problems({use: "bool is_gan;\n"}, {(use, "gan"): "a reason"}), [])
        found = self.problems({use: "bool is_gan, is_tar;\n"}, {(use, "gan"): "a reason"})
        self.assertEqual(len(found), 1, found)
        self.assertIn("`tar`", found[0])

    def test_an_exception_that_nothing_needs_is_found(self):
        found = self.problems({}, {("trainer/train/use.cpp", "gan"): "a reason"})
        self.assertEqual(found, ["registered_names.py: the exception of trainer/train/use.cpp for `gan` is not needed; remove it"])

    def test_a_registry_that_cannot_be_read_does_not_pass(self):
        for path, text in (
            ("trainer/models/CMakeLists.txt", "set(FAMILIES gan)\n"),
            ("trainer/data/format.cpp", "Formats builtin_formats() { return other(); }\n"),
            ("trainer/data/tar/format.cpp", "Format tar_format() {\n  return {};\n}\n"),
        ):
            found = self.problems({path: text})
            self.assertEqual(len(found), 1, (path, found))
            self.assertTrue(found[0].startswith("/".join(path.split("/")[:2])), found)

    def test_the_shape_includes_it(self):
        root = self.root({"trainer/train/use.cpp": "bool is_gan;\n"})
        self.assertIn(check_shape.check_registered_names, check_shape.CHECKS)
        self.assertEqual(len(list(check_shape.check_registered_names(root, shape.Rules("")))), 1)


if __name__ == "__main__":
    unittest.main()
