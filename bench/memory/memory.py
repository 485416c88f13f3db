# SPDX-License-Identifier: Apache-2.0
"""Compares the plan of `ebb plan` with the memory of runs on CPUs, and tries limits of control groups."""

import gzip
import os
import pathlib
import random
import statistics
import subprocess
import tempfile
import time

import ranks

from memory import draws
from memory.group import Group

CONFIGURATIONS = 60
PERSISTENT = ("parameters", "gradients", "optimizer", "communication")
STAGES = ("load", "forward", "backward", "reduce", "update")
TEST_IMAGES = 300  # few, since an evaluation costs as much as a step; batches leave a part of another size
ENOUGH, TOO_LITTLE = 1.05, 0.90
LEAST_KILLS = 55 / 60
NO_MEMORY = 4  # the exit code of a run that does not fit


def write_idx(images, path):
    """The first test images as an IDX file of their own."""
    with gzip.open("/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz") as packed:
        data = packed.read(16 + images * 28 * 28)
    path.write_bytes(data[:4] + images.to_bytes(4, "big") + data[8:])


def prepare(ebb, work):
    """Makes the data, and a configuration for each family. Returns {family: path}."""
    for name, count in (("train", 10000), ("test", TEST_IMAGES)):
        write_idx(count, work / f"{name}-images-idx3-ubyte")
        for side in (28, 32):
            padding = ["--pad", "32"] if side == 32 else []
            subprocess.run([ebb, "data", "pack", work / f"{name}-images-idx3-ubyte", *padding, "-o", work / f"images-{side}/{name}"],
                           check=True, capture_output=True)
    rng = random.Random(1)
    (work / "text").write_bytes(bytes(rng.randrange(32, 127) for _ in range(1 << 20)))
    subprocess.run([ebb, "data", "pack", work / "text", "--tokenizer", "bytes", "--test-share", "0.01", "-o", work / "tokens"], check=True, capture_output=True)
    common = "run: {name: drawn, dir: %s, steps: 4, evaluate_every: 3, samples: false}\ncheckpoint: {every: 0, resume: never}\n" \
        "precision: {loss_scale: {initial: 1}}\n" % (work / "runs")  # no update is skipped: a skipped one takes less memory than the plan has
    data = {"vae": f"{{source: {work}/images-28, format: mds}}", "gan": f"{{source: {work}/images-32, format: mds}}",
            "gpt": f"{{source: {work}/tokens, format: tokens}}"}
    configs = {}
    for family, section in data.items():
        configs[family] = work / f"{family}.yaml"
        configs[family].write_text(f"{common}model: {{kind: {family}}}\ndata: {section}\n")
    return configs


def train(ebb, one, name, group=None, more=()):
    """Runs a configuration. Returns (exit code, output, seconds)."""
    config, overrides, count, _ = one
    line = [ebb, "launch", "-n", count, config, *overrides, f"run.name={name}", *more]
    environment = {**os.environ, **ranks.ENVIRONMENT, "OMP_NUM_THREADS": "1"}
    begin = time.time()
    done = subprocess.run([*map(str, line)], capture_output=True, text=True, env=environment, preexec_fn=group.enter if group else None)
    return done.returncode, done.stdout + done.stderr, time.time() - begin


def errors(one, folder):
    """(persistent, peak, resident): the largest differences of the plan from the logs of all ranks."""
    _, _, count, planned = one
    persistent = peak = 0
    resident = 0.0
    for rank in range(count):
        lines = ranks.memory_lines(folder, rank)
        steps = [line for line in lines if not {"save", "evaluate"} & set(line["stages"])]
        for stage in STAGES:
            for name, predicted in planned["stages"][stage].items():
                measured = max(line["stages"].get(stage, {}).get(name, 0) for line in steps)
                if predicted != measured:
                    print(f"  rank {rank}: {name} in {stage}: {predicted} planned, {measured} measured")
                peak = max(peak, abs(predicted - measured))
                if name in PERSISTENT:
                    persistent = max(persistent, abs(predicted - measured))
        for name in PERSISTENT:
            persistent = max(persistent, *(abs(planned["live"][name] - line["live"][name]) for line in steps))
        peak = max(peak, abs(planned["peak_total"] - max(line["peak_total"] for line in steps)))
        predicted, measured = (value - planned["process"] for value in (planned["resident"], lines[-1]["peak_resident"]))
        resident = max(resident, measured / predicted - 1, key=abs)
    return persistent, peak, resident


def measured_run(ebb, one, index):
    """Trains in a control group with ENOUGH memory: (exit code, output, seconds, processes that the kernel killed; None without groups).

    memory.check=warn: no budget, so that the cache keeps what it would keep without a limit.
    """
    with Group(int(ENOUGH * one[3]["host"]["needed"])) as group:
        if not group:
            return (*train(ebb, one, f"run-{index}"), None)
        return (*train(ebb, one, f"run-{index}", group, ["memory.check=warn"]), group.kills())


def limits(ebb, one, work, index):
    """Tries a configuration with enough and with too little memory: (wrong ends, whether the kernel killed it when it was only warned)."""
    needed, process, live = one[3]["host"]["needed"], one[3]["process"], one[3]["peak_total"]
    wrong = []

    def attempt(name, limit, expected, *more):
        with Group(limit) as group:
            code, text, _ = train(ebb, one, f"{name}-{index}", group, more)
            kills = group.kills()
        if code != expected or kills:
            wrong.append(f"{name}: code {code}, {kills} kills: {text[-300:]}")

    attempt("enough", int(ENOUGH * needed), 0, "run.steps=2")
    attempt("refused", int(TOO_LITTLE * needed), NO_MEMORY)
    if (work / f"runs/refused-{index}/metrics.jsonl").exists():
        wrong.append("refused: not before the first step")
    # What the block cache keeps for later is given back first, so the live bytes alone have to be too many.
    attempt("held", int(ENOUGH * needed), NO_MEMORY, "memory.check=warn", f"memory.budget={int(process + TOO_LITTLE * live)}")
    with Group(int(TOO_LITTLE * needed)) as group:
        train(ebb, one, f"warned-{index}", group, ["memory.check=warn"])
        return wrong, group.kills() > 0


def measure(root, build, quick, seed=None, first=1):
    """first: the number of the first configuration that runs; those before it are only drawn, to go on with an interrupted measurement."""
    ebb = build / "ebb"
    count = 6 if quick else CONFIGURATIONS
    commit = subprocess.run(["git", "-C", root, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    rng = random.Random(seed or commit)
    print(f"memory: seed {seed or commit}")
    found = []
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        configs = prepare(ebb, work)
        for index in range(count):
            one = draws.draw(rng, ebb, configs)
            if index + 1 < first:
                continue
            code, text, seconds, kills = measured_run(ebb, one, index)
            row = {"overrides": one[1], "ranks": one[2], "planned": one[3]["resident"], "seconds": seconds, "code": code}
            if code == 0:
                row["persistent"], row["peak"], row["resident"] = errors(one, work / f"runs/run-{index}")
                row["wrong"], row["killed"] = (None, None) if kills is None else limits(ebb, one, work, index)
                if kills:
                    row["wrong"].append(f"measured: {kills} kills")
            else:
                row["output"] = text[-500:]
            found.append(row)
            print(f"  {index + 1}/{count} {one[1][0]} {' '.join(one[1][1:])} -n {one[2]}: " +
                  (f"errors {row['persistent']} and {row['peak']} B, resident {row['resident']:+.4f}, {row['wrong'] or 'ends right'}, killed {row['killed']}"
                   if code == 0 else f"code {code}, kills of the kernel {kills}: {row['output']}"), flush=True)
        shares = []
        for _ in range(3 if quick else 9):
            begin = time.time()
            subprocess.run([ebb, "plan", root / "configs/llama-8b.yaml"], check=True, capture_output=True)
            between = time.time()
            subprocess.run([build / "ebb-core", "--version"], check=True, capture_output=True)
            shares.append((between - begin) / (time.time() - between))
    ran = [row for row in found if row["code"] == 0]
    asked = count - first + 1
    bars = [ranks.bar("plan_runs_that_ended", [len(ran)], asked, "at_least", "runs"), ranks.bar("plan_8b_vs_version", shares, 4, "at_most", "ratio")]
    if not ran:
        return found, bars
    for name, key, bound, unit in (("plan_persistent_error_bytes", "persistent", 0, "bytes"), ("plan_peak_error_bytes_cpu", "peak", 0, "bytes"),
                                   ("plan_resident_error", "resident", 0.05, "ratio")):
        values = [abs(row[key]) for row in ran]
        bar = ranks.bar(name, values, bound, "at_most", unit)
        bars.append({**bar, "value": max(values), "met": max(values) <= bound})
    if any(row["wrong"] is not None for row in ran):
        bars.append(ranks.bar("plan_wrong_ends_under_limits", [sum(len(row["wrong"]) for row in ran)], 0, "at_most", "runs"))
        bars.append(ranks.bar("plan_share_killed_when_warned", [statistics.mean(row["killed"] for row in ran)], LEAST_KILLS, "at_least", "ratio"))
    else:
        print("plan_wrong_ends_under_limits: not measured, since no control group can be made here (root can)")
    return found, bars
