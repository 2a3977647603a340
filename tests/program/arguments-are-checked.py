#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each command takes its options by their whole names, in any order, and says
in one line what is wrong with others, and what it expected."""
import subprocess
import sys

import serving
from serving import check, run

# A command, options of its own that take a value, and that take none.
COMMANDS = {
    "serve": (("--export", "--socket-path", "--blk-file", "--config",
               "--workers", "--control"), ("--read-only",)),
    "stat": (("--control",), ("--json", "--openmetrics", "--prometheus",
                              "--watch")),
    "resize": (("--control",), ()),
    "reload": (("--control",), ()),
    "check-host": ((), ("--json",)),
    "bench": (("--depth", "--duration", "--pid"), ("--json", "--verify")),
    "torture": (("--case", "--restart", "--timeout"), ("--fast", "--list")),
}


def wrong(words, *args):
    done = run(*args)
    check(done.returncode == 2 and not done.stdout, args, "status",
          done.returncode, done.stdout)
    check(done.stderr.startswith("precarium: ") and
          done.stderr.count("\n") == 1, args, "lines:", done.stderr)
    for word in words + ("expected", f"precarium {args[0]} --help"):
        check(word in done.stderr, args, "says nothing of", word, ":",
              done.stderr)


def options(command, with_value, without):
    for option in with_value + without + ("--help",):
        for cut in {option[:3], option[:-1]} - set(with_value + without):
            wrong((cut + ": no such option",), command, cut + "=1")
            wrong((cut + ": no such option",), command, cut)
        wrong((option[1:] + ": no such option", "expected " + option),
              command, option[1:])
    for option in with_value:
        wrong((option, "a value is missing", option + "=VALUE"), command,
              option)
    for option in without + ("--help",):
        wrong((option + "=x", "without a value"), command, option + "=x")
    wrong(("--nonsense: no such option",), command, "--nonsense=1")
    wrong(("-x: no such option",), command, "-x")
    wrong(("--\\x1b[31m\\n: no such option",), command, "--\x1b[31m\n")
    done = run(command, "--help")
    check(done.returncode == 0 and not done.stderr and
          all(option in done.stdout for option in with_value + without),
          command, "--help:", done.stdout, done.stderr)


def operands():
    for command in ("stat", "reload", "check-host"):
        wrong(("more: unexpected argument",), command, "more")
        wrong(("--json: unexpected argument",), command, "--", "--json")
    # Before, between and behind operands, and an operand that has a dash.
    for args in (("--control=none", "disk", "1M"), ("disk", "--control",
                 "none", "1M"), ("disk", "1M", "--control=none"),
                 ("--control=none", "--", "--disk", "1M")):
        done = run("resize", *args)
        check(done.returncode == 1 and "none: No such file" in done.stderr,
              args, done.stderr)
    for args in ((), ("a", "1", "2"), ("--", "a", "--control=none", "1")):
        done = run("resize", *args)
        check(done.returncode == 2 and "expected an export" in done.stderr,
              args, done.stderr)


def demo():
    for args, words in ((("--sec=1",), "--sec=1: no such option"),
                        (("more",), "more: no such option"),
                        (("--seconds",), "expected a number from 1"),
                        (("--seconds", "0"), "--seconds=0: expected"),
                        (("--seconds=1x",), "--seconds=1x: expected")):
        done = subprocess.run([sys.argv[2], *args], capture_output=True,
                              text=True, timeout=20)
        check(done.returncode == 2 and not done.stdout and
              done.stderr.startswith("precarium-demo: ") and
              words in done.stderr and "expected" in done.stderr and
              done.stderr.count("\n") == 1, args, done.stderr)


def main():
    for command, (with_value, without) in COMMANDS.items():
        options(command, with_value, without)
    # Options without a command are those of serve.
    done = run("--work=2")
    check(done.returncode == 2 and "--work: no such option; expected "
          "--workers" in done.stderr, "no command:", done.stderr)
    operands()
    demo()
    return 1 if serving.failures else 0


sys.exit(main())
