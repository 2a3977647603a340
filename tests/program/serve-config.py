#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The configuration file: what is wrong in it is told with line and column and
what was expected; the command line wins; and a server that reads it again
opens what is new, lets go of what is not wanted, touches nothing else, and on
any error stays as it was."""
import json
import os
import signal
import sys
import tempfile

import serving
from serving import Server, check, run, talk

EXAMPLE = os.path.abspath(sys.argv[2])

GOOD = """# Disks of two machines.
workers: 2
drain-timeout: 900
control: c.sock
exports:
  - name: a
    socket: a.sock
    null: 1M
    read-only: true
  - {socket: b.sock, null: 2M}
"""


def write(text):
    with open("p.yaml.new", "w", encoding="utf-8") as file:
        file.write(text)
    os.rename("p.yaml.new", "p.yaml")


def wrong_files():
    for text, where, *words in (
            ("workers: 0\n", "1:10", "workers", "1 to 64"),
            ("# no\nworkers: two\n", "2:10", "two", "1 to 64"),
            ("colour: red\n", "1:1", "colour", "expected workers"),
            ("workers: 1\nworkers: 1\n", "2:1", "given before"),
            ("workers:\n", "1:9", "expected a value"),
            ("workers: [1]\n", "1:10", "expected a value"),
            ("- workers\n", "1:1", "expected settings"),
            ("", "1:1", "expected settings"),
            ("exports: a.sock\n", "1:10", "expected a list"),
            ("exports: [a.sock]\n", "1:11", "the keys of an export"),
            ("exports:\n  - socket: a.sock\n", "2:5", "nothing to serve"),
            ("exports:\n  - null: 1M\n", "2:5", "no socket"),
            ("exports:\n  - socket: a.sock\n    null: 1Q\n", "3:11",
             "expected bytes"),
            ("exports:\n  - socket: a.sock\n    null: 1M\n    direct: yes\n",
             "4:13", "true or false"),
            ("exports:\n  - socket: a.sock\n    nul: 1M\n", "3:5", "nul",
             "expected socket,",
             "file, format, direct, shared, nvme, namespace, memory, pin, "
             "hold or null"),
            ("exports:\n- {socket: x/a, null: 1M, name: n}\n"
             "- {socket: y/a, null: 1M, name: n}\n", "3:3", "used before"),
            ("exports:\n- {socket: a, null: 1M}\n- {socket: a, null: 1M}\n",
             "3:3", "socket: a: used before"),
            ("workers: 1\n\texports: 2\n", "2:1", "expected YAML"),
            ("a: *b\n", "1:4", "undefined alias"),
            ("workers: 1\n---\nworkers: 2\n", "2:1", "second document"),
            ("workers: \"1\\0\"\n", "1:10", "expected a value"),
            ("workers: 1\n", "", "nothing to serve")):
        write(text)
        done = run("serve", "--config=p.yaml")
        start = f"precarium: p.yaml:{where}: " if where else "precarium: "
        check(done.returncode == 2 and done.stderr.startswith(start) and
              done.stderr.count("\n") == 1 and
              all(word in done.stderr for word in words),
              repr(text), ":", done.returncode, done.stderr)
    for name, words in (("none.yaml", "No such file"), ("/", "directory"),
                        ("/dev/zero", "longer than 1 MiB")):
        done = run("serve", "--config", name)
        check(done.returncode == 2 and words in done.stderr and
              done.stderr.count("\n") == 1, name, ":", done.stderr)


def wrong_images():
    """Export and line are told, of the image as of the socket."""
    two = "exports:\n- {socket: a.sock, null: 1M}\n"
    for text, *words in (
            (two + "- socket: b.sock\n  file: none\n",
             "3:3: export b.sock: none: No such file"),
            (two + "# c\n-\n  name: x\n  socket: b.sock\n  null: 1000\n",
             "5:3: export x: ", "1000 bytes", "multiple of 512"),
            (two + "- {name: y, socket: b.sock, file: .}\n",
             "3:3: export y: .: ", "directory"),
            (two + "- {name: z, socket: no/b.sock, null: 1M}\n",
             "3:3: export z: no/b.sock: "),
            (two + f"- {{socket: {'x' * 108}, null: 1M}}\n", "3:3: export xx",
             "at most 107"),
            ("exports:\n- {socket: a.sock, file: p.yaml.img}\n"
             "- {socket: b.sock, file: p.yaml.img}\n",
             "3:3: p.yaml.img: exports a.sock and b.sock")):
        write(text)
        done = run("serve", "--config=p.yaml")
        check(done.returncode == 1 and done.stderr.startswith(
            "precarium: p.yaml:" + words[0]) and "expected" in done.stderr and
              done.stderr.count("\n") == 1 and
              all(word in done.stderr for word in words),
              repr(text), ":", done.returncode, done.stderr)
        check(not os.path.exists("a.sock"), "a.sock was left")
    # Of an export of the command line, the option.
    write(two)
    for option, args in (("--export: export b.sock", ("--export",
                                                     "socket=b.sock,file=x")),
                         ("--blk-file: export b.sock",
                          ("--socket-path=b.sock", "--blk-file=x"))):
        done = run("serve", "--config=p.yaml", *args)
        check(done.returncode == 1 and done.stderr.startswith(
            f"precarium: {option}: x: No such file"), args, done.stderr)


def example():
    """The one that is installed is complete; only its image is not here."""
    done = run("serve", "--config", EXAMPLE)
    check(done.returncode == 1 and "disk.img: No such file" in done.stderr,
          "the example:", done.returncode, done.stderr)


def exports():
    tree = json.loads(run("stat", "--control=c.sock", "--json").stdout)
    return {export["name"]: export for export in tree["exports"]}


def reload(status, words):
    done = run("reload", "--control=c.sock")
    check(done.returncode == status and words in done.stdout + done.stderr,
          "reload:", done.returncode, done.stdout, done.stderr)


def series_once():
    """An export and the one that has replaced it, whose clients are there."""
    for form in ("--openmetrics", "--prometheus"):
        text = run("stat", "--control=c.sock", form).stdout
        names = [line.rsplit(" ", 1)[0] for line in text.splitlines()
                 if not line.startswith("#")]
        twice = [name for name in set(names) if names.count(name) > 1]
        check(len(names) > 50 and not twice, form, "has twice:", twice)


def laid_over():
    write(GOOD.replace("control: c.sock", "control: no.sock"))
    server = Server("other.sock", "--config=p.yaml", "--workers=1",
                    "--control=c.sock",
                    "--export", "socket=other.sock,null=4M,name=a",
                    "--export", "socket=more.sock,null=4M")
    names = {name: export["socket"] for name, export in exports().items()}
    check(names == {"a": "other.sock", "b.sock": "b.sock",
                    "more.sock": "more.sock"}, "exports:", names)
    check(not os.path.exists("no.sock"), "the file's control socket is there")
    # An option that the command line holds may change in the file.
    write(GOOD.replace("workers: 2", "workers: 3"))
    reload(0, "0 added, 0 changed, 0 removed, 3 kept")
    status, _, err = server.end()
    check(status == 0, "ended:", status, err)


def reloaded():
    write(GOOD)
    server = Server("a.sock", "--config=p.yaml")
    b = talk("b.sock")
    # Nothing has changed: nothing is touched.
    reload(0, "0 added, 0 changed, 0 removed, 2 kept")
    # One is removed while a client is there; one is added.
    write(GOOD.replace("name: a\n    socket: a.sock",
                       "name: c\n    socket: d.sock"))
    reload(0, "1 added, 0 changed, 1 removed, 1 kept")
    now = exports()
    check(set(now) == {"a", "b.sock", "c"} and now["a"]["removed"] and
          not now["c"]["removed"] and now["b.sock"]["connected"] == 1,
          "exports:", now)
    check(not os.path.exists("a.sock"), "a.sock is there still")
    talk("d.sock").close()
    # Its client is served until it leaves; then the export is gone.
    server.client.sendall(serving.GET_FEATURES)
    check(len(server.client.recv(20)) == 20, "the old client is not served")
    server.client.close()
    while "a" in exports():
        pass
    # A device changes under its socket, which never refuses.
    write(GOOD.replace("name: a\n    socket: a.sock",
                       "name: c\n    socket: d.sock")
          .replace("null: 2M", "null: 3M"))
    inode = os.stat("b.sock").st_ino
    reload(0, "0 added, 1 changed, 0 removed, 1 kept")
    check(os.stat("b.sock").st_ino == inode, "b.sock is another")
    series_once()
    talk("b.sock").close()
    b.sendall(serving.GET_FEATURES)
    check(len(b.recv(20)) == 20, "the client of the old b is not served")
    b.close()
    nothing_half_done()
    by_signal(server)
    status, _, err = server.end()
    check(status == 0, "ended:", status, err)
    check("not reloaded, nothing has changed" in err, "no line in the log:", err)


def nothing_half_done():
    before = sorted(exports())
    for text, words in (
            ("exports:\n- {socket: e.sock, null: 1M}\n"
             "- {socket: f.sock, file: missing}\ncontrol: c.sock\n"
             "workers: 2\ndrain-timeout: 900\n", "missing"),
            ("exports: [", "p.yaml:2:1"),
            ("workers: 2\n", "nothing to serve"),
            (GOOD.replace("workers: 2", "workers: 3"), "expected no change")):
        write(text)
        reload(1, words)
        check(sorted(exports()) == before, "exports:", exports())
        check(not os.path.exists("e.sock"), "e.sock was left")
        talk("b.sock").close()
        talk("d.sock").close()


def by_signal(server):
    """SIGHUP does the same."""
    write(GOOD)
    server.process.send_signal(signal.SIGHUP)
    while "a" not in exports():
        pass
    talk("a.sock").close()


def renamed():
    """A name is the device's, the socket stays; two may change places."""
    text = ("control: c.sock\nexports:\n"
            "- {name: a, socket: a.sock, file: p.yaml.img}\n"
            "- {name: b, socket: b.sock, null: 1M}\n")
    write(text)
    server = Server("a.sock", "--config=p.yaml")
    inodes = [os.stat(name).st_ino for name in ("a.sock", "b.sock")]
    write(text.replace("name: a", "name: c"))
    reload(0, "1 added, 0 changed, 1 removed, 1 kept")
    now = exports()
    check(set(now) == {"a", "b", "c"} and now["a"]["removed"] and
          now["a"]["connected"] == 1 and now["c"]["connected"] == 0,
          "renamed:", now)
    client = talk("a.sock")
    check(exports()["c"]["connected"] == 1, "not the new name:", exports())
    server.client.sendall(serving.GET_FEATURES)
    check(len(server.client.recv(20)) == 20, "the old client is not served")
    # Nothing of a rename stays when a later export is wrong.
    write(text + "- {socket: e.sock, file: missing}\n")
    reload(1, "p.yaml:5:3: export e.sock: missing")
    check(not exports()["c"]["removed"], "half renamed:", exports())
    talk("a.sock").close()
    write(text.replace("name: a", "name: d").replace("name: b", "name: c")
          .replace("name: d", "name: b"))
    reload(0, "0 added, 2 changed, 0 removed, 0 kept")
    sockets = {name: export["socket"] for name, export in exports().items()
               if not export["removed"]}
    check(sockets == {"b": "a.sock", "c": "b.sock"}, "after:", sockets)
    write(text.replace("name: a", "name: c"))
    reload(0, "0 added, 2 changed, 0 removed, 0 kept")
    check([os.stat(name).st_ino for name in ("a.sock", "b.sock")] == inodes,
          "the sockets are others")
    talk("b.sock").close()
    client.close()
    status, _, err = server.end()
    check(status == 0, "ended:", status, err)


def no_file():
    server = Server("a.sock", "--export", "socket=a.sock,null=1M",
                    "--control=c.sock")
    reload(1, "no configuration file")
    status, _, err = server.end(signal.SIGHUP)
    check(status == 0, "a terminal that hangs up:", status, err)


def main():
    with tempfile.TemporaryDirectory(prefix="precarium-") as folder:
        os.chdir(folder)
        with open("p.yaml.img", "wb") as file:
            file.truncate(1 << 20)
        for test in (wrong_files, wrong_images, example, laid_over, reloaded,
                     renamed, no_file):
            test()
        left = [name for name in os.listdir(".")
                if name not in ("p.yaml", "p.yaml.img")]
        check(left == [], "left behind:", left)
        os.chdir("/")
    return 1 if serving.failures else 0


sys.exit(main())
