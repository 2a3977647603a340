# SPDX-License-Identifier: MIT
"""What caught each bug, kept in the file `caught`: a run of all takes long, and
a look at the record does not.

A record counts as long as what the verdict depends on is the same: the function
with its contract and the bug, and, from the whole unit as the preprocessor makes
it, each declaration, contract, predicate, type and macro that is named there, or
in one that is named there.  The bodies of other functions do not count, nor do
comments, spaces and line ends.
"""
import hashlib
import os
import re
import subprocess

import provers

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "caught")
HEADER = """# Which goal each bug makes fail.  Written by proofs/mutants/run --record.
# What the verdict depends on, in short; how many seconds the goal was given; the
# goal; the bug.
"""
ALWAYS = re.compile(r"\b(axiom\w*|lemma|admit|assume|(?:type|global) invariant)\b")
WORDS = re.compile(r"[A-Za-z_]\w*")

GLOBAL = re.compile(r"/\*@\s*(?://[^\n]*\s*)*"
                    r"(?:predicate|logic|axiom|lemma|ghost)\b.*\*/$", re.S)
PREDICATE = re.compile(r"(?:predicate|logic\s+[\w ]+?)\s+(\w+)\s*[{(=]")


def read():
    """What is recorded: bug -> digest, seconds and goal."""
    records = {}
    if os.path.exists(PATH):
        with open(PATH, encoding="utf-8") as lines:
            for line in lines:
                if line.strip() and not line.startswith("#"):
                    *found, bug = line.rstrip("\n").split("\t")
                    records[bug] = tuple(found)
    return records


def write(records, bugs):
    """In the order of the lists; what is no bug any more is forgotten."""
    with open(PATH + ".new", "w", encoding="utf-8") as out:
        out.write(HEADER)
        for bug in bugs:
            if bug in records:
                out.write("\t".join([*records[bug], bug]) + "\n")
    os.replace(PATH + ".new", PATH)


def own_text(unit):
    """The unit after preprocessing, with the macros; only what is ours."""
    made = subprocess.run(
        ["cc", "-std=c11", "-E", "-C", "-dD", "-D__FRAMAC__",
         *provers.includes(unit), unit], cwd=provers.TOP, text=True, check=True,
        capture_output=True).stdout
    ours = False
    for line in made.splitlines():
        mark = re.match(r'# \d+ "([^"]*)"', line)
        if mark:
            ours = mark.group(1)[:1] not in "/<"
        elif ours and not line.startswith("#undef"):
            yield line


def tokens_of(text):
    """Words and marks; of comments only those that the prover reads."""
    text = re.sub(r"/\*(?!@).*?\*/", " ", text, flags=re.S)
    text = re.sub(r"//(?!@)[^\n]*", " ", text)
    return re.findall(r'"[^"]*"|\w+|[^\w\s]', text)


class Item:
    """One declaration, definition, macro or group of predicates."""

    def __init__(self, text):
        plain = re.sub(r"/\*.*?\*/", lambda c: " " * len(c.group()), text,
                       flags=re.S)
        cut = plain.find("{") if "{" in plain else len(text)
        head, body = text[:cut], text[cut:]
        plain = plain[:cut]
        function = re.search(r"\b(\w+)\([^;{}=]*\)\s*;?\s*$", plain)
        self.function = function.group(1) if function else None
        self.body = body if function else ""
        self.head = " ".join(tokens_of(head if function else text))
        macro = re.match(r"#define (\w+)", text)
        if self.function:
            self.names = {self.function}
        elif macro:
            self.names = {macro.group(1)}
        elif PREDICATE.match(text):
            self.names = {PREDICATE.match(text).group(1)}
        else:
            self.names = set(WORDS.findall(self.head))
        self.always = bool(ALWAYS.search(self.head)) and not self.function


def items_of(unit):
    """The text cut where a declaration ends: at ; or } outside of braces and
    annotations.  A contract belongs to what follows it."""
    held = ""
    depth = 0
    commented = False
    for line in own_text(unit):
        if line.startswith("#define"):
            yield Item(line)
            continue
        held += line + "\n"
        # marks inside comments are none
        code = line
        if commented:
            if "*/" not in code:
                continue
            code = code.split("*/", 1)[1]
            commented = False
        code = re.sub(r"/\*.*?\*/|//.*", "", code)
        if "/*" in code:
            code = code.split("/*", 1)[0]
            commented = True
        depth += code.count("{") - code.count("}")
        ended = depth == 0 and re.search(r"[;}]\s*$", code)
        said = re.sub(r"/\*(?!@).*?\*/", "", held, flags=re.S).strip()
        alone = not (commented or depth) and GLOBAL.match(said)
        if alone:
            said = re.sub(r"//[^\n]*", "", said)
            for one in re.split(r"\b(?=predicate\s|logic\s)", said):
                yield Item(one)
        elif ended and said:
            yield Item(said)
        if alone or ended:
            held = ""


class Slices:
    """Digests, with each unit taken apart once."""

    def __init__(self):
        self.items = {}

    def digest(self, mutant):
        if mutant.unit not in self.items:
            self.items[mutant.unit] = list(items_of(mutant.unit))
        items = self.items[mutant.unit]
        bug = tokens_of(mutant.old) + ["=>"] + tokens_of(mutant.new)
        parts = [" ".join(tokens_of(i.body)) for i in items
                 if i.function == mutant.function and i.body]
        wanted = set(WORDS.findall(" ".join(parts + bug))) | {mutant.function}
        taken = set()
        grown = True
        while grown:
            grown = False
            for i, item in enumerate(items):
                if i not in taken and (item.always or item.names & wanted):
                    taken.add(i)
                    wanted |= set(WORDS.findall(item.head))
                    grown = True
        whole = provers.parsing(mutant.unit) + provers.asking(quick=False)
        whole += bug + parts
        whole += [items[i].head for i in sorted(taken)]
        return hashlib.sha256("\n".join(whole).encode()).hexdigest()[:16]
