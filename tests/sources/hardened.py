#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What is shipped is hardened: hardened.py BUILD FORTIFIED FILE...

Reads the ELF files of a build, and the objects that they were linked of.
FORTIFIED is no where the build leaves fortified calls out, as c_args may say."""
import json
import os
import re
import subprocess
import sys

# Whose code must show that it was so compiled: the watch library has no array to
# protect, and no library a call to fortify.
PROTECTED = ("precarium", "libprecarium.so")
FORTIFIED = ("precarium",)
NOT_SHIPPED = r"(tests|bench|demo)/"
FLAGS = ("-fstack-protector-strong", "-fstack-clash-protection",
         "-fcf-protection")
points = 0
failed = 0


def expect(good, what):
    global points, failed
    points += 1
    if not good:
        failed += 1
        print("not so: " + what)


def readelf(option, path):
    return subprocess.run(["readelf", "-W", option, path], check=True,
                          capture_output=True, text=True).stdout


def look_at_file(path, fortified):
    name = os.path.basename(path)
    header, dynamic = readelf("-h", path), readelf("-d", path)
    segments, symbols = readelf("-l", path), readelf("--dyn-syms", path)
    calls = re.findall(r" UND (\w+_chk)\b", symbols)
    stack = re.search(r"GNU_STACK +(?:0x\w+ +){5}([RWE ]+?) +0x", segments)
    expect(" DYN " in header, name + " can be loaded anywhere")
    if ".so" not in name:
        expect(re.search(r"FLAGS_1.*\bPIE\b", dynamic), name + " is a PIE")
    expect("GNU_RELRO" in segments, name + " has GNU_RELRO")
    expect(re.search(r"\(FLAGS\).*BIND_NOW", dynamic), name + " has BIND_NOW")
    expect(stack and "E" not in stack.group(1),
           name + " has a stack that is not executed")
    expect("TEXTREL" not in dynamic, name + " has no text relocations")
    if name in PROTECTED:
        expect(" UND __stack_chk_fail" in symbols,
               name + " checks its stack protector")
    if name in FORTIFIED and fortified:
        expect(calls, name + " calls fortified functions")


def look_at_objects(commands, fortified):
    """Landing pads are the linked file's only where the C library's own start
    files have them, so the objects are asked."""
    for entry in commands:
        words, path = entry["command"].split(), entry["output"]
        if "-flto" not in words:
            notes = readelf("-n", os.path.join(entry["directory"], path))
            expect(re.search(r"IBT, SHSTK", notes),
                   path + " has landing pads and bears a shadow stack")
        if entry["file"].endswith(".S"):
            continue
        for flag in FLAGS:
            expect(flag in words, path + " is compiled with " + flag)
        if fortified:
            expect(any(re.fullmatch("-D_FORTIFY_SOURCE=[23]", word)
                       for word in words), path + " is fortified")


def main():
    build, fortified, *files = sys.argv[1:]
    for path in files:
        look_at_file(path, fortified == "yes")
    with open(os.path.join(build, "compile_commands.json"),
              encoding="utf-8") as file:
        shipped = [entry for entry in json.load(file)
                   if not re.match(NOT_SHIPPED, entry["output"])]
    expect(shipped, "the build says how it compiles what is shipped")
    look_at_objects(shipped, fortified == "yes")
    print("%d points, %d failed" % (points, failed))
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
