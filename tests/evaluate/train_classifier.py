# SPDX-License-Identifier: Apache-2.0
"""Trains a small classifier of Fashion-MNIST, and exports it as TorchScript.

  train_classifier.py DATA_DIR FOLDER [--steps 600] [--batch 128] [--threads 2]

DATA_DIR holds the gzipped IDX files of Fashion-MNIST. The program writes FOLDER/features.pt, which
maps images [N, 1, H, W] uint8 to features [N, 64], for `ebb evaluate --features`. It also writes
FOLDER/classes.pt, which maps them to logits [N, 10]. Both accept 28 x 28 images, and larger ones
that are padded equally on all sides. It prints the accuracy on the test images as JSON.
"""

import argparse
import gzip
import json
import pathlib

import torch
import torch.nn.functional as F
from torch import nn

FEATURES, CLASSES, SIDE = 64, 10, 28


class Features(nn.Module):
    """Images [N, 1, H, W] uint8 to features [N, 64]."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 16, 4, stride=2, padding=1)
        self.second = nn.Conv2d(16, 32, 4, stride=2, padding=1)
        self.dense = nn.Linear(32 * 7 * 7, FEATURES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        margin_y, margin_x = (images.size(2) - 28) // 2, (images.size(3) - 28) // 2
        x = images[:, :, margin_y : margin_y + 28, margin_x : margin_x + 28].float() / 255
        x = F.relu(self.second(F.relu(self.first(x))))
        return F.relu(self.dense(x.flatten(1)))


class Classifier(nn.Module):
    """Images [N, 1, H, W] uint8 to logits [N, 10]."""

    def __init__(self):
        super().__init__()
        self.features = Features()
        self.classes = nn.Linear(FEATURES, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.classes(self.features(images))


def read(folder, prefix):
    """Images [N, 1, 28, 28] uint8, and labels [N] int64."""
    images = gzip.open(folder / f"{prefix}-images-idx3-ubyte.gz", "rb").read()
    labels = gzip.open(folder / f"{prefix}-labels-idx1-ubyte.gz", "rb").read()
    pixels = torch.frombuffer(bytearray(images[16:]), dtype=torch.uint8).view(-1, 1, SIDE, SIDE)
    return pixels, torch.frombuffer(bytearray(labels[8:]), dtype=torch.uint8).long()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    a = parser.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(a.threads)
    images, labels = read(a.data, "train")
    model = Classifier()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, a.steps)
    for _ in range(a.steps):
        chosen = torch.randint(len(images), (a.batch,))
        loss = F.cross_entropy(model(images[chosen]), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    model.eval()
    tests, truth = read(a.data, "t10k")
    with torch.no_grad():
        accuracy = (torch.cat([model(part) for part in tests.split(500)]).argmax(1) == truth).float().mean().item()
    a.folder.mkdir(parents=True, exist_ok=True)
    torch.jit.script(model.features).save(a.folder / "features.pt")
    torch.jit.script(model).save(a.folder / "classes.pt")
    print(json.dumps({"accuracy": accuracy, "steps": a.steps}))


if __name__ == "__main__":
    main()
