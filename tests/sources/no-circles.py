#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""No two files use each other, be it through others: a circle of files can only
be read, tested or replaced as a whole.

Usage: no-circles.py NAME ARCHIVE... [-- NAME ARCHIVE...]...

The files of a NAME are the members of its ARCHIVEs.  One uses another when its
object leaves a symbol undefined that the other defines for all: a function that
it calls, or whose address it takes, or data.  What is handed over at run time, as
the operations of a store are, is no use in this sense."""
import collections
import os
import re
import subprocess
import sys

# archive[member]: symbol type ..., as of POSIX.
LINE = re.compile(r"^(.*)\[(.*)\]: (\S+) (\S)")


def symbols(archives):
    """For each member: what it defines for all, and what it leaves undefined."""
    defined = collections.defaultdict(set)
    undefined = collections.defaultdict(set)
    listed = subprocess.run(["nm", "--format=posix", "-A", *archives],
                            check=True, capture_output=True, text=True).stdout
    for line in listed.splitlines():
        match = LINE.match(line)
        if not match:
            continue
        archive, member, symbol, kind = match.groups()
        folder = os.path.basename(archive).split(".")[0]
        name = "%s/%s" % (folder, re.sub(r"\.o$", "", os.path.basename(member)))
        if kind in "Uwv":
            undefined[name].add(symbol)
        elif kind.isupper():
            defined[name].add(symbol)
    return defined, undefined


def uses(defined, undefined):
    """For each file those that it uses, and by which symbol."""
    where = collections.defaultdict(set)
    for name, names in defined.items():
        for symbol in names:
            where[symbol].add(name)
    used = {name: {} for name in {*defined, *undefined}}
    for name, names in undefined.items():
        for symbol in sorted(names):
            for other in where[symbol] - {name}:
                used[name].setdefault(other, symbol)
    return used


def reached(used, start):
    """All files that `start` uses, through others too."""
    seen = set()
    left = [start]
    while left:
        for other in used[left.pop()]:
            if other not in seen:
                seen.add(other)
                left.append(other)
    return seen


def circles(used):
    """The sets of files that use each other."""
    reach = {name: reached(used, name) for name in used}
    found = {frozenset(other for other in reach[name]
                       if name in reach[other])
             for name in used if name in reach[name]}
    return sorted(found, key=sorted)


def look(name, archives):
    """The number of circles."""
    defined, undefined = symbols(archives)
    used = uses(defined, undefined)
    found = circles(used)
    for circle in found:
        print("%s: %d files use each other:" % (name, len(circle)))
        for file in sorted(circle):
            for other in sorted(circle & used[file].keys()):
                print("\t%s uses %s (%s)" % (file, other, used[file][other]))
    print("%s: %d files, %d uses, %d circles"
          % (name, len(used), sum(map(len, used.values())), len(found)))
    # An archive that is not read as expected would have none.
    if len(used) < 2 or not any(used.values()):
        print("%s: expected archives of files that use each other one way: %s"
              % (name, " ".join(archives)))
        return 1
    return len(found)


def main():
    groups = [[]]
    for argument in sys.argv[1:]:
        if argument == "--":
            groups.append([])
        else:
            groups[-1].append(argument)
    if any(len(group) < 2 for group in groups):
        sys.exit("usage: no-circles.py NAME ARCHIVE... [-- NAME ARCHIVE...]...")
    return 1 if sum(look(group[0], group[1:]) for group in groups) else 0


if __name__ == "__main__":
    sys.exit(main())
