#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each worker runs on the processor that --worker-cpus names for it; a list that
is none, or names a processor that is not there, gets one line."""
import os
import select
import sys
import tempfile

import serving
from serving import Server, check, run

BAD = ("", "x", "0-", "1-0", "0,0", "0-2,1", "0,,1", "0,", "-1", "1024", "0x1")
EXPECTED = "expected processors, each once, as in 0-3,8"
EXPORT = ("--export", "socket=a.sock,null=1M")


def processors(pid):
    """Of each worker, in the order in which they were started."""
    found = []
    for thread in sorted(os.listdir(f"/proc/{pid}/task"), key=int):
        with open(f"/proc/{pid}/task/{thread}/status",
                  encoding="ascii") as file:
            lines = dict(line.rstrip("\n").split(":\t", 1) for line in file
                         if ":\t" in line)
        if lines["Name"] == "worker":
            found.append(lines["Cpus_allowed_list"])
    return found


def workers_of(*args):
    server = Server("a.sock", *EXPORT, "--workers=3", *args)
    found = processors(server.process.pid)
    while len(found) < 3:  # one has not told its name yet
        select.select([], [], [], 0.01)
        found = processors(server.process.pid)
    code, _, err = server.end()
    check(code == 0, "exit", code, err)
    return found


def bound():
    usable = sorted(os.sched_getaffinity(0), reverse=True)[:2]
    names = [str(cpu) for cpu in usable]
    check(workers_of("--worker-cpus=" + ",".join(names)) ==
          [names[i % len(names)] for i in range(3)], "not bound:", names)
    with open("/proc/self/status", encoding="ascii") as file:
        free = [line.split()[1] for line in file
                if line.startswith("Cpus_allowed_list")]
    check(workers_of() == 3 * free, "bound unasked")


def bad_values():
    for text in BAD:
        done = run("serve", *EXPORT, "--worker-cpus=" + text)
        check(done.returncode == 2 and done.stderr ==
              f"precarium: --worker-cpus={text}: {EXPECTED}\n",
              "bad value:", text, done.stderr)


def not_there():
    if 1023 in os.sched_getaffinity(0):
        return
    done = run("serve", *EXPORT, "--worker-cpus=1023")
    check(done.returncode == 1 and done.stderr.splitlines()[-1].endswith(
        "worker-cpus: 1023: Invalid argument; expected processors that this "
        "process may use"), "not there:", done.returncode, done.stderr)
    check(not os.path.exists("a.sock"), "a socket is left")


def main():
    with tempfile.TemporaryDirectory(prefix="workers-") as folder:
        os.chdir(folder)
        bound()
        bad_values()
        not_there()
        os.chdir("/")
    return 1 if serving.failures else 0


sys.exit(main())
