#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The structures and numbers of the headers are those of abi.expected.

Usage: abi-as-recorded.py SOURCE [COMPILER...]

Each line of the record becomes assertions, which the compilers decide, in C and
in C++.  It is "structure size", with ": field offset, ..." behind, or
"NAME = number"."""
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
STRUCTURE = re.compile(r"(\w+) (\d+)(?:: (.*))?")
NUMBER = re.compile(r"(\w+) = (\w+)")
HEADERS = ["precarium.h", "pages.h", "pin.h"]
LANGUAGES = {"c": ("c11", "_Static_assert"), "c++": ("c++11", "static_assert")}


def expressions():
    """What must hold, as text of either language."""
    with open(os.path.join(HERE, "abi.expected"), encoding="utf-8") as file:
        text = "".join(line for line in file if not line.startswith("#"))
    for line in text.replace(",\n\t", ", ").splitlines():
        number = NUMBER.fullmatch(line)
        structure = STRUCTURE.fullmatch(line)
        if number:
            yield "%s == %s" % number.groups()
            continue
        if not structure:
            sys.exit("abi.expected: not understood: " + line)
        name, size, fields = structure.groups()
        yield "sizeof(struct %s) == %s" % (name, size)
        for field in fields.split(", ") if fields else []:
            yield "offsetof(struct %s, %s) == %s" % (name, *field.split())


def main():
    top, *compilers = sys.argv[1:]
    points = list(expressions())
    tried = failed = 0
    for language, (standard, claim) in LANGUAGES.items():
        text = "\n".join(["#include <stddef.h>"] +
                         ["#include <precarium/%s>" % name
                          for name in HEADERS] +
                         ['%s(%s, "not so");' % (claim, point)
                          for point in points])
        for compiler in compilers:
            tried += len(points)
            made = subprocess.run(
                [compiler, "-x", language, "-std=" + standard, "-fsyntax-only",
                 "-D_GNU_SOURCE", "-I" + os.path.join(top, "include"),
                 "-I" + os.path.join(top, "include/linux"), "-"],
                input=text, text=True, check=False)
            failed += made.returncode != 0
    print("%d points, %d compilers say no" % (tried, failed))
    return 1 if failed or not tried else 0


if __name__ == "__main__":
    sys.exit(main())
