# SPDX-License-Identifier: Apache-2.0
"""ebb's counter-based random numbers and learning rate, for the references in PyTorch."""

import math

import numpy as np
import torch

INITIALISATION, LATENT_NOISE = 2, 3  # streams of random numbers (ebb::RandomStream)


def philox(index, sub, stream, seed):
    """The four words of Philox4x32-10, each an array of uint64.

    The counters are (low half of index, high half of index, sub, stream).
    """
    mask = np.uint64(0xFFFFFFFF)
    c = [index & mask, index >> np.uint64(32), sub, np.full_like(index, stream)]
    k0, k1 = np.uint64(seed & 0xFFFFFFFF), np.uint64(seed >> 32)
    for _ in range(10):
        a, b = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [(b >> np.uint64(32)) ^ c[1] ^ k0, b & mask, (a >> np.uint64(32)) ^ c[3] ^ k1, a & mask]
        k0, k1 = (k0 + np.uint64(0x9E3779B9)) & mask, (k1 + np.uint64(0xBB67AE85)) & mask
    return c


def unit_interval(bits):
    return ((bits >> np.uint64(8)).astype(np.float32) + 1) * np.float32(2.0**-24)


def normals(first, rows, columns, stream, seed):
    """Standard normals [rows, columns], by Box and Muller.

    Row r has the index first + r. A counter (index, sub) gives four numbers.
    """
    quads = -(-columns // 4)
    index = np.repeat(np.arange(rows, dtype=np.uint64) + np.uint64(first), quads)
    unit = [unit_interval(w) for w in philox(index, np.tile(np.arange(quads, dtype=np.uint64), rows), stream, seed)]
    pairs = []
    for u, v in (unit[:2], unit[2:]):
        radius, angle = np.sqrt(-2 * np.log(u)), np.float32(2 * math.pi) * v
        pairs += [radius * np.cos(angle), radius * np.sin(angle)]
    return torch.from_numpy(np.stack(pairs, 1).reshape(rows, 4 * quads)[:, :columns].copy())


def learning_rate(step, steps, peak, warmup):
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - 1 - warmup)))


def decay_groups(parameters, decay):
    """Parameter groups for torch.optim: weight decay for matrices, none for biases and norms."""
    return [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": decay},
        {"params": [p for p in parameters if p.dim() == 1], "weight_decay": 0.0},
    ]
