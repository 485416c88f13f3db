# SPDX-License-Identifier: Apache-2.0
"""Trains the same VAE on Fashion-MNIST three times and compares the test losses.

  vae_compare.py EBB SOURCE_DIR DATA_DIR [--steps 400]

The three runs are ebb in fp16 on 2 ranks, ebb in fp32, and PyTorch in fp32. Shorter runs compare
ebb in fp32 with PyTorch for the likelihoods with a learned scale. Exit code 0 if all agree within
1 %, 1 if not, 77 (skipped) if PyTorch or the data is missing.
"""

import json
import pathlib
import sys
import tempfile

from running import need_module, parser_of, run, skip

BOUND = 0.01  # relative difference of test losses
SCALED = ("gaussian", "discretized_logistic")
SCALED_STEPS = 40


def main():
    parser = parser_of("ebb", "source", "data")
    parser.add_argument("--steps", type=int, default=400)
    a = parser.parse_args()
    if not (a.data / "train-images-idx3-ubyte.gz").exists():
        skip(f"{a.data} has no Fashion-MNIST (Debian's dataset-fashion-mnist)")
    need_module("torch")

    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for split, prefix in (("train", "train"), ("test", "t10k")):
            run(a.ebb, "data", "pack", a.data / f"{prefix}-images-idx3-ubyte.gz", "--labels",
                a.data / f"{prefix}-labels-idx1-ubyte.gz", "-o", folder / "fashion-mnist" / split)

        def ebb(name, ranks, dtype, *keys, steps=a.steps):
            run("mpirun", "--oversubscribe", "--bind-to", "none", "-np", ranks, a.ebb, "train", a.source / "configs/vae-fashion-mnist.yaml",
                f"run.name={name}", f"run.dir={folder}", f"run.steps={steps}", "run.evaluate_every=0", "data.shuffle=false",
                f"precision.dtype={dtype}", f"data.source={folder}/fashion-mnist", *keys)
            return json.loads((folder / name / "results.json").read_text())["test_loss"]

        def torch(*options, steps=a.steps):
            return json.loads(run(sys.executable, a.source / "tests/golden/vae_twin.py", a.data, "--steps", steps, *options))["test_loss"]

        losses = {
            "ebb fp16, 2 ranks": ebb("fp16", 2, "fp16"),
            "ebb fp32, 1 rank": ebb("fp32", 1, "fp32"),
            "PyTorch fp32": torch(),
        }
        scaled = {name: (ebb(name, 1, "fp32", f"model.likelihood={name}", steps=SCALED_STEPS), torch("--likelihood", name, steps=SCALED_STEPS))
                  for name in SCALED}
    for name, loss in losses.items():
        print(f"{name:<20} test loss {loss:.4f}")
    fp16, fp32, reference = losses.values()
    failed = False
    for name, other in (("ebb fp32", fp32), ("PyTorch fp32", reference)):
        difference = abs(fp16 - other) / other
        print(f"fp16 against {name}: {100 * difference:.3f} % apart, at most {100 * BOUND:.0f} % allowed")
        failed |= difference > BOUND
    for name, (ours, reference) in scaled.items():
        difference = abs(ours - reference) / abs(reference)
        print(f"{name}, {SCALED_STEPS} steps: ebb fp32 {ours:.4f}, PyTorch fp32 {reference:.4f}: {100 * difference:.3f} % apart")
        failed |= difference > BOUND
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
