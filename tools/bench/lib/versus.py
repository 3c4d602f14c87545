# SPDX-License-Identifier: GPL-2.0-only
"""What lib/changes.py finds in two result files, for people."""

from lib import stats
from lib.report import WIDTH, between, listed, number, table


def cpus(row):
    return f"{row['cpus']} CPU{'s' if row['cpus'] > 1 else ''}"


# Of a section: what it has a table for each of, the table's title, and what its first columns name.
TABLES = {
    "results": (lambda row: f"{row['part']}: {row['case']}, {cpus(row)}", ("path",)),
    "programs": (lambda row: "BPF programs, above an empty one", ("name", "hook", "load")),
    "scale": (lambda row: f"many namespaces: {row['what']}", ("namespaces", "by")),
}


def grouped(rows):
    """{(section, title): rows}"""
    tables = {}
    for row in rows:
        title = TABLES[row["section"]][0](row)
        tables.setdefault((row["section"], title), []).append(row)
    return tables


def figure(row):
    """What the figures of a cell are."""
    if row["section"] == "programs" or not row["base"]:
        return row["unit"]
    return f"/{row['base']}"


def cells(section, title, rows):
    names = TABLES[section][1]
    print(f"{title}: {rows[0]['better']} is better")
    table([*names, "figure", "A", f"{stats.CONFIDENCE} %", "B", f"{stats.CONFIDENCE} %",
           "B-A" if section == "programs" else "B/A", "B is"],
          [[*(row[name] for name in names), figure(row),
            number(row["a"]["median"], 3), between(row["a"]["interval"]),
            number(row["b"]["median"], 3), between(row["b"]["interval"]),
            number(row["change"], 3), row["verdict"] or "?"] for row in rows])


def around(found):
    """What has to be known of two runs before their figures are read."""
    for name in ("a", "b"):
        run = found[name]
        end = ", interrupted" if run["interrupted"] else ""
        print(f"{name.upper()}: {run['file']}, of {run['date']}{end}")
    for item in found["differences"]:
        line = f"differs: {item['what']}: A {item['a']}, B {item['b']}"
        if len(line) > WIDTH:
            line = f"differs: {item['what']}:\n    A {item['a']}\n    B {item['b']}"
        print(line)
    print()


def notes(rows):
    if any(row["base"] is None for row in rows):
        print("NOTE: figures in a unit have nothing beside them that both runs took. In their difference is\n"
              "what drifted between the runs")
    if any(row["verdict"] is None for row in rows):
        print(f"NOTE: ?: too few rounds to say, it takes {stats.LEAST}")


def show(found):
    around(found)
    for (section, title), rows in grouped(found["cells"]).items():
        cells(section, title, rows)
    notes(found["cells"])
    for name in ("a", "b"):
        for (section, title), rows in grouped(found[f"only_{name}"]).items():
            listed(f"only in {name.upper()}: {title}",
                   [" ".join(str(row[key]) for key in TABLES[section][1]) for row in rows])
    words = [row["verdict"] for row in found["cells"]]
    print(f"{len(words)} cells: B is faster in {words.count('faster')}, the same in "
          f"{words.count('same')}, slower in {words.count('slower')}, not to say in "
          f"{words.count(None)}")
