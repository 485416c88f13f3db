# SPDX-License-Identifier: Apache-2.0
"""Compares ebb's reader of tar archives, and its samples of WebDataset, with Python's tarfile.

  tar_compare.py EBB_TAR [--peer]

The archives are those of tarfile and of the program tar, in every format that each has: long names, names that are no
UTF-8, empty files, folders, links, pipes. With --peer, also those that the package webdataset writes, and the samples
that it reads. Exit code 0 if all agree, 1 if not.
"""

import io
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zlib

from running import parser_of, run

NAMES = ["a.txt", "./b/c.jpg", "x" * 99, "x" * 95 + ".jpgy", "d" * 80 + "/" + "e" * 90 + ".png", "\u00e4\u00f6/\u4e2d.cls", "b\udce4d.bin", "s p a c e/1 2.jpg"]
LONGER = ["f" * 155 + "/" + "g" * 101 + ".jpg", "h/" * 300 + "1.jpg", "i" * 5000 + ".x"]
OTHERS = [(tarfile.DIRTYPE, "folder", ""), (tarfile.SYMTYPE, "link.jpg", "a.txt"), (tarfile.FIFOTYPE, "pipe.jpg", ""), (tarfile.LNKTYPE, "hard.jpg", "a.txt")]
SIZES = [0, 1, 511, 512, 513, 70000]
FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def contents(number):
    return bytes((number * 31 + i * 7) % 256 for i in range(SIZES[number % len(SIZES)]))


def write_by_tarfile(path, form):
    with tarfile.open(path, "w", format=form, errors="surrogateescape") as archive:
        for kind, name, target in OTHERS:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            archive.addfile(info)
        for number, name in enumerate(NAMES + (LONGER if form != tarfile.USTAR_FORMAT else [])):
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(contents(number)), 1.5 + number
            archive.addfile(info, io.BytesIO(contents(number)))


def write_samples(path, form):
    with tarfile.open(path, "w", format=form) as archive:
        for sample in range(40):
            for suffix in ("cls", "seg.PNG", "jpg") if sample % 3 else ("jpg",):
                info = tarfile.TarInfo(f"{'k' * (sample * (3 if form == tarfile.USTAR_FORMAT else 9))}/{sample:06d}.{suffix}")
                info.size = len(contents(sample))
                archive.addfile(info, io.BytesIO(contents(sample)))
        for name in ("__meta__", "__meta__/x.json", "README", "dir/.hidden"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())


def write_by_tar(path, form, folder):
    files = folder / "files"
    (files / ("n" * 90)).mkdir(parents=True, exist_ok=True)
    for number in range(9):
        (files / f"{number}.jpg").write_bytes(contents(number))
    if form != "v7":
        (files / ("n" * 90) / ("m" * 90)).write_bytes(b"long")
    run("tar", f"--format={form}", "--sort=name", "-C", files, "-cf", path, ".")


def members_of_tarfile(path):
    # The reader gives names as they are stored: a folder's may end with a slash.
    kinds = {tarfile.DIRTYPE: "5", tarfile.SYMTYPE: "2", tarfile.LNKTYPE: "1", tarfile.FIFOTYPE: "6"}
    with tarfile.open(path, errors="surrogateescape", encoding="utf-8") as archive:
        for info in archive:
            yield info.name.encode("utf-8", "surrogateescape"), kinds.get(info.type, "0"), info.offset_data, info.size


def members_of_ebb(program, path):
    for line in run(program, "members", path).splitlines():
        name, kind, offset, size = line.split()
        yield bytes.fromhex(name[1:]).rstrip(b"/"), kind, int(offset), int(size)


def samples_of_tarfile(path):
    """The rule of the format, from its description: (key, {suffix: (size, CRC-32)}) of each group of neighbours."""
    samples = []
    with tarfile.open(path) as archive:
        for info in archive:
            found = re.fullmatch(r"((?:.*/)?[^./][^./]*)\.([^/]*)", info.name)
            if not info.isreg() or not found or re.match(r"__[^/]*__($|/)", info.name):
                continue
            key, suffix = found.group(1), found.group(2).lower()
            if not samples or samples[-1][0] != key:
                samples.append((key, {}))
            data = archive.extractfile(info).read()
            samples[-1][1][suffix] = (len(data), zlib.crc32(data))
    return samples


def samples_of_ebb(program, path):
    samples = []
    for block in run(program, "samples", path).split("\n\n"):
        parts = [line.split() for line in block.splitlines()]
        if parts:
            text = [[bytes.fromhex(word[1:]).decode() for word in part[:2]] for part in parts]
            samples.append((text[0][0], {suffix: (int(part[2]), int(part[3])) for (_, suffix), part in zip(text, parts)}))
    return samples


def samples_of_peer(path):
    import webdataset

    for sample in webdataset.WebDataset(str(path), shardshuffle=False, empty_check=False):
        yield sample["__key__"], {name: (len(data), zlib.crc32(data)) for name, data in sample.items() if not name.startswith("__")}


def write_by_peer(folder):
    """Shards of the package's writers, in all formats; returns their paths."""
    import webdataset

    with webdataset.ShardWriter(str(folder / "peer-%03d.tar"), maxcount=50, verbose=0) as writer:
        for i in range(120):
            writer.write({"__key__": f"{i:06d}", "jpg": contents(i + 1), "cls": i % 10, "json": {"i": i}, "txt": "x" * i})
    for name in FORMATS:
        with webdataset.TarWriter(str(folder / f"peer-{name}.tar"), encoder=False, format=f"{name.upper()}_FORMAT") as writer:
            for i in range(30):
                writer.write({"__key__": "deep/" * (i if name == "ustar" else 4 * i) + str(i), "jpg": contents(i), "cls": b"%d" % i})
    return sorted(folder.glob("peer-*.tar"))


def compare(what, found, wanted):
    found, wanted = list(found), list(wanted)
    if found != wanted:
        pairs = [(f, w) for f, w in zip(found, wanted) if f != w]
        sys.exit(f"{what}: ebb found {len(found)}, {len(wanted)} expected; the first that differ: {pairs[:1]}")
    return len(found)


def check_sparse(program, folder):
    with open(folder / "holes", "wb") as file:
        file.truncate(1 << 22)
    for form in ("gnu", "posix"):
        run("tar", "--sparse", f"--format={form}", "-C", folder, "-cf", folder / "sparse.tar", "holes")
        done = subprocess.run([str(program), "members", str(folder / "sparse.tar")], capture_output=True, text=True)
        if done.returncode != 3 or "sparse" not in done.stderr:
            sys.exit(f"a sparse file of {form} was not refused: {done.returncode} {done.stderr}")


def main():
    parser = parser_of("program")
    parser.add_argument("--peer", action="store_true", help="compare with the package webdataset too")
    options = parser.parse_args()
    members = samples = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        path = folder / "a.tar"
        for form, number in FORMATS.items():
            write_by_tarfile(path, number)
            members += compare(f"members of {form}", members_of_ebb(options.program, path), members_of_tarfile(path))
            write_samples(path, number)
            samples += compare(f"samples of {form}", samples_of_ebb(options.program, path), samples_of_tarfile(path))
        if shutil.which("tar"):
            for form in ("v7", "oldgnu", "gnu", "ustar", "posix"):
                write_by_tar(path, form, folder)
                members += compare(f"members of tar, {form}", members_of_ebb(options.program, path), members_of_tarfile(path))
            check_sparse(options.program, folder)
        for shard in write_by_peer(folder) if options.peer else []:
            samples += compare(f"samples of webdataset, {shard.name}", samples_of_ebb(options.program, shard), samples_of_peer(shard))
    print(f"{members} members and {samples} samples agree")


main()
