#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains the small model of `bench/run gpt` without a warm-up, in ebb and in its twin in PyTorch.

  same_work_test.py BUILD

- The twin begins with ebb's weights and samples: the first losses in fp32 are equal to 1e-4.
- In bf16 each step of ebb has the loss of its fp32 to 1 %, and no gradient norm is ten times as large. With a
  residual stream of 8 bits one was 180 times as large, and the last loss was 3.147 instead of 2.729.

Exit code 0 if all agree, 1 if not, 77 (skipped) if PyTorch or NumPy is missing.
"""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

from gpt import gpt  # noqa: E402

STEPS, TWIN_STEPS = 100, 4
SAME_LOSS, BF16_LOSS, BF16_GRADIENT = 1e-4, 1e-2, 10.0


def steps_of(folder):
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [line for line in lines if "seconds" in line]


def train(build, work, dtype, steps, *overrides):
    command, folder = gpt.ours(ROOT, build, work, f"small-{dtype}-{steps}", gpt.SMALL, dtype, 2, steps, *overrides)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return steps_of(folder)


def twin(build, work):
    folder, initial = work / "twin", gpt.export_initial(ROOT, build, work, gpt.SMALL)
    tokens = work / str(gpt.SMALL["vocabulary"]) / "train.bin"
    command = [sys.executable, "-B", ROOT / "bench/gpt/twin.py", tokens, folder, "--steps", str(TWIN_STEPS), "--initial", initial, "--dtype", "fp32",
               *(part for key, value in gpt.SMALL.items() for part in (f"--{key}", str(value)))]
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "2"})
    return steps_of(folder)


def main():
    for name in ("torch", "numpy"):
        if importlib.util.find_spec(name) is None:
            print(f"skipped: this Python has no {name}")
            return 77
    build = pathlib.Path(sys.argv[1])
    failures = []
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        gpt.write_tokens(work / str(gpt.SMALL["vocabulary"]), gpt.SMALL["vocabulary"])
        fp32, bf16 = (train(build, work, dtype, STEPS, "data.shuffle=true") for dtype in ("fp32", "bf16"))
        for step, (theirs, ours) in enumerate(zip(twin(build, work), train(build, work, "fp32", TWIN_STEPS), strict=True)):
            if not abs(ours["loss"] - theirs["loss"]) <= SAME_LOSS * theirs["loss"]:
                failures.append(f"step {step} in fp32: loss {ours['loss']:.5f}, but {theirs['loss']:.5f} in PyTorch")
    for step, (half, full) in enumerate(zip(bf16, fp32, strict=True)):
        if not abs(half["loss"] - full["loss"]) <= BF16_LOSS * full["loss"]:
            failures.append(f"step {step}: loss {half['loss']:.4f} in bf16, but {full['loss']:.4f} in fp32")
        if not half["grad_norm"] <= BF16_GRADIENT * full["grad_norm"]:
            failures.append(f"step {step}: gradient norm {half['grad_norm']:.3f} in bf16, but {full['grad_norm']:.3f} in fp32")
    print(f"last loss {bf16[-1]['loss']:.4f} in bf16, {fp32[-1]['loss']:.4f} in fp32")
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
