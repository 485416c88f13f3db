# SPDX-License-Identifier: Apache-2.0
"""ebb's GPT in plain PyTorch, as a reference for ebb's losses.

  gpt_twin.py TOKENS.bin --architecture gpt2|llama --curves fp32:1 bf16:1 --steps 200

It has the same layers, initial weights, order of windows (unshuffled), optimizer, schedule and
clipping. Only the arithmetic may differ. A curve is a dtype and a seed. It prints one JSON object:
{"train_loss": {curve: [nats per token, one value a step]}}.

TOKENS.bin is a token file in llm.c's format, u16. In bf16 and fp16 the model, its activations and
its gradients have that dtype, and the optimizer updates an fp32 master. In fp16 the loss is scaled.
All this is as in ebb.
"""

import argparse
import json
import math
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from reference import INITIALISATION, decay_groups, learning_rate, normals

HEADER_BYTES = 1024
DEVIATION = 0.02
COUNTER_BITS = 40  # each parameter has 2^40 counters of its own
EPS = 1e-5
FP16_SCALE = 1024.0


class Gpt(torch.nn.Module):
    def __init__(self, a, seed):
        super().__init__()
        self.a, self.seed, self.llama = a, seed, a.architecture == "llama"
        self.p = torch.nn.ParameterDict()
        self.count = 0
        self.add("embedding", (a.vocabulary, a.dim))
        if not self.llama:
            self.add("position", (a.context, a.dim))
        width, hidden = a.dim // a.heads, a.feed_forward
        for layer in range(a.layers):
            self.norm_parameters(f"{layer}:norm1")
            self.dense_parameters(f"{layer}:qkv", (a.heads + 2 * a.kv_heads) * width, a.dim)
            self.dense_parameters(f"{layer}:out", a.dim, a.dim, residual=True)
            self.norm_parameters(f"{layer}:norm2")
            if self.llama:
                self.dense_parameters(f"{layer}:gate", hidden, a.dim)
            self.dense_parameters(f"{layer}:up", hidden, a.dim)
            self.dense_parameters(f"{layer}:down", a.dim, hidden, residual=True)
        self.norm_parameters("norm")
        if not a.tied:
            self.add("head", (a.vocabulary, a.dim))

    def add(self, name, shape, fill=None, residual=False):
        if fill is None:
            scale = DEVIATION / math.sqrt(2 * self.a.layers) if residual and not self.llama else DEVIATION
            value = normals(self.count << COUNTER_BITS, *shape, INITIALISATION, self.seed) * scale
        else:
            value = torch.full(shape, float(fill))
        self.p[name] = torch.nn.Parameter(value)
        self.count += 1

    def norm_parameters(self, name):
        self.add(f"{name}:w", (self.a.dim,), 1)
        if not self.llama:
            self.add(f"{name}:b", (self.a.dim,), 0)

    def dense_parameters(self, name, out, inner, residual=False):
        self.add(f"{name}:w", (out, inner), residual=residual)
        if not self.llama:
            self.add(f"{name}:b", (out,), 0)

    def norm(self, x, name):
        if self.llama:
            return F.rms_norm(x, (self.a.dim,), self.p[f"{name}:w"], EPS)
        return F.layer_norm(x, (self.a.dim,), self.p[f"{name}:w"], self.p[f"{name}:b"], EPS)

    def dense(self, x, name):
        return F.linear(x, self.p[f"{name}:w"], None if self.llama else self.p[f"{name}:b"])

    def rotate(self, x):
        if not self.llama:
            return x
        width = x.shape[-1]
        frequency = 10000.0 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
        angle = torch.outer(torch.arange(x.shape[2], dtype=torch.float64), frequency)
        cos, sin = angle.cos().float(), angle.sin().float()
        first, second = x.float().chunk(2, -1)
        return torch.cat((first * cos - second * sin, second * cos + first * sin), -1).to(x.dtype)

    def attention(self, qkv):
        a, (b, t, _) = self.a, qkv.shape
        q, k, v = qkv.view(b, t, -1, a.dim // a.heads).transpose(1, 2).split((a.heads, a.kv_heads, a.kv_heads), 1)
        out = F.scaled_dot_product_attention(self.rotate(q), self.rotate(k), v, is_causal=True, enable_gqa=a.heads != a.kv_heads)
        return out.transpose(1, 2).reshape(b, t, a.dim)

    def forward(self, tokens):
        x = F.embedding(tokens, self.p["embedding"])
        if not self.llama:
            x = x + self.p["position"][: tokens.shape[1]]
        for layer in range(self.a.layers):
            x = x + self.dense(self.attention(self.dense(self.norm(x, f"{layer}:norm1"), f"{layer}:qkv")), f"{layer}:out")
            h = self.norm(x, f"{layer}:norm2")
            up = self.dense(h, f"{layer}:up")
            inner = F.silu(self.dense(h, f"{layer}:gate")) * up if self.llama else F.gelu(up, approximate="tanh")
            x = x + self.dense(inner, f"{layer}:down")
        return F.linear(self.norm(x, "norm"), self.p["embedding" if self.a.tied else "head"])


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("tokens", type=pathlib.Path)
    parser.add_argument("--architecture", choices=("gpt2", "llama"), default="gpt2")
    parser.add_argument("--curves", nargs="+", default=["fp32:1"], metavar="DTYPE:SEED", help="runs, one after the other")
    for name, value in (("steps", 200), ("batch", 16), ("context", 64), ("layers", 4), ("heads", 4), ("dim", 64), ("vocabulary", 257),
                        ("warmup", 20), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=value)
    for name in ("kv-heads", "feed-forward"):
        parser.add_argument(f"--{name}", type=int)
    for name, value in (("lr", 1e-3), ("clip", 1.0), ("decay", 0.1)):
        parser.add_argument(f"--{name}", type=float, default=value)
    parser.add_argument("--tied", action=argparse.BooleanOptionalAction, default=True)
    a = parser.parse_args()
    a.kv_heads = a.kv_heads or a.heads
    if a.feed_forward is None:
        a.feed_forward = -(-(8 * a.dim // 3) // 256) * 256 if a.architecture == "llama" else 4 * a.dim
    return a


def train(a, tokens, name, seed):
    """Returns the loss of each step."""
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[name]
    scale = FP16_SCALE if name == "fp16" else 1.0
    model = Gpt(a, seed)
    master = [p.detach().clone().requires_grad_() for p in model.parameters()]
    model.to(dtype)
    optimizer = torch.optim.AdamW(decay_groups(master, a.decay), lr=a.lr)
    losses = []
    for step in range(a.steps):
        first = torch.arange(step * a.batch, (step + 1) * a.batch) % ((len(tokens) - 1) // a.context) * a.context
        windows = tokens[first[:, None] + torch.arange(a.context + 1)]
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, a.steps, a.lr, a.warmup)
        loss = F.cross_entropy(model(windows[:, :-1]).float().flatten(0, 1), windows[:, 1:].flatten())
        model.zero_grad()
        (loss * scale).backward()
        for m, p in zip(master, model.parameters()):
            m.grad = p.grad.float() / scale
        torch.nn.utils.clip_grad_norm_(master, a.clip)
        optimizer.step()
        with torch.no_grad():
            for m, p in zip(master, model.parameters()):
                p.copy_(m)
        losses.append(loss.item())
    return losses


def main():
    a = arguments()
    torch.set_num_threads(a.threads)
    tokens = torch.from_numpy(np.fromfile(a.tokens, np.uint16, offset=HEADER_BYTES).astype(np.int64))
    curves = {}
    for curve in a.curves:
        dtype, seed = curve.split(":")
        curves[curve] = train(a, tokens, dtype, int(seed))
    print(json.dumps({"train_loss": curves}))


if __name__ == "__main__":
    main()
