# SPDX-License-Identifier: Apache-2.0
"""Compares ebb's bicubic filter with Pillow's: every pixel within one step of 255.

  resize_compare.py EBB_MEASURE

Pillow resizes columns first in version 13 if the height is reduced more than the width. Earlier versions and
ebb always resize rows first. No case here is such a reduction. Exit code 0 if all agree, 1 if not, 77
(skipped) if Pillow is missing.
"""

import pathlib
import random
import sys
import tempfile

from running import need_module, parser_of, run

# Height and width before and after: enlargements, reductions, both, and odd sizes.
SIZES = [(28, 28, 299, 299), (32, 32, 299, 299), (64, 48, 299, 299), (512, 512, 299, 299), (301, 299, 101, 57),
         (33, 40, 64, 20), (7, 5, 3, 2), (1, 1, 4, 5), (28, 28, 28, 28)]
MODES = {1: "L", 3: "RGB"}


def pictures_of(channels, height, width):
    """Interleaved bytes of images: noise, black and white noise (which overshoots), a ramp."""
    draws = random.Random(1)
    size = channels * height * width
    yield draws.randbytes(size)
    yield bytes(draws.choice((0, 255)) for _ in range(size))
    yield bytes(i // channels * 3 % 256 for i in range(size))


def planes_of(picture, channels):
    return b"".join(picture[c::channels] for c in range(channels))


def largest_difference(program, folder, channels, sizes):
    from PIL import Image

    height, width, new_height, new_width = sizes
    pictures = list(pictures_of(channels, height, width))
    given, found = folder / "given", folder / "found"
    given.write_bytes(b"".join(planes_of(picture, channels) for picture in pictures))
    run(program, "resize", given, channels, height, width, found, new_height, new_width)
    expected = b"".join(
        planes_of(Image.frombytes(MODES[channels], (width, height), picture).resize((new_width, new_height), Image.Resampling.BICUBIC).tobytes(), channels)
        for picture in pictures)
    ours = found.read_bytes()
    if len(ours) != len(expected):
        sys.exit(f"ebb wrote {len(ours)} bytes, Pillow {len(expected)}")
    return max(abs(a - b) for a, b in zip(ours, expected))


def main():
    a = parser_of("program").parse_args()
    need_module("PIL")
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for sizes in SIZES:
            for channels in MODES:
                difference = largest_difference(a.program, pathlib.Path(folder), channels, sizes)
                print("{}x{} to {}x{}".format(*sizes) + f", {channels} channels: largest difference {difference}")
                failed |= difference > 1
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
