#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""When bench/run calls a bar met, and with which program it compares."""

import math
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))

import ranks  # noqa: E402
from gpt import gpt  # noqa: E402


def run(step_s, last_loss=2.7, first_loss=4.4):
    """One repetition. A fast program needs little memory too."""
    return {"step_s": step_s, "first_step_s": 1.0, "peak_rss": 100 * step_s, "first_loss": first_loss, "last_loss": last_loss}


def results(**changes):
    """The results of all programs. ebb takes 1 s a step, eager PyTorch 3 s, compiled PyTorch 2.5 s in bf16 and 2.8 s in fp32."""
    found = {}
    for group, (*_, dtypes) in gpt.GROUPS.items():
        found |= {f"ebb {group} {dtype}": [run(1.0), run(1.0)] for dtype in dtypes}
        found |= {f"torch {group} {form}": [run(seconds), run(seconds)]
                  for form, seconds in {"fp32": 3.0, "fp32 compiled": 2.8, "bf16": 3.0, "bf16 compiled": 2.5}.items()}
    return found | changes


def named(bars, name):
    return next(bar for bar in bars if bar["name"] == name)


class Bar(unittest.TestCase):
    def test_the_bound_alone(self):
        self.assertTrue(ranks.bar("speed", [2.1, 2.2], 2.0, "at_least", "ratio")["met"])
        self.assertFalse(ranks.bar("speed", [1.9, 1.8], 2.0, "at_least", "ratio")["met"])
        self.assertTrue(ranks.bar("memory", [0.5], 0.6, "at_most", "ratio")["met"])

    def test_a_loss_above_the_twins_misses_the_bar(self):
        for losses, met in (([1.0, 1.009], True), ([1.0, 1.015], False), ([0.9], True), ([math.nan, 1.0], False), ([1.0, math.nan], False)):
            bar = ranks.bar("speed", [2.5], 2.0, "at_least", "ratio", losses=losses)
            self.assertEqual(bar["met"], met, losses)
        self.assertEqual(ranks.bar("speed", [2.5], 2.0, "at_least", "ratio", losses=[1.0, 1.015])["loss"], 1.015)


class GptBars(unittest.TestCase):
    def test_the_peer_is_the_fastest_form(self):
        bar = named(gpt.bars_of(results(), bf16=True), "gpt_small_fp32_vs_torch")
        self.assertEqual((bar["peer"], bar["value"], bar["met"]), ("torch small 1x2 bf16 compiled", 2.5, True))

    def test_emulated_bf16_is_no_peer(self):
        fast = {"torch small 1x2 bf16": [run(0.5), run(0.5)]}
        self.assertEqual(named(gpt.bars_of(results(**fast), bf16=True), "gpt_small_bf16_vs_torch")["peer"], "torch small 1x2 bf16")
        bar = named(gpt.bars_of(results(**fast), bf16=False), "gpt_small_bf16_vs_torch")
        self.assertEqual((bar["peer"], bar["value"]), ("torch small 1x2 fp32 compiled", 2.8))
        self.assertNotIn("bf16 compiled", gpt.forms_of("small 1x2", bf16=False))

    def test_the_loss_is_held_against_the_twin_of_the_same_precision(self):
        for name, program in (("gpt_small_bf16_vs_torch", "ebb small 1x2 bf16"), ("gpt_fp16_1x2_vs_torch", "ebb medium 1x2 fp16"),
                              ("gpt124m_peak_rss_vs_torch", "ebb 124M 1x2 bf16")):
            self.assertTrue(named(gpt.bars_of(results(), bf16=True), name)["met"], name)
            worse = {program: [run(1.0), run(1.0, last_loss=1.015 * 2.7)]}
            bar = named(gpt.bars_of(results(**worse), bf16=True), name)
            self.assertFalse(bar["met"], name)
            self.assertAlmostEqual(bar["loss"], 1.015)
        # A twin of another precision does not matter.
        other = {"torch small 1x2 fp32": [run(3.0, last_loss=2.0), run(3.0, last_loss=2.0)]}
        self.assertTrue(named(gpt.bars_of(results(**other), bf16=True), "gpt_small_bf16_vs_torch")["met"])

    def test_other_initial_weights_are_refused(self):
        gpt.refuse_other_starts(results())
        with self.assertRaisesRegex(SystemExit, "torch small 1x2 bf16 .*4.5000.*weights or samples differ"):
            gpt.refuse_other_starts(results(**{"torch small 1x2 bf16": [run(3.0, first_loss=4.5)]}))


class Processor(unittest.TestCase):
    def test_bf16_needs_instructions(self):
        self.assertTrue(ranks.multiplies_bf16(["avx2", "avx512_bf16"]))
        self.assertTrue(ranks.multiplies_bf16(["amx_bf16", "amx_tile"]))
        self.assertFalse(ranks.multiplies_bf16(["avx2", "f16c", "avx512f"]))


if __name__ == "__main__":
    unittest.main()
