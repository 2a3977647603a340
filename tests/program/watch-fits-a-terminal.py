#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`precarium stat --watch`, asked of a server that this test plays: 80 columns
whatever the names and numbers are, rates from the second time on, and clients
that are connected before those that have ended.

Each command waits for a second after each answer, so they run at the same time."""
import concurrent.futures
import itertools
import json
import os
import socket
import subprocess
import sys
import tempfile
import unicodedata

import serving
from serving import PRECARIUM, check

NUMBERS = ("requests", "errors", "bytes-read", "bytes-written", "losses",
           "revocations", "regions-refused", "notifications",
           "drain-deadlines", "requests-stuck", "throttled",
           "requests-in-flight", "bytes-in-flight", "queues-broken")
KINDS = ("read", "write", "flush", "discard", "write-zeroes")
together = concurrent.futures.ThreadPoolExecutor(16)
sockets = itertools.count()
NAMES = ("a", "n" * 300, "ä" * 40, "磁" * 40, "\x1b[2J\n" * 20, "")


def client(number, ended, value):
    counts = dict.fromkeys(NUMBERS, value)
    return {"number": number, "pid": 4194304, "uid": 4294967295,
            "connected": not ended, **counts,
            **({"ended": ended} if ended else {})}


def tree(clock, value):
    """The newest first: those that ended between those that are there."""
    clients = [client(4294967295, "a reason that is long " * 9, value),
               client(2, None, value), client(3, "磁" * 99, value),
               client(1, None, value)]
    counts = dict.fromkeys(NUMBERS + ("connected", "clients-so-far",
                                      "turned-away"), value)
    return {"version": "x", "clock-ms": clock,
            "faults": dict.fromkeys(("fixed", "abandoned", "substituted",
                                     "passed", "retried"), value),
            "workers": [{"cpu-ms": value, "clients": value}] * 64,
            "exports": [{"name": name, "throttled-ms": value,
                         "waiting-for-image": value, "durations": {
                             kind: {"sum-us": value, "ended": [value] * 21}
                             for kind in KINDS}, "removed": False, **counts,
                         "clients": clients} for name in NAMES]}


def ask(answers, *args):
    """What the command prints, that gets these answers and no more."""
    path = f"{next(sockets)}.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        with subprocess.Popen([PRECARIUM, "stat", "--control=" + path, *args],
                              stdout=subprocess.PIPE, encoding="utf-8",
                              stderr=subprocess.DEVNULL) as process:
            caller, _ = listener.accept()
            with caller, caller.makefile("rb") as requests:
                for answer in answers:
                    requests.readline()
                    text = json.dumps({"result": answer}) + "\n"
                    caller.sendall(text.encode())
                requests.readline()
            return process.stdout.read()


def reasons(**grown):
    """What is told of an export whose numbers grow so in two seconds."""
    frames = []
    for clock in (1000, 3000):
        export = {"name": "a", "removed": False, "clients": [],
                  "durations": {"read": {"sum-us": 0, "ended": [9] + [0] * 20}}}
        whole = {"clock-ms": clock, "faults": {}, "exports": [export],
                 "workers": [{"cpu-ms": 5}, {"cpu-ms": 7}]}
        for key, number in grown.items() if clock > 1000 else ():
            if key == "cpu":
                whole["workers"][1] = {"cpu-ms": 7 + number}
            elif key == "us":
                export["durations"]["read"] = {
                    "sum-us": number, "ended": [9, 50, 50] + [0] * 18}
            else:
                export[key.replace("_", "-")] = number
        frames.append(whole)
    told = ask(frames, "--watch").split("EXPORT, CLIENT")[2]
    return [line.strip() for line in told.split("\n")]


def why():
    """Each cause is told, and none that is not there."""
    causes = {
        "held back: by its limits, 50 % of the time": {"throttled_ms": 1000,
                                                        "requests": 9},
        "held back: clients have as much in flight as they may":
            {"throttled": 1},
        "held back: clients wait for the image, which another one uses":
            {"waiting_for_image": 1},
        "storage: has 1.5 requests on average": {"us": 3000000},
        "machines: could ask for more: the storage has 0.10 requests on "
        "average": {"requests": 9, "us": 200000},
        "workers: 0 % 95 % busy": {"cpu": 1900, "requests": 9},
    }
    *all_told, last = together.map(lambda grown: reasons(**grown),
                                   [*causes.values(), {"us": 10}])
    for (line, grown), told in zip(causes.items(), all_told):
        for other in causes:
            check((other in told) == (other == line), other, "for", grown,
                  ":", told)
    check("read: half within 16 us, 99 of 100 within 32 us" in last and
          "workers: 0 % 0 %" in last, "of these seconds only:", last)


def width(line):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1
               for c in line)


def living_first(lines):
    """In each export, as far as it is told in one piece."""
    over = False
    for line in lines:
        if "#" in line:
            ended = "reason" in line or "磁磁" in line.split("uid")[1]
            check(ended or not over, "after one that ended:", line)
            over = ended


def main():
    with tempfile.TemporaryDirectory(prefix="precarium-") as folder:
        os.chdir(folder)
        watched = together.map(
            lambda values: ask([tree(1000, values[0]), tree(3000, values[1])],
                               "--watch"),
            ((0, 0), (2**62, 2**63 - 1), (5, 2005)))
        why()
        for out in watched:
            frames = out.split("EXPORT, CLIENT")[1:]
            check(len(frames) == 2, "frames:", out)
            for line in out.split("\n"):
                check(width(line) <= 80 and line.isprintable(), width(line),
                      "columns:", line)
            for frame in frames:
                living_first(frame.split("\n"))
                check(frame.count("#2 ") == frame.count("#3 ") == len(NAMES),
                      "clients:", frame)
        row = [line for line in out.split("\n") if line.startswith("a  ")]
        check(row[0].split()[1:] == ["-", "-", "-", "5", "5", "5"],
              "without rates:", row)
        check(row[1].split()[1:] == ["1000"] * 3 + ["2005"] * 3, "rates:", row)
        # Once, there is all, however wide; the order is the same.
        out = ask([tree(1000, 2**63 - 1)])
        for export in out.split("connected, ")[1:]:
            check(export.index("#2 ") < export.index("#1 ") <
                  export.index("#4294967295") < export.index("#3 "),
                  "order:", export)
        check(out.count(str(2**63 - 1)) > 100 and "n" * 300 in out, "all:", out)
        os.chdir("/")
    return 1 if serving.failures else 0


sys.exit(main())
