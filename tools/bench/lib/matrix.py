# SPDX-License-Identifier: GPL-2.0-only
"""A run in two tables for a README: a row for each path, a column for each case."""

from lib import describe, stats
from lib.report import judge, number

# Columns: what a path is chosen by. The HTML report has all.
CASES = ["tcp_stream", "tcp_stream_in", "tcp_stream_out", "tcp_rr_p50", "tcp_rr_p99", "udp_64",
         "udp_1400", "http_keepalive", "http_close"]
BEGIN, END = "<!-- BEGIN FIGURES -->", "<!-- END FIGURES -->"


def cell(row, base):
    """Of the base the figure itself, of others the ratio to it, and whether that is better."""
    if row is None:
        return ""
    if row["path"] == base:
        return f"{number(row['median'], 3)} {row['unit']}"
    ratio = number(row["ratio"].get(base), 3)
    word = row.get("verdict", {}).get(base)
    return f"{ratio} {word}" if word in ("faster", "slower") else ratio


def table(rows):
    """Markdown of the rows of one part."""
    base = judge(rows)
    cases = [case for case in CASES if any(row["case"] == case for row in rows)]
    found = {(row["path"], row["case"]): row for row in rows}
    lines = ["| | " + " | ".join(describe.title(case) for case in cases) + " |",
             "|---" * (len(cases) + 1) + "|"]
    for path in dict.fromkeys(row["path"] for row in rows):
        cells = [cell(found.get((path, case)), base) for case in cases]
        if any(cells):
            lines.append(f"| `{path}` | " + " | ".join(cells) + " |")
    return base, lines


def section(document):
    """What stands between BEGIN and END."""
    environment, method = document["environment"], document["method"]
    lines = [f"`{environment['command']}`, {environment['date'][:10]}, Linux "
             f"{environment['kernel'].split()[0]}, {environment['ncpu']} x {environment['cpu']}, "
             f"{environment['versions']['fastveth']}; {method['rounds']} rounds, client and server "
             "on one CPU.", ""]
    same = "the same within noise" if method["rounds"] >= stats.LEAST else "too few rounds to say more"
    for part, text in describe.PARTS.items():
        rows = [row for row in document["results"] if row["part"] == part and row["cpus"] == 1]
        if not rows:
            continue
        base, made = table(rows)
        lines += [f"{text}. In the row of `{base}` are medians, below and above it ratios to them; "
                  f"without a word: {same}.", "", *made, ""]
    for item in document["skipped"]:
        what = " ".join(str(word) for key, word in item.items() if key != "reason")
        lines.append(f"- Not measured: {what}: {item['reason']}")
    return "\n".join(lines).rstrip() + "\n"


def put(text, document):
    """The README's text with the run's section in it; None where it has no place for that."""
    before, begin, rest = text.partition(BEGIN + "\n")
    _, end, after = rest.partition(END)
    return f"{before}{begin}\n{section(document)}\n{end}{after}" if end else None
