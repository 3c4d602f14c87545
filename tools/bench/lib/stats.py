# SPDX-License-Identifier: GPL-2.0-only
"""Median, spread and ratios of samples that were taken round by round.

A sample is None where that round gave none. Low and high are the quartiles.
"""

import statistics

SPREAD = "low and high are the quartiles"
ROUNDS = 7  # with fewer, a table says that it is no measurement


def spread(samples):
    """(median, low, high); (None, None, None) without samples."""
    values = [value for value in samples if value is not None]
    if not values:
        return None, None, None
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return median, low, high


def pairwise(samples, base, op):
    """op(sample, base sample) of each round that has both."""
    return [op(a, b) for a, b in zip(samples, base) if a is not None and b is not None]


def ratio(samples, base):
    """Spread of the ratios within each round: drift from round to round cancels out."""
    return spread(pairwise(samples, base, lambda a, b: a / b if b else None))


def rounded(value, digits=5):
    """JSON need not carry sixteen digits of noise."""
    return None if value is None else float(f"{value:.{digits}g}")
