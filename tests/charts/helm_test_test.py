# SPDX-License-Identifier: Apache-2.0
"""The script of `helm test` (charts/ebb/files/helm-test.sh), against a real sshd with docker/sshd_config.

  helm_test_test.py UNPACKED SOURCE_DIR EBB      UNPACKED: .deps/unpacked, with openssh-server and libwrap0

Exit code 77 (skipped) if there is no sshd or no program.
"""

import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

SKIPPED = 77
UNPACKED, SOURCE, EBB = (pathlib.Path(word).resolve() for word in sys.argv[1:4])
SSHD = UNPACKED / "openssh-server/usr/sbin/sshd"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class HelmTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ebb-helm-test-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.runs, here, workers = self.folder / "runs", self.folder / "here", self.folder / "workers"
        for path in (self.runs, here, workers):
            path.mkdir()
        for path in (here, workers):
            (path / "ebb").symlink_to(EBB)
        self.workers = workers
        subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-b", "521", "-N", "", "-f", self.folder / "id_rsa"], check=True)
        shutil.copy(self.folder / "id_rsa.pub", self.folder / "authorized_keys")
        self.port = free_port()
        # The image's own files, with other paths.
        config = (SOURCE / "docker/ssh_config").read_text().replace("Port 2222", f"Port {self.port}")
        (self.folder / "ssh_config").write_text(config + f"  IdentityFile {self.folder}/id_rsa\n  IdentitiesOnly yes\n")
        (here / "ssh").write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {self.folder}/ssh_config "$@"\n')
        (here / "ssh").chmod(0o755)
        self.environment = {
            "PATH": f"{here}:/usr/bin:/bin", "HOME": str(self.folder), "EBB_JOB": "r-ebb-0", "EBB_WORKERS": "2", "EBB_HOSTS": "127.0.1.%d", "EBB_PORT": str(self.port), "EBB_WAIT": "1",
            "EBB_CHECKPOINTS": str(self.runs), "EBB_VOLUME": "claim.size", "EBB_RUN": str(self.runs / "vae"), "EBB_STEPS": "100"}

    def sshd(self):
        config = (SOURCE / "docker/sshd_config").read_text().replace("Port 2222", f"Port {self.port}").replace("/tmp/sshd.pid", f"{self.folder}/sshd.pid").replace("/home/mpiuser/.ssh", str(self.folder))
        # sshd uses only the first SetEnv.
        path = f"SetEnv PATH={self.workers}:/usr/bin:/bin"
        (self.folder / "sshd_config").write_text(config.replace("SetEnv", path, 1) if "SetEnv" in config else config + path + "\n")
        # From version 9.8 on (Debian 13) sshd runs further programs of its package.
        programs = {"SshdSessionPath": "sshd-session", "SshdAuthPath": "sshd-auth"}
        found = {key: UNPACKED / "openssh-server/usr/lib/openssh" / name for key, name in programs.items()}
        with (self.folder / "sshd_config").open("a") as more:
            more.writelines(f"{key} {program}\n" for key, program in found.items() if program.exists())
        libraries = ":".join(sorted({str(p.parent) for name in ("libwrap0", "libwtmpdb0") for p in (UNPACKED / name).rglob("lib*.so.0")}))
        line = [SSHD, "-De", "-f", self.folder / "sshd_config"]
        if os.getuid() == 0:
            if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
                reason = "as root sshd needs a mount namespace, which this system does not allow (in a chroot)"
                print(f"\nskipped: {self._testMethodName}: {reason}", flush=True)
                self.skipTest(reason)
            # As root, sshd needs a user and a folder that its package would make. A mount namespace provides them.
            (self.folder / "passwd").write_text(pathlib.Path("/etc/passwd").read_text() + "sshd:x:64999:65534::/run/sshd:/usr/sbin/nologin\n")
            line = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/passwd && mount -t tmpfs tmpfs /run && mkdir /run/sshd && exec "$@"', self.folder / "passwd", *line]
        server = subprocess.Popen(line, env={"LD_LIBRARY_PATH": libraries, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, stderr=subprocess.PIPE, text=True)
        self.addCleanup(server.stderr.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        for _ in range(100):
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            if server.poll() is not None:
                self.fail(f"sshd: {server.stderr.read()}")
            time.sleep(0.1)
        self.fail("sshd does not answer within 10 s")

    def results(self, steps):
        (self.runs / "vae").mkdir()
        (self.runs / "vae/results.json").write_text(f'{{\n  "steps": {steps},\n  "test_loss": 252.1,\n  "text": "x"\n}}\n')

    def ends(self, code, *words, **environment):
        script = (SOURCE / "charts/ebb/files/helm-test.sh").read_text()
        done = subprocess.run(["/bin/bash", "-c", script], env={**self.environment, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        self.assertEqual(done.returncode, code, done.stdout)
        for word in words:
            self.assertIn(word, done.stdout)
        self.assertEqual(list(self.runs.glob(".helm-test*")), [], "what was tried is left on the volume")
        return done.stdout

    def test_workers_that_are_as_they_should_be(self):
        self.sshd()
        said = self.ends(0, "r-ebb-0: 2 workers have the same version and answer by ssh. The checkpoint volume is writable.", "127.0.1.1 (127.0.1.1): answers by ssh with the same version")
        self.assertEqual(said.count("is writable"), 4)  # this pod, both workers, the last line
        self.assertNotIn("FAILED", said)

    def test_a_worker_that_does_not_answer(self):
        self.ends(1, f"FAILED  127.0.1.0 (127.0.1.0): ssh on port {self.port} failed:", "Connection refused")

    def test_a_key_that_is_not_the_workers(self):
        self.sshd()
        (self.folder / "authorized_keys").write_text("")
        self.ends(1, "FAILED  127.0.1.1 (127.0.1.1): ssh on port", "Permission denied")

    def test_another_version_on_a_worker(self):
        (self.workers / "ebb").unlink()
        (self.workers / "ebb").write_text("#!/bin/sh\necho ebb 9.9.9\n")
        (self.workers / "ebb").chmod(0o755)
        self.sshd()
        self.ends(1, "FAILED  127.0.1.0 (127.0.1.0): its version differs from the version in this pod: ebb 9.9.9")

    def test_a_volume_that_cannot_be_written(self):
        self.sshd()
        said = self.ends(1, f"FAILED  this pod: user {os.getuid()} cannot write to /proc/none: ", f"FAILED  127.0.1.1: user {os.getuid()} cannot write to /proc/none: ", EBB_CHECKPOINTS="/proc/none")
        self.assertIn("answers by ssh", said)

    def test_one_name_that_is_missing(self):
        self.sshd()
        said = self.ends(1, "FAILED  127.0.1.256: no such name in DNS after 1 s", "127.0.1.255 (127.0.1.255): answers by ssh", EBB_HOSTS="127.0.1.25%d", EBB_WORKERS="7")
        self.assertNotIn("has finished", said)

    def test_a_finished_job_whose_workers_are_gone(self):
        self.results(100)
        start = time.monotonic()
        self.ends(0, "r-ebb-0 has finished: ", "results.json covers 100 steps. Its workers are gone", EBB_HOSTS="worker-%d.invalid", EBB_WAIT="30")
        self.assertLess(time.monotonic() - start, 20, "it waited although the run is over")

    def test_workers_that_are_gone_before_the_end(self):
        self.results(99)
        self.ends(1, "worker-1.invalid: no such name in DNS", "The run has not finished: there is no ", "kubectl describe mpijob r-ebb-0", EBB_HOSTS="worker-%d.invalid")

    def test_workers_that_are_gone_and_a_volume_that_is_not_here(self):
        self.results(100)
        self.ends(1, "This pod cannot check whether the run has finished", EBB_HOSTS="worker-%d.invalid", EBB_VOLUME="")

    def test_mode_job(self):
        self.ends(0, "r-ebb-0 is one pod (mode job). It has no workers to check", EBB_WORKERS="0")
        self.results(100)
        self.ends(0, "r-ebb-0 has finished", EBB_WORKERS="0")

    def test_an_image_whose_program_does_not_start(self):
        (self.folder / "here/ebb").unlink()
        self.ends(1, "FAILED  ebb does not start in this image")


if __name__ == "__main__":
    for needed in (SSHD, EBB, pathlib.Path("/usr/bin/ssh")):
        if not needed.exists():
            print(f"skipped: there is no {needed} (scripts/setup full unpacks sshd)", flush=True)
            sys.exit(SKIPPED)
    unittest.main(argv=sys.argv[:1])
