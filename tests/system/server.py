# SPDX-License-Identifier: MIT
"""The server under test, and the clients that attack it."""

import contextlib
import os
import pathlib
import re
import signal
import struct
import subprocess
import sys
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
import listening
from verdict import Red, tail

SECONDS = 10     # to make its sockets, and to end when told to
DRAIN_SECONDS = 90  # to end when another takes over, and requests are in flight
HELD_SECONDS = 240  # for a guest to have all its requests in flight


# In front of a command: it cannot outlive its parent, not even a killed one.
WITH_PARENT = ["setpriv", "--pdeathsig", "KILL", "--"]


def spawn(command, **how):
    """Start a process that dies with us, leader of a group of its own."""
    how.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.Popen(WITH_PARENT + command, process_group=0, **how)


class Server:
    """The server under test: one process for the whole lane, unless it is
    killed to be started again."""

    def __init__(self, command, sockets, log, packed, control=None):
        self.command = command
        self.sockets = sockets
        self.log = log
        self.unit = 32 if packed else 16  # bytes of an entry in a log
        self.control = control  # its socket, if another may take over by it
        self.lives = 0
        self.successions = []   # where in the log: by another, and its end
        self.start()

    def spawn(self, *more):
        self.lives += 1
        with open(self.log, "ab") as log:
            self.process = spawn(self.command + list(more), stdout=log,
                                 stderr=subprocess.STDOUT)
        self.since = time.monotonic()

    def start(self):
        self.spawn()
        deadline = self.since + SECONDS
        while not all(map(listening.listens, self.sockets)):
            if not self.alive() or time.monotonic() > deadline:
                self.kill()
                raise Red(f"server has no sockets\n{tail(self.log)}")
            time.sleep(0.05)

    def in_flight(self):
        """What the logs of its clients say is in flight (vhost-user.rst)."""
        count = 0
        for path in pathlib.Path(f"/proc/{self.process.pid}/fd").iterdir():
            try:
                if "precarium-inflight" not in os.readlink(path):
                    continue
                log, at = path.read_bytes(), 0
            except FileNotFoundError:
                continue    # another client has left meanwhile
            while at + self.unit <= len(log):
                version, entries = struct.unpack_from("<HH", log, at + 8)
                if version != 1:
                    break
                end = at + self.unit * (entries + 1)
                count += log[at + self.unit:end:self.unit].count(1)
                at = (end + 63) // 64 * 64
            break
        return count

    def restart(self):
        """Kill it when it has requests in flight, as far as there are some; or,
        by turns, let another take over then."""
        for _ in range(200):
            self.process.send_signal(signal.SIGSTOP)
            if self.in_flight():
                break
            self.process.send_signal(signal.SIGCONT)
            time.sleep(0.005)
        self.end_succession()
        if self.control and self.lives % 2:
            self.succeed()
            return
        self.kill()
        self.start()

    def succeed(self):
        """Another takes over; this one completes what is in flight, and ends."""
        old = self.process
        old.send_signal(signal.SIGCONT)
        self.successions.append([self.log.stat().st_size, None])
        self.spawn(f"--take-over={self.control}")
        try:
            status = old.wait(DRAIN_SECONDS)
        except subprocess.TimeoutExpired:
            old.kill()
            raise Red(f"another did not take over\n{tail(self.log)}") from None
        if status:
            raise Red(f"status {status} when another took over\n"
                      f"{tail(self.log)}")
        self.since = time.monotonic()

    def end_succession(self):
        """The one that has taken over ends, if it is one."""
        if self.successions and self.successions[-1][1] is None:
            self.successions[-1][1] = self.log.stat().st_size

    def inherited(self):
        """Each that took over: whether it says so, how many clients it had,
        and requests that the one before it should have completed."""
        self.end_succession()
        text = self.log.read_bytes().decode()
        found = []
        for begin, end in self.successions:
            part = text[begin:end]
            found.append(("goes on where another" in part,
                          part.count(": connected"),
                          part.count(" that were in flight")))
        return found

    def alive(self):
        return self.process.poll() is None

    def fate(self):
        status = self.process.poll()
        if status is not None and status < 0:
            return f"died of {signal.Signals(-status).name}"
        return "" if status is None else f"status {status}"

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Ask it to end; its exit status, or None when it had to be killed."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return None


class Held:
    """A disk that answers no request while it is held: see held.c."""

    def __init__(self, fifo, server):
        self.server = server
        self.fifo = open(fifo, "wb", buffering=0)

    def hold(self, count):
        """Until so many requests are in flight: all that the guest has."""
        self.order(b"h")
        deadline = time.monotonic() + HELD_SECONDS
        while self.server.in_flight() < count:
            if not self.server.alive() or time.monotonic() > deadline:
                raise Red(f"{self.server.in_flight()} requests in flight, "
                          f"expected {count}")
            time.sleep(0.02)

    def release(self):
        self.order(b"r")

    def order(self, what):
        with contextlib.suppress(BrokenPipeError):  # the server is gone
            self.fifo.write(what)


class Storm:
    """A hostile client, started again whenever it has finished a round.

    It must itself succeed: a storm that fails did not storm.
    """

    def __init__(self, command, log):
        self.command = command
        self.log = log
        self.rounds = 0
        self.failed = False
        self.process = None

    def tend(self):
        status = self.process.poll() if self.process else 0
        if status is None or self.failed:
            return
        if status:
            self.failed = True
            return
        self.rounds += self.process is not None
        command = [arg.replace("{seed}", str(self.rounds))
                   for arg in self.command]
        with open(self.log, "ab") as log:
            self.process = spawn(command, stdout=log,
                                 stderr=subprocess.STDOUT)

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()

    def did(self):
        """What the rounds say they did, summed: `word number` pairs."""
        sums = {}
        for word, number in re.findall(r"\b([a-z]+) (\d+)\b",
                                       self.log.read_text()):
            sums[word] = sums.get(word, 0) + int(number)
        return ", ".join(f"{n} {word}" for word, n in sums.items())
