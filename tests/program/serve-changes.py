#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What commands change while a server runs: exports come, go and are replaced;
limits and the level of the log change; a reload lays what was added over the
file; and a command that is wrong gets one line, and has changed nothing."""
import json
import os
import socket
import stat
import sys
import tempfile

import serving
import listening
from serving import Server, check, run, talk

CONTROL = "--control=c.sock"


def say(*args, good=True, words=""):
    """What a command printed, or the one line that says why not."""
    done = run(*args, CONTROL)
    told = done.stdout if good else done.stderr
    check((done.returncode == 0) == good and words in told,
          *args, ":", done.returncode, done.stdout, done.stderr)
    if not good:
        check(done.stdout == "" and done.stderr.count("\n") == 1, *args,
              "said more than a line:", done.stdout, done.stderr)
    return told


def keys():
    return say("export", "list").splitlines()


def add(text, *more, good=True, words=""):
    return say("export", "add", text, *more, good=good, words=words)


def refused(*args, words):
    """Nothing has changed, of exports, sockets and limits."""
    before = keys(), sorted(os.listdir("."))
    say(*args, good=False, words=words)
    check((keys(), sorted(os.listdir("."))) == before, "changed by", *args)


def nothing_at_first():
    check(keys() == [], "exports:", keys())
    check(say("export", "list", "--yaml") == "exports: []\n", "as YAML")
    add("socket=a.sock,file=a,,b.img,rate-bytes=50M",
        words="a.sock: is served\n")
    check(keys() == ["socket=a.sock,rate-bytes=52428800,file=a,,b.img"],
          "exports:", keys())
    talk("a.sock").close()


def bad_exports():
    for text, words in (
            ("socket=a.sock,null=1M", "socket: a.sock: used before"),
            ("socket=b.sock,null=1M,name=a.sock", "name: a.sock: used before"),
            ("socket=b.sock,file=none", "export b.sock: none: No such file"),
            ("socket=b.sock,file=qcow.img", "looks like"),
            ("socket=no/b.sock,null=1M", "no/b.sock: cannot be made"),
            ("socket=b.sock,nul=1M", "nul: unknown key; expected socket,"),
            ("socket=b.sock,null=1Q", "null=1Q: expected bytes"),
            ("socket=b.sock,null", "null: expected a value"),
            ("socket=b.sock,null=1M,direct=1",
             "direct: expected true or false, or the key alone"),
            ("socket=b.sock,null=1M,file=a", "both file and null"),
            ("socket=b.sock,null=1M,burst-bytes=1M", "there is no rate"),
            ("null=1M", "no socket"), ("socket=b.sock", "nothing to serve"),
            ("socket=b.sock,file=a,,b.img", "write to the same image"),
            ("socket=b.sock,null=1M,null=2M", "each key once"),
            ("", "a key is missing")):
        refused("export", "add", text, words=words)
    refused("export", "remove", "none", words="none: no such export")
    refused("limit", "none", "in-flight=1", words="none: no such export")
    refused("export", "fly", words="expected add KEYS")
    refused("export", "list", "--replace", words="expected add KEYS")


def limits_change():
    client = talk("a.sock")
    for limits, words in (("read-only=1", "read-only: is no limit; expected"),
                          ("rate-bytes=0", "expected bytes"),
                          ("burst-requests=9", "there is no rate"),
                          ("in-flight", "KEY=VALUE"),
                          ("in-flight=1,in-flight=2", "each key once")):
        refused("limit", "a.sock", limits, words=words)
    told = say("limit", "a.sock", "rate-requests=1000,rate-bytes=none")
    check(told == "a.sock: rate-requests=1000 burst-requests=none "
          "rate-bytes=none burst-bytes=none in-flight=none "
          "client-in-flight=none\n", "limits:", told)
    check(say("limit", "a.sock") == told, "asked again")
    tree = json.loads(say("stat", "--json"))["exports"][0]
    check(tree["rate-requests"] == 1000 and tree["rate-bytes"] == 0 and
          tree["client-in-flight"] == 512 and tree["connected"] == 1,
          "stat:", tree)
    say("limit", "a.sock", "client-in-flight=8")
    tree = json.loads(say("stat", "--json"))["exports"][0]
    check(tree["client-in-flight"] == 8, "stat:", tree)
    say("limit", "a.sock", "client-in-flight=none")
    client.close()


def replaced():
    """Whoever is there keeps the old one."""
    client = talk("a.sock")
    node = os.stat("a.sock").st_ino
    refused("export", "add", "socket=a.sock,null=2M,name=a.sock",
            words="used before")
    refused("export", "add", "socket=a.sock,file=none,name=a.sock",
            "--replace", words="none: No such file")
    add("socket=a.sock,null=2M,name=a.sock,socket-mode=0600", "--replace")
    check(os.stat("a.sock").st_ino == node, "another socket")
    check(stat.S_IMODE(os.stat("a.sock").st_mode) == 0o600, "rights")
    check(keys() == ["socket=a.sock,socket-mode=0600,name=a.sock,null=2M"],
          "exports:", keys())
    client.sendall(serving.GET_FEATURES)
    check(len(client.recv(20)) == 20, "the client of the old one")
    client.close()
    talk("a.sock").close()
    say("export", "remove", "a.sock")
    check(keys() == [] and not os.path.exists("a.sock"), "removed:", keys())


def gone():
    """Until the server has told the end of each client in its log."""
    while any(export["connected"] for export in
              json.loads(say("stat", "--json"))["exports"]):
        pass


def logged():
    check(say("log") == "info\n" and say("log", "debug") == "debug\n", "log")
    talk("e.sock").close()
    gone()
    check(say("log", "warning") == "warning\n", "log")
    talk("e.sock").close()
    refused("log", "loud", words="expected warning, info or debug")
    refused("log", "a", "b", words="expected one level")


def lines():
    """What the protocol says of requests, by itself."""
    caller = socket.socket(socket.AF_UNIX)
    caller.settimeout(20)
    caller.connect("c.sock")
    answers = caller.makefile("rb")
    for request, words in (
            ({"command": "version", "protocol": 2}, "protocol: expected 1"),
            ({"command": "version", "colour": 1}, "colour: unknown key; "
             "version takes none"),
            ({"command": "limit", "exprot": "a"}, "exprot: unknown key; limit "
             "takes export and limits"),
            ({"command": "export-add", "export": "a"}, "expected an object"),
            ({"command": "export-add", "export": {"socket": None}},
             "socket: expected a text, a whole number"),
            ({"command": "export-add", "export": {"socket": True}},
             "socket: expected a value"),
            ({"command": "export-add", "export": {}, "replace": 1},
             "expected true or false"),
            ({"command": "export-remove"}, "export: expected a text"),
            ({"command": "log", "level": 3}, "expected warning")):
        caller.sendall(json.dumps(request).encode() + b"\n")
        said = json.loads(answers.readline())
        check(words in said.get("error", ""), request, ":", said)
    caller.sendall(b'{"command": "version", "command": "stat"}\n')
    check("duplicate" in json.loads(answers.readline())["error"], "twice")
    caller.sendall(json.dumps(
        {"command": "export-add", "protocol": 1, "export":
         {"socket": "e.sock", "null": 1 << 20, "read-only": True, "name": "e",
          "in-flight": 7, "serial": "5"}}).encode() + b"\n")
    check(json.loads(answers.readline()) == {"result": {"export": "e"}}, "add")
    check(keys() == ["socket=e.sock,read-only,name=e,serial=5,in-flight=7,"
                     "null=1048576"], "numbers:", keys())
    caller.sendall(b'{"command": "version", "protocol": 1}\n')
    told = json.loads(answers.readline())["result"]
    check(told["protocol"] == 1 and "export-add" in told["commands"] and
          run("--version").stdout == f"precarium {told['version']}\n",
          "version:", told)
    check(f"process {told['pid']}\n" in say("version"), "version")
    caller.close()


def configure(text):
    with open("p.yaml", "w", encoding="utf-8") as file:
        file.write("log: info\nexports:\n" + text)


def beside_a_file():
    """A reload keeps what was added, and undoes what was done to the file's."""
    configure("- {socket: f.sock, null: 1M, name: f, in-flight: 5}\n"
              "- {socket: g.sock, null: 1M, name: g}\n")
    server = Server("f.sock", "--config=p.yaml", CONTROL,
                    "--export=socket=l.sock,null=1M,name=l")
    add("socket=h.sock,null=1M,name=h")
    add("socket=g.sock,null=3M,name=g", "--replace")
    say("limit", "f", "in-flight=9")
    say("limit", "l", "in-flight=9")
    say("export", "remove", "f")
    say("log", "debug")
    now = ["socket=g.sock,name=g,null=3M",
           "socket=l.sock,name=l,in-flight=9,null=1M",
           "socket=h.sock,name=h,null=1M"]
    check(keys() == now, "before:", keys())
    say("reload", words="1 added, 0 changed, 0 removed, 3 kept")
    check(sorted(keys()) == sorted(
        now + ["socket=f.sock,name=f,in-flight=5,null=1M"]), "after:", keys())
    check(say("log") == "debug\n", "the level, which the file has not changed")
    say("export", "remove", "h")
    say("export", "remove", "l")
    say("export", "remove", "g")
    configure("- {socket: f.sock, null: 1M, name: f, rate-bytes: none}\n"
              "- {socket: g.sock, null: 1M, name: g}\n")
    with open("p.yaml", "a", encoding="utf-8") as file:
        file.write("workers: 1\n")
    say("reload", good=False, words="workers: 1, was not given")
    configure("- {socket: f.sock, null: 1M, name: f, rate-bytes: none}\n"
              "- {socket: g.sock, null: 1M, name: g}\n")
    with open("p.yaml", encoding="utf-8") as file:
        text = file.read()
    with open("p.yaml", "w", encoding="utf-8") as file:
        file.write(text.replace("log: info", "log: warning"))
    say("reload", words="1 added, 1 changed, 0 removed, 0 kept")
    check(keys() == ["socket=f.sock,name=f,null=1M",
                     "socket=g.sock,name=g,null=1M"], "at last:", keys())
    check(say("log") == "warning\n", "the level of the file")
    # What it exports is a configuration.
    yaml = say("export", "list", "--yaml")
    status, _, err = server.end()
    check(status == 0 and "refused" not in err, "ended:", status, err)
    with open("p.yaml", "w", encoding="utf-8") as file:
        file.write(yaml)
    server = Server("g.sock", "--config=p.yaml", CONTROL, "--log=warning")
    check(say("export", "list", "--yaml") == yaml, "served again")
    status, _, err = server.end()
    check(status == 0 and err == "", "a log of warnings:", status, err)
    done = run("serve", "--config=p.yaml", "--log=loud")
    check(done.returncode == 2 and done.stderr == "precarium: --log=loud: "
          "expected warning, info or debug\n", "a bad level:", done.stderr)


def main():
    with tempfile.TemporaryDirectory(prefix="precarium-") as folder:
        os.chdir(folder)
        with open("a,b.img", "wb") as image:
            image.truncate(1 << 20)
        with open("qcow.img", "wb") as image:
            image.write(b"QFI\xfb\0\0\0\3" + bytes(1016))
        server = Server(None, CONTROL)
        check(listening.wait("c.sock", server.process), "no server")
        for test in (nothing_at_first, bad_exports, limits_change, replaced,
                     lines, logged):
            test()
        status, _, err = server.end()
        check(status == 0, "the server ended with", status, err)
        check("refused" not in err.replace(": refused:", ""), "filter:", err)
        check(err.count("e#1 ") == 3 and "e#1 (pid" in err and
              "): GET_FEATURES\n" in err and "e#2 " not in err, "log:", err)
        beside_a_file()
        os.chdir("/")
    return 1 if serving.failures else 0


sys.exit(main())
