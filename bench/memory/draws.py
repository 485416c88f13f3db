# SPDX-License-Identifier: Apache-2.0
"""Draws configurations of every family whose live bytes are several times those of the process."""

import json
import subprocess

USAGE = 2  # the exit code of an invalid configuration
LEAST_TIMES_PROCESS = 4
MOST_BYTES = 2 << 30  # of a rank; four ranks fit a small machine
MOST_OPERATIONS = 3e11  # of a step of a language model: a few seconds


class CannotDraw(Exception):
    pass


def choices(rng):
    """Overrides of one configuration, without the batch."""
    family = rng.choice(["vae", "gpt", "gan"])
    keys = {"precision.dtype": rng.choice(["fp16", "bf16", "fp32"]), "data.micro_batches": rng.choice([1, 1, 2, 4]),
            "data.prefetch": rng.choice([1, 2, 4]),
            "parallel.threads": rng.choice([1, 1, 2]), "parallel.bucket": rng.choice(["1MiB", "4MiB", "25MiB"]), "average.half_life": rng.choice([0, 0, 1000]),
            "run.sample_every": rng.choice([0, 3])}
    if family == "vae":
        keys |= {"model.kind": "vae", "model.latent": rng.randint(4, 64), "model.width": rng.choice([16, 32, 64, 96]), "model.hidden": rng.randint(64, 4000),
                 "model.likelihood": rng.choice(["bernoulli", "gaussian", "discretized_logistic"])}
    elif family == "gpt":
        heads = rng.choice([2, 4, 6, 8])
        keys |= {"model.kind": "gpt", "model.architecture": rng.choice(["gpt2", "llama"]), "model.layers": rng.randint(1, 8), "model.heads": heads,
                 "model.dim": heads * rng.choice([16, 32, 64, 96]), "model.vocabulary": rng.choice([256, 1000, 32000, 50257]),
                 "data.context": rng.choice([32, 64, 128, 256, 512]), "model.tied": rng.choice(["true", "false"])}
        if keys["model.architecture"] == "llama":
            keys["model.kv_heads"] = rng.choice([1, heads // 2, heads])
    else:
        group = rng.choice([4, 8, 16])
        width = group * rng.choice([1, 2, 4])
        keys |= {"model.kind": "gan", "model.architecture": rng.choice(["dcgan", "residual"]), "model.latent": rng.randint(8, 128), "model.width": width,
                 "model.max_width": width * rng.choice([1, 2, 4]), "model.group_width": group,
                 "model.loss": rng.choice(["relativistic", "hinge", "non_saturating"]),
                 "model.penalty.r1": rng.choice([0, 0.5]), "model.penalty.r2": rng.choice([0, 0.5]), "model.penalty.every": rng.choice([1, 2]),
                 "model.augment.probability": rng.choice([0, 0.5]), "model.discriminator_steps": rng.choice([1, 2])}
    return family, keys, rng.choice([1, 1, 2, 2, 4])


def operations(family, keys, batch):
    """Floating-point operations of the matrices of a step of a language model; 0 for other families, whose samples cost less."""
    if family != "gpt":
        return 0
    parameters = 12 * keys["model.layers"] * keys["model.dim"] ** 2 + keys["model.vocabulary"] * keys["model.dim"]
    return 6 * parameters * batch * keys["data.context"]


def plan(ebb, config, overrides, ranks):
    """The plan as a dict; None if the configuration is invalid."""
    line = [ebb, "plan", config, "--json", "-n", str(ranks), *overrides]
    done = subprocess.run(line, capture_output=True, text=True)
    if done.returncode == USAGE:
        return None
    if done.returncode:
        raise CannotDraw(f"{' '.join(map(str, line))} ended with {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def draw(rng, ebb, config_of):
    """(config, overrides, ranks, plan) of a valid configuration of the required size.

    config_of: family -> path of a configuration with its data
    """
    for _ in range(200):
        family, keys, ranks = choices(rng)
        config, batch = config_of[family], ranks * keys["data.micro_batches"]
        while batch <= 1 << 15 and operations(family, keys, batch) <= MOST_OPERATIONS:
            overrides = [f"{key}={value}" for key, value in (keys | {"data.batch": batch}).items()]
            planned = plan(ebb, config, overrides, ranks)
            if planned is None or planned["resident"] > MOST_BYTES:
                break
            if planned["peak_total"] >= LEAST_TIMES_PROCESS * planned["process"]:
                return config, overrides, ranks, planned
            batch *= 2
    raise CannotDraw("200 configurations in a row are invalid or have other sizes")
