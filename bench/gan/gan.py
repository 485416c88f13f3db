# SPDX-License-Identifier: Apache-2.0
"""Compares ebb with PyTorch on the GAN of configs/gan-fashion-mnist.yaml, without the average of weights, and on
the same with R3GAN's networks.

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


# Overrides of a run that only trains.
ONLY_STEPS = ["run.evaluate_every=0", "evaluate.samples=0", "run.samples=false", "checkpoint.every=0"]
# Overrides of the configuration, by the prefix of the bars' names: R3GAN's networks, and those of the configuration.
NETWORKS = {"gan": ["model.architecture=residual", "model.blocks=1"], "gan_dcgan": []}


def export(root, ebb, work, name, *overrides):
    """Trains ebb, and returns the folder of its export."""
    folder = work / "exports" / name
    subprocess.run([ebb, "launch", "-n", str(RANKS), root / "configs/gan-fashion-mnist.yaml", f"run.name={name}", f"run.dir={work}/runs",
                    f"data.source={work}/data", *ONLY_STEPS, *overrides], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([ebb, "export", work / "runs" / name, "-o", folder], check=True, stdout=subprocess.DEVNULL)
    return folder


def export_initial(root, ebb, work, seed=1, overrides=()):
    """The same with the networks before the first step."""
    return export(root, ebb, work, "-".join(["initial", str(seed), *overrides]), f"run.seed={seed}", "run.steps=1", "optimizer.lr=1e-30",
                  "precision.dtype=fp32", *overrides)


def prepare(ebb, work):
    """Packs the dataset, and returns its training images as an uncompressed IDX file."""
    images = work / "images-idx3-ubyte"
    with gzip.open(DATASET / "train-images-idx3-ubyte.gz") as packed, images.open("wb") as plain:
        shutil.copyfileobj(packed, plain)
    pack(ebb, work / "data")
    return images


def measure_networks(root, ebb, work, images, prefix, repetitions, steps):
    initial = export_initial(root, ebb, work, overrides=NETWORKS[prefix])

    def ours(dtype):
        folder = work / "run" / "ours"
        command = [ebb, "train", root / "configs/gan-fashion-mnist.yaml", "run.name=ours", f"run.dir={folder.parent}",
                   f"run.steps={steps}", *ONLY_STEPS, "generator.average.half_life=0", f"precision.dtype={dtype}",
                   f"data.source={work}/data", *NETWORKS[prefix]]
        return command, folder

    def theirs(dtype):
        folder = work / "run" / "theirs"
        return [sys.executable, root / "bench/gan/twin.py", initial, images, folder, "--steps", steps, "--dtype", dtype], folder

    lines = {"ebb fp16": ours("fp16"), "torch fp32": theirs("fp32"), "ebb bf16": ours("bf16"), "torch bf16": theirs("bf16")}
    found = ranks.in_turn(prefix, lines, repetitions, RANKS, BATCH, warm_up=2)
    fp16, fp32, bf16, torch_bf16 = (found[name] for name in ("ebb fp16", "torch fp32", "ebb bf16", "torch bf16"))
    return found, [
        ranks.bar(f"{prefix}_fp16_speed_vs_torch_fp32", ranks.ratios("step_s", fp32, fp16), 1.25, "at_least", "ratio"),
        ranks.bar(f"{prefix}_bf16_speed_vs_torch_bf16", ranks.ratios("step_s", torch_bf16, bf16), 1.25, "at_least", "ratio"),
        ranks.bar(f"{prefix}_peak_rss_vs_torch", ranks.ratios("peak_rss", fp16, fp32), 0.40, "at_most", "ratio"),
        ranks.bar(f"{prefix}_step_memory_vs_torch", ranks.ratios("step_rss", fp16, fp32), 0.5, "at_most", "ratio"),
    ]


def measure(root, build, quick):
    repetitions, steps = (2, 8) if quick else (7, 20)
    ebb = build / "ebb"
    runs, bars = {}, []
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        images = prepare(ebb, work)
        for prefix in NETWORKS:
            runs[prefix], its = measure_networks(root, ebb, work, images, prefix, repetitions, steps)
            bars += its
    return {"runs": runs}, bars
