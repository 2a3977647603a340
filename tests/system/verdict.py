# SPDX-License-Identifier: MIT
"""What a lane found out."""

import re
import time


class Red(Exception):
    """The lane cannot go on: what it would check next is not there."""


class Verdict:
    """Each check by its name, said aloud once; red ones are kept."""

    def __init__(self):
        self.red = set()
        self.start = time.monotonic()

    def say(self, text):
        print(f"{time.monotonic() - self.start:6.1f} {text}", flush=True)

    def check(self, name, good, detail=""):
        self.say(f"{'ok ' if good else 'RED'} {name}"
                 f"{': ' if detail else ''}{detail}")
        if not good:
            self.red.add(name)
        return good


def tail(path, lines=25):
    """Its last lines; of a console without what `writes` says of each write."""
    text = [line for line in path.read_text(errors="replace").splitlines()
            if not re.match(r"(begin|ended) \d", line)]
    return "".join(f"    | {line}\n" for line in text[-lines:])
