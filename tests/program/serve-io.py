#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Where io_uring is forbidden, threads move the bytes of files: by default, with a
line that says so; with --io=threads without one; and with --io=uring the server
does not start."""
import glob
import json
import os
import sys
import tempfile

import serving
from serving import PRECARIUM, Server, check, run

WITHOUT = os.path.abspath(sys.argv[2])
FORBIDDEN = "io_uring cannot be used: "
INSTEAD = "threads move the bytes of files instead"


def forbidden():
    """A command that runs the program on a system without io_uring."""
    with open("forbidden", "w", encoding="utf-8") as file:
        file.write(f'#!/bin/sh\nexec {WITHOUT} {PRECARIUM} "$@"\n')
    os.chmod("forbidden", 0o700)
    return os.path.abspath("forbidden")


def with_program(program, call, *args):
    """Call something of `serving` that runs this instead."""
    serving.PRECARIUM = program
    try:
        return call(*args)
    finally:
        serving.PRECARIUM = PRECARIUM


def rings(server):
    """How many rings of io_uring it has."""
    return sum(os.readlink(path) == "anon_inode:[io_uring]"
               for path in glob.glob(f"/proc/{server.process.pid}/fd/*")
               if os.path.islink(path))


def falls_back():
    server = with_program(forbidden(), Server, "a.sock", "--config=c.yaml",
                          "--control=c.sock")
    check(server.client is not None, "it does not start")
    check(rings(server) == 0, "it has rings")
    # A reload that opens an image says nothing more.
    with open("c.yaml", "a", encoding="utf-8") as file:
        file.write("- {socket: b.sock, file: b.img}\n")
    done = run("reload", "--control=c.sock")
    check(done.returncode == 0, "reload:", done.stderr)
    status, _, err = server.end()
    lines = [line for line in err.splitlines() if FORBIDDEN in line]
    check(status == 0 and len(lines) == 1 and INSTEAD in lines[0],
          "auto:", status, err)


def is_chosen():
    export = "--export", "socket=a.sock,file=a.img"
    server = Server("a.sock", *export, "--io=threads")
    check(server.client is not None and rings(server) == 0,
          "--io=threads has rings")
    status, _, err = server.end()
    check(status == 0 and FORBIDDEN not in err and INSTEAD not in err,
          "--io=threads:", status, err)
    done = with_program(forbidden(), run, "serve", *export, "--io=uring")
    check(done.returncode == 1 and len(done.stderr.splitlines()) == 1 and
          FORBIDDEN in done.stderr and
          "or threads in its place" in done.stderr,
          "--io=uring:", done.returncode, done.stderr)
    check(not os.path.exists("a.sock"), "it left a socket")
    done = run("serve", *export, "--io=aio")
    check(done.returncode == 2 and
          "--io=aio: expected auto, uring or threads" in done.stderr,
          "--io=aio:", done.stderr)


def is_reported():
    done = with_program(forbidden(), run, "check-host", "--json")
    checks = json.loads(done.stdout)["checks"]
    ring = next(one for one in checks if one["name"] == "io-uring")
    check(done.returncode == 0 and not ring["needed"] and not ring["good"] and
          "threads move" in ring["found"], "check-host:", ring)


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name in ("a.img", "b.img"):
            with open(name, "wb") as file:
                file.truncate(1 << 20)
        with open("c.yaml", "w", encoding="utf-8") as file:
            file.write("exports:\n- {socket: a.sock, file: a.img}\n")
        falls_back()
        is_chosen()
        is_reported()
    return 1 if serving.failures else 0


sys.exit(main())
