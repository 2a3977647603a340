#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Limits of an export: a load gets no more than they allow in the time that has
passed; a reload changes them under the client's feet; `stat` shows them, and how
long clients had to wait; and values that are none get one line."""
import json
import os
import sys
import tempfile
import time

import serving
from serving import Server, check, run

BAD = {
    "rate-requests=0": "rate-requests=0: expected a number from 1 to "
                       "4294967295, or none",
    "rate-requests=1K": "rate-requests=1K: expected a number from 1 to "
                        "4294967295, or none",
    "rate-bytes=9T": "rate-bytes=9T: expected bytes, with K, M, G or T, up to "
                     "8T, or none",
    "rate-bytes=fast": "rate-bytes=fast: expected bytes, with K, M, G or T, up "
                       "to 8T, or none",
    "in-flight=-1": "in-flight=-1: expected a number from 1 to 4294967295, or "
                    "none",
    "client-in-flight=0": "client-in-flight=0: expected a number from 1 to "
                          "8192, or none",
    "client-in-flight=8193": "client-in-flight=8193: expected a number from 1 "
                             "to 8192, or none",
    "burst-requests=9": "burst-requests: there is no rate; expected "
                        "rate-requests, too",
    "burst-bytes=1M,rate-requests=5": "burst-bytes: there is no rate; "
                                      "expected rate-bytes, too",
    "in-flight=1,in-flight=2": "in-flight: given before; expected each key "
                               "once",
}


def bad_values():
    for keys, words in BAD.items():
        done = run("serve", "--export", f"socket=b.sock,null=1M,{keys}")
        check(done.returncode == 2 and
              done.stderr == f"precarium: --export: {words}\n",
              "bad value:", keys, done.stderr)


def configure(limits):
    with open("p.yaml", "w", encoding="utf-8") as file:
        file.write("exports:\n- socket: a.sock\n  null: 16M\n")
        file.writelines(f"  {key}: {value}\n" for key, value in limits.items())
        file.write("- {socket: other.sock, null: 16M}\n")


def stat():
    tree = json.loads(run("stat", "--control=c.sock", "--json").stdout)
    return tree["exports"][0]


def load(requests, *more):
    """Runs so many requests; returns how long that took."""
    began = time.monotonic()
    done = run("bench", "a.sock", "--requests", str(requests), "--duration",
               "20000", *more)
    check(done.returncode == 0, "load:", done.stderr)
    return time.monotonic() - began


def reload(words):
    done = run("reload", "--control=c.sock")
    check(done.returncode == 0 and words in done.stdout, "reload:",
          done.stdout, done.stderr)


def limits_hold():
    configure({"rate-requests": 2000, "burst-requests": 100})
    server = Server("a.sock", "--config=p.yaml", "--control=c.sock",
                    "--workers=2")
    took = load(700, "--clients", "3")
    check(took >= 600 / 2000, "700 requests in", took)
    now = stat()
    check(now["rate-requests"] == 2000 and now["burst-requests"] == 100 and
          now["rate-bytes"] == 0 and now["in-flight"] == 0, "stat:", now)
    check(now["throttled-ms"] > 0, "not throttled:", now)
    text = run("stat", "--control=c.sock").stdout
    check("\n  limits: 2000 requests a second; throttled for " in text,
          "text:", text)
    # While clients are there: one stays connected.
    configure({"rate-bytes": "8M", "in-flight": 4, "client-in-flight": 2})
    reload("1 changed")
    now = stat()
    check(now["rate-bytes"] == 8 << 20 and now["in-flight"] == 4 and
          now["client-in-flight"] == 2 and now["rate-requests"] == 0 and now["connected"] == 1, "stat:", now)
    took = load(600, "--block-size", "8192")
    check(took >= (600 * 8192 - (8 << 20) / 10) / (8 << 20), "bytes:", took)
    metrics = run("stat", "--control=c.sock", "--openmetrics").stdout
    check('precarium_export_limit_bytes{export="a.sock"} 8388608' in metrics,
          "metrics:", metrics)
    check('precarium_export_limit_client_in_flight{export="a.sock"} 2' in
          metrics, "metrics:", metrics)
    configure({"rate-bytes": "8M", "burst-bytes": "1M"})
    reload("1 changed")
    configure({})
    reload("1 changed")
    configure({})
    reload("2 kept")
    check("limits:" not in run("stat", "--control=c.sock").stdout, "text")
    with open("p.yaml", "a", encoding="utf-8") as file:
        file.write("- {socket: c.sock, null: 1M, rate-bytes: fast}\n")
    done = run("reload", "--control=c.sock")
    check(done.returncode == 1 and
          "p.yaml:5:42: rate-bytes: fast: expected bytes" in done.stderr,
          "bad value in the file:", done.stderr)
    status, _, err = server.end()
    check(status == 0 and "refused" not in err, "ended:", status, err)


def main():
    with tempfile.TemporaryDirectory(prefix="precarium-") as folder:
        os.chdir(folder)
        for test in (bad_values, limits_hold):
            test()
        os.chdir("/")
    return 1 if serving.failures else 0


sys.exit(main())
