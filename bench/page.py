# SPDX-License-Identifier: MIT
"""The results as one page without anything from elsewhere, for small screens and
dark ones, too."""
import html
import math

STYLE = """
:root{color-scheme:light dark;--line:#8884;--met:#1a7f37;--missed:#cf222e;
--other:#57606a}
@media(prefers-color-scheme:dark){:root{--met:#3fb950;--missed:#ff7b72;
--other:#9198a1}}
body{font:15px/1.4 system-ui,sans-serif;margin:1em auto;padding:0 1em;
max-width:72em}
.scroll{overflow-x:auto}table{border-collapse:collapse}
td,th{padding:.1em .8em .1em 0;text-align:left;border-bottom:1px solid var(--line)}
.row,.axis{display:grid;grid-template-columns:22em 1fr 12em;column-gap:1em;
align-items:center}
.plot{position:relative;height:1.5em;margin:0 1em}
.plot i,.plot b,.plot u,.plot s{position:absolute;top:50%}
.plot i{height:.5em;margin-top:-.25em;min-width:2px;border-radius:2px;opacity:.5}
.plot b{width:.7em;height:.7em;margin:-.35em;border-radius:50%}
.plot u{width:2px;height:1.2em;margin:-.6em -1px;background:currentColor}
.plot s{top:0;bottom:0;width:1px;background:var(--line)}
.plot s.one{width:2px;background:var(--other)}
.axis span{position:absolute;transform:translateX(-50%);font-size:.85em}
.met{background:var(--met)}.missed{background:var(--missed)}
.other{background:var(--other)}
.said.met{background:none;color:var(--met)}
.said.missed{background:none;color:var(--missed)}.said.other{background:none}
.legend .plot{display:inline-block;width:5em;vertical-align:middle;margin:0 .3em}
@media(max-width:800px){.row,.axis{grid-template-columns:1fr 9em}
.row>:first-child{grid-column:1/3}.axis>:first-child{display:none}}
"""


def bound(row):
    """None: there is no target."""
    return row["at_most"] if row["at_most"] is not None else row["at_least"]


def more_is_better(row):
    """By the target, or by the unit: a rate, or else a time or a number."""
    if row["at_least"] is not None:
        return True
    return row["at_most"] is None and row["unit"].endswith("/s")


def kind(row):
    return {True: "met", False: "missed", None: "other"}[row["met"]]


class Scale:
    """Logarithmic, in percent of the width."""

    def __init__(self, rows):
        seen = [value for row in rows
                for value in (row["ratio"], *row["quartiles"], bound(row))
                if value and value > 0]
        if rows[0]["against"]:
            seen.append(1)
        self.least = min(seen) / 1.15
        self.most = max(seen) * 1.15

    def at(self, value):
        part = math.log(max(value, self.least) / self.least)
        return 100 * part / math.log(self.most / self.least)

    def ticks(self):
        """1, 2 and 5 of each power of ten, or fewer if they are too many."""
        low = math.floor(math.log10(self.least))
        high = math.ceil(math.log10(self.most))
        for steps in ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
            found = [step * 10 ** power for power in range(low, high + 1)
                     for step in steps
                     if self.least <= step * 10 ** power <= self.most]
            if len(found) <= 7:
                break
        return found


def number(value):
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= size:
            size = 1e3 if letter == "k" else size
            return "%.3g%s" % (value / size, letter)
    return "%.3g" % value


def grid(scale):
    return "".join('<s style="left:%.2f%%"%s></s>' % (
        scale.at(tick), ' class="one"' if tick == 1 else "")
        for tick in scale.ticks())


def axis(scale):
    return '<div class="axis"><div></div><div class="plot">%s</div><div></div>' \
        "</div>" % "".join('<span style="left:%.2f%%">%s</span>' % (
            scale.at(tick), number(tick)) for tick in scale.ticks())


def said(row):
    if bound(row) is None:
        return number(row["ratio"])
    return "%s (%s %s) %s" % (
        number(row["ratio"]), "\u2264" if row["at_most"] is not None else "\u2265",
        number(bound(row)), kind(row))


def bar(row, scale):
    low, high = (scale.at(value) for value in row["quartiles"])
    target = "" if bound(row) is None else '<u style="left:%.2f%%"></u>' % (
        scale.at(bound(row)))
    return (
        '<div class="row"><div>%s</div><div class="plot">%s'
        '<i class="%s" style="left:%.2f%%;width:%.2f%%"></i>%s'
        '<b class="%s" style="left:%.2f%%"></b></div>'
        '<div class="said %s">%s</div></div>' % (
            html.escape(row["row"]), grid(scale), kind(row), low, high - low,
            target, kind(row), scale.at(row["ratio"]), kind(row),
            html.escape(said(row))))


def title(against, more, unit):
    way = "more is better, to the right" if more else \
        "less is better, to the left"
    return "%s: %s" % ("Against " + against if against else
                       "By itself, in " + unit, way)


def charts(rows):
    """One for each peer and each way that is better; of rows without a peer, for
    each unit."""
    groups = {}
    for row in rows:
        key = (row["against"], more_is_better(row),
               "" if row["against"] else row["unit"])
        groups.setdefault(key, []).append(row)
    for key, some in groups.items():
        scale = Scale(some)
        yield "<h2>%s</h2>%s%s" % (
            html.escape(title(*key)), axis(scale),
            "".join(bar(row, scale) for row in some))


def summary(told):
    rows = told["rows"]
    met = sum(row["met"] is True for row in rows)
    missed = sum(row["met"] is False for row in rows)
    about = told["about"]
    return "<p><strong>%u rows: %u targets met, %u missed, %u without a target" \
        ".</strong> precarium %s, commit %s, on %s.</p>" % (
            len(rows), met, missed, len(rows) - met - missed,
            *(html.escape(str(about.get(name, "unknown")))
              for name in ("version", "commit", "processor")))


def legend(told):
    return (
        '<p class="legend">Ours to theirs, logarithmic.'
        '<span class="plot"><i class="met" style="left:20%%;width:60%%"></i>'
        '<u style="left:90%%"></u><b class="met" style="left:45%%"></b></span>'
        "The dot is the median of %u turns of %u ms, the bar goes from the first "
        "to the third quartile, the mark is the target: "
        '<span class="said met">met</span>, <span class="said missed">missed'
        "</span>, or none. The thick line is one: the same as theirs. Why targets "
        "were missed on the machine that they were measured on, with profiles: "
        "doc/bench.md.</p>" % (told["turns"], told["turn_ms"]))


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
    facts = "".join("<tr><td>%s<td>%s</tr>" % (
        html.escape(name), html.escape(str(fact)))
        for name, fact in told["about"].items())
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        "<title>Precarium: what it costs</title><style>%s</style>"
        "<h1>What it costs</h1>%s%s%s"
        '<h2>Numbers</h2><div class="scroll"><table>'
        "<tr><th>row<th>against<th>ours<th>theirs<th>unit<th>ratio"
        '<th>quartiles</tr>%s</table></div><div class="scroll">%s</div>'
        "<h2>Measured on</h2><table>%s</table></html>\n" % (
            STYLE, summary(told), legend(told), "".join(charts(told["rows"])),
            "".join(map(line_of, told["rows"])), counted(told["instructions"]),
            facts))
