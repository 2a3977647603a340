#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The control socket: `precarium stat` tells the same in each of its forms,
OpenMetrics by the rules of the format; and nobody who asks, however badly,
keeps the server from its clients or from others who ask."""
import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time

import serving
from serving import Server, check, run, talk

try:
    from prometheus_client import parser as prometheus
    from prometheus_client.openmetrics import parser
except ImportError:
    print("skipped: python3-prometheus-client is not installed")
    sys.exit(77)

DASHBOARD = sys.argv[2]
NAME = 'we"ird\\nä'  # what a label has to escape
EXPORTS = ("--export", "socket=a.sock,null=1G",
           "--export", f"socket=b.sock,null=1M,name={NAME}",
           "--control=c.sock")


def call(*requests):
    """The answers to requests that are sent at once."""
    caller = socket.socket(socket.AF_UNIX)
    caller.settimeout(20)
    caller.connect("c.sock")
    caller.sendall(b"".join(requests))
    with caller.makefile("rb") as answers:
        said = [json.loads(answers.readline()) for _ in requests]
    return caller, said


def metrics(text):
    """Every sample, by name and labels."""
    found = {}
    for family in parser.text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name, tuple(sorted(sample.labels.items()))] = \
                sample.value
    return found


def for_prometheus(open_metrics):
    """Each sample of the one form is in the other; each has help and a type; no
    series is there twice."""
    text = run("stat", "--control=c.sock", "--prometheus").stdout
    found = {}
    for family in prometheus.text_string_to_metric_families(text):
        check(family.documentation and family.type in
              ("gauge", "counter", "histogram"),
              "without help or type:", family)
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            check(key not in found, "twice:", key)
            found[key] = sample.value
    check(found.keys() == open_metrics.keys(), "not in both:",
          found.keys() ^ open_metrics.keys())
    check("# UNIT" not in text and "# EOF" not in text, "OpenMetrics:", text)
    linter = shutil.which("promtool")
    if linter:
        said = subprocess.run([linter, "check", "metrics"], input=text,
                              capture_output=True, text=True, check=False)
        check(said.returncode == 0 and not said.stderr, "promtool:",
              said.stderr)


def dashboard(samples):
    """It asks for what there is, in words that Prometheus understands."""
    with open(DASHBOARD, encoding="utf-8") as file:
        panels = json.load(file)["panels"]
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    names = set(re.findall(r"precarium_\w+", " ".join(asked)))
    check(len(names) > 10 and names <= {name for name, _ in samples},
          "not there:", names - {name for name, _ in samples})
    linter = shutil.which("promtool")
    if linter:
        rules = [{"record": f"rule{i}", "expr": expr.replace(
            "$__rate_interval", "1m").replace("$export", ".*")}
            for i, expr in enumerate(asked)]
        with open("rules", "w", encoding="utf-8") as file:
            json.dump({"groups": [{"name": "g", "rules": rules}]}, file)
        said = subprocess.run([linter, "check", "rules", "rules"], check=False,
                              capture_output=True, text=True)
        os.unlink("rules")
        check(said.returncode == 0, "promtool:", said.stdout, said.stderr)


def three_forms():
    tree = json.loads(run("stat", "--control=c.sock", "--json").stdout)
    found = metrics(run("stat", "--control=c.sock", "--openmetrics").stdout)
    for_prometheus(found)
    dashboard(found)
    now = time.time()
    check(now - 60 < found["precarium_start_time_seconds", ()] <= now,
          "start:", found)
    text = run("stat", "--control=c.sock").stdout
    names = [export["name"] for export in tree["exports"]]
    check(names == ["a.sock", NAME], "exports:", names)
    for export in tree["exports"]:
        check(export["name"] in text, "no", export["name"], "in", text)
        label = (("export", export["name"]),)
        for name, key in (("clients", "connected"),
                          ("connections_total", "clients-so-far"),
                          ("requests_total", "requests"),
                          ("in_flight_bytes", "bytes-in-flight"),
                          ("read_bytes_total", "bytes-read"),
                          ("capacity_bytes", "capacity")):
            value = found.get(("precarium_export_" + name, label))
            check(value == export[key], name, "of", export["name"], ":", value,
                  "; JSON says", export[key])
    check(tree["exports"][0]["connected"] == 1, "connected:", tree)
    who = (("client", "1"), ("export", "a.sock"))
    check(("precarium_client_requests_total", who) in found, "no client:",
          found)
    client = tree["exports"][0]["clients"][0]
    check(client["pid"] == os.getpid(), "the client's pid:", client)
    check(f"#1 pid {os.getpid()}" in text, "no client in", text)
    fault = ("precarium_faults_total", (("kind", "passed"),))
    check(found.get(fault) == 0, "faults:", found)


def for_the_owner_only():
    mode = os.stat("c.sock").st_mode
    check(stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600, "mode:",
          oct(mode))


def bad_requests():
    caller, said = call(b'{"command": "stat"}\n', b"no json\n", b"[]\n",
                        b'{"command": "fly"}\n', b"\n",
                        b'{"command": "stat"}\n')
    caller.close()
    check("result" in said[0] and "result" in said[5], "good ones:", said)
    for i, words in enumerate(("no JSON", '"command"', "fly: no such command",
                               "no JSON"), 1):
        check(words in said[i].get("error", ""), words, "is not in", said[i])
    for command, words in (
            ({"command": "no\n\x1b[2J"}, "no\\n\\x1b[2J: no such command"),
            ({"command": "resize", "export": "a\nb"}, "a\\nb: no such export"),
            ({"command": "export-add", "export": {"socket": "n", "null": 1.5}},
             "null: expected a text, a whole number"),
            ({"command": "export-add",
              "export": {"socket": "n", "read-only": "true"}},
             "read-only: expected true or false"),
            ({"command": "export-add",
              "export": {"socket": "n", "read-only": 1}},
             "read-only: expected true or false")):
        caller, said = call(json.dumps(command).encode() + b"\n")
        caller.close()
        check(words in said[0].get("error", ""), words, "is not in", said)
    caller, said = call(b"x" * 4096)
    check("too long" in said[0]["error"], "a long line:", said)
    check(caller.recv(1) == b"", "it was not closed after a long line")


def fill(caller):
    """Ask until nothing more fits.  How many bytes did?"""
    sent = 0
    try:
        while True:
            sent += caller.send(b'{"command": "stat"}\n' * 50)
    except BlockingIOError:
        return sent


def nobody_is_waited_for():
    """Callers that say nothing, half a line, or never read."""
    idle = [call()[0] for _ in range(20)]
    half = [call()[0] for _ in range(20)]
    for caller in half:
        try:
            caller.sendall(b'{"command"')
        except OSError:
            pass  # driven out already
    deaf, _ = call()
    deaf.setblocking(False)
    unread = 0
    while unread < 3:  # turns in which the server read nothing from it
        unread = 0 if fill(deaf) else unread + 1
        done = run("stat", "--control=c.sock")
        check(done.returncode == 0, "another caller:", done.stderr)
    talk("b.sock").close()
    for caller in idle + half + [deaf]:
        caller.close()


def no_server():
    done = run("stat", "--control=none.sock")
    check(done.returncode == 1 and "none.sock" in done.stderr and
          "expected" in done.stderr and done.stderr.count("\n") == 1,
          "no server:", done.stderr)
    done = run("stat", "--control=" + "x" * 108)
    check(done.returncode == 1 and "at most 107" in done.stderr,
          "a long path:", done.stderr)
    done = run("serve", "--export", "socket=d.sock,null=1M",
               "--control=nowhere/c.sock")
    check(done.returncode == 1 and "nowhere/c.sock" in done.stderr and
          not os.path.exists("d.sock"), "no directory:", done.stderr)


def main():
    with tempfile.TemporaryDirectory(prefix="precarium-") as folder:
        os.chdir(folder)
        server = Server("a.sock", *EXPORTS)
        for test in (three_forms, for_the_owner_only, bad_requests,
                     nobody_is_waited_for):
            test()
        status, _, err = server.end()
        check(status == 0, "the server ended with", status, err)
        check(os.listdir(".") == [], "left behind:", os.listdir("."))
        no_server()
        os.chdir("/")
    return 1 if serving.failures else 0


sys.exit(main())
