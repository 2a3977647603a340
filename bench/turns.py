# SPDX-License-Identifier: MIT
"""Sides that take turns, and what a comparison says."""
import json
import os
import subprocess
import sys
import time

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))), "tests"))
import listening


def quantile(values, share):
    """Between the two nearest."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


class Row:
    """A comparison: a ratio (or difference, or absolute value) with quartiles,
    and the bound that it has to keep."""

    def __init__(self, name, peer, unit, ours, peer_value, spread, most=None,
                 least=None):
        self.name, self.peer, self.unit = name, peer, unit
        self.ours, self.peer_value = ours, peer_value
        self.low, self.median, self.high = spread
        self.most, self.least = most, least

    def met(self):
        """None: there is no target, the row is for comparison."""
        if self.most is None and self.least is None:
            return None
        if self.most is not None:
            return self.median <= self.most
        return self.median >= self.least

    def target_text(self):
        if self.met() is None:
            return ""
        if self.most is not None:
            return "<= %.3g" % self.most
        return ">= %.3g" % self.least

    def as_dict(self):
        return {"row": self.name, "against": self.peer, "unit": self.unit,
                "ours": self.ours, "theirs": self.peer_value,
                "ratio": self.median, "quartiles": [self.low, self.high],
                "at_most": self.most, "at_least": self.least,
                "met": self.met()}


def spread(values):
    return tuple(quantile(values, share) for share in (0.25, 0.5, 0.75))


def ratio_row(name, peer, unit, ours, theirs, **bound):
    return Row(name, peer, unit, quantile(ours, 0.5), quantile(theirs, 0.5),
               spread([a / b for a, b in zip(ours, theirs)]), **bound)


def absolute_row(name, unit, ours, **bound):
    return Row(name, "", unit, quantile(ours, 0.5), None, spread(ours),
               **bound)


class Progress:
    """One line on a terminal that is written over."""

    def __init__(self):
        self.shown = sys.stderr.isatty()
        self.name = ""

    def group(self, name):
        self.name = name

    def say(self, text):
        if self.shown:
            print("\r\x1b[K%s: %s" % (self.name, text), end="",
                  file=sys.stderr, flush=True)

    def clear(self):
        if self.shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


class Server:
    """A server on the first processor, with one socket; ends with the block."""

    def __init__(self, machine, name, command, path):
        self.machine, self.path = machine, path
        self.process = subprocess.Popen(
            machine.on(machine.server_cpu, command), cwd=machine.folder,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=open(os.path.join(machine.folder, "log"), "w",
                        encoding="utf-8"))
        while not listening.listens(path):
            if self.process.poll() is not None:
                with open(os.path.join(machine.folder, "log"),
                          encoding="utf-8") as log:
                    sys.exit("bench: %s does not start: %s" % (
                        name, log.read().strip()))
            time.sleep(0.01)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # It has nothing to lose, and some take long to end when asked.
        self.process.kill()
        self.process.wait()
        if os.path.exists(self.path):
            os.unlink(self.path)

    def bench(self, *args):
        """One turn of precarium bench."""
        return self.machine.bench(self.path, *args)


class Machine:
    """Where and how it is measured."""

    def __init__(self, options, folder, progress):
        self.turns, self.turn_ms = options.turns, options.turn
        self.folder, self.progress = folder, progress
        self.build = os.path.abspath(options.build)
        self.disk_folder = os.path.abspath(options.disk)
        self.program = os.path.join(self.build, "program", "precarium")
        self.plain = options.plain and os.path.join(
            os.path.abspath(options.plain), "program", "precarium")
        processors = sorted(os.sched_getaffinity(0))
        self.server_cpu, self.client_cpu = processors[0], processors[-1]

    def on(self, processor, command):
        return ["taskset", "-c", str(processor), *command]

    def run(self, processor, command):
        done = subprocess.run(self.on(processor, command), cwd=self.folder,
                              stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, check=False)
        if done.returncode != 0:
            sys.exit("bench: %s: %s" % (" ".join(command),
                                        done.stderr.strip()))
        return done.stdout

    def bench(self, path, *args):
        told = json.loads(self.run(self.client_cpu, [
            self.program, "bench", path, "--json", "--duration",
            str(self.turn_ms), *map(str, args)]))
        return told

    def take_turns(self, what, sides, times=1):
        """What each side gave, turn by turn, so many times as many as usual.
        Who is first changes, and the first turn, which pays for what is done
        once, does not count."""
        given = {name: [] for name in sides}
        turns = times * self.turns
        for turn in range(turns + 1):
            names = list(sides) if turn % 2 else list(reversed(sides))
            for name in names:
                self.progress.say("%s: %s, turn %u of %u" % (
                    what, name, turn, turns))
                one = sides[name]()
                if turn > 0:
                    given[name].append(one)
        return given
