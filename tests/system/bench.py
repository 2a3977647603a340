# SPDX-License-Identifier: MIT
"""What the lanes of `machines` have in common: the page, a server, a guest that
is asked, and the image at the end."""

import grp
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time

import disk
import machine
from page import Page
from server import Server
from verdict import Red, tail

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE.parent.parent / "doc" / "virtual-machines.md"
ASK_SECONDS = 240   # for one answer of a guest; the longest takes 10
SMALL_FILES = 40
GROWN = 128         # MiB of the first disk once it is resized
NOBODY = 65534


def wait_until(good, what, seconds=ASK_SECONDS):
    deadline = time.monotonic() + seconds
    while not good():
        if time.monotonic() > deadline:
            raise Red(f"waited for {what}")
        time.sleep(0.05)


class Asked:
    """A guest that does what it is asked: `asked` has what there is."""

    def __init__(self, console, write, alive, count=0):
        """`console`: a file with what it says.  `count`: questions so far."""
        self.console = console
        self.write = write
        self.alive = alive
        self.count = count

    def said(self):
        return self.console.read_text(errors="replace").replace("\r", "")

    def listen(self, pattern):
        """Until it has said so."""
        pattern = re.compile(pattern, re.MULTILINE)

        def heard():
            text = self.said()
            bad = machine.bad_lines(text)
            if bad:
                raise Red("; ".join(bad[:3]))
            if pattern.search(text):
                return True
            if "GUEST-RESULT" in text or not self.alive():
                raise Red("the guest has ended")
            return False
        try:
            wait_until(heard, pattern.pattern)
        except Red as red:
            raise Red(f"{red}\n{tail(self.console)}") from None

    def ready(self):
        self.listen(r"^guest: \S+ ready$")

    def ask(self, line):
        self.begin(line)
        self.done()

    def begin(self, line):
        self.count += 1
        self.write(f"{line}\n".encode())

    def done(self):
        self.listen(rf"^guest: \S+ did {self.count}$")

    def end(self):
        self.write(b"end\n")
        self.listen("^GUEST-RESULT: PASS ")


class Bench:
    """A folder in which the listings are run, and the rest."""

    def __init__(self, options, lanes, verdict, scratch, cleanup):
        self.verdict = verdict
        self.scratch = scratch
        self.cleanup = cleanup
        self.options = options
        self.plan = disk.Plan(SMALL_FILES)
        for folder in "run", "lib", "etc":
            (scratch / folder).mkdir()
        # Of whoever does not share its owner: a machine of libvirt, as root.
        scratch.chmod(0o755)
        self.page = Page(PAGE, lanes, options.lane, self.changes())
        self.image = scratch / "lib" / "first.img"

    def changes(self):
        """All that is changed in a listing."""
        return [
            ("/run/precarium", f"{self.scratch}/run"),
            ("/var/lib/precarium", f"{self.scratch}/lib"),
            ("/srv/images", f"{self.scratch}/lib"),
            ("/etc/precarium", f"{self.scratch}/etc"),
            ("libvirt-qemu", self.group()),
            ("10G", f"{disk.IMAGE_BYTES >> 20}M"),
            ("12G", f"{GROWN}M"),
            ("tcp:0:4444", f"unix:{self.scratch}/migration"),
            ("tcp:target:4444", f"unix:{self.scratch}/migration"),
            ("-accel kvm -cpu host", "-accel tcg -cpu max,la57=off"),
            ("<domain type='kvm'>", "<domain type='qemu'>"),
            ("<cpu mode='host-passthrough'>", "<cpu mode='maximum'>"),
            ("reconnect=1", machine.reconnect(1, machine.installed())),
        ]

    @staticmethod
    def group():
        """That of a machine of libvirt, which is not root's."""
        number = os.getgid() if os.getuid() else NOBODY
        return grp.getgrgid(number).gr_name

    def sh(self, name, **how):
        """Run a listing to its end, in the scratch folder."""
        done = subprocess.run(["sh", "-ec", self.page[name]], text=True,
                              cwd=self.scratch, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              **how)
        if not self.verdict.check(name, done.returncode == 0,
                                  done.stdout.strip().replace("\n", "; ")):
            raise Red(f"status {done.returncode}")

    def guest_files(self):
        """The kernel, what it runs, and the words on its command line."""
        kernel = subprocess.run([HERE / "kernel", self.options.cache])
        if kernel.returncode:
            sys.exit(kernel.returncode)
        initramfs = self.scratch / "initramfs"
        subprocess.run([HERE / "initramfs", self.options.cache, initramfs,
                        HERE / "init", HERE / "asked", *self.options.program,
                        *self.plan.write(self.scratch)], check=True)
        copy = self.scratch / "vmlinuz"
        copy.write_bytes((self.options.cache / "vmlinuz").read_bytes())
        return copy, initramfs, (
            "console=ttyS0 panic=-1 loglevel=5 mitigations=off no_timer_check "
            f"area={disk.AREA} stage=asked")

    def images(self):
        """The first has an area from the start, which the guest reads."""
        self.sh("images")
        with open(self.image, "r+b") as image:
            image.seek(disk.AREA)
            image.write(disk.area())

    def at(self, folder, text):
        """A listing as another host runs it, which has the same images."""
        for name in "run", "etc":
            text = text.replace(f"{self.scratch}/{name}", f"{folder}/{name}")
        return text

    def serve(self, config, names, folder=None):
        """The server of a listing."""
        folder = folder or self.scratch
        (folder / "etc" / "precarium.yaml").write_text(
            self.at(folder, self.page[config]))
        command = self.at(folder, self.page["serve"].strip())
        server = Server(["sh", "-c", f"exec {command}"],
                        [folder / "run" / f"{name}.sock" for name in names],
                        folder / "server.log", False)
        self.cleanup.callback(server.kill)
        return server

    def check_server(self, server):
        alive = self.verdict.check("server alive", server.alive(),
                                   server.fate())
        status = server.stop()
        if not self.verdict.check("server ends", alive and status == 0,
                                  f"status {status}"):
            print(tail(server.log), end="")

    def check_image(self):
        """By the host's own tools."""
        with open(self.image, "rb") as image:
            image.seek(disk.AREA)
            self.verdict.check("area", image.read(
                disk.IMAGE_BYTES - disk.AREA) == disk.area())
        disk.check_files(self.verdict, self.plan, self.image, self.scratch)


def join(command, *more):
    """A command of a listing, listings that are added to it, and words."""
    return " ".join([part.strip().replace("\\\n", " ") for part
                     in (command, *more) if isinstance(part, str)] +
                    [shlex.join(part) for part in more
                     if not isinstance(part, str)])
