#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a server was started with and does not need, it gives up before its first
client: every thread is another user, without capabilities or a way back, and
behind the filter of system calls; and it works."""
import glob
import json
import os
import pwd
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
        for test in (filtered, another_user):
            test()
        os.chdir("/")
    return 1 if serving.failures else 0


sys.exit(main())
