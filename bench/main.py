# SPDX-License-Identifier: Apache-2.0
"""Runs benchmarks, prints their bars and writes the JSON file. bench/run starts this program.

  main.py ROOT [NAME…] [--quick] [--build DIR] [--json FILE]
"""

import argparse
import json
import os
import pathlib
import platform
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from gan import gan, quality  # noqa: E402
from gpt import gpt, gpu  # noqa: E402
from memory import memory  # noqa: E402
from vae import vae  # noqa: E402

BENCHMARKS = {"vae": vae.measure, "gpt": gpt.measure, "gan": gan.measure, "gan-quality": quality.measure, "memory": memory.measure, "gpt-gpu": gpu.measure}
NEED_A_GPU = {"gpt-gpu"}
TAKES_HOURS = {"gan-quality", "memory"}


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    flags = next((line for line in open("/proc/cpuinfo") if line.startswith("flags")), "").split()
    memory = next(int(line.split()[1]) for line in open("/proc/meminfo") if line.startswith("MemTotal"))
    vectors = [f for f in ("avx2", "f16c", "avx512f", "avx512_bf16", "avx512_fp16", "amx_tile") if f in flags]
    import torch

    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    return {"gpu": gpu, "processor": model, "cores": os.cpu_count(), "vectors": vectors, "memory_kib": memory, "kernel": platform.release()}


def versions(build):
    text = subprocess.run([build / "ebb", "--version"], capture_output=True, text=True, check=True).stdout
    import torch

    return {"ebb": text.splitlines(), "torch": torch.__version__, "python": platform.python_version()}


def main():
    parser = argparse.ArgumentParser(prog="bench/run")
    parser.add_argument("root", type=pathlib.Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="few and short repetitions: a check of the benchmark itself, not a measurement")
    parser.add_argument("--build", type=pathlib.Path, metavar="DIR", help="folder of the build to measure (default: ROOT/build/cpu)")
    parser.add_argument("--seed", help="of the configurations of memory (default: the hash of the commit)")
    parser.add_argument("--first", type=int, default=1, metavar="N", help="configuration of memory to begin with (default: 1)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    a = parser.parse_args()
    unknown = [n for n in a.names if n not in BENCHMARKS]
    if unknown:
        parser.error(f"unknown benchmark {unknown[0]}; known: {', '.join(BENCHMARKS)}")
    build = a.build or a.root / "build/cpu"
    result = {"machine": machine(), "versions": versions(build), "quick": a.quick, "repetitions": {}, "bars": []}
    for name in a.names or [name for name in BENCHMARKS if name not in NEED_A_GPU | TAKES_HOURS]:
        more = {"seed": a.seed, "first": a.first} if name == "memory" else {}
        repetitions, bars = BENCHMARKS[name](a.root, build.resolve(), a.quick, **more)
        result["repetitions"][name] = repetitions
        result["bars"] += bars
    print(f"\n{'bar':<40}{'value':>14}{'bound':>16}   {'spread':<24}{'loss':<8}{'':<8}peer")
    for b in result["bars"]:
        sign = "≥" if b["direction"] == "at_least" else "≤"
        loss = b.get("loss", "")
        low, high = b["spread"]
        print(f"{b['name']:<40}{b['value']:>14.5g}{sign + ' ' + format(b['bound'], 'g'):>16}   {f'{low:.5g} … {high:.5g}':<24}"
              f"{f'{loss:.4f}' if isinstance(loss, float) else str(loss):<8}{'met' if b['met'] else 'MISSED':<8}{b.get('peer') or ''}")
    if a.quick:
        print("A quick run is too short for a measurement.")
    if a.json:
        a.json.write_text(json.dumps(result, indent=1) + "\n")
        print(f"wrote {a.json}")


if __name__ == "__main__":
    main()
