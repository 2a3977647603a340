#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a server was started with and does not need, it gives up before its first
client: every thread is another user, without capabilities or a way back, and
behind the filter of system calls; what it needs and the filter refuses, it has
before; and it works."""
import glob
import json
import os
import pwd
import signal
import sys
import tempfile

import serving
from serving import Server, check, run, talk

FILTERED = sys.argv[2] == "filtered"


def of_all_threads(server, key):
    """The values of a line of /proc/PID/task/*/status."""
    found = set()
    for path in glob.glob(f"/proc/{server.process.pid}/task/*/status"):
        with open(path, encoding="utf-8") as file:
            found |= {line.split(":", 1)[1].strip() for line in file
                      if line.startswith(key + ":")}
    return found


def filtered():
    server = Server("a.sock", "--export", "socket=a.sock,null=1M",
                    "--workers=3")
    modes = of_all_threads(server, "Seccomp")
    check(modes == {"2" if FILTERED else "0"}, "filter by default:", modes)
    check(of_all_threads(server, "NoNewPrivs") == {"1" if FILTERED else "0"},
          "privileges can be gained")
    _, _, err = server.end()
    check("refused" not in err, "refused:", err)
    server = Server("a.sock", "--export", "socket=a.sock,null=1M",
                    "--seccomp=off")
    check(of_all_threads(server, "Seccomp") == {"0"}, "filter although off")
    server.end()
    if not FILTERED:
        done = run("serve", "--export", "socket=a.sock,null=1M",
                   "--seccomp=on")
        check(done.returncode == 1 and "built without" in done.stderr,
              "asked for what is not there:", done.stderr)


def count_rings(server):
    """Of the process, or None without the right to look."""
    rings = 0
    for path in glob.glob(f"/proc/{server.process.pid}/fd/*"):
        try:
            rings += os.readlink(path) == "anon_inode:[io_uring]"
        except FileNotFoundError:
            pass
    return rings


def opener_of(server):
    """The process that opens files for it."""
    children = []
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                state, parent = file.read().rsplit(")", 1)[1].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(parent) == server.process.pid and state != "Z":
            children.append(int(path.split("/")[2]))
    return children


def image(name):
    with open(name, "wb") as file:
        file.truncate(1 << 20)


def made_before():
    """Rings of io_uring, as many as there are workers; and what opens images of a
    new configuration, and statistics, for writing."""
    if not FILTERED:
        print("no filter: nothing is made before")
        return
    for name in ("a.img", "b.img", "c.img"):
        image(name)
    with open("p.yaml", "w", encoding="utf-8") as file:
        file.write("exports:\n- {socket: a.sock, file: a.img}\n"
                   "- {socket: b.sock, file: b.img}\n")
    server = Server("a.sock", "--config=p.yaml", "--workers=2",
                    "--control=c.sock", "--stats-json=stats.json")
    before = count_rings(server)
    others = [talk(name) for name in ("a.sock", "b.sock", "b.sock")]
    check(before == count_rings(server) == 2, "rings:", before,
          count_rings(server))
    with open("p.yaml", "a", encoding="utf-8") as file:
        file.write("- {socket: new.sock, file: c.img}\n")
    check(run("reload", "--control=c.sock").returncode == 0, "reload")
    talk("new.sock").close()
    check(count_rings(server) == 2, "rings after a reload:",
          count_rings(server))
    os.remove("stats.json")
    server.process.send_signal(signal.SIGUSR1)
    while not os.path.exists("stats.json"):
        talk("new.sock").close()
    with open(f"/proc/{server.process.pid}/maps", encoding="ascii") as file:
        check(not [line for line in file if "wx" in line.split()[1]],
              "memory that can be written and executed")
    openers = opener_of(server)
    check(len(openers) == 1, "processes:", openers)
    left = os.listdir(f"/proc/{openers[0]}/fd")
    check(len(left) == 4, "the opener holds", left)
    for client in others:
        client.close()
    status, _, err = server.end(signal.SIGKILL)
    check("refused" not in err, "refused:", err)
    # Killed, it leaves nothing that holds its images.
    server = Server("a.sock", "--config=p.yaml")
    status, _, err = server.end()
    check(status == 0, "after a kill:", status, err)


def without_opener():
    """If the process that opens is killed, reload says so and nothing changes."""
    if not FILTERED:
        return
    image("a.img")
    with open("p.yaml", "w", encoding="utf-8") as file:
        file.write("exports:\n- {socket: a.sock, null: 1M}\n")
    server = Server("a.sock", "--config=p.yaml", "--control=c.sock")
    os.kill(opener_of(server)[0], signal.SIGKILL)
    with open("p.yaml", "a", encoding="utf-8") as file:
        file.write("- {socket: b.sock, file: a.img}\n")
    done = run("reload", "--control=c.sock")
    check(done.returncode == 1 and "a.img: Broken pipe" in done.stderr,
          "without the opener:", done.stdout, done.stderr)
    talk("a.sock").close()
    _, _, err = server.end()
    check("that opens files for writing has ended" in err, "log:", err)


def another_user():
    if os.getuid() != 0:
        print("not root: no other user is tried")
        return
    nobody = pwd.getpwnam("nobody")
    os.chmod(".", 0o755)
    with open("secret", "wb") as file:
        file.truncate(1 << 20)
    os.chmod("secret", 0o600)
    with open("p.yaml", "w", encoding="utf-8") as file:
        file.write("exports: [{socket: a.sock, file: secret}]\n")
    server = Server("a.sock", "--config=p.yaml", "--user=nobody",
                    "--control=c.sock", "--workers=3")
    check(of_all_threads(server, "Uid") ==
          {"\t".join([str(nobody.pw_uid)] * 4)}, "users:",
          of_all_threads(server, "Uid"))
    check(of_all_threads(server, "Gid") ==
          {"\t".join([str(nobody.pw_gid)] * 4)}, "groups:",
          of_all_threads(server, "Gid"))
    for pid in opener_of(server) if FILTERED else []:
        check(os.stat(f"/proc/{pid}").st_uid == nobody.pw_uid,
              "what opens files is another user")
    check(of_all_threads(server, "CapEff") == {"0" * 16}, "capabilities")
    check(of_all_threads(server, "CapPrm") == {"0" * 16}, "capabilities")
    # What was opened before is served; what is opened now needs its rights.
    tree = json.loads(run("stat", "--control=c.sock", "--json").stdout)
    check(tree["exports"][0]["connected"] == 1, "exports:", tree)
    with open("p.yaml", "a", encoding="utf-8") as file:
        file.write("  # changed\n")
    check(run("reload", "--control=c.sock").returncode == 0, "reload")
    with open("p.yaml", "w", encoding="utf-8") as file:
        file.write("exports: [{socket: a.sock, file: secret, direct: true}]\n")
    done = run("reload", "--control=c.sock")
    check(done.returncode == 1 and "Permission denied" in done.stderr,
          "another's image was opened:", done.stdout, done.stderr)
    talk("a.sock").close()
    status, _, err = server.end()
    check(status == 0 and "system call refused" not in err, "ended:", status,
          err)


def main():
    with tempfile.TemporaryDirectory(prefix="precarium-") as folder:
        os.chdir(folder)
        for test in (filtered, made_before, without_opener, another_user):
            test()
        os.chdir("/")
    return 1 if serving.failures else 0


sys.exit(main())
