#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the manual shows compiles, and warns of nothing.

Usage: manual-compiles.py SOURCE COMPILER...

An example is what stands between .Bd and .Ed after a comment "compiles: c" or
"compiles: c++"; the compilers take both languages."""
import glob
import os
import re
import subprocess
import sys

EXAMPLE = re.compile(r'^\.\\" compiles: (c|c\+\+)\n\.Bd [^\n]*\n(.*?)^\.Ed$',
                     re.M | re.S)
STANDARD = {"c": "c11", "c++": "c++11"}


def main():
    top, *compilers = sys.argv[1:]
    tried = failed = 0
    for path in sorted(glob.glob(os.path.join(top, "doc/man/*.[37]"))):
        with open(path, encoding="utf-8") as page:
            examples = EXAMPLE.findall(page.read())
        for language, text in examples:
            for compiler in compilers:
                tried += 1
                made = subprocess.run(
                    [compiler, "-x", language, "-std=" + STANDARD[language],
                     "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror",
                     "-I" + os.path.join(top, "include"),
                     "-I" + os.path.join(top, "include/linux"),
                     "-fsyntax-only", "-"],
                    input=text.replace("\\e", "\\"), text=True, check=False)
                failed += made.returncode != 0
    print("%d points, %d failed" % (tried, failed))
    return 1 if failed or not tried else 0


if __name__ == "__main__":
    sys.exit(main())
