# SPDX-License-Identifier: Apache-2.0
"""Compares features that ebb computes by TorchScript modules of Python with those of the modules in PyTorch.

  features_compare.py EBB_MEASURE

It also checks that ebb refuses what torch.save writes. Exit code 0 if all agree, 1 if not, 77 (skipped) if
torch is missing.
"""

import hashlib
import pathlib
import random
import subprocess
import sys
import tempfile

from running import need_module, parser_of, run

IMAGES, HEIGHT, WIDTH = 70, 12, 9  # more images than a batch
BOUND = 1e-5  # relative to the largest feature; the order of sums differs


def modules():
    """(name, module, its keyword arguments, channels of the images, resize() of the extractor, what the module gets)"""
    import torch
    from torch import nn

    class Small(nn.Module):
        def __init__(self, channels: int):
            super().__init__()
            self.layers = nn.Sequential(nn.Conv2d(channels, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(2))

        def forward(self, x):
            return self.layers(x.float() / 255).flatten(1)

    class Published(nn.Module):
        """Has the arguments of the published Inception v3 of the FID, and its sizes."""

        def __init__(self):
            super().__init__()
            self.small = Small(3)
            self.output = nn.Linear(32, 10)

        def forward(self, img, return_features: bool = False):
            features = self.small(nn.functional.interpolate(img.float(), [299, 299], mode="bilinear"))
            return features if return_features else self.output(features)

    class Fixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.output = nn.Linear(3 * 299 * 299, 16)

        def forward(self, x):
            return self.output(x.flatten(1) / 255)

    torch.manual_seed(1)
    yield "a module of 3 channels", Small(3), {}, 3, "none", lambda x, _: x
    yield "a module of 3 channels, grey images", Small(3), {}, 1, "none", lambda x, _: x.repeat(1, 3, 1, 1)
    yield "a module of 1 channel", Small(1), {}, 1, "none", lambda x, _: x
    yield "a module with return_features", Published(), {"return_features": True}, 3, "none", lambda x, _: x
    yield "a module of a fixed size", Fixed(), {}, 1, "bicubic 299x299", lambda _, resized: resized.repeat(1, 3, 1, 1)


class Comparison:
    def __init__(self, program, folder):
        self.program, self.folder, self.failed = program, folder, False

    def report(self, text, good):
        print(text + ("" if good else " (WRONG)"))
        self.failed |= not good

    def images(self, channels):
        """Returns the path of raw images, and the images as a tensor."""
        import torch

        pixels = random.Random(channels).randbytes(IMAGES * channels * HEIGHT * WIDTH)
        path = self.folder / f"images{channels}"
        path.write_bytes(pixels)
        return path, torch.frombuffer(bytearray(pixels), dtype=torch.uint8).reshape(IMAGES, channels, HEIGHT, WIDTH)

    def resized(self, path, channels):
        import torch

        out = self.folder / "resized"
        run(self.program, "resize", path, channels, HEIGHT, WIDTH, out, 299, 299)
        return torch.frombuffer(bytearray(out.read_bytes()), dtype=torch.uint8).reshape(IMAGES, channels, 299, 299)

    def check(self, what, module, arguments, channels, resize, form):
        import torch

        path, images = self.images(channels)
        file, out = self.folder / "module.pt", self.folder / "features"
        torch.jit.script(module.train()).save(str(file))  # ebb has to select the evaluation mode
        printed = run(self.program, "features", path, channels, HEIGHT, WIDTH, out, file).splitlines()
        expected_lines = [resize, hashlib.sha256(file.read_bytes()).hexdigest()]
        self.report(f"{what}: {printed[0]}, {printed[1][:8]}…", printed == expected_lines)
        given = form(images, self.resized(path, channels) if resize != "none" else None)
        with torch.no_grad():
            expected = module.eval()(given, **arguments)
        ours = torch.frombuffer(bytearray(out.read_bytes()), dtype=torch.float32).reshape(IMAGES, -1)
        if ours.shape != expected.shape:
            self.report(f"{what}: {list(ours.shape)} features, not {list(expected.shape)}", False)
            return
        difference = ((ours - expected).abs().max() / expected.abs().max()).item()
        self.report(f"{what}: largest difference {difference:.1e}, bound {BOUND:.0e}", difference <= BOUND)

    def check_refusal(self, name, write, text):
        path, _ = self.images(1)
        file = self.folder / f"{name}.pt"
        write(file)
        command = [self.program, "features", path, 1, HEIGHT, WIDTH, self.folder / "features", file]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        good = done.returncode == 2 and text in done.stderr and str(file) in done.stderr
        self.report(f"{name} is refused with code {done.returncode}: {done.stderr.strip()}", good)


def main():
    a = parser_of("program").parse_args()
    need_module("torch")
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        comparison = Comparison(a.program, pathlib.Path(folder))
        for case in modules():
            comparison.check(*case)
        model = torch.nn.Linear(2, 2)
        pickled = "pickled Python object"
        comparison.check_refusal("module", lambda file: torch.save(model, file), pickled)
        comparison.check_refusal("state", lambda file: torch.save(model.state_dict(), file), pickled)
        comparison.check_refusal("old", lambda file: torch.save(model, file, _use_new_zipfile_serialization=False), pickled)
        comparison.check_refusal("text", lambda file: file.write_text("some text\n"), "is not TorchScript")
        comparison.check_refusal("linear", lambda file: torch.jit.script(model).save(str(file)), "fails on black uint8 images")
    return int(comparison.failed)


if __name__ == "__main__":
    sys.exit(main())
