# SPDX-License-Identifier: Apache-2.0
"""Trains the GAN of configs/gan-fashion-mnist.yaml in PyTorch fp32 from the weights of an export.

  trained_twin.py EXPORT IMAGES SAMPLES --steps 600 --seed 1 [--count 10000] [--threads 2]

EXPORT is a folder of `ebb export` with the initial weights. IMAGES is an uncompressed IDX file, whose
images are padded to 32 x 32 and read in their order. The noise of each step is that of ebb with the same
seed. SAMPLES is the file for `count` images of the averaged generator, a tensor of torch.save.
"""

import argparse
import math
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "python"))

import ebb_models  # noqa: E402
from ebb_models.philox import normals  # noqa: E402

BATCH, GAMMA, PEAK, WARM_UP, FINAL_RATIO = 64, 0.5, 5e-4, 50, 0.25
HALF_LIFE, RAMP = 2500, 30000
LATENT_STREAM, GENERATOR_STREAM = 3, 6


def learning_rate(step, steps):
    if step < WARM_UP:
        return PEAK * (step + 1) / WARM_UP
    falling = 0.5 * (1 + math.cos(math.pi * (step - WARM_UP) / max(1, steps - 1 - WARM_UP)))
    return PEAK * (FINAL_RATIO + (1 - FINAL_RATIO) * falling)


def average_decay(step):
    done = step * BATCH
    half_life = HALF_LIFE * 0.5 * (1 - math.cos(math.pi * min(1, done / RAMP)))
    return 0.5 ** (BATCH / half_life) if half_life > 0 else 0.0


def penalty(logits, x):
    gradient, = torch.autograd.grad(logits.sum(), x, create_graph=True)
    return gradient.square().sum([1, 2, 3]).mean()


def train(model, images, steps, seed):
    """Returns the averaged weights of the generator."""
    generator, discriminator = model.generator, model.discriminator
    latent = model.keys["latent"]
    optimizers = [torch.optim.AdamW(n.parameters(), lr=PEAK, betas=(0.0, 0.95), weight_decay=0.0) for n in (discriminator, generator)]
    average = [p.detach().clone() for p in generator.parameters()]
    for step in range(steps):
        position = step * BATCH
        chosen = (torch.arange(BATCH) + position) % len(images)
        real = F.pad(images[chosen], (2, 2, 2, 2)).float() / 127.5 - 1
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, steps)
        discriminator.requires_grad_(True)
        optimizers[0].zero_grad(set_to_none=True)
        with torch.no_grad():
            fake = generator(normals(BATCH, latent, seed, LATENT_STREAM, position))
        inputs = real.requires_grad_(True), fake.requires_grad_(True)
        r, f = discriminator(inputs[0]), discriminator(inputs[1])
        (F.softplus(f - r).mean() + GAMMA / 2 * (penalty(r, inputs[0]) + penalty(f, inputs[1]))).backward()
        optimizers[0].step()
        discriminator.requires_grad_(False)
        optimizers[1].zero_grad(set_to_none=True)
        with torch.no_grad():
            r = discriminator(real.detach())
        f = discriminator(generator(normals(BATCH, latent, seed, GENERATOR_STREAM, position)))
        F.softplus(r - f).mean().backward()
        optimizers[1].step()
        decay = average_decay(step)
        for mean, p in zip(average, generator.parameters()):
            mean.lerp_(p.detach(), 1 - decay)
    return average


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("export", type=pathlib.Path)
    parser.add_argument("images", type=pathlib.Path)
    parser.add_argument("samples", type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--threads", type=int, default=2)
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    model = ebb_models.load(a.export)
    images = torch.from_numpy(np.fromfile(a.images, np.uint8, offset=16).reshape(-1, 1, 28, 28))
    average = train(model, images, a.steps, a.seed)
    with torch.no_grad():
        for p, mean in zip(model.generator.parameters(), average):
            p.copy_(mean)
    torch.save(model.sample(a.count), a.samples)


if __name__ == "__main__":
    main()
