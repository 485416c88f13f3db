# SPDX-License-Identifier: Apache-2.0
"""Mutable variables that outlive a function call. Each file with one is listed here with the reason.

This reads lines, not C++: a declaration that begins in the first column belongs to a namespace, as clang-format
writes it. It does not see declarations of several lines, or constructors with parentheses.
"""

import re

import shape

HOOK = "a hook of LibTorch has no argument for it"
ALLOWED = {
    "trainer/base/work_count.cpp": "calls on files have no argument for it",
    "trainer/cli/main.cpp": "argv takes texts that are not constant",
    "trainer/data/pictures/picture.cpp": "counts of all decoding threads of a process",
    "trainer/memory/block_cache.cpp": "blocks may be freed after main returns",
    "trainer/memory/cpu_allocator.cpp": HOOK,
    "trainer/memory/cuda/cuda_table.cpp": HOOK,
    "trainer/memory/cuda_device.cpp": "the allocator of LibTorch is one for each process",
    "trainer/memory/cuda_library.cpp": "a library is opened once in a process",
    "trainer/memory/failure.cpp": HOOK,
    "trainer/memory/in_place_gradient_sums.cpp": HOOK,
    "trainer/memory/meta_account.cpp": HOOK,
    "trainer/memory/owner_names.cpp": "blocks keep numbers of names to the end of the process",
    "trainer/memory/tag.cpp": "the same",
    "trainer/numerics/gpu/dry_gpu.cpp": "autograd calls ops without an argument for it",
    "trainer/numerics/instruction_set.cpp": "autograd calls ops without an argument for it",
    "trainer/train/report_request.cpp": "a signal handler has no argument for it",
}

NO_VARIABLE = re.compile(
    r"(?:constexpr|const|inline constexpr|inline const|static constexpr|static const|using|struct|class|enum|extern|"
    r"template|namespace|return|static_assert|friend|typedef|public|private|protected)\b|[}#*/]"
)
IN_NAMESPACE = re.compile(
    r"(?:(?:static|inline|thread_local|volatile) )*[A-Za-z_][\w:]*(?:<[^;=(]*>)?[\s*&]+"
    r"(?P<name>[A-Za-z_]\w*)(?:\[[^\]]*\])?\s*(?:\{.*\}|=.*)?;"
)
# Of a function or a class. What has a parenthesis before its value is a function.
STATIC = re.compile(r"\s+(?:static|thread_local|static thread_local) (?!const\b|constexpr\b)[^=;{(]*[\s*&](?P<name>\w+)(?:\[\])?\s*[=;{,]")


def variables(text):
    """The (line, name) of each mutable variable."""
    for number, line in enumerate(text.splitlines(), 1):
        code = line.split("//")[0].rstrip()
        if code[:1].isspace():
            found = STATIC.match(code)
        else:
            found = None if NO_VARIABLE.match(code) or "*const" in code or "* const" in code else IN_NAMESPACE.match(code)
        if found:
            yield number, found.group("name")


def problems(root, allowed=None):
    allowed = ALLOWED if allowed is None else allowed
    needed = set()
    for path in shape.files_below(root / "trainer", shape.SOURCE_ENDINGS | shape.HEADER_ENDINGS):
        name = str(path.relative_to(root))
        for line, variable in variables(path.read_text(encoding="utf-8")):
            if name in allowed:
                needed.add(name)
            else:
                yield f"{name}:{line}: `{variable}` is a mutable global; pass the object down, or list the file in mutable_globals.py"
    for name in sorted(set(allowed) - needed):
        if (root / name).is_file():
            yield f"mutable_globals.py: {name} has no mutable global; remove its line"
