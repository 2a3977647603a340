#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a service manager gives and is told: sockets that it listens on
already, READY, RELOADING and STOPPING, and a journal that gets each line with
fields; and the units that are installed are sound."""
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

import serving
from serving import PRECARIUM, check, talk

JOURNAL = "/run/systemd/journal"
UNITS = os.path.abspath(sys.argv[2])


def start(*args, handed=(), env=None, **more):
    """Sockets are handed over from descriptor 3 on."""
    before = [os.dup(fd) for fd in handed]

    def place():
        held = [os.dup2(fd, 100 + i) for i, fd in enumerate(before)]
        for i, fd in enumerate(held):
            os.dup2(fd, 3 + i)

    words = dict(os.environ, **(env or {}))
    if handed:
        words["LISTEN_FDS"] = str(len(handed))
    process = subprocess.Popen(
        ["sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", PRECARIUM, "serve",
         *args], env=words, text=True, preexec_fn=place, close_fds=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        **{"stderr": subprocess.PIPE, **more})
    for fd in before:
        os.close(fd)
    return process


def listening(path):
    one = socket.socket(socket.AF_UNIX)
    one.bind(path)
    one.listen()
    return one


def ended(process):
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=20)
    check(process.returncode == 0, "ended:", process.returncode, err)
    check("call refused" not in (err or ""), "needed and refused:", err)
    return err


def sockets_handed_over():
    folder = os.getcwd()
    a, b = listening(folder + "/a.sock"), listening(folder + "/b.sock")
    early = socket.socket(socket.AF_UNIX)
    early.connect("b.sock")  # before there is a server
    os.chmod("a.sock", 0o622)
    process = start("--export", f"socket={folder}/b.sock,null=2M",
                    "--export", f"socket={folder}/a.sock,null=1M,"
                    "socket-mode=0600",
                    handed=(a.fileno(), b.fileno()))
    early.sendall(serving.GET_FEATURES)
    early.settimeout(20)
    check(len(early.recv(20)) == 20, "no answer to who connected early")
    talk("a.sock").close()
    early.close()
    check(os.stat("a.sock").st_mode & 0o777 == 0o622, "its mode was changed")
    check("a.sock: its socket was passed in" in ended(process),
          "nothing says that socket-mode is not applied")
    check(os.path.exists("a.sock") and os.path.exists("b.sock"),
          "sockets that are another's were removed")
    # The manager's own descriptors listen still: the next server gets those.
    process = start("--export", f"socket={folder}/a.sock,null=1M",
                    handed=(a.fileno(), b.fileno()))
    _, err = process.communicate(timeout=20)
    check(process.returncode == 1 and "b.sock: no export uses" in err and
          err.count("\n") == 1, "a socket of nobody:", err)
    process = start("--export", "socket=c.sock,null=1M",
                    handed=(os.open("/dev/null", os.O_RDONLY),))
    _, err = process.communicate(timeout=20)
    check(process.returncode == 1 and "LISTEN_FDS" in err and
          "expected a Unix" in err, "no socket:", err)
    stays_used((a, b))
    for one in (a, b):
        one.close()
    os.unlink("a.sock")
    os.unlink("b.sock")


def stays_used(handed):
    """A reload may change what is at such a socket, but not leave it alone."""
    folder = os.getcwd()
    export = "- {socket: %s/%s.sock, null: %uM}\n"
    for text, status, words in (
            (export % (folder, "a", 1) + export % (folder, "b", 1), None, ""),
            (export % (folder, "a", 2), 1, "b.sock: no export uses"),
            (export % (folder, "b", 2) + export % (folder, "a", 1), 0, "")):
        with open("p.yaml", "w", encoding="utf-8") as file:
            file.write("control: c.sock\nexports:\n" + text)
        if status is None:
            process = start("--config=p.yaml",
                            handed=[one.fileno() for one in handed])
        else:
            done = serving.run("reload", "--control=c.sock")
            check(done.returncode == status and words in done.stderr,
                  "reload:", done.returncode, done.stderr)
        talk("a.sock").close()
        talk("b.sock").close()
    ended(process)


def told():
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.settimeout(20)
    notify.bind("notify")
    with open("p.yaml", "w", encoding="utf-8") as file:
        file.write("exports: [{socket: a.sock, null: 1M}]\n")
    process = start("--config=p.yaml",
                    env={"NOTIFY_SOCKET": os.getcwd() + "/notify"})
    check(notify.recv(200) == b"READY=1", "not ready")
    # Ready means that it listens: no waiting.
    talk("a.sock").close()
    process.send_signal(signal.SIGHUP)
    words = notify.recv(200)
    check(words.startswith(b"RELOADING=1\nMONOTONIC_USEC="), "told:", words)
    check(notify.recv(200) == b"READY=1", "not ready again")
    ended(process)
    check(notify.recv(200) == b"STOPPING=1", "not stopping")


def fields_of(datagram):
    return dict(line.split("=", 1)
                for line in datagram.decode().split("\n") if "=" in line)


def in_the_journal():
    """In a namespace of our own, with a journal of our own."""
    os.makedirs(JOURNAL, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", JOURNAL], check=True)
    journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    journal.settimeout(20)
    journal.bind(JOURNAL + "/socket")
    ours, theirs = socket.socketpair()
    st = os.fstat(theirs.fileno())
    process = start("--export", "socket=a.sock,null=1M,name=disk",
                    env={"JOURNAL_STREAM": f"{st.st_dev}:{st.st_ino}"},
                    stderr=theirs)
    while not os.path.exists("a.sock") and process.poll() is None:
        select.select([], [], [], 0.01)
    with talk("a.sock") as client:
        fields = fields_of(journal.recv(4096))
        who = {"EXPORT": "disk", "CLIENT": "1", "CLIENT_UID": "0",
               "CLIENT_PID": str(os.getpid()), "REASON": "connected"}
        check(who.items() <= fields.items(), "fields:", fields)
        check(fields.get("MESSAGE", "").startswith("disk#1 (pid ") and
              fields["MESSAGE"].endswith(": connected"), "message:", fields)
        client.sendall(b"x" * 12)
        words = [fields_of(journal.recv(4096))["REASON"] for _ in range(2)]
        check("ended" in words[1], "reasons:", words)
    ended(process)
    ours.setblocking(False)
    try:
        check(False, "on standard error, too:", ours.recv(999))
    except BlockingIOError:
        pass


def units():
    if not shutil.which("systemd-analyze"):
        print("systemd-analyze is not installed: units are not looked at")
        return
    for name in os.listdir(UNITS):
        if not name.endswith((".service", ".socket")):
            continue
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", os.path.join(UNITS, name)],
            capture_output=True, text=True, timeout=60)
        words = [line for line in done.stderr.split("\n") if "precarium" in line
                 and "is not executable" not in line]
        check(words == [], name, ":", words)
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=20",
         os.path.join(UNITS, "precarium.service")],
        capture_output=True, text=True, timeout=60)
    check(done.returncode == 0, "exposed:", done.stdout[-300:], done.stderr)


def main():
    if len(sys.argv) > 3:
        in_the_journal()
        return 1 if serving.failures else 0
    with tempfile.TemporaryDirectory(prefix="precarium-") as folder:
        os.chdir(folder)
        for test in (sockets_handed_over, told, units):
            test()
        if subprocess.run(["unshare", "-rm", "true"],
                          stderr=subprocess.DEVNULL).returncode == 0:
            done = subprocess.run(["unshare", "-rm", sys.executable, *sys.argv,
                                   "journal"], timeout=60)
            check(done.returncode == 0, "the journal, see above")
        else:
            print("no namespaces here: the journal is not looked at")
        os.chdir("/")
    return 1 if serving.failures else 0


sys.argv[1] = PRECARIUM
sys.argv[0] = os.path.abspath(sys.argv[0])
sys.exit(main())
