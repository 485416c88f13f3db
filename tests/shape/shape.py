# SPDX-License-Identifier: Apache-2.0
"""Common parts of the shape checks: the rules in layers.txt and the files of a tree."""

import pathlib
import re

SOURCE_ENDINGS = {".cpp", ".cu"}
HEADER_ENDINGS = {".h", ".hpp", ".cuh", ".inc"}
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)


class Rules:
    """layers.txt, read. `edges` is as written, `may_use` is transitive, `holds` describes a layer."""

    def __init__(self, text):
        self.edges, self.may_use, self.holds = {}, {}, {}
        self.only, self.never, self.tests_only = {}, {}, set()
        self.framework = []
        self.most_lines = None
        layer = None
        for number, line in enumerate(text.splitlines(), 1):
            line = line.split("#")[0].rstrip()
            if line.startswith(" ") and layer is not None:
                self.holds[layer] = f"{self.holds.get(layer, '')} {line.strip()}".strip()
            elif line:
                self._read(line, number)
                layer = line.split(":")[0].split()[-1] if line.startswith("layer ") else None

    def _read(self, line, number):
        word, _, rest = line.partition(" ")
        name, _, values = rest.partition(":")
        name, values = name.strip(), values.split()
        if word == "layer":
            unknown = [used for used in values if used not in self.may_use]
            if unknown:
                raise ValueError(f"layers.txt:{number}: {name} uses {unknown[0]}, which is not a layer above this line")
            allowed = {"base"} if name == "config" else {"base", "config"}
            for used in values:
                allowed |= {used} | self.may_use[used]
            self.edges[name] = values
            self.may_use[name] = allowed - {name} if name != "base" else set()
        elif word == "only":
            self.only[name] = set(values)
        elif word == "never":
            self.never[name] = set(values)
        elif word == "framework":
            self.framework += rest.split()
        elif word == "tests":
            self.tests_only |= set(rest.split())
        elif word == "lines":
            self.most_lines = int(rest)
        else:
            raise ValueError(f"layers.txt:{number}: `{word}` is not known")


def files_below(folder, endings):
    return sorted(p for p in pathlib.Path(folder).rglob("*") if p.suffix in endings and p.is_file())


def without_block_comments(text):
    """Lines keep their numbers."""
    return re.sub(r"/\*.*?\*/", lambda match: "\n" * match.group().count("\n"), text, flags=re.DOTALL)


def includes_of(path):
    """(line, name, quoted) of each include."""
    text = without_block_comments(path.read_text(encoding="utf-8"))
    for match in INCLUDE.finditer(text):
        # The pattern may begin on an empty line above.
        line = text.count("\n", 0, match.start(1) if match.group(1) else match.start(2)) + 1
        yield line, match.group(1) or match.group(2), match.group(1) is not None


def cmake_lists(root):
    """(folder, text without comments) of each CMake file that can list sources."""
    paths = [root / "CMakeLists.txt", *sorted((root / "cmake").glob("*.cmake"))]
    paths += sorted((root / "trainer").rglob("CMakeLists.txt")) + sorted((root / "tests").rglob("CMakeLists.txt"))
    for path in paths:
        if path.is_file():
            yield path, re.sub(r"#.*", "", path.read_text(encoding="utf-8"))


def layer_calls(root):
    """(path, layer, words) of each ebb_layer(…)."""
    for path, text in cmake_lists(root):
        for call in re.finditer(r"\bebb_layer\(\s*(\w+)([^)]*)\)", text):
            yield path, call.group(1), call.group(2).split()


def words_after(words, keyword):
    """The words of a CMake call that follow `keyword`, up to the next keyword."""
    if keyword not in words:
        return
    for word in words[words.index(keyword) + 1 :]:
        if re.fullmatch(r"[A-Z_]+", word):
            return
        yield word


def includes_from(root, path):
    """(file, line, name, chain) of each include that `path` reaches; `chain` are the files that lead to `file`."""
    trainer, seen, waiting = root / "trainer", {path}, [(path, [])]
    while waiting:
        file, chain = waiting.pop(0)
        chain = [*chain, file.relative_to(root).as_posix()]
        for line, name, _ in includes_of(file):
            yield file, line, name, chain
            target = trainer / name
            if target.is_file() and target not in seen:
                seen.add(target)
                waiting.append((target, chain))


def linked_layers(path, layer, layers):
    """The layers that a layer's CMakeLists.txt links: LAYERS of ebb_layer(), and ebb_NAME in target_link_libraries()."""
    text = re.sub(r"#.*", "", path.read_text(encoding="utf-8"))
    linked = set()
    for call in re.finditer(r"\bebb_layer\(([^)]*)\)", text):
        linked |= set(words_after(call.group(1).split(), "LAYERS"))
    for call in re.finditer(r"\btarget_link_libraries\(([^)]*)\)", text):
        names = {name.removesuffix("_config") for name in re.findall(r"\bebb_(\w+)", call.group(1))}
        linked |= {name for name in names if name in layers}
    return linked - {layer}
