# SPDX-License-Identifier: Apache-2.0
"""Compares logits of ebb with those of the library transformers, after an export and an import.

  hub_compare.py EBB EBB_LOGITS SOURCE_DIR

It does so for GPT-2 and Llama, in fp32 (within 1e-4) and fp16 (within its rounding). Exit code 0 if
all agree, 1 if not, 77 (skipped) if transformers is missing.
"""

import json
import pathlib
import struct
import subprocess
import sys
import tempfile

from running import need_module, parser_of, run

VOCABULARY, CONTEXT, LAYERS, HEADS, WIDTH = 97, 32, 2, 4, 48
# Bound on the largest difference of a logit, relative to the largest logit. In fp32 the order of
# sums differs; in fp16 each layer adds roundings of 2^-11.
BOUND = {"fp32": 1e-4, "fp16": 1e-2}
TORCH_DTYPE = {"fp32": "float32", "fp16": "float16"}


def write_tokens(folder):
    folder.mkdir()
    for name in ("train.bin", "test.bin"):
        tokens = [(7 * i * i + 3 * i) % VOCABULARY for i in range(4 * CONTEXT + 1)]
        (folder / name).write_bytes(struct.pack("<256i", 20240520, 1, len(tokens), *[0] * 253) + struct.pack(f"<{len(tokens)}H", *tokens))


class Comparison:
    def __init__(self, a, folder):
        self.a, self.folder, self.failed = a, folder, False
        write_tokens(folder / "tokens")

    def train(self, config, name, *overrides):
        run(self.a.ebb, "train", config, f"run.name={name}", f"run.dir={self.folder}", f"data.source={self.folder}/tokens", "data.batch=2",
            f"data.context={CONTEXT}", "run.evaluate_every=0", "optimizer.schedule.warmup_steps=0", *overrides)
        return self.folder / name

    def check(self, what, run_folder, model, dtype):
        import torch

        tokens = [(11 * i + 5) % VOCABULARY for i in range(CONTEXT)]
        ours = torch.tensor(json.loads(run(self.a.logits, run_folder, *tokens)))
        with torch.no_grad():
            theirs = model(torch.tensor([tokens])).logits[0].float()
        difference = ((ours - theirs).abs().max() / theirs.abs().max()).item()
        print(f"{what}, {dtype}: largest difference {difference:.2e}, bound {BOUND[dtype]:.0e}")
        self.failed |= not difference <= BOUND[dtype]

    def check_export(self, architecture, dtype):
        import transformers

        name = f"{architecture}-{dtype}"
        keys = ["model.kv_heads=2", "model.rope.scaling=llama3", "model.rope.original_context=16", "model.tied=false"] if architecture == "llama" else []
        folder = self.train(self.a.source / "configs/gpt-bible.yaml", name, "run.steps=20", f"model.architecture={architecture}",
                            f"model.vocabulary={VOCABULARY}",
                            f"model.layers={LAYERS}", f"model.heads={HEADS}", f"model.dim={WIDTH}", "data.tokenizer=none", "optimizer.lr=1e-2",
                            f"precision.dtype={dtype}", *keys)
        # Small files, so that the export writes an index.
        run(self.a.ebb, "export", folder, "-o", self.folder / f"hub-{name}", "--max-file", "40kB")
        model, report = transformers.AutoModelForCausalLM.from_pretrained(self.folder / f"hub-{name}", output_loading_info=True, dtype=TORCH_DTYPE[dtype])
        for key in ("missing_keys", "unexpected_keys", "mismatched_keys"):
            if report[key]:
                print(f"transformers: {key} {report[key]}")
                self.failed = True
        self.check(f"{architecture} exported", folder, model.eval(), dtype)

    def check_import(self, architecture, dtype):
        import torch
        import transformers

        torch.manual_seed(1)
        if architecture == "llama":
            config = transformers.LlamaConfig(
                vocab_size=VOCABULARY, hidden_size=WIDTH, intermediate_size=80, num_hidden_layers=LAYERS, num_attention_heads=HEADS, num_key_value_heads=2,
                max_position_embeddings=CONTEXT, tie_word_embeddings=True, initializer_range=0.2)
        else:
            config = transformers.GPT2Config(vocab_size=VOCABULARY, n_positions=CONTEXT, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS, initializer_range=0.2)
        model = transformers.AutoModelForCausalLM.from_config(config).to(getattr(torch, TORCH_DTYPE[dtype])).eval()
        name = f"from-{architecture}-{dtype}"
        model.save_pretrained(self.folder / f"hub-{name}")
        run(self.a.ebb, "import", self.folder / f"hub-{name}", "-o", self.folder / f"{name}.yaml")
        # The learning rate is so small that the saved weights equal the imported ones.
        folder = self.train(self.folder / f"{name}.yaml", name, "run.steps=1", "optimizer.lr=1e-30", "optimizer.weight_decay=0", f"precision.dtype={dtype}")
        self.check(f"{architecture} imported", folder, model, dtype)


    def check_range(self):
        """An export to fp16 of a run in fp32 names the parameter that does not fit."""
        import torch
        import transformers

        model = transformers.AutoModelForCausalLM.from_config(transformers.LlamaConfig(
            vocab_size=VOCABULARY, hidden_size=WIDTH, intermediate_size=80, num_hidden_layers=1, num_attention_heads=HEADS, max_position_embeddings=CONTEXT))
        with torch.no_grad():
            model.model.norm.weight[0] = 70000
        model.save_pretrained(self.folder / "hub-large")
        run(self.a.ebb, "import", self.folder / "hub-large", "-o", self.folder / "large.yaml")
        folder = self.train(self.folder / "large.yaml", "large", "run.steps=1", "optimizer.lr=1e-30", "optimizer.weight_decay=0", "precision.dtype=fp32")
        command = [self.a.ebb, "export", folder, "-o", self.folder / "small", "precision.dtype=fp16"]
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
        expected = "the parameter norm.weight has a value of magnitude 70000, above 65504"
        if done.returncode != 2 or expected not in done.stderr or (self.folder / "small").exists():
            print(f"export to fp16: code {done.returncode}, not 2 with \"{expected}\": {done.stderr}")
            self.failed = True


def main():
    a = parser_of("ebb", "logits", "source").parse_args()
    need_module("transformers")
    with tempfile.TemporaryDirectory() as folder:
        comparison = Comparison(a, pathlib.Path(folder))
        for architecture in ("gpt2", "llama"):
            for dtype in ("fp32", "fp16"):
                comparison.check_export(architecture, dtype)
                comparison.check_import(architecture, dtype)
        comparison.check_range()
    return int(comparison.failed)


if __name__ == "__main__":
    sys.exit(main())
