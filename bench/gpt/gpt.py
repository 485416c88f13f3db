# SPDX-License-Identifier: Apache-2.0
"""Compares ebb with PyTorch on language models, on two cores. The programs run in turn."""

import math
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

import ranks

MEDIUM = {"layers": 6, "heads": 6, "dim": 384, "context": 256, "vocabulary": 4096, "batch": 8}
SMALL = {"layers": 4, "heads": 4, "dim": 128, "context": 64, "vocabulary": 96, "batch": 12}
GPT124M = {"layers": 12, "heads": 12, "dim": 768, "context": 512, "vocabulary": 50257, "batch": 4}

# group -> (model, ranks, threads, steps, dtypes of ebb). The programs of a group run in turn.
GROUPS = {
    "medium 2x1": (MEDIUM, 2, 1, 12, ("bf16",)),
    "medium 1x2": (MEDIUM, 1, 2, 12, ("bf16", "fp16")),
    "small 1x2": (SMALL, 1, 2, 100, ("fp32", "bf16")),
    "124M 1x2": (GPT124M, 1, 2, 2, ("bf16",)),
}
# form of PyTorch -> its arguments
FORMS = {
    "fp32": ("--dtype", "fp32"),
    "fp32 compiled": ("--dtype", "fp32", "--compile"),
    "bf16": ("--dtype", "bf16"),
    "bf16 compiled": ("--dtype", "bf16", "--compile"),
}
SPEEDS = [  # name of the bar, group, dtype of ebb, bound
    ("gpt_bf16_2x1_vs_torch_ddp", "medium 2x1", "bf16", 1.25),
    ("gpt_bf16_1x2_vs_torch", "medium 1x2", "bf16", 1.10),
    ("gpt_fp16_1x2_vs_torch", "medium 1x2", "fp16", 1.10),
    ("gpt_small_fp32_vs_torch", "small 1x2", "fp32", 2.0),
    ("gpt_small_bf16_vs_torch", "small 1x2", "bf16", 2.0),
]
SAME_START = 5e-3  # relative difference of two first losses, in any dtype, from the same weights and samples


def forms_of(group, bf16):
    """The forms of PyTorch that run in a group. bf16: the processor multiplies it; else a bf16 run only gives a loss."""
    if group.startswith("124M"):
        return ["bf16"]
    return [form for form in FORMS if bf16 or form != "bf16 compiled"]


def bars_of(found, bf16):
    """The bars of the results of all repetitions, by the name of the program. bf16: the processor multiplies it."""

    def losses(group, dtype):
        twin = f"torch {group} {'fp32' if dtype == 'fp16' else dtype}"  # PyTorch has no fp16 training on a CPU
        return ranks.ratios("last_loss", found[f"ebb {group} {dtype}"], found[twin])

    bars = []
    for name, group, dtype, bound in SPEEDS:
        peer = ranks.fastest(found, [f"torch {group} {form}" for form in forms_of(group, bf16) if bf16 or not form.startswith("bf16")])
        ratios = ranks.ratios("step_s", found[peer], found[f"ebb {group} {dtype}"])
        bars.append(ranks.bar(name, ratios, bound, "at_least", "ratio", peer=peer, losses=losses(group, dtype)))

    def share(name, key, group, bound):
        peer, ours = f"torch {group} bf16", f"ebb {group} bf16"
        return ranks.bar(name, ranks.ratios(key, found[ours], found[peer]), bound, "at_most", "ratio", peer=peer, losses=losses(group, "bf16"))

    return [*bars, share("gpt124m_peak_rss_vs_torch", "peak_rss", "124M 1x2", 0.6),
            share("gpt_start_to_first_step_vs_torch", "first_step_s", "medium 2x1", 0.35)]


def refuse_other_starts(found):
    """Ends the program if two programs of a group did not begin with the same weights and samples."""
    for group in GROUPS:
        first = {name: one["first_loss"] for name, all_runs in found.items() if group in name for one in all_runs}
        if lost := [name for name, loss in first.items() if not math.isfinite(loss)]:
            raise SystemExit(f"{lost[0]} begins with a loss that is not finite")
        low, high = min(first, key=first.get), max(first, key=first.get)
        if not first[high] <= (1 + SAME_START) * first[low]:
            raise SystemExit(f"{low} begins with the loss {first[low]:.4f} and {high} with {first[high]:.4f}: their weights or samples differ")


def write_tokens(folder, vocabulary, tokens=400_000):
    """Writes token files. The frequencies of the ids are as uneven as those of words."""
    import numpy as np

    folder.mkdir(parents=True)
    draw = np.random.default_rng(7)
    for name, count in (("train.bin", tokens), ("test.bin", 4_000)):
        ids = (np.minimum(draw.zipf(1.2, count), vocabulary) - 1).astype(np.uint16)
        (folder / name).write_bytes(struct.pack("<256i", 20240520, 1, count, *[0] * 253) + ids.tobytes())


def ours(root, build, work, name, model, dtype, threads, steps, *overrides):
    """The command line of ebb and the folder of the run."""
    folder = work / "run" / name
    return [build / "ebb", "train", root / "configs/gpt-bible.yaml", f"run.name={name}", f"run.dir={folder.parent}", f"run.steps={steps}",
            "run.evaluate_every=0", "run.samples=false", "checkpoint.every=0", f"precision.dtype={dtype}", f"parallel.threads={threads}",
            "data.tokenizer=none", f"data.source={work}/{model['vocabulary']}", f"data.context={model['context']}", f"data.batch={model['batch']}",
            "data.shuffle=false", "optimizer.schedule.kind=constant", "optimizer.schedule.warmup_steps=0", "parallel.bucket=25MiB",
            *(f"model.{key}={model[key]}" for key in ("layers", "heads", "dim", "vocabulary")), *overrides], folder


def export_initial(root, build, work, model):
    """The folder of an export of ebb's initial weights, in fp32."""
    command, folder = ours(root, build, work, "initial", model, "fp32", 2, 1, "optimizer.lr=1e-30")
    export = work / f"initial-{model['vocabulary']}"
    for one in command, [build / "ebb", "export", folder, "-o", export]:
        subprocess.run(one, check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(folder)
    return export


def measure(root, build, quick):
    repetitions = 1 if quick else 7
    bf16 = ranks.multiplies_bf16(next((line for line in open("/proc/cpuinfo") if line.startswith("flags")), "").split())
    found = {}
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        initial = {}
        for model in (MEDIUM, SMALL, GPT124M):
            write_tokens(work / str(model["vocabulary"]), model["vocabulary"])
            initial[model["vocabulary"]] = export_initial(root, build, work, model)

        def theirs(model, steps, form):
            folder = work / "run" / "theirs"
            return [sys.executable, root / "bench/gpt/twin.py", f"{work}/{model['vocabulary']}/train.bin", folder, "--steps", steps,
                    "--initial", initial[model["vocabulary"]], *(part for key, value in model.items() for part in (f"--{key}", value)),
                    *FORMS[form]], folder

        for repetition in range(0 if quick else -1, repetitions):  # repetition -1 warms caches and is not counted
            for group, (model, count, threads, steps, dtypes) in GROUPS.items():
                if repetition < 0 and model is GPT124M:
                    continue
                lines = {f"ebb {group} {dtype}": ours(root, build, work, "ours", model, dtype, threads, steps) for dtype in dtypes}
                lines |= {f"torch {group} {form}": theirs(model, steps, form) for form in forms_of(group, bf16)}
                for name, (command, folder) in lines.items():
                    shutil.rmtree(folder.parent, ignore_errors=True)
                    folder.parent.mkdir()
                    one = ranks.run(count, command, folder, threads=threads, warm_up=min(3, steps - 2))
                    if repetition < 0:
                        continue
                    found.setdefault(name, []).append(one)
                    tokens = model["batch"] * model["context"]
                    print(f"gpt {repetition + 1}/{repetitions}  {name:<30}  {tokens / one['step_s']:7.0f} tokens/s  first step after "
                          f"{one['first_step_s']:6.2f} s  peak {one['peak_rss'] / 2**20:6.0f} MiB per rank  loss {one['first_loss']:.4f} to "
                          f"{one['last_loss']:.4f}", flush=True)
            if repetition >= 0:
                refuse_other_starts(found)
    return {"runs": found}, bars_of(found, bf16)
