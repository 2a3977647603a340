#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The manual describes each option in the section of each command that takes it, as
its --help does, and no other there."""
import re
import sys

import serving
from serving import check, run


def described(path, section):
    """The options that a section of the page has as items; without one, the page."""
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")
    if section:
        start = lines.index(".Ss " + section) + 1
        rest = lines[start:]
        end = next(i for i, line in enumerate(rest)
                   if line.startswith((".Ss", ".Sh")))
        lines = rest[:end]
    return {option for line in lines if line.startswith(".It ")
            for option in re.findall(r"Fl -([a-z-]+)", line)}


def options(text):
    """Those that a help describes: each line that begins with one has them up to
    its first two spaces."""
    heads = re.findall(r"^  (--\S+(?: \S+)*)", text, re.MULTILINE)
    return {option for head in heads
            for option in re.findall(r"--([a-z-]+)", head)}


def main():
    page, *others = sys.argv[2:]
    pages = {re.search(r"precarium-(\w+)\.1$", path)[1]: path for path in others}
    commands = re.findall(r"^  ([a-z][a-z-]*)  +[a-z]", run("--help").stdout,
                          re.MULTILINE)
    check("serve" in commands and set(pages) < set(commands), "commands:",
          commands)
    for command in commands:
        told = options(run(command, "--help").stdout)
        found = described(pages.get(command, page),
                          None if command in pages else command)
        check(told - found <= {"help"}, command, "is not in the manual:",
              told - found)
        check(found <= told, command, "is in the manual only:", found - told)
    return 1 if serving.failures else 0


sys.exit(main())
