# SPDX-License-Identifier: Apache-2.0
"""Runs every command of README.md, each in a new shell, in the order of the page, then its Python.

  readme_commands.py SOURCE_DIR [--list]

A command is a line that begins with `$ ` in a ```console or ```sh block; a backslash at its end
continues it in the next line. A command may print further commands below a line `Next`, which run after
it. A block below `<!-- not run: REASON -->` is skipped. scripts/test, which runs this program, is skipped too.
A ```python block runs in the Python of the virtual environment.
"""

import os
import pathlib
import re
import subprocess
import sys
import time

FENCE = re.compile(r"^```(\w*)\s*$")
LEAVE = re.compile(r"^<!-- not run: (.+) -->$")
LIMIT_S = 2700
OWN_TEST = "./scripts/test"


def commands(text):
    """Returns [(command, reason why it is not run or None)]."""
    found, language, reason, continued = [], None, None, False
    for line in text.splitlines():
        if fence := FENCE.match(line):
            if language is None:
                language = fence.group(1)
            else:
                language, reason, continued = None, None, False
        elif language is None:
            if leave := LEAVE.match(line.strip()):
                reason = leave.group(1)
            elif line.strip():
                reason = None
        elif language in ("console", "sh"):
            if continued or line.startswith("$ "):
                part = line if continued else line[2:]
                continued = part.endswith("\\")
                part = part[:-1] if continued else part
                if found and found[-1][2]:
                    found[-1] = (found[-1][0] + part.lstrip(), found[-1][1], continued)
                else:
                    found.append((part, reason, continued))
    return [(command.strip(), why) for command, why, _ in found]


def python_blocks(text):
    """Returns the text of each ```python block."""
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def next_lines(output):
    """The commands that a program prints at its end, below a line `Next`."""
    lines, below, continued = [], False, False
    for line in output.splitlines():
        if line.strip() == "Next":
            below = True
        elif below and line.startswith("  "):
            part = line.strip()
            if continued:
                lines[-1] += part.removesuffix("\\")
            else:
                lines.append(part.removesuffix("\\"))
            continued = part.endswith("\\")
        elif below:
            below = False
    return lines


def run(command, folder):
    """Runs a command in a new shell with only HOME, PATH, the locale and the network settings."""
    environment = {"HOME": os.environ.get("HOME", "/root"), "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                   "TERM": "dumb"}
    # ccache's results depend on the language of the compiler's messages.
    for name in ("LANG", "LC_ALL", "LC_MESSAGES", "LC_CTYPE", "PIP_INDEX_URL", "PIP_CERT", "SSL_CERT_FILE",
                 "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        if name in os.environ:
            environment[name] = os.environ[name]
    print(f"$ {command}", flush=True)
    return execute(["bash", "-c", command], folder, environment)


def execute(command, folder, environment):
    done = subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=LIMIT_S,
                          check=False)
    print(done.stdout, flush=True)
    return done.returncode, done.stdout


def main():
    folder = pathlib.Path(sys.argv[1])
    page = (folder / "README.md").read_text(encoding="utf-8")
    todo = commands(page)
    if "--list" in sys.argv:
        for command, why in todo:
            print(command + (f"    # not run: {why}" if why else ""))
        return 0
    failed, count = [], 0
    # A finished run would only print its results again, so existing runs are renamed.
    for run_folder in [path for path in (folder / "runs").glob("*") if "-before-" not in path.name]:
        run_folder.rename(f"{run_folder}-before-{int(time.time())}")
    for command, why in todo:
        if command.split()[0] == OWN_TEST:
            why = "it runs this test"
        if why:
            print(f"skipped: `{command}`: {why}")
            continue
        code, output = run(command, folder)
        count += 1
        if code != 0:
            failed.append((command, code))
        for line in next_lines(output) if code == 0 else []:
            code, _ = run(line, folder)
            count += 1
            if code != 0:
                failed.append((line, code))
    for block in python_blocks(page):
        print(block, flush=True)
        code, output = execute([folder / ".deps/venv/bin/python3", "-c", block], folder, os.environ)
        count += 1
        if code != 0 or not output.strip():
            failed.append(("a Python block", code))
    for command, code in failed:
        print(f"failed with code {code}: {command}")
    print(f"ran {count} commands of README.md and of their output; {len(failed)} failed")
    return 1 if failed or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
