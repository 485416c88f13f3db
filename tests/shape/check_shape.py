#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the shape of the source tree: includes between layers, uses of the names of families and formats, lengths of
files, names and lengths of sources, that every file is built, that every command has its file, mutable globals, and that
tests/ mirrors trainer/.
Prints one line for each problem. Exit code 1 if there are any, else 0.

usage: check_shape.py ROOT [RULES]      (RULES: ROOT/tests/shape/layers.txt)
"""

import pathlib
import re
import sys

import command_files
import keys
import layer_table
import mutable_globals
import registered_names
import shape


def check_includes(root, rules):
    trainer = root / "trainer"
    for path in shape.files_below(trainer, shape.SOURCE_ENDINGS | shape.HEADER_ENDINGS):
        layer = path.relative_to(trainer).parts[0]
        if layer not in rules.may_use:
            yield f"{path.relative_to(root)}: `{layer}` is not a layer of layers.txt"
            continue
        for line, name, quoted in shape.includes_of(path):
            where = f"{path.relative_to(root)}:{line}"
            used = name.split("/")[0]
            if (trainer / name).is_file() and used in rules.may_use:
                if used != layer and used not in rules.may_use[layer]:
                    allowed = ", ".join(n for n in rules.may_use if n in rules.may_use[layer]) or "nothing"
                    yield f'{where}: {layer} includes "{name}", but may use only: {allowed}'
            elif quoted:
                yield f'{where}: there is no trainer/{name}; includes of ours are written from trainer/'
            for prefix, layers in rules.only.items():
                if name.startswith(prefix) and layer not in layers:
                    yield f"{where}: <{name}> may be included only in: {', '.join(sorted(layers))}"
            for prefix, layers in rules.never.items():
                if name.startswith(prefix) and layer in layers:
                    yield f"{where}: <{name}> may not be included in {layer}"


def check_edges_are_used(root, rules):
    """An edge of layers.txt that no #include uses. (CMake's edges are the same: check_linked_layers.)"""
    trainer = root / "trainer"
    used = {layer: set() for layer in rules.edges}
    for path in shape.files_below(trainer, shape.SOURCE_ENDINGS | shape.HEADER_ENDINGS):
        layer = path.relative_to(trainer).parts[0]
        # A header of ours only: the standard library has a <memory> too.
        ours = {name.split("/")[0] for _, name, _ in shape.includes_of(path) if (trainer / name).is_file()}
        used.setdefault(layer, set()).update(ours)
    for layer, edges in rules.edges.items():
        if not (trainer / layer).is_dir():
            yield f"layers.txt: there is no folder trainer/{layer}"
            continue
        for edge in edges:
            if edge not in used[layer]:
                yield f"layers.txt: {layer} may use {edge}, but no file of trainer/{layer} includes it; remove the edge"


def check_linked_layers(root, rules):
    """CMake links exactly the edges of layers.txt."""
    for layer, edges in rules.edges.items():
        path = root / "trainer" / layer / "CMakeLists.txt"
        if not path.is_file():
            continue
        linked = shape.linked_layers(path, layer, rules.edges)
        where = path.relative_to(root)
        for used in sorted(linked - set(edges)):
            yield f"{where}: {layer} links {used}, which is no edge of layers.txt"
        for used in edges:
            if used not in linked:
                yield f"{where}: {layer} does not link {used}, an edge of layers.txt"


def check_layer_table(root, rules):
    if not layer_table.is_current(root, rules):
        yield f"{layer_table.PAGE}: its table of layers is stale: python3 tests/shape/layer_table.py . --write"


def check_config_sees_no_framework(root, rules):
    for path, text in shape.cmake_lists(root):
        for call in re.finditer(r"\bebb_(?:layer|family)\(([^)]*)\)", text):
            yield from framework_of_config(root, rules, path.parent, call.group(1).split())


def framework_of_config(root, rules, folder, words):
    for name in shape.words_after(words, "CONFIG"):
        source = folder / name
        for _, _, included, chain in shape.includes_from(root, source) if source.is_file() else []:
            if included.startswith(tuple(rules.framework)):
                yield f"{' -> '.join(chain)}: a CONFIG source reaches <{included}>"
                break


def check_keys_are_read(root, rules):
    del rules
    yield from keys.problems(root)


def check_registered_names(root, rules):
    del rules
    yield from registered_names.problems(root)


def check_command_files(root, rules):
    del rules
    yield from command_files.problems(root)


def check_mutable_globals(root, rules):
    yield from mutable_globals.problems(root)


def check_lines(root, rules):
    for path in shape.files_below(root / "trainer", shape.SOURCE_ENDINGS | shape.HEADER_ENDINGS):
        lines = path.read_text(encoding="utf-8").count("\n")
        if lines > rules.most_lines:
            yield f"{path.relative_to(root)}: has {lines} lines, allowed are {rules.most_lines}; split it"


def check_every_file_is_used(root, rules):
    del rules
    listed = set()
    for path, text in shape.cmake_lists(root):
        text = text.replace("${CMAKE_SOURCE_DIR}", str(root)).replace("${PROJECT_SOURCE_DIR}", str(root))
        text = text.replace("${CMAKE_CURRENT_SOURCE_DIR}", str(path.parent))
        for word in re.findall(r"[^\s()\"';]+\.(?:cpp|cu)\b", text):
            listed.add((path.parent / word).resolve())
    for folder in ("trainer", "tests"):
        for path in shape.files_below(root / folder, shape.SOURCE_ENDINGS):
            if path.resolve() not in listed:
                yield f"{path.relative_to(root)}: no CMakeLists.txt lists it, so it is not built"
    included = set()
    for folder in ("trainer", "tests", "bench"):
        for path in shape.files_below(root / folder, shape.SOURCE_ENDINGS | shape.HEADER_ENDINGS):
            included |= {name for _, name, _ in shape.includes_of(path)}
    for path in shape.files_below(root / "trainer", shape.HEADER_ENDINGS):
        if path.relative_to(root / "trainer").as_posix() not in included:
            yield f"{path.relative_to(root)}: nobody includes it"


def check_source_names(root, rules):
    """A .cpp file is named after a header of its folder or of the one above; a part adds an underscore and its name."""
    trainer = root / "trainer"
    used = {edge for edges in rules.edges.values() for edge in edges}
    for path in shape.files_below(trainer, {".cpp"}):
        # A layer that no other uses holds programs and their commands, which have no headers.
        if path.relative_to(trainer).parts[0] not in used:
            continue
        headers = {header.stem for folder in (path.parent, path.parent.parent) for header in folder.glob("*.h")}
        if not any(path.stem == header or path.stem.startswith(header + "_") for header in headers):
            yield f"{path.relative_to(root)}: is not named after a header of its folder, or of the folder above"


def check_mirror(root, rules):
    tests = root / "tests"
    layers = {p.name for p in (root / "trainer").iterdir() if p.is_dir()}
    top = (tests / "CMakeLists.txt").read_text(encoding="utf-8")
    for folder in sorted(p for p in tests.iterdir() if p.is_dir() and not p.name.startswith(("_", "."))):
        where = folder.relative_to(root)
        if folder.name not in layers | rules.tests_only:
            yield f"{where}: mirrors no folder of trainer/"
        if not (folder / "CMakeLists.txt").is_file():
            yield f"{where}: has no CMakeLists.txt, so its tests do not run"
        elif not re.search(rf"\b{re.escape(folder.name)}\b", re.sub(r"#.*", "", top)):
            yield f"{where}: tests/CMakeLists.txt does not name it, so its tests do not run"


CHECKS = [
    check_includes,
    check_edges_are_used,
    check_linked_layers,
    check_layer_table,
    check_config_sees_no_framework,
    check_keys_are_read,
    check_registered_names,
    check_command_files,
    check_mutable_globals,
    check_lines,
    check_every_file_is_used,
    check_source_names,
    check_mirror,
]


def problems(root, rules):
    return [problem for check in CHECKS for problem in check(root, rules)]


def main(arguments):
    if len(arguments) not in (1, 2):
        print(__doc__, file=sys.stderr)
        return 2
    root = pathlib.Path(arguments[0]).resolve()
    path = pathlib.Path(arguments[1]) if len(arguments) == 2 else root / "tests" / "shape" / "layers.txt"
    found = problems(root, shape.Rules(path.read_text(encoding="utf-8")))
    for problem in found:
        print(problem)
    print(f"{len(found)} problems" if found else "the shape holds")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
