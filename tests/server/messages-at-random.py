#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""G1: whatever a client says, and in whatever order, the server lives and
answers the next.  Messages that make sense and messages that do not, mixed at
random over several connections, with rings full of noise and memory that goes
while it is used.  A seed may be given, to try again what failed."""
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

PRECARIUM = os.path.abspath(sys.argv[1])
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 1
SECONDS = float(sys.argv[3]) if len(sys.argv) > 3 else 4
SIZE = 1 << 20
GUEST, USER = 0x100000, 0x7f0000000000
NEED_REPLY = 8

(GET_FEATURES, SET_FEATURES, SET_OWNER, RESET_OWNER, SET_MEM_TABLE, NUM, ADDR,
 BASE, GET_BASE, KICK, CALL, ERR, GET_PROTOCOL, SET_PROTOCOL, QUEUE_NUM, ENABLE,
 GET_CONFIG, SET_CONFIG, RESET_DEVICE, SLOTS, ADD, REMOVE, LOG_BASE, LOG_FD,
 GET_INFLIGHT, SET_INFLIGHT, SET_STATUS, GET_STATUS) = (
     1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 24, 25, 34, 36,
     37, 38, 6, 7, 31, 32, 39, 40)

rng = random.Random(SEED)
EXTREMES = [0, 1, 2, 15, 16, 255, 256, 4096, 65535, 65536, SIZE - 1, SIZE,
            1 << 31, (1 << 32) - 1, 1 << 56, (1 << 63) - 1, 1 << 63,
            (1 << 64) - 4096, (1 << 64) - 1, GUEST, USER]


def spoil(number, bits=64):
    """Now and then, another number."""
    if rng.random() < 0.15:
        number = rng.choice(EXTREMES) + rng.choice((0, 0, 1, -1))
    return number & ((1 << bits) - 1)


class Client:
    """One connection, its memory, and what it thinks it has lent."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(path)
        self.memory = os.memfd_create("lent")
        os.ftruncate(self.memory, SIZE)
        self.event = os.eventfd(0)
        self.wrong = os.open("/dev/null", os.O_RDWR)
        self.index = 0

    def close(self):
        self.socket.close()
        for fd in (self.memory, self.event, self.wrong):
            os.close(fd)

    def send(self, request, payload=b"", fds=()):
        flags = 1 | (NEED_REPLY if rng.random() < 0.95 else 0)
        header = struct.pack("=III", request, flags, len(payload))
        self.socket.setblocking(False)
        socket.send_fds(self.socket, [header + payload], list(fds))
        try:
            while self.socket.recv(65536):
                pass
        except BlockingIOError:
            pass

    def some_fds(self, usual):
        if rng.random() < 0.9:
            return usual
        return [rng.choice((self.memory, self.event, self.wrong))
                for _ in range(rng.randrange(9))]

    def entry(self):
        return struct.pack("=QQQQ", spoil(GUEST), spoil(SIZE), spoil(USER),
                           spoil(0))

    def queue(self):
        return spoil(rng.randrange(4), 32)

    def ring_noise(self):
        """Descriptors, rings and requests that half make sense."""
        at = rng.choice((0, 0x1000, 0x2000, 0x3000, 0x4000))
        if at == 0x1000:  # available: flags, index, entries
            noise = struct.pack("<HH16H", 0, rng.randrange(40),
                                *[rng.randrange(17) for _ in range(16)])
        elif at == 0x3000:  # headers
            noise = struct.pack("<IIQ", rng.choice((0, 1, 4, 8, 11, 99)), 0,
                                spoil(rng.randrange(2048)))
        else:
            noise = b"".join(
                struct.pack("<QIHH", spoil(GUEST + rng.choice(
                    (0x3000, 0x4000, 0x8000, 0x10000))),
                            spoil(rng.choice((1, 16, 512, 4096)), 32),
                            rng.randrange(8), rng.randrange(17))
                for _ in range(16))
        os.pwrite(self.memory, noise, at)

    def request(self):
        """One that is right, unless memory or rings are not."""
        kind = rng.randrange(2)
        self.index = self.index + 1 & 0xffff
        os.pwrite(self.memory, struct.pack("<IIQ", kind, 0,
                                           rng.randrange(2000)), 0x3000)
        os.pwrite(self.memory, b"".join((
            struct.pack("<QIHH", GUEST + 0x3000, 16, 1, 1),
            struct.pack("<QIHH", GUEST + 0x8000, 4096, 1 if kind else 3, 2),
            struct.pack("<QIHH", GUEST + 0x4000, 1, 2, 0))), 0)
        os.pwrite(self.memory, struct.pack("<H", 0),
                  0x1004 + (self.index - 1) % 16 * 2)
        os.pwrite(self.memory, struct.pack("<H", self.index), 0x1002)
        os.eventfd_write(self.event, 1)

    def memory_act(self):
        os.ftruncate(self.memory, rng.choice((0, 4096, 0x3001, SIZE, SIZE)))

    def say(self):
        number = struct.pack("=Q", spoil(rng.choice((0, 1, 1 << 26, 1 << 30,
                                                     1 << 32))))
        state = struct.pack("=II", self.queue(), spoil(rng.choice(
            (0, 1, 16)), 32))
        index = struct.pack("=Q", self.queue())
        addr = struct.pack("=IIQQQQ", self.queue(),
                           spoil(rng.randrange(2), 32), spoil(USER),
                           spoil(USER + 0x2000), spoil(USER + 0x1000),
                           spoil(GUEST + 0x2000))
        # The logs are in the memory that is lent, so noise is written there.
        log = struct.pack("=QQ", spoil(SIZE), spoil(0))
        inflight = log + struct.pack("=HH", spoil(1, 16), spoil(16, 16))
        config = struct.pack("=III", spoil(32, 32), spoil(1, 32), 0) + b"\1"
        table = (struct.pack("=II", spoil(1, 32), 0) + self.entry())
        one = struct.pack("=Q", 0) + self.entry()
        size16 = struct.pack("=II", self.queue(), 16)
        rng.choice((
            lambda: self.send(GET_FEATURES),
            lambda: self.send(SET_FEATURES, number),
            lambda: self.send(SET_OWNER),
            lambda: self.send(RESET_OWNER),
            lambda: self.send(SET_MEM_TABLE, table,
                              self.some_fds([self.memory])),
            lambda: self.send(NUM, size16), lambda: self.send(NUM, size16),
            lambda: self.send(ADDR, addr), lambda: self.send(ADDR, addr),
            lambda: self.send(BASE, state),
            lambda: self.send(GET_BASE, state),
            lambda: self.send(KICK, index, self.some_fds([self.event])),
            lambda: self.send(KICK, index, self.some_fds([self.event])),
            lambda: self.send(CALL, index, self.some_fds([self.event])),
            lambda: self.send(ERR, index, self.some_fds([self.event])),
            lambda: self.send(SET_PROTOCOL, struct.pack("=Q", spoil(0xa209))),
            lambda: self.send(ENABLE, state), lambda: self.send(ENABLE, state),
            lambda: self.send(GET_CONFIG, config),
            lambda: self.send(SET_CONFIG, config),
            lambda: self.send(RESET_DEVICE),
            lambda: self.send(GET_STATUS),
            lambda: self.send(SET_STATUS, struct.pack("=Q", spoil(
                rng.randrange(16)))),
            lambda: self.send(LOG_BASE, log, self.some_fds([self.memory])),
            lambda: self.send(LOG_FD, b"", self.some_fds([self.event])),
            lambda: self.send(GET_INFLIGHT, inflight),
            lambda: self.send(SET_INFLIGHT, inflight,
                              self.some_fds([self.memory])),
            lambda: self.send(ADD, one, self.some_fds([self.memory])),
            lambda: self.send(ADD, one, self.some_fds([self.memory])),
            lambda: self.send(REMOVE, one),
            lambda: self.send(rng.randrange(60),
                              rng.randbytes(rng.randrange(270)),
                              self.some_fds([])),
            self.ring_noise, self.memory_act,
            *[self.request] * 10,
            lambda: os.eventfd_write(self.event, 1),
            lambda: os.eventfd_write(self.event, 1),
        ))()

    def begin(self):
        """So that noise meets a server at work."""
        one = struct.pack("=QQQQQ", 0, GUEST, SIZE, USER, 0)
        self.send(SET_PROTOCOL, struct.pack("=Q", 0xa209))
        self.send(SET_FEATURES, struct.pack("=Q", 1 << 32 | 1 << 28))
        self.send(ADD, one, [self.memory])
        for queue in range(1):
            index = struct.pack("=Q", queue)
            self.send(NUM, struct.pack("=II", queue, 16))
            self.send(BASE, struct.pack("=II", queue, 0))
            self.send(ADDR, struct.pack("=IIQQQQ", queue, 0, USER,
                                        USER + 0x2000, USER + 0x1000, 0))
            self.send(CALL, index, [self.event])
            self.send(KICK, index, [self.event])


def answers(path):
    """A stranger asks, and is answered."""
    try:
        with socket.socket(socket.AF_UNIX) as asker:
            asker.settimeout(30)
            asker.connect(path)
            asker.sendall(struct.pack("=III", GET_FEATURES, 1, 0))
            return len(asker.recv(20)) == 20
    except OSError:
        return False


def storm(path, server):
    clients = []
    end = time.monotonic() + SECONDS
    said = 0
    while time.monotonic() < end and server.poll() is None:
        if len(clients) < 6:
            clients.append(Client(path))
            if rng.random() < 0.8:
                try:
                    clients[-1].begin()
                except OSError:
                    pass
        client = rng.choice(clients)
        try:
            for _ in range(rng.randrange(20)):
                client.say()
                said += 1
        except OSError:
            clients.remove(client)
            client.close()
        if said % 97 == 0 and not answers(path):
            return f"no answer after {said} messages"
    for client in clients:
        client.close()
    if server.poll() is not None:
        return f"the server ended with {server.returncode} after {said}"
    print(f"seed {SEED}: {said} messages and acts")
    return None if answers(path) else "no answer at the end"


def main():
    with tempfile.TemporaryDirectory(prefix="precarium-") as folder:
        os.chdir(folder)
        with open("disk", "wb") as disk:
            disk.truncate(SIZE)
        with open("log", "w+") as log:
            server = subprocess.Popen(
                [PRECARIUM, "serve", "--workers=2", "--export",
                 "socket=a.sock,file=disk"], stderr=log,
                stdout=sys.stderr)
            # its file is there before it listens
            while not answers("a.sock") and server.poll() is None:
                time.sleep(0.005)
            wrong = storm("a.sock", server)
            server.send_signal(signal.SIGTERM)
            if server.wait(20) != 0 and not wrong:
                wrong = f"the server ended with {server.returncode}"
            if wrong:
                log.seek(0)
                print("FAIL, seed", SEED, ":", wrong, log.read()[-4000:])
        os.chdir("/")
    return 1 if wrong else 0


sys.exit(main())
