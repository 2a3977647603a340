#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An unmodified User-Mode Linux on a disk of the server: it is notified by sockets,
gives packed rings the base 0, and reads back what it wrote.

    user-mode-linux.py PRECARIUM CACHE LARGE_REGISTERS

Debian's package is downloaded to CACHE and unpacked, never installed.  On a
processor with more registers than it has room for, the last is preloaded."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
PRECARIUM = os.path.abspath(sys.argv[1])
LARGE_REGISTERS = os.path.abspath(sys.argv[3])
SECONDS = 150
MOST = 1 << 20  # of its console: one that fails may say the same for ever

INIT = """#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin 2>/dev/null
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in $(cat /modules/order); do insmod /modules/$module.ko; done
while [ ! -b /dev/vda ]; do sleep 1; done
dd if=/dev/urandom of=/tmp/there bs=64k count=16 2>/dev/null
dd if=/tmp/there of=/dev/vda bs=64k oflag=direct conv=fsync 2>/dev/null
dd if=/dev/vda of=/tmp/back bs=64k count=16 iflag=direct 2>/dev/null
cmp /tmp/there /tmp/back && echo UML-RESULT: PASS || echo UML-RESULT: FAIL
poweroff -f
"""


def skip(why):
    print("skipped:", why)
    sys.exit(77)


def package(cache):
    """The folder with the kernel and its modules, filled once."""
    tree = cache / "user-mode-linux"
    if tree.exists():
        return tree
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        done = subprocess.run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root",
                               "download", "user-mode-linux"], cwd=folder,
                              check=False, stderr=subprocess.DEVNULL)
        found = list(pathlib.Path(folder).glob("*.deb"))
        if done.returncode or not found:
            skip("user-mode-linux cannot be downloaded")
        new = pathlib.Path(folder) / "tree"
        subprocess.run(["dpkg-deb", "-x", found[0], new], check=True)
        (new / "lib").mkdir()
        (new / "usr/lib/uml/modules").rename(new / "lib/modules")
        new.rename(tree)
    return tree


def boot(tree):
    """What the machine says, up to its result."""
    command = [tree / "usr/bin/linux.uml", "mem=128M", "initrd=initrd",
               f"virtio_uml.device={os.getcwd()}/disk.sock:2",
               "con=null", "con0=null,fd:1", "ssl=null", f"uml_dir={os.getcwd()}"]
    said = b""
    # It has several processes, and answers no polite signal when it hangs.
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, bufsize=0,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={**os.environ, "LD_PRELOAD": LARGE_REGISTERS},
                          start_new_session=True) as machine:
        late = threading.Timer(SECONDS, os.killpg, (machine.pid, signal.SIGKILL))
        late.start()
        while len(said) < MOST and b"UML-RESULT: " not in said:
            more = machine.stdout.read(4096)
            if not more:
                break
            said += more
        late.cancel()
        os.killpg(machine.pid, signal.SIGKILL)
    return said


def main():
    if not shutil.which("dpkg-deb") or not shutil.which("busybox"):
        skip("not a Debian machine, or without busybox")
    tree = package(pathlib.Path(sys.argv[2]).resolve())
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        pathlib.Path("init").write_text(INIT, encoding="ascii")
        os.chmod("init", 0o755)
        subprocess.run(["sh", HERE / "initramfs", "--modules", "virtio_blk",
                        tree, "initrd", "init"], check=True)
        with open("image", "wb") as file:
            file.truncate(16 << 20)
        with subprocess.Popen([PRECARIUM, "serve", "--export",
                               "socket=disk.sock,file=image"],
                              stdin=subprocess.DEVNULL) as server:
            try:
                # Nothing tells that a socket is there.
                while server.poll() is None and not os.path.exists("disk.sock"):
                    time.sleep(0.01)
                said = boot(tree)
            finally:
                server.kill()
    if b"UML-RESULT: PASS" in said:
        return 0
    print(said[-2000:].decode(errors="replace"))
    result = re.search(rb"UML-RESULT: .*", said)
    print("FAIL:", result.group().decode(errors="replace").strip() if result
          else f"the machine ended, or took {SECONDS} s, without a result")
    return 1


sys.exit(main())
