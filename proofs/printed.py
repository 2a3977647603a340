# SPDX-License-Identifier: MIT
"""A unit as the prover sees it: what `frama-c -print` makes of it.

In that text the preprocessor has run, each conversion and each return is
written out, and each contract stands before its function.  Ghost code is
unwrapped here, so that it is looked at like all else.  clang takes the C apart,
because a tree says what an expression is where a pattern guesses; clauses of
ACSL are cut at their semicolons.
"""
import json
import re
import subprocess
import tempfile

import provers

GHOST = re.compile(r"/\*@ ghost\b((?:(?!\*/).)*)\*/", re.S)
TOKEN = re.compile(r'/\*@.*?\*/|/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\])*"|'
                   r"'(?:\\.|[^'\\])*'|.", re.S)
MARK = re.compile(r"\\?\w+|\s+|.", re.S)
CLAUSE = re.compile(r"(?:behavior\s+\w+\s*:\s*)?(\w*)")
NAMED = re.compile(r"\b(?:predicate|logic)\b[^=]*?(\w+)\s*(?:\{[^}]*\})?\s*"
                   r"(?:\(|=)", re.S)


def without_ghosts(text):
    """The text with ghost code as code."""
    def unwrap(found):
        return " %s " % found.group(1).replace("/@", "/*@").replace(
            "@/", "*/").replace("\\ghost", "")
    return GHOST.sub(unwrap, text)


def squeezed(text):
    return " ".join(text.split())


def clauses_of(annotation):
    """The word that each clause begins with, and the clause."""
    clause = ""
    depth = binders = 0
    for mark in MARK.findall(annotation[3:-2] + ";"):
        depth += (mark in "([{") - (mark in ")]}")
        binders += mark in ("\u2200", "\u2203", "\\let")
        if mark == ";" and binders:
            binders -= 1
        elif mark == ";" and depth == 0:
            if clause.strip():
                yield CLAUSE.match(clause.strip()).group(1), squeezed(clause)
            clause = ""
            continue
        clause += mark


class Printed:
    """annotations: all, each with whether it is inside a body;
    contracts: of functions, by name; logic: predicates, by name."""

    def __init__(self, path, env, top):
        with tempfile.NamedTemporaryFile("r", suffix=".c",
                                         encoding="utf-8") as made:
            said = subprocess.run(
                ["frama-c", "-no-autoload-plugins", "-load-module", "variadic",
                 *provers.parsing(path), "-variadic-no-translation", "-print",
                 "-ocode", made.name, path],
                cwd=top, env=dict(env, PWD=top), text=True,
                capture_output=True, check=False)
            self.text = without_ghosts(made.read())
        self.tree = None
        self.annotations = []
        self.contracts = {}
        self.logic = {}
        if said.returncode == 0:
            self.read()
            self.parse()

    def read(self):
        """Cut the text where a declaration ends."""
        depth = 0
        code = contract = ""
        text = re.sub(r"^#include[^\n]*", "", self.text, flags=re.M)
        for token in TOKEN.findall(text):
            if token.startswith("/*@"):
                self.annotations.append((token, depth > 0))
                if depth == 0 and NAMED.match(token[3:].strip()):
                    self.define(token)
                elif depth == 0:
                    contract += token
                continue
            if token.startswith(("/*", "//")):
                continue
            code += token
            depth += (token == "{") - (token == "}")
            if depth == 0 and token in ";}":
                name = re.match(r"[^({=]*?(\w+)\s*\(", code)
                if name and contract:
                    self.contracts[name.group(1)] = squeezed(contract)
                if name or token == ";":
                    code = contract = ""

    def define(self, annotation):
        """One comment may have several."""
        for _, clause in clauses_of(annotation):
            found = NAMED.match(clause)
            if found:
                self.logic[found.group(1)] = clause

    def parse(self):
        made = subprocess.run(
            ["clang", "-std=gnu11", "-w", "-fsyntax-only", "-Xclang",
             "-ast-dump=json", "-x", "c", "-"], input=self.text, text=True,
            capture_output=True, check=False)
        if made.returncode == 0:
            self.tree = json.loads(made.stdout)

    def declarations(self):
        """What the unit declares, without what the system's headers do."""
        for node in self.tree["inner"]:
            if "includedFrom" not in json.dumps(node.get("loc", {})) and \
                    not node.get("isImplicit"):
                yield node


def nodes(tree):
    """The tree, from the top, each node with its parent."""
    todo = [(tree, None)]
    while todo:
        node, parent = todo.pop()
        if "kind" in node:
            yield node, parent
            todo += [(child, node) for child in reversed(
                node.get("inner", []))]
