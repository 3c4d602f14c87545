# SPDX-License-Identifier: GPL-2.0-only
"""Intervals, ratios and verdicts of known samples."""

import json
import random
import statistics
import sys
import unittest
from fractions import Fraction
from math import comb, inf, log
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools" / "bench"))

from lib import stats  # noqa: E402

# n: (the interval is from the k-th smallest to the k-th largest, its confidence in per cent), as
# tables of confidence intervals for a median have it, where 95 is the least that is asked for.
TABLE = {6: (1, 96.9), 7: (1, 98.4), 8: (1, 99.2), 9: (2, 96.1), 10: (2, 97.9), 11: (2, 98.8),
         12: (3, 96.1), 13: (3, 97.8), 14: (3, 98.7), 15: (4, 96.5), 16: (4, 97.9), 17: (5, 95.1),
         18: (5, 96.9), 19: (5, 98.1), 20: (6, 95.9)}


def confidence(count, left_out):
    """Of the interval that has not so many values at either end, exactly."""
    return 1 - 2 * sum(Fraction(comb(count, i), 2**count) for i in range(left_out + 1))


class Interval(unittest.TestCase):
    def test_is_that_of_the_tables(self):
        for count, (rank, percent) in TABLE.items():
            left_out = stats.outermost(count)
            self.assertEqual(left_out + 1, rank, count)
            self.assertAlmostEqual(100 * float(confidence(count, left_out)), percent, delta=0.06)

    def test_is_the_narrowest_that_has_95_percent(self):
        for count in range(stats.LEAST, 200):
            left_out = stats.outermost(count)
            self.assertGreaterEqual(confidence(count, left_out), Fraction(95, 100))
            self.assertLess(confidence(count, left_out + 1), Fraction(95, 100))

    def test_of_published_examples(self):
        # Altman, Machin, Bryant, Gardner: Statistics with Confidence, 2000, page 38
        altman = [66, 71.2, 83, 83.6, 101, 107.6, 122, 143, 160, 177, 414]
        self.assertEqual(stats.interval(altman), (71.2, 177))
        # R's ci.median.os of the package DGB
        dollars = [30, 20, 15, 10, 10, 60, 20, 25, 20, 30, 10, 5, 50, 40, 20, 10, 0, 20, 50]
        self.assertEqual(stats.interval(dollars), (10, 30))

    def test_is_none_with_fewer_values_than_can_give_one(self):
        for count in range(stats.LEAST):
            self.assertIsNone(stats.interval(list(range(count))), count)
        self.assertEqual(stats.interval(list(range(stats.LEAST))), (0, stats.LEAST - 1))

    def test_does_not_count_rounds_that_gave_nothing(self):
        self.assertIsNone(stats.interval([1, 2, None, 3, 4, None, 5]))
        self.assertEqual(stats.interval([6, 2, None, 3, 4, 1, 5]), (1, 6))

    def test_of_equal_values_is_that_value(self):
        self.assertEqual(stats.interval([3.5] * 9), (3.5, 3.5))

    def test_has_the_median_as_often_as_it_says(self):
        # Of a skewed distribution, which a bootstrap or a t interval is not made for.
        chance = random.Random(20)
        for count in (6, 9, 17):
            wanted = float(confidence(count, stats.outermost(count)))
            hits = 0
            for _ in range(4000):
                low, high = stats.interval([chance.expovariate(1) for _ in range(count)])
                hits += low <= log(2) <= high
            self.assertAlmostEqual(hits / 4000, wanted, delta=0.012)


class Spread(unittest.TestCase):
    def test_is_that_of_the_standard_library(self):
        chance = random.Random(4)
        for count in range(2, 40):
            values = [chance.gauss(10, 3) for _ in range(count)]
            low, median, high = statistics.quantiles(values, n=4, method="inclusive")
            for got, wanted in zip(stats.spread(values), (median, low, high)):
                self.assertAlmostEqual(got, wanted, places=12)

    def test_without_samples(self):
        self.assertEqual(stats.spread([]), (None, None, None))
        self.assertEqual(stats.spread([None, None]), (None, None, None))

    def test_of_one_sample_is_that_sample(self):
        self.assertEqual(stats.spread([None, 7]), (7, 7, 7))

    def test_of_what_is_infinite_goes_by_rank(self):
        self.assertEqual(stats.spread([1, inf, 1]), (1, 1, inf))
        self.assertEqual(stats.spread([1, 1, 1, 1, inf]), (1, 1, 1))
        self.assertEqual(stats.spread([inf] * 4), (inf, inf, inf))


class Ratio(unittest.TestCase):
    def test_is_taken_within_a_round(self):
        # Both drift by a factor of ten, the ratio does not.
        self.assertEqual(stats.ratio([2, 20, 6], [1, 10, 3]), (2, 2, 2))

    def test_is_of_rounds_that_have_both(self):
        self.assertEqual(stats.ratios([2, None, 6, 8], [1, 10, None, 2]), [2, 4])
        self.assertEqual(stats.ratio([None], [1]), (None, None, None))

    def test_to_zero(self):
        self.assertEqual(stats.ratios([0, 5, 0], [0, 0, 5]), [1, inf, 0])

    def test_goes_into_json(self):
        self.assertIsNone(stats.rounded(inf))
        self.assertIsNone(stats.rounded(None))
        self.assertEqual(stats.rounded(1.23456789), 1.2346)
        self.assertEqual(stats.edges((1.23456789, 2)), [1.2346, 2])
        for pair in (None, (1, inf), (None, None)):
            self.assertIsNone(stats.edges(pair))
        json.dumps(stats.edges((0.5, 2)), allow_nan=False)


class Verdict(unittest.TestCase):
    base = [100, 104, 98, 101, 99, 103, 97]

    def scaled(self, *factors):
        return [value * factor for value, factor in zip(self.base, factors)]

    def test_is_told_where_all_of_the_interval_is_on_one_side(self):
        more = self.scaled(1.02, 1.05, 1.01, 1.04, 1.03, 1.02, 1.06)
        self.assertEqual(stats.verdict(more, self.base, False), "faster")
        self.assertEqual(stats.verdict(more, self.base, True), "slower")
        less = self.scaled(.98, .95, .99, .96, .97, .98, .94)
        self.assertEqual(stats.verdict(less, self.base, False), "slower")
        self.assertEqual(stats.verdict(less, self.base, True), "faster")

    def test_is_same_where_the_noise_covers_it(self):
        # Six of seven rounds are better, by a lot, and one is not: seven cannot tell.
        close = self.scaled(1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 0.99)
        self.assertEqual(stats.verdict(close, self.base, False), "same")
        self.assertEqual(stats.verdict(close, self.base, True), "same")

    def test_of_nine_rounds_lets_one_stray(self):
        base, samples = [1] * 9, [2, 2, 2, 0.5, 2, 2, 2, 2, 2]
        self.assertEqual(stats.verdict(samples, base, False), "faster")
        samples[0] = 0.5
        self.assertEqual(stats.verdict(samples, base, False), "same")

    def test_sees_through_drift_that_hits_both(self):
        drift = [1, 2, 3, 1, 2, 3, 2]
        base = [100 * factor for factor in drift]
        self.assertEqual(stats.verdict([1.03 * value for value in base], base, False), "faster")
        # The figures themselves overlap, so that intervals of them say nothing.
        self.assertEqual(stats.judged(stats.interval([1.03 * x for x in base]),
                                      stats.interval(base), False), "same")

    def test_of_what_is_the_base_is_same(self):
        self.assertEqual(stats.verdict(self.base, self.base, False), "same")
        self.assertEqual(stats.verdict([5] * 6, [5] * 6, True), "same")

    def test_is_none_with_too_few_rounds(self):
        self.assertIsNone(stats.verdict([9] * 5, [1] * 5, False))
        self.assertIsNone(stats.verdict([9] * 7, [1, None, 1, None, 1, 1, 1], False))
        self.assertIsNone(stats.verdict([], [], False))
        self.assertIsNone(stats.verdict([None] * 7, self.base, False))

    def test_beside_zero(self):
        self.assertEqual(stats.verdict([0] * 7, [0] * 7, True), "same")
        self.assertEqual(stats.verdict([3] * 7, [0] * 7, True), "slower")
        self.assertEqual(stats.verdict([0] * 7, [3] * 7, True), "faster")
        self.assertEqual(stats.verdict([0, 0, 3, 0, 0, 0, 0], [0] * 7, True), "same")

    def test_of_noise_alone_is_as_rarely_wrong_as_is_said(self):
        chance = random.Random(11)
        for rounds, most in ((6, 0.031), (7, 0.016), (9, 0.039)):
            wrong = 0
            for _ in range(4000):
                a, b = ([chance.lognormvariate(0, 0.3) for _ in range(rounds)] for _ in range(2))
                wrong += stats.verdict(a, b, False) != "same"
            self.assertAlmostEqual(wrong / 4000, most, delta=0.01)

    def test_of_intervals_that_touch_is_same(self):
        self.assertEqual(stats.judged((1, 2), (2, 3), False), "same")
        self.assertEqual(stats.judged((1, 1.9), (2, 3), False), "slower")
        self.assertEqual(stats.judged((3.1, 4), (2, 3), False), "faster")
        self.assertIsNone(stats.judged(None, (2, 3), False))
        self.assertIsNone(stats.judged((2, 3), None, False))


if __name__ == "__main__":
    unittest.main()
