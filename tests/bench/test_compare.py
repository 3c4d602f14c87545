# SPDX-License-Identifier: GPL-2.0-only
"""tools/bench/compare: two result files, cell by cell."""

import contextlib
import copy
import io
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
BENCH = Path(__file__).resolve().parents[2] / "tools" / "bench"
sys.path.insert(0, str(BENCH))

from lib import changes, versus  # noqa: E402
from lib.report import WIDTH  # noqa: E402
from lib.sandbox import Failed  # noqa: E402

DRIFT = [1, 2, 1.5, 1.2, 1.9, 1.7, 1.1]
NOISE = [0.99, 1, 1.01, 1.02, 0.98, 1, 1]


def row(path, level, case="tcp_stream", better="higher", part="paths", noise=None):
    """Of seven rounds, which drift; its ratio to another has noise of 2 %."""
    noise = noise or NOISE
    return {"part": part, "path": path, "case": case, "cpus": 1, "unit": "Gbit/s", "better": better,
            "samples": [level * x * y for x, y in zip(DRIFT, noise)]}


def program(above):
    return {"name": "fv_from_ns", "hook": "tcx", "load": "udp", "unit": "ns", "samples": [90] * 7,
            "above": {"samples": [above * x for x in NOISE]}}


def scale(by, level):
    return {"what": "up", "namespaces": 100, "by": by, "unit": "ms/namespace",
            "samples": [level * x * y for x, y in zip(DRIFT, NOISE)]}


def document():
    return {"environment": {"kernel": "6.18.44-fc-v769 #1 SMP", "cpu": "Xeon", "date": "2026-11-26",
                            "load_before": "1.0", "versions": {"commit": "aaa", "wrk": None}},
            "method": {"rounds": 7, "seconds": 1, "seed": 1},
            "paths": {"own": {"hook": "tcx", "conntrack": {"entries": 3, "active": False}},
                      "loopback": {}},
            "results": [row("loopback", 20, noise=[1] * 7), row("cable", 19), row("own", 18),
                        row("loopback", 5, "tcp_rr_p50", "lower", noise=[1] * 7),
                        row("own", 5.5, "tcp_rr_p50", "lower")],
            "programs": [program(40)],
            "scale": [scale("script", 2), scale("fastveth", 0.5)]}


class Compared(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def file(self, content, name):
        file = self.folder / name
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        return file

    def found(self, second, first=None):
        return changes.changes(self.file(first or document(), "a.json"),
                               self.file(second, "b.json"))

    def words(self, second, first=None):
        return {(cell["section"], cell.get("path") or cell.get("name") or cell["by"],
                 cell.get("case")): (cell["verdict"], cell["base"])
                for cell in self.found(second, first)["cells"]}


class Cells(Compared):
    def test_of_a_run_with_itself_are_all_the_same(self):
        found = self.found(document())
        self.assertEqual(len(found["cells"]), 8)
        self.assertEqual({cell["verdict"] for cell in found["cells"]}, {"same"})
        self.assertEqual(found["differences"] + found["only_a"] + found["only_b"], [])

    def test_of_a_run_with_itself_are_the_same_with_few_rounds_too(self):
        few = document()
        for rows in (few["results"], few["scale"]):
            for each in rows:
                del each["samples"][1:]
        found = self.found(few, copy.deepcopy(few))
        self.assertEqual({cell["verdict"] for cell in found["cells"]}, {"same"})

    def test_are_ratios_that_do_not_see_what_both_paths_did(self):
        # The machine is three times as fast: that is nobody's doing.
        second = document()
        for each in (*second["results"], *second["scale"]):
            each["samples"] = [3 * x for x in each["samples"]]
        words = self.words(second)
        self.assertEqual({word for word, base in words.values() if base}, {"same"})
        # There is only one other path with round trips, so this one has nothing but its figures.
        self.assertEqual(words["results", "loopback", "tcp_rr_p50"], ("slower", None))

    def test_are_faster_and_slower_in_both_directions(self):
        second = document()
        for i in (2, 4):
            second["results"][i]["samples"] = [1.2 * x for x in second["results"][i]["samples"]]
        second["programs"] = [program(30)]
        second["scale"][1] = scale("fastveth", 0.8)
        words = self.words(second)
        self.assertEqual(words["results", "own", "tcp_stream"], ("faster", "loopback"))
        self.assertEqual(words["results", "own", "tcp_rr_p50"], ("slower", "loopback"))
        self.assertEqual(words["results", "cable", "tcp_stream"], ("same", "loopback"))
        self.assertEqual(words["programs", "fv_from_ns", None], ("faster", "empty"))
        self.assertEqual(words["scale", "fastveth", None], ("slower", "script"))
        change = {cell.get("case"): cell["change"] for cell in self.found(second)["cells"]
                  if cell.get("path") == "own" or cell["section"] == "programs"}
        self.assertAlmostEqual(change["tcp_stream"], 1.2, places=3)
        self.assertAlmostEqual(change[None], -10, places=3)

    def test_are_same_where_intervals_touch(self):
        second = document()
        second["results"][2]["samples"] = [1.02 * x for x in second["results"][2]["samples"]]
        self.assertEqual(self.words(second)["results", "own", "tcp_stream"], ("same", "loopback"))

    def test_have_no_word_with_too_few_rounds(self):
        second = document()
        second["results"][2]["samples"][:2] = [None, None]
        self.assertEqual(self.words(second)["results", "own", "tcp_stream"], (None, "loopback"))

    def test_use_the_next_base_where_one_run_has_not_the_first(self):
        second = document()
        del second["results"][0]
        words = self.words(second)
        self.assertEqual(words["results", "own", "tcp_stream"], ("same", "cable"))
        # What the others are compared with has nothing left.
        self.assertEqual(words["results", "cable", "tcp_stream"][1], None)

    def test_from_outside_are_beside_a_process_of_the_host(self):
        one = document()
        one["results"] = [row(path, 9, part="outside") for path in ("loopback", "wire-host", "wire-own")]
        words = self.words(one, copy.deepcopy(one))
        self.assertEqual(words["results", "wire-own", "tcp_stream"], ("same", "wire-host"))
        self.assertEqual(words["results", "wire-host", "tcp_stream"], ("same", "loopback"))

    def test_are_figures_where_a_base_was_zero(self):
        one, two = document(), document()
        for each, level in ((one, 10), (two, 1000)):
            each["results"] = [row("loopback", 0, "tcp_ofo", "lower"),
                               row("own", level, "tcp_ofo", "lower")]
        words = self.words(two, one)
        self.assertEqual(words["results", "own", "tcp_ofo"], ("slower", None))
        self.assertEqual(words["results", "loopback", "tcp_ofo"][0], "same")

    def test_of_one_run_only_are_listed(self):
        second = document()
        second["results"][2]["path"] = "own-xdp"
        second["scale"][0]["unit"] = "bytes/namespace"
        found = self.found(second)
        self.assertEqual([(x.get("path"), x["unit"]) for x in found["only_a"]],
                         [("own", "Gbit/s"), (None, "ms/namespace")])
        self.assertEqual([(x.get("path"), x["unit"]) for x in found["only_b"]],
                         [("own-xdp", "Gbit/s"), (None, "bytes/namespace")])

    def test_without_any_sample(self):
        second = document()
        second["results"][2]["samples"] = [None] * 7
        cell = self.found(second)["cells"][2]
        self.assertEqual((cell["verdict"], cell["b"]["median"], cell["change"]), (None, None, None))


class Around(Compared):
    def test_what_differs_is_told(self):
        second = document()
        second["environment"].update(kernel="7.2", date="2027-01-01", load_before="9")
        second["environment"]["versions"]["commit"] = "bbb"
        second["environment"]["governor"] = "powersave"
        second["method"].update(rounds=9, seed=2)
        second["paths"]["own"] = {"hook": "clsact", "conntrack": {"entries": 9, "active": False}}
        self.assertEqual([(x["what"], x["a"], x["b"]) for x in self.found(second)["differences"]],
                         [("kernel", "6.18.44-fc-v769 #1 SMP", "7.2"),
                          ("versions.commit", "aaa", "bbb"), ("method.rounds", "7", "9"),
                          ("paths.own.hook", "tcx", "clsact"), ("governor", None, "powersave")])

    def test_paths_of_one_run_only_differ_in_nothing(self):
        second = document()
        second["paths"] = {"bridge": {"rules": "docker"}}
        self.assertEqual(self.found(second)["differences"], [])

    def test_files_of_progcost_and_scale_alone(self):
        for section in ("programs", "scale"):
            part = {key: document()[key] for key in ("environment", section)}
            self.assertEqual({word for word, _ in self.words(part, copy.deepcopy(part)).values()},
                             {"same"})


class Refused(Compared):
    def check(self, content, why):
        with self.assertRaises(Failed) as caught:
            changes.load(self.file(content, "x.json"))
        self.assertIn(why, str(caught.exception))
        self.assertNotIn("\n", str(caught.exception))

    def test_what_is_not_there(self):
        with self.assertRaisesRegex(Failed, "No such file"):
            changes.load(self.folder / "none")
        with self.assertRaisesRegex(Failed, "directory"):
            changes.load(self.folder)

    def test_what_is_no_json(self):
        for text in ("", "{", "[" * 100000, '{"environment": NaN}'):
            self.check(text, "not JSON")
        (self.folder / "binary").write_bytes(b"\xff\xfe\x00")
        with self.assertRaisesRegex(Failed, "not JSON"):
            changes.load(self.folder / "binary")

    def test_another_layout(self):
        self.check([], "no environment")
        self.check({"results": []}, "no environment")
        self.check({"environment": {}}, "no results")
        for change, why in (
                ({"results": {}}, "'results' is something else"),
                ({"paths": []}, "'paths' is something else"),
                ({"results": [3]}, "results[0] is no object"),
                ({"results": [{}]}, "results[0] has no 'part'"),
                ({"results": [{**row("own", 1), "path": []}]}, "results[0] has no 'path'"),
                ({"results": [{**row("own", 1), "better": "big"}]}, "results[0] has no 'better'"),
                ({"results": [{**row("own", 1), "samples": ["1"]}]}, "results[0] has no samples"),
                ({"programs": [{**program(1), "above": None}]}, "programs[0] has no samples"),
                ({"scale": [{**scale("script", 1), "samples": 4}]}, "scale[0] has no samples")):
            self.check({**document(), **change}, why)


class Shown(Compared):
    def run_it(self, *args):
        return subprocess.run([BENCH / "compare", *args], capture_output=True, text=True, check=False)

    def test_tables(self):
        second = document()
        second["results"][2]["samples"] = [1.2 * x for x in second["results"][2]["samples"]]
        second["results"].append(row("a-path-of-another-name", 3))
        second["environment"]["kernel"] = "7.2 " + "x" * 200
        second["interrupted"] = True
        done = self.run_it(self.file(document(), "a.json"), self.file(second, "b.json"))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        lines = done.stdout.splitlines()
        self.assertTrue(lines[1].endswith(", interrupted"), lines[1])
        self.assertEqual(lines[2], "differs: kernel:")
        self.assertIn("  own       /loopback   0.9  0.882..0.918  1.08  1.058..1.102  1.2  faster", lines)
        self.assertIn("only in B: paths: tcp_stream, 1 CPU: a-path-of-another-name", lines)
        self.assertEqual(lines[-1], "8 cells: B is faster in 1, the same in 7, slower in 0, not to "
                                    "say in 0")

    def test_tables_are_narrow(self):
        names = ("loopback-rules", "bridge-rules", "host-attached", "wire-bystander")
        one = {**document(), "results": [row(name, 123456.7) for name in names]}
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            versus.show(self.found(one, copy.deepcopy(one)))
        self.assertLessEqual(max(map(len, out.getvalue().splitlines())), WIDTH)

    def test_figures_are_warned_of(self):
        one = {**document(), "results": [row("own", 1)]}
        done = self.run_it(self.file(one, "a.json"), self.file(one, "b.json"))
        self.assertIn("NOTE: figures in a unit have nothing beside them", done.stdout)
        done = self.run_it(self.file(one, "a.json"), self.file({**one, "results": [
            {**row("own", 1), "samples": [1, 2]}]}, "b.json"))
        self.assertIn("NOTE: ?: too few rounds", done.stdout)

    def test_json(self):
        file = self.file(document(), "a.json")
        done = self.run_it("-j", file, file)
        found = json.loads(done.stdout)
        self.assertEqual(sorted(found), ["a", "b", "cells", "differences", "only_a", "only_b"])
        self.assertEqual(found, json.loads(json.dumps(changes.changes(file, file))))

    def test_bad_input_is_one_line(self):
        good = self.file(document(), "a.json")
        for bad in (self.folder / "none", self.file("{", "b.json"), self.file([], "c.json")):
            done = self.run_it(good, bad)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertRegex(done.stderr, rf"^compare: {bad}: .+\n$")
        self.assertEqual(self.run_it(good).returncode, 2)


if __name__ == "__main__":
    unittest.main()
