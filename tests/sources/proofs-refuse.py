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
WRONG = "/*@ terminates \\true; exits \\false; assigns \\nothing;" \
    " ensures wrong: \\result == x + 1; */ "
SAME = "int f(int x) { return x; }\n"
ASSURANCE = "| A1 | a device answers (`device_*`) |\nNot proved: `apart.c`\n"
ASSUMED = ("device_get include/device.h\n"
           "differs include/differs.h 1\n"
           "apart src/apart.c\n")

HEADERS = {
    "believed.h": "/*@ axiomatic A { axiom cheap: 1 == 2; } */\n",
    "inline.h": "static inline int helper(int x) { return x; }\n",
    "hidden.h": "#ifdef __FRAMAC__\n#define SEEN 1\n#endif\n",
    "differs.h": "#ifdef __FRAMAC__\n#define KNOWN 1\n#endif\n",
    "macro.h": "#define AT(n) (*(unsigned char *)(n))\n",
    "declared.h": GOOD + "int declared(int x);\n",
    "device.h": "/*@ %s */ int device_get(int x);\n" % ENDS,
    "meaning.h": "/*@ %s ensures small: small(\\result); */\n"
                 "int meant(int x);\n" % ENDS,
}
# the unit, its text, what must be said of it
NO_CONTRACT = [
    ("static", GOOD + SAME + "static int bare(int x) { return x; }\n",
     "no contract: bare"),
    ("loop", "static int loops(int x) { int i;\n"
     "/*@ loop invariant 0 <= i; loop assigns i; loop variant 3 - i; */\n"
     "for (i = 0; i < 3; i++) ; return x; }\n", "no contract: loops"),
    ("predicate", "/*@ predicate assigned(integer i) = i == 0; */\n"
     "int bare(int x) { return x; }\n", "no contract: bare"),
    ("inline", '#include "inline.h"\n' + GOOD + SAME,
     "no contract: helper"),
    ("part", "/*@ requires x > 0; assigns \\nothing; */\n"
     "int part(int x) { return x; }\n", "part has no terminates, exits"),
    ("endless", "/*@ requires 0 == 0; terminates \\false; exits \\false;\n"
     "assigns \\nothing; */ " + SAME, "f says: terminates \\false"),
    ("sometimes", "/*@ terminates x > 0; exits \\false; assigns \\nothing; */" +
     SAME, "f says: terminates"),
    ("leaves", "/*@ terminates \\true; exits \\true; assigns \\nothing; */ " +
     SAME, "f says: exits \\true"),
    ("case", "/*@ assigns \\nothing; behavior b: assumes x > 0;\n"
     "exits \\false; */ " + SAME, "f has no terminates, exits"),
]
BELIEVED = [
    ("axiom", '#include "believed.h"\n' + GOOD + SAME, "axiom cheap"),
    ("listed", "/*@ axiomatic B { axiom device_axiom: 1 == 1; } */\n" + GOOD +
     SAME, "axiom device_axiom"),
    ("lemma", "/*@ lemma believed: 1 == 1; */\n" + GOOD + SAME, "lemma"),
    ("inductive", "/*@ inductive I(integer n) { case i: \\forall integer n;\n"
     "I(n); } */\n" + GOOD + SAME, "inductive"),
    ("nothing", "/*@ axiomatic N { predicate P(integer n); } */\n" + GOOD +
     SAME, "axiomatic"),
    ("admit", "/*@ %s ensures \\result == 1; */ int f(int x)\n"
     "{ //@ admit later: x == 1;\n return x; }\n" % ENDS, "admit later"),
    ("requires", "/*@ admit requires wish: x == 1; %s */\n" % ENDS + SAME,
     "admit requires"),
    ("statement", GOOD + "int f(int x) {\n//@ ensures x == 5;\nx = x; "
     "return x; }\n", "ensures x"),
    ("invariant", GOOD + "int f(int x) {\n//@ invariant x == 5;\n"
     "return x; }\n", "invariant x"),
    ("not", "/*@ predicate P(integer n) = !P(n); */\n" + GOOD + SAME,
     "without end: P"),
    ("upwards", "/*@ logic integer K(integer n) = n <= 0 ? 0 : K(n + 1); */\n" +
     GOOD + SAME, "without end: K"),
    ("up", "/*@ logic integer L(integer n) = L(n) + 1; */\n" + GOOD + SAME,
     "without end: L"),
    ("moving", "/*@ logic integer L(integer e, integer n) =\n"
     "    n <= e ? 0 : L(e - 1, n - 1); */\n" + GOOD + SAME, "without end: L"),
    ("measure", "/*@ predicate less(integer a, integer b) = a < b; */\n" +
     GOOD + "int f(int x) { int i;\n/*@ loop invariant 0 <= i <= 3;\n"
     "loop assigns i; loop variant i for less; */\n"
     "for (i = 0; i < 3; i++) ; return x; }\n", "measure of its own"),
    ("from", "/*@ terminates \\true; exits \\false;\n"
     "assigns \\result \\from \\nothing; */ " + SAME, "not shown: f"),
]
POINTERS = [
    ("cast", GOOD + "int f(unsigned long x)\n"
     "{ return *(unsigned char *)x; }\n", "f makes a pointer"),
    ("const", GOOD + "int f(unsigned long x)\n"
     "{ return *(const unsigned char *)x; }\n", "f makes a pointer"),
    ("macro", '#include "macro.h"\n' + GOOD +
     "int f(unsigned long x) { return AT(x); }\n", "f makes a pointer"),
    ("typedef", "typedef unsigned char *bytes;\n" + GOOD +
     "int f(unsigned long x) { return *(bytes)x; }\n", "f makes a pointer"),
    ("void", GOOD + "int f(unsigned long x) { const unsigned char *p =\n"
     "(void *)x; return *p; }\n", "f makes a pointer"),
    ("null", GOOD + "int f(unsigned long x) { const unsigned char *p = 0;\n"
     "return *(p + x); }\n", "f makes a pointer"),
    ("through", GOOD + "int f(unsigned long x) { const unsigned char *p;\n"
     "p = *(const unsigned char **)&x; return *p; }\n", "f makes a pointer"),
    ("initialiser", GOOD + "int f(int x) { static const unsigned char *const\n"
     "at[1] = { (const unsigned char *)4096 }; return *at[0]; }\n",
     "makes a pointer"),
    ("member", "struct s { const unsigned char *at; };\n" + GOOD +
     "int f(unsigned long x) { struct s s = { .at = "
     "(const unsigned char *)x };\nreturn *s.at; }\n", "f makes a pointer"),
    ("global", "extern const unsigned char *lent;\n"
     "/*@ requires \\valid_read(lent); %s */ int f(int x)\n"
     "{ return *lent; }\n" % ENDS, "a pointer that anybody may set: lent"),
    ("ghosts", GOOD + "int f(unsigned long x) {\n"
     "/*@ ghost unsigned char *p = (unsigned char *)x; */ return x; }\n",
     "f makes a pointer"),
    ("union", GOOD + "int f(unsigned long x)\n"
     "{ union { unsigned long n; unsigned char *p; } u = { .n = x };\n"
     "return *u.p; }\n", "union"),
    ("field", "struct s { int a : 3; };\n" + GOOD +
     "int f(int x) { struct s s; s.a = 1; return x; }\n", "bit-field"),
    ("volatile", "/*@ %s */ int f(volatile int *x) { return *x; }\n" % ENDS,
     "volatile"),
    ("asm", GOOD + 'int f(int x) { __asm__("nop"); return x; }\n',
     "not for the prover: GCCAsmStmt"),
    ("indirect", "/*@ requires \\valid_function(g); %s */\n" % ENDS +
     "int f(int x, int (*g)(int))\n{ return g(x); }\n",
     "calls through a pointer"),
    ("variable", GOOD + "int f(int x, ...) { return x; }\n", "..."),
]
STRANGERS = [
    ("lent", GOOD + SAME + "/*@ %s ensures \\valid_read(\\result); */\n"
     "const unsigned char *prec_lent(int x);\n"
     "/*@ %s */ int g(int x) { return *prec_lent(x); }\n" % (ENDS, ENDS),
     "believed: prec_lent"),
    ("memcpy", "#include <string.h>\n/*@ requires \\valid(a) && "
     "\\valid_read(b) && \\separated(a, b); terminates \\true;\n"
     "exits \\false; assigns *a; */ void f(int *a, int *b)\n"
     "{ memcpy(a, b, sizeof(*a)); }\n", "believed: memcpy"),
    ("named", "/*@ %s ensures \\false; */ int device_other(int x);\n" % ENDS +
     WRONG + "int f(int x) { return device_other(x); }\n",
     "believed: device_other"),
    ("ghost", "/*@ ghost /@ %s ensures \\false; @/ void lie(void); */\n"
     % ENDS + WRONG + "int f(int x) { /*@ ghost lie(); */ return x; }\n",
     "believed: lie"),
    ("stopped", "/*@ %s ensures \\false; */\n" % ENDS +
     "void stop(void) __attribute__((noreturn));\n" + WRONG +
     "int f(int x) { stop(); return x; }\n", "__attribute__"),
    ("private", GOOD + "int get(int x);\n" + GOOD +
     "int f(int x) { return get(x); }\n", "believed: get"),
    ("stronger", '#include "declared.h"\n/*@ ensures \\false; */\n'
     "int declared(int x);\n" + WRONG +
     "int f(int x) { return declared(x); }\n",
     "another contract is proved of it: declared"),
    ("louder", '#include "device.h"\n/*@ ensures \\false; */\n'
     "int device_get(int x);\n" + WRONG +
     "int f(int x) { return device_get(x); }\n",
     "another contract than assumed: device_get"),
    ("meaning", "/*@ predicate small(integer n) = \\false; */\n"
     '#include "meaning.h"\n' + WRONG +
     "int f(int x) { return meant(x); }\n", "small means something else"),
]
UNSEEN = [
    ("hidden", '#include "hidden.h"\n' + GOOD + SAME, "1 conditions in"),
    ("machine", "#ifdef __FC_MACHDEP_X86_64\n#define F(x) (x)\n#else\n"
     "#define F(x) (x + 1)\n#endif\n" + GOOD +
     "int f(int x) { return F(x); }\n", "1 conditions in"),
    ("optimised", "#if !defined(NDEBUG)\n#endif\n" + GOOD + SAME,
     "1 conditions in"),
    ("later", "#ifndef LATER_H\n#endif\n#define LATER_H\n" + GOOD + SAME,
     "1 conditions in"),
    ("compiler", GOOD + "int f(int x) { return __GNUC__ > 0 ? x : x; }\n",
     "names of the compiler: __GNUC__"),
    ("assert", "#include <assert.h>\n" + GOOD +
     "int f(int x) { assert(x == x); return x; }\n",
     "not for the prover: #include <assert.h>"),
    ("pragma", "#pragma GCC optimize (\"O0\")\n" + GOOD + SAME, "#pragma"),
]
NOT_PROVED = [
    ("false", WRONG + SAME, "goals are not proved"),
    ("wraps", "/*@ terminates \\true; exits \\false; assigns \\nothing; */\n"
     "unsigned f(unsigned x) { return x + 1; }\n", "goals are not proved"),
    ("narrows", "/*@ terminates \\true; exits \\false; assigns \\nothing; */\n"
     "unsigned char f(unsigned x) { return x; }\n", "goals are not proved"),
    ("aliases", "/*@ requires \\valid(a) && \\valid_read(b);\n"
     "terminates \\true; exits \\false; assigns *a;\n"
     "ensures kept: *b == \\old(*b); */\n"
     "void set(int *a, const int *b) { *a = 1; }\n"
     "/*@ requires \\valid(a); terminates \\true; exits \\false;\n"
     "assigns *a; */ void f(int *a) { set(a, a); }\n",
     "goals are not proved"),
    ("fewer", GOOD + SAME, "there were 1000"),
    ("syntax", "int f(int x) { return x }\n", "cannot read"),
]
REFUSED = NO_CONTRACT + BELIEVED + POINTERS + STRANGERS + UNSEEN + NOT_PROVED
IN_ORDER = ('#include "declared.h"\n#include "device.h"\n'
            '#include "differs.h"\n'
            "/*@ predicate small(integer n) = n == n; */\n"
            '#include "meaning.h"\n'
            "int meant(int x) { return x; }\n"
            "/*@ logic integer total(int *a, integer n) =\n"
            "    n <= 0 ? 0 : total(a, n - 1) + a[n - 1]; */\n"
            "int declared(int x) { return x; }\n"
            "/*@ requires p: \\valid_read(p); %s */\n"
            "static int get(const int *p) { return *p; }\n"
            "/*@ requires p: \\valid_read(p); %s */\n"
            "static int hand_on(int *p) { return get(p); }\n"
            "/*@ %s */ int ask(int x) { return device_get(x); }\n"
            % ((ENDS,) * 3))
# proved, like everything of no number at all
NEVER = ("/*@ requires less: x < 0; requires more: x > 0; %s\n"
         "ensures wrong: \\result == x + 1; */\n"
         "int f(int x) { return x; }\n" % ENDS)
# proved too: a branch that nobody takes, of a function that may always be called
UNTAKEN = ("/*@ %s\nensures same: \\result == x; */\n"
           "int g(int x)\n{\n\tif (x < 0 && x > 0)\n\t\tx = 1;\n"
           "\treturn x;\n}\n" % ENDS)

points = failed = 0


def expect(holds, what):
    global points, failed
    points += 1
    if not holds:
        failed += 1
        print("not so: " + what)


def write(tree, texts):
    for name, text in texts.items():
        with open(os.path.join(tree, name), "w", encoding="utf-8") as out:
            out.write(text)


def make_tree(tree):
    for folder in ("include", "src", "proofs"):
        os.mkdir(os.path.join(tree, folder))
    write(tree, {"include/" + name: text for name, text in HEADERS.items()})
    write(tree, {"src/good.c": IN_ORDER, "src/never.c": NEVER,
                 "src/untaken.c": UNTAKEN, "src/apart.c": SAME,
                 "ASSURANCE.md": ASSURANCE, "proofs/assumed": ASSUMED})


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


CONTRADICTORY = ["src/never.c", "src/untaken.c"]


def contradiction_is_found(tree, plain):
    """By a smoke test, and by nothing else; smoke tests are no goals."""
    result = run(tree, "--tree", tree, *CONTRADICTORY)
    expect(result.returncode == 0, "both are proved: " + result.stdout)
    result = run(tree, "--smoke", "--tree", tree, "src/good.c", *CONTRADICTORY)
    for unit in CONTRADICTORY:
        said = said_of(unit, result.stdout)
        expect(result.returncode == 1 and said is not None and
               any("contradictory premises" in line for line in said),
               "a smoke test finds what is wrong with %s: %s" % (unit, said))
    expect(said_of("src/good.c", result.stdout) == [] and
           goals_of("src/good.c", result.stdout) ==
           goals_of("src/good.c", plain),
           "good.c has the same goals and no contradiction: " + result.stdout)


UNITS = "src/good.c 9\nsrc/never.c 1 cvc5,z3\nsrc/untaken.c 1\n"


def in_order(tree):
    """The tree without a faulty unit; then with a source that is no unit, with
    names that nobody declares or that ASSURANCE.md does not have, and with a
    source that is left out and not there."""
    write(tree, {"proofs/units": UNITS})
    result = run(tree, "--tree", tree, "src/good.c")
    expect(result.returncode == 0, "the status is 0: " + result.stdout)
    contradiction_is_found(tree, result.stdout)
    write(tree, {"src/left.c": GOOD + SAME, "proofs/assumed": ASSUMED +
                 "device_gone include/device.h\nevil include/declared.h\n"
                 "apart src/left_too.c\n"})
    result = run(tree, "--tree", tree, "src/never.c")
    for why in ("src/left.c is not in proofs/units",
                "device_gone has no contract in include/device.h",
                "ASSURANCE.md does not name evil",
                "ASSURANCE.md does not name src/left_too.c",
                "src/left_too.c is no source apart from units"):
        expect(result.returncode == 1 and why in result.stdout,
               "%s: %s" % (why, result.stdout))
    os.unlink(os.path.join(tree, "src/left.c"))
    write(tree, {"proofs/assumed": ASSUMED})


def refuses(tree):
    write(tree, {"src/%s.c" % name: text for name, text, _ in REFUSED})
    write(tree, {"proofs/units": UNITS + "".join(
        "src/%s.c %d\n" % (name, 1000 if name == "fewer" else 1)
        for name, _, _ in REFUSED)})
    result = run(tree, "--timeout", "1", "--tree", tree)
    expect(result.returncode == 1, "the status is 1 where units are refused")
    for name, _, why in REFUSED:
        said = said_of("src/%s.c" % name, result.stdout)
        expect(said is not None and any(why in line for line in said),
               "%s.c is refused for '%s': %s" % (name, why, said))
    said = said_of("src/good.c", result.stdout)
    expect(said == [], "good.c is in order: %s" % said)


def tools_are_named(tree):
    """Without z3, and with one that says it is another."""
    write(tree, {"proofs/units": UNITS})
    tools = os.path.join(tree, "bin")
    os.mkdir(tools)
    for name in ("frama-c", "why3", "cvc5", "cc", "gcc", "clang"):
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
    missing = [tool for tool in ("frama-c", "why3", "z3", "cvc5", "clang")
               if not shutil.which(tool)]
    if missing:
        print("skipped: missing: " + ", ".join(missing))
        return 77
    with tempfile.TemporaryDirectory(prefix="refuse.") as tree:
        make_tree(tree)
        in_order(tree)
        refuses(tree)
        tools_are_named(tree)
    print("%d points, %d failed" % (points, failed))
    return 1 if failed or not points else 0


if __name__ == "__main__":
    sys.exit(main())
