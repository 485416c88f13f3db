# SPDX-License-Identifier: Apache-2.0
"""The GAN of configs/gan-fashion-mnist.yaml in PyTorch, without the average. mpirun starts it.

  twin.py EXPORT IMAGES FOLDER --steps 30 --batch 64 --dtype fp32|bf16

It is what a careful user would write. DistributedDataParallel has no gradients of gradients, so each
network's gradients are summed by one flat all-reduce (gloo) by hand. R1 and R2 use create_graph.
EXPORT is a folder of `ebb export` with the networks and their initial weights. IMAGES is an uncompressed
IDX file; its images are padded to 32 x 32. The program writes FOLDER/metrics.jsonl with the times of each
step.
"""

import argparse
import contextlib
import json
import os
import pathlib
import sys
import time

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "python"))

import ebb_models  # noqa: E402

GAMMA = 0.5


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
    parser.add_argument("export", type=pathlib.Path)
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
    model = ebb_models.load(a.export)
    generator, discriminator, latent = model.generator, model.discriminator, model.keys["latent"]
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
                fake = generator(torch.randn(local, latent))
            real, fake = real.requires_grad_(True), fake.float().requires_grad_(True)
            r, f = discriminator(real).float(), discriminator(fake).float()
        loss = F.softplus(f - r).mean() + GAMMA / 2 * (penalty(r, real) + penalty(f, fake))
        loss.backward()
        reduce_gradients(list(discriminator.parameters()), ranks)
        optimizers[0].step()
        # The generator's.
        discriminator.requires_grad_(False)
        optimizers[1].zero_grad(set_to_none=True)
        with autocast():
            with torch.no_grad():
                r = discriminator(real.detach()).float()
            f = discriminator(generator(torch.randn(local, latent))).float()
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
