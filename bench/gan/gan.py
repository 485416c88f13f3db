# SPDX-License-Identifier: Apache-2.0
"""Compares ebb with PyTorch on the GAN of configs/gan-fashion-mnist.yaml, without the average of weights.

The programs run in turn, on two ranks of one thread.
"""

import gzip
import pathlib
import shutil
import subprocess
import sys
import tempfile

import ranks

RANKS, BATCH = 2, 64
DATASET = pathlib.Path("/usr/share/datasets/fashion-mnist")


def pack(ebb, folder):
    """The dataset, padded to 32 x 32."""
    for split, prefix in (("train", "train"), ("test", "t10k")):
        subprocess.run([ebb, "data", "pack", DATASET / f"{prefix}-images-idx3-ubyte.gz", "--labels",
                        DATASET / f"{prefix}-labels-idx1-ubyte.gz", "--pad", "32", "-o", folder / split], check=True, stdout=subprocess.DEVNULL)


def measure(root, build, quick):
    repetitions, steps = (2, 8) if quick else (7, 20)
    ebb = build / "ebb"
    found = {name: [] for name in ("ebb fp16", "torch fp32", "ebb bf16", "torch bf16")}
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        images = work / "images-idx3-ubyte"
        with gzip.open(DATASET / "train-images-idx3-ubyte.gz") as packed, images.open("wb") as plain:
            shutil.copyfileobj(packed, plain)
        pack(ebb, work / "data")

        def ours(dtype):
            folder = work / "run" / "ours"
            command = [ebb, "train", root / "configs/gan-fashion-mnist.yaml", "run.name=ours", f"run.dir={folder.parent}",
                       f"run.steps={steps}", "run.evaluate_every=0", "evaluate.samples=0", "run.samples=false", "checkpoint.every=0",
                       "generator.average.half_life=0",
                       f"precision.dtype={dtype}", f"data.source={work}/data"]
            return command, folder

        def theirs(dtype):
            folder = work / "run" / "theirs"
            return [sys.executable, root / "bench/gan/twin.py", images, folder, "--steps", steps, "--dtype", dtype], folder

        lines = {"ebb fp16": ours("fp16"), "torch fp32": theirs("fp32"), "ebb bf16": ours("bf16"), "torch bf16": theirs("bf16")}
        for repetition in range(-1, repetitions):  # repetition -1 warms caches and is not counted
            for name, (command, folder) in lines.items():
                shutil.rmtree(folder.parent, ignore_errors=True)
                folder.parent.mkdir()
                one = ranks.run(RANKS, command, folder, warm_up=2)
                if repetition < 0:
                    continue
                found[name].append(one)
                print(f"gan {repetition + 1}/{repetitions}  {name:<10}  {BATCH / one['step_s']:6.0f} samples/s  "
                      f"first step after {one['first_step_s']:5.2f} s  peak {one['peak_rss'] / 2**20:6.0f} MiB per rank, "
                      f"{one['step_rss'] / 2**20:5.0f} of it in steps", flush=True)

    def ratio(key, mine, other, inverse=False):
        pairs = zip(found[mine], found[other])
        return [(b[key] / a[key] if inverse else a[key] / b[key]) for a, b in pairs]

    fp16, fp32 = "ebb fp16", "torch fp32"
    bars = [
        ranks.bar("gan_fp16_speed_vs_torch_fp32", ratio("step_s", fp16, fp32, True), 1.25, "at_least", "ratio"),
        ranks.bar("gan_bf16_speed_vs_torch_bf16", ratio("step_s", "ebb bf16", "torch bf16", True), 1.25, "at_least", "ratio"),
        ranks.bar("gan_peak_rss_vs_torch", ratio("peak_rss", fp16, fp32), 0.40, "at_most", "ratio"),
        ranks.bar("gan_step_memory_vs_torch", ratio("step_rss", fp16, fp32), 0.5, "at_most", "ratio"),
    ]
    return {"runs": found}, bars
