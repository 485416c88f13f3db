# SPDX-License-Identifier: Apache-2.0
"""Compares ebb with compiled PyTorch (flash attention) on GPT-2 124M on one GPU.

The programs run in turn, both at PyTorch's best batch.
"""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

import ranks

from gpt.gpt import write_tokens

MODEL = {"layers": 12, "heads": 12, "dim": 768, "context": 1024, "vocabulary": 50304}
BATCHES = (64, 128, 256)  # 32 was 6 % slower than 64 for PyTorch
NOISE = 0.015  # relative variation of its tokens/s between runs
STEPS, WARM_UP = 25, 5
DTYPES = ("bf16", "fp16")
PEAK_FLOPS = 989e12  # H100 and H200, dense 16-bit products, from the data sheet

PARAMETERS = MODEL["vocabulary"] * 768 + MODEL["context"] * 768 + 12 * (12 * 768 * 768 + 13 * 768) + 2 * 768
FLOPS_A_TOKEN = 6 * PARAMETERS + 12 * MODEL["layers"] * MODEL["context"] * MODEL["dim"]


def step_s(folder, first=0):
    """Median duration of the steps after the warm-up, which starts at line `first`."""
    lines = [json.loads(text) for text in open(folder / "metrics.jsonl")]
    ends = [line["time_s"] for line in lines if "seconds" in line][first + WARM_UP :]
    return statistics.median(b - a for a, b in zip(ends, ends[1:]))


class Peer:
    """PyTorch in a process of its own. It compiles once and waits between its runs."""

    def __init__(self, root, work, dtype, batch):
        self.folder, self.runs = work / f"torch-{dtype}-{batch}", 0
        command = [sys.executable, root / "bench/gpt/twin.py", work / "tokens/train.bin", self.folder, "--dtype", dtype, "--steps", STEPS, "--compile",
                   "--device", "cuda", "--repeat", "--batch", batch, *(part for key, value in MODEL.items() for part in (f"--{key}", value))]
        environment = {**os.environ, "OMP_NUM_THREADS": "4"}
        self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        self.answer()  # it has compiled and warmed up

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"PyTorch ended with {self.process.wait()}; see its errors above")
        return line.strip()

    def run(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        peak = int(self.answer())
        self.runs += 1
        return {"step_s": step_s(self.folder, self.runs * STEPS), "peak_device": peak}

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def best_batch(root, work):
    """Returns PyTorch's best batch and its tokens/s at each batch.

    The best batch is the smallest one whose tokens/s are within NOISE of the highest. One peer runs at
    a time, since a large batch fills the device.
    """
    speeds = {}
    for batch in BATCHES:
        peer = Peer(root, work, DTYPES[0], batch)
        speeds[batch] = batch * MODEL["context"] / min(peer.run()["step_s"] for _ in range(2))
        peer.end()
        print(f"gpt on a GPU  torch {DTYPES[0]} at batch {batch}: {speeds[batch]:.0f} tokens/s", flush=True)
    return min(batch for batch in BATCHES if speeds[batch] >= (1 - NOISE) * max(speeds.values())), speeds


def ours(root, build, work, dtype, batch):
    folder = work / "run" / "ours"
    shutil.rmtree(folder.parent, ignore_errors=True)
    command = [build / "ebb", "train", root / "configs/gpt-bible.yaml", "run.name=ours", f"run.dir={folder.parent}", f"run.steps={STEPS}", "run.device=cuda",
               "run.evaluate_every=0", "run.samples=false", "checkpoint.every=0", f"precision.dtype={dtype}", "data.tokenizer=none",
               f"data.source={work}/tokens", f"data.context={MODEL['context']}", f"data.batch={batch}", "optimizer.schedule.kind=constant",
               "optimizer.schedule.warmup_steps=0", "parallel.bucket=25MiB",
               *(f"model.{key}={MODEL[key]}" for key in ("layers", "heads", "dim", "vocabulary"))]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"ebb ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    steps = [json.loads(text) for text in open(folder / "metrics.jsonl")]
    memory = ranks.memory_lines(folder)
    peak = max(line["device"]["peak_total"] for line in memory if line["device"])
    return {"step_s": step_s(folder), "peak_device": peak, "last_loss": [s for s in steps if "seconds" in s][-1]["loss"]}


def measure(root, build, quick):
    repetitions = 1 if quick else 7
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        write_tokens(work / "tokens", MODEL["vocabulary"], 8_000_000)
        batch, speeds = (BATCHES[0], {}) if quick else best_batch(root, work)
        tokens = batch * MODEL["context"]
        peers = {dtype: Peer(root, work, dtype, batch) for dtype in DTYPES}
        found = {f"{who} {dtype}": [] for dtype in DTYPES for who in ("ebb", "torch")}
        for repetition in range(repetitions):
            for dtype in DTYPES:
                for who, one in (("ebb", ours(root, build, work, dtype, batch)), ("torch", peers[dtype].run())):
                    found[f"{who} {dtype}"].append(one)
                    speed = tokens / one["step_s"]
                    print(f"gpt on a GPU {repetition + 1}/{repetitions}  {who:<5} {dtype}  {speed:9.0f} tokens/s  {speed * FLOPS_A_TOKEN / PEAK_FLOPS:.3f} of "
                          f"989 TFLOP/s  peak {one['peak_device'] / 2**30:6.2f} GiB", flush=True)
        for peer in peers.values():
            peer.end()

    def ratios(key, over, under):
        return [a[key] / b[key] for a, b in zip(found[over], found[under])]

    bars = []
    for dtype in DTYPES:
        mfu = [tokens / one["step_s"] * FLOPS_A_TOKEN / PEAK_FLOPS for one in found[f"ebb {dtype}"]]
        bars += [ranks.bar(f"gpt124m_{dtype}_h200_vs_torch_compile", ratios("step_s", f"torch {dtype}", f"ebb {dtype}"), 1.0, "at_least", "ratio"),
                 ranks.bar(f"gpt124m_{dtype}_h200_mfu", mfu, 0.40, "at_least", "ratio"),
                 ranks.bar(f"gpt124m_{dtype}_h200_peak_vs_torch", ratios("peak_device", f"ebb {dtype}", f"torch {dtype}"), 1.0, "at_most", "ratio")]
    return {"runs": found, "model": MODEL, "batch": batch, "torch_at_batches": speeds}, bars
