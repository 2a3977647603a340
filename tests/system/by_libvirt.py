# SPDX-License-Identifier: MIT
"""A machine of libvirt, as doc/virtual-machines.md describes it.

libvirtd runs in the foreground as a user without rights, with folders of its
own, and serves qemu:///session; the server is another user's, where we are
root.
"""

import os
import subprocess
import xml.etree.ElementTree as ElementTree

import server
from bench import NOBODY, Asked, wait_until
from verdict import Red, tail

LIFE = {"server", "images", "serve", "libvirt", "start", "libvirt-disk",
        "libvirt-plug-disk", "libvirt-unplug-disk", "libvirt-dimm",
        "libvirt-plug-dimm", "libvirt-inflate", "libvirt-deflate"}
SESSION = "qemu:///session"


def unprivileged():
    """In front of a command: it is nobody's, if we are root."""
    if os.getuid():
        return []
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}",
            "--clear-groups", "--"]


class Libvirt:
    """A daemon, and the folder that it believes to be its user's home."""

    def __init__(self, bench):
        self.bench = bench
        self.home = bench.scratch / "home"
        self.home.mkdir()
        if not os.getuid():
            os.chown(self.home, NOBODY, NOBODY)
        names = {"XDG_RUNTIME_DIR": "r", "XDG_CONFIG_HOME": "config",
                 "XDG_CACHE_HOME": "cache", "XDG_DATA_HOME": "data"}
        self.environment = dict(
            os.environ, HOME=str(self.home), LIBVIRT_DEFAULT_URI=SESSION,
            **{key: str(self.home / name) for key, name in names.items()})
        self.log = bench.scratch / "libvirtd.log"
        with open(self.log, "wb") as log:
            self.process = server.spawn([*unprivileged(), "libvirtd"],
                                        stdout=log, stderr=subprocess.STDOUT,
                                        env=self.environment)
        bench.cleanup.callback(self.process.wait)
        bench.cleanup.callback(self.process.terminate)
        socket = self.home / "r" / "libvirt" / "libvirt-sock"
        wait_until(lambda: self.alive() and socket.exists(), "libvirtd")

    def alive(self):
        if self.process.poll() is not None:
            raise Red(f"libvirtd has ended\n{tail(self.log)}")
        return True

    def ask(self, *words):
        """What virsh says."""
        return subprocess.run([*unprivileged(), "virsh", "-q", *words],
                              env=self.environment, check=True, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT).stdout

    def sh(self, name):
        """A listing of commands of virsh."""
        self.bench.sh(name, env=self.environment,
                      **({} if os.getuid() else
                         {"user": NOBODY, "group": NOBODY,
                          "extra_groups": []}))

    def console(self, name):
        """A guest's, copied into a file by another process."""
        terminal = self.ask("ttyconsole", name).strip()
        path = self.bench.scratch / f"{name}.console"
        with open(path, "wb") as file:
            copier = server.spawn(["cat", terminal], stdout=file,
                                  stderr=subprocess.DEVNULL)
        self.bench.cleanup.callback(copier.wait)
        self.bench.cleanup.callback(copier.kill)
        keys = os.open(terminal, os.O_WRONLY | os.O_NOCTTY)
        self.bench.cleanup.callback(os.close, keys)
        return path, lambda data: os.write(keys, data), \
            lambda: copier.poll() is None

    def gone(self, name):
        return name not in self.ask("list", "--name").split()


def describe(bench):
    """The domain of the page, which starts the guest's kernel."""
    kernel, initramfs, words = bench.guest
    domain = ElementTree.fromstring(bench.page["libvirt"])
    for name, text in ("kernel", kernel), ("initrd", initramfs), \
            ("cmdline", words):
        ElementTree.SubElement(domain.find("os"), name).text = str(text)
    ElementTree.ElementTree(domain).write(bench.scratch / "first.xml")
    for name, file in ("libvirt-disk", "second.xml"), \
            ("libvirt-dimm", "dimm.xml"):
        (bench.scratch / file).write_text(bench.page[name])


def stop(libvirt):
    """Also one that is nobody's any more: never raises."""
    subprocess.run([*unprivileged(), "virsh", "-q", "destroy", "first"],
                   env=libvirt.environment, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def life(bench):
    bench.guest = bench.guest_files()
    bench.images()
    backend = bench.serve("server", ["first", "second"])
    describe(bench)
    libvirt = Libvirt(bench)
    bench.cleanup.callback(stop, libvirt)
    libvirt.sh("start")
    guest = Asked(*libvirt.console("first"))
    guest.ready()
    guest.ask("fill")
    bench.verdict.check("boot", True, "a file system is made and verified")

    libvirt.sh("libvirt-plug-disk")
    guest.ask("second")
    libvirt.sh("libvirt-unplug-disk")
    guest.ask("no_second")
    libvirt.sh("libvirt-inflate")
    guest.ask("await less_than 300")
    libvirt.sh("libvirt-deflate")
    guest.ask("await more_than 400")
    libvirt.sh("libvirt-plug-dimm")
    guest.ask("await more_than 900")
    guest.ask("added")

    # As a service manager does; by_hand.py kills it.
    status = backend.stop()
    bench.verdict.check("server ends", status == 0, f"status {status}")
    backend.start()
    guest.ask("verify restarted")
    bench.verdict.check("restart", True)
    guest.end()
    wait_until(lambda: libvirt.gone("first"), "the machine to end")
    bench.check_server(backend)
    bench.check_image()
