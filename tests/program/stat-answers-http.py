#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`precarium stat --http`, as a socket unit starts it: one answer to one request,
whatever that is; the metrics are those that `stat` prints."""
import os
import socket
import subprocess
import sys
import tempfile

import serving
from serving import PRECARIUM, Server, check, run

GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n"


def ask(request, *args, control="c.sock"):
    """The status, the head and the body of the answer."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with subprocess.Popen(
                [PRECARIUM, "stat", f"--control={control}", "--http", *args],
                stdin=theirs, stdout=theirs, stderr=subprocess.PIPE) as asked:
            theirs.close()
            ours.settimeout(20)
            try:
                ours.sendall(request)
            except OSError:
                pass  # it has heard enough
            ours.shutdown(socket.SHUT_WR)
            said = b""
            while True:
                try:
                    part = ours.recv(65536)
                except ConnectionResetError:
                    part = b""
                if not part:
                    break
                said += part
            asked.stderr.read()
    head, _, body = said.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    check(f"Content-Length: {len(body)}" in lines and
          "Connection: close" in lines, "head:", lines)
    return int(lines[0].split()[1]), lines, body.decode()


def names(text):
    return [line.split("{")[0].split(" ")[0] for line in text.split("\n")
            if line and not line.startswith("#")]


def metrics():
    for form, kind in (("--prometheus", "text/plain; version=0.0.4"),
                       ("--openmetrics",
                        "application/openmetrics-text; version=1.0.0")):
        status, head, body = ask(GET, form)
        check(status == 200 and
              f"Content-Type: {kind}; charset=utf-8" in head, form, head)
        same = run("stat", "--control=c.sock", form).stdout
        check(names(body) == names(same), form, body)


def bad_requests():
    for request, wanted in (
            (b"GET / HTTP/1.1\r\n\r\n", 404),
            (b"GET /metrics?x=1 HTTP/1.0\r\n\r\n", 200),
            (b"GET /metricsx HTTP/1.0\r\n\r\n", 404),
            (b"POST /metrics HTTP/1.1\r\n\r\n", 405),
            (b"GET /metrics\r\n\r\n", 400), (b"\r\n\r\n", 400), (b"", 400),
            (b"GET /metrics HTTP/1.1\r\n", 400), (b"\0" * 100, 400),
            (b"GET /metrics FTP/1.1\r\n\r\n", 400),
            (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", 431)):
        status, head, _ = ask(request, "--prometheus")
        check(status == wanted, request[:40], ":", head)
        check(("Allow: GET" in head) == (wanted == 405), "allow:", head)
    status, head, _ = ask(GET, "--prometheus", control="none.sock")
    check(status == 503, "no server:", head)
    for args in (("--http",), ("--http", "--json"),
                 ("--http", "--prometheus", "--watch")):
        done = run("stat", *args)
        check(done.returncode == 2 and done.stderr.count("\n") == 1 and
              "expected --openmetrics or --prometheus" in done.stderr, args,
              done.stderr)


def main():
    with tempfile.TemporaryDirectory(prefix="precarium-") as folder:
        os.chdir(folder)
        server = Server("a.sock", "--export", "socket=a.sock,null=1G",
                        "--control=c.sock")
        metrics()
        bad_requests()
        status, _, err = server.end()
        check(status == 0, "the server ended with", status, err)
        os.chdir("/")
    return 1 if serving.failures else 0


sys.exit(main())
