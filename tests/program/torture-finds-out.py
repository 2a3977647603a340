#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The verdicts of `precarium torture` are true: a small server that is sound
survives, and one with a defect is found out, each by the verdict that fits.
The server is in here, too: torture-finds-out.py serve DEFECT SOCKET SOCKET"""
import json
import mmap
import os
import select
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

SECTOR, DISK = 512, 8 << 20
VERSION_1, PROTOCOL, PACKED = 1 << 32, 1 << 30, 1 << 34
NEXT, WRITE, AVAIL, USED = 1, 2, 1 << 7, 1 << 15
REPLY_ACK, CONFIG, SLOTS = 1 << 3, 1 << 9, 1 << 15
REPLY, NEED_REPLY = 4, 8
(GET_FEATURES, SET_FEATURES, NUM, ADDR, BASE, GET_BASE, KICK, CALL, ERR,
 GET_PROTOCOL, SET_PROTOCOL, ENABLE, GET_CONFIG, MAX_SLOTS, ADD, REMOVE) = (
     1, 2, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 24, 36, 37, 38)
PROVOKED = 44
QUIET = (3,)  # SET_OWNER
SIZES = {SET_FEATURES: 8, NUM: 8, BASE: 8, GET_BASE: 8, ENABLE: 8, ADDR: 40,
         KICK: 8, CALL: 8, ERR: 8, GET_CONFIG: 72, ADD: 40, REMOVE: 40}
STALL_S = 3
SLOW_S = 0.02


class Region:
    def __init__(self, guest, size, user, fd):
        self.guest, self.size, self.user, self.fd = guest, size, user, fd
        self.map = mmap.mmap(fd, size)


class Server:
    """All that the connections share, and the defect."""

    def __init__(self, defect):
        self.defect = defect
        self.stores = []
        self.lock = threading.Lock()
        self.hung = False
        self.kept = []

    def provoked(self):
        if self.defect == "died":
            os.abort()
        if self.defect == "hung":
            self.hung = True
        if self.defect == "stalled":
            with self.lock:
                time.sleep(STALL_S)
        if self.defect == "corrupted-data":
            with self.lock:
                for store in self.stores:
                    for i in range(0, DISK, 4096):
                        store[i] ^= 1

    def listen(self, path):
        store = bytearray(DISK)
        self.stores.append(store)
        listener = socket.socket(socket.AF_UNIX)
        if os.path.exists(path):
            os.unlink(path)
        listener.bind(path)
        listener.listen(64)

        def accept():
            while True:
                connection = Connection(self, listener.accept()[0], store)
                if self.hung:
                    self.kept.append(connection)
                    continue
                threading.Thread(target=connection.run, daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()


class Closed(Exception):
    pass


class Connection:
    """One client, one queue."""

    def __init__(self, server, sock, store):
        self.server, self.socket, self.store = server, sock, store
        self.regions = []
        self.kick = self.call = -1
        self.size = self.base = self.protocol = self.features = 0
        self.rings = None
        self.fds = []

    def run(self):
        try:
            while True:
                watched = [self.socket] + [self.kick] * (self.kick >= 0)
                for ready in select.select(watched, [], [])[0]:
                    if ready is self.socket:
                        self.message()
                    elif ready == self.kick:
                        os.eventfd_read(self.kick)
                        if self.features & PACKED:
                            self.serve_packed()
                        else:
                            self.serve()
        except (Closed, OSError, ValueError, IndexError, struct.error):
            pass
        self.socket.close()
        if self.server.defect == "leaked":
            self.server.kept.append(self)
            return
        for fd in self.fds + [region.fd for region in self.regions]:
            os.close(fd)
        for region in self.regions:
            region.map.close()

    def message(self):
        header, fds, _, _ = socket.recv_fds(self.socket, 12, 8)
        self.fds += fds
        if len(header) < 12:
            raise Closed
        request, flags, size = struct.unpack("<III", header)
        if flags & 7 != 1 or size > 256:
            raise Closed
        payload = self.socket.recv(size, socket.MSG_WAITALL) if size else b""
        if len(payload) != size or SIZES.get(request, size) != size:
            raise Closed
        answer = self.answer(request, payload, fds)
        if isinstance(answer, int):
            if not flags & NEED_REPLY or not self.protocol & REPLY_ACK:
                return
            answer = struct.pack("<Q", answer)
        self.socket.sendall(struct.pack("<III", request, 1 | REPLY,
                                        len(answer)) + answer)
        if request == REMOVE and self.server.defect == "corrupted-memory":
            region = self.server.kept[-1]
            for _ in range(20):
                region.map[0] = (region.map[0] + 1) & 255
                time.sleep(0.002)

    def answer(self, request, payload, fds):
        """Bytes, or 0 for done and 1 for refused."""
        if request == GET_FEATURES:
            packed = self.server.defect.startswith("packed")
            return struct.pack("<Q", VERSION_1 | PROTOCOL | PACKED * packed)
        if request == GET_PROTOCOL:
            return struct.pack("<Q", REPLY_ACK | CONFIG | SLOTS)
        if request == GET_CONFIG:
            return payload[:12] + struct.pack("<Q", DISK // SECTOR) + bytes(52)
        if request == MAX_SLOTS:
            return struct.pack("<Q", 8)
        if request == GET_BASE:
            self.kick = -1
            # Of a packed ring both places, which are one here.
            both = self.base << 16 if self.features & PACKED else 0
            return struct.pack("<II", 0, self.base | both)
        if request == SET_PROTOCOL:
            self.protocol, = struct.unpack("<Q", payload)
        elif request == SET_FEATURES:
            self.features, = struct.unpack("<Q", payload)
        elif request in (NUM, BASE):
            value, = struct.unpack_from("<I", payload, 4)
            if request == NUM:
                self.size = value
            else:
                self.base = value & 0xffff
        elif request == ADDR:
            self.rings = struct.unpack_from("<QQQ", payload, 8)
        elif request == KICK and fds:
            self.kick = fds[0]
        elif request == CALL and fds:
            self.call = fds[0]
        elif request == ADD and fds:
            _, guest, size, user, _ = struct.unpack("<QQQQQ", payload)
            self.fds.remove(fds[0])
            self.regions.append(Region(guest, size, user, fds[0]))
        elif request == REMOVE:
            return self.remove(payload)
        elif request == PROVOKED:
            self.server.provoked()
            return 1
        elif request not in QUIET + (ENABLE, ERR):
            return 1
        return 0

    def remove(self, payload):
        guest = struct.unpack("<QQQQQ", payload)[1]
        for region in self.regions:
            if region.guest == guest:
                self.regions.remove(region)
                if self.server.defect == "corrupted-memory":
                    self.server.kept.append(region)
                else:
                    region.map.close()
                    os.close(region.fd)
                return 0
        return 1

    def find(self, address, size, user=False):
        for region in self.regions:
            start = region.user if user else region.guest
            if start <= address and address + size <= start + region.size:
                return region.map, address - start
        raise Closed

    def serve(self):
        desc, used, avail = self.rings
        while self.server.defect != "silent":
            ring, at = self.find(avail, 4 + 2 * self.size, True)
            # Native: both bytes of an index at once.
            if struct.unpack_from("@H", ring, at + 2)[0] == self.base:
                return
            head, = struct.unpack_from(
                "<H", ring, at + 4 + 2 * (self.base % self.size))
            with self.server.lock:
                length = self.request(desc, head)
            ring, at = self.find(used, 4 + 8 * self.size, True)
            struct.pack_into("<II", ring, at + 4 + 8 * (self.base % self.size),
                             head, length)
            self.base = (self.base + 1) & 0xffff
            # pack_into would store zeroes first.
            ring[at + 2:at + 4] = struct.pack("<H", self.base)
            if self.call >= 0:
                os.eventfd_write(self.call, 1)

    def request(self, desc, head):
        table, at = self.find(desc, 16 * self.size, True)
        chain = []
        while len(chain) < 16:
            address, size, flags, after = struct.unpack_from(
                "<QIHH", table, at + 16 * head)
            chain.append((address, size))
            if not flags & 1:
                break
            head = after
        return self.carry_out(chain)

    def serve_packed(self):
        ring, start = self.find(self.rings[0], 16 * self.size, True)
        while True:
            slot, wrap = self.base & 0x7fff, self.base >> 15
            at, here, chain, marks = start + 16 * slot, slot, [], NEXT
            while marks & NEXT and len(chain) < self.size:
                address, size, name, marks = struct.unpack_from(
                    "<QIHH", ring, start + 16 * here)
                if not chain and (marks & AVAIL > 0, marks & USED > 0) != (
                        wrap == 1, wrap == 0):
                    return
                chain.append((address, size))
                here = (here + 1) % self.size
            with self.server.lock:
                length = self.carry_out(chain)
            if self.server.defect == "packed-id":
                name = 0
            struct.pack_into("<IH", ring, at + 8, length, name)
            # pack_into would store zeroes first.
            ring[at + 14:at + 16] = struct.pack(
                "<H", (AVAIL | USED) * wrap | WRITE * (length > 0))
            # Forgotten where a list ends with the ring.
            turned = here <= slot and (
                here > 0 or self.server.defect != "packed-wrap")
            self.base = here | (wrap ^ turned) << 15
            if self.call >= 0:
                os.eventfd_write(self.call, 1)

    def carry_out(self, chain):
        """A header, pieces of data and a status: how much was written."""
        place, start = self.find(chain[0][0], 16)
        kind, _, sector = struct.unpack_from("<IIQ", place, start)
        status = self.move(kind, sector * SECTOR, chain[1:-1])
        place, start = self.find(chain[-1][0], 1)
        place[start] = status
        if kind or status or self.server.defect == "packed-length":
            return 1
        return 1 + sum(size for _, size in chain[1:-1])

    def move(self, kind, begin, pieces):
        if self.server.defect == "failing":
            return 1
        if self.server.defect == "slow":
            time.sleep(SLOW_S)
        if kind > 1:
            return 0 if kind == 4 else 2
        for address, size in pieces:
            if begin + size > DISK:
                return 0 if self.server.defect == "corrupted-success" else 1
            place, start = self.find(address, size)
            if kind == 0:
                place[start:start + size] = self.store[begin:begin + size]
            elif not (self.server.defect == "forgetful" and
                      any(self.store[begin:begin + size])):
                self.store[begin:begin + size] = place[start:start + size]
            begin += size
        return 0


def serve(defect, paths):
    server = Server(defect)
    for path in paths:
        server.listen(path)
    threading.Event().wait()


PROVOKE = "messages/header-unknown-44"
BEYOND = "requests/read-far-beyond"
TAKEN = "revocation/untouched-after-REM_MEM_REG"
UNKNOWN = "messages/header-unknown-*"
ROUND = "packed/event-reserved"
# A machine that is busy with other things is no defect.
PATIENT = ("--stall", "20000", "--answer", "20000")
# defect: case, verdict, how long to wait
DEFECTS = {
    "hung": (PROVOKE, "hung", ("--stall", "20000", "--answer", "1500")),
    "stalled": (PROVOKE, "stalled",
                ("--stall", str(STALL_S * 500), "--answer", "20000")),
    "leaked": (PROVOKE, "leaked", PATIENT),
    "corrupted-data": (PROVOKE, "corrupted", PATIENT),
    "corrupted-success": (BEYOND, "corrupted", PATIENT),
    "corrupted-memory": (TAKEN, "corrupted", PATIENT),
    "packed-length": (ROUND, "corrupted", PATIENT),
    "packed-id": (ROUND, "hung", ("--stall", "20000", "--answer", "1500")),
    "packed-wrap": (ROUND, "hung", ("--stall", "20000", "--answer", "1500")),
}
failures = 0


def check(good, what, *details):
    global failures
    if not good:
        failures += 1
        print("FAIL:", what, *details)


def sockets():
    return [name for name in os.listdir(".") if name.endswith(".sock")]


def torture(program, defect, *options):
    """Exit status, verdict by case, what was said."""
    command = "%s %s serve %s a.sock b.sock" % (
        sys.executable, os.path.abspath(__file__), defect)
    done = subprocess.run(
        [program, "torture", "a.sock", "--neighbour", "b.sock", "--restart",
         command, "--json", "out.json", "--report", "out.md", *options],
        capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    check(not sockets(), defect, "left", sockets())
    try:
        with open("out.json", encoding="ascii") as file:
            cases = json.load(file)["cases"]
    except OSError:
        cases = []
    return (done.returncode,
            {one["group"] + "/" + one["name"]: one["verdict"]
             for one in cases},
            done.stdout + done.stderr)


def sound(program):
    for pattern in (UNKNOWN, BEYOND, TAKEN, ROUND, "life/hangs-up-stopped"):
        server = "packed" if pattern == ROUND else "none"
        status, found, said = torture(program, server, "--case", pattern,
                                      *PATIENT)
        check(status == 0 and found and set(found.values()) == {"survived"},
              "a sound server:", status, found, said)
        with open("out.md", encoding="ascii") as file:
            check(file.read().endswith("\n## Not survived\n\nNone.\n"),
                  "the report of a sound server")


def lacking(program):
    """What is not offered is not attacked, and that is known at once."""
    status, found, said = torture(program, "none", "--case",
                                  "packed/id-in-flight", *PATIENT)
    check(status == 0 and
          found == {"packed/id-in-flight": "not applicable"},
          "without packed rings:", status, found, said)


def unsound(program):
    for defect, (case, verdict, patience) in DEFECTS.items():
        status, found, said = torture(program, defect, "--case", case,
                                      *patience)
        check(status == 1 and found == {case: verdict}, defect, ":", status,
              found, said)
        with open("out.md", encoding="ascii") as file:
            check("- %s: %s" % (verdict, case) in file.read(), "the report of",
                  defect)


def mortal(program):
    """What comes after a death meets a server that was started again."""
    status, found, said = torture(program, "died", "--case", UNKNOWN, *PATIENT)
    died = found.pop(PROVOKE, None)
    check(status == 1 and died == "died" and len(found) == 4 and
          set(found.values()) == {"survived"}, "died :", status, died, found,
          said)


def leaves_nothing(program):
    """Of a server that died: neither its sockets, nor what it had started."""
    command = ("sh -c 'sleep 1000 & echo $! >>pids; exec %s %s serve died "
               "a.sock'" % (sys.executable, os.path.abspath(__file__)))
    done = subprocess.run(
        [program, "torture", "a.sock", "--restart", command, "--case", UNKNOWN,
         *PATIENT], capture_output=True, text=True, timeout=120,
        stdin=subprocess.DEVNULL)
    with open("pids", encoding="ascii") as file:
        pids = [int(line) for line in file]
    check(done.returncode == 1 and len(pids) == 2 and not sockets(),
          "left:", done.stdout, done.stderr, pids, sockets())
    for pid in pids:
        try:
            ended = os.pidfd_open(pid)
            check(select.select([ended], [], [], 20)[0], pid, "was left")
            os.close(ended)
        except ProcessLookupError:
            pass
    # Where somebody else listens, or there is another file, it stays.
    with socket.socket(socket.AF_UNIX) as other, \
         open("b.sock", "w", encoding="ascii"):
        other.bind("a.sock")
        other.listen()
        done = subprocess.run(
            [program, "torture", "a.sock", "--neighbour", "b.sock",
             "--restart", "false"], capture_output=True, text=True,
            timeout=60, stdin=subprocess.DEVNULL)
    check(done.returncode == 1 and done.stderr.count("\n") == 1 and
          sorted(sockets()) == ["a.sock", "b.sock"], "another's socket:",
          done.stderr, sockets())
    for name in sockets():
        os.unlink(name)


def usage(program):
    done = subprocess.run([program, "torture", "a.sock"], text=True,
                          capture_output=True, timeout=60,
                          stdin=subprocess.DEVNULL)
    check(done.returncode == 1 and "nobody listens" in done.stderr,
          "no server:", done.stderr)
    for arguments, words in ((["--group", "poetry", "a.sock"], "poetry"),
                             ([], "no socket"),
                             (["a", "b"], "more than one"),
                             (["--pid", "x", "a"], "--pid=x")):
        done = subprocess.run([program, "torture", *arguments], text=True,
                              capture_output=True, timeout=60,
                              stdin=subprocess.DEVNULL)
        check(done.returncode == 2 and done.stderr.count("\n") == 1 and
              words in done.stderr, arguments, done.returncode, done.stderr)


def main():
    program = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        usage(program)
        sound(program)
        lacking(program)
        mortal(program)
        leaves_nothing(program)
        unsound(program)
        os.chdir("/")
    return failures != 0


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2], sys.argv[3:])
    sys.exit(main())
