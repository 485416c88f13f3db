# SPDX-License-Identifier: Apache-2.0
"""Trains the same VAE on Fashion-MNIST three times and compares the test losses.

  vae_compare.py EBB SOURCE_DIR DATA_DIR [--steps 400]

The three runs are ebb in fp16 on 2 ranks, ebb in fp32, and PyTorch in fp32. Exit code 0 if all
agree within 1 %, 1 if not, 77 (skipped) if PyTorch or the data is missing.
"""

import json
import pathlib
import sys
import tempfile

from running import need_module, parser_of, run, skip

BOUND = 0.01  # relative difference of test losses


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

        def ebb(name, ranks, dtype):
            run("mpirun", "--oversubscribe", "--bind-to", "none", "-np", ranks, a.ebb, "train", a.source / "configs/vae-fashion-mnist.yaml",
                f"run.name={name}", f"run.dir={folder}", f"run.steps={a.steps}", "run.evaluate_every=0", "data.shuffle=false",
                f"precision.dtype={dtype}", f"data.source={folder}/fashion-mnist")
            return json.loads((folder / name / "results.json").read_text())["test_loss"]

        losses = {
            "ebb fp16, 2 ranks": ebb("fp16", 2, "fp16"),
            "ebb fp32, 1 rank": ebb("fp32", 1, "fp32"),
            "PyTorch fp32": json.loads(run(sys.executable, a.source / "tests/golden/vae_twin.py", a.data, "--steps", a.steps))["test_loss"],
        }
    for name, loss in losses.items():
        print(f"{name:<20} test loss {loss:.4f}")
    fp16, fp32, torch = losses.values()
    failed = False
    for name, other in (("ebb fp32", fp32), ("PyTorch fp32", torch)):
        difference = abs(fp16 - other) / other
        print(f"fp16 against {name}: {100 * difference:.3f} % apart, at most {100 * BOUND:.0f} % allowed")
        failed |= difference > BOUND
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
