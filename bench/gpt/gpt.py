# SPDX-License-Identifier: Apache-2.0
"""Compares ebb with PyTorch on language models, on two cores. The programs run in turn."""

import pathlib
import shutil
import struct
import sys
import tempfile

import numpy as np
import ranks

MEDIUM = {"layers": 6, "heads": 6, "dim": 384, "context": 256, "vocabulary": 4096, "batch": 8}
SMALL = {"layers": 4, "heads": 4, "dim": 128, "context": 64, "vocabulary": 96, "batch": 12}
GPT124M = {"layers": 12, "heads": 12, "dim": 768, "context": 512, "vocabulary": 50257, "batch": 4}

# name -> (model, dtype, ranks, threads, steps, and for PyTorch further arguments)
OURS = {
    "ebb bf16 2x1": (MEDIUM, "bf16", 2, 1, 12),
    "ebb bf16 1x2": (MEDIUM, "bf16", 1, 2, 12),
    "ebb fp16 1x2": (MEDIUM, "fp16", 1, 2, 12),
    "ebb small fp32": (SMALL, "fp32", 1, 2, 100),
    "ebb small bf16": (SMALL, "bf16", 1, 2, 100),
    "ebb 124M bf16": (GPT124M, "bf16", 1, 2, 2),
}
THEIRS = {
    "torch bf16 ddp 2x1": (MEDIUM, "bf16", 2, 1, 12),
    "torch bf16 compiled 1x2": (MEDIUM, "bf16", 1, 2, 12, "--compile"),
    "torch fp32 1x2": (MEDIUM, "fp32", 1, 2, 12),
    "torch small fp32": (SMALL, "fp32", 1, 2, 100),
    "torch small bf16": (SMALL, "bf16", 1, 2, 100),
    "torch 124M bf16": (GPT124M, "bf16", 1, 2, 2),
}
# The two programs of a comparison run one after the other.
PAIRS = list(zip(OURS, THEIRS))


def write_tokens(folder, vocabulary, tokens=400_000):
    """Writes token files. The frequencies of the ids are as uneven as those of words."""
    folder.mkdir(parents=True)
    draw = np.random.default_rng(7)
    for name, count in (("train.bin", tokens), ("test.bin", 4_000)):
        ids = (np.minimum(draw.zipf(1.2, count), vocabulary) - 1).astype(np.uint16)
        (folder / name).write_bytes(struct.pack("<256i", 20240520, 1, count, *[0] * 253) + ids.tobytes())


def measure(root, build, quick):
    repetitions = 1 if quick else 7
    found = {name: [] for name in (*OURS, *THEIRS)}
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        for model in (MEDIUM, SMALL, GPT124M):
            write_tokens(work / str(model["vocabulary"]), model["vocabulary"])

        def ours(model, dtype, _ranks, threads, steps):
            folder = work / "run" / "ours"
            command = [build / "ebb", "train", root / "configs/gpt-bible.yaml", "run.name=ours", f"run.dir={folder.parent}", f"run.steps={steps}",
                       "run.evaluate_every=0", "checkpoint.every=0", f"precision.dtype={dtype}", f"parallel.threads={threads}", "data.tokenizer=none",
                       f"data.source={work}/{model['vocabulary']}", f"data.context={model['context']}", f"data.batch={model['batch']}",
                       "optimizer.schedule.kind=constant", "optimizer.schedule.warmup_steps=0", "parallel.bucket=25MiB",
                       *(f"model.{key}={model[key]}" for key in ("layers", "heads", "dim", "vocabulary"))]
            return command, folder

        def theirs(model, dtype, _ranks, _threads, steps, *more):
            folder = work / "run" / "theirs"
            return [sys.executable, root / "bench/gpt/twin.py", f"{work}/{model['vocabulary']}/train.bin", folder, "--dtype", dtype, "--steps", steps,
                    *(part for key, value in model.items() for part in (f"--{key}", value)), *more], folder

        for repetition in range(0 if quick else -1, repetitions):  # repetition -1 warms caches and is not counted
            for pair in PAIRS:
                if repetition < 0 and "124M" in pair[0]:
                    continue
                for name in pair:
                    settings = (OURS | THEIRS)[name]
                    command, folder = (ours if name in OURS else theirs)(*settings)
                    shutil.rmtree(folder.parent, ignore_errors=True)
                    folder.parent.mkdir()
                    one = ranks.run(settings[2], command, folder, threads=settings[3], warm_up=min(3, settings[4] - 2))
                    if repetition < 0:
                        continue
                    found[name].append(one)
                    tokens = settings[0]["batch"] * settings[0]["context"]
                    print(f"gpt {repetition + 1}/{repetitions}  {name:<24}  {tokens / one['step_s']:7.0f} tokens/s  first step after "
                          f"{one['first_step_s']:6.2f} s  peak {one['peak_rss'] / 2**20:6.0f} MiB per rank  loss {one['last_loss']:.3f}", flush=True)

    def speed(mine, other):
        return [b["step_s"] / a["step_s"] for a, b in zip(found[mine], found[other])]

    def share(key, mine, other):
        return [a[key] / b[key] for a, b in zip(found[mine], found[other])]

    bars = [
        ranks.bar("gpt_bf16_2x1_vs_torch_ddp", speed("ebb bf16 2x1", "torch bf16 ddp 2x1"), 1.25, "at_least", "ratio"),
        ranks.bar("gpt_bf16_1x2_vs_torch_compile", speed("ebb bf16 1x2", "torch bf16 compiled 1x2"), 1.10, "at_least", "ratio"),
        ranks.bar("gpt_fp16_1x2_vs_torch_fp32", speed("ebb fp16 1x2", "torch fp32 1x2"), 1.10, "at_least", "ratio"),
        ranks.bar("gpt_small_fp32_vs_torch", speed("ebb small fp32", "torch small fp32"), 2.0, "at_least", "ratio"),
        ranks.bar("gpt_small_bf16_vs_torch", speed("ebb small bf16", "torch small bf16"), 2.0, "at_least", "ratio"),
        ranks.bar("gpt124m_peak_rss_vs_torch", share("peak_rss", "ebb 124M bf16", "torch 124M bf16"), 0.6, "at_most", "ratio"),
        ranks.bar("gpt_start_to_first_step_vs_torch", share("first_step_s", "ebb bf16 2x1", "torch bf16 ddp 2x1"), 0.35, "at_most", "ratio"),
    ]
    return {"runs": found}, bars
