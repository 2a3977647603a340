# SPDX-License-Identifier: MIT
"""What a unit may not contain, since a proof of it would say less than it seems.

The text that is looked at is Frama-C's own, after preprocessing and with each
conversion written out (frama-c -print), so that no macro hides anything:

1. Each function that has a body, also those of headers, has a contract, which
   says that it ends, how, and what it assigns.
2. Nothing is believed: no axiom, no admitted clause, no assumption.
3. No pointer is made of a number, so none leads into lent memory: a cast to a
   pointer may only add `const`.  No union, no volatile, no assembly, no typedef
   that hides a pointer.  What is left, arithmetic on a pointer of our own, the
   prover wants to be inside its object.
4. A function without a body, whose contract is believed, is one that another
   unit proves: so no memcpy either.
5. The prover sees what the compiler sees: __FRAMAC__ is not asked for.

Of 2, 4 and 5 the exceptions are those that ASSURANCE.md names as assumed.
"""
import fnmatch
import os
import re
import subprocess

import provers

CONTRACT = r"/\*@(?:(?!\*/).)*\*/\s*"
HEAD = r"^(?![\s/])[^{};=]*?\b(\w+)\([^{};]*\)"
DEFINITION = re.compile("(%s)?(%s)\n\\{\n(.*?)^\\}" % (CONTRACT, HEAD),
                        re.M | re.S)
DECLARATION = re.compile(HEAD + ";", re.M | re.S)
CLAUSES = ("terminates", "exits", "assigns")
BELIEVED = re.compile(r"\b(axiomatic|axiom|admit|assume)\b\s*(\w*)")
UNSEEN = ("union", "volatile", "asm", "__asm__")
CAST = re.compile(r"\(([\w ]+?)\s*(\*[* ]*)\)\s*(\(?\w*)")
HIDDEN = re.compile(r"typedef\b[^;{]*\*")


class Unit:
    """One file as the prover sees it."""

    def __init__(self, path, env, top):
        self.path = path
        said = subprocess.run(["frama-c"] + provers.PARSE + ["-print", path],
                              cwd=top, env=dict(env, PWD=top), text=True,
                              capture_output=True, check=False)
        self.text = said.stdout
        self.parsed = said.returncode == 0
        self.functions = [m.groups() for m in DEFINITION.finditer(self.text)]
        self.proves = {name for _, _, name, _ in self.functions}
        bodies = " ".join(body for _, _, _, body in self.functions)
        declared = DECLARATION.findall(code_of(self.text))
        # also from ghost code what is declared, and from C what is not
        self.believes = calls_in(bodies) & set(declared)
        self.believes |= calls_in(code_of(bodies))
        self.believes -= self.proves
        self.files = list(own_files(path, top))


def code_of(text):
    """Without annotations."""
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


def calls_in(text):
    return set(re.findall(r"\b(\w+)\(", text)) - {"sizeof"}


def own_files(path, top):
    """The file and the headers of ours that it includes, with their text."""
    made = subprocess.run(
        ["cc", "-MM", "-D__FRAMAC__", "-Iinclude", "-Isrc", path], cwd=top,
        text=True, capture_output=True, check=False).stdout
    for name in re.findall(r"\S+\.[ch]\b", made) or [path]:
        with open(os.path.join(top, name), encoding="utf-8") as source:
            yield os.path.normpath(name), source.read()


def assumed(top=provers.TOP):
    """What ASSURANCE.md says is assumed: the words in `` of its list A1, A2 and
    so on.  They may end in *."""
    with open(os.path.join(top, "ASSURANCE.md"), encoding="utf-8") as page:
        rows = [line for line in page if re.match(r"\| A\d+ \|", line)]
    return re.findall(r"`([^`]+)`", " ".join(rows))


def named(word, words):
    return any(fnmatch.fnmatchcase(word, pattern) for pattern in words)


def without_contract(unit):
    for contract, _, name, _ in unit.functions:
        missing = [c for c in CLAUSES if c not in (contract or "")]
        if len(missing) == len(CLAUSES):
            yield "no contract: " + name
        elif missing:
            yield "the contract of %s has no %s" % (name, ", ".join(missing))


def believed(unit, words):
    for kind, name in BELIEVED.findall(unit.text):
        if not named(name, words):
            yield "believed, not proved: %s %s" % (kind, name)


def pointers(unit):
    for word in UNSEEN:
        if re.search(r"\b%s\b" % word, unit.text):
            yield "not for the prover: " + word
    for found in HIDDEN.findall(unit.text):
        yield "a type that hides a pointer: " + " ".join(found.split())
    for _, head, name, body in unit.functions:
        for what, stars, operand in CAST.findall(body):
            kind = re.sub(r"\s*\bconst\b\s*", " ", what).strip()
            own = re.search(r"\b%s( const)? (\*%s\b|%s\[)" % (
                kind, operand.strip("("), operand.strip("(")), head + body)
            if stars.strip() != "*" or "const" not in what or not own:
                yield "%s makes a pointer: (%s %s)%s" % (
                    name, what, stars, operand)


def strangers(unit, proved, words):
    for name in sorted(unit.believes - proved):
        if not named(name, words):
            yield "its contract is believed: " + name


def unseen(unit, words):
    for name, text in unit.files:
        if "__FRAMAC__" in text and not named(name, words):
            yield "asks for __FRAMAC__: " + name


def complaints(unit, proved, words):
    """All that is wrong with a unit, given what all units together prove."""
    if not unit.parsed or not unit.functions:
        return ["Frama-C cannot read it"]
    return (list(without_contract(unit)) + list(believed(unit, words)) +
            list(pointers(unit)) + list(strangers(unit, proved, words)) +
            list(unseen(unit, words)))
