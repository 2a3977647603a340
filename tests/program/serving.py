# SPDX-License-Identifier: MIT
"""What the tests share that run `precarium serve` and look at what it says."""
import os
import select
import signal
import socket
import subprocess
import sys

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import listening

PRECARIUM = os.path.abspath(sys.argv[1])
GET_FEATURES = b"\1\0\0\0\1\0\0\0\0\0\0\0"
failures = 0


def check(good, what, *details):
    global failures
    if not good:
        failures += 1
        print("FAIL:", what, *details)


def run(*args):
    return subprocess.run([PRECARIUM, *args], capture_output=True, text=True,
                          timeout=20, stdin=subprocess.DEVNULL)


def talk(path):
    """A client that was answered: by now it counts."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(20)
    listening.connect(client, path)
    client.sendall(GET_FEATURES)
    check(len(client.recv(20)) == 20, "no answer at", path)
    return client


class Server:
    """A server that runs, and how it ended.  Without a path, it may not listen
    yet."""

    def __init__(self, path, *args):
        self.path = path
        self.client = None
        self.process = subprocess.Popen(
            [PRECARIUM, "serve", *args], text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while path and self.process.poll() is None:
            try:
                self.client = talk(path)
                break
            except OSError:
                select.select([], [], [], 0.01)

    def end(self, number=signal.SIGTERM):
        if self.client:
            self.client.close()
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out, err
