#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A server takes over from another: the sockets stay where they are, with whoever
waits there; what commands have added goes with them, and what is not wanted any
more goes; and a server that cannot take over leaves the other one as it was."""
import json
import os
import socket
import sys
import tempfile
import threading

import serving
from serving import Server, check, run, talk

CONTROL = "--control=c.sock"
TAKE = "--take-over=c.sock"


def names():
    tree = json.loads(run("export", "list", "--json", CONTROL).stdout)
    return [export["name"] for export in tree["exports"]]


def pid():
    return run("version", CONTROL).stdout.split()[-1]


def refused(*args, words):
    before = names(), sorted(os.listdir(".")), pid()
    done = run("serve", *args)
    check(done.returncode != 0 and words in done.stderr.splitlines()[-1], args,
          ":", done.returncode, done.stderr)
    check((names(), sorted(os.listdir(".")), pid()) == before, "changed by",
          args)


def nobody(path, status, words):
    """There is no server at the path, and one line says so."""
    done = run("serve", "--export=socket=z.sock,null=1M", "--take-over=" + path)
    check(done.returncode == status and words in done.stderr and
          done.stderr.startswith("precarium: --take-over") and
          done.stderr.count("\n") == 1 and not os.path.exists("z.sock"),
          path[:20], ":", done.returncode, done.stderr)


def answers(listener, answer):
    """Something else than a server, which answers once."""
    caller, _ = listener.accept()
    caller.recv(4096)
    caller.sendall(answer)
    caller.close()


def wrong():
    refused("--export=socket=a.sock,file=none,name=a", CONTROL, TAKE,
            words="none: No such file")
    refused("--export=socket=a.sock,file=a.img,name=a", CONTROL, TAKE,
            "--export=socket=q.sock,file=none,name=q",
            words="none: No such file")
    refused("--export=socket=z/a.sock,file=a.img,name=a", CONTROL, TAKE,
            words="z/a.sock: cannot be made")
    refused("--export=socket=b.sock,file=a.img,name=a", CONTROL,
            words="in use by another program")
    refused("--export=socket=r.sock,file=r.img,name=r", CONTROL, TAKE,
            words="in use by another program")
    refused("--export=socket=a.sock,file=a.img", TAKE, "--take-over=d.sock",
            words="given before")
    nobody("", 2, "expected a path")
    nobody("none.sock", 1, "No such file or directory; expected")
    nobody("a.img", 1, "Connection refused; expected")
    nobody("x" * 4000, 1, "at most 107 bytes")
    for answer, words in ((b"{}\n", "neither a result nor an error"),
                          (b"", "no answer; expected")):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("y.sock")
            listener.listen()
            other = threading.Thread(target=answers, args=(listener, answer))
            other.start()
            nobody("y.sock", 1, words)
            other.join()
        os.unlink("y.sock")


def takes_over(old):
    """Of `a`, `b` and `c` one stays, one is not wanted, one was added."""
    client = talk("a.sock")
    nodes = [os.stat(path).st_ino for path in ("a.sock", "c.sock", "e.sock")]
    before = pid()
    new = Server(None, "--export=socket=a.sock,file=a.img,name=a",
                 "--export=socket=d.sock,null=1M,name=d", CONTROL, TAKE)
    status = old.process.wait(timeout=20)
    said = old.process.communicate()[1]
    check(status == 0 and "another server goes on" in said and
          "refused" not in said, "the old one:", status, said)
    check(client.recv(1) == b"", "the old connection")
    client.close()
    waiting = socket.socket(socket.AF_UNIX)
    waiting.settimeout(20)
    waiting.connect("a.sock")
    waiting.sendall(serving.GET_FEATURES)
    check(len(waiting.recv(20)) == 20, "who waited")
    waiting.close()
    check(sorted(names()) == ["a", "d", "e"], "exports:", names())
    check(nodes == [os.stat(path).st_ino for path in
                    ("a.sock", "c.sock", "e.sock")], "other sockets")
    check(not os.path.exists("b.sock") and not os.path.exists("r.sock"),
          "what is not served is left")
    check(pid() != before, "still the old one")
    talk("e.sock").close()
    return new


def main():
    with tempfile.TemporaryDirectory(prefix="precarium-") as folder:
        os.chdir(folder)
        for name in ("a.img", "r.img"):
            with open(name, "wb") as image:
                image.truncate(1 << 20)
        old = Server("a.sock", "--export=socket=a.sock,file=a.img,name=a",
                     "--export=socket=b.sock,null=1M,name=b", CONTROL,
                     "--export=socket=r.sock,file=r.img,name=r,read-only")
        old.client.close()
        done = run("export", "add", "socket=e.sock,null=1M,name=e", CONTROL)
        check(done.returncode == 0, "add:", done.stderr)
        wrong()
        new = takes_over(old)
        status, _, err = new.end()
        check(status == 0 and "goes on where another" in err and
              "refused" not in err, "the new one:", status, err)
        check(sorted(os.listdir(".")) == ["a.img", "r.img"], "left behind:",
              os.listdir("."))
        os.chdir("/")
    return 1 if serving.failures else 0


sys.exit(main())
