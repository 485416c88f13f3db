# SPDX-License-Identifier: Apache-2.0
"""A GPT-2 in PyTorch as a careful user would write it.

  twin.py TOKENS FOLDER --layers 6 --heads 6 --dim 384 --context 256 --vocabulary 4096 --batch 8 --steps 20
          --dtype fp32|bf16|fp16 [--initial EXPORT] [--compile] [--device cuda] [--repeat]

It has fused attention, fused AdamW, autocast for 16 bits and a memory-mapped token file. mpirun may
start it; several ranks use DistributedDataParallel (gloo). TOKENS is a token file in llm.c's format,
u16, whose windows are read in their order. EXPORT is a folder of `ebb export` with the initial weights;
without it they are drawn. The program writes FOLDER/metrics.jsonl with the times of each step. On a GPU it reads the loss
of a step after it has started the next one, so the device never waits for Python.
"""

import argparse
import contextlib
import json
import math
import os
import pathlib
import sys
import time

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "python"))

from ebb_models import safetensors  # noqa: E402

HEADER_TOKENS = 512
NAMES = {  # of a block in GPT-2's files, and here
    "ln_1": "norm1", "ln_2": "norm2", "attn.c_attn": "qkv", "attn.c_proj": "out", "mlp.c_fc": "up", "mlp.c_proj": "down",
}


class Block(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.up, self.down = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(b, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(attended.transpose(1, 2).reshape(b, t, c))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class Gpt(nn.Module):
    def __init__(self, a):
        super().__init__()
        self.embedding, self.position = nn.Embedding(a.vocabulary, a.dim), nn.Embedding(a.context, a.dim)
        self.blocks = nn.ModuleList(Block(a.dim, a.heads) for _ in range(a.layers))
        self.norm = nn.LayerNorm(a.dim)
        self.head = nn.Linear(a.dim, a.vocabulary, bias=False)
        self.head.weight = self.embedding.weight
        for name, p in self.named_parameters():
            if p.dim() > 1:
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * a.layers) if "out" in name or "down" in name else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(p)

    def forward(self, tokens, targets):
        x = self.embedding(tokens) + self.position.weight[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        return F.cross_entropy(self.head(self.norm(x)).flatten(0, 1), targets.flatten())


def load(model, folder):
    """Copies the weights of an export into the model. GPT-2's files have dense weights as [in, out]."""
    found = {name.removeprefix("transformer."): tensor for name, tensor in safetensors.read_folder(folder).items()}
    names = {"embedding": "wte", "position": "wpe", "norm": "ln_f"}
    names |= {f"blocks.{i}.{here}": f"h.{i}.{there}" for i in range(len(model.blocks)) for there, here in NAMES.items()}
    with torch.no_grad():
        for name, parameter in model.named_parameters():  # a tied head is not named again
            module, kind = name.rsplit(".", 1)
            value = found[f"{names[module]}.{kind}"]
            parameter.copy_(value.T if ".c_" in names[module] and kind == "weight" else value)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tokens", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    for name in ("layers", "heads", "dim", "context", "vocabulary", "batch", "steps"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--dtype", choices=("fp32", "bf16", "fp16"), required=True)
    parser.add_argument("--initial", type=pathlib.Path)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--repeat", action="store_true", help="after the steps, repeat them for each line of standard input")
    a = parser.parse_args()
    rank, ranks = int(os.environ.get("OMPI_COMM_WORLD_RANK", 0)), int(os.environ.get("OMPI_COMM_WORLD_SIZE", 1))
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    if a.device == "cuda":
        torch.set_float32_matmul_precision("high")
    torch.manual_seed(1)
    a.folder.mkdir(parents=True, exist_ok=True)
    tokens = np.memmap(a.tokens, np.uint16, "r")[HEADER_TOKENS:]
    model = Gpt(a)
    if a.initial:
        load(model, a.initial)
    model.to(a.device)
    parameters = list(model.parameters())
    if a.compile:
        model = torch.compile(model)
    if ranks > 1:
        dist.init_process_group("gloo", init_method=f"file://{a.folder.resolve()}/rendezvous", rank=rank, world_size=ranks)
        model = nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True)
    groups = [{"params": [p for p in parameters if p.dim() > 1], "weight_decay": 0.1},
              {"params": [p for p in parameters if p.dim() == 1], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, fused=True)
    local = a.batch // ranks
    count = (len(tokens) - 1) // a.context
    log = (a.folder / "metrics.jsonl").open("w", buffering=1) if rank == 0 else None
    scaler = torch.amp.GradScaler(a.device, init_scale=65536.0, enabled=a.dtype == "fp16")
    dtype = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[a.dtype]

    def write(step, begin, loss):
        value, end = loss.item(), time.time()
        log.write(json.dumps({"step": step, "time_s": end, "seconds": {"step": end - begin}, "loss": value}) + "\n")

    def train(steps):
        pending = None  # step, start and loss of the step that is not logged yet
        for step in steps:
            begin = time.time()
            first = np.arange(step * a.batch + rank * local, step * a.batch + (rank + 1) * local) % count
            windows = torch.from_numpy(np.stack([tokens[w * a.context : (w + 1) * a.context + 1] for w in first]).astype(np.int64))
            if a.device == "cuda":
                windows = windows.pin_memory().to(a.device, non_blocking=True)
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast(a.device, dtype) if dtype else contextlib.nullcontext():
                loss = model(windows[:, :-1], windows[:, 1:])
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(parameters, 1.0)
            scaler.step(optimizer)
            scaler.update()
            if log and a.device == "cpu":
                write(step, begin, loss)
            elif log:
                if pending:
                    write(*pending)
                pending = step, begin, loss.detach()
        if pending:
            write(*pending)

    def free():
        """Frees the device's memory for the other programs between two runs."""
        if a.device == "cuda":
            torch.cuda.empty_cache()

    train(range(a.steps))
    # One process makes many measurements, so it compiles once. Each input line repeats the steps.
    if a.repeat:
        free()
        print("ready", flush=True)
        for run, _ in enumerate(sys.stdin, 1):
            train(range(run * a.steps, (run + 1) * a.steps))
            free()
            print(torch.cuda.max_memory_allocated() if a.device == "cuda" else 0, flush=True)
    if ranks > 1:
        dist.barrier()
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
