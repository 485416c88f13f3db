#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the prose of every Markdown page: no line over 100 characters, no sentence over 25 words, no link to a missing file.

Code blocks, tables, headings and HTML comments are left out, and so is a line that cannot be broken (a long link).
Prints one line for each problem. Exit code 1 if there are any, else 0.

usage: check_prose.py ROOT
"""

import pathlib
import re
import sys

WIDTH = 100
WORDS = 25
# Folders of the root that the scripts make.
SKIPPED_FOLDERS = {".deps", ".git", "build", "data", "runs", "install"}
FENCE = re.compile(r"^\s*(```|~~~)")
ITEM = re.compile(r"^\s*(?:[-*+]|\d+\.|\[[^\]]+\]:)\s+")
ENDS_A_PARAGRAPH = re.compile(r"^\s*(?:$|#|\||<!--|<)")
# A sentence ends at its mark; a closing quote, bracket or star may follow the mark.
END = re.compile(r"(?<=[.!?])[\"'*)\]]*\s+(?=[\"'*(\[`]*[A-Z0-9`])")


def pages(root):
    for path in sorted(root.rglob("*.md")):
        if path.relative_to(root).parts[0] not in SKIPPED_FOLDERS:
            yield path


def prose_lines(text):
    """(number, line) of each line outside of code blocks, tables, headings and comments; an empty line ends a paragraph."""
    fenced = comment = False
    for number, line in enumerate(text.splitlines(), 1):
        if comment:
            comment = "-->" not in line
            yield number, ""
        elif FENCE.match(line):
            fenced = not fenced
            yield number, ""
        elif fenced or ENDS_A_PARAGRAPH.match(line):
            comment = not fenced and line.lstrip().startswith("<!--") and "-->" not in line
            yield number, ""
        else:
            yield number, line


def plain(text):
    """Inline code counts as one word that may begin a sentence, a link as its text, and a link to a page as one word."""
    text = re.sub(r"``.+?``|`[^`]*`", "Code", text)
    text = re.sub(r"\[[\w-]+\.md\]\([^)]*\)", "Page", text)
    return re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)


def paragraphs(text):
    """(number of its first line, words as one line) of each paragraph and list item."""
    first, parts = None, []
    for number, line in [*prose_lines(text), (0, "")]:
        if parts and (not line.strip() or ITEM.match(line)):
            yield first, plain(" ".join(parts))
            first, parts = None, []
        if line.strip():
            first = first or number
            parts.append(ITEM.sub("", line).strip())


def sentences(paragraph):
    return [sentence.strip() for sentence in END.split(paragraph) if sentence.strip()]


def words(sentence):
    return [word for word in sentence.split() if re.search(r"\w", word)]


def problems_of(text):
    for number, line in prose_lines(text):
        breakable = " " in ITEM.sub("", line).strip()
        if len(line) > WIDTH and breakable:
            yield number, f"has {len(line)} characters, allowed are {WIDTH}"
    for number, paragraph in paragraphs(text):
        for sentence in sentences(paragraph):
            count = len(words(sentence))
            if count > WORDS:
                yield number, f"a sentence has {count} words, allowed are {WORDS}: {sentence[:60]}…"


def broken_links(path, text):
    """Links to files that do not exist in the tree."""
    for number, line in enumerate(text.splitlines(), 1):
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", line):
            if "://" not in target and not (path.parent / target).exists():
                yield number, f"links to {target}, which is not there"


def problems(root):
    for path in pages(root):
        text = path.read_text(encoding="utf-8")
        for number, problem in sorted([*problems_of(text), *broken_links(path, text)]):
            yield f"{path.relative_to(root)}:{number}: {problem}"


def main(arguments):
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    root = pathlib.Path(arguments[0]).resolve()
    if not any(pages(root)):
        print(f"no Markdown page below {root}")
        return 1
    found = list(problems(root))
    for problem in found:
        print(problem)
    print(f"{len(found)} problems" if found else "the prose holds")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
