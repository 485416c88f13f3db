# SPDX-License-Identifier: Apache-2.0
"""Configuration keys that nothing reads.

A key is a call such as `s.number("lr", lr)` in the describe() of a struct: it ties the key to a member. A read of the
member is `NAME.lr` or `NAME->lr` outside of describe(), if it is not an assignment. NAME must be declared with that
struct's type in the same file, in the header of the same name, or as a member of a described struct. NAME may also
have a template parameter as its type. A method of the struct itself reads the bare name. Text in comments and in
string literals reads nothing.

This reads text and does not compile it. It therefore misses a key in these cases: the only code that reads the member
is never called; another struct has a member of the same name below a member of the same name (`a.optimizer.lr` of
another `optimizer`); or a template reads a member of that name of another struct.
"""

import dataclasses
import re

import shape

KINDS = "text|integer|number|flag|bytes|duration|bytes_or_auto|integer_or_auto|choice"
KEY = re.compile(rf'\b\w+\.(?:{KINDS})\(\s*"(\w+)",\s*([\w.]+)')


@dataclasses.dataclass
class Described:
    """A struct with a describe()."""

    name: str
    keys: list = dataclasses.field(default_factory=list)  # (key, member, path, line)
    methods: str = ""  # bodies of its other methods


def body_at(text, brace):
    """The text from the brace at this place to its partner."""
    depth = 0
    for place in range(brace, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[brace : place + 1]
    return text[brace:]


LITERAL = r'R"\((?:.*?)\)"|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])\'(?:\\.|[^\'\\\n])+\''
LITERAL_OR_COMMENT = re.compile(rf"(?P<literal>{LITERAL})|//[^\n]*|/\*.*?\*/", re.DOTALL)


def lines_of(text):
    return "\n" * text.count("\n")


def without_comments(text):
    """Lines keep their numbers."""
    return LITERAL_OR_COMMENT.sub(lambda match: match.group() if match.group("literal") else lines_of(match.group()), text)


def without_literals(text):
    """Of text without comments. Lines keep their numbers."""
    return re.sub(LITERAL, lambda match: '""' + lines_of(match.group()), text, flags=re.DOTALL)


def functions_of(text, pattern):
    """(match, begin, body) of each function whose head matches."""
    for match in re.finditer(pattern + r"\([^;{}]*\)[^;{}]*\{", text):
        begin = match.end() - 1
        yield match, begin, body_at(text, begin)


def parameters_of(head):
    """[(type, name)] of the parameters in a function's head."""
    inside = head[head.index("(") + 1 : head.rindex(")")]
    return [tuple(re.findall(r"\w+", part)[-2:]) for part in inside.split(",") if len(re.findall(r"\w+", part)) > 1]


def arguments_of(body, function):
    """The arguments of the first call of the function, split at commas outside of brackets."""
    call = re.search(rf"\b{function}\(", body)
    if call is None:
        return []
    arguments, depth, begin = [], 0, call.end()
    for place in range(call.end(), len(body)):
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(body[place], 0)
        if depth < 0 or (depth == 0 and body[place] == ","):
            arguments.append(body[begin:place].strip())
            begin = place + 1
        if depth < 0:
            break
    return arguments


class Descriptions:
    """The described structs of trainer/: `structs` by name, `texts` of all files without comments and without descriptions."""

    def __init__(self, root):
        self.texts, self.structs, self.seen = {}, {}, set()
        self._bodies, self._helpers = {}, []
        for path in shape.files_below(root / "trainer", shape.SOURCE_ENDINGS | shape.HEADER_ENDINGS):
            if path.relative_to(root).parts[1] != "config":
                self.texts[path] = self._read(path, without_comments(path.read_text(encoding="utf-8")))
        for text in self.texts.values():
            for match, _, body in functions_of(text, r"\b(\w+)::(\w+)"):
                if match.group(1) in self.structs:
                    self.structs[match.group(1)].methods += body
        for helper in self._helpers:
            self._resolve(*helper)

    def _struct(self, name):
        return self.structs.setdefault(name, Described(name))

    def _keys_in(self, text, begin, body, path):
        for key in KEY.finditer(body):
            yield key.group(1), key.group(2), path, text.count("\n", 0, begin + key.start()) + 1

    def _read(self, path, text):
        spans = []
        for match in re.finditer(r"\bstruct\s+(\w+)\s*\{", text):
            whole = body_at(text, match.end() - 1)
            if not re.search(r"\bdescribe\(", whole):
                continue
            struct = self._struct(match.group(1))
            for inner, begin, body in functions_of(whole, r"\b(\w+)"):
                if inner.group(1) == "describe":
                    spans.append((match.end() - 1 + begin, body, struct.name))
                else:
                    struct.methods += without_literals(body)
        for match, begin, body in functions_of(text, r"\bvoid\s+(\w+)::describe"):
            spans.append((begin, body, match.group(1)))
        for begin, body, name in spans:
            self._struct(name).keys += self._keys_in(text, begin, body, path)
            self._bodies[name] = self._bodies.get(name, "") + body
        for match, begin, body in functions_of(text, r"\bvoid\s+(describe\w*)"):
            keys = list(self._keys_in(text, begin, body, path))
            self._helpers.append((match.group(1), parameters_of(match.group(0)), keys))
            spans.append((begin, body, None))
        for begin, body, _ in sorted(spans, key=lambda span: -span[0]):
            text = text[:begin] + re.sub(r"[^\n]", " ", body) + text[begin + len(body) :]
        return without_literals(text)

    def _resolve(self, function, parameters, keys):
        """The keys of `void describe_rope(Section& s, double& theta, Rope& rope)` belong to Rope, or to its caller."""
        types = {name: type_ for type_, name in parameters}
        for key, member, path, line in keys:
            first, _, rest = member.partition(".")
            if rest and first in types:
                self._struct(types[first]).keys.append((key, rest, path, line))
                continue
            place = [name for _, name in parameters].index(first) if first in types else -1
            for struct, body in self._bodies.items():
                arguments = arguments_of(body, function)
                if 0 <= place < len(arguments):
                    self.structs[struct].keys.append((key, arguments[place], path, line))


def keys_written(root):
    """(path, line, key) of all calls that look like a key."""
    for path in shape.files_below(root / "trainer", shape.SOURCE_ENDINGS | shape.HEADER_ENDINGS):
        if path.relative_to(root).parts[1] == "config":
            continue
        text = without_comments(path.read_text(encoding="utf-8"))
        for match in re.finditer(rf'\.(?:{KINDS})\(\s*"(\w+)",', text):
            yield path, text.count("\n", 0, match.start()) + 1, match.group(1)


def names_declared(text, struct):
    return set(re.findall(rf"\b{struct}\b\s*[&*]*\s*(\w+)", text))


def members_of_type(texts, structs, struct):
    """Names of the members of described structs that have this type."""
    found = set()
    for text in texts.values():
        for match in re.finditer(r"\bstruct\s+(\w+)\s*\{", text):
            if match.group(1) in structs:
                found |= names_declared(body_at(text, match.end() - 1), struct)
    return found


def reads(text, names, member):
    found = rf"\b(?:{'|'.join(map(re.escape, names))})(?:\.|->){re.escape(member)}\b(?!\s*=[^=])"
    return bool(names) and re.search(found, text) is not None


def names_of(described, struct):
    """file -> names of values of the struct in that file."""
    members = members_of_type(described.texts, described.structs, struct)
    result = {}
    for path, text in described.texts.items():
        names = members | names_declared(text, struct)
        # A template may stand for any struct.
        for parameter in re.findall(r"\btemplate\s*<\s*(?:class|typename)\s+(\w+)", text):
            names |= names_declared(text, parameter)
        header = path.with_suffix(".h")
        if header != path and header in described.texts:
            names |= names_declared(described.texts[header], struct)
        for alias in re.finditer(r"\bauto\s*[&*]*\s*(\w+)\s*=\s*[\w.>-]*?\b(\w+)\s*;", text):
            if alias.group(2) in members:
                names.add(alias.group(1))
        result[path] = names
    return result


def problems(root):
    described = Descriptions(root)
    known = set()
    for struct in described.structs.values():
        names = names_of(described, struct.name) if struct.keys else {}
        for key, member, path, line in struct.keys:
            known.add((path, line, key))
            last = member.split(".")[-1]
            if re.search(rf"(?<![.>])\b{re.escape(last)}\b(?!\s*=[^=])", struct.methods):
                continue
            if not any(reads(text, names[file], last) for file, text in described.texts.items()):
                yield f"{path.relative_to(root)}:{line}: nothing reads {struct.name}::{member}, the key `{key}`"
    for path, line, key in keys_written(root):
        if (path, line, key) not in known:
            yield f"{path.relative_to(root)}:{line}: cannot tell which member the key `{key}` sets"
