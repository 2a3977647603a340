#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An image that looks like one of another format is not served as a raw one,
unless format=raw says so: at the start as in a reload, by one line that names the
format and a way to serve it, which works.  What a guest writes into its disk is
nothing to refuse while it is served."""
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile

import serving
from serving import PRECARIUM, Server, check, run, talk

SIZE = 1 << 20

# Where the bytes are, from the start or, if negative, from the end.
LOOKS = {
    "a qcow image": [(0, b"QFI\xfb\0\0\0\1")],
    "a qcow2 image": [(0, b"QFI\xfb\0\0\0\2"), (0, b"QFI\xfb\0\0\0\3")],
    "a QED image": [(0, b"QED\0")],
    "a VMDK image": [
        (0, b"KDMV\1\0\0\0"), (0, b"COWD"),
        (0, b"\xbe\xba\xfe\xca\0\0\0\0"),
        (0, b"# Disk DescriptorFile\nversion=1\n"),
        (0, b"#\n# written by hand\n\n  \r\nversion=3\r\nCID=1\n")],
    "a VHDX image": [(0, b"vhdxfile")],
    "a VHD image": [(0, b"conectix"), (-512, b"conectix")],
    "a VDI image": [
        (0, b"<<< Oracle VM VirtualBox Disk Image >>>\n".ljust(64, b"\0") +
         b"\x7f\x10\xda\xbe")],
    "a LUKS volume": [(0, b"LUKS\xba\xbe\0\1"), (0, b"LUKS\xba\xbe\0\2")],
    "a Parallels image": [(0, b"WithoutFreeSpace"), (0, b"WithouFreSpacExt")],
    "a Bochs image": [(0, b"Bochs Virtual HD Image")],
    "a cloop image": [(0, b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop")],
    "an Apple disk image": [(-512, b"koly\0\0\0\4")],
}

# What raw disks have, and what is nearly one of the above.
RAW = [(0, b""), (0, b"QFI"), (1, b"QFI\xfb\0\0\0\3"), (512, b"QFI\xfb"),
       (0, b"QED1"), (0, b"LUKS"), (8, b"conectix"), (-504, b"conectix"),
       (-1024, b"koly\0\0\0\4"), (60, b"\x7f\x10\xda\xbe"),
       (0, b"#!/bin/sh\nexit\n"), (0, b"version=1\n"), (0, b"#" * 1024),
       (0, b"\n" * 1024), (0, b"#\n" * 508 + b"\n\n\n\nvers"),
       (510, b"\x55\xaa"), (512, b"EFI PART"), (0, b"\xeb\x63\x90"),
       (1080, b"\x53\xef"), (32769, b"CD001"), (-512, b"EFI PART"),
       (0, b"hsqs"), (0, b"\x7fELF")]


def make(name, at, content, size=SIZE):
    with open(name, "wb") as file:
        file.truncate(size)
        file.seek(at, os.SEEK_SET if at >= 0 else os.SEEK_END)
        file.write(content)


def content_of(name):
    with open(name, "rb") as file:
        return file.read()


def refused(name, look, *more):
    done = run("serve", "--export", f"socket=a.sock,file={name}", *more)
    check(done.returncode == 1 and done.stderr.count("\n") == 1 and
          f"{name}: looks like {look}; expected a raw image" in done.stderr and
          "qemu-storage-daemon" in done.stderr and
          "format=raw" in done.stderr, name, look, ":", done.returncode,
          done.stderr)
    check(not os.path.exists("a.sock"), "a socket was left")


def served(export, what):
    server = Server("a.sock", "--export", "socket=a.sock," + export)
    status, _, err = server.end()
    check(server.client and status == 0, what, "is not served:", err)


def by_their_bytes():
    for look, places in LOOKS.items():
        for at, content in places:
            make("image", at, content)
            refused("image", look)
    make("image", 0, b"QFI\xfb\0\0\0\3")
    before = content_of("image")
    done = run("serve", "--export", "socket=a.sock,file=image,read-only")
    check("a qcow2 image" in done.stderr, "to be read only:", done.stderr)
    done = run("serve", "--socket-path=a.sock", "--blk-file=image")
    check("a qcow2 image" in done.stderr, "alone:", done.stderr)
    served("file=image,format=raw", "what is said to be raw")
    check(content_of("image") == before, "the image was changed")
    # The format is said, not that the number of bytes is odd.
    make("image", 0, b"QFI\xfb\0\0\0\3", 1000)
    refused("image", "a qcow2 image")
    for value in ("qcow2", "RAW", "raw,format=auto", ""):
        done = run("serve", "--export",
                   f"socket=a.sock,file=image,format={value}")
        check(done.returncode == 2 and done.stderr.count("\n") == 1 and
              "format" in done.stderr and "expected" in done.stderr, value,
              ":", done.stderr)
    done = run("serve", "--export", "socket=a.sock,null=1M,format=raw")
    check(done.returncode == 2 and "null does not take it" in done.stderr,
          "format of nothing:", done.stderr)


def raw_ones():
    for at, content in RAW:
        make("image", at, content)
        served("file=image", (at, content))


def as_qemu_makes_them():
    if not shutil.which("qemu-img"):
        print("qemu-img is not installed: its images are not tried")
        return
    for look, kind, *options in (
            ("a qcow2 image", "qcow2"), ("a qcow image", "qcow"),
            ("a QED image", "qed"), ("a VMDK image", "vmdk"),
            ("a VMDK image", "vmdk", "-o", "subformat=monolithicFlat"),
            ("a VMDK image", "vmdk", "-o", "subformat=streamOptimized"),
            ("a VHDX image", "vhdx"), ("a VDI image", "vdi"),
            ("a VHD image", "vpc"),
            ("a VHD image", "vpc", "-o", "subformat=fixed,force_size=on"),
            ("a Parallels image", "parallels")):
        made = subprocess.run(["qemu-img", "create", "-q", "-f", kind,
                               *options, "image", "4M"], text=True,
                              capture_output=True, timeout=60)
        if made.returncode != 0:
            print("not made:", kind, made.stderr.strip())
            continue
        refused("image", look)
    os.unlink("image-flat")


def configure(*exports):
    with open("p.yaml", "w", encoding="utf-8") as file:
        file.write("control: c.sock\nexports:\n" +
                   "".join(f"- {{{export}}}\n" for export in exports))


def reload(status, words):
    done = run("reload", "--control=c.sock")
    check(done.returncode == status and words in done.stdout + done.stderr,
          "reload:", done.returncode, done.stdout, done.stderr)


def reloaded():
    disk, other = "socket: a.sock, file: image", "socket: b.sock, file: other"
    make("image", 0, b"")
    make("other", 0, b"QFI\xfb\0\0\0\3")
    configure(disk)
    server = Server("a.sock", "--config=p.yaml")
    configure(disk, other)
    reload(1, "other: looks like a qcow2 image")
    check(not os.path.exists("b.sock"), "b.sock was left")
    configure(disk, other + ", format: raw")
    reload(0, "1 added, 0 changed, 0 removed, 1 kept")
    # It is no longer said, and was never found to be so.
    configure(disk, other)
    reload(1, "other: looks like a qcow2 image")
    talk("b.sock").close()
    # As the guest may write it: no reason to hold up anybody's reload.
    with open("image", "r+b") as file:
        file.write(b"QFI\xfb\0\0\0\3")
    configure(disk)
    reload(0, "0 added, 0 changed, 1 removed, 1 kept")
    configure(disk + ", direct: true")
    reload(0, "0 added, 1 changed, 0 removed, 0 kept")
    configure(disk + ", direct: true",
              "socket: b.sock, file: image, read-only: true")
    reload(0, "1 added, 0 changed, 0 removed, 1 kept")
    talk("b.sock").close()
    status, _, err = server.end()
    check(status == 0 and "refused" not in err, "ended:", status, err)
    # The next start knows nothing of that.
    refused("image", "a qcow2 image")
    served("file=image,format=raw", "the guest's disk")


def left_out():
    """A header that a guest wrote keeps nobody else from a disk."""
    disk, other = "socket: a.sock, file: image", "socket: b.sock, file: other"
    make("image", 0, b"")
    make("other", 0, b"QFI\xfb\0\0\0\3")
    configure(disk, other)
    server = Server("a.sock", "--config=p.yaml")
    check(server.client, "the others are not served")
    check(not os.path.exists("b.sock"), "its socket is there")
    stat = run("stat", "--control=c.sock").stdout
    check("b.sock" in stat and "not served: other: looks like a qcow2 image"
          in stat, "stat:", stat)
    stat = json.loads(run("stat", "--control=c.sock", "--json").stdout)
    check([one["name"] for one in stat["left-out"]] == ["b.sock"] and
          [one["name"] for one in stat["exports"]] == ["a.sock"],
          "stat:", stat)
    metrics = run("stat", "--control=c.sock", "--openmetrics").stdout
    check("\nprecarium_exports_left_out 1\n" in metrics, "metrics:", metrics)
    done = run("resize", "--control=c.sock", "b.sock", "4M")
    check(done.returncode == 1 and "b.sock: is not served: other: looks like"
          in done.stderr, "resize:", done.stderr)
    # A reload tries it again, and keeps nobody waiting for it either; a new one
    # of that kind is a mistake.
    reload(0, "0 added, 0 changed, 0 removed, 1 kept")
    make("third", 0, b"QFI\xfb\0\0\0\3")
    configure(disk, other, "socket: d.sock, file: third")
    reload(1, "third: looks like a qcow2 image")
    configure(disk + ", socket-mode: 0600", other + ", in-flight: 5")
    reload(0, "0 added, 1 changed, 0 removed, 0 kept")
    configure(disk, other + ", format: raw")
    reload(0, "0 added, 2 changed, 0 removed, 0 kept")
    talk("b.sock").close()
    stat = json.loads(run("stat", "--control=c.sock", "--json").stdout)
    check(stat["left-out"] == [], "stat:", stat["left-out"])
    status, _, err = server.end()
    check(status == 0 and err.count("p.yaml:4:3: export b.sock: other: "
                                    "looks like a qcow2 image") == 1 and
          "it is left out, and others are served" in err,
          "ended:", status, err)
    # One that is gone from the file is forgotten.
    configure(disk, other)
    server = Server("a.sock", "--config=p.yaml")
    configure(disk)
    reload(0, "0 added, 0 changed, 1 removed, 1 kept")
    server.end()
    # None is left.
    make("image", 0, b"QFI\xfb\0\0\0\3")
    configure(disk, other)
    done = run("serve", "--config=p.yaml")
    check(done.returncode == 1 and done.stderr.count("\n") == 1 and
          "looks like a qcow2 image" in done.stderr, "all of them:", done.returncode, done.stderr)
    check(not os.path.exists("c.sock"), "a control socket was left")


def another_way():
    """What the line advises, and the manual shows."""
    if (not shutil.which("qemu-storage-daemon") or not shutil.which("qemu-img")
            or not os.access("/dev/fuse", os.W_OK)):
        print("not tried: images shown by qemu-storage-daemon")
        return
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "disk.qcow2",
                    "16M"], check=True, timeout=60)
    with open("disk", "wb"):
        pass
    done = subprocess.run(
        ["qemu-storage-daemon", "--daemonize", "--pidfile", "shown",
         "--blockdev", "driver=qcow2,node-name=disk,file.driver=file,"
         "file.filename=disk.qcow2", "--export",
         # It leaves the folder, and takes back the mount by its path.
         "type=fuse,id=disk,node-name=disk,writable=on,mountpoint=" +
         os.path.abspath("disk")],
        capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        print("not tried: images shown by qemu-storage-daemon:", done.stderr)
        return
    with open("shown", encoding="utf-8") as file:
        shows = os.pidfd_open(int(file.read()))
    server = Server("a.sock", "--export", "socket=a.sock,file=disk")
    server.client.close()
    done = subprocess.run([PRECARIUM, "bench", "a.sock", "--verify",
                           "--requests=1000", "--json"], text=True,
                          capture_output=True, timeout=60)
    check(done.returncode == 0, "not served well:", done.stderr)
    status, _, err = server.end()
    check(status == 0, "ended:", status, err)
    signal.pidfd_send_signal(shows, signal.SIGTERM)
    select.select([shows], [], [], 60)
    os.close(shows)
    image = json.loads(subprocess.run(
        ["qemu-img", "info", "--output=json", "disk.qcow2"], text=True,
        check=True, capture_output=True, timeout=60).stdout)
    check(image["format"] == "qcow2" and image["actual-size"] > 8 << 20,
          "nothing is in the image:", image)


def main():
    with tempfile.TemporaryDirectory(prefix="precarium-") as folder:
        os.chdir(folder)
        for test in (by_their_bytes, raw_ones, as_qemu_makes_them, reloaded,
                     left_out, another_way):
            test()
        os.chdir("/")
    return 1 if serving.failures else 0


sys.exit(main())
