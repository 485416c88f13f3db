#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plants lines and sentences that are too long into a page, and expects each to be found with its line."""

import contextlib
import io
import pathlib
import tempfile
import unittest

import check_prose

LONG_LINE = "word " * 21 + "ends."
LONG_SENTENCE = "\n".join(["It has ten words in every line of this paragraph"] * 3) + " and one more."


class Prose(unittest.TestCase):
    def found(self, text):
        return sorted(check_prose.problems_of(text))

    def test_short_prose_has_no_problem(self):
        self.assertEqual(self.found("# Title\n\nA line. Another line.\n\n- An item.\n"), [])

    def test_a_line_that_is_too_long_is_found(self):
        self.assertEqual(self.found(f"Fine.\n\n{LONG_LINE}\n"), [(3, "has 110 characters, allowed are 100")])

    def test_a_sentence_that_is_too_long_is_found_over_its_lines(self):
        ((line, problem),) = self.found(f"Fine.\n\n{LONG_SENTENCE}\n")
        self.assertEqual(line, 3)
        self.assertIn("a sentence has 33 words, allowed are 25: It has ten words", problem)

    def test_two_sentences_are_not_one(self):
        halves = "It has nineteen words and so it is short enough to stand in a page of this project here."
        self.assertEqual(self.found(f"{halves}\n{halves}\n`code` begins one.\n{halves}\n"), [])

    def test_a_mark_before_a_small_letter_ends_no_sentence(self):
        self.assertEqual(len(self.found("One two three, e.g. four.\n" + LONG_SENTENCE.replace("\n", " x. y\n"))), 1)

    def test_items_of_a_list_are_sentences_of_their_own(self):
        item = "- an item of twelve words that does not end with a mark\n"
        self.assertEqual(self.found(item * 4), [])

    def test_code_tables_headings_and_comments_are_left_out(self):
        self.assertEqual(
            self.found(f"```\n{LONG_LINE}\n```\n\n| a |\n| --- |\n| {LONG_LINE} |\n\n# {LONG_LINE}\n\n<!-- {LONG_LINE}\n{LONG_LINE} -->\n"),
            [],
        )

    def test_code_after_a_block_is_prose_again(self):
        self.assertEqual(len(self.found(f"```\nx\n```\n{LONG_LINE}\n")), 1)

    def test_a_line_without_a_space_cannot_be_broken(self):
        self.assertEqual(self.found("- [x](https://example.org/" + "a" * 100 + ")\n"), [])

    def test_inline_code_is_one_word(self):
        self.assertEqual(check_prose.words(check_prose.plain("run `a b c d` now")), ["run", "Code", "now"])

    def test_a_tree_is_read_with_names_and_lines(self):
        with tempfile.TemporaryDirectory(prefix="ebb-prose-") as folder:
            root = pathlib.Path(folder)
            (root / "docs/data").mkdir(parents=True)
            (root / "docs/data/page.md").write_text(f"\n{LONG_LINE}\n", encoding="utf-8")
            (root / "build").mkdir()
            (root / "build" / "page.md").write_text(LONG_LINE, encoding="utf-8")
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                code = check_prose.main([str(root)])
        self.assertEqual(code, 1)
        self.assertEqual(out.getvalue().splitlines(), ["docs/data/page.md:2: has 110 characters, allowed are 100", "1 problems"])

    def test_a_link_to_a_file_that_is_not_there_is_found(self):
        with tempfile.TemporaryDirectory(prefix="ebb-prose-") as folder:
            root = pathlib.Path(folder)
            (root / "a.md").write_text("[b](b.md), [a](a.md#part) and [web](https://example.org/b.md)\n", encoding="utf-8")
            self.assertEqual(list(check_prose.problems(root)), ["a.md:1: links to b.md, which is not there"])

    def test_a_tree_without_pages_does_not_pass(self):
        with tempfile.TemporaryDirectory(prefix="ebb-prose-") as folder, contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(check_prose.main([folder]), 1)


if __name__ == "__main__":
    unittest.main()
