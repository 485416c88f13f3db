# SPDX-License-Identifier: Apache-2.0
"""The lists of keys in docs/weights.md: read, refused (with one value or some exceptions accepted), of no matter."""

import json
import re

KINDS = {"Read.": "read", "Only with this value": "refused", "Refused, except as said below.": "refused", "Of no matter.": "of no matter"}


def lists_of(page, *headings):
    """Returns {kind: {key: the value that ebb accepts, or None}} of these sections together.

    A key in two lists raises ValueError. A refused key is written as `key=value` in JSON.
    """
    lists = {kind: {} for kind in KINDS.values()}
    for heading in headings:
        section = re.search(rf"^### {re.escape(heading)}\n(.*?)(?=^##|\Z)", page, re.DOTALL | re.MULTILINE)
        if section is None:
            raise ValueError(f"docs/weights.md has no section {heading}")
        for title, text in re.findall(r"^- \*\*(.*?)\*\*(.*?)(?=^- |^\n|\Z)", section[1], re.DOTALL | re.MULTILINE):
            for entry in re.findall(r"`([^`]+)`", text):
                key, _, value = entry.partition("=")
                if any(key in known for known in lists.values()):
                    raise ValueError(f"docs/weights.md, {heading}: {key} is in two lists, or twice in one")
                lists[KINDS[title]][key] = json.loads(value) if value else None
    return lists


class Failures:
    """The failures of a test, each printed when it is found."""

    def __init__(self):
        self.failed = []

    def fail(self, text):
        print(text)
        self.failed.append(text)


def difference(lists, keys, what):
    """Returns a line for each of `keys` that is in no list."""
    listed = {key for known in lists.values() for key in known}
    return [f"docs/weights.md: {what} has the key {key}, which is in no list" for key in sorted(set(keys) - listed)]
