# SPDX-License-Identifier: MIT
"""Machines that get no disk: what is said of it is what the page says.

No kernel is needed: the firmware looks at the disk.
"""

import os
import pathlib
import re
import subprocess

import server
from bench import wait_until
from by_libvirt import Libvirt, unprivileged
from verdict import Red, tail

LISTINGS = {"server", "images", "serve", "qemu", "file", "libvirt",
            "looks-like", "no-rights", "no-server", "not-shared", "not-lent",
            "not-in-memory"}


def pattern(listing):
    """Any process, connection, size and address will do."""
    # The numbers in the names of our folder as well: nothing else is changed.
    return re.sub(r"0x[0-9a-f]+|\d+", lambda number: "0x[0-9a-f]+" if
                  "x" in number[0] else r"\d+", re.escape(listing.strip()))


def check_said(bench, name, command, log, before=()):
    """A machine is started so, and `log`, or what it says, has the line of a
    listing."""
    folder = bench.scratch / "elsewhere"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o777)
    said = bench.scratch / f"{name}.console"
    log = log or said
    at = log.stat().st_size if log.exists() else 0
    with open(said, "wb") as console:
        machine = server.spawn([*before, "sh", "-c", f"exec {command}"],
                               cwd=folder, stdout=console,
                               stderr=subprocess.STDOUT)
    line = re.compile(pattern(bench.page[name]))
    try:
        wait_until(lambda: line.search(log.read_bytes()[at:].decode(
            errors="replace")), f"'{bench.page[name].strip()}'", 30)
        bench.verdict.check(name, True)
    except Red as red:
        bench.verdict.check(name, False, f"{red}\n{tail(said)}{tail(log)}")
    finally:
        machine.kill()
        machine.wait()


def check_format(bench):
    """The server does not start with such an image alone, unless it is said to
    be raw."""
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", bench.image,
                    "1G"], check=True)
    os.truncate(bench.image, 1 << 20)
    (bench.scratch / "etc" / "precarium.yaml").write_text(
        bench.page["server"].split("  - name: second")[0].replace(
            "    format: raw\n", ""))
    said = subprocess.run(["sh", "-ec", bench.page["serve"]], text=True,
                          timeout=30, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    bench.verdict.check("looks-like", said.returncode and re.search(
        pattern(bench.page["looks-like"]), said.stdout), said.stdout.strip())
    bench.image.unlink()


def on_disk(bench):
    """A folder whose files are not in memory, or None."""
    for folder in bench.scratch, pathlib.Path.cwd():
        kind = subprocess.run(["stat", "-f", "-c", "%T", folder], text=True,
                              check=True, stdout=subprocess.PIPE).stdout.strip()
        if kind not in ("tmpfs", "hugetlbfs", "ramfs"):
            return folder
    return None


def all_of_them(bench):
    check_format(bench)
    bench.images()
    command = bench.page["qemu"]
    lent = bench.page.line("qemu", "memory-backend-memfd")
    check_said(bench, "no-server", command, None)

    backend = bench.serve("server", ["first", "second"])
    socket = bench.scratch / "run" / "first.sock"
    check_said(bench, "not-lent", command.replace(lent, "").replace(
        ",memory-backend=ram", ""), backend.log)
    folder = on_disk(bench)
    if folder:
        file = folder / "memory"
        bench.cleanup.callback(file.unlink, missing_ok=True)
        check_said(bench, "not-in-memory", command.replace(
            lent, bench.page["file"].replace("/dev/shm", str(file))),
            backend.log)
    else:
        bench.verdict.say("no folder on a disk: not-in-memory is not tried")
        bench.page.left.discard("not-in-memory")

    (bench.scratch / "elsewhere" / "first.monitor").unlink(missing_ok=True)
    mode = socket.stat().st_mode
    os.chmod(socket, 0)
    check_said(bench, "no-rights", command, None, unprivileged())
    os.chmod(socket, mode)
    bench.check_server(backend)

    libvirt = Libvirt(bench)
    path = bench.scratch / "first.xml"
    path.write_text(bench.page["libvirt"].replace("<access mode='shared'/>",
                                                  ""))
    said = subprocess.run([*unprivileged(), "virsh", "define", path],
                          env=libvirt.environment, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    bench.verdict.check("not-shared", said.returncode and re.search(
        pattern(bench.page["not-shared"]), said.stdout), said.stdout.strip())
