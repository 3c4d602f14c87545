# SPDX-License-Identifier: GPL-2.0-only
"""Verdicts in rows and tables, the time left, and what an interrupted run keeps."""

import contextlib
import io
import json
import os
import random
import signal
import sys
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools" / "bench"))

from lib import compare, paths, progcost, report, sandbox  # noqa: E402


def comparison(samples, case="tcp_stream"):
    """As if each path had given these samples."""
    made = compare.Comparison()
    for name, values in samples.items():
        made.paths[name] = paths.Path(name, None, None, "192.0.2.1")
        made.samples[case, 1, name] = values
        made.shares[compare.LOAD_OF[case], 1, name] = [None] * len(values)
    return {row["path"]: row for row in compare.results(made)}


def printed(function, *args):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        function(*args)
    return out.getvalue().splitlines()


class Rows(unittest.TestCase):
    def test_have_intervals_and_verdicts(self):
        rows = comparison({"loopback": [10, 20, 10, 20, 10, 20], "own": [9, 16, 7, 18, 6, 16]})
        own = rows["own"]
        self.assertEqual(own["interval"], [6, 18])
        self.assertEqual(own["ratio"], {"loopback": 0.8})
        self.assertEqual(own["ratio_interval"], {"loopback": [0.6, 0.9]})
        self.assertEqual(own["verdict"], {"loopback": "slower"})
        self.assertEqual(own["better"], "higher")
        self.assertEqual(rows["loopback"]["verdict"], {"loopback": "same"})

    def test_know_what_is_better(self):
        rows = comparison({"cable": [5] * 6, "own": [4] * 6}, "tcp_rr_p50")
        self.assertEqual((rows["own"]["better"], rows["own"]["verdict"]),
                         ("lower", {"cable": "faster"}))

    def test_of_few_rounds_have_none(self):
        own = comparison({"loopback": [10] * 5, "own": [1] * 5})["own"]
        self.assertIsNone(own["interval"])
        self.assertEqual((own["ratio_interval"], own["verdict"]), ({}, {"loopback": None}))
        self.assertEqual(own["ratio"], {"loopback": 0.1})

    def test_beside_zero_have_a_verdict_but_no_figure(self):
        own = comparison({"loopback": [0] * 7, "own": [3] * 7}, "tcp_ofo")["own"]
        self.assertEqual((own["ratio"], own["ratio_spread"], own["ratio_interval"]), ({}, {}, {}))
        self.assertEqual(own["verdict"], {"loopback": "slower"})
        json.dumps(own, allow_nan=False)

    def test_of_paths_that_share_no_round(self):
        own = comparison({"loopback": [None, 3], "own": [3, None]})["own"]
        self.assertEqual((own["ratio"], own["verdict"]), ({}, {}))


class Tables(unittest.TestCase):
    def test_have_the_verdict_against_one_base(self):
        rows = comparison({"loopback": [10] * 7, "cable": [5] * 7, "own": [8] * 7})
        lines = printed(report.comparison, list(rows.values()))
        self.assertEqual(lines, [
            "tcp_stream, client and server on one CPU: Gbit/s, higher is better",
            "  path      median  low  high  /loopback          95 %  verdict  /cable  samples",
            "  loopback      10   10    10          1                              2        7",
            "  cable          5    5     5        0.5  0.500..0.500   slower       1        7",
            "  own            8    8     8        0.8  0.800..0.800   slower     1.6        7", ""])

    def test_from_outside_have_it_against_the_host(self):
        rows = comparison({"loopback": [10] * 7, "wire-host": [5] * 7}).values()
        self.assertEqual(report.judge(rows), "wire-host")
        self.assertEqual(report.judge(comparison({"cable": [5] * 7, "own": [1]}).values()), "cable")
        self.assertIsNone(report.judge(comparison({"own": [5] * 7}).values()))

    def test_without_a_base_have_none(self):
        lines = printed(report.comparison, list(comparison({"own": [5] * 7}).values()))
        self.assertEqual(lines[1].split(), ["path", "median", "low", "high", "samples"])

    def test_are_narrow(self):
        chance = random.Random(3)
        rows = comparison({name: [chance.gauss(123456, 3000) for _ in range(7)]
                           for name in paths.BUILDERS}, "udp_64")
        lines = printed(report.comparison, list(rows.values()))
        self.assertLessEqual(max(map(len, lines)), report.WIDTH)
        for head in ("/loopback", "verdict", "/cable", "samples"):
            self.assertIn(head, lines[1].split())
        self.assertNotIn("low", lines[1].split())

    def test_of_programs_have_the_interval(self):
        row = {"name": "fv_from_ns", "hook": "tcx", "load": "udp", "runs": 5,
               **progcost.numbers([90, 91] * 3), "empty": progcost.numbers([50] * 6),
               "above": progcost.numbers([40, 41] * 3), "ratio": {}, "instructions": 900,
               "verified": None}
        self.assertIn(" 40..41 ", printed(report.programs, [row])[3])


class Terminal(io.StringIO):
    def isatty(self):
        return True

    def fileno(self):
        raise OSError  # no size is known


class TimeLeft(unittest.TestCase):
    """Turns a and b of 1 s and 3 s, two rounds of them after a warm-up."""

    def setUp(self):
        self.now = 0

    def run_all(self, stream, turns=None, texts=("a", "b")):
        progress = report.Progress("paths", 2, lambda: self.now)
        if turns:
            progress.expect(turns)
        with mock.patch.object(sys, "stderr", stream):
            for number in range(3):
                for text in texts:
                    progress(number, text)
                    self.now += 1 if text == "a" else 3
            progress.done()
        return stream.getvalue()

    def test_is_told_on_a_terminal(self):
        lines = self.run_all(Terminal(), 2).split("\r\033[K")[1:]
        self.assertEqual(lines, [
            "paths: warm-up, a", "paths: warm-up, 5 s left, b",  # as if b took as long as a
            "paths: round 1/2, 8 s left, a", "paths: round 1/2, 7 s left, b",
            "paths: round 2/2, 4 s left, a", "paths: round 2/2, 3 s left, b", ""])

    def test_is_learned_from_the_first_round(self):
        lines = self.run_all(Terminal()).split("\r\033[K")[1:]
        self.assertEqual(lines[3:6], ["paths: round 1/2, b", "paths: round 2/2, 4 s left, a",
                                      "paths: round 2/2, 3 s left, b"])

    def test_elsewhere_it_is_one_line_a_round(self):
        self.assertEqual(self.run_all(io.StringIO(), 2),
                         "paths: warm-up\npaths: round 1/2\npaths: round 2/2\n")

    def test_a_line_stays_one_line(self):
        text = self.run_all(Terminal(), 1, ["x" * 500])
        self.assertEqual(max(map(len, text.split("\r\033[K"))), 79)

    def test_is_in_words(self):
        self.assertEqual([report.duration(x) for x in (None, 0.4, 89, 90, 3600)],
                         [None, "0 s left", "89 s left", "2 min left", "60 min left"])


class Interrupted(unittest.TestCase):
    """In the third round, on the second of two paths."""

    def setUp(self):
        self.addCleanup(setattr, sandbox.Interrupted, "came", False)
        for number in (signal.SIGINT, signal.SIGTERM):
            self.addCleanup(signal.signal, number, signal.getsignal(number))
            signal.signal(number, sandbox.interrupt)
        self.closed, self.turns = [], 0

    def build(self, made, names, _):
        for name in names:
            host = SimpleNamespace(close=lambda name=name: self.closed.append(name))
            made.paths[name] = paths.Path(name, None, None, "192.0.2.1", host)

    def load(self, path, *_):
        """Warm-up and two rounds are six turns, and this is the second after them."""
        self.turns += 1
        if self.turns == 8:
            os.kill(os.getpid(), signal.SIGTERM)
        if path.name == "own" and self.turns > 6:
            raise sandbox.Failed("it was told to end, too")
        return {"udp_64": 100 + self.turns}, 0

    def compared(self, rounds):
        options = SimpleNamespace(paths=["loopback", "own"], cases=["udp_64"], cpus=[1],
                                  rounds=rounds, seconds=1)
        with mock.patch.object(compare, "build", self.build), \
             mock.patch.object(compare, "turns", lambda *_: [(1, (0, 0), "udp_64")]), \
             mock.patch.dict(compare.LOADS, udp_64=self.load):
            return compare.compare(options, lambda _: None, report.Progress("paths", rounds))

    def test_keeps_complete_rounds_and_closes_hosts(self):
        with contextlib.redirect_stderr(io.StringIO()):
            rows, skipped, refused, infos = self.compared(7)
        self.assertTrue(sandbox.Interrupted.came)
        self.assertEqual(self.turns, 8)
        self.assertEqual([(row["path"], len(row["samples"])) for row in rows],
                         [("loopback", 2), ("own", 2)])
        self.assertEqual((skipped, refused), ([], []))
        self.assertEqual((sorted(self.closed), sorted(infos)), (["loopback", "own"],) * 2)

    def test_before_a_round_was_complete_there_is_nothing(self):
        self.turns = 6
        with contextlib.redirect_stderr(io.StringIO()):
            rows, skipped, *_ = self.compared(7)
        self.assertEqual((rows, skipped), ([], []))
        self.assertEqual(sorted(self.closed), ["loopback", "own"])

    def test_comes_once(self):
        with self.assertRaises(SystemExit) as caught:
            os.kill(os.getpid(), signal.SIGINT)
        self.assertEqual(caught.exception.code, 130)
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)

    def test_program_costs_of_complete_rounds_only(self):
        side = SimpleNamespace(samples={}, runs={})
        measures = [SimpleNamespace(name="fv_from_ns", program=side,
                                    empty=SimpleNamespace(samples={}, runs={}))]

        def sample(*_):
            self.turns += 1
            if self.turns == 8:
                os.kill(os.getpid(), signal.SIGTERM)
            return 50, 1000

        refused, options = [], SimpleNamespace(loads=["udp"], rounds=7, seconds=1)
        with mock.patch.object(progcost, "sample", sample), self.assertRaises(SystemExit), \
             contextlib.redirect_stderr(io.StringIO()):
            progcost.rounds(measures, options, report.Progress("programs", 7), refused)
        self.assertEqual((side.samples, side.runs), ({"udp": [50, 50]}, {"udp": 2000}))

    def finished(self, found, before=None):
        with tempfile.TemporaryDirectory() as folder:
            file, document = Path(folder, "sub", "x.json"), {"results": found, "refused": []}
            if before:
                report.write(file, before)
            with contextlib.redirect_stdout(io.StringIO()), \
                 contextlib.redirect_stderr(io.StringIO()):
                code = report.finish(file, document, found)
            return code, json.loads(file.read_text()) if file.exists() else None

    def test_is_in_the_file_and_the_exit_code(self):
        self.assertEqual(self.finished([1]), (0, {"results": [1], "refused": []}))
        self.assertEqual(self.finished([]), (1, {"results": [], "refused": []}))
        sandbox.Interrupted.came = True
        self.assertEqual(self.finished([1]),
                         (130, {"results": [1], "refused": [], "interrupted": True}))
        self.assertEqual(self.finished([]), (130, None))
        self.assertEqual(self.finished([], {"older": 1}), (130, {"older": 1}))


if __name__ == "__main__":
    unittest.main()
