#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A machine of twenty processors, and one of sixty-four, gets its disk from a server
that was told nothing about queues: QEMU asks for one a processor, and does not start
if there are fewer.  No kernel is needed: the firmware reads the disk."""
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

PRECARIUM = os.path.abspath(sys.argv[1])
QEMU = "qemu-system-x86_64"
SECONDS = 60


def wait_for(what, look, process):
    end = time.monotonic() + SECONDS
    while not look():
        if process.poll() is not None or time.monotonic() > end:
            sys.exit(f"FAIL: {what}: {process.poll()}")
        time.sleep(0.02)


def requests():
    """That the server has completed, or None."""
    done = subprocess.run([PRECARIUM, "stat", "--control=control", "--json"],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        return None
    return json.loads(done.stdout)["exports"][0]["requests"]


def queues(path):
    """Of the disk, as the machine has it."""
    with socket.socket(socket.AF_UNIX) as monitor:
        monitor.connect(path)
        file = monitor.makefile("rw", encoding="utf-8")
        file.readline()
        for command in ({"execute": "qmp_capabilities"},
                        {"execute": "qom-get", "arguments":
                         {"path": "/machine/peripheral/disk",
                          "property": "num-queues"}}):
            file.write(json.dumps(command) + "\n")
            file.flush()
            answer = {}
            while not {"return", "error"} & set(answer):
                answer = json.loads(file.readline())
        return answer.get("return")


def machine(processors):
    before = requests()
    command = [QEMU, "-nodefaults", "-no-user-config", "-display", "none",
               "-machine", "q35,accel=tcg,memory-backend=ram",
               "-smp", str(processors), "-m", "128M",
               "-object", "memory-backend-memfd,id=ram,size=128M,share=on",
               "-qmp", "unix:monitor,server=on,wait=off",
               "-chardev", "socket,id=c,path=disk",
               "-device", "vhost-user-blk-pci,chardev=c,id=disk,bootindex=0"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as qemu:
        try:
            wait_for("the machine reads its disk",
                     lambda: (requests() or 0) > before, qemu)
            found = queues("monitor")
            if found != processors:
                sys.exit(f"FAIL: {processors} processors, {found} queues")
        finally:
            qemu.kill()


def main():
    if not shutil.which(QEMU):
        print("skipped: there is no", QEMU)
        return 77
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        with open("image", "wb") as file:
            file.truncate(16 << 20)
        with subprocess.Popen([PRECARIUM, "serve", "--control=control",
                               "--export", "socket=disk,file=image"],
                              stdin=subprocess.DEVNULL) as server:
            try:
                wait_for("the server", lambda: requests() is not None, server)
                for processors in 20, 64:
                    machine(processors)
            finally:
                server.kill()
    return 0


sys.exit(main())
