#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Boots a root task on an installed seL4, in QEMU, and prints what it says.

usage: boot.py PREFIX IMAGE [LOADER]

PREFIX is the folder of an installed seL4, or of a board in a Microkit SDK.
LOADER, for aarch64, is loader_aarch64.S, linked.  The task says BEGIN, and END
at last.  The status is 0 if that is `END ok`, 77 if there is no QEMU or no
kernel, else 1.
"""
import os
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

SECONDS = 600
# What a debug kernel says of each call that fails, in colours or without.
COLOUR = rb'(\x1b\[[0-9;]*m)*'
KERNEL_SAYS = re.compile(COLOUR + rb'<<.*?>>' + COLOUR + rb'\n')


def fail(message, status=1):
    print('boot.py: ' + message)
    sys.exit(status)


def first_file(folder, names, status=1):
    for name in names:
        if os.path.isfile(os.path.join(folder, name)):
            return os.path.join(folder, name)
    fail(f'{folder}: expected the folder of an installed seL4, '
         f'with {" or ".join(names)}', status)


def has(config, name):
    return re.search(rf'(?m)^#define\s+{name}\b', config)


class Elf:
    """The loadable segments of an image of 64 bits."""

    def __init__(self, path):
        data = open(path, 'rb').read()
        if data[:5] != b'\x7fELF\x02':
            fail(f'{path}: expected an ELF image of 64 bits')
        self.entry, table = struct.unpack_from('<QQ', data, 24)
        size, count = struct.unpack_from('<HH', data, 54)
        self.segments = []  # virtual, physical, bytes, size in memory
        for i in range(count):
            kind, _, offset, virtual, physical, stored, memory = \
                struct.unpack_from('<IIQQQQQ', data, table + i * size)
            if kind == 1:
                self.segments.append((virtual, physical,
                                      data[offset:offset + stored], memory))


# ---- aarch64: kernel, root task and loader in one image ---------------------

def pages_up(address, size=4096):
    return (address + size - 1) // size * size


def tables(at, kernel):
    """Identity for the loader, blocks of 1 GiB; the kernel, of 2 MiB."""
    lower, lower_1, upper, upper_1, upper_2 = (
        [0] * 512 for _ in range(5))
    lower[0] = (at + 4096) | 3
    lower_1[0] = 0x401  # devices
    for i in range(1, 4):
        lower_1[i] = i << 30 | 0x711  # memory
    virtual, physical = kernel.segments[0][:2]
    # A kernel with a hypervisor has one table, at EL2.
    top = upper if virtual >> 48 else lower
    top[virtual >> 39 & 511] = (at + 3 * 4096) | 3
    upper_1[virtual >> 30 & 511] = (at + 4 * 4096) | 3
    first = virtual >> 21 & 511
    for i in range(min(32, 512 - first)):
        upper_2[first + i] = ((physical >> 21) + i) << 21 | 0x711
    return b''.join(struct.pack('<512Q', *table) for table in
                    (lower, lower_1, upper, upper_1, upper_2))


def combine(kernel, task, loader, path):
    low = min(s[0] for s in task.segments)
    image = bytearray()
    for virtual, _, data, memory in task.segments:
        image[virtual - low:] = b'\0' * (virtual - low - len(image))
        image += data + b'\0' * (memory - len(data))
    start = pages_up(max(s[1] + s[3] for s in kernel.segments), 1 << 21)
    end = pages_up(start + len(image))
    code = pages_up(end, 1 << 21)
    at = code + 2 * 4096
    words = struct.pack('<7Q', at, at + 2 * 4096, kernel.entry, start, end,
                        (start - low) % (1 << 64), task.entry)
    pieces = [(s[1], s[2], s[3]) for s in kernel.segments]
    pieces += [(start, bytes(image), len(image)),
               (code, loader.segments[0][2], 4096), (code + 4096, words, 4096),
               (at, tables(at, kernel), 5 * 4096)]
    header = 64 + 56 * len(pieces)
    with open(path, 'wb') as out:
        out.write(b'\x7fELF\x02\x01\x01' + bytes(9) + struct.pack(
            '<HHIQQQIHHHHHH', 2, 183, 1, code, 64, 0, 0, 64, 56, len(pieces),
            64, 0, 0))
        offset = header
        for physical, data, memory in pieces:
            out.write(struct.pack('<IIQQQQQQ', 1, 7, offset, physical,
                                  physical, len(data), memory, 1))
            offset += len(data)
        for _, data, _ in pieces:
            out.write(data)


# ---- machines ---------------------------------------------------------------

def machine_x86(kernel, image, loader, folder, config):
    # QEMU starts kernels of 32 bits only; this one begins in that mode.
    path = os.path.join(folder, 'kernel')
    subprocess.run(['objcopy', '-O', 'elf32-i386', kernel, path], check=True)
    return ['qemu-system-x86_64', '-machine', 'q35', '-cpu',
            'qemu64,+fsgsbase,+pdpe1gb,+xsaveopt,+xsave', '-m', '512',
            '-device', 'intel-iommu,intremap=off,aw-bits=39',
            '-device', 'edu,dma_mask=0xffffffff,addr=0x04.0',
            '-kernel', path, '-initrd', image]


def machine_arm(kernel, image, loader, folder, config):
    if not loader:
        fail('aarch64 needs a LOADER')
    path = os.path.join(folder, 'image')
    combine(Elf(kernel), Elf(image), Elf(loader), path)
    level = ('on' if has(config, 'CONFIG_ARM_HYPERVISOR_SUPPORT') else 'off')
    return ['qemu-system-aarch64', '-machine',
            'virt,secure=off,gic-version=2,virtualization=' + level,
            '-cpu', 'cortex-a53', '-m', '1024', '-kernel', path]


def lines(machine, end):
    """Each line that is said, until `end`."""
    rest = b''
    while select.select([machine.stdout], [], [], end - time.monotonic())[0]:
        piece = os.read(machine.stdout.fileno(), 65536)
        if not piece:
            break
        *whole, rest = (rest + piece).split(b'\n')
        for line in whole:
            yield line.rstrip(b'\r') + b'\n'
    yield rest


def run(command):
    """Prints what is said from BEGIN on; or all, if that is not said, since the
    kernel has not come so far.  Returns the last line."""
    before = []
    line = b''
    with tempfile.TemporaryFile() as words, subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=words) as machine:
        try:
            for line in lines(machine, time.monotonic() + SECONDS):
                line = KERNEL_SAYS.sub(b'', line).decode(errors='replace')
                if before is None:
                    print(line, end='', flush=True)
                elif line == 'BEGIN\n':
                    before = None
                else:
                    before.append(line)
                if line in ('END ok\n', 'END failed\n'):
                    break
        finally:
            machine.kill()
        # QEMU's, such as of a device that was stopped: only if it went wrong.
        if not line.startswith('END '):
            words.seek(0)
            before = (before or []) + [words.read().decode(errors='replace')]
    print(''.join(before or []), end='')
    return line


def main():
    if len(sys.argv) not in (3, 4):
        fail(__doc__.split('\n')[2])
    # So that QEMU goes when this is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    prefix, image = sys.argv[1:3]
    loader = sys.argv[3] if len(sys.argv) > 3 else None
    kernel = first_file(prefix, ['bin/kernel.elf', 'elf/sel4.elf'], 77)
    config = open(first_file(prefix, [
        'libsel4/include/kernel/gen_config.h',
        'include/kernel/gen_config.h'])).read()
    machine = machine_arm if has(config, 'CONFIG_ARCH_AARCH64') else machine_x86
    with tempfile.TemporaryDirectory() as folder:
        command = machine(kernel, image, loader, folder, config)
        if not shutil.which(command[0]):
            fail(f'not tried: no {command[0]} here', 77)
        last = run(command + [
            '-accel', 'tcg', '-display', 'none', '-nodefaults', '-no-reboot',
            '-serial', 'stdio'])
    if not last.startswith('END '):
        fail(f'no END was said before the machine stopped or {SECONDS} s passed')
    sys.exit(0 if last == 'END ok\n' else 1)


try:
    main()
except (OSError, subprocess.CalledProcessError) as error:
    fail(str(error))
