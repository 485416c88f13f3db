# SPDX-License-Identifier: Apache-2.0
"""Prints the test loss of an order-N model of bytes (N bytes of context), in nats per token.

  order_model.py FOLDER [--order 5]

It is a baseline for language models. FOLDER holds train.bin and test.bin in llm.c's format, u16.
The probability of a token after N tokens is interpolated with the one after N - 1 tokens, down to a
uniform one (Witten and Bell, "The zero-frequency problem", 1991).
"""

import argparse
import collections
import math
import pathlib

import numpy as np

HEADER_BYTES = 1024
VOCABULARY = 257


def tokens(path):
    return np.fromfile(path, np.uint16, offset=HEADER_BYTES).tolist()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--order", type=int, default=5)
    a = parser.parse_args()
    train, test = tokens(a.folder / "train.bin"), tokens(a.folder / "test.bin")
    counts = []  # one table an order: context -> counts of the next token, and their sum
    for order in range(a.order + 1):
        table = collections.defaultdict(collections.Counter)
        for i in range(order, len(train)):
            table[tuple(train[i - order : i])][train[i]] += 1
        counts.append({context: (followers, sum(followers.values())) for context, followers in table.items()})
    total = 0.0
    for i in range(1, len(test)):
        p = 1 / VOCABULARY
        for order in range(min(a.order, i) + 1):
            known = counts[order].get(tuple(test[i - order : i]))
            if known is None:
                break
            followers, n = known
            p = (followers.get(test[i], 0) + len(followers) * p) / (n + len(followers))
        total -= math.log(p)
    print(f"order {a.order}: {total / (len(test) - 1):.4f} nats per token")


if __name__ == "__main__":
    main()
