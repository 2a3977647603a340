# SPDX-License-Identifier: MIT
"""Machines of QEMU, as doc/virtual-machines.md starts and changes them."""

import os
import pathlib
import shutil
import subprocess

import server
from bench import GROWN, Asked, join, wait_until
from machine import Guest
from verdict import Red, tail

LIFE = {"server", "images", "serve", "qemu", "port", "plug-disk", "unplug-disk",
        "unplug-socket", "virtio-mem", "grow", "shrink", "plug-dimm",
        "unplug-dimm", "unplug-dimm-memory", "balloon", "inflate", "deflate",
        "resize", "qcow2", "fuse"}
MOVE = {"shared", "serve", "images", "qemu", "file", "incoming", "migrate"}

TAKEN = 96          # MiB that the guest takes and gives back
SECTOR = 512
MACHINE_BYTES = 2 * (512 << 20)     # source and target


class Machine:
    """QEMU, by a listing and what is added to it."""

    def __init__(self, bench, name, command, *more, count=0):
        self.bench = bench
        self.name = name
        kernel, initramfs, words = bench.guest
        monitor = bench.scratch / f"{name}.qmp"
        command = join(command, *more, [
            "-kernel", str(kernel), "-initrd", str(initramfs),
            "-append", words, "-no-reboot",
            "-qmp", f"unix:{monitor},server=on,wait=off"])
        self.console = bench.scratch / f"{name}.console"
        self.guest = Guest(["sh", "-c", f"exec {command}"], self.console,
                           monitor, stdin=subprocess.PIPE, cwd=bench.scratch)
        bench.cleanup.callback(self.guest.kill)
        self.asked = Asked(self.console, self.write, self.guest.alive, count)

    def write(self, data):
        pipe = self.guest.process.stdin
        try:
            pipe.write(data)
            pipe.flush()
        except BrokenPipeError:
            raise Red(f"QEMU is gone\n{tail(self.console)}") from None

    def monitor(self, name):
        """A listing of commands of QEMU's monitor; they say nothing when they
        succeed.  What has happened before is forgotten."""
        self.guest.monitor().ask("query-status")
        self.guest.monitor().events.clear()
        for line in self.bench.page.lines(name):
            said = self.guest.monitor().ask("human-monitor-command",
                                            **{"command-line": line})
            if said.strip():
                raise Red(f"{line}: {said.strip()}")
        self.bench.verdict.say(f"monitor: {name}")

    def memory_held(self):
        """Bytes of its memory that the host has pages for."""
        return sum(os.stat(fd).st_blocks * SECTOR for fd in
                   pathlib.Path(f"/proc/{self.guest.process.pid}/fd").iterdir()
                   if os.readlink(fd).startswith("/memfd:"))


def second_image(bench):
    """The second image is a qcow2 file where there is FUSE, else as it is."""
    if not os.access("/dev/fuse", os.W_OK) or \
            os.getuid() and not shutil.which("fusermount3"):
        bench.verdict.say("no FUSE for us: qcow2 is not tried")
        bench.page.left -= {"qcow2", "fuse"}
        return
    image = bench.scratch / "lib" / "second.img"
    image.unlink()
    bench.sh("qcow2")
    was = os.stat(image).st_dev
    log = open(bench.scratch / "fuse.log", "wb")
    daemon = server.spawn(["sh", "-c", f"exec {join(bench.page['fuse'])}"],
                          stdout=log, stderr=subprocess.STDOUT)
    bench.cleanup.callback(daemon.wait)
    bench.cleanup.callback(daemon.terminate)

    def mounted():
        if daemon.poll() is not None:
            raise Red(tail(bench.scratch / "fuse.log"))
        return os.stat(image).st_dev != was
    wait_until(mounted, "the image to be mounted")


def restart(bench, backend, guest, word):
    """While the guest reads; it sees nothing of it."""
    backend.restart()
    guest.ask(f"verify {word}")
    bench.verdict.check("restart", True, word)


def disks(bench, machine):
    guest = machine.asked
    machine.monitor("plug-disk")
    guest.ask("second")
    machine.monitor("unplug-disk")
    guest.ask("no_second")
    machine.guest.monitor().wait_for("DEVICE_DELETED", None)
    machine.monitor("unplug-socket")
    bench.verdict.check("second disk", True, "came and went")


def memory_back(bench, machine, backend):
    """What is given back is a hole, which the next server gets to see."""
    guest = machine.asked
    guest.ask(f"take {TAKEN}")
    before = machine.memory_held()
    guest.ask("give")
    wait_until(lambda: machine.memory_held() < before - (TAKEN << 19),
               "free pages to be reported")
    machine.monitor("inflate")
    guest.ask("await less_than 300")
    bench.verdict.check("memory given back", True, f"{before >> 20} MiB held, "
                        f"then {machine.memory_held() >> 20}")
    restart(bench, backend, guest, "with holes")
    machine.monitor("deflate")
    guest.ask("await more_than 400")


def memory_more(bench, machine, backend):
    guest = machine.asked
    machine.monitor("grow")
    guest.ask("await more_than 900")
    guest.ask("added")
    restart(bench, backend, guest, "grown")
    machine.monitor("shrink")
    guest.ask("removed")
    guest.ask("await less_than 600")
    machine.monitor("plug-dimm")
    guest.ask("await more_than 900")
    guest.ask("added")
    restart(bench, backend, guest, "with a DIMM")
    machine.monitor("unplug-dimm")
    machine.guest.monitor().wait_for("DEVICE_DELETED", "MEM_UNPLUG_ERROR")
    machine.monitor("unplug-dimm-memory")
    guest.ask("removed")
    bench.verdict.check("memory", True, "grew and shrank, came and went")


def life(bench):
    bench.guest = bench.guest_files()
    bench.images()
    second_image(bench)
    backend = bench.serve("server", ["first", "second"])
    page = bench.page
    machine = Machine(bench, "first", page["qemu"], page["port"],
                      page["virtio-mem"], page["balloon"])
    guest = machine.asked
    guest.ready()
    guest.ask("fill")
    bench.verdict.check("boot", True, "a file system is made and verified")
    disks(bench, machine)
    memory_back(bench, machine, backend)
    memory_more(bench, machine, backend)
    # Last: what has come holds nothing that `reads` knows.
    bench.sh("resize")
    guest.ask(f"await has_size {(GROWN << 20) // SECTOR}")
    guest.end()
    machine.guest.process.wait()
    bench.check_server(backend)
    bench.check_image()


def in_files(bench):
    """The machine of the page with its memory in a file, if there is room."""
    memfd, file = bench.page.line("qemu", "memory-backend-memfd"), \
        bench.page["file"]
    if shutil.disk_usage("/dev/shm").free < MACHINE_BYTES:
        bench.verdict.say("no room on /dev/shm: a memfd instead of a file")
        return bench.page["qemu"]
    return bench.page["qemu"].replace(memfd, file)


def move(bench):
    """From a server to another one, which has the same image.

    The guest is stopped meanwhile: QEMU before 9.0 loses writes of a processor
    that it emulates.  A guest that works while it moves has lanes of its own.
    """
    bench.guest = bench.guest_files()
    bench.images()
    there = bench.scratch / "target"
    for folder in there, there / "etc", there / "run":
        folder.mkdir()
    backends = [bench.serve("shared", ["first"]),
               bench.serve("shared", ["first"], there)]
    page = bench.page
    command = in_files(bench)
    source = Machine(bench, "source", command)
    source.asked.ready()
    source.asked.ask("fill")
    target = Machine(bench, "target", bench.at(there, command),
                     page["incoming"], count=source.asked.count)
    old, new = source.guest.monitor(), target.guest.monitor()
    old.ask("stop")
    source.monitor("migrate")

    def moved():
        status = old.ask("query-migrate").get("status")
        if status == "failed":
            raise Red("migration failed")
        return status == "completed"
    wait_until(moved, "the migration")
    old.ask("quit")
    source.guest.process.wait()
    new.ask("cont")
    target.asked.ask("verify moved")
    target.asked.end()
    target.guest.process.wait()
    for backend in backends:
        bench.check_server(backend)
    bench.check_image()
