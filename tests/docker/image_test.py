# SPDX-License-Identifier: Apache-2.0
"""Builds the image of docker/Dockerfile and checks it.

  image_test.py SOURCE_DIR

debootstrap makes the base, and buildah builds the image without a daemon; both take 15 minutes. The
test checks the files of the image, and trains a few steps in a chroot as the image's user. Exit code
77 (skipped) if this machine lacks a program or a right.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

SKIPPED = 77
REVISION = "0123456789abcdef0123456789abcdef01234567"
SUITE, BASE, IMAGE = "bookworm", "localhost/base", "localhost/ebb"
FASHION_MNIST = pathlib.Path("/usr/share/datasets/fashion-mnist")
MAX_IMAGE_MB = 1000  # the variant for CPUs; LibTorch is most of it
# The settings by which this machine reaches the distribution and PyPI. A base from a registry needs
# none of them.
NETWORK_SETTINGS = ("etc/apt/apt.conf.d", "etc/apt/sources.list.d", "etc/ssl/certs/ca-certificates.crt", "usr/local/share/ca-certificates", "etc/pip.conf")


def reason_to_skip():
    if os.geteuid() != 0:
        return "debootstrap, which makes the base, needs root"
    for program in ("buildah", "debootstrap"):
        if not shutil.which(program):
            return f"{program} is missing (./scripts/test image installs it and runs only this test; 15 minutes)"
    tried = subprocess.run(["unshare", "--mount", "--propagation", "private", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, text=True)
    return f"mounting is not allowed here: {tried.stderr.strip()}" if tried.returncode else ""


def run(*command, **named):
    return subprocess.run([str(word) for word in command], check=True, text=True, **named)


def make_base(tree):
    run("debootstrap", "--variant=minbase", SUITE, tree, stdout=subprocess.DEVNULL)
    for name in NETWORK_SETTINGS:
        source, target = pathlib.Path("/") / name, tree / name
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        elif source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    if any((tree / "etc/apt/sources.list.d").iterdir()):
        (tree / "etc/apt/sources.list").unlink(missing_ok=True)


class Image(unittest.TestCase):
    source = None  # set by the main program

    @classmethod
    def setUpClass(cls):
        cls.work = pathlib.Path(tempfile.mkdtemp(prefix="ebb-image-", dir="/var/tmp"))
        cls.addClassCleanup(shutil.rmtree, cls.work, ignore_errors=True)
        base, context = cls.work / "base", cls.work / "context"
        make_base(base)
        context.mkdir()
        files = run("git", "-C", cls.source, "ls-files", "-z", stdout=subprocess.PIPE).stdout
        packed = subprocess.run(["tar", "-C", cls.source, "--null", "-T", "-", "-cf", "-"], input=files.encode(), stdout=subprocess.PIPE, check=True)
        subprocess.run(["tar", "-C", context, "-xf", "-"], input=packed.stdout, check=True)
        container = cls.buildah("from", "scratch").stdout.strip()
        cls.buildah("add", container, base, "/")
        cls.buildah("commit", "--rm", container, BASE)
        shutil.rmtree(base)
        print("the base is ready; building the image", flush=True)
        with open(cls.work / "log", "w") as log:
            done = subprocess.run(cls.command_line("bud", "--isolation", "chroot", "--layers=false", "--build-arg", f"BASE={BASE}", "--build-arg", f"REVISION={REVISION}", "-f", context / "docker/Dockerfile", "-t", IMAGE, context),
                                  stdout=log, stderr=subprocess.STDOUT)
        if done.returncode:
            raise AssertionError(f"buildah ended with {done.returncode}:\n" + (cls.work / "log").read_text()[-6000:])
        cls.config = json.loads(cls.buildah("inspect", "--type", "image", IMAGE).stdout)["OCIv1"]["config"]
        cls.tree = pathlib.Path(cls.buildah("mount", cls.buildah("from", IMAGE).stdout.strip()).stdout.strip())

    @classmethod
    def command_line(cls, *command):
        storage = cls.work / "storage"
        return [str(word) for word in ("buildah", "--storage-driver", "vfs", "--root", storage / "root", "--runroot", storage / "run", *command)]

    @classmethod
    def buildah(cls, *command):
        done = subprocess.run(cls.command_line(*command), capture_output=True, text=True)
        if done.returncode:
            raise AssertionError(f"buildah {command[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
        return done

    def inside(self, command, **named):
        """Runs a command in the image's tree like a container: with /proc, /dev, /tmp and /data."""
        script = """mount --bind "$0" "$0"
                    cd "$0"
                    mount -t proc proc proc
                    mount --rbind /dev dev
                    mount -t tmpfs tmpfs tmp
                    mkdir -p data
                    mount --bind "$1" data
                    exec chroot --userspec=1000:1000 . env -i HOME=/home/mpiuser PATH=/usr/local/bin:/usr/bin:/bin EBB_DATA=/data sh -ec "$2" """
        return subprocess.run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "sh", "-ec", script, self.tree, self.data(), command],
                              capture_output=True, text=True, timeout=300, **named)

    @classmethod
    def data(cls):
        folder = cls.work / "data"
        folder.mkdir(exist_ok=True)
        return folder

    def test_user_entrypoint_and_programs(self):
        self.assertEqual(self.config["User"], "1000:1000")
        self.assertEqual(self.config["Entrypoint"], ["/usr/bin/tini", "--", "ebb-user"])
        self.assertEqual(self.config["Cmd"], ["ebb", "--help"])
        self.assertEqual(self.config["Labels"]["org.opencontainers.image.title"], "ebb")
        self.assertEqual(self.config["Labels"]["org.opencontainers.image.version"], "0.2.0")
        self.assertEqual(self.config["Labels"]["org.opencontainers.image.revision"], REVISION)
        self.assertIn("mpiuser:x:1000:1000:", (self.tree / "etc/passwd").read_text())
        done = self.inside("sshd=$(command -v /usr/sbin/sshd) && ls -l $sshd && command -v tar && ebb --version && mpirun --version && id")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"(?m)^CUDA +not in this build$")
        self.assertIn("uid=1000(mpiuser)", done.stdout)

    def test_contains_no_build_tools_and_no_keys(self):
        size = int(run("du", "-sm", "--one-file-system", self.tree, stdout=subprocess.PIPE).stdout.split()[0])
        print(f"the image for CPUs: {size} MB", flush=True)
        self.assertLess(size, MAX_IMAGE_MB)
        found = [str(path) for folder in ("usr", "opt") for path in (self.tree / folder).rglob("*")
                 if path.is_file() and (path.name.startswith(("libpython3", "libtorch_python", "libtorch_cuda", "libcublas", "libcudnn", "libnccl")) or path.name in ("python3", "gcc", "cmake", "cc1plus"))]
        # libcudart is allowed (1 MB): PyPI's libtorch_cpu.so links it.
        self.assertEqual(found, [])
        self.assertEqual([path.name for path in (self.tree / "etc/ssh").glob("ssh_host_*")], [])
        self.assertEqual(list((self.tree / "var/lib/apt/lists").glob("*")), [])
        self.assertFalse((self.tree / "src").exists())

    def test_lists_its_libraries_with_their_licences(self):
        document = json.loads((self.tree / "opt/ebb/sbom.spdx.json").read_text())
        named = {name for one in document["packages"] for name in one["comment"].removeprefix("files: ").split(", ")}
        self.assertLessEqual({path.name for path in (self.tree / "opt/ebb/lib").iterdir()}, named)
        known = (self.source / "cmake/wheels.sha256").read_text()
        for one in document["packages"][1:]:
            self.assertIn(f"{one['checksums'][0]['checksumValue']}  {one['packageFileName']}", known)
        self.assertTrue((self.tree / "opt/ebb/licenses/ebb.txt").read_text().strip().startswith("Apache License"))
        self.assertTrue((self.tree / "opt/ebb/licenses/torch/LICENSE").stat().st_size)

    def test_trains_on_two_ranks_as_the_user(self):
        ebb = self.tree / "usr/local/bin/ebb"
        self.assertTrue(ebb.exists())
        self.assertTrue(ebb.with_name("ebb-core").exists())
        for prefix in ("train", "t10k"):
            (self.data() / "raw").mkdir(exist_ok=True)
            for kind in ("images-idx3", "labels-idx1"):
                shutil.copy(FASHION_MNIST / f"{prefix}-{kind}-ubyte.gz", self.data() / "raw")
        self.data().chmod(0o777)
        done = self.inside("""for one in train:train test:t10k; do
              ebb data pack /data/raw/${one#*:}-images-idx3-ubyte.gz --labels /data/raw/${one#*:}-labels-idx1-ubyte.gz -o /data/fashion-mnist/${one%:*}
            done
            ebb launch -n 2 /opt/ebb/configs/vae-fashion-mnist.yaml run.dir=/tmp/runs run.steps=3 run.evaluate_every=0
            cat /tmp/runs/vae-fashion-mnist/metrics.jsonl""")
        self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr[-2000:])
        steps = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{") and '"step"' in line and '"eval"' not in line]
        self.assertEqual([line["step"] for line in steps], [0, 1, 2])
        self.assertGreater(steps[0]["loss"], 0)


if __name__ == "__main__":
    reason = reason_to_skip()
    if reason:
        print(f"skipped: {reason}")
        sys.exit(SKIPPED)
    Image.source = pathlib.Path(sys.argv[1]).resolve()
    unittest.main(argv=sys.argv[:1], verbosity=2)
