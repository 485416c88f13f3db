# SPDX-License-Identifier: Apache-2.0
"""Runs a program of several ranks and measures its processes from outside.

ebb and its peers are measured in the same way.

A measured program writes FOLDER/metrics.jsonl with one line per step. `time_s` is the end of the step
in seconds since 1970. `seconds` is a dict whose values add up to the duration of the step.
"""

import json
import math
import os
import pathlib
import shutil
import statistics
import subprocess
import time

SAMPLE_S = 0.02
MOST_LOSS = 1.01  # ebb's last loss relative to its twin's, up to which their work is the same
ENVIRONMENT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


def memory_lines(folder, rank=0):
    """The lines of a rank's memory log. A short line gets the bytes of the whole line before it, which its step had too."""
    lines, whole = [], {}
    for text in open(pathlib.Path(folder) / f"memory/rank-{rank:05}.jsonl"):
        line = json.loads(text)
        if "live" in line:
            whole = line
        lines.append({**whole, **line})
    return lines


def children(pid):
    try:
        text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(p) for p in text.split()]


def memory(pid):
    """(resident, highest resident) in bytes; None if the process has ended."""
    values = {}
    try:
        for line in open(f"/proc/{pid}/status"):
            if line.startswith(("VmRSS", "VmHWM")):
                values[line[:5]] = int(line.split()[1]) * 1024
    except OSError:
        return None
    return (values["VmRSS"], values["VmHWM"]) if len(values) == 2 else None


def run(ranks, command, folder, threads=1, warm_up=5):
    """Runs the command once and measures it.

    step_s        median duration of the steps after the warm-up
    first_step_s  time from the start to the end of the first step
    peak_rss      highest resident set of the largest rank, in bytes
    step_rss      peak_rss minus the resident set before the first step
    """
    line = ["mpirun", "-np", str(ranks), "--bind-to", "none", "--oversubscribe", *map(str, command)]
    environment = {**os.environ, **ENVIRONMENT, "OMP_NUM_THREADS": str(threads)}
    log = open(pathlib.Path(folder).parent / "output.txt", "w+")
    start = time.time()
    process = subprocess.Popen(line, stdout=log, stderr=subprocess.STDOUT, env=environment)
    samples = {}
    while process.poll() is None:
        now = time.time()
        for pid in children(process.pid):
            if (found := memory(pid)) is not None:
                samples.setdefault(pid, []).append((now, *found))
        time.sleep(SAMPLE_S)
    if process.returncode:
        log.seek(0)
        raise SystemExit(f"{' '.join(line)} ended with {process.returncode}:\n{log.read()[-3000:]}")
    lines = [json.loads(text) for text in open(pathlib.Path(folder) / "metrics.jsonl")]
    steps = [line for line in lines if "seconds" in line]  # an evaluation has its own line
    first_begin = steps[0]["time_s"] - sum(steps[0]["seconds"].values())
    peak = before = 0
    for series in samples.values():
        earlier = [s[1] for s in series if s[0] < first_begin]
        if not earlier:
            continue
        peak = max(peak, max(s[2] for s in series))
        before = max(before, earlier[-1])
    ends = [s["time_s"] for s in steps[warm_up:]]
    return {
        "step_s": statistics.median(b - a for a, b in zip(ends, ends[1:])),
        "first_step_s": steps[0]["time_s"] - start,
        "peak_rss": peak,
        "step_rss": peak - before,
        "first_loss": steps[0]["loss"],
        "last_loss": steps[-1]["loss"],
    }


def in_turn(title, lines, repetitions, ranks, batch, warm_up=5, more=None):
    """Runs programs in turn, once to warm caches and then `repetitions` times.

    lines: name -> (command, folder), where the parent of the folder is emptied before each run. batch:
    samples of a step. more(name, folder): further values of a run. Returns name -> [results of run()].
    """
    found = {name: [] for name in lines}
    for repetition in range(-1, repetitions):  # repetition -1 is not counted
        for name, (command, folder) in lines.items():
            shutil.rmtree(folder.parent, ignore_errors=True)
            folder.parent.mkdir()
            one = run(ranks, command, folder, warm_up=warm_up)
            if more:
                one.update(more(name, folder))
            if repetition < 0:
                continue
            found[name].append(one)
            print(f"{title} {repetition + 1}/{repetitions}  {name:<10}  {batch / one['step_s']:6.0f} samples/s  "
                  f"first step after {one['first_step_s']:5.2f} s  peak {one['peak_rss'] / 2**20:6.0f} MiB per rank, "
                  f"{one['step_rss'] / 2**20:5.0f} of it in steps", flush=True)
    return found


def ratios(key, over, under):
    """The ratios of the runs of two programs, each of one repetition."""
    return [a[key] / b[key] for a, b in zip(over, under)]


def multiplies_bf16(flags):
    """Whether a processor with these flags has instructions for bf16. Without them PyTorch emulates it, and is no peer in bf16."""
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(flags)


def fastest(found, names):
    """The name of the program with the shortest median step."""
    return min(names, key=lambda name: statistics.median(one["step_s"] for one in found[name]))


def bar(name, values, bound, direction, unit, peer=None, losses=()):
    """A bar of the values of all repetitions: their median, with their range as the spread.

    peer: the program that ebb is compared with. losses: ebb's last loss relative to that of its twin, one for
    each repetition. If one is above MOST_LOSS, or is no number, the work was not the same and the bar is missed.
    """
    value = statistics.median(values)
    met = (value >= bound if direction == "at_least" else value <= bound) and all(loss <= MOST_LOSS for loss in losses)
    more = {"loss": None if any(map(math.isnan, losses)) else max(losses)} if losses else {}
    return {"name": name, "value": value, "bound": bound, "direction": direction, "unit": unit, "met": met,
            "spread": [min(values), max(values)], "peer": peer, **more}
