# SPDX-License-Identifier: Apache-2.0
"""Tests docker/contents.py with a package of two licence texts of one name.

  contents_test.py SOURCE_DIR
"""

import json
import os
import pathlib
import shutil
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(sys.argv[1]).resolve()
sys.path.insert(0, str(SOURCE / "docker"))
import contents  # noqa: E402

TEXTS = {"licenses/LICENSE": "whole", "licenses/parts/one/LICENSE": "one", "licenses/parts/two/LICENSE": "two", "NOTICE": "notice"}


class Contents(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.addCleanup(os.chdir, os.getcwd())
        self.site, self.out = pathlib.Path(folder.name, "site"), pathlib.Path(folder.name, "out")
        (self.out / "opt/ebb/lib").mkdir(parents=True)
        # docker/build runs it in the checkout.
        checkout = pathlib.Path(folder.name, "checkout")
        (checkout / "cmake").mkdir(parents=True)
        shutil.copy(SOURCE / "CMakeLists.txt", checkout)
        self.wheels = checkout / "cmake/wheels.sha256"
        self.wheels.write_text(f"{'0' * 64}  some-1.5-cp311-cp311-linux_x86_64.whl\n{'1' * 64}  some-1.5-py2.py3-none-any.whl\n{'2' * 64}  some-1.6-py2.py3-none-any.whl\n")
        os.chdir(checkout)
        sys.path.insert(0, str(self.site))
        self.addCleanup(sys.path.remove, str(self.site))

    def package(self, texts, library="libsome.so.1"):
        """Makes an installed package with a library, which the image contains too."""
        info = self.site / "some-1.5.dist-info"
        files = {"some/" + library: "", "some/LICENSE": "not of the package", "some-1.5.dist-info/METADATA": "Name: some\nVersion: 1.5\nLicense-Expression: MIT\n",
                 f"{info.name}/WHEEL": "Wheel-Version: 1.0\nTag: py2-none-any\nTag: py3-none-any\n",
                 **{f"{info.name}/{name}": text for name, text in texts.items()}}
        for name, text in files.items():
            (self.site / name).parent.mkdir(parents=True, exist_ok=True)
            (self.site / name).write_text(text)
        (info / "RECORD").write_text("".join(f"{name},,\n" for name in files))
        (self.out / "opt/ebb/lib" / library).touch()

    def copied(self):
        there = self.out / "opt/ebb/licenses/some"
        return {str(path.relative_to(there)): path.read_text() for path in there.rglob("*") if path.is_file()}

    def test_texts_of_one_name_are_all_copied(self):
        self.package(TEXTS)
        contents.main(self.out, "cpu")
        self.assertEqual(self.copied(), {name.removeprefix("licenses/"): text for name, text in TEXTS.items()})
        (own, some) = json.loads((self.out / "opt/ebb/sbom.spdx.json").read_text())["packages"]
        self.assertEqual((own["name"], some["name"], some["versionInfo"], some["licenseComments"], some["comment"]), ("ebb", "some", "1.5", "MIT", "files: libsome.so.1"))
        self.assertEqual((some["packageFileName"], some["checksums"]), ("some-1.5-py2.py3-none-any.whl", [{"algorithm": "SHA256", "checksumValue": "1" * 64}]))
        self.assertNotIn("checksums", own)

    def test_texts_that_would_replace_each_other_are_refused(self):
        self.package({"LICENSE": "a", "licenses/LICENSE": "b"})
        self.assertRaisesRegex(SystemExit, "two licence texts of the package some would be .*/some/LICENSE", contents.main, self.out, "cpu")

    def test_a_package_of_another_wheel_is_refused(self):
        self.package(TEXTS)
        self.wheels.write_text(f"{'0' * 64}  some-1.5-py3-none-any.whl\n")
        self.assertRaisesRegex(SystemExit, "the package some 1.5 was not installed from a wheel of cmake/wheels.sha256", contents.main, self.out, "cpu")

    def test_a_package_without_a_text_is_refused(self):
        self.package({})
        self.assertRaisesRegex(SystemExit, "the package some contains no licence text, but the image contains libsome.so.1", contents.main, self.out, "cpu")

    def test_a_library_of_no_package_is_refused(self):
        self.package(TEXTS)
        (self.out / "opt/ebb/lib/libother.so").touch()
        self.assertRaisesRegex(SystemExit, "no installed package contains libother.so", contents.main, self.out, "cpu")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
