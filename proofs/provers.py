# SPDX-License-Identifier: MIT
"""Frama-C and the provers: which, how they are called, how they are set up."""
import os
import re
import shutil
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
APT = ("apt-get install --no-install-recommends "
       "frama-c-base why3 z3 cvc5 clang")
# command, its version, the versions that the goals were counted with
TOOLS = [
    (["frama-c", "-version"], r"(\d+\.\d+)", "25.0"),
    (["why3", "--version"], r"version (\S+)", "1.5.1"),
    (["z3", "--version"], r"version (\S+)", "4.8.12"),
    (["cvc5", "--version"], r"version (\S+)", "1.0.3"),
    (["clang", "--version"], r"version (\d+\.\d+)", "14.0"),
]
PARSE = ["-c11", "-machdep", "gcc_x86_64"]
# What C defines, or leaves to the compiler, and nobody means.
MEANT = ["-warn-unsigned-overflow", "-warn-unsigned-downcast",
         "-warn-signed-downcast", "-warn-right-shift-negative"]
# What the memory model takes for granted becomes something to prove at calls.
MODEL = ["-wp-check-memory-model"]
# Pruning looks for branches that cannot be taken, and ground simplification for
# what follows from constants, before a prover is asked.  They decide nothing that
# the provers do not, and took most of all the time.
FAST = ["-wp-no-pruning", "-wp-no-ground"]
PROVERS = "z3,cvc5"


def asking(order=PROVERS, quick=True):
    """The options to prove with: the first prover that is done ends it.  At
    first each has one second of a processor, and then ten: what one would
    search for in vain the other finds in a blink.  Beside other work it is
    given more time, and not fewer seconds of a processor."""
    if quick:
        order = ",".join(limit + name for limit in ("quick-", "slow-")
                         for name in order.split(","))
    return ["-wp", "-wp-rte", "-wp-model", "Typed+ref", "-wp-prover", order,
            "-wp-par", "1", "-wp-status-all"]


def unlimited(options):
    """The same, with provers that have all the time that there is."""
    return [re.sub(r"\bquick-\w+,|\bslow-", "", option)
            for option in options]


def includes(path):
    """Where the headers of a file are: those of its platform first."""
    of_sel4 = path.startswith("src/port/sel4/")
    return ["-Iinclude/sel4"] * of_sel4 + ["-Iinclude", "-Isrc"]


def parsing(path):
    """The options to read a file with."""
    return PARSE + ["-cpp-extra-args=" + " ".join(includes(path))]


# What a goal may be, but for what a function assigns: each has a goal of that, and
# where there is no goal Frama-C makes no smoke test.
OTHERS = ["lemma", "requires", "ensures", "exits", "assert", "invariant", "variant",
          "breaks", "continues", "returns", "complete_behaviors",
          "disjoint_behaviors", "terminates", "decreases", "check"]
SMOKE_SECONDS = "10"  # at most, of which one is of a processor


def smoke_tests(options):
    """The same, with smoke tests instead of most goals.  Nearly all of them take
    all the time that there is, so only one prover is asked."""
    return ([re.sub(r"^(quick-\w+),.*", r"\1", option) for option in options] +
            ["-wp-prop=" + ",".join("-@" + goal for goal in OTHERS),
             "-wp-smoke-tests", "-wp-smoke-timeout", SMOKE_SECONDS])


# why3 1.5.1 does not know CVC5; it takes what CVC4 takes.
DRIVER = """prelude "(set-logic ALL)"
unknown "^(error \\"Can't get-info :reason-unknown when the last result \
wasn't unknown!\\")$" "(not unknown!)"
import "%s/drivers/cvc4_16.gen"
theory BuiltIn
  meta "supports_smt_get_info_unknown_reason" ""
end
"""
PROVER = """
[prover]
name = "%s"
version = "%s"
shortcut = "%s"
driver = "%s"
command = "%s"
editor = ""
in_place = false
interactive = false
"""
CVC5 = "cvc5 --tlimit=%t000 --lang=smt2 %f"
# As why3 calls it.
Z3 = ("z3 -smt2 -T:%t sat.random_seed=42 nlsat.randomize=false "
      "smt.random_seed=42 -st %f")
QUICK = "prlimit --cpu=1 "
SLOW = "prlimit --cpu=10 "
# Frama-C clears up its memory after each 2 MB, and looks at all of its modules
# each time.  With more room it has less of that to do.
HEAP = """let () = Gc.set { (Gc.get ()) with
  Gc.minor_heap_size = 1 lsl 22; space_overhead = 200 }
"""


def check():
    """Their versions.  One that is missing ends the program with 77; another
    version than ours is told, for it may need another time or count."""
    missing = [t[0][0] for t in TOOLS if not shutil.which(t[0][0])]
    if missing:
        print("proofs: missing: %s\n  %s" % (", ".join(missing), APT))
        sys.exit(77)
    versions = {}
    for command, pattern, want in TOOLS:
        said = subprocess.run(command, capture_output=True, text=True,
                              check=False).stdout
        found = re.search(pattern, said)
        versions[command[0]] = found.group(1) if found else "unknown"
        if versions[command[0]] != want:
            print("proofs: %s is %s; the goals were counted with %s"
                  % (command[0], versions[command[0]], want))
    return versions


def configure(work):
    """The environment to run Frama-C in: a why3 configuration of our own, so
    that nobody else's is touched."""
    versions = check()
    os.makedirs(work, exist_ok=True)
    config = os.path.join(work, "why3.conf")
    env = dict(os.environ, HOME=work, WHY3CONFIG=config, PWD=TOP)
    if os.path.exists(config):
        os.unlink(config)
    subprocess.run(["why3", "config", "detect"], env=env, check=False,
                   capture_output=True)
    data = subprocess.run(["why3", "--print-datadir"], env=env, text=True,
                          check=True, capture_output=True).stdout.strip()
    driver = os.path.join(work, "cvc5.drv")
    with open(driver, "w", encoding="utf-8") as out:
        out.write(DRIVER % data)
    with open(config, "a", encoding="utf-8") as out:
        for name, version, how, command in (
                ("CVC5", versions["cvc5"], driver, CVC5),
                ("Quick-CVC5", versions["cvc5"], driver, QUICK + CVC5),
                ("Quick-Z3", versions["z3"], "z3_471", QUICK + Z3),
                ("Slow-CVC5", versions["cvc5"], driver, SLOW + CVC5),
                ("Slow-Z3", versions["z3"], "z3_471", SLOW + Z3)):
            out.write(PROVER % (name, version, name.lower(), how, command))
    make_room(work)
    return env


def make_room(work):
    """Debian's Frama-C brings the compiler along; without it, it is slower."""
    with open(os.path.join(work, "heap.ml"), "w", encoding="utf-8") as out:
        out.write(HEAP)
    if shutil.which("ocamlopt"):
        subprocess.run(["ocamlopt", "-shared", "-o", "heap.cmxs", "heap.ml"],
                       cwd=work, check=True)
        # Frama-C would take the source, and compile it with other tools
        os.unlink(os.path.join(work, "heap.ml"))


def frama_c(env):
    """The command to prove with, in that environment."""
    module = os.path.join(env["HOME"], "heap.cmxs")
    return ["frama-c"] + ["-load-module", module] * os.path.exists(module)


def read_units(path=None, quick=True):
    """The units, how many goals each has at least, and how it is asked for."""
    with open(path or os.path.join(TOP, "proofs/units"),
              encoding="utf-8") as lines:
        rows = [line.split() for line in lines
                if line.strip() and not line.startswith("#")]
    return [(unit, int(goals), options_of(words, quick))
            for unit, goals, *words in rows]


def options_of(words, quick):
    """The words are the order of the provers, and what the file says of it."""
    orders = [word for word in words if word != "wraps"]
    meant = [] if "wraps" in words else MEANT
    return asking(*orders, quick=quick) + FAST + MODEL + meant
