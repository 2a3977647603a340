#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each sentence of ASSURANCE.md that says "Proved" names the clause that says it.

Usage: clauses-of-sentences.py SOURCE

Of each item of a list that begins with "Proved":
- it names a clause, a behaviour or a predicate, or the goals of `-wp-rte`;
- each name in backquotes is one of these, a file, or a word of the proved C;
- of "`x`, `y` of `f`" the contract of f has the clauses x and y.
In the table of theorems each name is a clause or a predicate in a file of its row, or a
function with a contract."""
import fnmatch
import glob
import os
import re
import sys

SOURCES = ["include/precarium/*.h", "src/core/*.[ch]", "src/virtio/*.[ch]",
           "src/port/sel4/*.[ch]", "examples/proved-driver/*.[ch]"]
ACSL = re.compile(r"/\*@(.*?)\*/|//@([^\n]*)", re.DOTALL)
NAMED = re.compile(
    r"\b(?:ensures|requires|assert|invariant|check|predicate|behavior|lemma|axiom)\s+(\w+)"
    r"\s*[:{(=]|\blogic\s+[\w ]*?\b(\w+)\s*[{(=]|\b(terminates|exits)\b")
# A contract, and whose it is: the first name that takes arguments.
CONTRACT = re.compile(r"/\*@((?:(?!\*/).)*?\b(?:ensures|assigns)\b(?:(?!\*/).)*)\*/"
                      r"\s*(?!/\*)[^;{}()]*?\b(\w+)\(", re.DOTALL)
QUOTED = re.compile(r"`([^`]+)`")
WORD = re.compile(r"\w+")
SOURCE = re.compile(r"[\w./-]+\.[ch]")
NAMES = r"`[^`]+`(?:(?:, | and (?:of )?)`[^`]+`)*"
OF = re.compile(rf"({NAMES}) of ({NAMES})")
ITEM = re.compile(r"^- (Proved\b.*?)(?=^\s*$|^- |^#)", re.DOTALL | re.MULTILINE)


def named(text):
    """What the annotations of a text give a name."""
    for match in ACSL.finditer(text):
        for groups in NAMED.findall(match[1] or match[2] or ""):
            yield from filter(None, groups)


def read_sources():
    texts = {}
    for pattern in SOURCES:
        for path in glob.glob(pattern):
            with open(path, encoding="utf-8") as file:
                texts[path] = file.read()
    return texts


def contracts(texts):
    """Function -> the names in its contracts."""
    found = {}
    for text in texts.values():
        for body, function in CONTRACT.findall(text):
            found.setdefault(function, set()).update(named(f"/*@{body}*/"))
    return found


def wrong_owners(item, of_function):
    """Clauses that are said to be of a function, and are not."""
    for clauses, owners in OF.findall(item):
        for owner in QUOTED.findall(owners):
            functions = fnmatch.filter(of_function, owner)
            if not functions:
                continue
            for clause in QUOTED.findall(clauses):
                if any(clause not in of_function[f] for f in functions):
                    yield f"{clause}: no clause of {owner}"


def wrong_in_item(item, known, words, of_function):
    quoted = QUOTED.findall(item)
    names = [name for name in quoted if WORD.fullmatch(name)]
    if not known.intersection(names) and "-wp-rte" not in quoted:
        yield "names no clause: " + item[:50]
    for name in names:
        if name not in known and name not in words:
            yield f"{name}: neither a clause nor a name of the proved C"
    yield from wrong_owners(item, of_function)


def wrong_in_table(text, names_in, of_function):
    """Of the table of theorems: clauses that no file of the row has, and functions
    without a contract."""
    for number, line in enumerate(text.split("\n"), 1):
        cells = line.split("|")
        files = QUOTED.findall(cells[3]) if len(cells) == 5 else []
        if not files or not all(SOURCE.fullmatch(file) for file in files):
            continue
        paths = [path for path in names_in for file in files
                 if path == file or path.endswith("/" + file)]
        for clause in QUOTED.findall(OF.sub(r"\1", cells[2])):
            if not any(clause in names_in[path] for path in paths):
                yield number, f"{clause}: no clause in {', '.join(files)}"
        for _, owners in OF.findall(cells[2]):
            for owner in QUOTED.findall(owners):
                if owner not in of_function:
                    yield number, f"{owner}: no function with a contract"


def main():
    os.chdir(sys.argv[1])
    texts = read_sources()
    names_in = {path: set(named(text)) for path, text in texts.items()}
    known = set().union(*names_in.values())
    words = set(WORD.findall(" ".join(texts.values())))
    of_function = contracts(texts)
    with open("ASSURANCE.md", encoding="utf-8") as page:
        text = page.read()
    wrong = list(wrong_in_table(text, names_in, of_function))
    items = list(ITEM.finditer(text))
    for match in items:
        line = text.count("\n", 0, match.start()) + 1
        item = " ".join(match[1].split())
        wrong += [(line, what) for what in
                  wrong_in_item(item, known, words, of_function)]
    for line, what in wrong:
        print(f"ASSURANCE.md:{line}: {what}")
    print(f"{len(items)} sentences say that something is proved, "
          f"{len(wrong)} names are wrong")
    sys.exit(bool(wrong) or len(items) < 20)


main()
