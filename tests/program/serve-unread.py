# SPDX-License-Identifier: MIT
"""Nobody reads what the server writes: the log is a pipe that is full, and so is
standard output.  Clients are accepted and served, commands answered, and the
server ends when asked.  Lines that were lost are counted in the log.

Usage: serve-unread.py PRECARIUM"""
import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import tempfile

import serving
from serving import *

CLIENTS = 50
REPORTS = 300  # each a line, as those before it are not read; 256 lines wait
WRONG = b"\1\0\0\0\0\0\0\0\0\0\0\0"  # no version


def full_pipe():
    """Both ends of a pipe into which not one byte fits."""
    readable, writable = os.pipe()
    fcntl.fcntl(writable, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writable, False)
    try:
        while True:
            os.write(writable, b"x")
    except BlockingIOError:
        pass
    os.set_blocking(writable, True)
    return readable, writable


def await_client(server, path):
    while server.poll() is None:
        try:
            return talk(path)
        except (FileNotFoundError, ConnectionRefusedError):
            select.select([], [], [], 0.01)


def end_a_client(path):
    """It causes two lines."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(20)
    client.connect(path)
    client.sendall(WRONG)
    check(client.recv(1) == b"", "a wrong message was answered")
    client.close()


def ask(path, command):
    control = socket.socket(socket.AF_UNIX)
    control.settimeout(20)
    control.connect(path)
    control.sendall(json.dumps({"command": command}).encode() + b"\n")
    answer = control.makefile().readline()
    control.close()
    return json.loads(answer)


def drain(readable):
    """Until its writers have gone."""
    text = b""
    while part := os.read(readable, 65536):
        text += part
    return text.decode().replace("x", "")


def main():
    folder = tempfile.TemporaryDirectory(prefix="precarium-")
    paths = [f"{folder.name}/{name}.sock" for name in "ab"]
    control = f"{folder.name}/control.sock"
    log, log_end = full_pipe()
    output, output_end = full_pipe()
    server = subprocess.Popen(
        [PRECARIUM, "serve", f"--control={control}", "--workers=1",
         *(f"--export=socket={path},null=1M" for path in paths)],
        stdin=subprocess.DEVNULL, stdout=output_end, stderr=log_end)
    os.close(log_end)
    os.close(output_end)
    try:
        good = await_client(server, paths[1])
        for i in range(CLIENTS):
            end_a_client(paths[i % 2])
        good.sendall(GET_FEATURES)
        check(len(good.recv(20)) == 20, "the good client is not answered")
        for _ in range(REPORTS):
            server.send_signal(signal.SIGUSR1)
            check("result" in ask(control, "stat"), "no statistics")
        talk(paths[1]).close()
        # Now somebody reads.
        reader = os.fork()
        if reader == 0:
            text = drain(log)
            good = "lines of the log were lost" in text
            if not good:
                print("FAIL: no word of lost lines in:", text[-600:])
            os._exit(0 if good else 1)
        drainer = os.fork()
        if drainer == 0:
            drain(output)
            os._exit(0)
        good.close()
        server.send_signal(signal.SIGTERM)
        check(server.wait(timeout=20) == 0, "status", server.returncode)
        check(os.waitpid(reader, 0)[1] == 0, "the log")
        os.waitpid(drainer, 0)
    finally:
        server.kill()
        server.wait()
    return serving.failures != 0


sys.exit(main())
