#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Names and paths hold what others chose.  Where people read them, each line
is one line, and nothing in it moves a terminal: in errors, in the log, in what
each command prints; and programs get JSON, also of names that are not UTF-8."""
import json
import os
import signal
import sys
import tempfile

import serving
from serving import Server, check, run, talk

BELL = "ro\x07t\n\x1b[2J\x7f\u009b\u202eö"
SHOWN = "ro\\x07t\\n\\x1b[2J\\x7f\\u009b\\u202eö"
BYTES = b"b\xff\xc3.sock"  # no UTF-8
BYTES_SHOWN = "b\\xff\\xc3.sock"
COMMAND_LINE = ("--export", f"socket=a.sock,null=1M,name={BELL}", "--export",
                b"socket=" + BYTES + b",null=1M", "--control=c.sock", b"--config=c\xff.yaml")


def clean(where, text, *words):
    """Only what a terminal shows, and line breaks."""
    bad = [c for c in text if c != "\n" and not c.isprintable()]
    check(not bad, where, "has", bad, "in", repr(text))
    for word in words:
        check(word in text, where, "says nothing of", word, ":", repr(text))


def one_line(*args, words=(SHOWN,)):
    done = run(*args)
    check(done.returncode != 0 and done.stderr.count("\n") == 1, args,
          done.returncode, repr(done.stderr))
    clean(args[0], done.stderr, *words)


def complaints():
    one_line(BELL)
    one_line("serve", "--" + BELL)
    one_line("serve", "--export", "socket=a,null=1M," + BELL)
    one_line("serve", "--export", "socket=a,null=1M,sparse=" + BELL)
    one_line("serve", "--export", "socket=a,file=" + BELL)
    one_line("serve", "--export", f"socket={BELL}/a,null=1M")
    one_line("serve", "--export", "socket=a,null=1M", "--workers=" + BELL)
    one_line("serve", "--export", "socket=a,null=1M", "--user=" + BELL)
    one_line("serve", "--export", "socket=a,null=1M",
             f"--stats-json={BELL}/s")
    one_line("serve", "--export", "socket=a,null=1M", f"--control={BELL}/c")
    one_line("serve", "--config=" + BELL)
    one_line("stat", "--control=" + BELL)
    one_line("resize", "--control=" + BELL, "a")
    one_line("resize", "a", BELL)
    one_line("reload", "--control=" + BELL)
    one_line("check-host", BELL)
    one_line("bench", BELL)
    one_line("bench", "a", "--depth=" + BELL)
    one_line("torture", BELL)
    one_line("torture", "a", "--case=" + BELL)
    one_line("torture", "a", "--list", "--group=" + BELL)
    one_line("stat", b"--control=" + BYTES, words=(BYTES_SHOWN,))
    with open("p.yaml", "w", encoding="utf-8") as file:
        file.write('"k\\n\\e[2J": 1\n')
    one_line("serve", "--config=p.yaml", words=("k\\n\\x1b[2J: unknown",))


def told_by_a_server():
    with open(b"c\xff.yaml", "w", encoding="utf-8") as file:
        file.write("workers: 1\n")
    server = Server("a.sock", *COMMAND_LINE)
    clean("stat", run("stat", "--control=c.sock").stdout, SHOWN, BYTES_SHOWN)
    clean("resize", run("resize", "--control=c.sock", BELL, "512").stdout,
          SHOWN + ": 512 bytes")
    one_line("resize", "--control=c.sock", "no" + BELL)
    one_line("resize", "--control=c.sock", b"no\xff", words=("no\\xff",))
    # An answer about a path that JSON cannot hold is an answer.
    with open(b"c\xff.yaml", "w", encoding="utf-8") as file:
        file.write("colour: red\n")
    one_line("reload", "--control=c.sock", words=("c\\xff.yaml:1:1: colour",))
    tree = json.loads(run("stat", "--control=c.sock", "--json").stdout)
    names = [export["name"] for export in tree["exports"]]
    check(names == [BELL, BYTES_SHOWN], "names in JSON:", names)
    # A client that says nonsense is ended, and the log says so.
    client = talk("a.sock")
    client.sendall(b"\xff" * 12)
    check(client.recv(1) == b"", "the client was not ended")
    status, out, err = server.end(signal.SIGTERM)
    check(status == 0, "the server ended with", status)
    clean("statistics at the end", out, SHOWN, BYTES_SHOWN)
    clean("the log", err, SHOWN + "#")


def told_by_a_client():
    """Of bench and torture, the socket's name."""
    path = BELL + ".sock"
    server = Server(path, "--export", f"socket={path},null=1M")
    done = run("bench", path, "--requests=1", "--json")
    check(json.loads(done.stdout)["asked"]["socket"] == path, "bench:",
          done.stdout, done.stderr)
    done = run("torture", path, "--case=messages/get-features-long", "--report=r.md",
               "--json=r.json")
    clean("torture", done.stdout, SHOWN)
    with open("r.md", encoding="utf-8") as file:
        clean("its report", file.read(), SHOWN)
    with open("r.json", encoding="utf-8") as file:
        check(json.load(file)["socket"] == path, "its JSON")
    server.end()


def main():
    with tempfile.TemporaryDirectory(prefix="precarium-") as folder:
        os.chdir(folder)
        complaints()
        told_by_a_server()
        told_by_a_client()
        os.chdir("/")
    return 1 if serving.failures else 0


sys.exit(main())
