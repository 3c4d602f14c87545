# SPDX-License-Identifier: GPL-2.0-only
"""Limits that the datapath must keep (budget.json), and the judgement of samples by them.

A cell is one limit: {"measure", "of"} and "max" or "min", of the ratio "to" another
one that was measured in the same rounds, or of a number as it is. So no limit is a
time of some machine. Samples are {(measure, of): [one per round, None where that
round gave none]}.
"""

import json
from dataclasses import dataclass

from lib import stats
from lib.sandbox import Failed

ROUNDS_MIN = 3  # of one or two there is no interval
TEXT = ("measure", "of", "to")
LIMITS = ("max", "min")


@dataclass
class Verdict:
    cell: dict
    state: str  # passed, failed, skipped
    median: float = None
    low: float = None
    high: float = None
    why: str = ""  # it is skipped, or failed without a number


def interval(values):
    """
    (low, high) between which the true median is taken to be.

    The only place that says how: the smallest and the largest. Of five rounds, that is
    wrong once in sixteen times, if nothing is known of what the noise looks like.
    """
    return min(values), max(values)


def broken(cell):
    """What is wrong with a cell of a budget, or None."""
    if not isinstance(cell, dict):
        return "not an object"
    unknown = [key for key in cell if key not in TEXT + LIMITS]
    if unknown:
        return f"unknown key {unknown[0]!r}"
    for key in TEXT:
        if not isinstance(cell.get(key, "" if key == "to" else None), str):
            return f"{key!r} is not a string"
    limits = [cell[key] for key in LIMITS if key in cell]
    if len(limits) != 1:
        return "must have one of 'max' and 'min'"
    if isinstance(limits[0], bool) or not isinstance(limits[0], (int, float)) or limits[0] <= 0:
        return "a limit must be a number above 0"
    return None


def read(file, known):
    """
    The cells of a budget.

    @known: {measure: names that can be measured}.
    """
    try:
        with open(file, encoding="utf-8") as text:
            cells = json.load(text)["cells"]
    except OSError as error:
        raise Failed(f"{file}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise Failed(f"{file}: not a budget: {error}") from None
    if not isinstance(cells, list) or not cells:
        raise Failed(f"{file}: not a budget: no cells")
    for number, cell in enumerate(cells, 1):
        why = broken(cell)
        if not why and cell["measure"] not in known:
            why = f"measure {cell['measure']!r} is none of {', '.join(known)}"
        for name in filter(None, () if why else (cell["of"], cell.get("to"))):
            if name not in known[cell["measure"]]:
                why = f"{cell['measure']} of {name!r} cannot be measured"
        if why:
            raise Failed(f"{file}: cell {number}: {why}")
    return cells


def judge(cell, samples, absent, broken=()):
    """
    @absent: {(measure, of): why it cannot be measured here}. @broken: those of them that fail for it.

    A cell fails where the whole interval lies beyond the limit: what noise may have done is
    let pass. It also fails where there are too few samples, for then what should have been
    measured did not work.
    """
    parts = [(cell["measure"], cell[key]) for key in ("of", "to") if key in cell]
    for part in parts:
        if part in absent:
            return Verdict(cell, "failed" if part in broken else "skipped",
                           why=f"{part[1]}: {absent[part]}")
    taken = [samples.get(part, []) for part in parts]
    if "to" in cell:
        values = stats.pairwise(*taken, lambda a, b: a / b if b > 0 else None)
    else:
        values = taken[0]
    values = [value for value in values if value is not None]
    # What does not change from round to round is read once.
    least = ROUNDS_MIN if "to" in cell else 1
    if len(values) < least:
        return Verdict(cell, "failed", why=f"only {len(values)} of {max(map(len, taken))} rounds "
                                           "gave a value")
    median, (low, high) = stats.spread(values)[0], interval(values)
    over = low > cell["max"] if "max" in cell else high < cell["min"]
    return Verdict(cell, "failed" if over else "passed", median, low, high)


def title(cell):
    return f"{cell['measure']} {cell['of']}" + (f" / {cell['to']}" if "to" in cell else "")


def limit(cell):
    return f"{cell['max']:g} or less" if "max" in cell else f"{cell['min']:g} or more"
