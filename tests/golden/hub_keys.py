# SPDX-License-Identifier: Apache-2.0
"""Holds ebb to what docs/weights.md says of each key of a model's config.json and generation_config.json.

  hub_keys.py EBB SOURCE_DIR

Each key of the configuration classes of the library transformers is in exactly one list. Then every
listed key is changed, one at a time:

- Read: the imported configuration differs, or the folder is refused.
- Refused: `ebb import` ends with code 2 and names the key.
- Of no matter: the imported configuration is the same, and so are the logits of the library.

Exit code 0 if all is so, 1 if not, 77 (skipped) if transformers is missing.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

from documented import Failures, difference, lists_of
from running import need_module, parser_of

VOCABULARY, CONTEXT = 61, 16
# Values that are not the defaults, for keys whose value is no truth value. All are valid for the library.
CHANGED = {
    "vocab_size": 62, "n_positions": 32, "n_embd": 64, "n_layer": 1, "n_head": 2, "n_inner": 40, "activation_function": "relu", "layer_norm_epsilon": 0.5,
    "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 32, "num_key_value_heads": 4, "intermediate_size": 40,
    "rms_norm_eps": 0.5, "hidden_act": "gelu", "head_dim": 16, "rope_theta": 70.0, "model_type": "mamba", "initializer_range": 0.5, "pretraining_tp": 2,
    "rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0}, "rope_scaling": {"rope_type": "linear", "factor": 2.0},
    "original_max_position_embeddings": 8, "partial_rotary_factor": 0.5, "layer_types": ["full_attention", "sliding_attention"], "pruned_heads": {"0": [1]},
    "quantization_config": {"quant_method": "gptq", "bits": 4}, "resid_pdrop": 0.3, "embd_pdrop": 0.3, "attn_pdrop": 0.3, "attention_dropout": 0.3,
    "summary_type": "mean", "summary_activation": "tanh", "summary_first_dropout": 0.3, "bos_token_id": 3, "eos_token_id": 4, "pad_token_id": 5,
    "transformers_version": "4.40.0", "architectures": ["GPT2Model"], "dtype": "float16", "torch_dtype": "float16", "chunk_size_feed_forward": 2,
    "id2label": {"0": "a", "1": "b", "2": "c"}, "label2id": {"a": 0, "b": 1, "c": 2}, "problem_type": "regression", "_name_or_path": "elsewhere",
    "n_ctx": 5, "sliding_window": 2, "num_labels": 2, "auto_map": {"AutoConfig": "a.B"},
}
# Rotary positions of the kind llama3, and a change of each value.
LLAMA3 = {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8}
ROTARY = {"rope_type": "linear", "type": "linear", "rope_theta": 70.0, "factor": 2.0, "low_freq_factor": 0.5, "high_freq_factor": 5.0,
          "original_max_position_embeddings": 4, "partial_rotary_factor": 0.5, "attention_factor": 2.0, "beta_fast": 2.0, "beta_slow": 2.0, "mscale": 2.0,
          "mscale_all_dim": 2.0, "short_factor": [2.0], "long_factor": [2.0]}


def changed(key, value):
    return not value if isinstance(value, bool) else CHANGED[key]


def changed_rotary(key):
    """The older name of rope_type counts only without it."""
    kept = {k: v for k, v in LLAMA3.items() if k != "rope_type" or key != "type"}
    return {**kept, key: ROTARY[key]}


class Keys(Failures):
    def __init__(self, a, folder):
        super().__init__()
        self.a, self.folder = a, folder
        self.out = folder / "imported.yaml"

    def imported(self, config, generation=None):
        """Returns code, configuration and messages of `ebb import`."""
        (self.folder / "config.json").write_text(json.dumps(config))
        (self.folder / "generation_config.json").write_text(json.dumps(generation or {}))
        self.out.unlink(missing_ok=True)
        done = subprocess.run([self.a.ebb, "import", self.folder, "-o", self.out], capture_output=True, text=True)
        return done.returncode, self.out.read_text() if self.out.exists() else "", done.stderr

    def logits(self, config):
        import torch
        import transformers

        (self.folder / "config.json").write_text(json.dumps(config))
        model = transformers.AutoModelForCausalLM.from_pretrained(self.folder, dtype="float32", attn_implementation="eager").eval()
        tokens = torch.tensor([[(11 * i + 5) % VOCABULARY for i in range(CONTEXT)]])
        with torch.no_grad():
            return model(tokens).logits

    def check(self, what, lists, config, change):
        """`change(key, value)`: config.json with that key changed, where value is the one that ebb accepts."""
        code, expected, message = self.imported(config)
        if code:
            self.fail(f"{what}: refused as it is: {message}")
        reference = self.logits(config)
        for kind, keys in lists.items():
            for key, value in keys.items():
                other = change(key, value)
                code, text, message = self.imported(other)
                if kind == "read" and code == 0 and text == expected:
                    self.fail(f"{what}: {key} is not read")
                if kind == "refused" and (code != 2 or f"{key} is" not in message):
                    self.fail(f"{what}: {key} is not refused by name: code {code} {message}")
                if kind == "of no matter":
                    if code or text != expected:
                        self.fail(f"{what}: {key} changes the import: code {code} {message}")
                    if key == "return_dict":  # the library's own model does not compute with false
                        continue
                    difference_of_logits = (self.logits(other) - reference).abs().max().item()
                    if difference_of_logits > 1e-5 * reference.abs().max().item():
                        self.fail(f"{what}: {key} changes the library's logits by {difference_of_logits:.2e}")
        print(f"{what}: " + ", ".join(f"{len(keys)} keys {kind}" for kind, keys in lists.items()))

    def check_generation(self, config):
        import transformers

        _, expected, _ = self.imported(config)
        keys = transformers.GenerationConfig().to_dict()
        code, text, message = self.imported(config, dict.fromkeys(keys, 1))
        if code or text != expected:
            self.fail(f"generation_config.json changes the import: code {code} {message}")
        print(f"generation_config.json: {len(keys)} keys of no matter")


def main():
    a = parser_of("ebb", "source").parse_args()
    need_module("transformers")
    import torch
    import transformers

    transformers.logging.set_verbosity(transformers.logging.CRITICAL)
    page = (a.source / "docs/weights.md").read_text()
    sizes = {"gpt2": {"n_positions": CONTEXT, "n_embd": 48, "n_layer": 2, "n_head": 4},
             "llama": {"max_position_embeddings": CONTEXT, "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
                       "intermediate_size": 80}}
    failed = []
    for name, title in (("gpt2", "GPT-2"), ("llama", "Llama")):
        lists = lists_of(page, "config.json", f"config.json of {title}")
        made = transformers.AutoConfig.for_model(name)
        with tempfile.TemporaryDirectory() as folder:
            keys = Keys(a, pathlib.Path(folder))
            for line in difference(lists, made.to_dict(), type(made).__name__):
                keys.fail(line)
            torch.manual_seed(1)
            config = transformers.AutoConfig.for_model(name, vocab_size=VOCABULARY, initializer_range=0.2, **sizes[name])
            transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
            base = json.loads((keys.folder / "config.json").read_text())
            base.pop("rope_parameters", None)
            current = {**made.to_dict(), **base}

            def change(key, value, base=base, current=current):
                return {**base, key: changed(key, value if value is not None else current.get(key))}

            keys.check(f"config.json of {title}", lists, base, change)
            if name == "llama":
                rotary = lists_of(page, "Rotary positions in config.json")
                keys.check("rotary positions", rotary, {**base, "rope_parameters": LLAMA3},
                           lambda key, _, base=base: {**base, "rope_parameters": changed_rotary(key)})
            keys.check_generation(base)
            failed += keys.failed
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
