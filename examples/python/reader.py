#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Lent memory from Python, by ctypes: no compiler, no headers.

A region that tolerates losses is an ordinary buffer to Python, and to numpy or
PIL: if the client takes it back, they read zeroes, and the epoch tells.  The
accessors say it by a status.

  ./reader.py [path of libprecarium.so]
"""
import ctypes
import faulthandler
import os
import sys

PREC_OK, PREC_GONE = 0, 1
PREC_READ = 1
PREC_TOLERATE = 1 << 5


class Span(ctypes.Structure):
    _fields_ = [("host", ctypes.c_uint64), ("size", ctypes.c_uint64),
                ("address", ctypes.c_uint64), ("index", ctypes.c_uint32),
                ("rights", ctypes.c_uint32)]


class Lending(ctypes.Structure):
    _fields_ = [("fd", ctypes.c_int), ("rights", ctypes.c_uint32),
                ("offset", ctypes.c_uint64), ("size", ctypes.c_uint64),
                ("address", ctypes.c_uint64), ("sparse_max", ctypes.c_uint64),
                ("options", ctypes.c_uint32), ("reserved", ctypes.c_uint32),
                ("budget", ctypes.c_void_p), ("window", ctypes.c_uint64),
                ("reserved_more", ctypes.c_uint64 * 4)]


class Region(ctypes.Structure):
    _fields_ = [("span", Span), ("page_size", ctypes.c_uint32),
                ("flags", ctypes.c_uint32), ("epoch", ctypes.c_uint64),
                ("port", ctypes.c_uint64 * 32)]


library = ctypes.CDLL(sys.argv[1] if sys.argv[1:] else "libprecarium.so.0")
library.prec_region_epoch.restype = ctypes.c_uint64
library.prec_status_name.restype = ctypes.c_char_p
library.prec_load32.argtypes = [Span, ctypes.c_uint64,
                                ctypes.POINTER(ctypes.c_uint32)]


class Lent:
    """What a client lent, while this object lives."""

    def __init__(self, fd, size):
        self.region = Region()
        lending = Lending(fd=fd, size=size, rights=PREC_READ,
                          options=PREC_TOLERATE)
        status = library.prec_region_map(ctypes.byref(self.region),
                                         ctypes.byref(lending), None)
        if status != PREC_OK:
            raise OSError(library.prec_status_name(status).decode())
        self.bytes = (ctypes.c_ubyte * size).from_address(
            self.region.span.host)

    def epoch(self):
        return library.prec_region_epoch(ctypes.byref(self.region))

    def load32(self, offset):
        """None: the memory is gone."""
        value = ctypes.c_uint32()
        status = library.prec_load32(self.region.span, offset,
                                     ctypes.byref(value))
        return value.value if status == PREC_OK else None

    def sum(self):
        """None: part of it was gone."""
        before = self.epoch()
        total = sum(bytes(memoryview(self.bytes)))
        return total if self.epoch() == before else None

    def close(self):
        return library.prec_region_unmap(ctypes.byref(self.region))


def main():
    library.prec_fault_install()
    faulthandler.enable()                # a handler that comes later ...
    if library.prec_fault_reinstall() != PREC_OK:  # ... is put below ours
        return 1
    client = os.memfd_create("client")
    os.write(client, b"\1\2\3\4" * 4096)
    lent = Lent(client, 16384)
    results = [lent.load32(8), lent.sum()]
    os.ftruncate(client, 8192)
    results += [lent.load32(8192), lent.sum(), lent.load32(0)]
    print(*results)
    health = ctypes.c_uint()
    good = (results == [0x04030201, 40960, None, None, 0x04030201]
            and library.prec_fault_selftest(ctypes.byref(health)) == PREC_OK
            and lent.close() == PREC_OK)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
