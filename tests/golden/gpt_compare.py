# SPDX-License-Identifier: Apache-2.0
"""Trains the same small language models in ebb and in PyTorch, and compares their loss curves.

  gpt_compare.py EBB SOURCE_DIR [--steps 200] [--half-steps 200]

It does so for the architectures of GPT-2 and Llama, on real text.

- fp32: each step's loss is within 1e-4 of PyTorch's.
- bf16 and fp16: the reference is PyTorch's curve in fp32. The mean distance of ebb's curve to it is
  at most that of PyTorch's curve in the same dtype. Over fewer than 200 steps both distances are
  mostly noise, so the mean is of several seeds, and 5 % more is allowed.

Exit code 0 if all agree, 1 if not, 77 (skipped) if PyTorch or the text is missing.
"""

import json
import pathlib
import sys
import tempfile

from running import need_bible, need_module, parser_of, run

FP32_BOUND = 1e-4
SHORT_SEEDS = (1, 2, 3)  # the ratio of one seed varies by 0.03 in 20 steps
CONTEXT, BATCH, WIDTH, LAYERS, WARMUP = 64, 8, 64, 2, 20
ARCHITECTURES = {  # overrides of configs/gpt-bible.yaml, and arguments of gpt_twin.py
    "gpt2": ([], []),
    "llama": (["model.kv_heads=2", "model.tied=false"], ["--kv-heads", "2", "--no-tied"]),
}


class Curves:
    def __init__(self, a, folder):
        self.a, self.folder = a, folder

    def ebb(self, architecture, dtype, steps, seed=1):
        name = f"{architecture}-{dtype}-{steps}-{seed}"
        run(self.a.ebb, "train", self.a.source / "configs/gpt-bible.yaml", f"run.dir={self.folder}", f"run.name={name}", f"run.steps={steps}",
            f"run.seed={seed}", "run.evaluate_every=0", "data.shuffle=false", f"data.source={self.folder}/bible", f"data.context={CONTEXT}",
            f"data.batch={BATCH}", f"model.architecture={architecture}", f"model.layers={LAYERS}", "model.heads=4", f"model.dim={WIDTH}",
            "optimizer.lr=1e-3", "optimizer.weight_decay=0.1",
            "optimizer.clip_norm=1", f"optimizer.schedule.warmup_steps={WARMUP}", f"precision.dtype={dtype}", "checkpoint.every=0",
            *ARCHITECTURES[architecture][0])
        lines = map(json.loads, (self.folder / name / "metrics.jsonl").read_text().splitlines())
        return [line["loss"] for line in lines if "loss" in line]

    def torch(self, architecture, steps, *curves):
        """The curves of PyTorch, each (dtype, seed), by one process: to import PyTorch takes longer than 20 steps."""
        names = [f"{dtype}:{seed}" for dtype, seed in curves]
        found = json.loads(run(sys.executable, self.a.source / "tests/golden/gpt_twin.py", self.folder / "bible/train.bin",
                               "--architecture", architecture, "--curves", *names,
                               "--steps", steps, "--batch", BATCH, "--context", CONTEXT, "--dim", WIDTH, "--layers", LAYERS, "--warmup", WARMUP,
                               *ARCHITECTURES[architecture][1]))["train_loss"]
        return {curve: found[name] for curve, name in zip(curves, names, strict=True)}


def mean_difference(a, b):
    return sum(abs(x - y) for x, y in zip(a, b, strict=True)) / len(a)


def compare(curves, architecture, a):
    reference = curves.torch(architecture, a.steps, ("fp32", 1))["fp32", 1]
    ours = curves.ebb(architecture, "fp32", a.steps)
    difference = max(abs(x - y) / y for x, y in zip(ours, reference, strict=True))
    print(f"{architecture} fp32, {a.steps} steps: largest difference {difference:.2e}, bound {FP32_BOUND:.0e}; last loss {ours[-1]:.4f}")
    agree = difference <= FP32_BOUND
    is_short = a.half_steps < 200
    seeds = SHORT_SEEDS if is_short else (1,)
    torch = curves.torch(architecture, a.half_steps, *((dtype, seed) for dtype in ("fp32", "bf16", "fp16") for seed in seeds))
    for dtype in ("bf16", "fp16"):
        ebb = {seed: curves.ebb(architecture, dtype, a.half_steps, seed) for seed in seeds}
        theirs = sum(mean_difference(torch[dtype, seed], torch["fp32", seed]) for seed in seeds) / len(seeds)
        ours = sum(mean_difference(ebb[seed], torch["fp32", seed]) for seed in seeds) / len(seeds)
        print(f"{architecture} {dtype}, {a.half_steps} steps, {len(seeds)} seed(s): "
              f"mean difference to PyTorch's fp32: ebb {ours:.2e}, PyTorch {theirs:.2e}")
        agree &= ours <= theirs * (1.05 if is_short else 1)
    return agree


def main():
    parser = parser_of("ebb", "source")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--half-steps", type=int, default=200, help="steps in bf16 and fp16, in which PyTorch is slow on a CPU")
    a = parser.parse_args()
    need_bible()
    need_module("torch")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "bible.txt").write_text(run("bible", "-f", "gen1:1-rev22:21"))
        run(a.ebb, "data", "pack", folder / "bible.txt", "--tokenizer", "bytes", "--test-share", "0.1", "-o", folder / "bible")
        curves = Curves(a, folder)
        return int(not all([compare(curves, architecture, a) for architecture in ARCHITECTURES]))


if __name__ == "__main__":
    sys.exit(main())
