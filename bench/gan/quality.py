# SPDX-License-Identifier: Apache-2.0
"""Compares the images of trained GANs: ebb in fp16 on two ranks, and PyTorch in fp32.

Both start from the same weights and use the same samples, noise and steps. PyTorch draws the images of
both, those of ebb from its exported average. The features are those of
a classifier of Fashion-MNIST (tests/evaluate/train_classifier.py).
"""

import gzip
import pathlib
import statistics
import subprocess
import sys
import tempfile

import torch

from .gan import DATASET, export, export_initial, prepare

COUNT, CLASSES, LEAST_SHARE = 10000, 10, 0.03


def frechet(a, b):
    """The squared Frechet distance of two sets of features [N, F]."""
    a, b = a.double(), b.double()
    ca, cb = torch.cov(a.T), torch.cov(b.T)
    values, vectors = torch.linalg.eigh(ca)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cb @ root).clamp(min=0).sqrt().sum()
    return ((a.mean(0) - b.mean(0)).square().sum() + ca.trace() + cb.trace() - 2 * cross).item()


def of_parts(module, images):
    with torch.no_grad():
        return torch.cat([module(part) for part in images.split(500)])


class Comparison:
    def __init__(self, root, build, work, steps):
        self.root, self.ebb, self.work, self.steps = root, build / "ebb", work, steps
        self.images = prepare(self.ebb, work)
        subprocess.run([sys.executable, root / "tests/evaluate/train_classifier.py", DATASET, work], check=True)
        self.features, self.classes = (torch.jit.load(work / f"{name}.pt") for name in ("features", "classes"))
        raw = gzip.open(DATASET / "t10k-images-idx3-ubyte.gz").read()
        self.real = of_parts(self.features, torch.frombuffer(bytearray(raw[16:]), dtype=torch.uint8).view(-1, 1, 28, 28))

    def distance(self, images):
        return frechet(of_parts(self.features, images), self.real)

    def shares(self, images):
        """The share of each class among the images."""
        found = of_parts(self.classes, images).argmax(1).bincount(minlength=CLASSES)
        return [share / len(images) for share in found.tolist()]

    def run(self, seed):
        sys.path.insert(0, str(self.root / "python"))
        import ebb_models

        first = export_initial(self.root, self.ebb, self.work, seed)
        untrained = self.distance(ebb_models.load(first).sample(COUNT))
        trained = export(self.root, self.ebb, self.work, f"ours-{seed}", f"run.seed={seed}", "data.shuffle=false", f"run.steps={self.steps}")
        ours = ebb_models.load(trained).sample(COUNT)
        file = self.work / f"theirs-{seed}.pt"
        twin = [sys.executable, self.root / "bench/gan/trained_twin.py", first, self.images, file]
        subprocess.run([*twin, "--steps", str(self.steps), "--seed", str(seed)], check=True)
        theirs = torch.load(file)
        found = {"seed": seed, "untrained": untrained, "ebb": self.distance(ours), "torch": self.distance(theirs),
                 "ebb_classes": self.shares(ours), "torch_classes": self.shares(theirs)}
        print(f"gan-quality seed {seed}  untrained {untrained:.2f}  ebb {found['ebb']:.3f}  torch {found['torch']:.3f}  "
              f"rarest class of ebb {min(found['ebb_classes']):.3f}, of torch {min(found['torch_classes']):.3f}", flush=True)
        return found


def measure(root, build, quick):
    seeds, steps = ([1], 60) if quick else ([1, 2, 3, 4, 5], 600)
    with tempfile.TemporaryDirectory() as work:
        comparison = Comparison(root, build, pathlib.Path(work), steps)
        runs = [comparison.run(seed) for seed in seeds]
    ratio = statistics.mean(r["ebb"] for r in runs) / statistics.mean(r["torch"] for r in runs)
    ratios = [r["ebb"] / r["torch"] for r in runs]
    worst = [max(r["ebb"], r["torch"]) / r["untrained"] for r in runs]
    shares = [sum(share >= LEAST_SHARE for share in r["ebb_classes"]) / CLASSES for r in runs]

    def bar(name, value, values, bound, direction):
        met = value >= bound if direction == "at_least" else value <= bound
        return {"name": name, "value": value, "bound": bound, "direction": direction, "unit": "ratio", "met": met, "spread": [min(values), max(values)]}

    return {"runs": runs}, [
        bar("gan_frechet_vs_torch", ratio, ratios, 1.1, "at_most"),
        bar("gan_frechet_vs_untrained", max(worst), worst, 0.1, "at_most"),
        bar("gan_classes", min(shares), shares, 1.0, "at_least"),
    ]
