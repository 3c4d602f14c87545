# SPDX-License-Identifier: GPL-2.0-only
"""Two result files, cell by cell: is the second run faster, the same or slower than the first?

Figures of two runs were not taken side by side: whatever drifted between them is in their difference.
So a cell is compared by its ratio to another path, or maker, of its own run, taken round by round. Where
there is none that both runs have, it is the figures themselves, and that is said.

Rounds of two runs are no pairs. A difference is one where their intervals, of 95 % each, do not touch.
That is stricter than a test at 5 %: rounds of one run show how its rounds differ, not how runs do.
"""

import json
from pathlib import Path

from lib import scale, stats
from lib.compare import JUDGES
from lib.sandbox import Failed

# What names a cell, and what else its row must have. "unit": one that was counted otherwise is another.
KEYS = {"results": ("part", "path", "case", "cpus", "unit"),
        "programs": ("name", "hook", "load", "unit"),
        "scale": ("what", "namespaces", "by", "unit")}
# Other cells of the same run: what is replaced in a name, by what, in this order.
BASES = {"results": ("path", JUDGES), "programs": (None, ()), "scale": ("by", scale.BASES)}
# What tells one run from another, of course.
PASSING = {"date", "command", "load_before", "load_after", "entries", "seed"}


def check(section, row):
    """What is wrong with a row, or None."""
    if not isinstance(row, dict):
        return "is no object"
    for key in KEYS[section]:
        if not isinstance(row.get(key), (str, int)):
            return f"has no {key!r}"
    if section == "results" and row.get("better") not in ("lower", "higher"):
        return "has no 'better'"
    samples = row.get("samples")
    if section == "programs":
        samples = row["above"].get("samples") if isinstance(row.get("above"), dict) else None
    # Not by isinstance(): True is an int.
    if not isinstance(samples, list) or not {type(x) for x in samples} <= {int, float, type(None)}:
        return "has no samples"
    return None


def wrong(document):
    """Why it is no result file, or None."""
    if not isinstance(document, dict) or not isinstance(document.get("environment"), dict):
        return "no environment"
    for key, kind in {"method": dict, "paths": dict, **dict.fromkeys(KEYS, list)}.items():
        if not isinstance(document.get(key, kind()), kind):
            return f"{key!r} is something else"
    rows = [(section, i, row) for section in KEYS for i, row in enumerate(document.get(section, []))]
    reasons = (f"{section}[{i}] {why}" for section, i, row in rows if (why := check(section, row)))
    return next(reasons, None) if rows else "no results"


def no_number(name):
    raise ValueError(name)


def load(file):
    """The document of a result file."""
    try:
        text = Path(file).read_text(encoding="utf-8")
        document = json.loads(text, parse_constant=no_number)  # NaN, Infinity
    except OSError as error:
        raise Failed(f"{file}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise Failed(f"{file}: not JSON") from None
    why = wrong(document)
    if why:
        raise Failed(f"{file}: not a result file of this version of tools/bench: {why}")
    return document


def cells(document):
    """{(section, value of each key): row}"""
    return {(section, *(row[key] for key in KEYS[section])): row
            for section in KEYS for row in document.get(section, [])}


def flat(what, prefix=""):
    """{dotted key: text} of what is nested."""
    if not isinstance(what, dict):
        return {prefix: what if isinstance(what, str) else json.dumps(what)}
    found = {}
    for key, value in what.items():
        if key not in PASSING:
            found.update(flat(value, f"{prefix}.{key}" if prefix else key))
    return found


def differences(first, second):
    """[{what, a, b}]: kernel, CPU, versions, method, and how paths that both have came about."""
    both = first.get("paths", {}).keys() & second.get("paths", {}).keys()
    sides = []
    for document in (first, second):
        found = flat(document["environment"])
        found.update(flat(document.get("method", {}), "method"))
        found.update(flat({path: document["paths"][path] for path in sorted(both)}, "paths"))
        sides.append(found)
    a, b = sides
    return [{"what": key, "a": a.get(key), "b": b.get(key)} for key in {**a, **b}
            if a.get(key) != b.get(key)]


def ratios(key, base, rows):
    """Of one run, round by round; None where it has no such base, or that is 0 in a round."""
    others = rows.get(base)
    if not others or not all(x is None or x > 0 for x in others["samples"]):
        return None
    return stats.ratios(rows[key]["samples"], others["samples"]) or None


def figures(key, first, second):
    """(base or None, figures of the first run, of the second)"""
    section = key[0]
    if section == "programs":
        # The empty program beside it was subtracted round by round.
        return "empty", *([x for x in rows[key]["above"]["samples"] if x is not None]
                          for rows in (first, second))
    which, names = BASES[section]
    at = 1 + KEYS[section].index(which)
    for name in names:
        base = (*key[:at], name, *key[at + 1:])
        pair = [ratios(key, base, rows) for rows in (first, second)]
        if base != key and all(pair):
            return name, *pair
    return None, *([x for x in rows[key]["samples"] if x is not None] for rows in (first, second))


def side(values):
    return {"median": stats.rounded(stats.spread(values)[0]),
            "interval": stats.edges(stats.interval(values)), "rounds": len(values)}


def change(section, a, b):
    """Second to first, of medians; of ns above an empty program, which may be about 0, the difference."""
    a, b = stats.spread(a)[0], stats.spread(b)[0]
    if a is None or b is None:
        return None
    if section == "programs":
        return stats.rounded(b - a)
    return stats.rounded(b / a) if a else None


def cell(key, first, second):
    section = key[0]
    base, a, b = figures(key, first, second)
    lower = section != "results" or first[key]["better"] == "lower"
    # What is the same to the last digit needs no number of rounds.
    word = "same" if a == b and a else stats.judged(stats.interval(b), stats.interval(a), lower)
    return {"section": section, **dict(zip(KEYS[section], key[1:])),
            "better": "lower" if lower else "higher", "base": base, "a": side(a), "b": side(b),
            "change": change(section, a, b), "verdict": word}


def about(file, document):
    return {"file": str(file), "date": document["environment"].get("date"),
            "interrupted": bool(document.get("interrupted"))}


def only(key):
    return {"section": key[0], **dict(zip(KEYS[key[0]], key[1:]))}


def changes(file_a, file_b):
    """The comparison of two result files, as it goes into JSON."""
    documents = [load(file) for file in (file_a, file_b)]
    first, second = map(cells, documents)
    return {"a": about(file_a, documents[0]), "b": about(file_b, documents[1]),
            "differences": differences(*documents),
            "cells": [cell(key, first, second) for key in first if key in second],
            "only_a": [only(key) for key in first if key not in second],
            "only_b": [only(key) for key in second if key not in first]}
