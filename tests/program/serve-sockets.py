#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Those connect to a socket whom the configuration lets, and nobody else: its
rights do not depend on the umask, are those of the keys from the beginning, and
follow them in a reload, which changes all of them or none; what is wrong with a
key is one line, and leaves no socket."""
import errno
import grp
import os
import pwd
import shutil
import socket
import stat
import subprocess
import sys
import tempfile

import serving
from serving import PRECARIUM, Server, check, run, talk

ROOT = os.getuid() == 0
NULL = "socket=a.sock,null=1M"


def rights(path):
    found = os.lstat(path)
    return stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid


def has(path, mode, owner=os.geteuid(), group=os.getegid()):
    check(rights(path) == (mode, owner, group), path, "has",
          f"{rights(path)[0]:o} {rights(path)[1:]}, not",
          f"{mode:o} {(owner, group)}")


def no_sockets():
    left = [name for name in os.listdir(".") if name.endswith(".sock")]
    check(left == [], "left behind:", left)


def end(server):
    status, _, err = server.end()
    check(status == 0 and "refused" not in err, "ended:", status, err)
    no_sockets()


def as_user(user, groups=()):
    """For a child: another user, with its own group and these."""
    entry = pwd.getpwnam(user)

    def become():
        os.setgroups([grp.getgrnam(name).gr_gid for name in groups])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    return become


def lets(path, user, groups=()):
    """May that user connect?"""
    child = os.fork()
    if child == 0:
        as_user(user, groups)()
        why = socket.socket(socket.AF_UNIX).connect_ex(path)
        os._exit(why)
    why = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    check(why in (0, errno.EACCES), path, user, "error", why)
    return why == 0


def whatever_the_umask():
    for umask in (0, 0o022, 0o077, 0o777):
        before = os.umask(umask)
        server = Server("a.sock", "--export", NULL, "--export",
                        "socket=b.sock,null=1M,socket-mode=0606",
                        "--control=c.sock")
        os.umask(before)
        has("a.sock", 0o660)
        has("b.sock", 0o606)
        has("c.sock", 0o600)
        end(server)
    server = Server("a.sock", "--export", NULL + ",socket-mode=600",
                    "--control=c.sock", "--control-mode=0666")
    has("a.sock", 0o600)
    has("c.sock", 0o666)
    end(server)


def refused(status, words, *args):
    done = run("serve", *args)
    check(done.returncode == status and done.stderr.count("\n") == 1 and
          all(word in done.stderr for word in words), args, ":",
          done.returncode, done.stderr)
    no_sockets()


def wrong_values():
    mode = "expected an octal mode"
    for key, what, values in (
            ("mode", mode, ("8", "0o660", "rw", "1777", "-1", "0660 ", "0",
                            "0060", "0440", "77777777777777777777777")),
            ("owner", "name or number of a user",
             ("nobody-such", "-1", "4294967295", "0x0", " 0")),
            ("group", "name or number of a group",
             ("nobody-such", "-1", "4294967295", "1.0", "0 "))):
        for value in values:
            refused(2, ["--export", f"socket-{key}={value}", what], "--export",
                    f"{NULL},socket-{key}={value}")
            refused(2, [f"--control-{key}={value}", what], "--export", NULL,
                    "--control=c.sock", f"--control-{key}={value}")
        refused(2, [f"socket-{key}", "expected a value"], "--export",
                f"{NULL},socket-{key}=")
        refused(2, ["control-mode", "no control socket", "expected control"],
                "--export", NULL,
                f"--control-{key}={'0660' if key == 'mode' else '0'}")
    with open("p.yaml", "w", encoding="utf-8") as file:
        file.write("exports:\n- socket: a.sock\n  null: 1M\n"
                   "  socket-group: nobody-such\n")
    refused(2, ["p.yaml:4:17", "nobody-such", "number of a group"],
            "--config=p.yaml")


def others_connect():
    server = Server("a.sock", "--export", NULL + ",socket-group=daemon",
                    "--export", "socket=b.sock,null=1M,socket-owner=nobody,"
                    "socket-mode=0600", "--export", "socket=d.sock,null=1M",
                    "--control=c.sock", "--control-owner=1",
                    "--control-group=2", "--control-mode=0640")
    has("a.sock", 0o660, group=grp.getgrnam("daemon").gr_gid)
    has("b.sock", 0o600, pwd.getpwnam("nobody").pw_uid)
    has("c.sock", 0o640, 1, 2)
    check(lets("a.sock", "nobody", ["daemon"]), "its group cannot connect")
    check(not lets("a.sock", "nobody"), "another can connect")
    check(lets("b.sock", "nobody"), "its owner cannot connect")
    check(not lets("b.sock", "daemon"), "not its owner, and connects")
    check(not lets("d.sock", "nobody"), "by default others can connect")
    end(server)


def without_the_right():
    """Somebody who may not give files away; and whose another's socket is."""
    shutil.copy(PRECARIUM, "precarium")
    os.mkdir("open")
    os.chmod("open", 0o777)
    for keys in ("socket-owner=0", "socket-group=0"):
        done = subprocess.run(
            ["./precarium", "serve", "--export",
             "socket=open/a.sock,null=1M," + keys], text=True, timeout=20,
            capture_output=True, preexec_fn=as_user("nobody"))
        check(done.returncode == 1 and done.stderr.count("\n") == 1 and
              "open/a.sock: cannot be given to user" in done.stderr and
              "expected to be root" in done.stderr, keys, done.stderr)
        check(os.listdir("open") == [], "left behind:", os.listdir("open"))
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind("open/a.sock")
        os.chmod("open/a.sock", 0o600)
    done = subprocess.run(
        ["./precarium", "serve", "--export", "socket=open/a.sock,null=1M"],
        capture_output=True, text=True, timeout=20,
        preexec_fn=as_user("nobody"))
    check(done.returncode == 1 and done.stderr.count("\n") == 1 and
          "may not connect" in done.stderr, "another's socket:", done.stderr)
    os.unlink("open/a.sock")
    # Not allowed to connect to what it serves, it removes it all the same.
    os.chown("open", pwd.getpwnam("nobody").pw_uid, 0)
    server = Server("open/a.sock", "--export", "socket=open/a.sock,null=1M",
                    "--user=nobody")
    end(server)
    check(os.listdir("open") == [], "left behind:", os.listdir("open"))


def configure(*exports):
    with open("p.yaml", "w", encoding="utf-8") as file:
        file.write("control: c.sock\nexports:\n" +
                   "".join(f"- {{{export}}}\n" for export in exports))


def reload(status, words):
    done = run("reload", "--control=c.sock")
    check(done.returncode == status and words in done.stdout + done.stderr,
          "reload:", done.returncode, done.stdout, done.stderr)


def reloaded(*more):
    a, b = "socket: a.sock, null: 1M", "socket: b.sock, null: 1M"
    configure(a, b)
    server = Server("a.sock", "--config=p.yaml", *more)
    inode = os.stat("a.sock").st_ino
    configure(a + ", socket-mode: 0666", b)
    reload(0, "0 added, 1 changed, 0 removed, 1 kept")
    has("a.sock", 0o666)
    # Beside another change, which needs another device.
    configure("socket: a.sock, null: 2M, socket-mode: 0600", b)
    reload(0, "1 changed")
    has("a.sock", 0o600)
    talk("a.sock").close()
    # Under another name, at the same socket; and two that exchange theirs.
    configure("socket: a.sock, null: 2M, socket-mode: 0602, name: other", b)
    reload(0, "1 added, 0 changed, 1 removed, 1 kept")
    has("a.sock", 0o602)
    configure("socket: b.sock, null: 2M, socket-mode: 0620, name: other",
              "socket: a.sock, null: 1M, name: b.sock")
    reload(0, "2 changed")
    has("a.sock", 0o660)
    has("b.sock", 0o620)
    configure("socket: a.sock, null: 2M, socket-mode: 0600", b)
    reload(0, "")
    has("a.sock", 0o600)
    has("b.sock", 0o660)
    # None of it, if anything fails.
    configure("socket: a.sock, null: 2M, socket-mode: 0644", b,
              "socket: x.sock, file: missing")
    reload(1, "missing")
    has("a.sock", 0o600)
    configure("socket: a.sock, null: 2M, socket-mode: rwx", b)
    reload(1, "p.yaml:3:43: socket-mode: rwx: expected an octal mode")
    os.rename("b.sock", "gone")
    configure("socket: a.sock, null: 2M, socket-mode: 0644",
              b + ", socket-mode: 0600")
    reload(1, "b.sock: the socket that was made there is gone")
    has("a.sock", 0o600)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind("b.sock")
        before = rights("b.sock")
        reload(1, "b.sock: the socket that was made there is gone")
        check(rights("b.sock") == before, "another's socket was changed")
    os.rename("gone", "b.sock")
    # What was changed by hand stays, unless the configuration changes it.
    os.chmod("b.sock", 0o622)
    configure("socket: a.sock, null: 2M, socket-mode: 0644", b)
    reload(0, "1 changed, 0 removed, 1 kept")
    has("b.sock", 0o622)
    has("a.sock", 0o644)
    check(os.stat("a.sock").st_ino == inode, "a.sock is another")
    server.client.sendall(serving.GET_FEATURES)
    check(len(server.client.recv(20)) == 20, "the first client is not served")
    end(server)


def given_away_in_a_reload():
    configure("socket: a.sock, null: 1M, socket-owner: 1, socket-group: 2")
    server = Server("a.sock", "--config=p.yaml")
    has("a.sock", 0o660, 1, 2)
    configure("socket: a.sock, null: 1M, socket-mode: 0620, socket-owner: 3")
    reload(0, "1 changed")
    has("a.sock", 0o620, 3)
    end(server)
    # As somebody else, who may not.
    configure("socket: a.sock, null: 1M")
    server = Server("a.sock", "--config=p.yaml", "--user=nobody")
    for keys, words in (("socket-mode: 0666", "cannot be given mode 0666"),
                        ("socket-group: 2", "cannot be given to user 0")):
        configure("socket: a.sock, null: 1M, " + keys)
        reload(1, words)
        has("a.sock", 0o660)
    status, _, err = server.end()
    check(status == 0, "ended:", status, err)
    for name in ("a.sock", "c.sock"):
        os.unlink(name)


def no_links():
    """What is there and is no socket of a dead server stays as it is."""
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind("stale")
    for target in ("stale", "nothing"):
        os.symlink(target, "a.sock")
        done = run("serve", "--export", NULL)
        check(done.returncode == 1 and done.stderr.count("\n") == 1 and
              "is no socket; expected a free name" in done.stderr,
              "a link:", done.stderr)
        check(os.readlink("a.sock") == target, "the link is another")
        os.unlink("a.sock")
    check(os.path.exists("stale") and not os.path.exists("nothing"),
          "a link was followed")
    os.unlink("stale")


def main():
    tests = [whatever_the_umask, wrong_values, reloaded, no_links]
    if ROOT:
        tests += [others_connect, without_the_right, given_away_in_a_reload]
    else:
        print("not root: no socket is given away")
    with tempfile.TemporaryDirectory(prefix="precarium-") as folder:
        os.chdir(folder)
        os.chmod(".", 0o755)
        for test in tests:
            test()
        os.chdir("/")
    return 1 if serving.failures else 0


sys.exit(main())
