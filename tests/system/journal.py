# SPDX-License-Identifier: MIT
"""What `writes` says on the console of what it writes, and what is on the disk.

The console is the host's from the moment when a line is printed: it does not
depend on the guest's memory, of which an emulator may lose something when it
migrates.
"""

import array
import re

BLOCK = 4096
WORDS = BLOCK // 8
PLACES = 512
DEPTH = 16      # requests that it keeps in flight


def end(image):
    """Tell the guest to come to its end.  Not by way of the server."""
    with open(image, "r+b") as disk:
        disk.write(b"end.")


def ended(console):
    """How many writes were acknowledged, by what the console has of it."""
    return len(re.findall(r"^ended \d+ \d+$", console, re.MULTILINE))


def numbers(image):
    """Of the last write to each place; None where it is not one write."""
    with open(image, "rb") as disk:
        disk.seek(BLOCK)
        words = array.array("Q", disk.read(BLOCK * PLACES))
    for place in range(PLACES):
        at = place * WORDS
        number = words[at] // WORDS // PLACES
        first = (number * PLACES + place) * WORDS if number else 0
        step = 1 if number else 0
        whole = all(words[at + i] == first + i * step for i in range(WORDS))
        yield number if whole else None


def check(verdict, console, image, carried_out):
    """Every write that was acknowledged is there, and was carried out once.

    `carried_out`: bytes, as the server counts them.  A line of the kernel may
    stand in the middle of one of ours, so the journal may lack some.
    """
    begun, done = {}, {}
    for word, place, number in re.findall(r"^(begin|ended) (\d+) (\d+)$",
                                          console, re.MULTILINE):
        begun.setdefault(int(place), {0}).add(int(number))
        if word == "ended":
            done[int(place)] = int(number)
    bad = [f"place {place} has {has}, acknowledged {done.get(place, 0)}"
           for place, has in enumerate(numbers(image))
           if has is None or has < done.get(place, 0) or
           has not in begun.get(place, {0})]
    verdict.check("journal", not bad and done, "; ".join(
        bad[:3] or [f"{ended(console)} acknowledged writes, each place has "
                    "the last"]))
    written = re.findall(r"^written (\d+)$", console, re.MULTILINE)
    verdict.check("once", written and
                  int(written[-1]) * BLOCK == carried_out,
                  f"{''.join(written) or 'unknown'} writes of {BLOCK} bytes, "
                  f"{carried_out} bytes written")
