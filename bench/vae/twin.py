# SPDX-License-Identifier: Apache-2.0
"""The VAE of configs/vae-fashion-mnist.yaml in PyTorch. mpirun starts it.

  twin.py IMAGES FOLDER --steps 60 --batch 256 --dtype fp32|bf16

It is what a careful user would write: DistributedDataParallel (gloo), memory-mapped images, fused
AdamW, gradients as views of the buckets, autocast for bf16. IMAGES is an uncompressed IDX file. The
program writes FOLDER/metrics.jsonl with the times of each step.
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

LATENT, WIDTH, HIDDEN = 32, 64, 256


class Vae(nn.Module):
    def __init__(self):
        super().__init__()
        outer, flat = WIDTH // 2, WIDTH * 7 * 7
        self.encoder = nn.Sequential(
            nn.Conv2d(1, outer, 4, 2, 1), nn.ReLU(True), nn.Conv2d(outer, WIDTH, 4, 2, 1), nn.ReLU(True), nn.Flatten(),
            nn.Linear(flat, HIDDEN), nn.ReLU(True), nn.Linear(HIDDEN, 2 * LATENT))
        self.decoder = nn.Sequential(
            nn.Linear(LATENT, HIDDEN), nn.ReLU(True), nn.Linear(HIDDEN, flat), nn.ReLU(True), nn.Unflatten(1, (WIDTH, 7, 7)),
            nn.ConvTranspose2d(WIDTH, outer, 4, 2, 1), nn.ReLU(True), nn.ConvTranspose2d(outer, 1, 4, 2, 1))

    def forward(self, x):
        mu, logvar = self.encoder(x).chunk(2, 1)
        z = mu + torch.exp(logvar / 2) * torch.randn_like(mu)
        logits = self.decoder(z)
        reconstruction = F.binary_cross_entropy_with_logits(logits.float(), x, reduction="sum")
        kl = -0.5 * (1 + logvar.float() - mu.float().square() - logvar.float().exp()).sum()
        return (reconstruction + kl) / len(x)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("images", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--dtype", choices=("fp32", "bf16"), default="fp32")
    a = parser.parse_args()
    rank, ranks = int(os.environ["OMPI_COMM_WORLD_RANK"]), int(os.environ["OMPI_COMM_WORLD_SIZE"])
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.manual_seed(1)
    a.folder.mkdir(parents=True, exist_ok=True)
    dist.init_process_group("gloo", init_method=f"file://{a.folder.resolve()}/rendezvous", rank=rank, world_size=ranks)
    images = np.memmap(a.images, np.uint8, "r", offset=16).reshape(-1, 1, 28, 28)
    model = nn.parallel.DistributedDataParallel(Vae(), gradient_as_bucket_view=True, bucket_cap_mb=1)
    groups = [{"params": [p for p in model.parameters() if p.dim() > 1], "weight_decay": 0.01},
              {"params": [p for p in model.parameters() if p.dim() == 1], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, fused=True)
    local = a.batch // ranks
    order = np.random.default_rng(1).permutation(len(images))
    log = (a.folder / "metrics.jsonl").open("w", buffering=1) if rank == 0 else None
    autocast = torch.autocast("cpu", torch.bfloat16) if a.dtype == "bf16" else contextlib.nullcontext()
    for step in range(a.steps):
        begin = time.time()
        first = step * a.batch + rank * local
        x = torch.from_numpy(images[order[first:first + local]]).float() / 255
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * min(1, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * step / a.steps))
        optimizer.zero_grad(set_to_none=True)
        with autocast:
            loss = model(x)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10)
        optimizer.step()
        if log:
            end = time.time()
            log.write(json.dumps({"step": step, "time_s": end, "seconds": {"step": end - begin}, "loss": loss.item()}) + "\n")
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
