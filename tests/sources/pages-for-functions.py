#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each public function has a page of section 3, whose synopsis is what the
headers declare; no page names a function that the library does not have.

Usage: pages-for-functions.py SOURCE

The functions are those of symbols.expected, which the test `symbols` holds
against the library.  Left out is what the headers call by themselves."""
import glob
import os
import re
import sys

OWN = {"prec_fixup_register", "prec_fixup_unregister"}
DECLARED = re.compile(r"\b(?:PREC_EXPORT|PREC_INLINE)\s+"
                      r"([^;{}()#]*?[\s*])(prec_[a-z0-9_#]+)\s*"
                      r"\(([^;{]*?)\)\s*[;{]")


def words(text):
    return " ".join(text.replace("*", " * ").split())


def widths(name):
    if "##bits" not in name:
        return [""]
    return ["32", "64"] if re.search("compare|cas", name) else [
        "8", "16", "32", "64"]


def declared(top):
    """Name -> the header, the type, and the arguments."""
    found = {}
    # Sorted: of the processors' headers, which declare the same, the last.
    for path in sorted(glob.glob(os.path.join(top, "include/precarium/*.h")) +
                       glob.glob(os.path.join(top,
                                              "include/linux/precarium/*.h"))):
        with open(path, encoding="utf-8") as file:
            text = re.sub(r"/\*.*?\*/", " ", file.read(), flags=re.S)
        text = text.replace("\\\n", " ").replace("PREC_MUST_CHECK", " ")
        text = text.replace("PREC_LENT", " ").replace("PREC_BYTES", "void")
        for kind, name, arguments in DECLARED.findall(text):
            for bits in widths(name):
                found[name.replace("##bits", bits)] = (
                    os.path.basename(path), words(kind),
                    [words(a.replace("##bits##", bits))
                     for a in arguments.split(",")])
    return found


def synopsis(path):
    """The headers that a page names, and each function as declared() has it."""
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")
    headers, found, kind, name, arguments = [], {}, "", "", []
    for line in lines:
        macro, _, rest = line.partition(" ")
        if macro == ".In":
            headers.append(os.path.basename(rest))
        elif macro == ".Ft":
            kind = rest
        elif macro == ".Fo":
            name, arguments = rest, []
        elif macro == ".Fa" and name:
            arguments.append(words(rest.strip('"')))
        elif macro == ".Fc":
            found[name] = (words(kind), arguments)
            name = ""
        elif line.startswith(".Fn ") and line.endswith(" void"):
            found[rest.split()[0]] = (words(kind), ["void"])
        elif line == ".Sh DESCRIPTION":
            break
    named = [line.split()[1] for line in lines if line.startswith(".Nm prec_")]
    return headers, found, named


def main():
    top = sys.argv[1]
    with open(os.path.join(top, "tests/sources/symbols.expected"),
              encoding="utf-8") as file:
        symbols = {line.strip() for line in file if line[0] != "#"} - OWN
    known = declared(top)
    wrong, seen = [], {}
    for path in sorted(glob.glob(os.path.join(top, "doc/man/*.3"))):
        page = os.path.basename(path)
        headers, found, named = synopsis(path)
        if named[0] + ".3" != page:
            wrong.append("%s: is about %s first" % (page, named[0]))
        if sorted(named) != sorted(found):
            wrong.append("%s: not in both NAME and SYNOPSIS: %s" % (
                page, " ".join(sorted(set(named) ^ set(found)))))
        for name, as_said in found.items():
            if name in seen:
                wrong.append("%s: also in %s: %s" % (page, seen[name], name))
            seen[name] = page
            if name not in known:
                wrong.append("%s: no such function: %s" % (page, name))
            elif known[name][1:] != as_said or known[name][0] not in headers:
                wrong.append("%s: %s: declared is %s" % (page, name,
                                                         known[name]))
    wrong += ["no page: " + name for name in sorted(symbols - set(seen))]
    wrong += ["%s: no such symbol: %s" % (seen[name], name)
              for name in sorted(set(seen) - symbols)]
    print("\n".join(wrong + ["%d functions, %d wrong" % (len(seen),
                                                         len(wrong))]))
    return 1 if wrong or not seen else 0


if __name__ == "__main__":
    sys.exit(main())
