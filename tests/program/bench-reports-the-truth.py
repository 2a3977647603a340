#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What `precarium bench` tells is so: it counts what the server counts, no
request is faster than the server can be, and a server that fails, forgets or
says nothing gets no numbers.  The servers with defects are those of
torture-finds-out.py, which is the second argument."""
import json
import os
import subprocess
import sys
import tempfile

from serving import Server, check, run
import serving

SMALL_SERVER = os.path.abspath(sys.argv[2])
SLOW_US = 20000
MIB = 1 << 20


def bench(*args):
    done = run("bench", *args)
    return done.returncode, done.stdout, done.stderr


def measure(*args):
    status, out, err = bench("--json", *args)
    check(status == 0, args, status, err)
    return json.loads(out) if status == 0 else None


def counts(control):
    done = run("stat", "--control", control, "--json")
    return json.loads(done.stdout)["exports"]


def own_server():
    with open("disk.img", "wb") as file:
        file.truncate(4 * MIB)
    server = Server("disk.sock", "--export", "socket=disk.sock,file=disk.img,shared",
                    "--export", "socket=null.sock,null=1048576",
                    "--control", "control")
    counted()
    verified()
    usage()
    server.end()


def counted():
    """Every kind of ring and client, and what the server says of it."""
    total = {"reads": 0, "writes": 0}
    for args in ((), ("--poll",), ("--packed",), ("--packed", "--poll"),
                 ("--no-event-idx",), ("--queues", "2", "--clients", "3"),
                 ("--sequential", "--depth", "1")):
        told = measure("disk.sock", "--read", "60", "--requests", "1000",
                       *args)
        if not told:
            return
        check(told["reads"] + told["writes"] == 1000 and
              400 < told["reads"] < 800, args, told)
        for kind in total:
            total[kind] += told[kind]
        times = [told["latency_us"][name]
                 for name in ("p50", "p90", "p99", "p99.9", "max")]
        check(times == sorted(times) and times[0] > 0, args, times)
        check(times[-1] <= told["seconds"] * 1e6, args, told)
        rate = told["requests_a_second"]
        check(abs(rate * told["seconds"] - 1000) < 1, args, told)
        check(abs(told["bytes_a_second"] - 4096 * rate) < 4096, args, told)
        check(told["server_us_a_request"] > 0, args, told)
    disk = counts("control")[0]
    check(disk["requests"] == sum(total.values()) and
          disk["bytes-read"] == 4096 * total["reads"] and
          disk["bytes-written"] == 4096 * total["writes"], disk, total)
    ended = {kind: sum(told["ended"])
             for kind, told in disk["durations"].items()}
    check((ended.pop("read"), ended.pop("write")) ==
          (total["reads"], total["writes"]) and not any(ended.values()),
          "durations:", disk["durations"], total)


def verified():
    before = counts("control")[0]["requests"]
    told = measure("disk.sock", "--verify", "--read", "50", "--requests",
                   "2000", "--block-size", "8192")
    after = counts("control")[0]["requests"]
    if told:
        blocks = 4 * MIB // 8192
        check(told["filled"] == told["checked"] == blocks, told)
        check(after - before == 2000 + 2 * blocks, before, after)
    # A null store keeps nothing.
    refused("null.sock", "other bytes than were written", "--verify")


def refused(path, words, *args):
    status, out, err = bench(path, *args)
    check(status == 1 and out == "" and err.count("\n") == 1 and
          err.startswith("precarium: bench: " + path) and words in err,
          path, args, status, out, err)


def usage():
    refused("nobody.sock", "No such file or directory; expected the socket",
            "--json")
    refused("x" * 108, "expected a path of at most 107 bytes")
    refused("disk.sock", "4194304", "--area", "8388608")
    refused("disk.sock", "too few", "--verify", "--block-size", "1048576")
    for args, words in ((["a.sock", "b.sock"], "more than one"),
                        ([], "no socket"),
                        (["--depth=0", "a"], "--depth=0"),
                        (["--depth=5x", "a"], "--depth=5x"),
                        (["--read=101", "a"], "--read=101"),
                        (["--block-size=1000", "a"], "multiple of 512"),
                        (["--requests=99999999999999999999999", "a"],
                         "from 1 to 4294967295")):
        status, _, err = bench(*args)
        check(status == 2 and err.count("\n") == 1 and words in err, args,
              status, err)


def small_server(defect):
    process = subprocess.Popen(
        [sys.executable, SMALL_SERVER, "serve", defect, defect + ".sock"],
        stdin=subprocess.DEVNULL)
    check(serving.listening.wait(defect + ".sock", process), defect,
          "did not begin")
    return process


def defects():
    servers = [small_server(defect)
               for defect in ("forgetful", "failing", "silent", "slow")]
    # The first write is kept, so only counting the rounds finds out.
    refused("forgetful.sock", "other bytes than were written", "--verify",
            "--read", "50", "--area", "262144", "--requests", "500")
    refused("failing.sock", "failed with status 1")
    refused("silent.sock", "no answer for 3000 ms", "--timeout", "3000")
    refused("slow.sock", "has 1 queues", "--queues", "2")
    refused("slow.sock", "packed rings are not offered", "--packed")
    told = measure("slow.sock", "--depth", "1", "--requests", "10")
    if told:
        check(told["latency_us"]["p50"] >= SLOW_US and
              told["seconds"] * 1e6 >= 10 * SLOW_US and
              told["requests_a_second"] <= 1e6 / SLOW_US, told)
    for server in servers:
        server.kill()
        server.wait()


def processor_time():
    """No more than the kernel says when the server has ended."""
    server = Server("time.sock", "--export", "socket=time.sock,null=1048576")
    told = measure("time.sock", "--requests", "20000")
    pid = server.process.pid
    with open("/proc/%d/stat" % pid, encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    spent_us = (ticks + 2) * 1e6 / os.sysconf("SC_CLK_TCK")
    if told:
        check(0 < told["server_us_a_request"] * 20000 <= spent_us, told,
              spent_us)
    server.end()


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        own_server()
        defects()
        processor_time()
        os.chdir("/")
    return serving.failures != 0


if __name__ == "__main__":
    sys.exit(main())
