# SPDX-License-Identifier: Apache-2.0
"""Compares ebb's decoders of pictures, and what it makes of a size, with Pillow.

  pictures_compare.py EBB_PICTURE [--time]

PNG, BMP and lossless WebP: equal pixels. JPEG and lossy WebP: within one step of 255. A resize: within one step. Its
cases have equal sides, or reduce the width more than the height (see base/resample.h). With --time, also prints how
many JPEGs of 224 x 224 each of the two decodes in a second of CPU time. Exit code 0 if all agree, 1 if not, 77
(skipped) if Pillow is missing.
"""

import io
import pathlib
import random
import statistics
import struct
import sys
import tempfile
import time
import zlib

from running import need_module, parser_of, run

ORIENTATION = 0x0112
HEIGHT, WIDTH = 37, 45  # no multiple of a block


def noise(mode, seed=1, size=(WIDTH, HEIGHT)):
    """Noise over a ramp: neither flat nor beyond what a lossy file keeps."""
    from PIL import Image

    draws, bands = random.Random(seed), len(Image.new(mode, (1, 1)).getbands())
    values = bytes((x * 3 + y * 2 + band * 60 + draws.randrange(40)) % 256 for y in range(size[1]) for x in range(size[0]) for band in range(bands))
    return Image.frombytes(mode, size, values)


def saved(picture, kind, **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def chunk(name, contents):
    return struct.pack(">I", len(contents)) + name + contents + struct.pack(">I", zlib.crc32(name + contents))


def written_png(bits, colour_type, values, interlaced, extra=b""):
    """A PNG of HEIGHT x WIDTH pixels; `values(y, x)` returns the channels of one. Pillow writes neither 16 bits of
    colour nor Adam7."""

    def row(y, columns):
        pixels = [value for x in columns for value in values(y, x)]
        if bits >= 8:
            return b"\0" + b"".join(value.to_bytes(bits // 8, "big") for value in pixels)
        text = "".join(format(value, f"0{bits}b") for value in pixels)
        text += "0" * (-len(text) % 8)
        return b"\0" + bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8))

    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)] if interlaced else [(0, 0, 1, 1)]
    rows = b"".join(row(y, range(left, WIDTH, right)) for top, left, down, right in passes for y in range(top, HEIGHT, down))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, bits, colour_type, 0, 0, interlaced)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def jpegs():
    colour, grey = noise("RGB"), noise("L")
    yield "grey", saved(grey, "JPEG", quality=90)
    for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
        for progressive in (False, True):
            yield f"{subsampling} {progressive}", saved(colour, "JPEG", quality=85, subsampling=subsampling, progressive=progressive)
    yield "rgb", saved(colour, "JPEG", keep_rgb=True)
    yield "cmyk", saved(noise("CMYK"), "JPEG", quality=95)
    yield "restarts", saved(colour, "JPEG", restart_marker_blocks=2)
    yield "one pixel", saved(colour.crop((0, 0, 1, 1)), "JPEG")


def pngs():
    for mode in ("1", "L", "LA", "RGB", "RGBA"):
        yield mode, saved(noise("L").convert("1") if mode == "1" else noise(mode), "PNG")
    for colours in (2, 4, 16, 200):
        palette = noise("RGB").quantize(colours)
        yield f"palette {colours}", saved(palette, "PNG")
        yield f"palette {colours} transparent", saved(palette, "PNG", transparency=1)
        yield f"palette {colours} alpha", saved(palette, "PNG", transparency=bytes(i * 50 % 256 for i in range(colours)))
    yield "grey transparent", saved(noise("L"), "PNG", transparency=noise("L").getpixel((3, 3)))
    yield "rgb transparent", saved(noise("RGB"), "PNG", transparency=noise("RGB").getpixel((3, 3)))
    yield "apng", saved(noise("RGB"), "PNG", save_all=True, append_images=[noise("RGB", 2)])
    for interlaced in (0, 1):
        yield f"rgb {interlaced}", written_png(8, 2, lambda y, x: ((x * y) % 256, x * 5 % 256, y * 6), interlaced)
        yield f"alpha {interlaced}", written_png(8, 6, lambda y, x: ((x * y) % 256, x * 5 % 256, y * 6, x * 4), interlaced)
        for bits in (1, 2, 4):
            yield f"grey {bits} {interlaced}", written_png(bits, 0, lambda y, x, most=1 << bits: ((x + y * y) % most,), interlaced)


def deep_pngs():
    """(name, file, channels) of 16 bits. Pillow cuts these to 8, so `expected_deep` does not use it."""
    for interlaced in (0, 1):
        for channels, colour_type in ((1, 0), (3, 2), (4, 6)):
            yield f"16 bits {channels} {interlaced}", written_png(16, colour_type, lambda y, x, n=channels: deep_values(y, x, n), interlaced), channels


def deep_values(y, x, channels):
    return [(x * 1400 + y * 37 + c * 9001) % 65536 for c in range(channels)]


def expected_deep(channels):
    return bytes((value * 255 * 2 + 65535) // (2 * 65535) for y in range(HEIGHT) for x in range(WIDTH) for value in deep_values(y, x, channels))


def webps():
    for mode in ("RGB", "RGBA"):
        yield f"lossless {mode}", saved(noise(mode), "WEBP", lossless=True, exact=True), 0
        yield f"lossy {mode}", saved(noise(mode), "WEBP", quality=80), 1


def bmps():
    for mode in ("1", "L", "RGB", "RGBA"):
        yield mode, saved(noise("L").convert("1") if mode == "1" else noise(mode), "BMP")
    yield "palette", saved(noise("RGB").quantize(50), "BMP")


def turned():
    from PIL import Image

    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        for kind, options in (("JPEG", {"quality": 90}), ("PNG", {}), ("WEBP", {"lossless": True})):
            yield f"{kind} orientation {orientation}", saved(noise("RGB"), kind, exif=exif, **options), kind == "JPEG"


def with_channels(picture, channels):
    from PIL import Image, ImageOps

    picture = ImageOps.exif_transpose(picture)
    has_alpha = "A" in picture.getbands() or "transparency" in picture.info
    if has_alpha or channels == 4:
        picture = picture.convert("RGBA")
    if channels == 4:
        return picture
    if has_alpha:
        white = Image.new("RGB", picture.size, (255, 255, 255))
        white.paste(picture.convert("RGB"), mask=picture.getchannel("A"))
        picture = white
    if picture.mode not in ("L", "RGB"):
        picture = picture.convert("L" if picture.mode == "1" else "RGB")
    return picture.convert({1: "L", 3: "RGB"}[channels])


def fitted(picture, size, crop):
    from PIL import Image

    if crop:
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        picture = picture.crop((left, top, left + side, top + side))
    return picture.resize((size, size), Image.Resampling.BICUBIC)


def pixels_of_ebb(program, folder, files, channels, size=0, crop=0):
    paths = []
    for number, file in enumerate(files):
        paths.append(folder / str(number))
        paths[-1].write_bytes(file)
    said = run(program, "decode", channels, size, crop, folder / "out", *paths).split("\n")
    return said, (folder / "out").read_bytes()


def differences(program, folder):
    """(name, the largest difference, the largest that is allowed) of each case."""
    from PIL import Image

    cases = [(f"JPEG {name}", file, 1) for name, file in jpegs()] + [(f"PNG {name}", file, 0) for name, file in pngs()]
    cases += [(f"WebP {name}", file, most) for name, file, most in webps()] + [(f"BMP {name}", file, 0) for name, file in bmps()]
    cases += [(name, file, int(most)) for name, file, most in turned()]
    for channels in (1, 3, 4):
        for name, file, most in cases:
            said, found = pixels_of_ebb(program, folder, [file], channels)
            wanted = with_channels(Image.open(io.BytesIO(file)), channels)
            kind, height, width = said[0].split()[:3]
            if kind.upper() not in name.upper() or (int(width), int(height)) != wanted.size:
                sys.exit(f"{name}: ebb found {said[0]}, Pillow {wanted.size}")
            yield f"{name}, {channels} channels", *compared(found, wanted.tobytes()), most
    for name, file, channels in deep_pngs():
        yield f"PNG {name}", *compared(pixels_of_ebb(program, folder, [file], channels)[1], expected_deep(channels)), 0
    for size, (width, height), crop in [(32, (WIDTH, HEIGHT), 1), (32, (WIDTH, HEIGHT), 0), (64, (WIDTH, HEIGHT), 1), (64, (20, 31), 1),
                                        (32, (200, 150), 1), (32, (200, 90), 0), (17, (64, 64), 0), (299, (28, 28), 0), (31, (31, 40), 1)]:
        for mode, channels in (("L", 1), ("RGB", 3), ("RGBA", 4)):
            # Pillow weights colours by alpha, so each channel is a picture of its own here.
            picture = noise(mode, size=(width, height))
            bands = [fitted(band, size, crop).tobytes() for band in picture.split()]
            wanted = bytes(value for pixel in zip(*bands) for value in pixel)
            found = pixels_of_ebb(program, folder, [saved(picture, "PNG")], channels, size, crop)[1]
            yield f"{width}x{height} to {size}, crop {crop}, {mode}", *compared(found, wanted), 1


def compared(found, wanted):
    if len(found) != len(wanted):
        sys.exit(f"ebb wrote {len(found)} bytes, Pillow {len(wanted)}")
    return (max(abs(a - b) for a, b in zip(found, wanted)),)


def print_speed(program, folder):
    from PIL import Image

    path, count = folder / "timed.jpg", 1000
    path.write_bytes(saved(noise("RGB", size=(224, 224)), "JPEG", quality=90))
    file, ours, theirs = path.read_bytes(), [], []
    for _ in range(7):
        ours.append(float(run(program, "time", count, path)))
        start = time.process_time()
        for _ in range(count):
            Image.open(io.BytesIO(file)).convert("RGB").load()
        theirs.append(count / (time.process_time() - start))
    mine, other = statistics.median(ours), statistics.median(theirs)
    print(f"JPEG of 224 x 224, {len(file)} bytes: ebb {mine:.0f}/s, Pillow {other:.0f}/s, ratio {mine / other:.2f}")


def main():
    parser = parser_of("program")
    parser.add_argument("--time", action="store_true")
    a = parser.parse_args()
    need_module("PIL")
    failed = count = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for case, difference, most in differences(a.program, folder):
            count += 1
            if difference > most:
                print(f"{case}: largest difference {difference}, allowed {most}")
                failed += 1
        print(f"{count} cases, {failed} differ")
        if a.time:
            print_speed(a.program, folder)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
