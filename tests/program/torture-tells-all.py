#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`precarium torture --html`: a page that needs nothing from elsewhere, with each
case and its verdict, and those of other servers beside it, whatever they are
called."""
import html.parser
import json
import os
import sys
import tempfile

import serving
from serving import Server, check, run

# However busy the machine is, as the verdicts are not what this is about.
CASES = ("torture", "a.sock", "--case", "rings/loop-of-*", "--fast",
         "--answer=20000", "--timeout=20000")
EVIL = '<script src="http://x/y">&"'


class Page(html.parser.HTMLParser):
    """Rows by the first cell, and what stands open."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.cell, self.outside, self.tags = [], None, [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.outside += [value for name, value in attrs
                         if name in ("src", "href")]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def bad_options():
    with open("bad.json", "w", encoding="utf-8") as file:
        file.write('{"counts": {}}')
    for args, words in ((("--beside=none.json", "--html=x"), "none.json"),
                        (("--beside=bad.json", "--html=x"), "has no cases"),
                        (("--beside=peer.json",), "expected --html, too"),
                        (("--beside=peer.json", "--beside=peer.json",
                          "--html=x"), "another of its name")):
        done = run("torture", "a.sock", *args)
        check(done.returncode == 2 and words in done.stderr and
              done.stderr.count("\n") == 1 and not os.path.exists("x"), args,
              ":", done.returncode, done.stderr)


def main():
    with tempfile.TemporaryDirectory(prefix="precarium-") as folder:
        os.chdir(folder)
        server = Server("a.sock", "--export", "socket=a.sock,null=64M")
        done = run(*CASES, "--json", "peer.json")
        check(done.returncode == 0, "torture:", done.stdout, done.stderr)
        with open("peer.json", encoding="utf-8") as file:
            peer = json.load(file)
        names = [case["name"] for case in peer["cases"]]
        peer["cases"][0].update(verdict="died", text=EVIL)
        peer["cases"][1].update(verdict="not applicable")
        del peer["cases"][2]
        with open("peer.json", "w", encoding="utf-8") as file:
            json.dump(peer, file)
        os.link("peer.json", "<b>.json")
        done = run(*CASES, "--html", "page.html", "--beside", "peer.json",
                   "--beside", "<b>.json")
        check(done.returncode == 0, "torture:", done.stdout, done.stderr)
        with open("page.html", encoding="utf-8") as file:
            text = file.read()
        page = Page(text)
        check(not page.outside and "script" not in page.tags and
              "//" not in text.replace(EVIL.split('"')[1], "") and
              peer["version"] in text, "from elsewhere:", page.outside)
        rows = {row[0]: [cell.strip() for cell in row[1:]]
                for row in page.rows if row}
        check(rows["attack"] == ["a.sock", "peer", "<b>"], "titles:", rows)
        check(all(name in rows for name in names), "cases:", rows)
        wanted = {0: "✗\u00a0died" + EVIL, 1: "–\u00a0not applicable", 2: "–",
                  3: "✓\u00a0survived"}
        for number, verdict in wanted.items():
            check(rows[names[number]] == ["✓\u00a0survived"] + [verdict] * 2,
                  "verdict:", rows[names[number]])
        bad_options()
        status, _, err = server.end()
        check(status == 0, "the server ended with", status, err)
        os.chdir("/")
    return 1 if serving.failures else 0


sys.exit(main())
