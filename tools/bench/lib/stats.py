# SPDX-License-Identifier: GPL-2.0-only
"""Median, spread, ratios and verdicts of samples that were taken round by round.

A sample is None where that round gave none. Low and high are the quartiles.

The interval of a median has it with 95 % confidence or more, by order statistics: of n values,
sorted, P(median is between the k-th from below and the k-th from above) is what a binomial
distribution says, whatever the values' own distribution is (Lehmann, Nonparametrics, 1975, pages
182-183; David and Nagaraja, Order Statistics, 7.1). Benchmarks have two modes and long tails, so
nothing is assumed of them. Of 6 to 8 values it is smallest to largest, of 9 to 11 one less at each end.

Not by bootstrap. With 6 values and more it would be approximate where this is exact. With fewer, no
resample leaves what was seen, from smallest to largest, and that has the median in 94 % of cases at
the most (5 values), 75 % with 3: it would name a confidence that is not there. So there is no
interval then, and no verdict.
"""

import math

SPREAD = "low and high are the quartiles"
INTERVAL = "of the median, by order statistics, 95 % or more; none with fewer than 6 rounds"
RATIO = "median of the ratios within each round"
VERDICT = ("faster or slower: the whole interval of the ratios within each round is on one side of 1; "
           "same: it is not")
ROUNDS = 7  # with fewer, a table says that it is no measurement
LEAST = 6  # values that can give an interval: 5 have the median between them in 94 % of cases
CONFIDENCE = 95  # per cent


def known(samples):
    return sorted(value for value in samples if value is not None)


def quantile(values, part):
    """Of sorted values, between the nearest two. Infinite ones are of a rank, not of a size."""
    below, weight = divmod((len(values) - 1) * part, 1)
    low, high = values[int(below)], values[math.ceil(below + weight)]
    return low if low == high or not weight else low + (high - low) * weight


def spread(samples):
    """(median, low, high); (None, None, None) without samples."""
    values = known(samples)
    if not values:
        return None, None, None
    return tuple(quantile(values, part) for part in (0.5, 0.25, 0.75))


def outermost(count):
    """How many values may be left out at either end of so many; None where all are too few."""
    left_out, tail = None, 0
    for i in range(count // 2 + 1):
        tail += math.comb(count, i)  # of 2**count: that at most i are on one side of the median
        if 2 * tail * 100 > (100 - CONFIDENCE) * 2**count:
            break
        left_out = i
    return left_out


def interval(samples):
    """(low, high) that has the median with 95 % confidence or more; None with too few samples."""
    values = known(samples)
    left_out = outermost(len(values))
    return None if left_out is None else (values[left_out], values[-1 - left_out])


def pairwise(samples, base, op):
    """op(sample, base sample) of each round that has both."""
    return [op(a, b) for a, b in zip(samples, base) if a is not None and b is not None]


def ratios(samples, base):
    """Of each round. To 0 it is 1 for another 0, which is the same, else beyond all others."""
    def one(a, b):
        return a / b if b else math.inf if a else 1.0
    return pairwise(samples, base, one)


def ratio(samples, base):
    """Spread of the ratios within each round: drift from round to round cancels out."""
    return spread(ratios(samples, base))


def ratio_interval(samples, base):
    return interval(ratios(samples, base))


def judged(here, there, lower_is_better):
    """
    What an interval says beside another one: "faster", "same", "slower"; None where one is missing.

    Faster is better for who uses it: of latencies, losses and costs, what is lower.
    """
    if here is None or there is None:
        return None
    if here[0] <= there[1] and here[1] >= there[0]:
        return "same"
    return "faster" if (here[1] < there[0]) == lower_is_better else "slower"


def verdict(samples, base, lower_is_better):
    """The same of samples beside others that were taken in the same rounds; None: too few rounds."""
    return judged(ratio_interval(samples, base), (1, 1), lower_is_better)


def rounded(value, digits=5):
    """JSON need not carry sixteen digits of noise. It has no word for what is infinite."""
    return None if value is None or math.isinf(value) else float(f"{value:.{digits}g}")


def edges(pair, digits=5):
    """A pair of numbers for JSON; None without both."""
    pair = [rounded(value, digits) for value in pair or (None,)]
    return None if None in pair else pair


def against(row, base, samples, theirs):
    """Put into a row of results what its samples say beside those of a base in the same rounds."""
    found = ratios(samples, theirs)
    if not found:
        return
    middle, *quartiles = spread(found)
    # To a base of 0 there is a verdict, but no figure.
    for key, figure in (("ratio", rounded(middle)), ("ratio_spread", edges(quartiles)),
                        ("ratio_interval", edges(interval(found)))):
        if figure is not None:
            row[key][base] = figure
    row["verdict"][base] = verdict(samples, theirs, row["better"] == "lower")
