# SPDX-License-Identifier: MIT
"""How many instructions an operation takes, counted by callgrind, and how many
cache lines it fetches, by its simulator of a cache."""
import os
import shutil
import subprocess
import sys
import tempfile

# Of requests, lines are counted, too.
LINES = "cache lines, "

# What bench-instructions counts, and the function whose instructions they are.
PARTS = {"library": "counted", "driver": "worker_main"}


def program(build):
    return os.path.join(os.path.abspath(build), "bench", "bench-instructions")


def compiled(build):
    """The compilation that the counts are of."""
    return subprocess.run([program(build), "compiled"], check=True,
                          capture_output=True, text=True).stdout.strip()


def missing():
    """Why nothing can be counted here, or None."""
    if not shutil.which("valgrind"):
        return "valgrind is not installed"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        if " avx2" not in file.read():
            return "the copies are others on a processor without AVX2"
    return None


# Of no machine in particular, so that they are the same on each: first-level
# caches as most have them, and a last one that does not count.
CACHES = ("--cache-sim=yes", "--I1=32768,8,64", "--D1=32768,8,64",
          "--LL=1048576,16,64")
# Misses of the first-level data cache, by loads and by stores.
EVENTS = ("D1mr", "D1mw")


def totals(path):
    """Of each call of counted(): instructions, and lines fetched."""
    trigger = ""
    events = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            key, _, value = line.partition(": ")
            if key == "desc" and value.startswith("Trigger"):
                trigger = value
            elif key == "events":
                events = value.split()
            elif key == "totals" and "dump-after" in trigger:
                # Zeroes at the end are left out.
                found = dict(zip(events, map(int, value.split())))
                yield (found.get("Ir", 0),
                       sum(found.get(event, 0) for event in EVENTS))


def count_part(build, part, folder):
    out = os.path.join(folder, part)
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", *CACHES, "--fair-sched=try",
         "--callgrind-out-file=" + out,
         "--combine-dumps=yes", "--toggle-collect=" + PARTS[part],
         "--dump-before=counted", "--dump-after=counted", program(build),
         part], capture_output=True, text=True, check=False)
    paths = [line.split(" ", 2) for line in done.stdout.splitlines()]
    found = list(totals(out)) if done.returncode == 0 else []
    if not found or len(found) != 2 * len(paths):
        sys.exit("%s\ninstructions: %u paths and %u counts of %s: expected two "
                 "of each" % (done.stderr.strip(), len(paths), len(found),
                              part))
    for (times, again, name), once, twice in zip(paths, found[::2],
                                                 found[1::2]):
        yield name, (twice[0] - once[0]) / int(times) - int(again)
        if part == "driver":
            yield LINES + name, (twice[1] - once[1]) / int(times)


def count(build, parts=tuple(PARTS)):
    """The name of each path, and its instructions or lines."""
    with tempfile.TemporaryDirectory(prefix="instructions-") as folder:
        return {name: number for part in parts
                for name, number in count_part(build, part, folder)}
