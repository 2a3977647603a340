#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The attacks of `precarium torture` on several servers in turn, and one table
of what came of them: kinds and counts.  Each serves two files, one to the
attacker and one to a neighbour.

Usage: torture-peers.py PRECARIUM [OPTION of torture]... >table.md
What is not installed is left out.  Takes a few minutes a server."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

VERDICTS = ("survived", "died", "hung", "stalled", "leaked", "corrupted",
            "not applicable", "not run")


def first_line(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.split("\n")[0]


def ours(program):
    return (first_line(program, "--version"),
            program + " serve --workers 2 --export socket=a.sock,file=a.img "
            "--export socket=b.sock,file=b.img")


def qemu():
    """Each export in a thread of its own, as one would for guests."""
    command = "qemu-storage-daemon"
    for name in "ab":
        command += (
            f" --object iothread,id=thread-{name}"
            f" --blockdev driver=file,node-name=node-{name}"
            f",filename={name}.img"
            f" --export type=vhost-user-blk,id=export-{name}"
            f",node-name=node-{name},addr.type=unix,addr.path={name}.sock"
            f",writable=on,num-queues=4,iothread=thread-{name}")
    version = first_line("qemu-storage-daemon", "--version")
    return " ".join(version.replace("version ", "").split()[:2]), command


def run(program, command, options):
    with tempfile.TemporaryDirectory() as folder:
        for name in ("a.img", "b.img"):
            with open(os.path.join(folder, name), "wb") as image:
                image.truncate(64 << 20)
        subprocess.run([program, "torture", "a.sock", "--neighbour", "b.sock",
                        "--restart", command, "--json", "out.json", *options],
                       cwd=folder, stdout=sys.stderr, check=False)
        with open(os.path.join(folder, "out.json"), encoding="utf-8") as file:
            return json.load(file)


def cell(cases):
    """"5 survived, 2 died"."""
    counts = [(sum(case["verdict"] == verdict for case in cases), verdict)
              for verdict in VERDICTS]
    return ", ".join("%d %s" % count for count in counts if count[0])


def times(result):
    """The neighbour's p99: quiet, beside who is busy elsewhere, and the worst
    beside greedy clients."""
    cases = {case["name"]: case["neighbour-p99-us"]
             for case in result["cases"] if case["group"] == "time"}
    elsewhere = cases.pop("elsewhere", None)
    if elsewhere is None or not cases:
        return "-"
    return ", ".join("%.1f ms" % (us / 1000) for us in (
        result["quiet-p99-us"], elsewhere, max(cases.values())))


def main():
    program = os.path.abspath(sys.argv[1])
    servers = [ours(program)]
    if shutil.which("qemu-storage-daemon"):
        servers.append(qemu())
    names = [name for name, _ in servers]
    results = [run(program, command, sys.argv[2:]) for _, command in servers]
    groups = list(dict.fromkeys(case["group"] for case in results[0]["cases"]))
    print("| attacks | cases |", " | ".join(names), "|")
    print("|---|---:|" + "---|" * len(names))
    for group in groups + ["all"]:
        ofs = [[case for case in result["cases"]
                if group in (case["group"], "all")] for result in results]
        print("|", group, "|", len(ofs[0]), "|", " | ".join(map(cell, ofs)),
              "|")
    print("| neighbour's p99: quiet, beside others, beside greedy clients | |",
          " | ".join(map(times, results)), "|")


if __name__ == "__main__":
    main()
