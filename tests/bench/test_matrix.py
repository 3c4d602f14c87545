# SPDX-License-Identifier: GPL-2.0-only
"""The tables of a README."""

import argparse
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools" / "bench"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from lib import matrix, scale  # noqa: E402
from test_report import comparison  # noqa: E402


def growth(rounds):
    run = scale.Run(40)
    run.makers = dict.fromkeys(["script", "cni", "fastveth"])
    for size, own, script in ((10, 6, 4), (1000, 1, 4)):
        run.samples["up", size, "fastveth"] = [own] * rounds
        run.samples["up", size, "script"] = [script] * rounds
    run.samples["up", 10, "cni"] = [60] * rounds
    run.samples["memory", 1000, "fastveth"] = [340 * 1024] * rounds
    return scale.results(run, argparse.Namespace(sizes=[10, 1000]))


def run(rounds=6):
    made = comparison({"loopback": [10] * rounds, "own": [9] * rounds,
                       "cable": [9, 11] * (rounds // 2)})
    more = comparison({"own": [4] * rounds, "loopback": [5] * rounds}, "tcp_rr_p50")
    return {"environment": {"command": "run --x", "date": "2026-01-02T03:04:05", "kernel": "6.1 #1",
                            "ncpu": 2, "cpu": "C", "versions": {"fastveth": "fastveth 1.2"}},
            "method": {"rounds": rounds}, "scale": growth(rounds), "programs": [
                {"name": "fv_a", "instructions": 62, "above": {"median": 5.04, "interval": [4, 6]}}],
            "results": [{"part": "paths", **row} for row in (*made.values(), *more.values())],
            "skipped": [{"path": "cni", "reason": "not installed: bridge"}]}


class Section(unittest.TestCase):
    def test_has_what_was_found(self):
        lines = matrix.section(run()).splitlines()
        self.assertEqual(lines[0], "`run --x`, 2026-01-02, Linux 6.1, 2 x C, fastveth 1.2; 6 rounds.")
        self.assertEqual(lines[2], "Within one host, client and server on one CPU. In the row of "
                                   "`loopback` are medians, below and above it ratios to them; without "
                                   "a word: the same within noise.")
        self.assertIn("| `loopback` | 10 Gbit/s | 5 us |", lines)
        self.assertIn("| `own` | 0.9 slower | 0.8 faster |", lines)
        self.assertIn("| `cable` | 1 |  |", lines)
        self.assertIn("- Not measured: cni: not installed: bridge", lines)
        self.assertNotIn("two CPUs", matrix.section(run()))

    def test_two_cpus_have_a_table_of_their_own(self):
        made = run()
        made["results"].append({**made["results"][0], "cpus": 2, "median": 8})
        lines = matrix.section(made).splitlines()
        at = next(i for i, line in enumerate(lines) if line.startswith("Within one host, on two CPUs."))
        self.assertEqual(lines[at + 2:at + 6], ["| | TCP, one stream |", "|---|---|",
                                                "| `loopback` | 8 Gbit/s |", ""])

    def test_growth_is_beside_who_does_the_same(self):
        lines = matrix.section(run()).splitlines()
        self.assertIn("| | 10 | 1000 |", lines)
        self.assertIn("| `up`, ms/namespace | 6 (script 1.5 slower, cni 0.1 faster) | 1 (script 0.25 faster) |",
                      lines)
        self.assertIn("| `memory`, KiB/namespace |  | 340 |", lines)

    def test_programs(self):
        self.assertIn("| `fv_a` | 5.04 (4.000 to 6.000) | 62 |", matrix.section(run()).splitlines())

    def test_what_was_not_measured_has_no_table(self):
        made = {**run(), "scale": [], "programs": [], "results": []}
        self.assertEqual(matrix.section(made).count("|"), 0)

    def test_of_few_rounds_judges_nothing(self):
        text = matrix.section(run(4))
        self.assertIn("without a word: too few rounds to say more", text)
        self.assertIn("| `own` | 0.9 | 0.8 |", text)

    def test_stands_where_it_is_to(self):
        text = f"a\n{matrix.BEGIN}\nold\n{matrix.END}\nb\n"
        once = matrix.put(text, run())
        self.assertNotIn("old", once)
        self.assertTrue(once.startswith(f"a\n{matrix.BEGIN}\n\n`run") and once.endswith("\nb\n"))
        self.assertEqual(matrix.put(once, run()), once)
        self.assertIsNone(matrix.put("a\nb\n", run()))


if __name__ == "__main__":
    unittest.main()
