# SPDX-License-Identifier: Apache-2.0
"""Writes cmake/wheels.sha256: the checksums of all wheels of cmake/versions.txt that a supported machine may take.

  wheel_checksums.py names               the requirements, for uv
  wheel_checksums.py list PYLOCK         the content of cmake/wheels.sha256

uv (https://docs.astral.sh/uv) asks the index for them and downloads no wheel. After a change of a wheel in versions.txt:

  python3 scripts/lib/wheel_checksums.py names >names
  uv pip compile --no-deps --universal --python-version 3.11 --format pylock.toml -o pylock.toml names
  python3 scripts/lib/wheel_checksums.py list pylock.toml >cmake/wheels.sha256
"""

import pathlib
import re
import sys
import tomllib

VERSIONS = pathlib.Path(__file__).resolve().parents[2] / "cmake/versions.txt"
KINDS = ("small", "lint", "full", "client", "go")
PYTHONS = range(11, 14)  # of Debian 12, Ubuntu 24.04 and Debian 13: 3.11 to 3.13
MACHINES = ("x86_64", "aarch64")


def names():
    lines = (line.split() for line in VERSIONS.read_text().splitlines())
    return sorted({words[1] for words in lines if words and words[0] in KINDS}, key=str.lower)


def is_taken(file):
    """Whether one of the Pythons and machines can take this wheel, by the tags in its name."""
    python, abi, platform = file.removesuffix(".whl").split("-")[-3:]
    if platform != "any" and not any(re.search(rf"(manylinux|linux)\w*_{machine}\b", platform) and "musllinux" not in platform for machine in MACHINES):
        return False
    tags = [re.fullmatch(r"(cp|py)3(\d*)", tag) for tag in python.split(".")]
    if abi in ("none", "abi3"):
        return any(tag and int(tag[2] or 0) <= PYTHONS[-1] for tag in tags)
    return any(tag and tag[0] == abi and int(tag[2]) in PYTHONS for tag in tags)


def listed(lock):
    """The lines, in the format of sha256sum."""
    for package in tomllib.loads(lock.read_text())["packages"]:
        wheels = {wheel["url"].rsplit("/", 1)[1]: wheel["hashes"]["sha256"] for wheel in package["wheels"]}
        taken = [f"{digest}  {file}" for file, digest in sorted(wheels.items()) if is_taken(file)]
        if not taken:
            sys.exit(f"error: {package['name']} {package['version']} has no wheel for these Pythons and machines")
        yield from taken


if __name__ == "__main__":
    if sys.argv[1:] == ["names"]:
        print("\n".join(names()))
    elif sys.argv[1:2] == ["list"] and len(sys.argv) == 3:
        print("\n".join(listed(pathlib.Path(sys.argv[2]))))
    else:
        sys.exit(f"error: usage: {sys.argv[0]} names | list PYLOCK")
