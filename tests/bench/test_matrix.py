# SPDX-License-Identifier: GPL-2.0-only
"""The tables of a README."""

import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools" / "bench"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from lib import matrix  # noqa: E402
from test_report import comparison  # noqa: E402


def run(rounds=6):
    made = comparison({"loopback": [10] * rounds, "own": [9] * rounds,
                       "cable": [9, 11] * (rounds // 2)})
    more = comparison({"own": [4] * rounds, "loopback": [5] * rounds}, "tcp_rr_p50")
    return {"environment": {"command": "run --x", "date": "2026-01-02T03:04:05", "kernel": "6.1 #1",
                            "ncpu": 2, "cpu": "C", "versions": {"fastveth": "fastveth 1.2"}},
            "method": {"rounds": rounds},
            "results": [{"part": "paths", **row} for row in (*made.values(), *more.values())],
            "skipped": [{"path": "cni", "reason": "not installed: bridge"}]}


class Section(unittest.TestCase):
    def test_has_what_was_found(self):
        lines = matrix.section(run()).splitlines()
        self.assertEqual(lines[0], "`run --x`, 2026-01-02, Linux 6.1, 2 x C, fastveth 1.2; 6 rounds, "
                                   "client and server on one CPU.")
        self.assertIn("| `loopback` | 10 Gbit/s | 5 us |", lines)
        self.assertIn("| `own` | 0.9 slower | 0.8 faster |", lines)
        self.assertIn("| `cable` | 1 |  |", lines)
        self.assertIn("- Not measured: cni: not installed: bridge", lines)
        self.assertIn("without a word: the same within noise", matrix.section(run()))

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
