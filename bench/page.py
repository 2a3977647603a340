# SPDX-License-Identifier: MIT
"""The results as one page without anything from elsewhere."""
import html
import math

WIDTH, LINE, LEFT, RIGHT = 1100, 22, 470, 190
STYLE = """body{font:14px sans-serif;margin:2em;max-width:1150px}
text{font:12px sans-serif}td,th{padding:.1em .8em;text-align:left}
.met{fill:#2a7d3f}.missed{fill:#b03a2e}.other{fill:#555}"""


def scale(rows):
    """Where a ratio lies, logarithmic."""
    seen = [value for row in rows
            for value in (row["ratio"], *row["quartiles"], bound(row), 1)
            if value]
    low, high = math.log(min(seen) / 1.1), math.log(max(seen) * 1.1)
    room = WIDTH - LEFT - RIGHT

    def at(value):
        return LEFT + room * (math.log(max(value, min(seen))) - low) / (
            high - low)
    return at


def bound(row):
    """None: there is no target."""
    return row["at_most"] if row["at_most"] is not None else row["at_least"]


def mark(row, at, y):
    if bound(row) is None:
        return ""
    return '<path d="M%.1f %dv14" stroke="black" stroke-width="2"/>' % (
        at(bound(row)), y - 7)


def said(row, kind):
    if bound(row) is None:
        return "%.3g" % row["ratio"]
    sign = "\u2264" if row["at_most"] is not None else "\u2265"
    return "%.3g (%s %.3g) %s" % (row["ratio"], sign, bound(row), kind)


def bar(row, at, line):
    kind = {True: "met", False: "missed", None: "other"}[row["met"]]
    y = line * LINE + LINE // 2
    low, high = (at(value) for value in row["quartiles"])
    return (
        '<text x="0" y="%d">%s</text>' % (y + 4, html.escape(row["row"])) +
        '<rect class="%s" x="%.1f" y="%d" width="%.1f" height="8"/>' % (
            kind, low, y - 4, max(high - low, 1)) +
        '<circle class="%s" cx="%.1f" cy="%d" r="5"/>' % (
            kind, at(row["ratio"]), y) + mark(row, at, y) +
        '<text x="%d" y="%d">%s</text>' % (
            WIDTH - RIGHT + 10, y + 4, said(row, kind)))


def chart(rows):
    at = scale(rows)
    one = '<path d="M%.1f 0v%d" stroke="#bbb"/>' % (at(1), len(rows) * LINE)
    return '<svg width="%d" height="%d">%s%s</svg>' % (
        WIDTH, len(rows) * LINE, one,
        "".join(bar(row, at, line) for line, row in enumerate(rows)))


def line_of(row):
    theirs = "" if row["theirs"] is None else "%.4g" % row["theirs"]
    cells = (row["row"], row["against"], "%.4g" % row["ours"], theirs,
             row["unit"], "%.3g" % row["ratio"],
             "%.3g to %.3g" % tuple(row["quartiles"]))
    return "<tr>%s</tr>" % "".join(
        "<td>%s</td>" % html.escape(cell) for cell in cells)


def counted(told):
    if not told:
        return ""
    return "<h2>Instructions of one operation, compiled by %s</h2>" \
        "<table>%s</table>" % (html.escape(told["compiled"]), "".join(
            "<tr><td>%s<td>%.1f<td>%s</tr>" % (
                html.escape(name), number, beside(told["plain"].get(name)))
            for name, number in told["counts"].items()))


def beside(plain):
    return "%.1f with plain pointers" % plain if plain else ""


def render(told):
    rows = told["rows"]
    peers = list(dict.fromkeys(row["against"] for row in rows))
    charts = "".join(
        "<h2>%s</h2>%s" % (
            html.escape("Against " + peer if peer else "Absolute"),
            chart([row for row in rows if row["against"] == peer]))
        for peer in peers)
    facts = "".join("<tr><td>%s<td>%s</tr>" % (
        html.escape(name), html.escape(str(fact)))
        for name, fact in told["about"].items())
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        "<title>Precarium: what it costs</title><style>%s</style>"
        "<h1>What it costs</h1><table>%s</table>"
        "<p>Ours to theirs: the dot is the median of %u turns of %u ms, the bar "
        "goes from the first to the third quartile, the black mark is the "
        "target. Logarithmic; grey is one. Why targets were missed on the machine "
        "that they were measured on, with profiles: doc/bench.md.</p>%s"
        "<h2>Numbers</h2>"
        "<table><tr><th>row<th>against<th>ours<th>theirs<th>unit<th>ratio"
        "<th>quartiles</tr>%s</table>%s</html>\n" % (
            STYLE, facts, told["turns"], told["turn_ms"], charts,
            "".join(map(line_of, rows)), counted(told["instructions"])))
