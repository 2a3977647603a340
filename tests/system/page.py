# SPDX-License-Identifier: MIT
"""The listings of a page in doc/, and who runs which.

A listing is a fenced block; after its language stands its name:

    ```sh resize
"""

import re

from verdict import Red

FENCE = re.compile(r"^```(.*)\n((?:(?!```).*\n)*)```$", re.MULTILINE)


def read(text):
    """Name -> listing."""
    listings = {}
    for info, listing in FENCE.findall(text):
        words = info.split()
        if len(words) != 2:
            raise Red(f"a listing '{info}'; expected a language and a name")
        if words[1] in listings:
            raise Red(f"two listings are named {words[1]}")
        listings[words[1]] = listing
    return listings


class Page:
    """The listings that one lane runs, changed for it as `changes` says."""

    def __init__(self, path, lanes, lane, changes):
        """`lanes`: the names that each of them runs.  `changes`: pairs of
        words, the page's and ours.  A listing that no lane runs, and a change
        of what is nowhere on the page, are errors."""
        self.listings = read(path.read_text())
        self.changes = changes
        self.left = set(lanes[lane])
        run = set().union(*lanes.values())
        if run != set(self.listings):
            raise Red(f"{path.name}: run by nobody, or not there: "
                      f"{sorted(run ^ set(self.listings))}")
        for old, _ in changes:
            if not any(old in listing for listing in self.listings.values()):
                raise Red(f"{path.name}: no listing has {old}")

    def __getitem__(self, name):
        self.left.discard(name)
        listing = self.listings[name]
        for old, new in self.changes:
            listing = listing.replace(old, new)
        return listing

    def lines(self, name):
        return self[name].splitlines()

    def line(self, name, word):
        """The only line of a listing that has that word."""
        lines = [line for line in self[name].splitlines(True) if word in line]
        if len(lines) != 1:
            raise Red(f"{name}: {len(lines)} lines with {word}, expected one")
        return lines[0]
