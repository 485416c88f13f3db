# SPDX-License-Identifier: Apache-2.0
"""Compares ebb's tokenizers with the libraries tokenizers and sentencepiece, token by token.

  tokenizer_compare.py EBB

- Byte-pair tokenizers. The vocabularies are trained here on a part of the text. One is like GPT-2's,
  as tokenizer.json and as vocab.json with merges.txt. One is like Llama 3's, with its regular
  expression and with whole words first.
- sentencepiece. ebb trains a model, and the library reads it if this Python has it.

The texts are some MB of real text, and a text of difficult cases: other scripts, digits,
apostrophes, runs of spaces and newlines, emoji, control characters, names of special tokens. Exit
code 0 if all agree, 1 if not, 77 (skipped) if tokenizers is missing.
"""

import importlib.util
import json
import pathlib
import struct
import sys
import tempfile
from functools import partial

from running import need_bible, need_module, parser_of, run

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
DIFFICULT = ("It's they'LL we've  I'd—don't 'tis\n\n\n  three   spaces\tand\ttabs \n \r\n 12345 3.14159 x²+y²≥1\n"
             "Größe, naïve, Ελληνικά, русский текст, עברית, العربية, हिन्दी, 漢字かな交じり文, 한국어 ✓\u00a0\u2003|\u3000end\n"
             "👩‍👩‍👧‍👦 🏳️‍🌈 e\u0301 \x01\x7f\u200b <|endoftext|> <|end_of_text|> _under_score__ camelCase HTML&amp; C++ #!$%^&*()\n   ")


def read_tokens(path):
    data = path.read_bytes()
    magic, version, count = struct.unpack("<3i", data[:12])
    width = {20240520: "H", 20240801: "I"}[magic]
    assert version == {"H": 1, "I": 7}[width]
    return list(struct.unpack(f"<{count}{width}", data[1024:]))


def encode(tokenizer, end, text):
    return tokenizer.encode(text).ids + [end]


def train_tokenizer(text, folder, pattern):
    import tokenizers
    from tokenizers import pre_tokenizers

    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(ignore_merges=pattern is not None))
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pattern is None)
    tokenizer.pre_tokenizer = level if pattern is None else pre_tokenizers.Sequence(
        [pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated"), level])
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    end = "<|endoftext|>" if pattern is None else "<|end_of_text|>"
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=3000, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator([text, DIFFICULT * 3], trainer)
    # Like ebb, this one encodes the name of a special token as text.
    plain = tokenizers.Tokenizer.from_str(tokenizer.to_str())
    tokenizer.add_special_tokens([end])
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    return plain, tokenizer.token_to_id(end)


class Comparison:
    def __init__(self, ebb, folder):
        self.ebb, self.folder, self.failed = ebb, folder, False

    def check(self, what, tokenizer, files, expected):
        for name, text in files.items():
            path = self.folder / f"{name}.txt"
            path.write_bytes(text.encode())
            out = self.folder / f"{what}-{name}.bin"
            run(self.ebb, "data", "pack", path, "--tokenizer", tokenizer, "-o", out)
            ours, theirs = read_tokens(out), expected(text)
            same = ours == theirs
            self.failed |= not same
            at = next((i for i, pair in enumerate(zip(ours, theirs)) if pair[0] != pair[1]), min(len(ours), len(theirs)))
            difference = f", reference {len(theirs)}; first difference at {at}: {ours[at:at + 5]}, {theirs[at:at + 5]}"
            print(f"{what}, {name}: {len(ours)} tokens" + ("" if same else difference))


def main():
    a = parser_of("ebb").parse_args()
    need_module("tokenizers")
    need_bible()
    # Longer than the blocks in which ebb reads a file, so that it has to split the text.
    text = run("bible", "-f", "gen1:1-rev22:21")[:2_500_000]
    files = {"difficult": DIFFICULT, "text": text, "none": "\n"}
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        comparison = Comparison(a.ebb, work)
        for what, pattern in (("gpt2", None), ("llama3", LLAMA3)):
            tokenizer, end = train_tokenizer(text[:400_000], work / what, pattern)
            reference = partial(encode, tokenizer, end)
            comparison.check(what, work / what, files, reference)
            if pattern is None:
                (work / "two").mkdir()
                tokenizer.model.save(str(work / "two"))
                vocabulary = json.loads((work / "two/vocab.json").read_text())
                vocabulary["<|endoftext|>"] = end  # as in GPT-2's own file
                (work / "two/vocab.json").write_text(json.dumps(vocabulary))
                comparison.check("gpt2 in two files", work / "two", files, reference)
        model = work / "ours.model"
        print(run(a.ebb, "data", "tokenizer", work / "text.txt", "--vocabulary", 2000, "-o", model), end="")
        if importlib.util.find_spec("sentencepiece") is None:
            print("not compared: this Python has no sentencepiece")
        else:
            import sentencepiece

            theirs = sentencepiece.SentencePieceProcessor(model_file=str(model))
            comparison.check("sentencepiece", model, files, lambda t: theirs.encode(t) + [theirs.eos_id()])
    return int(comparison.failed)


if __name__ == "__main__":
    sys.exit(main())
