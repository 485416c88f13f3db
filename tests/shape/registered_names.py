# SPDX-License-Identifier: Apache-2.0
"""Code that refers to a family or a format by name.

Families and formats are entries of registries, and only the folder of an entry may use its name: in identifiers, in
string literals and in includes. Comments may use it. The names come from the registries' sources: EBB_FAMILIES, the
model types that a family reads from `transformers`, and the entries of builtin_formats().
"""

import dataclasses
import re

import shape

FAMILIES = "trainer/models/CMakeLists.txt"
FORMATS = "trainer/data/format.cpp"

# Names that are words of the field too: only a literal that is nothing but the name, or that follows data.format, counts.
ORDINARY = {"pictures", "tokens"}

# (file, name): why the file may use it.
EXCEPTIONS = {
    ("trainer/core/sample.h", "tokens"): "the name of a field of samples",
    ("trainer/models/gpt/config.cpp", "tokens"): "the unit of keys",
    ("trainer/models/gpt/family.cpp", "tokens"): "the unit of throughput",
    ("trainer/train/image_measures.cpp", "pictures"): "an owner of memory",
    ("trainer/train/training_data.cpp", "pictures"): "an owner of memory",
}

TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/"""
    r"""|R"(?P<mark>\w*)\((?P<raw>.*?)\)(?P=mark)"|"(?P<text>(?:\\.|[^"\\\n])*)"|'(?:\\[^\n']+|[^'\\\n])'"""
    r"""|\d[\w.']*|(?P<identifier>[A-Za-z_]\w*)""",
    re.DOTALL,
)


@dataclasses.dataclass
class Name:
    """A registered name, and the folder of its entry, from the root."""

    name: str
    folder: str


def registry_list(root, source, pattern, problem):
    """The text of the list that `pattern` finds in a registry's source. ValueError with `problem` if it finds none."""
    path = root / source
    listed = re.search(pattern, path.read_text(encoding="utf-8") if path.is_file() else "")
    if listed is None:
        raise ValueError(f"{source}: {problem}")
    return listed.group(1)


def families(root):
    """The names of the families. ValueError: the registry does not look as expected."""
    for family in registry_list(root, FAMILIES, r"\bset\(EBB_FAMILIES\s+([^)]*)\)", "sets no EBB_FAMILIES").split():
        folder = f"trainer/models/{family}"
        yield Name(family, folder)
        for source in shape.files_below(root / folder, shape.SOURCE_ENDINGS | shape.HEADER_ENDINGS):
            types = re.search(r"\bmodel_types\(\)[^{;]*\{\s*return\s*\{([^}]*)\}", source.read_text(encoding="utf-8"))
            for model_type in re.findall(r'"(\w+)"', types.group(1)) if types else []:
                yield Name(model_type, folder)


def formats(root):
    """The names of the formats. ValueError: the registry does not look as expected."""
    listed = registry_list(root, FORMATS, r"\bbuiltin_formats\(\)\s*\{\s*return\s*\{([^}]*)\}", "builtin_formats() returns no list")
    sources = {source: source.read_text(encoding="utf-8") for source in shape.files_below(root / "trainer/data", {".cpp"})}
    for function in re.findall(r"(\w+)\(\)", listed):
        entry = rf'\bFormat\s+{function}\(\)\s*\{{[^}}]*?\.name\s*=\s*"(\w+)"'
        found = [(source, match.group(1)) for source, all_of in sources.items() for match in re.finditer(entry, all_of)]
        if len(found) != 1:
            raise ValueError(f"{FORMATS}: cannot find the name that {function}() gives its format")
        yield Name(found[0][1], found[0][0].parent.relative_to(root).as_posix())


def snake_case(identifier):
    split = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", identifier)
    return re.sub(r"([A-Z])([A-Z][a-z])", r"\1_\2", split).lower()


def in_identifier(name, identifier):
    return name not in ORDINARY and re.search(rf"(?:^|_){name}(?:_|$)", snake_case(identifier)) is not None


def in_literal(name, literal):
    if name.folder.endswith("/" + name.name) and f"trainer/{literal}".startswith(name.folder + "/"):
        return True
    if name.name in ORDINARY:
        return re.fullmatch(rf"(?:.*\bdata\.format\W+(?:is\W+)?)?{name.name}", literal) is not None
    return re.search(rf"(?<![a-z0-9]){name.name}(?![a-z0-9])", literal.lower()) is not None


def uses(text, name):
    """(line, code) of each identifier and literal that uses the name."""
    for match in TOKEN.finditer(text):
        literal = match.group("text") if match.group("text") is not None else match.group("raw")
        identifier = match.group("identifier")
        if (literal is not None and in_literal(name, literal)) or (identifier and in_identifier(name.name, identifier)):
            yield text.count("\n", 0, match.start()) + 1, match.group()


def names_of(root):
    # A tree without the layer has no such registry.
    for layer, read in (("models", families), ("data", formats)):
        if (root / "trainer" / layer).is_dir():
            yield from read(root)


def problems(root, exceptions=None):
    exceptions = EXCEPTIONS if exceptions is None else exceptions
    try:
        names = list(names_of(root))
    except ValueError as error:
        yield str(error)
        return
    needed = set()
    for path in shape.files_below(root / "trainer", shape.SOURCE_ENDINGS | shape.HEADER_ENDINGS):
        where = path.relative_to(root).as_posix()
        text = path.read_text(encoding="utf-8")
        for name in names:
            if where.startswith(name.folder + "/") or where == FORMATS:
                continue
            for line, code in uses(text, name):
                needed.add((where, name.name))
                if (where, name.name) not in exceptions:
                    yield f"{where}:{line}: {code} names `{name.name}`, which only {name.folder} may; ask the registry"
    for where, name in sorted(exceptions):
        if (root / where).is_file() and (where, name) not in needed:
            yield f"registered_names.py: the exception of {where} for `{name}` is not needed; remove it"
