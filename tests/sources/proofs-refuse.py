#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""proofs/run refuses what would make a proof say less than it seems.

A tree with one unit that is in order, and one for each way not to be.  Each of
those must be refused for its own reason; the one in order must not.
Usage: proofs-refuse.py SOURCE_ROOT
"""
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = sys.argv[1]
RUN = os.path.join(ROOT, "proofs/run")
ENDS = "terminates \\true; exits \\false; assigns \\nothing;"
GOOD = "/*@ %s ensures same: \\result == x; */ " % ENDS
ASSURANCE = "| A1 | a device answers (`device_*`, `B`, `axiom_named`) |\n"

HEADERS = {
    "believed.h": "/*@ axiomatic A { axiom cheap: 1 == 2; } */\n",
    "inline.h": "static inline int helper(int x) { return x; }\n",
    "hidden.h": "#ifdef __FRAMAC__\n#define SEEN 1\n#endif\n",
    "macro.h": "#define AT(n) (*(unsigned char *)(n))\n",
    "declared.h": GOOD + "int declared(int x);\n",
}
# the unit, its text, what must be said of it
REFUSED = [
    ("static", GOOD + "int f(int x) { return x; }\n"
     "static int bare(int x) { return x; }\n", "no contract: bare"),
    ("loop", "static int loops(int x) { int i;\n"
     "/*@ loop invariant 0 <= i; loop assigns i; loop variant 3 - i; */\n"
     "for (i = 0; i < 3; i++) ; return x; }\n", "no contract: loops"),
    ("predicate", "/*@ predicate assigned(integer i) = i == 0; */\n"
     "int bare(int x) { return x; }\n", "no contract: bare"),
    ("inline", '#include "inline.h"\n' + GOOD +
     "int f(int x) { return x; }\n", "no contract: helper"),
    ("part", "/*@ requires x > 0; assigns \\nothing; */\n"
     "int part(int x) { return x; }\n", "part has no terminates, exits"),
    ("axiom", '#include "believed.h"\n' + GOOD +
     "int f(int x) { return x; }\n", "axiom cheap"),
    ("admit", "/*@ %s ensures \\result == 1; */ int f(int x)\n"
     "{ //@ admit later: x == 1;\n return x; }\n" % ENDS, "admit later"),
    ("requires", "/*@ admit requires wish: x == 1; %s */\n"
     "int f(int x) { return x; }\n" % ENDS, "admit requires"),
    ("cast", GOOD + "int f(unsigned long x)\n"
     "{ return *(unsigned char *)x; }\n", "f makes a pointer"),
    ("const", GOOD + "int f(unsigned long x)\n"
     "{ return *(const unsigned char *)x; }\n", "f makes a pointer"),
    ("macro", '#include "macro.h"\n' + GOOD +
     "int f(unsigned long x) { return AT(x); }\n", "f makes a pointer"),
    ("typedef", "typedef unsigned char *bytes;\n" + GOOD +
     "int f(unsigned long x) { return *(bytes)x; }\n", "hides a pointer"),
    ("union", GOOD + "int f(unsigned long x)\n"
     "{ union { unsigned long n; unsigned char *p; } u = { .n = x };\n"
     "return *u.p; }\n", "union"),
    ("volatile", GOOD + "int f(volatile int *x) { return *x; }\n",
     "volatile"),
    ("lent", GOOD + "int f(int x) { return x; }\n"
     "/*@ %s ensures \\valid_read(\\result); */\n"
     "const unsigned char *prec_lent(int x);\n"
     "/*@ %s */ int g(int x) { return *prec_lent(x); }\n" % (ENDS, ENDS),
     "believed: prec_lent"),
    ("memcpy", "#include <string.h>\n/*@ requires \\valid(a) && "
     "\\valid_read(b) && \\separated(a, b); terminates \\true;\n"
     "exits \\false; assigns *a; */ void f(int *a, int *b)\n"
     "{ memcpy(a, b, sizeof(*a)); }\n", "believed: memcpy"),
    ("hidden", '#include "hidden.h"\n' + GOOD +
     "int f(int x) { return x; }\n", "asks for __FRAMAC__"),
    ("false", "/*@ %s ensures wrong: \\result == x + 1; */\n"
     "int f(int x) { return x; }\n" % ENDS, "goals are not proved"),
    ("fewer", GOOD + "int f(int x) { return x; }\n", "there were 1000"),
    ("syntax", "int f(int x) { return x }\n", "cannot read"),
]
IN_ORDER = ('#include "declared.h"\n'
            "/*@ %s */ int device_get(int x);\n"
            "/*@ axiomatic B { axiom axiom_named: 1 == 1; } */\n"
            "int declared(int x) { return x; }\n"
            "/*@ requires p: \\valid_read(p); %s */\n"
            "static int get(const int *p) { return *p; }\n"
            "/*@ requires p: \\valid_read(p); %s */\n"
            "static int hand_on(int *p) { return get(p); }\n"
            "/*@ %s */ int ask(int x) { return device_get(x); }\n"
            % ((ENDS,) * 4))
# proved, like everything of no number at all
NEVER = ("/*@ requires less: x < 0; requires more: x > 0; %s\n"
         "ensures wrong: \\result == x + 1; */\n"
         "int f(int x) { return x; }\n" % ENDS)

points = failed = 0


def expect(holds, what):
    global points, failed
    points += 1
    if not holds:
        failed += 1
        print("not so: " + what)


def make_tree(tree):
    for folder in ("include", "src", "proofs"):
        os.mkdir(os.path.join(tree, folder))
    texts = {"include/" + name: text for name, text in HEADERS.items()}
    texts.update({"src/%s.c" % n: text for n, text, _ in REFUSED})
    texts["src/good.c"] = IN_ORDER
    texts["src/never.c"] = NEVER
    texts["ASSURANCE.md"] = ASSURANCE
    texts["proofs/units"] = "src/good.c 9\nsrc/never.c 1 cvc5,z3\n" + "".join(
        "src/%s.c %d\n" % (n, 1000 if n == "fewer" else 1)
        for n, _, _ in REFUSED)
    for name, text in texts.items():
        with open(os.path.join(tree, name), "w", encoding="utf-8") as out:
            out.write(text)


def run(tree, *arguments, path=None, program=RUN):
    env = dict(os.environ, PATH=path or os.environ["PATH"])
    return subprocess.run([sys.executable, program, "--build", tree,
                           *arguments], env=env, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def said_of(unit, text):
    """The lines of the table under the unit's."""
    lines = text.splitlines()
    rows = [i for i, line in enumerate(lines) if line.startswith(unit + " ")]
    if len(rows) != 1:
        return None
    said = []
    for line in lines[rows[0] + 1:]:
        if not line.startswith("    "):
            break
        said.append(line.strip())
    return said


def goals_of(unit, text):
    """How many it has, and how many of them are proved; which prover was the
    first to prove one is a race."""
    rows = [line.split() for line in text.splitlines()
            if line.startswith(unit + " ")]
    return rows[0][1:3] if rows else None


def contradiction_is_found(tree, plain):
    """By a smoke test, and by nothing else; smoke tests are no goals."""
    result = run(tree, "--tree", tree, "src/never.c")
    expect(result.returncode == 0, "never.c is proved: " + result.stdout)
    result = run(tree, "--smoke", "--tree", tree, "src/good.c", "src/never.c")
    said = said_of("src/never.c", result.stdout)
    expect(result.returncode == 1 and said is not None and
           any("contradictory premises" in line for line in said),
           "a smoke test finds that never.c cannot be called: %s" % said)
    expect(said_of("src/good.c", result.stdout) == [] and
           goals_of("src/good.c", result.stdout) ==
           goals_of("src/good.c", plain),
           "good.c has the same goals and no contradiction: " + result.stdout)


def refuses(tree):
    result = run(tree, "--timeout", "1", "--tree", tree)
    expect(result.returncode == 1, "the status is 1 where units are refused")
    for name, _, why in REFUSED:
        said = said_of("src/%s.c" % name, result.stdout)
        expect(said is not None and any(why in line for line in said),
               "%s.c is refused for '%s': %s" % (name, why, said))
    said = said_of("src/good.c", result.stdout)
    expect(said == [], "good.c is in order: %s" % said)
    result = run(tree, "--tree", tree, "src/good.c")
    expect(result.returncode == 0, "the status is 0: " + result.stdout)
    contradiction_is_found(tree, result.stdout)


def tools_are_named(tree):
    """Without z3, and with one that says it is another."""
    tools = os.path.join(tree, "bin")
    os.mkdir(tools)
    for name in ("frama-c", "why3", "cvc5", "cc", "gcc"):
        os.symlink(shutil.which(name), os.path.join(tools, name))
    for program in (RUN, os.path.join(ROOT, "proofs/mutants/run")):
        result = run(tree, path=tools, program=program)
        expect(result.returncode == 77 and "missing: z3\n" in result.stdout and
               "apt-get install" in result.stdout,
               "%s says that z3 is missing: %s" % (program, result.stdout))
    z3 = os.path.join(tools, "z3")
    with open(z3, "w", encoding="utf-8") as out:
        out.write("#!/bin/sh\necho Z3 version 9.9.9\n")
    os.chmod(z3, 0o755)
    result = run(tree, "--tree", tree, "src/good.c",
                 path=tools + ":" + os.environ["PATH"])
    expect("z3 is 9.9.9; the goals were counted with" in result.stdout,
           "another version is told: " + result.stdout)


def main():
    missing = [tool for tool in ("frama-c", "why3", "z3", "cvc5")
               if not shutil.which(tool)]
    if missing:
        print("skipped: missing: " + ", ".join(missing))
        return 77
    with tempfile.TemporaryDirectory(prefix="refuse.") as tree:
        make_tree(tree)
        refuses(tree)
        tools_are_named(tree)
    print("%d points, %d failed" % (points, failed))
    return 1 if failed or not points else 0


if __name__ == "__main__":
    sys.exit(main())
