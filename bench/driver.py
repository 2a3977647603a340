# SPDX-License-Identifier: MIT
"""The block driver, with one worker, against qemu-storage-daemon with one
thread, and against fio on the same file."""
import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile

from turns import Row, Server, absolute_row, quantile, ratio_row, spread

QEMU = "qemu-storage-daemon"
FILE_SIZE = 256 << 20
NULL_SIZE = 1 << 30
QEMU_NULL = "driver=null-co,size=%u,read-zeroes=on" % NULL_SIZE


def ours(machine, store, *args, program=None, name="ours"):
    path = os.path.join(machine.folder, name + ".sock")
    return Server(machine, "precarium", [
        program or machine.program, "serve", "--export", "socket=%s,%s" % (path, store),
        "--workers", "1", *args], path)


def qemu(machine, node):
    path = os.path.join(machine.folder, "qemu.sock")
    return Server(machine, QEMU, [
        QEMU, "--object", "iothread,id=thread",
        "--blockdev", "node-name=node," + node,
        "--export", "type=vhost-user-blk,id=export,node-name=node,"
        "addr.type=unix,addr.path=%s,writable=on,iothread=thread" % path],
        path)


def rate(told):
    return [one["requests_a_second"] for one in told]


def processor_time(told):
    return [one["server_us_a_request"] for one in told]


def median_latency(told):
    return [one["latency_us"]["p50"] for one in told]


def null(machine):
    """Nothing is stored: what is left is the driver."""
    if not shutil.which(QEMU):
        return
    with ours(machine, "null=%u" % NULL_SIZE) as own, \
            qemu(machine, QEMU_NULL) as peer:
        for depth in (32, 128):
            name = "null store, 4 KiB reads, depth %u" % depth
            told = machine.take_turns(name, {
                "ours": lambda: own.bench("--depth", depth),
                "peer": lambda: peer.bench("--depth", depth)})
            yield ratio_row(name, QEMU, "requests/s", rate(told["ours"]),
                            rate(told["peer"]), least=3)
            yield ratio_row(name + ", processor", QEMU, "us",
                            processor_time(told["ours"]),
                            processor_time(told["peer"]), most=1 / 3)
        name = "null store, depth 1, median latency"
        told = machine.take_turns(name, {
            "ours": lambda: own.bench("--depth", 1),
            "peer": lambda: peer.bench("--depth", 1)})
        yield ratio_row(name, QEMU, "us", median_latency(told["ours"]),
                        median_latency(told["peer"]), most=0.5)


def polling(machine):
    """A client that polls hides none of the driver's time."""
    for ring in ("split", "packed"):
        with contextlib.ExitStack() as servers:
            own = servers.enter_context(
                ours(machine, "null=%u" % NULL_SIZE))
            peer = None
            if ring == "split" and shutil.which(QEMU):
                peer = servers.enter_context(qemu(machine, QEMU_NULL))
            for depth in (32, 128):
                yield from one_polling(machine, own, peer, ring, depth)


def one_polling(machine, own, peer, ring, depth):
    name = "client polls, %s ring, depth %u" % (ring, depth)
    args = ["--poll", "--depth", depth]
    args += ["--packed"] if ring == "packed" else []
    sides = {"ours": lambda: own.bench(*args)}
    if peer:
        sides["peer"] = lambda: peer.bench(*args)
    told = machine.take_turns(name, sides)
    yield absolute_row(name, "us", [1e6 / one for one in rate(told["ours"])],
                       most=0.4)
    if peer:
        yield ratio_row(name, QEMU, "requests/s", rate(told["ours"]),
                        rate(told["peer"]), least=3)
        yield ratio_row(name + ", processor", QEMU, "us",
                        processor_time(told["ours"]),
                        processor_time(told["peer"]), most=1 / 3)


def modes(machine):
    """Looking for requests before sleeping, as it is and otherwise."""
    with ours(machine, "null=%u" % NULL_SIZE) as usual:
        for mode in ("never", "always"):
            with ours(machine, "null=%u" % NULL_SIZE, "--polling=" + mode,
                      name=mode) as other:
                for depth in (1, 32):
                    name = "--polling=%s, depth %u" % (mode, depth)
                    told = machine.take_turns(name, {
                        "ours": lambda: other.bench("--depth", depth),
                        "peer": lambda: usual.bench("--depth", depth)})
                    yield ratio_row(name, "adaptive", "requests/s",
                                    rate(told["ours"]), rate(told["peer"]))
                    yield ratio_row(name + ", processor", "adaptive", "us",
                                    processor_time(told["ours"]),
                                    processor_time(told["peer"]))


class Store:
    """A file that is there to its last byte."""

    def __init__(self, folder, direct):
        self.file = tempfile.NamedTemporaryFile(dir=folder, prefix="bench-")
        piece = os.urandom(1 << 20)
        for _ in range(FILE_SIZE >> 20):
            self.file.write(piece)
        self.file.flush()
        os.fsync(self.file.fileno())
        self.path, self.direct = self.file.name, direct

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def ours(self):
        return "file=" + self.path + (",direct" if self.direct else "")

    def qemu(self, aio):
        # A daemon that was killed may hold its lock for a while.
        return "driver=file,filename=%s,aio=%s,cache.direct=%s,locking=off" % (
            self.path, aio, "on" if self.direct else "off")


def fio(machine, store, size, depth, kind):
    told = json.loads(machine.run(machine.server_cpu, [
        "fio", "--name=b", "--filename=" + store.path, "--ioengine=io_uring",
        "--rw=rand" + kind, "--bs=%u" % size, "--iodepth=%u" % depth,
        "--direct=%u" % store.direct, "--time_based", "--norandommap",
        "--runtime=%ums" % machine.turn_ms, "--output-format=json"]))
    return {"requests_a_second": told["jobs"][0][kind]["iops"]}


def best_aio(machine, store):
    """Which way the peer is fastest, with many small reads."""
    best, best_rate = None, 0
    for aio in ("io_uring", "threads") + (("native",) if store.direct else ()):
        with qemu(machine, store.qemu(aio)) as peer:
            machine.progress.say("which aio: " + aio)
            now = peer.bench("--depth", 32)["requests_a_second"]
        if now > best_rate:
            best, best_rate = aio, now
    return best


def files(machine, store, where):
    aio = best_aio(machine, store) if shutil.which(QEMU) else None
    with ours(machine, store.ours()) as own:
        peer = qemu(machine, store.qemu(aio)) if aio else None
        for size in (4096, 131072):
            for kind in ("read", "write"):
                for depth in (1, 32, 128):
                    yield from one_file(machine, where, store, own, peer, aio,
                                        size, kind, depth)
        if peer:
            peer.__exit__()


def one_file(machine, where, store, own, peer, aio, size, kind, depth):
    args = ("--depth", depth, "--block-size", size, "--read",
            100 if kind == "read" else 0)
    sides = {"ours": lambda: own.bench(*args)}
    if peer:
        sides["peer"] = lambda: peer.bench(*args)
    if shutil.which("fio"):
        sides["fio"] = lambda: fio(machine, store, size, depth, kind)
        # Nobody has to be woken there.
        if depth == 1:
            sides["polls"] = lambda: own.bench("--poll", *args)
    name = "%s, %u KiB %ss, depth %u" % (where, size >> 10, kind, depth)
    told = machine.take_turns(name, sides)
    if peer:
        yield ratio_row(name, "%s %s" % (QEMU, aio), "requests/s",
                        rate(told["ours"]), rate(told["peer"]), least=1.3)
    if "fio" in told:
        yield ratio_row(name, "fio io_uring", "requests/s",
                        rate(told["ours"]), rate(told["fio"]), least=0.95)
    if "polls" in told:
        yield ratio_row(name + ", client polls", "fio io_uring", "requests/s",
                        rate(told["polls"]), rate(told["fio"]), least=0.95)


def tmpfs(machine):
    with Store("/dev/shm", False) as store:
        yield from files(machine, store, "tmpfs")


def disk(machine):
    with Store(machine.disk_folder, True) as store:
        yield from files(machine, store, "disk, direct")


# One percent is looked for, and single turns differ by more.
TOLERANCE_TIMES = 6


def tolerance(machine):
    """Against the same driver with accesses that must not fail."""
    if not machine.plain:
        print("bench: the price of tolerance is left out: --plain names no "
              "build", file=sys.stderr)
        return
    with ours(machine, "null=%u" % NULL_SIZE) as own, \
            ours(machine, "null=%u" % NULL_SIZE,
                 program=machine.plain, name="plain") as plain:
        for depth in (1, 32, 128):
            name = "price of tolerance, depth %u" % depth
            told = machine.take_turns(name, {
                "ours": lambda: own.bench("--poll", "--depth", depth),
                "plain": lambda: plain.bench("--poll", "--depth", depth)},
                TOLERANCE_TIMES)
            yield ratio_row(name, "with plain pointers", "requests/s",
                            rate(told["ours"]), rate(told["plain"]),
                            least=0.99)
            yield ratio_row(name + ", processor", "with plain pointers", "us",
                            processor_time(told["ours"]),
                            processor_time(told["plain"]), most=1.01)


def beside(machine, server, manner, rates):
    """What a good client does beside a neighbour of that manner, or alone."""
    if manner == "alone":
        return server.bench("--depth", 32)
    other = subprocess.Popen(
        machine.on(machine.client_cpu, [
            os.path.join(machine.build, "bench", "bench-revoker"), server.path,
            "10000", manner]),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    told = server.bench("--depth", 32)
    said = other.communicate()[0]
    if other.returncode != 0:
        sys.exit("bench: bench-revoker failed")
    rounds = json.loads(said)
    if (rounds["failures"] > 0) != (manner == "revoke"):
        sys.exit("bench: a %s neighbour had %u failures" % (
            manner, rounds["failures"]))
    rates.append(rounds["rounds_a_second"])
    return told


def neighbour(machine):
    """The same neighbour with the same requests: content, taking its memory away
    each time, or as often memory that it has not lent, which costs as much of the
    processor that it shares with the good client.  Of a worker that two share,
    half is the good client's."""
    rates = {"calm": [], "elsewhere": [], "revoke": [], "alone": []}
    with ours(machine, "null=%u" % NULL_SIZE) as own:
        told = machine.take_turns("neighbour", {
            manner: lambda manner=manner: beside(machine, own, manner,
                                                 rates[manner])
            for manner in rates})
    revoked = quantile(rates["revoke"], 0.5)
    name = "beside %.0f revocations a second" % revoked
    yield ratio_row(name, "as often of what is not lent", "requests/s",
                    rate(told["revoke"]), rate(told["elsewhere"]), least=0.95)
    yield ratio_row(name, "a calm neighbour", "requests/s",
                    rate(told["revoke"]), rate(told["calm"]), least=0.95)
    yield ratio_row(name, "half of what it does alone", "requests/s",
                    rate(told["revoke"]),
                    [one / 2 for one in rate(told["alone"])], least=0.95)


# What the server keeps free for a client of one queue and three regions, and
# what it and the client's process have besides.
FILES_A_CLIENT = 22
FILES_BESIDES = 200


def many_clients(wanted):
    """As many as there are descriptors for, which the server wants to be sure
    of, in hundreds."""
    files = wanted * FILES_A_CLIENT + FILES_BESIDES
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
        return wanted
    except (OSError, ValueError):
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    return (files - FILES_BESIDES) // FILES_A_CLIENT // 100 * 100


def crowd(machine):
    """Small requests, so that the processor's caches matter less."""
    most = many_clients(1000)
    if most < 1000:
        print("bench: %u clients instead of 1,000: ulimit -n is too low and "
              "may not be raised" % most, file=sys.stderr)
    counts = sorted({1, 10, 100, max(most, 1)})
    with ours(machine, "null=%u" % NULL_SIZE, "--max-clients", "1100",
              "--max-regions", "3", "--max-queues", "1") as own:
        told = machine.take_turns("clients", {
            count: lambda count=count: own.bench(
                "--clients", count, "--depth", 8, "--block-size", 512,
                "--poll")
            for count in counts})
    one = processor_time(told[1])
    for count in counts[1:]:
        many = processor_time(told[count])
        yield Row("%u clients, processor time a request" % count, "one client",
                  "us", spread(many)[1], spread(one)[1],
                  spread([a / b for a, b in zip(many, one)]), most=1.1)


GROUPS = [null, polling, modes, tmpfs, disk, tolerance, neighbour, crowd]
