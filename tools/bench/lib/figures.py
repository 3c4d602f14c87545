# SPDX-License-Identifier: GPL-2.0-only
"""What a row of results says, whatever version wrote it.

Intervals and verdicts are those of the file. Where it has none there are quartiles, and nothing is
judged: whether a difference is one is not for who draws it to say.
"""

from dataclasses import dataclass

from lib.loads import LOWER_IS_BETTER
from lib.report import number

INTERVAL, QUARTILES = "interval", "quartiles"


@dataclass
class Figure:
    """A median, or a ratio, with what it may as well be."""
    middle: float
    low: float = None
    high: float = None
    of: str = None  # INTERVAL, QUARTILES, or None: it has neither
    verdict: str = None
    itself: bool = False  # a row beside itself: 1, whatever was measured


def edge(value):
    """Near 1 with three decimals: 1.002 to 1.004 is not 1 to 1."""
    return f"{value:.3f}" if 0.1 <= abs(value) < 10 else number(value, 3)


def span(low, high):
    return f"{edge(low)} to {edge(high)}"


def both(pair):
    return pair is not None and None not in pair


def edges(row):
    """(low, high, what they are) of a row."""
    if both(row.get("interval")):
        return (*row["interval"], INTERVAL)
    return row["low"], row["high"], QUARTILES


def median(row):
    """The Figure of a row."""
    return Figure(row["median"], *edges(row))


def ratio(row, base):
    """The Figure of a row beside a base, or None."""
    middle = row.get("ratio", {}).get(base)
    if middle is None:
        return None
    found = Figure(middle, verdict=row.get("verdict", {}).get(base),
                   itself=base == row.get("path", row.get("by")))
    for key, of in (("ratio_interval", INTERVAL), ("ratio_spread", QUARTILES)):
        pair = row.get(key, {}).get(base)
        if both(pair):
            found.low, found.high, found.of = *pair, of
            break
    return found


def count(row):
    """How many samples there are."""
    return sum(sample is not None for sample in row["samples"])


def lower_is_better(row):
    return row["better"] == "lower" if "better" in row else row["case"] in LOWER_IS_BETTER


def part(row):
    return row.get("part", "paths")


def endpoints(row):
    """Of a row of scale[]."""
    return row["endpoints"] if "endpoints" in row else row["namespaces"]
