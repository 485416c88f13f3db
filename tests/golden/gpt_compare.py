"""Trains the same small language models in ebb and in PyTorch on real text and compares their loss curves.

  gpt_compare.py EBB SOURCE_DIR [--steps 200] [--half-steps 200]

fp32: every step within 1e-4 of PyTorch's. bf16 and fp16: ebb's curve is no farther from PyTorch's in fp32 than PyTorch's own
in that dtype is (mean over the steps); over fewer than 200 steps, where the two are the same noise, by 5 % at most. For the parts of GPT-2 and of Llama. Exit code 0 where all agree, 1
where not, 77 (skipped) where PyTorch or the text is not there.
"""

import argparse
import importlib.util
import json
import pathlib
import shutil
import sys
import tempfile

from running import SKIPPED, run

FP32_BOUND = 1e-4
CONTEXT, BATCH, WIDTH, LAYERS, WARMUP = 64, 8, 64, 2, 20
PARTS = {  # overrides of configs/gpt-bible.yaml, and the twin's arguments
    "gpt2": ([], []),
    "llama": (["model.key_heads=2", "model.tied=false"], ["--key-heads", "2", "--no-tied"]),
}


class Curves:
    def __init__(self, a, folder):
        self.a, self.folder = a, folder

    def ebb(self, parts, dtype, steps):
        name = f"{parts}-{dtype}"
        run(self.a.ebb, "train", self.a.source / "configs/gpt-bible.yaml", f"run.dir={self.folder}", f"run.name={name}", f"run.steps={steps}",
            "run.evaluate_every=0", "data.shuffle=false", f"data.source={self.folder}/bible", f"data.context={CONTEXT}", f"data.batch={BATCH}",
            f"model.parts={parts}", f"model.layers={LAYERS}", "model.heads=4", f"model.dim={WIDTH}", "optimizer.lr=1e-3", "optimizer.weight_decay=0.1",
            "optimizer.clip_norm=1", f"optimizer.schedule.warmup_steps={WARMUP}", f"precision.dtype={dtype}", "checkpoint.every=0", *PARTS[parts][0])
        lines = map(json.loads, (self.folder / name / "metrics.jsonl").read_text().splitlines())
        return [line["loss"] for line in lines if "loss" in line]

    def torch(self, parts, dtype, steps):
        return json.loads(run(sys.executable, self.a.source / "tests/golden/gpt_twin.py", self.folder / "bible/train.bin", "--parts", parts, "--dtype", dtype,
                              "--steps", steps, "--batch", BATCH, "--context", CONTEXT, "--dim", WIDTH, "--layers", LAYERS, "--warmup", WARMUP,
                              *PARTS[parts][1]))["train_loss"]


def mean_apart(a, b):
    return sum(abs(x - y) for x, y in zip(a, b, strict=True)) / len(a)


def compare(curves, parts, a):
    reference, ours = curves.torch(parts, "fp32", a.steps), curves.ebb(parts, "fp32", a.steps)
    apart = max(abs(x - y) / y for x, y in zip(ours, reference, strict=True))
    print(f"{parts} fp32, {a.steps} steps: {apart:.2e} apart at most, {FP32_BOUND:.0e} allowed; last loss {ours[-1]:.4f}")
    agree = apart <= FP32_BOUND
    if a.half_steps != a.steps:
        reference = curves.torch(parts, "fp32", a.half_steps)
    for dtype in ("bf16", "fp16"):
        theirs, ours = (mean_apart(curve(parts, dtype, a.half_steps), reference) for curve in (curves.torch, curves.ebb))
        print(f"{parts} {dtype}, {a.half_steps} steps: ebb {ours:.2e} from PyTorch's fp32, PyTorch {theirs:.2e}")
        agree &= ours <= theirs * (1 if a.half_steps >= 200 else 1.05)
    return agree


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ebb", type=pathlib.Path)
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--half-steps", type=int, default=200, help="of bf16 and fp16, which PyTorch is slow at on a CPU")
    a = parser.parse_args()
    if shutil.which("bible") is None:
        print("skipped: there is no bible (Debian's bible-kjv and bible-kjv-text)")
        return SKIPPED
    if importlib.util.find_spec("torch") is None:
        print("skipped: this Python has no torch")
        return SKIPPED
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "bible.txt").write_text(run("bible", "-f", "gen1:1-rev22:21"))
        run(a.ebb, "data", "pack", folder / "bible.txt", "--tokenizer", "bytes", "--test-share", "0.1", "-o", folder / "bible")
        curves = Curves(a, folder)
        return int(not all([compare(curves, parts, a) for parts in PARTS]))


if __name__ == "__main__":
    sys.exit(main())
