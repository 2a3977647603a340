#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""ASSURANCE.md names tests and files that exist, and the other pages name files
that exist: a promise whose test was renamed is a promise without one.

Usage: pages-name-what-is-there.py BUILD SOURCE

Of ASSURANCE.md each name in backquotes is checked:
- with a slash, or with an ending of a file: a file, or the end of its path;
- words joined by dashes or spaces: a test of meson, or a file in tests/ that a
  meson.build there names.
And each unit of proofs/units stands in it.
Of the other pages only what begins with a folder of the source; and what
doc/failure-modes.md quotes of the log is what the server says."""
import json
import os
import re
import subprocess
import sys

FOLDERS = ["bench", "client", "data", "demo", "doc", "examples", "include",
           "program", "proofs", "src", "tests"]
# CHANGELOG.md tells of files that are gone.
OTHERS = ["README.md", "CONTRIBUTING.md"]

QUOTED = re.compile(r"`([^`]+)`")
FILE = re.compile(r"[\w./-]+(/|\.([chS]|md|py|sh|txt))|[\w.-]+(/[\w.-]+)+")
TEST = re.compile(r"[a-z0-9]+([ -][A-Za-z0-9]+)+")
COMMAND = re.compile(r"(make|precarium|rep|asm) |systemd-")


def quoted(text):
    """Each name in backquotes, with its line.  A name may go on in the next
    line; the text of a fenced block is no name."""
    text = re.sub(r"^```.*?^```$", lambda m: "\n" * m[0].count("\n"), text,
                  flags=re.DOTALL | re.MULTILINE)
    for match in QUOTED.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield line, " ".join(match[1].split())


def paths():
    """Each file and folder of the source, from its root."""
    for top in FOLDERS:
        for folder, _, files in os.walk(top):
            yield folder
            for name in files:
                yield os.path.join(folder, name)


def spaced(name):
    return name.replace("-", " ")


def tests(build):
    """The names that a test may have on the page, spaced."""
    listed = subprocess.run(["meson", "introspect", "--tests", build],
                            check=True, stdout=subprocess.PIPE)
    names = {spaced(test["name"]) for test in json.loads(listed.stdout)}
    for folder, _, files in os.walk("tests"):
        if "meson.build" not in files:
            continue
        with open(os.path.join(folder, "meson.build")) as file:
            given = spaced(file.read())
        stems = {spaced(name.split(".")[0]) for name in files}
        names |= {stem for stem in stems if f"'{stem}" in given}
    return names


def is_there(name, known):
    name = name.rstrip("/")
    return any(path == name or path.endswith("/" + name) for path in known)


def missing_names(text, known, names):
    for line, name in quoted(text):
        if FILE.fullmatch(name):
            if not is_there(name, known):
                yield line, f"{name}: no file has this path, or ends so"
        elif TEST.fullmatch(name) and not COMMAND.match(name):
            if spaced(name) not in names:
                yield line, f"{name}: neither a test nor a file of one"


def missing_paths(text, known):
    for line, name in quoted(text):
        path = name.split(" ")[0]
        if path.split("/")[0] in FOLDERS and "/" in path and \
                FILE.fullmatch(path) and path.rstrip("/") not in known:
            yield line, f"{path}: no such file"


def missing_units(text):
    """What is proved, and stands nowhere on the page."""
    with open("proofs/units", encoding="utf-8") as units:
        for line in units:
            unit = line.split()[0]
            if unit != "#" and f"`{unit}`" not in text:
                yield 0, f"{unit}: a unit of proofs/units that is not named"


def literals():
    """What the server, and who asks it, may say: string literals, with adjacent ones
    joined."""
    for path in paths():
        if path.startswith(("src/", "program/serve", "program/ask")) and path.endswith(".c"):
            with open(path, encoding="utf-8") as file:
                text = re.sub(r'"\s*(PRIu64)?\s*"', "", file.read())
            yield from re.findall(r'"((?:[^"\\]|\\.)*)"', text)


def unsaid(text):
    """Words that stand first in a row, and that nobody says."""
    said = "\n".join(literals())
    for number, line in enumerate(text.split("\n"), 1):
        cell = line.split("|")[1] if line.startswith("| `") else ""
        for words in QUOTED.findall(cell):
            if " " in words and words not in said:
                yield number, f"{words}: nobody says so"


def main():
    build, source = sys.argv[1:]
    os.chdir(source)
    known = set(paths())
    names = tests(build)
    pages = OTHERS + [path for path in sorted(known)
                      if re.fullmatch(r"doc/[^/]*\.md", path)]
    with open("ASSURANCE.md", encoding="utf-8") as page:
        text = page.read()
    wrong = [("ASSURANCE.md", *found) for found in
             [*missing_names(text, known, names), *missing_units(text)]]
    for path in pages:
        with open(path, encoding="utf-8") as page:
            wrong += [(path, *found)
                      for found in missing_paths(page.read(), known)]
    with open("doc/failure-modes.md", encoding="utf-8") as page:
        wrong += [("doc/failure-modes.md", *found)
                  for found in unsaid(page.read())]
    for path, line, what in wrong:
        print(f"{path}:{line}: {what}")
    checked = sum(1 for _ in quoted(text))
    print(f"{checked} names in ASSURANCE.md, {len(wrong)} wrong")
    sys.exit(bool(wrong) or checked < 100)


main()
