# SPDX-License-Identifier: Apache-2.0
"""charts/ebb/README.md equals the output of scripts/lib/chart_readme.py and describes every value: `readme_test.py SOURCE_DIR`.

Exit code 0 if it does, 1 if not, 77 (skipped) if Python has no yaml.
"""

import difflib
import pathlib
import sys
import tempfile
import unittest

from skipping import yaml_or_skip

SOURCE = pathlib.Path(sys.argv[1]).resolve()
CHART = SOURCE / "charts/ebb"


class Table(unittest.TestCase):
    def test_the_file_is_of_this_values_yaml(self):
        there, now = (CHART / "README.md").read_text(), chart_readme.readme(CHART)
        self.assertEqual(there, now, "python3 scripts/lib/chart_readme.py makes it anew:\n" + "".join(difflib.unified_diff(there.splitlines(True), now.splitlines(True), "README.md", "now")))

    def test_every_value_is_described(self):
        rows = list(chart_readme.rows((CHART / "values.yaml").read_text()))
        self.assertGreater(len(rows), 50)
        self.assertEqual([key for key, _, _, text in rows if not text], [], "values.yaml has no comment `# -- ...` above these")

    def test_types_and_defaults(self):
        text = "a:\n  # -- One\n  b: 1\n  # -- (int) Two\n  c: null\n# -- Whole\nd: {z: 1, y: x}\ne: {}\n# no description\nf: [true]\ng: 1.5\n"
        self.assertEqual(list(chart_readme.rows(text)), [("a.b", "int", "1", "One"), ("a.c", "int", "nil", "Two"), ("d", "object", '{"y":"x","z":1}', "Whole"), ("e", "object", "{}", ""),
                                                          ("f", "list", "[true]", ""), ("g", "float", "1.5", "")])

    def test_another_folder_gets_a_file_of_its_own(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "values.yaml").write_text("# -- One\na: x\n")
            (folder / "Chart.yaml").write_text("description: d\n")
            (folder / "README.md.gotmpl").write_text('{{ template "chart.description" . }}.\n\n{{ template "chart.valuesTable" . }}\n')
            self.assertEqual(chart_readme.readme(folder), 'd.\n\n| Key | Type | Default | Description |\n|-----|------|---------|-------------|\n| a | string | `"x"` | One |\n')


if __name__ == "__main__":
    yaml_or_skip()
    sys.path.insert(0, str(SOURCE / "scripts/lib"))
    import chart_readme
    unittest.main(argv=sys.argv[:1])
