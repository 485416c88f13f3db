#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plants commands without a source into a small tree, and expects each to be found."""

import unittest

import check_shape
import command_files
import shape
from planted_tree import PlantedTree

LIST = """
struct Command {
  std::string_view name, help;
};
inline constexpr std::array<Command, 2> kCommands = {{
    {"train", "Train a model, {such as} a small one", Executable::core},
    {"dry-run",
     "Train nothing", Executable::core},
}};
inline constexpr std::array<Command, 1> kOthers = {{{"other", "No command", Executable::core}}};
"""

TREE = {
    "trainer/cli/commands.h": LIST,
    "trainer/cli/train.cpp": "",
    "trainer/cli/dry_run.cpp": "",
}


class CommandFiles(PlantedTree):
    def root(self, tree):
        return self.plant(tree)

    def expect(self, tree, *problems):
        self.assertEqual(list(command_files.problems(self.root(tree))), list(problems))

    def test_the_list_is_read_to_its_end(self):
        self.assertEqual(command_files.commands(LIST), ["train", "dry-run"])

    def test_a_tree_with_a_source_for_each_command_has_no_problems(self):
        self.expect(TREE)

    def test_a_command_in_the_source_of_another_is_found(self):
        self.expect(
            {name: text for name, text in TREE.items() if name != "trainer/cli/train.cpp"},
            "trainer/cli/commands.h: the command `train` has no trainer/cli/train.cpp",
        )

    def test_a_dash_becomes_an_underscore(self):
        tree = {**TREE, "trainer/cli/dry-run.cpp": ""}
        del tree["trainer/cli/dry_run.cpp"]
        self.expect(tree, "trainer/cli/commands.h: the command `dry-run` has no trainer/cli/dry_run.cpp")

    def test_a_list_that_cannot_be_read_does_not_pass(self):
        problem = "trainer/cli/commands.h: cannot find the commands of kCommands"
        self.expect({**TREE, "trainer/cli/commands.h": LIST.replace("kCommands", "commands")}, problem)
        self.expect({"trainer/cli/train.cpp": ""}, problem)

    def test_a_tree_without_the_layer_has_no_commands(self):
        self.expect({"trainer/base/units.cpp": ""})

    def test_the_shape_includes_it(self):
        root = self.root({"trainer/cli/commands.h": LIST})
        self.assertIn(check_shape.check_command_files, check_shape.CHECKS)
        self.assertEqual(len(list(check_shape.check_command_files(root, shape.Rules("")))), 2)


if __name__ == "__main__":
    unittest.main()
