# SPDX-License-Identifier: GPL-2.0-only
"""Limits of the datapath (tools/bench/lib/budget.py) against samples that are known."""

import json
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.dont_write_bytecode = True
BENCH = Path(__file__).resolve().parents[2] / "tools" / "bench"
sys.path.insert(0, str(BENCH))

from lib import budget, probe  # noqa: E402
from lib.fastveth import Broken  # noqa: E402
from lib.sandbox import Failed  # noqa: E402

SLOW = {"measure": "rr_p50", "of": "own", "to": "cable", "max": 1.1}
FEW = {"measure": "udp_burst", "of": "own", "to": "cable", "min": 0.9}
SIZE = {"measure": "instructions", "of": "fv_to_ns@own", "max": 70}


def judge(cell, own, cable, absent=None):
    samples = {(cell["measure"], "own"): own, (cell["measure"], "cable"): cable}
    return budget.judge(cell, samples, absent or {})


class Limits(unittest.TestCase):
    def test_within_the_limit_passes(self):
        got = judge(SLOW, [17, 17.1, 17.2, 17.3, 17], [17] * 5)
        self.assertEqual((got.state, got.low), ("passed", 1))

    def test_beyond_the_limit_but_within_noise_passes(self):
        got = judge(SLOW, [20, 21, 25, 24, 18.6], [17] * 5)
        self.assertGreater(got.median, 1.1)
        self.assertEqual(got.state, "passed")

    def test_all_beyond_an_upper_limit_fails(self):
        self.assertEqual(judge(SLOW, [19, 19.5, 20, 19, 25], [17] * 5).state, "failed")

    def test_all_beyond_a_lower_limit_fails(self):
        self.assertEqual(judge(FEW, [80, 85, 89, 70, 60], [100] * 5).state, "failed")
        self.assertEqual(judge(FEW, [80, 85, 91, 70, 60], [100] * 5).state, "passed")

    def test_better_than_asked_for_passes(self):
        self.assertEqual(judge(SLOW, [9] * 5, [17] * 5).state, "passed")
        self.assertEqual(judge(FEW, [300] * 5, [100] * 5).state, "passed")

    def test_just_at_the_limit_passes(self):
        self.assertEqual(judge(FEW, [90] * 5, [100] * 5).state, "passed")

    def test_ratios_are_taken_within_a_round(self):
        # The machine becomes half as fast: both do, and nothing is wrong.
        got = judge(SLOW, [17, 17, 34, 34, 34], [17, 17, 34, 34, 34])
        self.assertEqual((got.low, got.high), (1, 1))

    def test_a_round_without_one_of_both_does_not_count(self):
        got = judge(SLOW, [None, 17, 17, 17, 90], [17, 17, 17, 17, None])
        self.assertEqual((got.state, got.high), ("passed", 1))

    def test_too_few_rounds_fail(self):
        got = judge(SLOW, [None, None, None, 17, 17], [17] * 5)
        self.assertEqual((got.state, got.why), ("failed", "only 2 of 5 rounds gave a value"))

    def test_nothing_measured_fails(self):
        self.assertEqual(judge(SLOW, [None] * 5, [17] * 5).state, "failed")
        self.assertEqual(budget.judge(SLOW, {}, {}).state, "failed")

    def test_what_cannot_be_measured_is_skipped_with_its_reason(self):
        got = judge(SLOW, [], [17] * 5, {("rr_p50", "own"): "no such kernel"})
        self.assertEqual((got.state, got.why), ("skipped", "own: no such kernel"))

    def test_another_measure_that_is_absent_does_not_count(self):
        got = judge(SLOW, [17] * 5, [17] * 5, {("udp_burst", "own"): "no such tool"})
        self.assertEqual(got.state, "passed")

    def test_a_base_of_nothing_gives_no_ratio(self):
        self.assertEqual(judge(SLOW, [17] * 5, [0] * 5).state, "failed")

    def test_a_number_is_taken_as_it_is(self):
        for count, state in ((62, "passed"), (70, "passed"), (71, "failed")):
            samples = {("instructions", "fv_to_ns@own"): [count]}
            self.assertEqual(budget.judge(SIZE, samples, {}).state, state)


class Files(unittest.TestCase):
    def read(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            file.write(text)
            file.flush()
            return budget.read(file.name, probe.KNOWN)

    def test_the_budget_of_the_tree_is_one(self):
        cells = budget.read(BENCH / "budget.json", probe.KNOWN)
        titles = [budget.title(cell) for cell in cells]
        self.assertEqual(len(titles), len(set(titles)))

    def test_only_instructions_are_not_a_ratio(self):
        for cell in budget.read(BENCH / "budget.json", probe.KNOWN):
            self.assertEqual("to" not in cell, cell["measure"] == "instructions", cell)

    def test_a_good_one(self):
        self.assertEqual(self.read(json.dumps({"cells": [SLOW, FEW, SIZE]})), [SLOW, FEW, SIZE])

    def test_what_is_wrong_is_told(self):
        for cell, why in (
                ({**SLOW, "min": 1}, "one of 'max' and 'min'"),
                ({"measure": "udp_burst", "of": "own"}, "one of 'max' and 'min'"),
                ({**SLOW, "max": "1.1"}, "above 0"), ({**SLOW, "max": True}, "above 0"),
                ({**FEW, "min": 0}, "above 0"), ({**SLOW, "limit": 1}, "unknown key 'limit'"),
                ({"of": "own", "max": 1}, "'measure' is not a string"),
                ({**SLOW, "to": 7}, "'to' is not a string"),
                ({**SLOW, "measure": "rr"}, "measure 'rr' is none of"),
                ({**SLOW, "of": "ours"}, "rr_p50 of 'ours' cannot be measured"),
                ({**SLOW, "to": "fv_to_ns"}, "rr_p50 of 'fv_to_ns' cannot be measured"),
                ("own", "not an object")):
            with self.subTest(cell=cell), self.assertRaises(Failed) as caught:
                self.read(json.dumps({"cells": [FEW, cell]}))
            self.assertRegex(str(caught.exception), f"cell 2: .*{why}")

    def test_a_file_that_is_none_is_told(self):
        for text in ("", "[]", "{}", '{"cells": {}}', '{"cells": []}', "{"):
            with self.subTest(text=text), self.assertRaisesRegex(Failed, "not a budget"):
                self.read(text)
        with self.assertRaisesRegex(Failed, "No such file"):
            budget.read("/nonexistent/budget.json", probe.KNOWN)


class Measuring(unittest.TestCase):
    CELLS = [SLOW, {**SLOW, "of": "attached"}, SIZE,
             {"measure": "instructions", "of": "fv_to_ns@attached", "max": 2000},
             {**SLOW, "of": "own-xdp"}]

    def setUp(self):
        self.turns = []
        self.probe = probe.Probe(self.CELLS, 3, lambda *_: None)
        for name, value in (("paths.build", self.build), ("sample", self.sample),
                            ("Fastveth", lambda host: mock.Mock(program_ids=lambda name: [7, 8])),
                            ("bpf.program_size", lambda number: (number * 10, 0, None)),
                            ("environ.cpu_pair", lambda: (1, 0))):
            patch = mock.patch(f"lib.probe.{name}", value)
            patch.start()
            self.addCleanup(patch.stop)
        self.probe.all_paths()

    def build(self, name, _):
        if name == "attached":
            raise Failed("no bridge")
        if name == "own-xdp":
            raise Broken("fastveth up: no")
        return mock.Mock(name=name, path=name)

    def sample(self, path, load, cpu):
        self.turns.append((path.path, load, cpu))
        if path.path == "cable" and len(self.turns) > 6:
            raise Failed("lost")
        return 5

    def test_a_path_that_cannot_be_built_is_absent_from_every_measure(self):
        self.assertEqual(self.probe.absent, {
            ("rr_p50", "attached"): "no bridge",
            ("instructions", "fv_to_ns@attached"): "no bridge",
            ("rr_p50", "own-xdp"): "fastveth up: no"})
        found = [budget.judge(cell, self.probe.samples, self.probe.absent, self.probe.broken)
                 for cell in self.CELLS]
        self.assertEqual(found[1].state, "skipped")
        self.assertEqual(found[3].state, "skipped")
        # That is no lack of the machine's.
        self.assertEqual((found[4].state, found[4].why), ("failed", "own-xdp: fastveth up: no"))

    def test_each_path_once_a_round_and_in_the_warm_up(self):
        self.assertEqual(sorted(self.turns), [("cable", "rr_p50", 1)] * 4 + [("own", "rr_p50", 1)] * 4)
        self.assertEqual(self.probe.samples["rr_p50", "own"], [5, 5, 5])

    def test_what_failed_is_told_and_leaves_its_place_empty(self):
        self.assertEqual(self.probe.samples["rr_p50", "cable"], [5, 5, None])
        self.assertEqual(self.probe.refused, [{"path": "cable", "case": "rr_p50", "cpus": 1,
                                               "round": 3, "reason": "lost"}])

    def test_the_largest_of_the_programs_of_a_name(self):
        self.assertEqual(self.probe.samples["instructions", "fv_to_ns@own"], [80])


if __name__ == "__main__":
    unittest.main()
