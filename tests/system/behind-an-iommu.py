#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A Linux guest whose disk is behind an IOMMU that QEMU emulates: its rings and
requests have addresses that QEMU translates when the server asks, and takes back after
each request (iommu.strict=1).

    behind-an-iommu.py CACHE PRECARIUM [PACKED]

PACKED, on or off, is the layout of its rings; off unless given.

Exit status: 0 green, 1 red, 77 skipped (something is not to be had here).
"""
import hashlib
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # no litter beside the sources
import machine  # noqa: E402
import server  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(sys.argv[1])
PRECARIUM = os.path.abspath(sys.argv[2])
TOOLS = [machine.QEMU, "busybox", "cpio", "mke2fs", "e2fsck", "timeout"]
SECONDS = 200
SIZE = 8 << 20


def qemu(folder, packed):
    return ["timeout", "-k", "5", str(SECONDS), *server.WITH_PARENT,
            machine.QEMU, "-nodefaults", "-no-user-config", "-display", "none",
            "-serial", "stdio", "-no-reboot",
            "-machine", "q35,accel=tcg,memory-backend=ram",
            "-cpu", "max,la57=off", "-smp", "2", "-m", "256M",
            "-object", "memory-backend-memfd,id=ram,size=256M,share=on",
            "-device", "intel-iommu,device-iotlb=on,intremap=off",
            "-chardev", f"socket,id=c,path={folder}/disk",
            "-device", "vhost-user-blk-pci,chardev=c,iommu_platform=on,ats=on,"
                       f"disable-legacy=on,packed={packed}",
            "-kernel", str(CACHE / "vmlinuz"),
            "-initrd", str(folder / "initramfs"),
            "-append", "console=ttyS0 panic=-1 loglevel=4 mitigations=off "
                       "no_timer_check intel_iommu=on iommu.strict=1"]


def run(folder, packed):
    """What is wrong, or nothing, and what the guest said."""
    content = random.Random(packed).randbytes(SIZE)
    image = folder / "image"
    image.write_bytes(content)
    with subprocess.Popen([PRECARIUM, "serve", "--export",
                           f"socket={folder}/disk,file={image},format=raw"],
                          stdin=subprocess.DEVNULL) as served:
        try:
            while not (folder / "disk").exists() and served.poll() is None:
                time.sleep(0.01)
            said = subprocess.run(qemu(folder, packed), text=True,
                                  stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, check=False,
                                  errors="replace").stdout
        finally:
            served.terminate()
            served.wait()
        (folder / "disk").unlink(missing_ok=True)
    return judge(said, content, image.read_bytes()), said


def judge(said, content, image):
    result = re.search(r"GUEST-RESULT: .*", said)
    if not result or "PASS" not in result.group():
        return result.group() if result else "the guest came to no end"
    if machine.bad_lines(said):
        return "; ".join(machine.bad_lines(said)[:3])
    # Before that QEMU itself looks once more at rings of the firmware.
    faults = re.findall(r"DMAR:.*fault.*", said.partition("guest: ready")[2])
    if faults:
        return f"the IOMMU refused an access: {faults[0]}"
    sums = re.findall(r"guest: sum (\w+)", said)
    if sums != [hashlib.md5(content).hexdigest()]:
        return f"the guest read other bytes than there are: {sums}"
    half = content[:SIZE // 2]
    if image != half + half:
        return "the image is not what the guest wrote"
    return None


def main():
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        print("skipped: not installed:", *missing)
        return 77
    kernel = subprocess.run([HERE / "kernel", CACHE], check=False)
    if kernel.returncode:
        return kernel.returncode
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        subprocess.run([HERE / "initramfs", "--init", HERE / "iommu-init",
                        "--modules", "virtio_pci virtio_blk", CACHE,
                        folder / "initramfs", HERE / "iommu-init"], check=True)
        wrong, said = run(folder, sys.argv[3] if len(sys.argv) > 3 else "off")
    if wrong:
        print(said[-3000:])
    print(f"FAIL: {wrong}" if wrong else "all bytes are where they should be")
    return bool(wrong)


sys.exit(main())
