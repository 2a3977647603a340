#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the accessors are in the objects that ship: one instruction an access.

Of each accessor alone, and of each object of src/virtio, every entry of the
table of instructions that may fault names one mov of the width that is due
between memory and a register; the instruction after it clears the status, and
the one after that is where a fault resumes.  The objects have as many entries as
the calls in their source ask for: nothing is fetched a second time because the
compiler found it convenient, and no access is without its entry.  Of an access in
a loop there may be several copies, where the compiler unrolled it; how often a
loop is run is for accessors-keep-their-contracts.  They have as many fences, too.
What is ours and stored before an access, or after it, stays there: the compiler
knows that an access clobbers memory.
Usage: accessors-are-one-instruction.py SOURCE_ROOT ALONE_LIBRARY VIRTQ_LIBRARY
"""
import collections
import os
import re
import subprocess
import sys

ROOT, ALONE, VIRTQ = sys.argv[1:4]
# What one call does, in order: loads and stores of so many bits.
ACCESSES = {
    "lent_load16": ["load 16"],
    "lent_load_desc": ["load 64"] * 2,
    "lent_load_table": ["load 64", "load 64", "load 8"],
    "lent_load_header": ["load 64"] * 2,
    "lent_load_bytes": ["load 8"],
    "lent_store8": ["store 8"],
    "lent_store16": ["store 16"],
    "lent_store_used": ["store 32"] * 2,
    "lent_load_packed": ["load 64", "load 32", "load 16"],
    "lent_load_packed_table": ["load 64", "load 64", "load 8"],
    "lent_store_packed": ["store 32", "store 16"],
}
# Those of a loop, once round.  A table is loaded by descriptors, and byte by byte
# where a descriptor lies in two regions.
OF_TABLES = [["load 64"] * 2, ["load 8"]]
IN_LOOPS = {"lent_load_bytes": [["load 8"]],
            "lent_load_table": OF_TABLES,
            "lent_load_packed_table": OF_TABLES}
for bits in (8, 16, 32, 64):
    for kind in ("load", "store"):
        ACCESSES["prec_raw_%s%d" % (kind, bits)] = ["%s %d" % (kind, bits)]
BETWEEN = {name: what for name, (what, *more) in ACCESSES.items()
           if name.startswith("prec_raw")}
BETWEEN.update({"prec_raw_cas32": "cmpxchg 32", "prec_raw_cas64": "cmpxchg 64",
                "prec_raw_or8": "or 8", "prec_raw_fence": "fence",
                "lent_fence": "fence", "prec_raw_load_fence": None})
# By %rbp or %r13 there is no address without an offset.
PLACE = r"(?:0x0)?\(%\w+\)"
FENCE = "lock addl $0x0,(%rsp)"
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
        load = re.fullmatch(r"mov[bwlq]? " + PLACE + r",(%\w+) ?", said + " ")
        store = re.fullmatch(r"mov[bwlq]? (%\w+)," + PLACE + " ?", said + " ")
        locked = re.fullmatch(r"lock (cmpxchg|or) (%\w+)," + PLACE + " ?",
                              said + " ")
        expect(load or store or locked, "%s: one access: %s" % (name, said))
        clears = made["code"].get(after.get(at), "nothing")
        expect(re.fullmatch(r"xor (%\w+),\1", clears.strip()),
               "%s: the status is cleared next: %s" % (name, clears))
        expect(after.get(after.get(at)) == to,
               "%s: and there a fault resumes: %x %x" % (name, at, to))
        if load or store:
            yield at, "%s %d" % ("load" if load else "store",
                                 bits_of((load or store).group(1)))
        elif locked:
            yield at, "%s %d" % (locked.group(1), bits_of(locked.group(2)))


def once_round(found, wanted, loops):
    """What is found, less the copies of what stands in these loops."""
    more = collections.Counter(found) - collections.Counter(wanted)
    rest = list(found)
    for body in (collections.Counter(body) for accessor in loops
                 for body in IN_LOOPS[accessor]):
        while body <= more:
            more -= body
            for what in body.elements():
                rest.remove(what)
    return rest


def each_alone():
    for name, made in objects(ALONE).items():
        found = {}
        for at, what in entries(name, made):
            found.setdefault(made["function"][at], []).append(what)
        for accessor, accesses in ACCESSES.items():
            function = "alone_" + accessor
            of_it = once_round(found.get(function, []), accesses,
                               {accessor} & set(IN_LOOPS))
            if accessor in IN_LOOPS:
                of_it = sorted(of_it, key=accesses.index)
            expect(of_it == accesses,
                   "%s is %s: %s" % (accessor, accesses, of_it))
            # beside these only its arguments, and where the value goes
            touched = [text for at, text in made["code"].items()
                       if made["function"][at] == function and
                       re.search(r"\(%r(?!sp|ip)", text) and
                       not re.search(r"\blea|\bnop", text)]
            ours = "prec_raw_load" in accessor or accessor == "lent_load16"
            if ours or "store" in accessor:
                expect(len(touched) == len(accesses) + ours,
                       "%s touches no other memory: %s" % (accessor, touched))


def stays_around():
    """1 is stored before the access and 2 after it, in each object alone."""
    for name, made in objects(ALONE).items():
        accesses = dict(entries(name, made))
        for accessor, what in BETWEEN.items():
            seen = []
            for at in sorted(made["code"]):
                if made["function"][at] != "between_" + accessor:
                    continue
                text = made["code"][at].strip()
                ours = re.fullmatch(r"movl \$0x([12]),\(%\w+\)", text)
                seen += ours.group(1) if ours else []
                seen += ["fence"] if text == FENCE else []
                seen += [accesses[at]] if at in accesses else []
            wanted = ["1", what, "2"] if what else ["1", "2"]
            expect(seen[:len(wanted)] == wanted and
                   set(seen[len(wanted):]) <= {"2"},
                   "nothing moves across %s: %s" % (accessor, seen))


def in_the_product():
    for name, made in objects(VIRTQ).items():
        source = os.path.join(ROOT, "src/virtio", name[:-len(".o")])
        with open(source, encoding="utf-8") as text:
            words = re.sub(r"/\*.*?\*/|//[^\n]*", "", text.read(), flags=re.S)
        wanted = sorted(what for accessor, accesses in ACCESSES.items()
                        for what in accesses * len(
                            re.findall(r"\b%s\(" % accessor, words)))
        loops = [accessor for accessor in IN_LOOPS
                 if re.search(r"\b%s\(" % accessor, words)]
        found = sorted(what for _, what in entries(name, made))
        found = once_round(found, wanted, loops)
        expect(found == wanted, "%s: %s, the source asks for %s"
               % (name, found, wanted))
        fences = list(made["code"].values()).count(FENCE)
        asked = len(re.findall(r"\blent_fence\(", words))
        expect(fences == asked, "%s: %d fences, the source asks for %d"
               % (name, fences, asked))
        print("%s: %d entries for the accesses of its source, %d fences"
              % (name, len(found), fences))


each_alone()
stays_around()
in_the_product()
print("%d points, %d failed" % (points, failed))
sys.exit(1 if failed or points < 50 else 0)
