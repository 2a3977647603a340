#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An image that one server writes is served by no other, and written by no other
export of the same one; who has it is told; those who only read share it, and
those who say that they share it; a reload keeps it, and takes it for writing
where it was for reading; QEMU respects the lock, and its is respected."""
import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile

import serving
from serving import Server, check, run

WRITER = "socket=w.sock,file=image"
READER = "socket=r.sock,file=image,read-only"


def refused(export, *words):
    done = run("serve", "--export", export)
    check(done.returncode == 1 and done.stderr.count("\n") == 1, export,
          "not refused:", done.returncode, done.stderr)
    for word in ("expected",) + words:
        check(word in done.stderr, export, "says nothing of", word, ":",
              done.stderr)


def good_end(server, number=signal.SIGTERM):
    status, _, err = server.end(number)
    check(server.client and status in (0, -number), "ended:", status, err)


def one_writer():
    server = Server("w.sock", "--export", WRITER)
    for other in (WRITER.replace("w.", "x."), READER,
                  READER.replace("file=image", "file=link")):
        refused(other, "in use by another program",
                f"(process {server.process.pid})")
    good_end(server, signal.SIGKILL)
    good_end(Server("w.sock", "--export", WRITER))


def many_readers():
    one = Server("r.sock", "--export", READER)
    two = Server("s.sock", "--export", READER.replace("r.", "s."))
    refused(WRITER, "in use by another program", "(process ")
    good_end(one)
    good_end(two)
    good_end(Server("w.sock", "--export", WRITER))


def shared():
    ours = WRITER + ",shared"
    server = Server("w.sock", "--export", ours)
    other = Server("x.sock", "--export", ours.replace("w.", "x."), "--export",
                   ours.replace("w.", "y."))
    refused(WRITER.replace("w.", "z."), "in use by another program")
    refused(READER, "or among readers")
    good_end(other)
    good_end(server)
    server = Server("w.sock", "--export", WRITER)
    refused(ours.replace("w.", "x."), "or that it shares it")
    good_end(server)
    mixed = run("serve", "--export", ours, "--export", READER)
    check(mixed.returncode == 1 and "or all shared" in mixed.stderr, "mixed:",
          mixed.stderr)


def one_export():
    twice = run("serve", "--export", WRITER, "--export",
                "socket=x.sock,file=link")
    check(twice.returncode == 1 and "w.sock and x.sock write to the same image"
          in twice.stderr and twice.stderr.count("\n") == 1,
          "served twice:", twice.stderr)
    check(not os.path.exists("w.sock"), "w.sock was left")
    good_end(Server("s.sock", "--export", WRITER, "--export", READER,
                    "--export", READER.replace("r.", "s.")))


def one_device():
    """A block device is one image, whatever node it is opened by."""
    done = subprocess.run(["losetup", "--find", "--show", "image"],
                          capture_output=True, text=True, timeout=60)
    if done.returncode or os.geteuid():
        print("a loop device cannot be had: nodes of one are not looked at")
        return
    loop = done.stdout.strip()
    try:
        os.mknod("node", 0o600 | stat.S_IFBLK, os.stat(loop).st_rdev)
        twice = run("serve", "--export", f"socket=w.sock,file={loop}",
                    "--export", "socket=x.sock,file=node")
        check(twice.returncode == 1 and "write to the same image"
              in twice.stderr, "two nodes are served:", twice.stderr)
    finally:
        subprocess.run(["losetup", "--detach", loop], check=False, timeout=60)


def configure(how):
    with open("p.yaml", "w", encoding="utf-8") as file:
        file.write("control: c.sock\nexports:\n"
                   f"- {{name: disk, socket: w.sock, file: image{how}}}\n")


def reload(status, words):
    done = run("reload", "--control=c.sock")
    check(done.returncode == status and words in done.stdout + done.stderr,
          "reload:", done.returncode, done.stdout, done.stderr)


def reloaded():
    configure(", read-only: true")
    server = Server("w.sock", "--config=p.yaml")
    reader = Server("r.sock", "--export", READER)
    configure("")
    reload(1, "in use by another program")
    refused(WRITER.replace("w.", "x."))
    good_end(reader)
    reload(0, "1 changed")
    refused(READER, f"(process {server.process.pid})")
    # The old export is closed, and its descriptors with it.
    server.client.close()
    configure(", direct: true")
    reload(0, "1 changed")
    serving.talk("w.sock").close()
    refused(READER)
    good_end(server)


def other_programs():
    with open("image", "r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        refused(WRITER, f"(process {os.getpid()})")
    if not shutil.which("qemu-io"):
        print("qemu-io is not installed: its locks are not looked at")
        return
    server = Server("w.sock", "--export", WRITER)
    done = subprocess.run(["qemu-io", "-f", "raw", "-c", "read 0 512", "image"],
                          capture_output=True, text=True, timeout=60)
    check("lock" in done.stderr, "QEMU does not see our lock:", done)
    good_end(server)
    with subprocess.Popen(["qemu-io", "-f", "raw", "image"], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as it:
        it.stdin.write("length\n")
        it.stdin.flush()
        it.stdout.readline()  # it has opened the image
        refused(WRITER, "in use by another program")
        it.stdin.close()
    good_end(Server("w.sock", "--export", WRITER))


def main():
    with tempfile.TemporaryDirectory(prefix="precarium-") as folder:
        os.chdir(folder)
        with open("image", "wb") as image:
            image.truncate(1 << 20)
        os.symlink("image", "link")
        for test in (one_writer, many_readers, shared, one_export, one_device,
                     reloaded, other_programs):
            test()
        os.chdir("/")
    return 1 if serving.failures else 0


sys.exit(main())
