# SPDX-License-Identifier: MIT
"""What a unit may contain.  All else is refused, since a proof of it might say
less than it seems.

1. Each function that has a body, also those of headers, has a contract, which
   says `terminates \\true`, `exits \\false`, and what it assigns.
2. Nothing is believed.  A clause is one of CONTRACT, STATEMENT or LOGIC, and so
   neither an axiom nor an assumption.  A predicate has a definition, and one
   that refers to itself counts down to an end.
3. No pointer is made of a number, so none leads into lent memory: of
   conversions there are only those of CASTS.  What is left, arithmetic on a
   pointer of our own, the prover wants to be inside its object.  The C consists
   of NODES; so there is no assembly, no union, no call through a pointer.
4. A function without a body, ghost or not, is one that another unit proves by
   the same contract, or one that proofs/assumed names, with the contract that
   it has in the header named there.
5. The prover sees the text that the compiler sees: the only conditions on what
   is compiled are guards of headers and __cplusplus.  The exceptions are named
   in proofs/assumed, too.
"""
import fnmatch
import os
import re
import subprocess

import printed
import provers

CONTRACT = {"requires", "terminates", "exits", "ensures", "assigns", "assumes",
            "decreases", "complete", "disjoint"}
STATEMENT = {"assert", "loop"}
LOGIC = {"predicate", "logic"}
CASTS = {"LValueToRValue", "IntegralCast", "IntegralToBoolean", "NoOp",
         "ArrayToPointerDecay", "FunctionToPointerDecay"}
NODES = set("""
    TypedefDecl RecordDecl FieldDecl EnumDecl EnumConstantDecl FunctionDecl
    ParmVarDecl VarDecl
    BuiltinType TypedefType ElaboratedType RecordType EnumType PointerType
    ConstantArrayType QualType ParenType
    CompoundStmt DeclStmt IfStmt WhileStmt SwitchStmt CaseStmt DefaultStmt
    BreakStmt GotoStmt LabelStmt ReturnStmt NullStmt
    DeclRefExpr IntegerLiteral StringLiteral ConstantExpr MemberExpr
    ArraySubscriptExpr CallExpr UnaryOperator BinaryOperator
    CompoundAssignOperator ParenExpr InitListExpr UnaryExprOrTypeTraitExpr
    ImplicitCastExpr CStyleCastExpr
""".split())
SYSTEM_HEADERS = {"<stddef.h>", "<stdint.h>", "<stdbool.h>"}
DIRECTIVES = {"include", "define", "undef", "if", "ifdef", "ifndef", "elif",
              "else", "endif", "error"}
RESERVED = {"__cplusplus", "_Static_assert"}


class Unit:
    """One file as the prover sees it, and the text that it was made of."""

    def __init__(self, path, env, top):
        self.path = path
        self.seen = printed.Printed(path, env, top)
        self.files = list(own_files(path, top))
        self.defined = {}  # functions with a body: are they static?
        self.called = set()
        self.odd = []
        if self.seen.tree:
            for node in self.seen.declarations():
                self.look_at(node)
        self.proves = {f for f, static in self.defined.items() if not static}

    def look_at(self, top):
        """Is all that is below on the lists?"""
        name = top.get("name", "something")
        callees = set()
        if top["kind"] == "FunctionDecl" and any(
                child["kind"] == "CompoundStmt"
                for child in top.get("inner", [])):
            self.defined[name] = top.get("storageClass") == "static"
        for node, parent in printed.nodes(top):
            kind = node["kind"]
            if kind not in NODES:
                self.odd.append("not for the prover: %s in %s" % (kind, name))
            if "castKind" in node and node["castKind"] not in CASTS:
                self.odd.append("%s makes a pointer: %s" % (
                    name, node["castKind"]))
            if node.get("tagUsed") == "union" or node.get("isBitfield"):
                self.odd.append("not for the prover: a union or bit-field")
            shown = " ".join(node.get("type", {}).values())
            for word in ("volatile", "_Atomic", "__attribute__", "..."):
                if word in shown:
                    self.odd.append("not for the prover: %s in %s" % (word,
                                                                      name))
            if kind == "CallExpr":
                callees.add(id(node["inner"][0]))
            if node.get("castKind") == "FunctionToPointerDecay":
                function = node["inner"][0].get("referencedDecl", {})
                if id(node) not in callees or \
                        function.get("kind") != "FunctionDecl":
                    self.odd.append("calls through a pointer: " + name)
                else:
                    self.called.add(function["name"])
            elif kind == "CallExpr" and node["inner"][0].get(
                    "castKind") != "FunctionToPointerDecay":
                self.odd.append("calls through a pointer: " + name)
        if top["kind"] == "VarDecl" and "*" in top["type"]["qualType"]:
            self.odd.append("a pointer that anybody may set: " + name)


def own_files(path, top):
    """The file and the headers of ours that the prover sees, with their
    text."""
    made = subprocess.run(
        ["cc", "-MM", "-D__FRAMAC__", *provers.includes(path), path], cwd=top,
        text=True, capture_output=True, check=False).stdout
    for name in re.findall(r"\S+\.[ch]\b", made) or [path]:
        with open(os.path.join(top, name), encoding="utf-8") as source:
            yield os.path.normpath(name), source.read()


class Assumed:
    """The file proofs/assumed: functions that are believed, each with its
    header, and named in ASSURANCE.md; files of which the compiler sees other
    text, with how many conditions they have; functions that say where their
    result comes from, which no prover of ours shows; and sources in a folder of
    units that are none, named in ASSURANCE.md, too."""

    def __init__(self, env, top=provers.TOP):
        self.functions = {}
        self.conditions = {}
        self.sources = set()
        self.apart = set()
        self.wrong = []
        headers = {}
        with open(os.path.join(top, "ASSURANCE.md"), encoding="utf-8") as page:
            page = page.read()
        told = " ".join(re.findall(r"^\| A.*", page, re.M))
        with open(os.path.join(top, "proofs/assumed"), encoding="utf-8") as f:
            rows = [line.split() for line in f
                    if line.strip() and not line.startswith("#")]
        for name, header, *count in rows:
            if name == "differs":
                self.conditions[header] = int(count[0])
                continue
            if name == "from":
                self.sources.add(header)
                continue
            if name == "apart":
                self.apart.add(header)
                if "`%s`" % os.path.basename(header) not in page:
                    self.wrong.append("ASSURANCE.md does not name " + header)
                continue
            if header not in headers:
                headers[header] = printed.Printed(header, env, top)
            self.functions[name] = headers[header].contracts.get(name)
            if not self.functions[name]:
                self.wrong.append("%s has no contract in %s" % (name, header))
            if not any(fnmatch.fnmatchcase(name, word)
                       for word in re.findall(r"`([^`]+)`", told)):
                self.wrong.append("ASSURANCE.md does not name " + name)


def without_contract(unit):
    for name in unit.defined:
        contract = unit.seen.contracts.get(name)
        if not contract:
            yield "no contract: " + name
            continue
        whole = contract.split("behavior ")[0]
        clauses = list(printed.clauses_of(whole))
        missing = [c for c in ("terminates", "exits", "assigns")
                   if c not in [word for word, _ in clauses]]
        if missing:
            yield "the contract of %s has no %s" % (name, ", ".join(missing))
        for word, clause in printed.clauses_of(contract):
            if word == "terminates" and clause != "terminates \\true" or \
                    word == "exits" and clause != "exits \\false":
                yield "the contract of %s says: %s" % (name, clause)


def believed(unit):
    for annotation, inside in unit.seen.annotations:
        clauses = list(printed.clauses_of(annotation))
        allowed = STATEMENT if inside else (
            LOGIC if clauses and clauses[0][0] in LOGIC else CONTRACT)
        for word, clause in clauses:
            if word not in allowed:
                yield "believed, not proved: " + clause[:60]
            if word == "loop" and not re.match(
                    r"loop (invariant|assigns|variant)\b", clause):
                yield "believed, not proved: " + clause[:60]
            if re.match(r"(loop variant|decreases)\b.*\bfor\b", clause):
                yield "a measure of its own: " + clause[:60]
            if word in LOGIC and "=" not in clause:
                yield "it has no definition: " + clause[:60]


def below(name, logic):
    """The predicates that a predicate depends on."""
    found = set()
    todo = [name]
    while todo:
        words = re.findall(r"\w+", logic[todo.pop()].split("=", 1)[-1])
        fresh = {w for w in words if w in logic} - found
        found |= fresh
        todo += fresh
    return found


def arguments_of(text, start):
    """The arguments in the parentheses that open at `start`."""
    depth = 0
    arguments = [""]
    for mark in text[start:]:
        depth += mark in "([{"
        depth -= mark in ")]}"
        if depth == 0:
            return [a.strip() for a in arguments]
        if mark == "," and depth == 1:
            arguments.append("")
        elif depth > 1 or mark != "(":
            arguments[-1] += mark
    return []


def counts_down(name, definition):
    """Is it `p <= end ? ... : ...`, refers to itself only in the last part,
    there with `p - 1` for p, and with the same end?"""
    head, body = definition.split("=", 1)
    body = re.sub(r"^\s*\\at\((.*),\s*\w+\)$", r"\1", body, flags=re.S)
    parameters = [p.split()[-1].lstrip("*").split("[")[0]
                  for p in arguments_of(head, head.index("("))]
    shape = re.match(r"\s*(\w+) ≤ (\w+)\?([^:?]*):(.*)$", body, re.S)
    if not shape:
        return False
    counted, end, base, rest = shape.groups()
    if counted not in parameters or re.search(r"\b%s\b" % name, base) or \
            not (end == "0" or end in parameters):
        return False
    for call in re.finditer(r"\b%s(?:\{[^}]*\})?\(" % name, rest):
        given = dict(zip(parameters, arguments_of(rest, call.end() - 1)))
        if given.get(counted) != counted + " - 1" or \
                end in parameters and given.get(end) != end:
            return False
    return not re.search(r"\b%s\b(?!(?:\{[^}]*\})?\()" % name, rest)


def founded(unit):
    logic = unit.seen.logic
    for name, definition in logic.items():
        around = below(name, logic)
        if name in around and not (
                all(name not in below(other, logic)
                    for other in around - {name}) and
                counts_down(name, definition)):
            yield "refers to itself without end: " + name


def same_words(contract, one, other):
    """The predicates that the contract depends on and the two do not share."""
    words = {w for w in re.findall(r"\w+", contract)
             if w in one.seen.logic and w in other.seen.logic}
    for word in set(words):
        words |= below(word, one.seen.logic) & set(other.seen.logic)
    return [w for w in sorted(words)
            if one.seen.logic[w] != other.seen.logic[w]]


def strangers(unit, units, assumed):
    for name in sorted(unit.called - set(unit.defined)):
        contract = unit.seen.contracts.get(name)
        provers_of = [u for u in units if name in u.proves]
        if name in assumed.functions:
            if contract != assumed.functions[name]:
                yield "it has another contract than assumed: " + name
        elif not provers_of or not contract:
            yield "its contract is believed: " + name
        elif contract != provers_of[0].seen.contracts.get(name):
            yield "another contract is proved of it: " + name
        else:
            for word in same_words(contract, unit, provers_of[0]):
                yield "%s means something else where %s is proved" % (
                    word, name)


def code_of(text):
    """Without comments, annotations and what is in quotes."""
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    text = re.sub(r"//[^\n]*", "", text)
    return re.sub(r'(?m)^(?!\s*#)([^"\n]*)"[^"\n]*"', r"\1", text)


def conditions_in(code):
    """How many conditions may differ for the compiler and the prover."""
    guard = re.match(r"\s*#ifndef (\w+)\n#define \1\n", code)
    same = {"__cplusplus", guard and guard.group(1)}
    return sum(condition.strip() not in same for condition in re.findall(
        r"^[ \t]*#[ \t]*(?:if|ifdef|ifndef|elif)\b([^\n]*)", code, re.M))


def differences(unit, assumed):
    """What the compiler might see in another way."""
    for name, text in unit.files:
        code = code_of(text)
        for directive, rest in re.findall(
                r"^[ \t]*#[ \t]*(\w+)[ \t]*([^\n]*)", code, re.M):
            if directive not in DIRECTIVES or directive == "include" and \
                    rest.strip() not in SYSTEM_HEADERS and \
                    not re.match(r'"|<precarium/', rest):
                yield "not for the prover: #%s %s in %s" % (directive, rest,
                                                            name)
        conditions = conditions_in(code)
        if conditions != assumed.conditions.get(name, 0):
            yield "the compiler may see other text: %d conditions in %s" % (
                conditions, name)
        reserved = set(re.findall(r"\b(?:__\w+|_[A-Z]\w*)", code)) - RESERVED
        if reserved and name not in assumed.conditions:
            yield "names of the compiler: %s in %s" % (
                ", ".join(sorted(reserved)), name)


def complaints(unit, units, assumed):
    """All that is wrong with a unit, given what all units together prove."""
    if not unit.seen.tree or not unit.defined:
        return ["Frama-C cannot read it"]
    return (list(without_contract(unit)) + list(believed(unit)) +
            list(founded(unit)) + unit.odd +
            list(strangers(unit, units, assumed)) +
            list(differences(unit, assumed)))


def left_out(units, assumed, top):
    """The sources of the folders of src that have units, and are none; and what
    is said to be none and is not there, or is one."""
    folders = {os.path.dirname(u) for u in units if u.startswith("src/")}
    paths = [os.path.join(folder, name) for folder in sorted(folders)
             for name in sorted(os.listdir(os.path.join(top, folder)))]
    return ([path + " is not in proofs/units" for path in paths
             if path.endswith(".c") and path not in units and
             path not in assumed.apart] +
            [path + " is no source apart from units"
             for path in sorted(assumed.apart)
             if path not in paths or path in units])
