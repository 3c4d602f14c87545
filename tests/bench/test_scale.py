# SPDX-License-Identifier: GPL-2.0-only
"""Many namespaces (tools/bench/lib/scale.py, makers.py, memory.py): what needs no root."""

import argparse
import os
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools" / "bench"))

from lib import cni, makers, memory, scale  # noqa: E402
from lib.sandbox import Failed, Interrupted  # noqa: E402

SLABS = """slabinfo - version: 2.1
# name <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables ...
dentry 90 100 200 20 1 : tunables 0 0 0 : slabdata 5 5 0
net_namespace 3 8 4000 8 8 : tunables 0 0 0 : slabdata 1 1 0
"""


class Host:
    """Where a maker writes its batches."""

    def __init__(self, folder):
        self.folder = Path(folder)
        (self.folder / "run").mkdir()

    def path(self, path):
        return Path(f"{self.folder}{path}")


class Maker:
    def __init__(self, by, most=None):
        self.by, self.most = by, most


def a_run(samples, longest=40, **fields):
    run = scale.Run(longest, **fields)
    for (what, count, by), values in samples.items():
        run.samples[what, count, by] = values
        run.makers.setdefault(by, Maker(by))
    return run


class Scripts(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.maker = makers.Script(Host(self.folder.name), "script")
        self.maker.prepare(300)

    def lines(self, name):
        return (self.maker.folder / name).read_text().splitlines()

    def test_one_of_each_for_every_namespace(self):
        self.assertEqual(self.lines("names")[-1], "n300")
        self.assertEqual(len(self.lines("host")), 300 * 6)
        self.assertEqual(len(self.lines("down")), 300)
        self.assertEqual(len(list((self.maker.folder / "ns").iterdir())), 301)

    def test_addresses_are_of_one_namespace_each(self):
        inside = [line for ns in [*makers.names(300), makers.EXTRA]
                  for line in self.lines(f"ns/{ns}") if line.startswith("addr add ")]
        self.assertEqual(len(set(inside)), 2 * 301)
        self.assertIn("addr add 10.77.1.45/32 dev eth0", inside)

    def test_one_more_is_beside_the_others(self):
        host = self.lines("host")
        self.assertFalse(set(host) & set(self.lines("extra-host")))
        self.assertEqual(self.lines("extra-down"), ["link del p301", "netns del extra"])

    def test_only_one_of_the_scripts_adds(self):
        self.assertTrue(self.maker.add())
        self.maker.by = "script-parallel"
        self.assertIsNone(self.maker.add())


class Plugins(unittest.TestCase):
    def test_found_where_the_environment_says(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("bridge", "host-local"):
                Path(folder, name).touch(mode=0o755)
            with mock.patch.dict(os.environ, {"CNI_PATH": f"/nonexistent:{folder}"}):
                self.assertEqual(cni.folder(), folder)

    def test_told_where_they_were_looked_for(self):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "bridge").touch(mode=0o755)
            with mock.patch.dict(os.environ, {"CNI_PATH": ""}), \
                    mock.patch.object(cni, "FOLDERS", (folder,)), \
                    self.assertRaisesRegex(Failed, f"{folder}: install containernetworking"):
                cni.folder()


class BridgesOfOthers(unittest.TestCase):
    def test_as_many_as_the_ports_need(self):
        with tempfile.TemporaryDirectory() as folder, \
                mock.patch.object(makers, "Fastveth", lambda host: None):
            maker = makers.Bridges(Host(folder), "attach")
        for count, bridges in ((1, 1), (1000, 1), (1001, 2), (4000, 4)):
            maker.count = count
            self.assertEqual(len(maker.bridges()), bridges, count)


class Memory(unittest.TestCase):
    def test_objects_in_use_and_their_slabs(self):
        self.assertEqual(memory.objects(SLABS, 4096), (90 * 200 + 3 * 4000, 5 * 4096 + 8 * 4096))


class WhatIsLeftOut(unittest.TestCase):
    def setUp(self):
        self.run_of = a_run({("up", 10, "cni"): [500], ("up", 100, "cni"): [25],
                             ("down", 100, "cni"): [25]})

    def test_what_would_take_too_long(self):
        why = scale.too_much(self.run_of, "cni", 1000)
        self.assertEqual(why, "`up` and `down` would take about 50 s, by those of 100: more than "
                              "--longest 40")
        self.run_of.longest = 60
        self.assertIsNone(scale.too_much(self.run_of, "cni", 1000))

    def test_few_namespaces_foretell_nothing(self):
        self.assertIsNone(scale.too_much(self.run_of, "cni", 100))

    def test_what_cannot_be_made(self):
        self.run_of.makers["cni"].most = 1000
        self.run_of.longest = 1000
        self.assertIsNone(scale.too_much(self.run_of, "cni", 1000))
        self.assertIn("1000 cannot be made", scale.too_much(self.run_of, "cni", 1001))

    def test_a_turn_that_failed_says_nothing(self):
        run = a_run({("up", 100, "cni"): [None], ("down", 100, "cni"): [None]})
        self.assertIsNone(scale.too_much(run, "cni", 4000))

    def test_decided_once(self):
        told = []

        def skip(*words, **more):
            told.append((words, more))

        for number in (1, 2, 3):
            self.assertTrue(scale.left_out(self.run_of, "cni", 1000, number, skip))
            self.run_of.samples["up", 100, "cni"] = [1]
        self.assertEqual(len(told), 1)
        self.assertEqual(told[0][1], {"namespaces": 1000})


class Rounds(unittest.TestCase):
    def test_large_sizes_are_in_the_first_rounds_only(self):
        run, done = a_run({}), []
        run.makers = {"script": Maker("script")}
        options = argparse.Namespace(rounds=5, sizes=[4000, 10])
        with mock.patch.object(scale, "sample", lambda run, by, count, number:
                               done.append((number, count))):
            scale.rounds(run, options, lambda *_: None, None)
        self.assertEqual(done, [(0, 10), (1, 10), (1, 4000), (2, 10), (2, 4000), (3, 10),
                                (3, 4000), (4, 10), (5, 10)])


class InterruptedRuns(unittest.TestCase):
    def interrupted_at(self, number, by):
        """Rows of a run of two makers that ends when this one's turn at 100 begins."""
        run = a_run({})

        def start(run, name):
            run.makers[name] = mock.Mock(by=name, most=None)

        def sample(run, name, count, now):
            if (now, name, count) == (number, by, 100):
                raise Interrupted(130)
            if now:
                run.samples.setdefault(("up", count, name), []).append(now)

        options = argparse.Namespace(rounds=3, sizes=[10, 100], longest=40, methods=["script", "fastveth"])
        with mock.patch.multiple(scale, start=start, sample=sample, Run=lambda longest: run), \
                mock.patch.object(scale.memory, "used"), \
                mock.patch.object(scale.random, "shuffle", lambda order: None):
            rows, _, _ = scale.scale(options, lambda _: None, lambda *_: None)
        return {(row["namespaces"], row["by"]): row["samples"] for row in rows}

    def test_turns_that_all_makers_had_are_kept(self):
        self.assertEqual(self.interrupted_at(3, "fastveth"), {
            (10, "script"): [1, 2, 3], (10, "fastveth"): [1, 2, 3],
            (100, "script"): [1, 2], (100, "fastveth"): [1, 2]})

    def test_a_size_that_was_never_complete_is_not_told(self):
        self.assertEqual(self.interrupted_at(1, "fastveth"), {
            (10, "script"): [1], (10, "fastveth"): [1]})


class Rows(unittest.TestCase):
    SAMPLES = {("up", 10, "script"): [4] * 6, ("up", 1000, "script"): [5, 5, 5],
               ("up", 10, "fastveth"): [2] * 6, ("up", 1000, "fastveth"): [1, 1, 1],
               ("add", 10, "fastveth"): [None, None], ("settling", 10, "fastveth"): [1, 1],
               ("memory", 1000, "fastveth"): [3e5, 3e5, 3.3e5],
               ("memory", 1000, "script"): [3e5, 3e5, 3e5],
               ("attach", 10, "attach"): [7, 8, 9]}

    def setUp(self):
        run = a_run(self.SAMPLES, maps={("memory", 1000): [5e6, 6e6, 7e6]})
        rows = scale.results(run, argparse.Namespace(sizes=[1000, 10]))
        self.rows = {(row["what"], row["namespaces"], row["by"]): row for row in rows}

    def test_only_what_was_measured(self):
        self.assertEqual(set(self.rows), {
            ("up", 10, "script"), ("up", 1000, "script"), ("up", 10, "fastveth"),
            ("up", 1000, "fastveth"), ("memory", 1000, "fastveth"), ("memory", 1000, "script"),
            ("attach", 10, "fastveth")})

    def test_ratio_to_who_does_the_same(self):
        self.assertEqual(self.rows["up", 1000, "fastveth"]["ratio"], {"script": 0.2})
        self.assertEqual(self.rows["attach", 10, "fastveth"]["ratio"], {})

    def test_verdict_from_six_rounds_on(self):
        self.assertEqual(self.rows["up", 10, "fastveth"]["verdict"], {"script": "faster"})
        self.assertEqual(self.rows["up", 10, "fastveth"]["ratio_interval"], {"script": [0.5, 0.5]})
        self.assertEqual(self.rows["up", 1000, "fastveth"]["verdict"], {"script": None})
        self.assertIsNone(self.rows["up", 1000, "fastveth"]["interval"])

    def test_growth_is_of_the_rounds_that_have_both(self):
        self.assertEqual(self.rows["up", 1000, "script"]["growth"], 1.25)
        self.assertEqual(self.rows["up", 1000, "fastveth"]["growth"], 0.5)
        self.assertNotIn("growth", self.rows["up", 10, "script"])

    def test_maps_are_those_of_fastveth(self):
        self.assertEqual(self.rows["memory", 1000, "fastveth"]["maps"], 6000000)
        self.assertNotIn("maps", self.rows["memory", 1000, "script"])
        self.assertEqual(self.rows["memory", 1000, "script"]["unit"], "bytes/namespace")


if __name__ == "__main__":
    unittest.main()
