# SPDX-License-Identifier: MIT
"""What a lane found out."""

import re
import time


class Red(Exception):
    """The lane cannot go on: what it would check next is not there."""


class Verdict:
    """Each check by its name, said aloud once; red ones are kept."""

    def __init__(self):
        self.red = {}
        self.start = time.monotonic()

    def say(self, text):
        print(f"{time.monotonic() - self.start:6.1f} {text}", flush=True)

    def check(self, name, good, detail=""):
        self.say(f"{'ok ' if good else 'RED'} {name}"
                 f"{': ' if detail else ''}{detail}")
        if not good:
            self.red.setdefault(name, detail)
        return good

    def end(self):
        """The exit status.  What is red is said once more, so that it stands at
        the very end of a log of which only that is seen."""
        for name, detail in self.red.items():
            first = detail.partition("\n")[0]
            print(f"FAILED {name}{': ' if first else ''}{first}", flush=True)
        return 1 if self.red else 0


def tail(path, lines=25):
    """Its last lines; of a console without what `writes` says of each write."""
    text = [line for line in path.read_text(errors="replace").splitlines()
            if not re.match(r"(begin|ended) \d", line)]
    return "".join(f"    | {line}\n" for line in text[-lines:])
