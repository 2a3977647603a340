#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the accessors are in the objects that ship: one instruction an access.

Of each accessor alone, and of each object of src/virtio, every entry of the
table of instructions that may fault names one mov of the width that is due
between memory and a register; the instruction after it clears the status, and
the one after that is where a fault resumes.  The objects have as many entries as
the calls in their source ask for: nothing is fetched a second time because the
compiler found it convenient, and no access is without its entry.
Usage: accessors-are-one-instruction.py SOURCE_ROOT ALONE_LIBRARY VIRTQ_LIBRARY
"""
import os
import re
import subprocess
import sys

ROOT, ALONE, VIRTQ = sys.argv[1:4]
# What one call does, in order: loads and stores of so many bits.
ACCESSES = {
    "lent_load16": ["load 16"],
    "lent_load_desc": ["load 64"] * 2,
    "lent_load_table": ["load 64"] * 2,
    "lent_load_header": ["load 64"] * 2,
    "lent_load_bytes": ["load 8"],
    "lent_store8": ["store 8"],
    "lent_store16": ["store 16"],
    "lent_store_used": ["store 32"] * 2,
    "lent_load_packed": ["load 64", "load 32", "load 16"],
    "lent_load_packed_table": ["load 64"] * 2,
    "lent_store_packed": ["store 32", "store 16"],
}
for bits in (8, 16, 32, 64):
    for kind in ("load", "store"):
        ACCESSES["prec_raw_%s%d" % (kind, bits)] = ["%s %d" % (kind, bits)]
points = failed = 0


def expect(holds, what):
    global points, failed
    points += 1
    if not holds:
        failed += 1
        print("not so: " + what)


def bits_of(register):
    """%rcx 64, %ecx 32, %cx 16, %cl 8; %r9, %r9d, %r9w, %r9b."""
    name = register.lstrip("%")
    if re.fullmatch(r"r\d+[bwd]?", name):
        return {"b": 8, "w": 16, "d": 32}.get(name[-1], 64)
    if name.startswith("r"):
        return 64
    if name.startswith("e"):
        return 32
    return 8 if name.endswith(("l", "h")) else 16


def run(*command):
    return subprocess.run(command, check=True, capture_output=True,
                          text=True).stdout


def objects(library):
    """Name of each member -> its instructions and its table."""
    found = {}
    name = None
    for line in run("objdump", "-d", "-w", "-j", ".text", "--no-show-raw-insn",
                    library).splitlines():
        if line.endswith("file format elf64-x86-64"):
            name = os.path.basename(line.split(":")[0])
            found[name] = {"code": {}, "function": {}, "table": []}
        head = re.match(r"([0-9a-f]+) <(\w[\w.]*)>:", line)
        if head:
            function = head.group(2)
        code = re.match(r"\s+([0-9a-f]+):\t(.*)", line)
        if code:
            at = int(code.group(1), 16)
            found[name]["code"][at] = re.sub(r"\s+", " ", code.group(2))
            found[name]["function"][at] = function
    for line in run("objdump", "-r", "-w", "-j", "prec_fixup",
                    library).splitlines():
        if line.endswith("file format elf64-x86-64"):
            name = os.path.basename(line.split(":")[0])
        entry = re.match(r"[0-9a-f]+ R_X86_64_PC32\s+\.text\+0x([0-9a-f]+)",
                         line)
        if entry:
            found[name]["table"].append(int(entry.group(1), 16))
    return found


def entries(name, made):
    """What each entry is: the place, and "load 16" or the like."""
    table = made["table"]
    places = sorted(made["code"])
    after = dict(zip(places, places[1:]))
    expect(len(table) % 2 == 0, "%s: a table of pairs" % name)
    expect(len(set(table[::2])) * 2 == len(table),
           "%s: no instruction stands twice in the table" % name)
    for at, to in zip(table[::2], table[1::2]):
        said = made["code"].get(at, "nothing")
        load = re.fullmatch(r"mov[bwlq]? \(%\w+\),(%\w+) ?", said + " ")
        store = re.fullmatch(r"mov[bwlq]? (%\w+),\(%\w+\) ?", said + " ")
        expect(load or store, "%s: one mov: %s" % (name, said))
        clears = made["code"].get(after.get(at), "nothing")
        expect(re.fullmatch(r"xor (%\w+),\1", clears.strip()),
               "%s: the status is cleared next: %s" % (name, clears))
        expect(after.get(after.get(at)) == to,
               "%s: and there a fault resumes: %x %x" % (name, at, to))
        if load or store:
            yield at, "%s %d" % ("load" if load else "store",
                                 bits_of((load or store).group(1)))


def each_alone():
    for name, made in objects(ALONE).items():
        found = {}
        for at, what in entries(name, made):
            found.setdefault(made["function"][at], []).append(what)
        for accessor, accesses in ACCESSES.items():
            function = "alone_" + accessor
            expect(found.get(function) == accesses,
                   "%s is %s: %s" % (accessor, accesses, found.get(function)))
            # beside these only its arguments, and where the value goes
            touched = [text for at, text in made["code"].items()
                       if made["function"][at] == function and
                       re.search(r"\(%r(?!sp|ip)", text) and
                       not re.search(r"\blea|\bnop", text)]
            ours = "prec_raw_load" in accessor or accessor == "lent_load16"
            if ours or "store" in accessor:
                expect(len(touched) == len(accesses) + ours,
                       "%s touches no other memory: %s" % (accessor, touched))


def in_the_product():
    for name, made in objects(VIRTQ).items():
        source = os.path.join(ROOT, "src/virtio", name[:-len(".o")])
        with open(source, encoding="utf-8") as text:
            words = re.sub(r"/\*.*?\*/|//[^\n]*", "", text.read(), flags=re.S)
        wanted = sorted(what for accessor, accesses in ACCESSES.items()
                        for what in accesses * len(
                            re.findall(r"\b%s\(" % accessor, words)))
        found = sorted(what for _, what in entries(name, made))
        expect(found == wanted, "%s: %s, the source asks for %s"
               % (name, found, wanted))
        print("%s: %d entries for the accesses of its source"
              % (name, len(found)))


each_alone()
in_the_product()
print("%d points, %d failed" % (points, failed))
sys.exit(1 if failed or points < 50 else 0)
