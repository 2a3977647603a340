#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""While clients come and go at each socket, exports are replaced, added, limited
and removed, by reloads and by commands: each command succeeds, whoever stays is
served on, and at the end the exports are those that were asked for, and nothing
of the others is left: no descriptor, no socket.

Usage: serve-changes-beside-clients.py PRECARIUM [ROUNDS]"""
import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time

import serving
from serving import Server, check, talk

ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 20
COMERS = 3

# `stays` does not change, `turns` is another device in each of them, and takes
# over the socket of the one before; `one` and `two` are there by turns.
CONFIGS = [f"""workers: 2
control: c.sock
exports:
  - {{name: stays, socket: stays.sock, null: 1M, in-flight: {place + 1}}}
  - {{name: turns, socket: turns.sock, null: {place + 1}M}}
  - {{name: {name}, socket: {name}.sock, null: 1M}}
""" for place, name in enumerate(("one", "two"))]


def configure(text):
    with open("p.yaml.new", "w", encoding="utf-8") as file:
        file.write(text)
    os.rename("p.yaml.new", "p.yaml")


class Comers:
    """Clients that come, are answered or not, and go at once."""

    def __init__(self):
        self.ends = False
        self.served = [0] * COMERS
        self.threads = [threading.Thread(target=self.run, args=(i,))
                        for i in range(COMERS)]
        for thread in self.threads:
            thread.start()

    def run(self, number):
        paths = ["turns.sock", "one.sock", "two.sock", "x.sock"]
        turn = number
        while not self.ends:
            turn += 1
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(20)
                try:
                    client.connect(paths[turn % len(paths)])
                    client.sendall(serving.GET_FEATURES * 2)
                    if turn % 3:
                        self.served[number] += len(client.recv(20)) == 20
                except (FileNotFoundError, ConnectionError):
                    pass    # it is not there just now
                except TimeoutError:
                    check(False, "no answer, and no end")

    def end(self):
        self.ends = True
        for thread in self.threads:
            thread.join()
        check(all(self.served), "served:", self.served)


class Control:
    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect("c.sock")
        self.answers = self.socket.makefile("rb")

    def ask(self, command, **more):
        self.socket.sendall(json.dumps(dict(more, command=command)).encode() +
                            b"\n")
        said = json.loads(self.answers.readline())
        check("result" in said, command, more, ":", said)
        return said.get("result")

    def names(self):
        return sorted(export["name"] for export in
                      self.ask("export-list")["exports"])


def change(control, process, number):
    configure(CONFIGS[number % 2])
    if number % 3 == 0:
        process.send_signal(signal.SIGHUP)
    control.ask("reload")
    control.ask("export-add", export={"name": "x", "socket": "x.sock",
                                      "null": 1 << 20})
    control.ask("limit", export="x", limits={"rate-requests": "1000"})
    control.ask("limit", export="turns", limits={"in-flight": "4"})
    control.ask("export-add", replace=True, export={
        "name": "x", "socket": "x.sock", "null": 2 << 20})
    control.ask("stat")
    control.ask("export-remove", export="x")


def descriptors(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


def main():
    with tempfile.TemporaryDirectory(prefix="precarium-") as folder:
        os.chdir(folder)
        configure(CONFIGS[1])
        server = Server("stays.sock", "--config=p.yaml")
        control = Control()
        control.names()     # answered: now the server has its descriptor, too
        before = descriptors(server.process)
        comers = Comers()
        for number in range(2 * (ROUNDS // 2)):
            change(control, server.process, number)
        comers.end()
        server.client.sendall(serving.GET_FEATURES)
        check(len(server.client.recv(20)) == 20, "who stayed is not served")
        check(control.names() == ["stays", "turns", "two"], "exports:",
              control.names())
        end = time.monotonic() + 20
        while descriptors(server.process) > before and time.monotonic() < end:
            time.sleep(0.01)
        check(descriptors(server.process) <= before, "descriptors:", before,
              descriptors(server.process))
        check(sorted(os.listdir(".")) == ["c.sock", "p.yaml", "stays.sock",
                                          "turns.sock", "two.sock"], "left:",
              os.listdir("."))
        talk("two.sock").close()
        status, _, log = server.end()
        check(status == 0, "status", status, log[-2000:])
        os.chdir("/")
    return 1 if serving.failures else 0


sys.exit(main())
