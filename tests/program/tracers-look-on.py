#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The places for tracers: the program has each that the manual names, and the script
that comes with it tells how long requests of a client took.
Usage: tracers-look-on.py PRECARIUM SCRIPT"""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import serving
from serving import PRECARIUM, Server, check, run

SCRIPT = sys.argv[2]
# Each, and how many arguments it has.
PROBES = {"request_begin": 6, "request_submit": 3, "request_end": 6, "loss": 3,
          "revocation": 3, "throttle": 2}


def notes():
    """Where each is, and its arguments."""
    told = subprocess.run(["readelf", "-nW", PRECARIUM], check=True,
                          capture_output=True, text=True).stdout
    return {name: (int(at, 16), arguments.split()) for name, at, arguments in
            re.findall(r"Provider: precarium\s+Name: (\w+)\s+"
                       r"Location: 0x(\w+).*\s+Arguments: (.*)", told)}


def byte_at(pid, at):
    """Of the program, as it is in memory."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps:
        first = next(line for line in maps
                     if line.rstrip().endswith(PRECARIUM))
    start = int(first.split("-")[0], 16)
    with open(f"/proc/{pid}/mem", "rb") as memory:
        memory.seek(start + at)
        return memory.read(1)[0]


def traced(places):
    """The script sees what a client does.  False: nothing can be traced here."""
    server = Server("a.sock", "--export", "socket=a.sock,null=1G,name=disk")
    pid = server.process.pid
    with open("told", "w", encoding="utf-8") as told, \
            subprocess.Popen(["bpftrace", "-p", str(pid), SCRIPT], stdout=told,
                             stderr=subprocess.STDOUT) as tracer:
        # An attached probe is a breakpoint.
        while tracer.poll() is None and any(
                byte_at(pid, at) != 0xCC for name, (at, _) in places.items()
                if name != "request_submit"):
            time.sleep(0.01)
        if tracer.returncode is None:
            done = run("bench", "a.sock", "--requests", "500", "--read", "0")
            check(done.returncode == 0, "bench:", done.stderr)
            tracer.send_signal(signal.SIGINT)
    with open("told", encoding="utf-8") as file:
        text = file.read()
    server.end()
    counts = re.findall(r"^\[.*[)\]]\s+(\d+) \|", text, re.M)
    if not tracer.returncode:
        check("@us[disk, 2, write]" in text and sum(map(int, counts)) == 500,
              "told:", text)
    return tracer.returncode == 0


def main():
    places = notes()
    if not places:
        print("skipped: built without sys/sdt.h")
        return 77
    check({name: len(arguments) for name, (_, arguments) in places.items()} ==
          PROBES, "probes:", places)
    with tempfile.TemporaryDirectory(prefix="precarium-") as folder:
        os.chdir(folder)
        if not shutil.which("bpftrace"):
            print("not tried: the script: bpftrace is not installed")
        elif os.geteuid() != 0 or not traced(places):
            print("not tried: the script: nothing can be traced here")
        os.chdir("/")
    return 1 if serving.failures else 0


sys.exit(main())
