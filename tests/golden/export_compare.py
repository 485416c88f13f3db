# SPDX-License-Identifier: Apache-2.0
"""Compares the images and logits of ebb with those of python/ebb_models, after an export.

  export_compare.py EBB EBB_OUTPUTS SOURCE_DIR

It trains small models of images for a few steps, in fp32, fp16 and bf16. Exit code 0 if all results
agree, 1 if not, 77 (skipped) if PyTorch is missing.
"""

import json
import pathlib
import struct
import sys
import tempfile

from running import need_module, parser_of, run

SIDE, CLASSES, COUNT = 16, 3, 12
RUN_SEED, SAMPLE_SEED = 1, (5 << 32) + 3  # both words of the second one count
LATENT_STREAM, POSITION = 3, 5  # of the noise in the evaluation of ebb_outputs
# Bound on the largest difference, relative to the largest value if that is above 1. In fp32 the order of
# sums differs; in 16 bits ebb rounds the activations of each layer, to 2^-11 and 2^-8.
BOUND = {"fp32": 1e-4, "fp16": 1e-2, "bf16": 8e-2}

VAE = ["configs/vae-fashion-mnist.yaml", "model.latent=5", "model.width=12", "model.hidden=24",
       "optimizer.lr=0.02", "optimizer.schedule.warmup_steps=0"]
GAN = ["configs/gan-fashion-mnist.yaml", "model.latent=6", "model.width=8", "model.max_width=16", "model.group_width=4",
       "evaluate.samples=0"]
LABELS = ["model.conditional=true", f"model.classes={CLASSES}"]
CASES = {  # name: configuration and overrides
    "vae fp32": [*VAE],
    "vae fp16": [*VAE],
    "vae-logistic fp32": [*VAE, "model.likelihood=discretized_logistic"],
    "gan fp32": [*GAN, *LABELS, "model.architecture=residual", "model.blocks=2", "generator.average.half_life=64"],
    "gan bf16": [*GAN, "model.architecture=residual"],
    "dcgan fp32": [*GAN, *LABELS],
    "dcgan fp16": [*GAN],
}


def pixels(image, label):
    """A bright bar whose place is the label."""
    return bytes(200 + image % 50 if x // 6 == label and 3 < y < 12 else (x * y + image) % 40 for y in range(SIDE) for x in range(SIDE))


def write_data(ebb, folder):
    for split, count in (("train", 64), ("test", 16)):
        labels = [i % CLASSES for i in range(count)]
        images = folder / f"{split}.idx"
        images.write_bytes(struct.pack(">HBBIII", 0, 8, 3, count, SIDE, SIDE) + b"".join(pixels(i, label) for i, label in enumerate(labels)))
        names = folder / f"{split}-labels.idx"
        names.write_bytes(struct.pack(">HBBI", 0, 8, 1, count) + bytes(labels))
        run(ebb, "data", "pack", images, "--labels", names, "-o", folder / "data" / split)


def write_batch(path, images, labels):
    """The safetensors of a batch, with wider elements first."""
    data = struct.pack(f"<{len(labels)}q", *labels.tolist()), bytes(images.flatten().tolist())
    ends = [len(data[0]), len(data[0]) + len(data[1])]
    header = json.dumps({
        "label": {"dtype": "I64", "shape": list(labels.shape), "data_offsets": [0, ends[0]]},
        "image": {"dtype": "U8", "shape": list(images.shape), "data_offsets": ends},
    }).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"".join(data))


class Comparison:
    def __init__(self, a, folder):
        import torch

        self.a, self.folder, self.failed = a, folder, False
        write_data(a.ebb, folder)
        self.labels = torch.arange(COUNT) * 2 % CLASSES
        self.images = torch.stack([torch.tensor(list(pixels(3 * i, int(c))), dtype=torch.uint8) for i, c in enumerate(self.labels)])
        self.images = self.images.view(COUNT, 1, SIDE, SIDE)
        write_batch(folder / "batch.safetensors", self.images, self.labels)

    def report(self, what, difference, bound):
        print(f"{what}: largest difference {difference:.2e}, bound {bound:.0e}")
        self.failed |= not difference <= bound

    def values(self, what, dtype, theirs, ours):
        if not (ours.max() - ours.min()).item() > 0.05:
            print(f"{what}: ebb's values hardly differ, so this comparison shows nothing")
            self.failed = True
        self.report(f"{what}, {dtype}", ((ours - theirs).abs().max() / max(1.0, ours.abs().max().item())).item(), BOUND[dtype])

    def bytes(self, what, dtype, theirs, ours):
        # Rounding to bytes makes a small difference 1.
        self.report(f"{what} as bytes, {dtype}", (ours.int() - theirs.int()).abs().max().item(), 1 + int(255 * BOUND[dtype]))

    def check_vae(self, model, dtype, ours):
        def means(output):
            return output.sigmoid() if model.keys.get("likelihood", "bernoulli") == "bernoulli" else (output + 0.5).clamp(0, 1)

        self.values("samples", dtype, model.decode(model.noise(COUNT, SAMPLE_SEED)), means(ours["sample.decoder.0"]))
        mean, log_variance = model.encode(self.images / 255)
        self.values("mean of the code", dtype, mean, ours["reconstruct.encoder.0"].chunk(2, 1)[0])
        self.values("log-variance of the code", dtype, log_variance, ours["forward.encoder.0"].chunk(2, 1)[1])
        self.values("reconstructions", dtype, model.decode(mean), means(ours["reconstruct.decoder.0"]))
        self.bytes("reconstructions", dtype, model.reconstruct(self.images), ours["reconstruct.images"])

    def check_gan(self, model, dtype, ours):
        import torch
        from ebb_models.philox import normals

        cycle = torch.arange(COUNT) % CLASSES
        last = f"stage{len(model.generator) - 1}.0"
        self.values("samples", dtype, model.generator(model.noise(COUNT, SAMPLE_SEED), cycle), ours[f"sample.generator.{last}"])
        noise = normals(COUNT, model.keys["latent"], RUN_SEED, LATENT_STREAM, POSITION).to(model.run_dtype).float()
        both = torch.cat([self.images / 127.5 - 1, model.generator(noise, self.labels)])
        logits = model.discriminator(both, torch.cat([self.labels, self.labels]))
        self.values("logits of real and generated images", dtype, logits, ours[f"forward.discriminator.{last}"])

    def check(self, name, config, *overrides):
        import ebb_models
        import torch
        from ebb_models.safetensors import read

        print(name)
        kind, dtype = name.split()
        folder = self.folder / name.replace(" ", "-")
        run(self.a.ebb, "train", self.a.source / config, f"run.name={folder.name}", f"run.dir={self.folder}", f"run.seed={RUN_SEED}", "run.steps=16",
            "run.evaluate_every=0", "run.samples=false", f"data.source={self.folder}/data", "data.batch=16", f"precision.dtype={dtype}",
            "optimizer.lr=5e-3", "optimizer.schedule.warmup_steps=0", *overrides)
        run(self.a.outputs, folder, self.folder / "batch.safetensors", folder / "out.safetensors", COUNT, SAMPLE_SEED)
        # Small files, so that some exports write an index.
        run(self.a.ebb, "export", folder, "-o", folder / "export", "--max-file", "20kB" if dtype == "fp32" else "5GB")
        model, ours = ebb_models.load(folder / "export"), read(folder / "out.safetensors")
        with torch.no_grad():
            (self.check_vae if kind.startswith("vae") else self.check_gan)(model, dtype, ours)
        self.bytes("samples", dtype, model.sample(COUNT, SAMPLE_SEED), ours["sample.images"])


def main():
    a = parser_of("ebb", "outputs", "source").parse_args()
    need_module("torch")
    sys.path.insert(0, str(a.source / "python"))
    with tempfile.TemporaryDirectory() as folder:
        comparison = Comparison(a, pathlib.Path(folder))
        for name, arguments in CASES.items():
            comparison.check(name, *arguments)
    return int(comparison.failed)


if __name__ == "__main__":
    sys.exit(main())
