# SPDX-License-Identifier: Apache-2.0
"""The VAE of configs/vae-fashion-mnist.yaml in plain PyTorch fp32, as a reference for ebb's losses.

  vae_twin.py DATA_DIR --steps 300 --batch 256 [--seed 1] [--threads 2] [--likelihood gaussian]

DATA_DIR holds the gzipped IDX files of Fashion-MNIST. The program has the same layers, initial
weights, latent noise, order of samples (unshuffled), optimizer, schedule and clipping. Only the
arithmetic may differ. It prints one JSON object: {"test_loss": nats per sample, "train_loss": [one
value a step]}.
"""

import argparse
import gzip
import json
import math
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from reference import INITIALISATION, LATENT_NOISE, decay_groups, learning_rate, normals, philox, unit_interval

LATENT, WIDTH, HIDDEN = 32, 64, 256
EVALUATION = 1 << 62  # position of the first test image in the stream of samples
INITIAL_LOG_SCALE = {"gaussian": -1.0, "discretized_logistic": -2.0}
LEAST_LOG_SCALE = -7


def initial(dims, parameter, fan, seed):
    count = math.prod(dims)
    bits = philox(np.arange(count, dtype=np.uint64), np.full(count, parameter, np.uint64), INITIALISATION, seed)[0]
    return torch.from_numpy((2 * unit_interval(bits) - 1) / np.float32(math.sqrt(fan))).reshape(dims)


def images(path):
    raw = gzip.open(path, "rb").read()
    return torch.from_numpy(np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 1, 28, 28).copy())


def nll(likelihood, output, log_scale, x):
    """Minus the logarithm of the likelihood of images x in [0, 1], summed."""
    if likelihood == "bernoulli":
        return F.binary_cross_entropy_with_logits(output, x, reduction="sum")
    log_scale = LEAST_LOG_SCALE + F.softplus(log_scale - LEAST_LOG_SCALE)
    residual = x - 0.5 - output
    if likelihood == "gaussian":
        return (0.5 * (residual / log_scale.exp()).square() + log_scale + 0.5 * math.log(2 * math.pi)).sum()
    # As the code of PixelCNN++ computes it: where the difference of the sigmoids has too few digits, the density at the
    # centre of the bin replaces it.
    centre = residual / log_scale.exp()
    upper, lower = ((residual + side) / log_scale.exp() for side in (0.5 / 255, -0.5 / 255))
    mass = torch.sigmoid(upper) - torch.sigmoid(lower)
    density = -centre - log_scale - 2 * F.softplus(-centre) - math.log(255)
    inner = torch.where(mass > 1e-5, mass.clamp(min=1e-12).log(), density)
    return -torch.where(x == 0, F.logsigmoid(upper), torch.where(x == 1, F.logsigmoid(-lower), inner)).sum()


class Vae(torch.nn.Module):
    def __init__(self, seed, likelihood):
        super().__init__()
        self.likelihood = likelihood
        outer, flat = WIDTH // 2, WIDTH * 7 * 7
        shapes = [
            (outer, 1, 4, 4), (WIDTH, outer, 4, 4), (HIDDEN, flat), (2 * LATENT, HIDDEN),
            (HIDDEN, LATENT), (flat, HIDDEN), (WIDTH, outer, 4, 4), (outer, 1, 4, 4),
        ]
        biases = [outer, WIDTH, HIDDEN, 2 * LATENT, HIDDEN, flat, outer, 1]
        fans = [16, outer * 16, flat, HIDDEN, LATENT, HIDDEN, outer * 16, 16]
        self.p = torch.nn.ParameterList()
        for shape, bias, fan in zip(shapes, biases, fans):
            for dims in (shape, (bias,)):
                self.p.append(initial(dims, len(self.p), fan, seed))
        if likelihood in INITIAL_LOG_SCALE:
            self.p.append(torch.full((1,), INITIAL_LOG_SCALE[likelihood]))

    def forward(self, batch, eps):
        p = self.p
        x = batch.float() / 255
        h = F.relu(F.conv2d(x, p[0], p[1], 2, 1))
        h = F.relu(F.conv2d(h, p[2], p[3], 2, 1))
        h = F.relu(F.linear(h.flatten(1), p[4], p[5]))
        mu, logvar = F.linear(h, p[6], p[7]).chunk(2, 1)
        z = mu + torch.exp(logvar / 2) * eps
        h = F.relu(F.linear(z, p[8], p[9]))
        h = F.relu(F.linear(h, p[10], p[11])).view(-1, WIDTH, 7, 7)
        h = F.relu(F.conv_transpose2d(h, p[12], p[13], 2, 1))
        output = F.conv_transpose2d(h, p[14], p[15], 2, 1)
        reconstruction = nll(self.likelihood, output, p[16] if len(p) > 16 else None, x)
        kl = -0.5 * (1 + logvar - mu.square() - logvar.exp()).sum()
        return reconstruction + kl


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--warmup", type=int, default=100)
    parser.add_argument("--clip", type=float, default=10)
    parser.add_argument("--decay", type=float, default=0.01)
    parser.add_argument("--likelihood", choices=("bernoulli", *INITIAL_LOG_SCALE), default="bernoulli")
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    train, test = images(a.data / "train-images-idx3-ubyte.gz"), images(a.data / "t10k-images-idx3-ubyte.gz")
    model = Vae(a.seed, a.likelihood)
    optimizer = torch.optim.AdamW(decay_groups(model.p, a.decay), lr=a.lr)
    losses = []
    for step in range(a.steps):
        index = torch.arange(step * a.batch, (step + 1) * a.batch) % len(train)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, a.steps, a.lr, a.warmup)
        loss = model(train[index], normals(step * a.batch, a.batch, LATENT, LATENT_NOISE, a.seed)) / a.batch
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), a.clip)
        optimizer.step()
        losses.append(loss.item())
    with torch.no_grad():
        total, first = 0.0, EVALUATION
        for part in test.split(a.batch):
            total += model(part, normals(first, len(part), LATENT, LATENT_NOISE, a.seed)).item()
            first += len(part)
    print(json.dumps({"test_loss": total / len(test), "train_loss": losses}))


if __name__ == "__main__":
    main()
