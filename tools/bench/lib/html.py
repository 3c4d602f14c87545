# SPDX-License-Identifier: GPL-2.0-only
"""One HTML file of a run: what it says, what was compared, how to repeat it, every sample.

Nothing of it is elsewhere: no script, no style sheet, no picture, no font; a policy in its head
has the browser fetch nothing whatever the file says.
"""

import os
from pathlib import Path

from lib import describe, figures, gnuplot, plots, stats
from lib.answers import answers
from lib.compare import JUDGES
from lib.figures import span
from lib.loads import UNITS
from lib.markup import Html, element, html, join, prose, slug
from lib.report import number
from lib.sandbox import Failed

STYLE = Path(__file__).with_name("page.css")
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
WIDE = 4  # bases of ratios that have room beside each other on a sheet of paper that stands
DEEP = 4  # levels of a value that are shown as lines
NAMES = {"cpu": "CPU", "ncpu": "CPUs", "tcp": "TCP", "bpf_jit": "BPF JIT"}
APART = ("date", "command", "versions")  # of the environment: shown among what it takes to repeat it
MORE = {"settling": "settling", "maps": "all maps, bytes"}  # of scale[], where a row has them
BETTER = {True: "lower is better", False: "higher is better"}


# --- Pieces ---

def section(title, *content, **attributes):
    return element("section", element("h2", title), *content, **attributes)


def table(head, rows, **attributes):
    """The first column names the row. Cells that are no Html are escaped."""
    first = element("tr", *(element("th", cell, scope="col") for cell in head))
    body = [element("tr", element("th", row[0], scope="row"),
                    *(element("td", cell) for cell in row[1:])) for row in rows]
    return element("div", element("table", element("thead", first), element("tbody", *body),
                                  **attributes),
                   class_="scroll", tabindex="0", role="region", aria_label="table")


def figure(drawn, caption):
    return element("figure", drawn, element("figcaption", prose(caption)))


def code(name):
    return element("code", name)


def small(value):
    return element("small", value)


def figure_cell(found):
    """Figure and verdict, below them the interval. A path beside itself has neither."""
    if found is None:
        return "-"
    parts = [html(number(found.middle, 3))]
    if found.itself:
        return parts[0]
    if found.verdict:
        parts.append(element("span", found.verdict, class_=f"verdict {found.verdict}"))
    spread = [element("br"), small(span(found.low, found.high))] if found.of else []
    return join([join(parts, " "), *spread])


def plain(value):
    if value is None or value == "":
        return "-"
    return {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value


def lines(value, depth=0):
    """A value of the environment, whatever it is."""
    if depth == DEEP:
        return small("...")
    if isinstance(value, dict):
        pairs = [join([element("b", named(key)), " ", lines(inner, depth + 1)])
                 for key, inner in value.items()]
        # What is in one of these lines has none of its own.
        return (join(pairs, ", ") if depth else join([element("div", pair) for pair in pairs])
                ) or html("-")
    if isinstance(value, list):
        return join([lines(inner, depth + 1) for inner in value], ", ") or html("-")
    return html(plain(value))


def named(key):
    return NAMES.get(key, str(key).replace("_", " "))


def facts(pairs, **attributes):
    return table(["what", "value"], [[named(key), lines(value)] for key, value in pairs],
                 **attributes)


# --- Parts of the page ---

def warnings(document):
    """What has to be said before all else."""
    said, rounds = [], document.get("method", {}).get("rounds")
    if isinstance(rounds, int) and rounds < stats.ROUNDS:
        said.append(f"These are no measurements: {rounds} rounds were taken, and it takes "
                    f"{stats.ROUNDS} or more.")
    if document.get("interrupted"):
        said.append("The run was interrupted: what is here is of the rounds that were complete.")
    return join([element("p", text, class_="warning", role="note") for text in said])


def head(document):
    environment = document["environment"]
    line = " · ".join(str(environment[key]) for key in ("kernel", "cpu", "date")
                      if environment.get(key))
    found = [element("section", element("h2", prose(answer.question)),
                     element("p", prose(answer.sentence), class_="summary"),
                     answer_table(answer), class_="answer") for answer in answers(document)]
    if not found:
        found = [element("p", "This run has no figure that would answer it.", class_="summary")]
    return element("header", element("p", "fastveth bench", class_="kicker"),
                   element("h1", "Is it worth it on this machine?"),
                   element("p", line, class_="line"), warnings(document), *found, id="answers")


def answer_table(answer):
    def cell(name, note):
        return join([name, element("br"), small(note)]) if note else name

    return table([cell(*head) for head in answer.heads],
                 [[cell(code(name), note), *map(figure_cell, found)]
                  for name, note, found in answer.rows], class_="numbers")


def contents(cases, document):
    links = [("compared", "What was compared"), ("repeat", "How to repeat it"),
             ("environment", "Environment")]
    links += [(case.id, f"{describe.title(case.case)}, {case.cpus} CPU{'s' * (case.cpus > 1)}"
               + (" (outside)" if case.part == "outside" else "")) for case in cases]
    links += [("growth", "Growth with endpoints")] if document.get("scale") else []
    links += [("programs", "What a program costs")] if document.get("programs") else []
    links += [("skipped", "Skipped"), ("refused", "Refused")]
    return element("nav", element("ul", *(element("li", element("a", text, href=f"#{place}"))
                                          for place, text in links)), aria_label="contents")


def compared(document):
    """Every path that was measured or known to the run, kinds in the colours of the plots."""
    measured = [row["path"] for row in document.get("results", [])]
    infos = document.get("paths", {})
    names = list(dict.fromkeys([*measured, *infos]))
    if not names:
        return section("What was compared", element("p", "No paths."), id="compared")
    known = [*describe.PATHS]
    names.sort(key=lambda name: known.index(name) if name in known else len(known))
    rows = [[join([swatch(describe.kind(name)), code(name)]),
             prose(describe.sentence(describe.PATHS, name)),
             lines(infos.get(name)) if infos.get(name) else "-"] for name in names]
    kinds = [kind for kind in describe.KINDS
             if kind in {describe.kind(name) for name in names}]
    legend = element("p", "Colours of paths, the same in every plot: ", join(
        [element("span", swatch(kind), describe.KINDS[kind]) for kind in kinds], "; "), ".",
        class_="legend")
    return section("What was compared", legend,
                   table(["path", "from client to server", "in this run"], rows,
                         class_="words"), id="compared")


def swatch(kind):
    return element("i", class_=f"swatch {kind}", aria_hidden="true")


def repeat(document):
    environment, method = document["environment"], document.get("method", {})
    command = str(environment.get("command") or "-")
    if "--seed" not in command and "seed" in method:
        command += f" --seed {method['seed']}"
    versions = environment.get("versions")
    commit = versions.get("commit") if isinstance(versions, dict) else None
    pairs = [("date", environment.get("date")), ("commit", commit), *method.items(),
             ("versions", versions)]
    return section("How to repeat it", element("pre", element("code", command)),
                   facts(pairs, class_="facts"), id="repeat")


def surroundings(document):
    pairs = [(key, value) for key, value in document["environment"].items() if key not in APART]
    return section("Environment", facts(pairs, class_="facts"), id="environment")


class Case:
    """What was measured of one case, on one or two CPUs, in one part of a run."""

    def __init__(self, part, case, cpus, rows, name):
        self.part, self.case, self.cpus, self.rows, self.id = part, case, cpus, rows, name
        self.bases = [base for base in dict.fromkeys(
            base for row in rows for base in row["ratio"])]
        ordered = [base for base in JUDGES if base in self.bases]
        self.host = (ordered + self.bases + [None])[0]

    @property
    def unit(self):
        return self.rows[0]["unit"]

    def words(self):
        better = BETTER[figures.lower_is_better(self.rows[0])]
        where = describe.CPUS.get(self.cpus, f"{self.cpus} CPUs")
        part = describe.PARTS.get(self.part, self.part)
        return join([element("p", prose(describe.sentence(describe.CASES, self.case)), ".",
                             class_="lead"),
                     element("p", f"{part}; {where}. {self.unit}, {better}. ", code(self.case))])

    def table(self):
        kinds = {figures.edges(row)[2] for row in self.rows}
        of = kinds.pop() if len(kinds) == 1 else "interval or quartiles"
        shares = ["shortcut"] if any(row.get("shortcut") is not None for row in self.rows) else []
        flows = ["to one flow"] if any("ratio_to_one_flow" in row for row in self.rows) else []
        rows = []
        for row in self.rows:
            low, high, _ = figures.edges(row)
            cells = [join([swatch(describe.kind(row["path"])), code(row["path"])]),
                     number(row["median"]), f"{number(low)} to {number(high)}"]
            cells += [figure_cell(figures.ratio(row, base)) for base in self.bases]
            cells += [number(row.get("shortcut"), 3) for _ in shares]
            cells += [number(row.get("ratio_to_one_flow"), 3) for _ in flows]
            rows.append(cells + [figures.count(row)])
        heads = ["path", f"median, {self.unit}", of,
                 *(join(["to ", code(base)]) for base in self.bases), *shares, *flows, "samples"]
        return table(heads, rows, id=f"table-{self.id}", class_="numbers")

    def samples(self):
        marks = []
        for row in self.rows:
            low, high, _ = figures.edges(row)
            marks.append(plots.Mark(row["path"], describe.kind(row["path"]), row["median"], low,
                                    high, row["samples"]))
        alt = "; ".join(f"{mark.label} {number(mark.middle)} ({span(mark.low, mark.high)})"
                        for mark in marks)
        of = " or ".join(sorted({figures.edges(row)[2] for row in self.rows}))
        title = f"{describe.title(self.case)}: every sample"
        drawn = plots.rows(f"plot-samples-{self.id}", title, f"Medians: {alt}", marks,
                           f"{self.unit}, {BETTER[figures.lower_is_better(self.rows[0])]}")
        return figure(drawn, f"Every sample a dot, from the first round above to the last below; "
                             f"upright: the median; lengthwise: {of}.")

    def ratios(self):
        """None where nothing was run beside."""
        marks = []
        for row in self.rows:
            ratio = figures.ratio(row, self.host)
            if ratio and ratio.middle > 0:
                low, high = (ratio.low, ratio.high) if ratio.of and ratio.low > 0 else (
                    ratio.middle, ratio.middle)
                marks.append(plots.Mark(row["path"], describe.kind(row["path"]), ratio.middle, low,
                                        high))
        if not marks:
            return Html("")
        alt = "; ".join(f"{mark.label} {number(mark.middle, 3)} ({span(mark.low, mark.high)})"
                        for mark in marks)
        lower = figures.lower_is_better(self.rows[0])
        drawn = plots.ratios(f"plot-ratio-{self.id}", f"{describe.title(self.case)}: ratio to {self.host}",
                             f"Ratios: {alt}", marks,
                             f"times {self.host}, {BETTER[lower]}")
        return figure(drawn, f"Ratio to `{self.host}` within a round: median and "
                             f"{self.spread_of_ratios()}; the line is `{self.host}` itself.")

    def spread_of_ratios(self):
        found = {ratio.of for ratio in (figures.ratio(row, self.host) for row in self.rows)
                 if ratio and ratio.of}
        return " or ".join(sorted(found)) or "no spread"

    def section(self):
        return section(f"{describe.title(self.case)}, {self.cpus} CPU{'s' * (self.cpus > 1)}",
                       self.words(), self.table(),
                       element("div", self.samples(), self.ratios(), class_="pair"),
                       id=self.id, class_="case wide" if len(self.bases) > WIDE else "case")


def unique(name, taken):
    """An id that nothing else has."""
    found, n = name, 2
    while found in taken:
        found, n = f"{name}-{n}", n + 1
    taken.add(found)
    return found


def cases(document):
    """In the order of the tables on a terminal, part by part."""
    found, taken, known = {}, set(), list(UNITS)
    for row in document.get("results", []):
        found.setdefault((figures.part(row), row["case"], row["cpus"]), []).append(row)
    parts = list(dict.fromkeys(part for part, *_ in found))
    keys = sorted(found, key=lambda key: (parts.index(key[0]), known.index(key[1])
                                          if key[1] in known else len(known), key[2]))
    return [Case(*key, found[key], unique(f"case-{slug(*key)}", taken)) for key in keys]


def growth(document):
    rows = document.get("scale", [])
    if not rows:
        return Html("")
    bases = list(dict.fromkeys(base for row in rows for base in row.get("ratio", {})))
    methods = list(dict.fromkeys(row["by"] for row in rows))
    words = element("ul", *(element("li", swatch(describe.kind(by)), code(by), ": ",
                                    prose(describe.sentence(describe.METHODS, by)))
                            for by in methods), class_="plainlist")
    content, taken = [], set()
    for what in dict.fromkeys(row["what"] for row in rows):
        mine = [row for row in rows if row["what"] == what]
        name = unique(slug(what), taken)
        content.append(element("div", element("h3", code(what)), growth_table(mine, bases, name),
                               growth_plot(mine, what, name), class_="block"))
    return section("Growth with endpoints", words, *content, id="growth", class_="case")


def growth_table(rows, bases, name):
    more = {key: head for key, head in MORE.items() if any(key in row for row in rows)}
    cells = []
    for row in rows:
        low, high, _ = figures.edges(row)
        cells.append([join([swatch(describe.kind(row["by"])), code(row["by"])]),
                      figures.endpoints(row), number(row["median"]), f"{number(low)} to {number(high)}",
                      *(figure_cell(figures.ratio(row, base)) for base in bases),
                      *(number(row.get(key)) for key in more), figures.count(row)])
    of = " or ".join(sorted({figures.edges(row)[2] for row in rows}))
    return table(["by", "endpoints", f"median, {rows[0]['unit']}", of,
                  *(join(["to ", code(base)]) for base in bases), *more.values(), "samples"],
                 cells, id=f"table-growth-{name}", class_="numbers")


def growth_plot(rows, what, name):
    drawn = {}
    for row in rows:
        low, high, _ = figures.edges(row)
        kind, points = drawn.setdefault(row["by"], (describe.kind(row["by"]), {}))
        points[figures.endpoints(row)] = plots.Mark(row["by"], kind, row["median"], low, high)
    alt = "; ".join(f"{by}: " + ", ".join(f"{number(mark.middle)} at {size}"
                                         for size, mark in sorted(points.items()))
                    for by, (_, points) in drawn.items())
    of = " or ".join(sorted({figures.edges(row)[2] for row in rows}))
    return figure(plots.growth(f"plot-growth-{name}", f"Growth of {what} with endpoints", alt, drawn,
                               rows[0]["unit"]),
                  f"`{what}`: median and {of} for each endpoint, over the number of endpoints.")


def programs(document):
    rows = document.get("programs", [])
    if not rows:
        return Html("")
    insns = ["instructions"] if any("instructions" in row for row in rows) else []
    cells, marks = [], []
    for row in rows:
        low, high, of = figures.edges(row["above"])
        words = describe.PROGRAMS.get(row["name"])
        name = join([code(row["name"]), *([small(prose(words))] if words else [])])
        cells.append([name, row["hook"], row["load"], row["runs"], number(row["median"], 3),
                      number(row["empty"]["median"], 3), number(row["above"]["median"], 3),
                      span(low, high), *(plain(row.get("instructions")) for _ in insns)])
        label = row["name"] if row["load"] == "udp" else f"{row['name']} {row['load']}"
        marks.append(plots.Mark(label, "fastveth", row["above"]["median"], low, high,
                                row["above"]["samples"]))
    alt = "; ".join(f"{mark.label} {number(mark.middle, 3)} ns ({span(mark.low, mark.high)})"
                    for mark in marks)
    return section(
        "What a program costs",
        element("p", "The kernel adds up time and runs of each program. An empty program on the same "
                     "hook reads most of the same, because the clock around it is most of it: what is "
                     "above that is the program's.", class_="lead"),
        table(["program", "hook", "load", "runs", "median, ns", "empty, ns", "above, ns", of,
               *insns], cells, id="table-programs", class_="numbers"),
        figure(plots.rows("plot-programs", "Programs above an empty one", alt, marks,
                          "ns above an empty program, lower is better"),
               f"Every sample a dot; upright: the median; lengthwise: {of}."),
        id="programs", class_="case")


def skipped(document):
    rows = [[" ".join(str(plain(value)) for key, value in row.items() if key != "reason") or "-",
             prose(row["reason"])] for row in document.get("skipped", [])]
    return section("Skipped", table(["what", "why"], rows, class_="words") if rows
                   else element("p", "Nothing was skipped."), id="skipped")


def refused(document):
    """Samples that were thrown away; the same reason is said once."""
    found = {}
    for row in document.get("refused", []):
        what = " ".join(f"{row[key]}" if key != "cpus" else f"{row[key]} CPU" for key in
                        ("path", "case", "cpus") if key in row)
        found.setdefault((what, row["reason"]), []).append(str(row.get("round", "-")))
    rows = [[what, ", ".join(rounds), prose(reason)] for (what, reason), rounds in found.items()]
    words = ("Samples that count for nothing: the load failed, or its packets did not take the path "
             "that was to be measured.")
    return section("Refused", *([element("p", words), table(["what", "rounds", "why"], rows,
                                                           class_="words")] if rows
                                else [element("p", "No sample was refused.")]), id="refused")


def page(document):
    """The whole file."""
    found = cases(document)
    style = element("style", Html(STYLE.read_text(encoding="utf-8")))
    inside = element(
        "head", element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name_="color-scheme", content="light dark"),
        element("title", "fastveth bench: is it worth it on this machine?"), style)
    body = element("body", head(document), contents(found, document), element(
        "main", compared(document), repeat(document), surroundings(document),
        *(case.section() for case in found), growth(document), programs(document),
        skipped(document), refused(document)))
    return f"<!DOCTYPE html>\n{element('html', inside, body, lang='en')}\n"


def beside(file):
    """Where the page of a file of results is put."""
    path = Path(file)
    return path.with_name(path.name + ".html") if path.suffix == ".html" else path.with_suffix(".html")


def write(document, file):
    """By rename, so that a reader never sees half of it. Failed without gnuplot."""
    if gnuplot.missing():
        raise Failed(gnuplot.missing())
    path = Path(file)
    temp = path.with_name(path.name + ".tmp")
    try:
        temp.write_text(page(document), encoding="utf-8")
        os.replace(temp, path)
    except OSError as error:
        raise Failed(f"{path}: {error.strerror}") from None
