# SPDX-License-Identifier: Apache-2.0
"""ebb's random numbers: Philox4x32-10 (Salmon et al., 2011), a function of counter and key without a state."""

import math

import torch

SAMPLING = 4  # the stream that `ebb sample` draws from
WORD = 0xFFFFFFFF


def product(constant, word):
    """The high and the low word of constant * word. Words are in int64, so it avoids products above 63 bits."""
    low = constant * (word & 0xFFFF)
    high = constant * (word >> 16) + (low >> 16)
    return high >> 16, (high & 0xFFFF) << 16 | low & 0xFFFF


def philox(counter, key):
    """The four random words of a counter of four words (int64 tensors) and a key of 64 bits."""
    c, k0, k1 = counter, key & WORD, key >> 32 & WORD
    for _ in range(10):
        (a_high, a_low), (b_high, b_low) = product(0xD2511F53, c[0]), product(0xCD9E8D57, c[2])
        c = b_high ^ c[1] ^ k0, b_low, a_high ^ c[3] ^ k1, a_low
        k0, k1 = k0 + 0x9E3779B9 & WORD, k1 + 0xBB67AE85 & WORD
    return c


def normals(rows, columns, seed, stream=SAMPLING, first=0):
    """Standard normals [rows, columns] fp32, by Box and Muller. Row r has the index first + r.

    The counter (low word of the index, high word, i, stream) gives the columns 4 i to 4 i + 3.
    """
    quads = -(-columns // 4)
    index = torch.arange(first, first + rows).repeat_interleave(quads)
    quad = torch.arange(quads).repeat(rows)
    words = philox((index & WORD, index >> 32, quad, torch.full_like(index, stream)), seed)
    unit = [((word >> 8).float() + 1) * 2.0**-24 for word in words]  # in (0, 1]
    numbers = []
    for u, v in (unit[:2], unit[2:]):
        radius, angle = torch.sqrt(-2 * torch.log(u)), 2 * math.pi * v
        numbers += [radius * torch.cos(angle), radius * torch.sin(angle)]
    return torch.stack(numbers, 1).reshape(rows, 4 * quads)[:, :columns].contiguous()
