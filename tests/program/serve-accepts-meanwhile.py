# SPDX-License-Identifier: MIT
"""A reload that does not end, because its configuration is a pipe into which
nobody writes: clients are accepted and served all the same, and it ends when
somebody does.

Usage: serve-accepts-meanwhile.py PRECARIUM"""
import os
import signal
import subprocess
import sys
import tempfile
import time

import serving
from serving import *

CONFIG = """exports:
  - socket: {0}/a.sock
    null: 1M
"""


def waits_in_open(process):
    """The main thread is in openat, which does not return."""
    with open(f"/proc/{process.pid}/syscall", encoding="utf-8") as call:
        return call.read().split()[0] == "257"


def main():
    with tempfile.TemporaryDirectory(prefix="precarium-") as folder:
        path = f"{folder}/config.yaml"
        text = CONFIG.format(folder)
        with open(path, "w", encoding="utf-8") as config:
            config.write(text)
        server = Server(f"{folder}/a.sock", f"--config={path}")
        os.unlink(path)
        os.mkfifo(path)
        server.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 20
        while not waits_in_open(server.process) and time.monotonic() < end:
            time.sleep(0.001)
        check(waits_in_open(server.process), "the reload does not wait")
        for _ in range(3):
            talk(f"{folder}/a.sock").close()
        with open(path, "w", encoding="utf-8") as config:
            config.write(text)
        talk(f"{folder}/a.sock").close()
        status, _, log = server.end()
        check(status == 0, "status", status, log)
        check("reloaded" in log, "no reload:", log)
    return 1 if serving.failures else 0


sys.exit(main())
