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
     ["loopback", "docker0", "bridge-rules", "cable"]),
    ("paths", "attached", "Is `fastveth attach docker0` worth it?",
     ["loopback", "docker0", "bridge-rules", "cable"]),
    ("outside", "wire-own", "Are ports that `fastveth up` publishes worth it?",
     ["wire-host", "wire-docker"]),
    ("outside", "wire-attached", "Is `fastveth attach` worth it for ports that Docker publishes?",
     ["wire-host", "wire-docker"]),
]
# Cases that answer, and what they are called within a sentence.
CASES = {"tcp_rr_p50": "round trip", "tcp_stream": "TCP", "tcp_stream_in": "TCP in",
         "tcp_stream_out": "TCP out", "udp_64": "UDP", "http_keepalive": "keep-alive HTTP",
         "http_close": "HTTP without keep-alive"}


@dataclass
class Answer:
    question: str
    sentence: str
    columns: list = field(default_factory=list)  # a row of results[] for each case
    rows: list = field(default_factory=list)  # (base, [Ratio or None of each case])


def listed(parts):
    """a, b and c"""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def spread(low, high, of):
    """interval 0.91 to 0.95"""
    return f"{of} {number(low, 3)} to {number(high, 3)}"


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


def of_path(document, part, path, question, bases):
    columns = chosen(document.get("results", []), part, path)
    rows = [(base, [figures.ratio(row, base) for row in columns]) for base in bases]
    rows = [(base, ratios) for base, ratios in rows if any(ratios)]
    if not rows:
        return None
    return Answer(question, sentence([row["case"] for row in columns], rows), columns, rows)


def one_of_scale(row):
    """`up` of 1000 took 1.9 ms/namespace, 0.31 times `script`"""
    ratios = [figures.ratio(row, base) for base in row.get("ratio", {}) if base != row["by"]]
    times = [f"{number(ratio.middle, 3)} times `{ratio.base}`"
             + (f" ({describe.VERDICTS[ratio.verdict]})" if ratio.verdict else "")
             for ratio in ratios if ratio]
    figure = f"`{row['what']}` of {figures.endpoints(row)} took {number(row['median'], 3)} {row['unit']}"
    return ", ".join([figure, *([listed(times)] if times else [])])


def of_scale(rows):
    """With the most endpoints of each."""
    rows = [row for row in rows if row["by"] == "fastveth"]
    last = [max((row for row in rows if row["what"] == what), key=figures.endpoints)
            for what in dict.fromkeys(row["what"] for row in rows)]
    return Answer("What does it take to make many?",
                  "; ".join(map(one_of_scale, last)) + ".") if last else None


def of_programs(rows):
    said = [f"`{row['name']}` {number(row['above']['median'], 3)} ns "
            f"({spread(*figures.edges(row['above']))})" for row in rows]
    return Answer("What does a packet cost?", "Above an empty program on the same hook: "
                  f"{listed(said)}.") if said else None


def answers(document):
    found = [*(of_path(document, *question) for question in QUESTIONS),
             of_scale(document.get("scale", [])), of_programs(document.get("programs", []))]
    return [answer for answer in found if answer]
