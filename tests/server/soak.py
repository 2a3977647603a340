#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One server for a long time, under attack round after round: every attack of
`precarium torture`, then hostile clients at once, then a reload, while a good
client verifies every byte.  In the end: what was done, what the sanitizers
said, and what the server holds, which must not grow.

Usage: soak.py PRECARIUM CLIENTS SECONDS
Exit status: 0 nothing was wrong; 1 something was; 2 wrong usage."""
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import listening

STORM_SECONDS = 45
STORM = 3  # hostile clients at once
LINE_SECONDS = 60
REPORT = re.compile(r"runtime error|ERROR: \w+Sanitizer|WARNING: \w+Sanitizer")
CONFIG = """\
workers: 2
control: control
exports:
  - {name: good, socket: good.sock, file: good.img}
  - {name: near, socket: near.sock, file: near.img}
  - {name: attacked, socket: attacked.sock, file: attacked.img, direct: true}
  - {name: storm, socket: storm.sock, file: storm.img, shared: true}
  - {name: nothing, socket: nothing.sock, null: 1G}
"""
MORE = "  - {name: more, socket: more.sock, null: 1M}\n"


def configure(more):
    with open("soak.yaml.new", "w", encoding="utf-8") as file:
        file.write(CONFIG + (MORE if more else ""))
    os.rename("soak.yaml.new", "soak.yaml")


def holdings(pid):
    """Memory in KiB, descriptors, mappings of files."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        resident = int(re.search(r"VmRSS:\s*(\d+)", file.read())[1])
    with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
        shared = sum(line.split()[1][3] == "s" for line in file)
    return resident, len(os.listdir(f"/proc/{pid}/fd")), shared


class Good:
    """The good client, and what it said last."""

    def __init__(self, clients):
        self.said = {"requests": 0, "verified": 0}
        self.process = subprocess.Popen(
            [clients, "good", "good.sock"], stdout=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.said = json.loads(line)

    def end(self):
        self.process.terminate()
        status = self.process.wait(600)
        self.reader.join()
        return status


class Soak:
    def __init__(self, program, clients, seconds):
        self.program, self.clients = program, clients
        self.seconds, self.start = seconds, time.monotonic()
        self.wrong = []
        self.attacks = self.storms = self.refused = self.rounds = 0
        self.skipped = 0
        self.held = []  # after each round
        self.log = open("log", "ab")
        configure(False)
        options = "quarantine_size_mb=1:detect_leaks=1:log_path=report"
        self.server = subprocess.Popen(
            [program, "serve", "--config=soak.yaml"], stderr=self.log,
            stdout=self.log, stdin=subprocess.DEVNULL,
            env=dict(os.environ, ASAN_OPTIONS=options,
                     UBSAN_OPTIONS="print_stacktrace=1:log_path=report"))
        listening.wait("control", self.server)
        self.good = Good(clients)

    def left(self):
        return self.start + self.seconds - time.monotonic()

    def alive(self):
        for name, process in (("the server", self.server),
                              ("the good client", self.good.process)):
            if process.poll() is not None and not self.wrong:
                self.wrong.append(f"{name} ended: {process.returncode}")
        return not self.wrong

    def wait(self, process, seconds):
        """Until it ends or the time is over; then it is asked to end."""
        end = time.monotonic() + min(seconds, self.left())
        while time.monotonic() < end and process.poll() is None:
            if not self.alive():
                break
            time.sleep(0.2)
        if process.poll() is None:
            process.terminate()
        return process.communicate(timeout=600)[0]

    def torture(self):
        if os.path.exists("found"):
            os.unlink("found")
        process = subprocess.Popen(
            [self.program, "torture", "attacked.sock", "--neighbour",
             "near.sock", "--pid", str(self.server.pid), "--json", "found",
             "--stall", "60000", "--answer", "60000", "--timeout", "30000"],
            stdout=subprocess.DEVNULL)
        self.wait(process, self.left())
        if not os.path.exists("found"):
            self.skipped += 1  # it did not begin, and has said why
            return
        with open("found", encoding="utf-8") as file:
            found = json.load(file)
        for case in found["cases"]:
            self.attacks += case["verdict"] == "survived"
            if case["verdict"] not in ("survived", "not applicable",
                                       "not run"):
                self.wrong.append("{group}/{name}: {verdict}: {text}".format(
                    **case))

    def storm(self):
        sockets = ["storm.sock", "nothing.sock"]
        hostile = [subprocess.Popen(
            [self.clients, "hostile", sockets[i % 2],
             str(self.rounds * STORM + i)], stdout=subprocess.PIPE, text=True)
            for i in range(STORM)]
        self.wait(hostile[0], STORM_SECONDS)
        for process in hostile[1:]:
            process.terminate()
        for process in hostile[1:]:
            self.count(process.communicate(timeout=600)[0])

    def count(self, said):
        if said:
            self.storms += json.loads(said)["rounds"]
            self.refused += json.loads(said)["refused"]

    def reload(self):
        configure(self.rounds % 2 == 0)
        done = subprocess.run(
            [self.program, "reload", "--control=control"], timeout=600,
            capture_output=True, text=True, check=False)
        if done.returncode:
            self.wrong.append("reload: " + done.stderr.strip())

    def look(self):
        """What the server said, which is not kept, and what it holds."""
        time.sleep(1)  # those who have hung up are gone by then
        if self.alive():
            self.held.append(holdings(self.server.pid))
        self.log.truncate(0)

    def reports(self):
        found = []
        for name in sorted(os.listdir(".")):
            if name.startswith("report"):
                with open(name, encoding="utf-8", errors="replace") as file:
                    found += [line.strip() for line in file
                              if REPORT.search(line)]
        return found

    def tell(self):
        said, (memory, fds, maps) = self.good.said, self.held[-1]
        print(f"{time.monotonic() - self.start:6.0f} s: {self.rounds} rounds, "
              f"{self.attacks} attacks, {self.storms} hostile lives; good: "
              f"{said['requests']} requests, {said['verified'] >> 20} MiB "
              f"verified; server: {memory >> 10} MiB, {fds} descriptors, "
              f"{maps} mappings", flush=True)

    def tell_on(self):
        while self.server.poll() is None:
            time.sleep(LINE_SECONDS)
            if self.held:
                self.tell()

    def run(self):
        self.look()
        threading.Thread(target=self.tell_on, daemon=True).start()
        while self.left() > 0 and self.alive():
            for part in (self.torture, self.storm, self.reload, self.look):
                if self.alive():
                    part()
            self.rounds += 1
        good = self.good.end()
        if good:
            self.wrong.append(f"the good client: exit status {good}")
        self.server.terminate()
        status = self.server.wait(600)
        if status:
            self.wrong.append(f"the server: exit status {status}")
        self.wrong += self.reports()
        return status


def grown(held):
    """Descriptors and mappings are as before, memory has come to rest: the
    allocator keeps some of what was at once in use in the first rounds."""
    wrong = []
    if not held:
        return ["the server was never looked at"]
    first, last = held[0], held[-1]
    if last[1] > first[1] + 2 or last[2] > first[2] + 2:
        wrong.append(f"descriptors, mappings: {first[1:]} became {last[1:]}")
    if len(held) > 4 and last[0] > held[len(held) // 2][0] * 1.1 + 8192:
        wrong.append("memory grew to the end: " +
                     " ".join(str(one[0] >> 10) for one in held) + " MiB")
    return wrong


def summary(soak, status):
    said = soak.good.said
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{time.monotonic() - soak.start:.0f} s, of processors "
          f"{used.ru_utime + used.ru_stime:.0f} s: {soak.rounds} rounds, "
          f"{soak.attacks} attacks survived, {soak.storms} hostile lives "
          f"({soak.refused} without connection)")
    if soak.skipped:
        print(f"{soak.skipped} rounds had no attacks but the storm")
    print(f"good client: {said['requests']} requests, "
          f"{said['verified'] >> 20} MiB verified, "
          f"p99 {said.get('p99-us', 0) / 1000:.1f} ms, "
          f"slowest {said.get('slowest-us', 0) / 1000:.0f} ms")
    for name, i, unit in (("memory", 0, " KiB"), ("descriptors", 1, ""),
                          ("mappings", 2, "")):
        print(f"server, {name}:",
              ", ".join(str(one[i]) for one in soak.held) + unit,
              "(at first, and after each round)")
    print(f"server: exit status {status}, sanitizers: "
          f"{len(soak.reports())} reports")
    for line in soak.wrong:
        print("WRONG:", line)


def main():
    if len(sys.argv) != 4 or not sys.argv[3].isdigit():
        print(__doc__.split("\n\n")[1], file=sys.stderr)
        return 2
    program, clients = map(os.path.abspath, sys.argv[1:3])
    with tempfile.TemporaryDirectory(prefix="precarium-soak-") as folder:
        os.chdir(folder)
        for name, size in (("good", 16), ("near", 16), ("attacked", 64),
                           ("storm", 64)):
            with open(name + ".img", "wb") as image:
                image.truncate(size << 20)
        soak = Soak(program, clients, int(sys.argv[3]))
        status = soak.run()
        soak.wrong += grown(soak.held)
        summary(soak, status)
        os.chdir("/")
    return 1 if soak.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
