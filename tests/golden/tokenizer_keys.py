# SPDX-License-Identifier: Apache-2.0
"""Holds ebb to what docs/weights.md says of each key of tokenizer.json and tokenizer_config.json.

  tokenizer_keys.py EBB SOURCE_DIR

Each key that the libraries write is in exactly one list. A changed key that is refused ends
`ebb data pack` with code 3 and its name. One of no matter changes neither ebb's tokens nor the
library's. And whatever expression cuts a text into words, ebb refuses it or has the library's tokens.

Exit code 0 if all is so, 1 if not, 77 (skipped) if transformers is missing.
"""

import copy
import json
import pathlib
import subprocess
import sys
import tempfile

from documented import Failures, difference, lists_of
from running import need_module, parser_of
from tokenizer_compare import DIFFICULT, LLAMA3, read_tokens

TEXT = DIFFICULT + "a\u180eb \u180e c\u0085d 1\u0660 'S 'ſ ß SS straße ﬅ K\nend\u2028next\u200bzero\ufeffmark"
EXPRESSIONS = [
    LLAMA3, r"\s+|\S+", r"[^\s]+|\s+", r"[\s\S]", r"\d+|\D+", r"a$|.", r"^a|.", r"(?m).+", r".+", r"\h+|.", r"[a-z&&[^b]]+|.", r"[[a]b]+|.", r"\w+|.", r"\b.",
    r"(?i:s)+|.", r"(?i:'s|'t|ss)|.", r"(?i)s+|.", r"a*", r"(?=b)|.", r"x{,3}|.", r"a{2}+|.", r"[\p{L}\p{M}]+|\P{L}", r"\p{Han}+|.", r"\u0041+|.",
    r"[a-c\-x]+|.", r"(?<=a)b|.", r"(a|b)\1|.", r"\p{^L}|.", r"\R|.", r"\v|.", r"[^\r\n\p{L}\p{N}]?+\p{L}++|.",
    r"(?>a+)b|.", r"\x41|.", r"[\]\[]+|.", r"\p{Zs}+|\p{Cf}|.",
]
CHANGED = {
    "truncation": {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0}, "version": "1.0",
    "padding": {"strategy": {"Fixed": 5000}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0, "pad_token": "<q>"},
    "post_processor": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}, "decoder": None,
    "normalizer": {"type": "NFC"}, "dropout": 0.5, "continuing_subword_prefix": "##", "end_of_word_suffix": "</w>", "unk_token": "<q>", "behavior": "Removed",
    "tokenizer_class": "TokenizersBackend", "model_max_length": 3, "errors": "strict", "bos_token": "<q>", "eos_token": "<q>", "pad_token": "<q>",
    "chat_template": "{{ x }}", "padding_side": "left", "truncation_side": "left", "backend": "tokenizers", "extra_special_tokens": ["<q>"],
    "additional_special_tokens": ["<q>"],
}
FLAGS = {"fuse_unk", "byte_fallback", "trim_offsets", "single_word", "lstrip", "rstrip", "normalized", "special", "invert", "do_lower_case",
         "fix_mistral_regex", "add_prefix_space", "is_local", "add_bos_token", "add_eos_token", "clean_up_tokenization_spaces",
         "split_special_tokens", "legacy", "use_fast"}


def base_tokenizer():
    """Returns tokenizer.json: bytes, a few merges, Split and then ByteLevel, and one special token."""
    import tokenizers
    from tokenizers import pre_tokenizers

    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(tokenizers.Regex(LLAMA3), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    tokenizer.train_from_iterator([TEXT] * 3, tokenizers.trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    tokenizer.add_special_tokens(["<|endoftext|>"])
    return json.loads(tokenizer.to_str())


class Keys(Failures):
    def __init__(self, a, folder):
        super().__init__()
        self.a, self.folder = a, folder
        (folder / "text.txt").write_bytes(TEXT.encode())

    def ours(self, document, settings=None):
        """Returns the tokens without the end of the document, or the message of the refusal."""
        (self.folder / "tokenizer.json").write_text(json.dumps(document))
        (self.folder / "tokenizer_config.json").write_text(json.dumps(settings or {}))
        out = self.folder / "out.bin"
        out.unlink(missing_ok=True)
        done = subprocess.run([self.a.ebb, "data", "pack", self.folder / "text.txt", "--tokenizer", self.folder, "-o", out], capture_output=True, text=True)
        return read_tokens(out)[:-1] if done.returncode == 0 else f"code {done.returncode}: {done.stderr}"

    def theirs(self, document, settings=None):
        """The tokens of transformers for the files of the last call of ours(); names of special tokens are text."""
        import transformers

        plain = {**document, "added_tokens": []}
        (self.folder / "theirs.json").write_text(json.dumps(plain))
        made = transformers.PreTrainedTokenizerFast(tokenizer_file=str(self.folder / "theirs.json"), **(settings or {}))
        return made.encode(TEXT, add_special_tokens=False)

    def check(self, heading, keys, base, place):
        """`place(document, settings)`: the object that has the keys of this section."""
        lists = lists_of((self.a.source / "docs/weights.md").read_text(), heading)
        for line in difference(lists, keys, heading):
            self.fail(line)
        expected, reference = self.ours(base), self.theirs(base)
        if expected != reference:
            self.fail(f"{heading}: the tokens differ from the library's as it is: {expected[:200]}")
        for kind in ("refused", "of no matter"):
            for key, accepted in lists[kind].items():
                document, settings = copy.deepcopy(base), {}
                where = place(document, settings)
                where[key] = not where.get(key, accepted) if key in FLAGS else CHANGED[key]
                tokens = self.ours(document, settings)
                if kind == "refused":
                    if not (isinstance(tokens, str) and tokens.startswith("code 3") and key_is_named(key, tokens)):
                        self.fail(f"{heading}: {key} is not refused by name: {tokens[:200]}")
                elif tokens != expected:
                    self.fail(f"{heading}: {key} changes the tokens: {tokens[:200]}")
                elif self.theirs(document, settings) != reference:
                    self.fail(f"{heading}: {key} changes the library's tokens")
        print(f"{heading}: " + ", ".join(f"{len(known)} keys {kind}" for kind, known in lists.items()))

    def check_expressions(self, base):
        import tokenizers

        refused = 0
        for expression in EXPRESSIONS:
            document = copy.deepcopy(base)
            document["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = expression
            tokens = self.ours(document)
            if isinstance(tokens, str):
                refused += 1
                if not tokens.startswith("code 3") or "regular expression" not in tokens:
                    self.fail(f"{expression}: {tokens[:300]}")
            elif tokens != self.theirs(document):
                self.fail(f"{expression}: the tokens differ from the library's")
        if not 0 < refused < len(EXPRESSIONS):
            self.fail("all expressions are read, or none")
        print(f"expressions: {len(EXPRESSIONS) - refused} with the tokens of tokenizers {tokenizers.__version__}, {refused} refused")


def key_is_named(key, message):
    """The parts of a pre-tokenizer are named by its type, and a token by its text."""
    return key in message or {"behavior": "(Split)", "invert": "(Split)", "special": "without being special"}.get(key, key) in message


def main():
    a = parser_of("ebb", "source").parse_args()
    need_module("transformers")
    import transformers

    base = base_tokenizer()
    with tempfile.TemporaryDirectory() as folder:
        keys = Keys(a, pathlib.Path(folder))
        parts = base["pre_tokenizer"]["pretokenizers"]
        keys.check("tokenizer.json", base, base, lambda d, s: d)
        keys.check("The model in tokenizer.json", base["model"], base, lambda d, s: d["model"])
        keys.check("The pre-tokenizer in tokenizer.json", {*parts[0], *parts[1], *base["pre_tokenizer"]}, base,
                   lambda d, s: PreTokenizer(d))
        keys.check("An added token in tokenizer.json", base["added_tokens"][0], base, lambda d, s: d["added_tokens"][0])
        made = transformers.PreTrainedTokenizerFast(tokenizer_file=str(keys.folder / "theirs.json"))
        made.save_pretrained(keys.folder / "saved")
        keys.check("tokenizer_config.json", json.loads((keys.folder / "saved/tokenizer_config.json").read_text()), base, lambda d, s: s)
        keys.check_expressions(base)
        return int(bool(keys.failed))


class PreTokenizer(dict):
    """The keys of the two parts: of Split, or else of ByteLevel."""

    def __init__(self, document):
        split, level = document["pre_tokenizer"]["pretokenizers"]
        super().__init__({**level, **split})
        self.split, self.level = split, level

    def __setitem__(self, key, value):
        (self.level if key in self.level else self.split)[key] = value


if __name__ == "__main__":
    sys.exit(main())
