# SPDX-License-Identifier: MIT
"""When a server that was just started can be connected to: the file of its
socket is there a moment before anybody listens."""
import os
import socket
import time

PAUSE_S = 0.01


def listens(path):
    """By the kernel's table, where the path is as the server wrote it: a
    connection would be a client."""
    with open("/proc/net/unix", encoding="utf-8") as table:
        fields = [line.split() for line in table]
    return any(line[-1] == os.fspath(path) and line[3] == "00010000"
               for line in fields)


def connect(client, path, seconds=20):
    """To a socket whose file is there."""
    end = time.monotonic() + seconds
    while True:
        try:
            return client.connect(path)
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
        time.sleep(PAUSE_S)


def wait(path, process):
    """Until a connection succeeds; false when the process has ended."""
    while process.poll() is None:
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(path)
                return True
            except (FileNotFoundError, ConnectionRefusedError):
                time.sleep(PAUSE_S)
    return False
