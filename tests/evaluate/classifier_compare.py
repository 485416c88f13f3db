# SPDX-License-Identifier: Apache-2.0
"""Checks the measures of generated images with the features of a classifier that is trained here.

  classifier_compare.py EBB_MEASURE DATA_DIR

DATA_DIR holds the gzipped IDX files of Fashion-MNIST. The features of ebb are compared with PyTorch's,
and the Frechet distance with a computation in PyTorch. Images that are further from the data by
construction need a larger distance. Exit code 0 if all agree, 1 if not, 77 (skipped) if torch or the data
are missing.
"""

import json
import pathlib
import sys
import tempfile

from running import need_module, parser_of, run, skip

COUNT, CLASSES = 2000, 10
BOUND = 1e-5  # relative to the largest feature; the order of sums differs
FRECHET_BOUND = 1e-3  # relative; PyTorch's computation below takes another way to the square root


def frechet(a, b):
    import torch

    a, b = a.double(), b.double()
    product = torch.cov(a.T) @ torch.cov(b.T)
    cross = torch.linalg.eigvals(product).real.clamp(min=0).sqrt().sum()
    return ((a.mean(0) - b.mean(0)).square().sum() + torch.cov(a.T).trace() + torch.cov(b.T).trace() - 2 * cross).item()


class Comparison:
    def __init__(self, program, data, folder):
        import torch

        self.program, self.folder, self.failed = program, folder, False
        trainer = pathlib.Path(__file__).with_name("train_classifier.py")
        self.accuracy = json.loads(run(sys.executable, "-B", trainer, data, folder))["accuracy"]
        self.module, self.classes = (torch.jit.load(folder / f"{name}.pt").eval() for name in ("features", "classes"))

    def report(self, text, good):
        print(text + ("" if good else " (WRONG)"))
        self.failed |= not good

    def features(self, name, images):
        """Returns the path of ebb's features, and the features as a tensor. They have to agree with PyTorch's."""
        import torch

        raw, out = self.folder / f"{name}.images", self.folder / f"{name}.features"
        raw.write_bytes(images.numpy().tobytes())
        run(self.program, "features", raw, *images.shape[1:], out, self.folder / "features.pt")
        ours = torch.frombuffer(bytearray(out.read_bytes()), dtype=torch.float32).view(len(images), -1)
        with torch.no_grad():
            expected = self.module(images)
        difference = ((ours - expected).abs().max() / expected.abs().max()).item()
        self.report(f"{name}: largest difference of a feature {difference:.1e}, bound {BOUND:.0e}", difference <= BOUND)
        return out, ours

    def distances(self, real, generated):
        return json.loads(run(self.program, "distances", real[0], generated[0], real[1].shape[1]))

    def shares(self, images):
        import torch

        with torch.no_grad():
            found = self.classes(images).argmax(1).bincount(minlength=CLASSES)
        return [count / len(images) for count in found.tolist()]


def compare(comparison, tests, training):
    import torch

    comparison.report(f"accuracy {comparison.accuracy:.3f}, at least 0.8", comparison.accuracy >= 0.8)
    shares = comparison.shares(tests)
    comparison.report(f"shares of classes {min(shares):.3f} to {max(shares):.3f}, each 0.1 in the data",
                      0.07 <= min(shares) and max(shares) <= 0.13)
    generator = torch.Generator().manual_seed(1)
    noise = torch.randint(0, 256, tests.shape, dtype=torch.uint8, generator=generator)
    noisy = torch.where(torch.rand(tests.shape, generator=generator) < 0.1, noise, training)
    one_class = training[comparison.classes(training).argmax(1) == 0].repeat(CLASSES, 1, 1, 1)[:COUNT]
    real = comparison.features("test images", tests)
    found = {}
    for name, images in (("training images", training), ("a tenth of noise", noisy), ("noise", noise), ("one class", one_class)):
        generated = comparison.features(name, images)
        found[name] = comparison.distances(real, generated)
        expected = frechet(generated[1], real[1])
        close = abs(found[name]["frechet"] - expected) <= FRECHET_BOUND * max(expected, 1)
        comparison.report(f"{name}: {found[name]}, Frechet distance of PyTorch {expected:.4f}", close)
    for key in ("frechet", "kernel"):
        ordered = [found[name][key] for name in ("training images", "a tenth of noise", "noise")]
        comparison.report(f"{key} grows with the noise: {ordered}", ordered == sorted(ordered))
        comparison.report(f"{key} of one class is ten times that of training images",
                          found["one class"][key] > 10 * abs(found["training images"][key]))
    comparison.report("precision and recall of training images are above 0.5",
                      min(found["training images"]["precision"], found["training images"]["recall"]) > 0.5)
    # Precision tells neither: all noise has nearly the same features, which lie in the ball of an outlier.
    for name in ("one class", "noise"):
        comparison.report(f"recall of {name} is below 0.3", found[name]["recall"] < 0.3)


def main():
    a = parser_of("program", "data").parse_args()
    need_module("torch")
    if not (a.data / "train-images-idx3-ubyte.gz").is_file():
        skip(f"{a.data} has no Fashion-MNIST (Debian's dataset-fashion-mnist)")
    from train_classifier import read

    with tempfile.TemporaryDirectory() as folder:
        comparison = Comparison(a.program, a.data, pathlib.Path(folder))
        tests, training = read(a.data, "t10k")[0][:COUNT], read(a.data, "train")[0][:COUNT]
        compare(comparison, tests, training)
    return int(comparison.failed)


if __name__ == "__main__":
    sys.exit(main())
