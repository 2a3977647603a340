#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Bad input to `precarium serve` is one clear line on standard error, the
right exit status, and nothing half-made left behind."""
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile

import serving
from serving import GET_FEATURES, PRECARIUM, Server, check, run

sys.argv[2] = os.path.abspath(sys.argv[2])


def sockets():
    return [name for name in os.listdir(".") if name.endswith(".sock")]


def bad(status, words, *args):
    """One line that says what, where and what was expected."""
    done = run(*args)
    said = done.stderr.strip().split("\n")
    check(done.returncode == status, args, "status", done.returncode,
          done.stderr)
    check(len(said) == 1, args, "lines:", done.stderr)
    for word in words:
        check(word in done.stderr, args, "says nothing of", word, ":",
              done.stderr)
    check(done.stdout == "", args, "standard output:", done.stdout)
    check(sockets() == [], args, "left", sockets())


def wrong_usage():
    bad(2, ["nothing to serve", "expected"], "serve")
    bad(2, ["--nonsense"], "serve", "--nonsense")
    bad(2, ["colour", "unknown key", "expected socket"], "serve",
        "--export", "socket=a.sock,null=1M,colour=red")
    for keys, again in (("null=1M,null=1M", "null"), ("name=x,file=y,name=x",
                                                      "name"),
                        ("read-only,null=1M,read-only", "read-only"),
                        ("socket=b.sock,null=1M", "socket")):
        bad(2, [again + ": given before", "each key once"], "serve",
            "--export", "socket=a.sock," + keys)
    for option in ("--socket-path=a", "--fd=3", "--blk-file=good",
                   "--config=p"):
        bad(2, [option + ": given before", "once"], "serve", option, option)
    for keys in ("", ",socket=a.sock", "socket=a.sock,"):
        bad(2, ["a key is missing", "expected socket"], "serve", "--export",
            keys)
    bad(2, ["no socket", "socket=PATH"], "serve", "--export", "null=1M")
    bad(2, ["nothing to serve", "file=PATH"], "serve", "--export",
        "socket=a.sock")
    bad(2, ["both"], "serve", "--export", "socket=a.sock,file=good,null=1M")
    for key in ("direct", "shared"):
        bad(2, [key, "null does not take it", "expected no " + key], "serve",
            "--export", f"socket=a.sock,{key},null=1M")
    bad(2, ["read-only", "no value"], "serve", "--export",
        "socket=a.sock,null=1M,read-only=yes")
    bad(2, ["socket", "value"], "serve", "--export", "socket,null=1M")
    bad(2, ["on-loss", "fail or end"], "serve", "--export",
        "socket=a.sock,null=1M,on-loss=panic")
    for number in ("0", "65", "two"):
        bad(2, ["workers-per-client", "1 to 64"], "serve", "--export",
            "socket=a.sock,null=1M,workers-per-client=" + number)
    for serial in ("a" * 21, "tab\there", "caf\u00e9"):
        bad(2, ["serial", "1 to 20 printable"], "serve", "--export",
            "socket=a.sock,null=1M,serial=" + serial)
    for size in ("0", "513", "1K", "8K", "4096.0"):
        bad(2, ["block-size", "512 or 4096"], "serve", "--export",
            "socket=a.sock,null=1M,block-size=" + size)
    bad(1, ["block-size", "4608 bytes", "multiple of 4096"], "serve",
        "--export", "socket=a.sock,null=4608,block-size=4096")
    for size in ("0", "-1", "1X", "1KK", "", "99999999999999999999", "8388608T"):
        bad(2, ["null", "expected"], "serve", "--export",
            "socket=a.sock,null=" + size)
    for number in ("0", "-1", "one", "4294967295", "1K", ""):
        bad(2, ["namespace", "expected"], "serve", "--export",
            "socket=a.sock,nvme=0000:00:04.0,namespace=" + number)
    bad(2, ["file does not take it"], "serve", "--export",
        "socket=a.sock,file=good,namespace=1")
    bad(2, ["memory", "expected copy"], "serve", "--export",
        "socket=a.sock,nvme=0000:00:04.0,memory=copy|pin")
    bad(1, ["pin", "expected memory=pin"], "serve", "--export",
        "socket=a.sock,nvme=0000:00:04.0,memory=copy,pin=1M")
    bad(1, ["hold", "expected memory=pin"], "serve", "--export",
        "socket=a.sock,nvme=0000:00:04.0,hold")
    bad(2, ["both file and nvme"], "serve", "--export",
        "socket=a.sock,file=good,nvme=0000:00:04.0")
    for number in ("0", "65", "two", "-1", ""):
        bad(2, ["--workers", "1 to 64"], "serve", "--export",
            "socket=a.sock,null=1M", "--workers=" + number)
    bad(2, ["--control=", "expected a path"], "serve", "--export",
        "socket=a.sock,null=1M", "--control=")
    for number in ("0", "513", ""):
        bad(2, ["--max-regions", "1 to 512"], "serve", "--export",
            "socket=a.sock,null=1M", "--max-regions=" + number)
    for number in ("0", "257", ""):
        bad(2, ["--max-queues", "1 to 256"], "serve", "--export",
            "socket=a.sock,null=1M", "--max-queues=" + number)
    bad(2, ["--max-in-flight", "expected bytes"], "serve", "--export",
        "socket=a.sock,null=1M", "--max-in-flight=0")
    for name in ("max-sparse", "max-sparse-all"):
        bad(2, ["--%s" % name, "expected bytes"], "serve", "--export",
            "socket=a.sock,null=1M", "--%s=any" % name)
    bad(2, ["--seccomp", "on or off"], "serve", "--export",
        "socket=a.sock,null=1M", "--seccomp=maybe")
    bad(1, ["user: nobody-such", "there is none"], "serve", "--export",
        "socket=a.sock,null=1M", "--user=nobody-such")
    for number in ("0", "3600001", "soon", "-1", ""):
        bad(2, ["--drain-timeout", "1 to 3600000"], "serve", "--export",
            "socket=a.sock,null=1M", "--drain-timeout=" + number)
    bad(2, ["unexpected argument"], "serve", "--export",
        "socket=a.sock,null=1M", "more")
    bad(2, ["--blk-file"], "serve", "--socket-path=a.sock")
    bad(2, ["--socket-path or --fd"], "serve", "--blk-file=good")
    bad(2, ["--fd"], "serve", "--fd=x", "--blk-file=good")
    bad(2, ["no such command"], "sreve")
    bad(2, ["a command is missing"])


def wrong_images():
    for name, words in {
            "missing": ["missing", "No such file"],
            "odd": ["odd", "1000 bytes", "multiple of 512"],
            "empty": ["empty", "at least one sector"],
            "folder": ["folder", "a directory", "expected a raw image"],
            "pipe": ["pipe", "expected a raw image"],
            "/dev/zero": ["/dev/zero", "expected a raw image"],
    }.items():
        bad(1, words, "serve", "--export", "socket=a.sock,file=" + name)
    # However long its path is, the reason is said.
    deep = "/".join(["d" * 100] * 6)
    os.makedirs(deep)
    for name, words in {"odd": ["1000 bytes", "multiple of 512"],
                        "none": ["No such file", "reading and writing"],
                        "other": ["a QED image", "set format=raw"]}.items():
        if name != "none":
            with open(f"{deep}/{name}", "wb") as file:
                file.write(b"QED\0" if name == "other" else b"")
                file.truncate(1000)
        bad(1, ["dddd", "expected", *words], "serve", "--export",
            f"socket=a.sock,file={deep}/{name}")
    bad(1, ["1000 bytes", "multiple of 512"], "serve", "--export",
        "socket=a.sock,null=1000")
    for name, words in {
            "/dev/nvme0n1": ["no PCI address", "0000:00:04.0"],
            "00:04.0": ["no PCI address"],
            "../../../00:0": ["no PCI address"],
            "FFFF:FF:1F.7": ["no PCI address"],
            "ffff:ff:1f.7": ["no such device", "an NVMe controller"],
    }.items():
        bad(1, [name, *words], "serve", "--export",
            "socket=a.sock,nvme=" + name)
    # What was made before the bad one is gone again.
    bad(1, ["missing"], "serve", "--export", "socket=a.sock,null=1M",
        "--export", "socket=b.sock,null=1M",
        "--export", "socket=c.sock,file=missing")
    if os.getuid() == 0:
        return
    os.chmod("secret", 0)
    bad(1, ["secret", "Permission denied"], "serve", "--export",
        "socket=a.sock,file=secret")


def wrong_sockets():
    bad(1, ["108 bytes", "at most 107"], "serve", "--export",
        "socket=" + "x" * 108 + ",null=1M")
    bad(1, ["nowhere/a.sock", "No such file", "directory"], "serve",
        "--export", "socket=nowhere/a.sock,null=1M")
    bad(1, ["good", "no socket", "free name"], "serve", "--export",
        "socket=good,null=1M")
    check(os.path.getsize("good") == 1 << 20, "a file was harmed")
    bad(1, ["file descriptor 99", "expected a Unix socket"], "serve",
        "--fd=99", "--blk-file=good")
    bad(1, ["file descriptor 0", "expected a Unix socket"], "serve",
        "--fd=0", "--blk-file=good")
    bad(2, ["a.sock", "used before"], "serve", "--export",
        "socket=a.sock,null=1M", "--export", "socket=a.sock,null=1M")
    bad(2, ["name: x", "used before"], "serve", "--export",
        "socket=a.sock,null=1M,name=x", "--export",
        "socket=b.sock,null=1M,name=x")


def long_values():
    """However long a value is, what was expected is said."""
    long = "x" * 4000
    export = ("serve", "--export", "socket=a.sock,null=1M")
    for option in ("workers", "worker-cpus", "log", "io", "polling", "user",
                   "control", "control-mode", "control-owner", "stats-json",
                   "take-over", "nonsense"):
        done = run(*export, f"--{option}={long}")
        check(done.returncode > 0 and "expected " in done.stderr and
              done.stderr.count("\n") == 1 and len(done.stderr) < 2500, option,
              "says:", done.stderr)
    for args in ((long,), (*export, long), ("stat", "--control=" + long),
                 ("resize", "a", long), ("export", "add", long),
                 ("limit", "a", long), ("check-host", long),
                 ("torture", "a", "--case=" + long)):
        done = run(*args)
        check(done.returncode > 0 and "expected " in done.stderr and
              done.stderr.count("\n") == 1, args[0][:20], "says:", done.stderr)


def few_descriptors():
    """A start that lacks descriptors says so, whichever it lacks: three are
    standard, four the server's, and an image and a socket need three more."""
    for most in range(5, 11):
        done = subprocess.run(
            [PRECARIUM, "serve", "--export", "socket=a.sock,file=good"],
            text=True, capture_output=True, timeout=20,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE,
                                                  (most, most)))
        check(done.returncode == 1 and done.stderr.count("\n") == 1 and
              "Too many open files; expected" in done.stderr and
              "ulimit -n" in done.stderr and sockets() == [], most,
              "descriptors:", done.returncode, done.stderr)


def commas():
    """Two are one that is part of a value."""
    os.rename("good", "go,od,")
    server = Server("a,,.sock", "--export",
                    "socket=a,,,,.sock,file=go,,od,,,name=,,n,,,read-only")
    check(sockets() == ["a,,.sock"], "the socket:", sockets())
    status, out, err = server.end()
    check(status == 0 and ",n, " in out, "ended:", status, out, err)
    os.rename("go,od,", "good")
    bad(2, ["na,me: unknown key"], "serve", "--export",
        "socket=a.sock,null=1M,na,,me=x")


def live_and_stale():
    server = Server("a.sock", "--export", "socket=a.sock,file=good")
    done = run("serve", "--export", "socket=a.sock,null=1M")
    check(done.returncode == 1 and "listens there already" in done.stderr,
          "a live server's socket:", done.stderr)
    done = run("serve", "--export", "socket=b.sock,file=good")
    check(done.returncode == 1 and "in use by another program" in done.stderr,
          "an image in use:", done.stderr)
    status, _, err = server.end(signal.SIGKILL)
    check(sockets() == ["a.sock"], "no stale socket to test with")
    server = Server("a.sock", "--export", "socket=a.sock,file=good")
    status, _, err = server.end()
    check(status == 0, "on a stale socket:", status, err)
    check(sockets() == [], "after SIGTERM:", sockets())


def statistics():
    bad(1, ["nowhere/stats", "cannot be written"], "serve", "--export",
        "socket=a.sock,null=1M", "--stats-json=nowhere/stats")
    bad(1, ["/dev/full", "No space left"], "serve", "--export",
        "socket=a.sock,null=1M", "--stats-json=/dev/full")
    before = set(os.listdir("."))
    done = subprocess.run(
        [PRECARIUM, "serve", "--export", "socket=a.sock,null=1M",
         "--stats-json=stats"], text=True, capture_output=True, timeout=20,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (9, 9)))
    check(done.returncode == 1 and "cannot be written" in done.stderr and
          done.stderr.count("\n") == 1, "a file too large:", done.stderr)
    check(set(os.listdir(".")) == before, "left behind:", os.listdir("."))
    server = Server("a.sock", "--export", "socket=a.sock,null=1M,name=zero",
                    "--stats-json=stats")
    status, _, err = server.end()
    with open("stats") as file:
        stats = json.load(file)
    check(status == 0 and stats["exports"][0]["name"] == "zero" and
          stats["exports"][0]["clients-so-far"] == 1, "statistics:", stats, err)
    os.unlink("stats")
    check(set(os.listdir(".")) == before, "left behind:", os.listdir("."))
    with open("/dev/full", "w") as full:
        done = subprocess.run([PRECARIUM, "--help"], stdout=full, text=True,
                              stderr=subprocess.PIPE, timeout=20)
    check(done.returncode == 1 and "No space left" in done.stderr,
          "help to a full disk:", done.returncode, done.stderr)


def good_words():
    capabilities = json.loads(run("--print-capabilities").stdout)
    check(capabilities == {"type": "block",
                           "features": ["read-only", "blk-file"]},
          "capabilities:", capabilities)
    with open(sys.argv[2], encoding="utf-8") as file:
        description = json.load(file)
    check(description["type"] == capabilities["type"] and
          os.path.basename(description["binary"]) == "precarium",
          "description:", description)
    for args in (["--help"], ["--version"], ["serve", "--help"],
                 ["check-host", "--help"]):
        done = run(*args)
        check(done.returncode == 0 and done.stdout and not done.stderr, args,
              done.stderr)
    host = json.loads(run("check-host", "--json").stdout)
    check({"kernel", "io-uring"} <= {c["name"] for c in host["checks"]},
          "check-host:", host)


def handed_over():
    """--fd with a connection: the server ends with it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    process = subprocess.Popen(
        [PRECARIUM, f"--fd={theirs.fileno()}", "--blk-file=good"],
        pass_fds=[theirs.fileno()], stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True)
    theirs.close()
    ours.sendall(GET_FEATURES)
    ours.settimeout(20)
    check(len(ours.recv(20)) == 20, "no answer on a connection handed over")
    ours.close()
    _, err = process.communicate(timeout=20)
    check(process.returncode == 0, "ended:", process.returncode, err)


def main():
    with tempfile.TemporaryDirectory(prefix="precarium-") as folder:
        os.chdir(folder)
        os.mkdir("folder")
        os.mkfifo("pipe")
        for name, size in {"good": 1 << 20, "odd": 1000, "empty": 0,
                           "secret": 512}.items():
            with open(name, "wb") as file:
                file.truncate(size)
        for test in (wrong_usage, wrong_images, wrong_sockets, long_values,
                     few_descriptors, commas, live_and_stale, statistics,
                     good_words, handed_over):
            test()
        os.chdir("/")
    return 1 if serving.failures else 0


sys.exit(main())
