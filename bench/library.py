# SPDX-License-Identifier: MIT
"""The library's own calls: bench-library takes the turns itself."""
import json
import os
import sys

from turns import Row

SMALL, NEAR, FLAT, SAME = 1.5, 1.03, 1.1, 1.05
CHECKED, FURTHER = 1.3, 1.5  # the latter in ns, each


def copy_bound(name):
    """None for a size that nothing is promised of."""
    size = int(name.split(",")[1].split()[0])
    if size < 64:
        return None
    return SMALL if size <= 1024 else NEAR


def bounds(row):
    """Of the ratio, or of the difference in nanoseconds."""
    if row["row"].startswith("copy"):
        return copy_bound(row["row"]), None
    if row["row"].startswith(("an address among", "again one among")):
        return FLAT, None
    return {("one load", "a plain load"): (SAME, None),
            ("one checked load", "a plain load, checked"): (CHECKED, None),
            ("one tolerated load", "a plain load"): (SAME, None),
            ("enter and leave a transaction", "an empty call"): (None, None),
            ("a transaction with 8 further regions", "with one"):
            (None, 8 * FURTHER),
            ("enter and leave a transaction", "libwayland-server"): (1, None),
            ("begin and end a scope", "libwayland-server"): (1, None),
            ("fault to abandoned", "an empty handler"): (1.3, None),
            ("scan of 1 MiB, half of it gone", "no loss, and a signal"):
            (1.2, None),
            ("scan of 1 MiB, half of it gone", "fresh, and a signal"):
            (1.2, None),
            ("fault to accessor's answer", "an empty handler"): (1.3, None),
            }[row["row"], row["against"]]


def rows(machine, program):
    said = machine.run(machine.client_cpu, [program, "--json"])
    for line in said.splitlines():
        row = json.loads(line)
        ratio, extra = bounds(row)
        if extra is not None:
            yield Row(row["row"] + ", ns more", row["against"], "ns",
                      row["ours_ns"], row["peer_ns"], row["extra"], most=extra)
        elif ratio is not None:
            yield Row(row["row"], row["against"], "ns", row["ours_ns"],
                      row["peer_ns"], row["ratio"], most=ratio)


def library(machine):
    machine.progress.say("bench-library, some seconds")
    yield from rows(machine, os.path.join(machine.build, "bench",
                                          "bench-library"))


def wayland(machine):
    program = os.path.join(machine.build, "bench", "bench-wayland")
    if os.path.exists(program):
        yield from rows(machine, program)
    else:
        print("bench: left out: it was built without libwayland",
              file=sys.stderr)


GROUPS = [library, wayland]
