# SPDX-License-Identifier: Apache-2.0
"""Compares ebb with PyTorch on the VAE of configs/vae-fashion-mnist.yaml.

The programs run in turn, on two ranks of one thread.
"""

import gzip
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import ranks

RANKS = 2
MPIRUN = """#!/bin/sh
[ "$1" != --version ] || { echo 'mpirun (Open MPI) 4.1.4'; exit 0; }
date +%s%N >"$EBB_STARTED"
"""


def seconds_to_mpirun(ebb, config, work):
    """The time from the start of `ebb launch` to that of mpirun, for which a script stands."""
    programs, started = work / "programs", work / "started"
    programs.mkdir(exist_ok=True)
    (programs / "mpirun").write_text(MPIRUN)
    (programs / "mpirun").chmod(0o755)
    started.unlink(missing_ok=True)
    begin = time.time_ns()
    subprocess.run([ebb, "launch", "-n", str(RANKS), config, f"run.dir={work}/launched"], capture_output=True, check=False,
                   env=os.environ | {"PATH": f"{programs}:/usr/bin:/bin", "EBB_STARTED": str(started)})
    return (int(started.read_text()) - begin) / 1e9


def measure(root, build, quick):
    repetitions, steps = (2, 12) if quick else (7, 40)
    ebb = build / "ebb"
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        images = work / "images-idx3-ubyte"
        with gzip.open("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz") as packed, images.open("wb") as plain:
            shutil.copyfileobj(packed, plain)

        def ours(dtype):
            folder = work / "run" / "ours"
            command = [ebb, "train", root / "configs/vae-fashion-mnist.yaml", "run.name=ours", f"run.dir={folder.parent}",
                       f"run.steps={steps}", "run.evaluate_every=0", "checkpoint.every=0", f"precision.dtype={dtype}",
                       f"data.source={root}/data/fashion-mnist"]
            return command, folder

        def theirs(dtype):
            folder = work / "run" / "theirs"
            return [sys.executable, root / "bench/vae/twin.py", images, folder, "--steps", steps, "--dtype", dtype], folder

        def blocks(name, folder):
            if name != "ebb fp16":
                return {}
            return {"blocks": ranks.memory_lines(folder)[-1]["blocks"]}

        lines = {"ebb fp16": ours("fp16"), "torch fp32": theirs("fp32"), "ebb bf16": ours("bf16"), "torch bf16": theirs("bf16")}
        found = ranks.in_turn("vae", lines, repetitions, RANKS, 256, more=blocks)
        launches = [seconds_to_mpirun(ebb, root / "configs/vae-fashion-mnist.yaml", work) for _ in range(repetitions + 1)][1:]

    fp16, fp32, bf16, torch_bf16 = (found[name] for name in ("ebb fp16", "torch fp32", "ebb bf16", "torch bf16"))
    costs = [json.loads(subprocess.run([build / "bench/ebb_bench"], capture_output=True, text=True, check=True).stdout)
             for _ in range(3 if quick else 7)]
    shares = [(cost["block_s"] * one["blocks"] + cost["gate_s"]) / one["step_s"] for cost, one in zip(costs, fp16)]
    bars = [
        ranks.bar("vae_fp16_speed_vs_torch_fp32", ranks.ratios("step_s", fp32, fp16), 1.0, "at_least", "ratio"),
        ranks.bar("vae_bf16_speed_vs_torch_bf16", ranks.ratios("step_s", torch_bf16, bf16), 1.2, "at_least", "ratio"),
        ranks.bar("vae_peak_rss_vs_torch", ranks.ratios("peak_rss", fp16, fp32), 0.35, "at_most", "ratio"),
        ranks.bar("vae_step_memory_vs_torch", ranks.ratios("step_rss", fp16, fp32), 0.6, "at_most", "ratio"),
        ranks.bar("vae_start_to_first_step_vs_torch", ranks.ratios("first_step_s", fp16, fp32), 0.35, "at_most", "ratio"),
        ranks.bar("ledger_share_of_step", shares, 0.01, "at_most", "ratio"),
        ranks.bar("order_bytes_1e9_minus_1e5", [c["order_bytes"] for c in costs], 1048576, "at_most", "bytes"),
        ranks.bar("launch_to_mpirun", launches, 0.05, "at_most", "s"),
    ]
    return {"runs": found, "costs": costs}, bars
