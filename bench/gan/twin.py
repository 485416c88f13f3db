# SPDX-License-Identifier: Apache-2.0
"""The GAN of configs/gan-fashion-mnist.yaml in PyTorch, without the average. mpirun starts it.

  twin.py IMAGES FOLDER --steps 30 --batch 64 --dtype fp32|bf16

It is what a careful user would write. DistributedDataParallel has no gradients of gradients, so each
network's gradients are summed by one flat all-reduce (gloo) by hand. R1 and R2 use create_graph.
IMAGES is an uncompressed IDX file; its images are padded to 32 x 32. The program writes
FOLDER/metrics.jsonl with the times of each step.
"""

import argparse
import contextlib
import json
import math
import os
import pathlib
import time

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn

LATENT, WIDTH, MAX_WIDTH, GROUP, SIDE, GAMMA = 64, 16, 64, 16, 32, 0.5


def widths():
    """Channels from 4 x 4 to the full size."""
    found, channels, side = [], WIDTH, SIDE
    while side >= 4:
        found.append(min(channels, MAX_WIDTH))
        channels, side = 2 * channels, side // 2
    return found[::-1]


def scaled(layer, gain):
    fan_in = layer.weight[0].numel()
    nn.init.normal_(layer.weight, 0, gain / math.sqrt(fan_in)) if gain else nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class Block(nn.Module):
    def __init__(self, channels, gain):
        super().__init__()
        inner = 2 * channels
        self.expand = scaled(nn.Conv2d(channels, inner, 1), gain)
        self.conv = scaled(nn.Conv2d(inner, inner, 3, padding=1, groups=inner // GROUP), gain)
        self.project = scaled(nn.Conv2d(inner, channels, 1, bias=False), 0)

    def forward(self, x):
        y = F.leaky_relu(self.expand(x), 0.2)
        return x + self.project(F.leaky_relu(self.conv(y), 0.2))


class Resample(nn.Module):
    def __init__(self, up):
        super().__init__()
        line = torch.tensor([1.0, 3.0, 3.0, 1.0])
        self.up = up
        self.register_buffer("kernel", torch.outer(line, line) / (16 if up else 64))

    def forward(self, x):
        channels = x.shape[1]
        kernel = self.kernel.to(x.dtype).expand(channels, 1, 4, 4)
        if self.up:
            return F.conv_transpose2d(x, kernel, stride=2, padding=1, groups=channels)
        return F.conv2d(x, kernel, stride=2, padding=1, groups=channels)


def pointwise(a, b):
    return scaled(nn.Conv2d(a, b, 1, bias=False), 1) if a != b else nn.Identity()


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        w = widths()
        gain = math.sqrt(2 / 1.04) * len(w) ** -0.25
        self.basis = nn.Parameter(torch.randn(1, w[0], 4, 4))
        self.modulation = scaled(nn.Linear(LATENT, w[0], bias=False), 1)
        layers = [Block(w[0], gain)]
        for a, b in zip(w, w[1:]):
            layers += [pointwise(a, b), Resample(True), Block(b, gain)]
        self.layers = nn.Sequential(*layers, scaled(nn.Conv2d(w[-1], 1, 1, bias=False), 1))

    def forward(self, z):
        return self.layers(self.basis * self.modulation(z).view(len(z), -1, 1, 1))


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        w = widths()[::-1]
        gain = math.sqrt(2 / 1.04) * len(w) ** -0.25
        layers = [scaled(nn.Conv2d(1, w[0], 1, bias=False), 1), Block(w[0], gain)]
        for a, b in zip(w, w[1:]):
            layers += [Resample(False), pointwise(a, b), Block(b, gain)]
        self.layers = nn.Sequential(*layers)
        self.basis = scaled(nn.Conv2d(w[-1], w[-1], 4, groups=w[-1], bias=False), 1)
        self.logit = scaled(nn.Linear(w[-1], 1, bias=False), 1)

    def forward(self, x):
        return self.logit(self.basis(self.layers(x)).flatten(1)).flatten().float()


def penalty(logits, x):
    gradient, = torch.autograd.grad(logits.sum(), x, create_graph=True)
    return gradient.float().square().sum([1, 2, 3]).mean()


def reduce_gradients(parameters, ranks):
    flat = torch.cat([p.grad.flatten() for p in parameters])
    dist.all_reduce(flat)
    flat /= ranks
    for p, part in zip(parameters, flat.split([p.numel() for p in parameters])):
        p.grad.copy_(part.view_as(p))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("images", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--dtype", choices=("fp32", "bf16"), default="fp32")
    a = parser.parse_args()
    rank, ranks = int(os.environ["OMPI_COMM_WORLD_RANK"]), int(os.environ["OMPI_COMM_WORLD_SIZE"])
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.manual_seed(1)
    a.folder.mkdir(parents=True, exist_ok=True)
    dist.init_process_group("gloo", init_method=f"file://{a.folder.resolve()}/rendezvous", rank=rank, world_size=ranks)
    images = np.memmap(a.images, np.uint8, "r", offset=16).reshape(-1, 1, 28, 28)
    generator, discriminator = Generator(), Discriminator()
    adam = {"lr": 5e-4, "betas": (0.0, 0.95), "weight_decay": 0.0, "fused": True}
    optimizers = [torch.optim.AdamW(network.parameters(), **adam) for network in (discriminator, generator)]
    torch.manual_seed(2 + rank)
    local = a.batch // ranks
    order = np.random.default_rng(1).permutation(len(images))
    log = (a.folder / "metrics.jsonl").open("w", buffering=1) if rank == 0 else None

    def autocast():
        return torch.autocast("cpu", torch.bfloat16) if a.dtype == "bf16" else contextlib.nullcontext()

    for step in range(a.steps):
        begin = time.time()
        first = (step * a.batch + rank * local) % (len(images) - local)
        real = F.pad(torch.from_numpy(images[order[first:first + local]]).float() / 127.5 - 1, (2, 2, 2, 2), value=-1.0)
        # The discriminator's turn.
        discriminator.requires_grad_(True)
        optimizers[0].zero_grad(set_to_none=True)
        with autocast():
            with torch.no_grad():
                fake = generator(torch.randn(local, LATENT))
            real, fake = real.requires_grad_(True), fake.float().requires_grad_(True)
            r, f = discriminator(real), discriminator(fake)
        loss = F.softplus(f - r).mean() + GAMMA / 2 * (penalty(r, real) + penalty(f, fake))
        loss.backward()
        reduce_gradients(list(discriminator.parameters()), ranks)
        optimizers[0].step()
        # The generator's.
        discriminator.requires_grad_(False)
        optimizers[1].zero_grad(set_to_none=True)
        with autocast():
            with torch.no_grad():
                r = discriminator(real.detach())
            f = discriminator(generator(torch.randn(local, LATENT)))
        F.softplus(r - f).mean().backward()
        reduce_gradients(list(generator.parameters()), ranks)
        optimizers[1].step()
        if log:
            end = time.time()
            log.write(json.dumps({"step": step, "time_s": end, "seconds": {"step": end - begin}, "loss": loss.item()}) + "\n")
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
