# SPDX-License-Identifier: GPL-2.0-only
""""Is it worth it on this machine?" in a sentence for each question, which claims nothing that the
noise covers: faster and slower is only what the file has a verdict of.
"""

from dataclasses import dataclass, field

from lib import describe, figures
from lib.report import number

# (part, path, question, what it is put beside, in this order)
QUESTIONS = [
    ("paths", "own", "Are namespaces of `fastveth up` worth it?",
     ["loopback", "bridge-rules", "cable"]),
    ("paths", "attached", "Is `fastveth attach docker0` worth it?",
     ["loopback", "bridge-rules", "cable"]),
    ("outside", "wire-own", "Are ports that `fastveth up` publishes worth it?",
     ["wire-host", "wire-docker"]),
    ("outside", "wire-attached", "Is `fastveth attach` worth it for ports that Docker publishes?",
     ["wire-host", "wire-docker"]),
]
# Cases that answer, and what they are called within a sentence.
CASES = {"tcp_rr_p50": "round trip", "tcp_stream": "TCP", "tcp_stream_in": "TCP in",
         "tcp_stream_out": "TCP out", "udp_64": "UDP", "http_keepalive": "keep-alive HTTP",
         "http_close": "HTTP without keep-alive"}
REFERENCE = "reference"  # a program that is none of fastveth's


@dataclass
class Answer:
    question: str
    sentence: str
    heads: list = field(default_factory=list)  # (name, note) of each column
    rows: list = field(default_factory=list)  # (name, note, [Figure or None of each column but one])


def listed(parts):
    """a, b and c"""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def chosen(rows, part, path):
    """The path's rows of cases that answer, of one CPU if there are such."""
    mine = [row for row in rows if (figures.part(row), row["path"]) == (part, path)
            and row["case"] in CASES]
    cpus = min((row["cpus"] for row in mine), default=None)
    order = list(CASES)
    return sorted((row for row in mine if row["cpus"] == cpus),
                  key=lambda row: order.index(row["case"]))


def judged(base, cases, ratios):
    """Beside `cable`: faster in UDP; the same within noise in round trip and TCP."""
    parts = []
    for key, words in describe.VERDICTS.items():
        names = [f"{CASES[case]} ({number(ratio.middle, 3)})" for case, ratio in zip(cases, ratios)
                 if ratio and ratio.verdict == key]
        if names:
            parts.append(f"{words} in {listed(names)}")
    return f"beside `{base}`: {', '.join(parts)}" if parts else None


def sentence(cases, rows):
    parts = [said for said in (judged(base, cases, ratios) for base, ratios in rows) if said]
    missing = sum(ratio is not None and ratio.verdict is None
                  for _, ratios in rows for ratio in ratios)
    if not parts:
        return "Not judged: the file has no verdicts on these figures."
    left = f"; {missing} not judged" if missing else ""
    text = "; ".join(parts) + left + "."
    return text[0].upper() + text[1:]


def noted(found):
    """What the small figures of a table are."""
    kinds = {figure.of for figure in found if figure and figure.of}
    return f"and {' or '.join(sorted(kinds))}" if kinds else ""


def of_path(document, part, path, question, bases):
    columns = chosen(document.get("results", []), part, path)
    rows = [(base, [figures.ratio(row, base) for row in columns]) for base in bases]
    rows = [(base, ratios) for base, ratios in rows if any(ratios)]
    if not rows:
        return None
    heads = [("times", noted(ratio for _, ratios in rows for ratio in ratios))]
    heads += [(CASES[row["case"]], "less is better" if figures.lower_is_better(row)
               else "more is better") for row in columns]
    return Answer(question, sentence([row["case"] for row in columns], rows), heads,
                  [(base, "", ratios) for base, ratios in rows])


def of_scale(rows):
    """With the most endpoints of each."""
    rows = [row for row in rows if row["by"] == "fastveth"]
    last = [max((row for row in rows if row["what"] == what), key=figures.endpoints)
            for what in dict.fromkeys(row["what"] for row in rows)]
    if not last:
        return None
    bases = list(dict.fromkeys(base for row in last for base in row.get("ratio", {})
                               if base != row["by"]))
    cells = [[figures.median(row), *(figures.ratio(row, base) for base in bases)] for row in last]
    said = (f"With {figures.endpoints(last[0])} of them, fastveth takes {number(last[0]['median'], 3)} "
            f"{last[0]['unit']} for `{last[0]['what']}`.")
    heads = [("what", noted(figure for row in cells for figure in row)), ("fastveth", "less is better")]
    return Answer("What does it take to make many?", said,
                  [*heads, *((f"times {base}", "") for base in bases)],
                  [(row["what"], f"{figures.endpoints(row)}, {row['unit']}", found)
                   for row, found in zip(last, cells)])


def of_programs(rows):
    """The cheapest and the dearest of our own, and all of them."""
    rows = [row for row in rows if row["name"] != REFERENCE]
    if not rows:
        return None
    found = [figures.median(row["above"]) for row in rows]
    ends = dict.fromkeys(end(range(len(rows)), key=lambda i: found[i].middle) for end in (min, max))
    said = [f"{number(found[i].middle, 3)} ns (`{rows[i]['name']}`)" for i in ends]
    return Answer("What does a packet cost?",
                  f"A program runs {' to '.join(said)} longer than an empty one on the same hook.",
                  [("program", noted(found)), ("ns", "less is better")],
                  [(row["name"], f"{row['hook']}, {row['load']}", [figure])
                   for row, figure in zip(rows, found)])


def answers(document):
    found = [*(of_path(document, *question) for question in QUESTIONS),
             of_scale(document.get("scale", [])), of_programs(document.get("programs", []))]
    return [answer for answer in found if answer]
