# SPDX-License-Identifier: GPL-2.0-only
"""A run in tables for a README: above all, a row for each path and a column for each case."""

from lib import describe, figures, stats
from lib.report import judge, number

# Columns: what a path is chosen by. The HTML report has all.
CASES = ["tcp_stream", "tcp_stream_in", "tcp_stream_out", "tcp_rr_p50", "tcp_rr_p99", "udp_64",
         "udp_1400", "http_keepalive", "http_close"]
BESIDE = ("script", "cni")  # of those who make many endpoints
HEAD = 2  # lines of a table without rows
BEGIN, END = "<!-- BEGIN FIGURES -->", "<!-- END FIGURES -->"


def cell(row, base):
    """Of the base the figure itself, of others the ratio to it, and whether that is better."""
    if row is None:
        return ""
    if row.get("path") == base:
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


def compared(document, same):
    """A table for each part, on one CPU and on two."""
    for part, text in describe.PARTS.items():
        for cpus, where in ((1, "client and server on one CPU"), (2, "on two CPUs")):
            rows = [row for row in document["results"] if (row["part"], row["cpus"]) == (part, cpus)]
            base, made = table(rows)
            if len(made) > HEAD:
                yield from (f"{text}, {where}. In the row of `{base}` are medians, below and above it "
                            f"ratios to them; without a word: {same}.", "", *made, "")


def endpoints_cell(row):
    """What fastveth takes, and in brackets what times of others that is."""
    if row is None:
        return ""
    beside = ", ".join(f"{base} {cell(row, base)}" for base in BESIDE if base in row["ratio"])
    median = row["median"] / 1024 if row["unit"].startswith("bytes/") else row["median"]
    return f"{number(median, 3)} ({beside})" if beside else number(median, 3)


def growth(document, same):
    """What fastveth takes for many endpoints: a row for each thing, a column for each size."""
    rows = [row for row in document["scale"] if row["by"] == "fastveth"]
    if not rows:
        return
    found = {(row["what"], row["namespaces"]): row for row in rows}
    sizes = sorted({row["namespaces"] for row in rows})
    yield from ("What fastveth takes for each of so many endpoints, and what times an `ip -batch` script "
                f"(`script`) or CNI's bridge (`cni`) that is; without a word: {same}, or too few rounds.", "",
                "| | " + " | ".join(map(str, sizes)) + " |", "|---" * (len(sizes) + 1) + "|")
    for what in dict.fromkeys(row["what"] for row in rows):
        unit = next(row["unit"] for row in rows if row["what"] == what).replace("bytes/", "KiB/")
        cells = [endpoints_cell(found.get((what, size))) for size in sizes]
        yield f"| `{what}`, {unit} | " + " | ".join(cells) + " |"
    yield ""


def programs(document):
    if not document["programs"]:
        return
    yield from ("What a program takes above an empty one at the same place, and its size.", "",
                "| | ns a packet | instructions |", "|---|---|---|")
    for row in document["programs"]:
        low, high, _ = figures.edges(row["above"])
        yield (f"| `{row['name']}` | {number(row['above']['median'], 3)} ({figures.span(low, high)}) | "
               f"{row['instructions']} |")
    yield ""


def section(document):
    """What stands between BEGIN and END."""
    environment, method = document["environment"], document["method"]
    lines = [f"`{environment['command']}`, {environment['date'][:10]}, Linux "
             f"{environment['kernel'].split()[0]}, {environment['ncpu']} x {environment['cpu']}, "
             f"{environment['versions']['fastveth']}; {method['rounds']} rounds.", ""]
    same = "the same within noise" if method["rounds"] >= stats.LEAST else "too few rounds to say more"
    lines += [*compared(document, same), *growth(document, same), *programs(document)]
    for item in document["skipped"]:
        what = " ".join(str(word) for key, word in item.items() if key != "reason")
        lines.append(f"- Not measured: {what}: {item['reason']}")
    return "\n".join(lines).rstrip() + "\n"


def put(text, document):
    """The README's text with the run's section in it; None where it has no place for that."""
    before, begin, rest = text.partition(BEGIN + "\n")
    _, end, after = rest.partition(END)
    return f"{before}{begin}\n{section(document)}\n{end}{after}" if end else None
