# SPDX-License-Identifier: GPL-2.0-only
"""The HTML report of a recorded run: what is in it, what is not, and what a browser makes of it.

data/full.json is of `fastveth bench --full`: all of it but a part of its paths and cases. data/run.json is
of a version that had no intervals and verdicts, joined from short runs of one hour on one machine (3
rounds of a second): paths, outside, progcost, scale, and one on a single CPU for what it skips.
"""

import importlib.machinery
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from html.parser import HTMLParser
from pathlib import Path
from unittest import mock

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
BENCH = HERE.parent.parent / "tools" / "bench"
sys.path[:0] = [str(BENCH), str(HERE)]

import chromium  # noqa: E402
from lib import answers, compare, describe, document, figures, gnuplot, html, scale  # noqa: E402
from lib.loads import UNITS  # noqa: E402
from lib.markup import element, prose, slug  # noqa: E402
from lib.sandbox import Failed  # noqa: E402

RUN, FULL = HERE / "data" / "run.json", HERE / "data" / "full.json"
TAGS = {"html", "head", "meta", "title", "style", "body", "header", "main", "section", "nav", "h1", "h2", "h3",
        "p", "ul", "li", "a", "div", "table", "thead", "tbody", "tr", "th", "td", "pre", "code", "small",
        "b", "i", "br", "span", "figure", "figcaption", *gnuplot.ELEMENTS}
EMPTY = {"meta", "br"}
HOSTILE = ("</title></style><script>alert(1)</script>\"'><img src=x onerror=alert(2)>'; system \"touch "
           "pwned\"; `touch pwned` $(touch pwned) @x %s%n%d%% \\\" & http://example.com/ url(x) \n\t\0 "
           "\ud800 \u202e")
no_plots = unittest.skipIf(gnuplot.missing(), gnuplot.missing())


def recorded():
    return document.load(RUN)


def judged():
    """The same with what later versions write, as a run of more rounds has it."""
    run = recorded()
    for row in run["results"]:
        row["better"] = "lower" if row["case"].startswith("tcp_rr") else "higher"
        row["interval"] = [row["low"] * 0.99, row["high"] * 1.01]
        row["ratio_interval"] = {base: [value * 0.98, value * 1.03] for base, value in row["ratio"].items()}
        row["verdict"] = {base: "same" if abs(value - 1) < 0.05 else
                          "faster" if (value < 1) == (row["better"] == "lower") else "slower"
                          for base, value in row["ratio"].items()}
    for row in run["scale"]:
        row["endpoints"] = row.pop("namespaces")
    for row in run["programs"]:
        row["instructions"] = 412
    run["method"]["rounds"] = 9
    return run


def hostile(value):
    """The same document with all its text made as bad as can be."""
    if isinstance(value, dict):
        # Keys that are not ours to choose.
        return {key if key in KEYS else f"{key} {HOSTILE}": inner if key in ("verdict", "better")
                else hostile(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [hostile(inner) for inner in value]
    return f"{value} {HOSTILE}" if isinstance(value, str) else value


KEYS = {"environment", "method", "paths", "ratio", "ratio_spread", "ratio_interval", "verdict", "empty", "above",
        "interval", "rounds", "round", "seed", "versions", *document.ROWS,
        *(key for required, allowed in document.ROWS.values() for key in {**required, **allowed})}


class Page(HTMLParser):
    """A page as elements; fails where one is not closed by its own end."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.open, self.words, self.wrong = [], [], [], []
        self.feed(text)
        self.close()
        self.wrong += [f"<{tag}> is never closed" for tag, _ in self.open]

    def handle_starttag(self, tag, attrs):
        inside = [item for item in (attributes.get("id") for _, attributes in self.open) if item]
        self.elements.append((tag, dict(attrs), inside))
        if tag not in EMPTY:
            self.open.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop()[0] != tag:
            self.wrong.append(f"</{tag}> at line {self.getpos()[0]}")

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag, **wanted):
        return [attributes for name, attributes, _ in self.elements if name == tag
                and all(attributes.get(key) == value for key, value in wanted.items())]

    def within(self, place, tag):
        return [attributes for name, attributes, inside in self.elements
                if name == tag and place in inside]

    def text(self):
        return " ".join("".join(self.words).split())


class Words(unittest.TestCase):
    def test_every_path_case_and_method_is_described(self):
        self.assertEqual([], [name for name in compare.BUILDERS if name not in describe.PATHS])
        self.assertEqual([], [case for case in UNITS if case not in describe.CASES])
        self.assertEqual([], [name for name in scale.METHODS if name not in describe.METHODS])
        kinds = {kind for kind, _ in [*describe.PATHS.values(), *describe.METHODS.values()]}
        self.assertLessEqual(kinds, set(describe.KINDS))
        self.assertLessEqual(set(describe.KINDS), set(gnuplot.COLOURS))

    def test_readme_has_the_same_sentences(self):
        readme = (BENCH / "README.md").read_text(encoding="utf-8")
        for name in [*compare.BUILDERS, *UNITS]:
            row = f"| `{name}` | {describe.sentence({**describe.PATHS, **describe.CASES}, name)}"
            with self.subTest(name):
                self.assertTrue(row in readme, f"README.md has not: {row}")

    def test_text_is_escaped_by_type(self):
        self.assertEqual('<p title="&quot;">&lt;b&gt;&amp;\ufffd</p>', element("p", "<b>&\0", title='"'))
        self.assertEqual("a <code>&lt;b&gt;</code>", prose("a `<b>`"))
        self.assertEqual("a ` b", prose("a ` b"))
        self.assertEqual("paths-tcp-1", slug("paths", "tcp/<>", 1))


class Answers(unittest.TestCase):
    def of(self, run, path):
        words = next(question for _, name, question, _ in answers.QUESTIONS if name == path)
        return next(answer for answer in answers.answers(run) if answer.question == words)

    def test_nothing_is_claimed_without_verdicts(self):
        for answer in answers.answers(recorded()):
            self.assertNotRegex(answer.sentence, "faster|slower|within noise")

    def test_sentences_are_the_files_verdicts(self):
        answer = self.of(judged(), "own")
        self.assertEqual(["loopback", "bridge-rules", "cable"], [base for base, *_ in answer.rows])
        self.assertRegex(answer.sentence, r"Beside `loopback`: .*slower in round trip \(1\.08\)")
        self.assertRegex(answer.sentence, r"beside `bridge-rules`: faster in round trip \(0\.71\)")
        run = judged()
        for row in run["results"]:
            row["verdict"] = dict.fromkeys(row["verdict"], "same")
        self.assertNotRegex(self.of(run, "own").sentence, "faster|slower")

    def test_a_cell_without_verdict_is_counted(self):
        run = judged()
        for row in run["results"]:
            row["verdict"] = {base: None if base == "cable" else "same" for base in row["verdict"]}
        self.assertIn("3 not judged.", self.of(run, "attached").sentence)

    def test_many_and_programs(self):
        many, programs = answers.answers(recorded())[-2:]
        self.assertEqual("With 200 of them, fastveth takes 1.35 ms/namespace for `up`.", many.sentence)
        row = next(row for row in recorded()["scale"] if row["what"] == "up" and row["by"] == "fastveth"
                   and row["namespaces"] == 200)
        self.assertEqual([row["median"], row["ratio"]["script"], row["ratio"]["script-parallel"]],
                         [found.middle for found in many.rows[0][2]])
        self.assertEqual("A program runs 21.7 ns (`fv_to_ns`) to 24.9 ns (`fv_from_ns`) longer than an empty "
                         "one on the same hook.", programs.sentence)
        self.assertEqual(("program", "and quartiles"), programs.heads[0])

    def test_an_interval_near_1_keeps_its_digits(self):
        self.assertEqual("1.002 to 1.004", figures.span(1.0021, 1.0039))
        self.assertEqual("24.5 to 1230", figures.span(24.51, 1234.6))

    def test_a_run_without_our_paths_says_so(self):
        run = {"environment": {}, "results": []}
        self.assertEqual([], answers.answers(run))


class Layout(unittest.TestCase):
    """What is no file of results is said in one line."""

    def refused(self, text, why):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "x.json")
            file.write_bytes(text if isinstance(text, bytes) else text.encode())
            with self.assertRaises(Failed) as caught:
                document.load(file)
        said = str(caught.exception)
        self.assertTrue(said.startswith(f"{file}: "), said)
        self.assertNotIn("\n", said)
        self.assertRegex(said, why)

    def changed(self, change, why):
        run = json.loads(RUN.read_text(encoding="utf-8"))
        change(run)
        self.refused(json.dumps(run), why)

    def test_no_json(self):
        self.refused("", "not JSON")
        self.refused("{", "not JSON")
        self.refused(b"\xff\xfe\x00", "not JSON")
        self.refused("[" * 100000, "not JSON")

    def test_other_json(self):
        for text in ("[]", "3", "null", "{}", '{"environment": 1}', '{"results": []}'):
            self.refused(text, "no `environment`")
        self.refused('{"environment": {}}', "no `results`")
        self.refused('{"environment": {}, "results": {}}', "`results` is no list")
        self.refused('{"environment": {}, "results": [1]}', r"results\[0\]: no object")
        self.refused('{"environment": {}, "results": [], "paths": []}', "`paths` is no object")

    def test_rows(self):
        self.changed(lambda run: run["results"][1].pop("median"), r"results\[1\]: no `median`")
        for key, value in (("path", 1), ("cpus", 0), ("cpus", "1"), ("samples", [True]), ("samples", "x"),
                           ("median", None), ("low", float("nan")), ("high", float("inf")),
                           ("median", 10 ** 400), ("ratio", []), ("ratio", {"cable": "1"}),
                           ("interval", [1]), ("ratio_interval", {"cable": [1, "2"]}),
                           ("verdict", {"cable": "better"}), ("part", None), ("shortcut", "1")):
            with self.subTest(key=key, value=str(value)[:20]):
                self.changed(lambda run: run["results"][0].update({key: value}),
                             rf"results\[0\]: `{key}` is not understood")
        self.changed(lambda run: run["programs"][0]["above"].pop("median"), r"programs\[0\]: `above`")
        self.changed(lambda run: run["scale"][0].pop("namespaces"), r"scale\[0\]: no `namespaces`")
        self.changed(lambda run: run["skipped"][0].pop("reason"), r"skipped\[0\]: no `reason`")

    def test_later_keys_and_unknown_ones_are_fine(self):
        document.check(judged())
        document.check({**recorded(), "more": [1], "results": [{**row, "x": {}} for row in recorded()["results"]]})
        run = judged()
        run["results"][0].update(interval=None, ratio_interval={"cable": None}, verdict={"cable": None})
        document.check(run)


class CommandLine(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="report-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def report(self, *words, **environment):
        return subprocess.run([sys.executable, str(BENCH / "report"), *map(str, words)], text=True,
                              capture_output=True, check=False, env={**os.environ, **environment})

    def fails(self, why, *words, code=1, **environment):
        done = self.report(*words, **environment)
        self.assertEqual(code, done.returncode, done.stderr)
        self.assertRegex(done.stderr, why)
        if code == 1:
            self.assertEqual(1, done.stderr.count("\n"), done.stderr)
        self.assertEqual([], list(self.folder.glob("*.html*")))

    @no_plots
    def test_beside_the_file_or_where_it_is_told(self):
        shutil.copy(RUN, self.folder / "run.json")
        done = self.report(self.folder / "run.json")
        self.assertEqual((0, f"written: {self.folder}/run.html\n", ""),
                         (done.returncode, done.stdout, done.stderr))
        done = self.report(RUN, "-o", self.folder / "other.html")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual((self.folder / "run.html").read_bytes(),
                         (self.folder / "other.html").read_bytes())
        self.assertEqual(["other.html", "run.html", "run.json"], sorted(os.listdir(self.folder)))

    def test_never_over_the_file_itself(self):
        self.assertEqual(Path("a/b.html"), html.beside("a/b.json"))
        self.assertEqual(Path("a/b.html.html"), html.beside("a/b.html"))

    def test_bad_files(self):
        self.fails("^report: .*none.json: No such file or directory$", self.folder / "none.json")
        self.fails("^report: /: Is a directory$", "/")
        (self.folder / "x.json").write_text("{}")
        self.fails("^report: .*x.json: not a file of results: no `environment`$", self.folder / "x.json")
        self.fails("usage: report", code=2)

    @no_plots
    def test_where_nothing_can_be_written(self):
        self.fails("^report: .*No such file or directory$", RUN, "-o", self.folder / "no" / "x.html")

    def test_without_gnuplot(self):
        self.fails("^report: gnuplot is not installed: run `make deps DEPS=bench`$", RUN, "-o",
                   self.folder / "x.html", PATH=str(self.folder))

    def test_run_goes_on_without_gnuplot(self):
        loader = importlib.machinery.SourceFileLoader("bench_run", str(BENCH / "run"))
        spec = importlib.util.spec_from_loader("bench_run", loader)
        run = importlib.util.module_from_spec(spec)
        loader.exec_module(run)
        file = self.folder / "bench.json"
        with mock.patch.dict(os.environ, PATH=str(self.folder)):
            said = run.write(str(self.folder), recorded())
        self.assertEqual(f"written: {file}, but no HTML report: gnuplot is not installed: run "
                         "`make deps DEPS=bench`", said)
        self.assertEqual(["bench.json"], os.listdir(self.folder))


class OfAnyRun:
    """What is in the page of FILE, whichever that is."""

    @classmethod
    def setUpClass(cls):
        cls.run_, cls.text = document.load(cls.FILE), html.page(document.load(cls.FILE))
        cls.page = Page(cls.text)

    def test_is_well_formed(self):
        self.assertEqual([], self.page.wrong)
        self.assertEqual(set(), {tag for tag, *_ in self.page.elements} - TAGS)
        ids = [attributes["id"] for _, attributes, _ in self.page.elements if "id" in attributes]
        self.assertEqual(sorted(set(ids)), sorted(ids))
        for tag, attributes, _ in self.page.elements:
            if "href" in attributes:
                self.assertIn(attributes["href"], [f"#{place}" for place in ids], tag)

    def test_is_one_file(self):
        for word in ("<script", "<link", "<img", "<iframe", "<object", "url(", "@import", " src=", "http://",
                     "https://", "javascript:"):
            self.assertNotIn(word, self.text.lower())
        for _, attributes, _ in self.page.elements:
            self.assertEqual([], [name for name in attributes if name.startswith("on")])
        policy = self.page.all("meta", **{"http-equiv": "Content-Security-Policy"})
        self.assertEqual([html.POLICY], [attributes["content"] for attributes in policy])

    def test_order(self):
        places = [attributes["id"] for tag, attributes, _ in self.page.elements
                  if tag in ("header", "section") and "id" in attributes]
        cases = [place for place in places if place.startswith("case-")]
        self.assertEqual(["answers", "compared", "repeat", "environment", *cases, "growth", "programs",
                          "skipped", "refused"], places)

    def test_every_case_path_and_plot(self):
        for part, case, cpus in {(row["part"], row["case"], row["cpus"]) for row in self.run_["results"]}:
            place = f"case-{slug(part, case, cpus)}"
            rows = [row for row in self.run_["results"]
                    if (row["part"], row["case"], row["cpus"]) == (part, case, cpus)]
            section = Page(str(re.search(rf'<section id="{place}".*?</section>', self.text, re.S)[0]))
            with self.subTest(place):
                plots = [attributes["id"] for attributes in section.all("svg")]
                self.assertEqual([f"plot-samples-{place}", f"plot-ratio-{place}"], plots)
                self.assertEqual(1, len(section.all("table", id=f"table-{place}")))
                host = next(found.host for found in html.cases(self.run_) if found.id == place)
                for row in rows:
                    # In the table and in both plots. There is no ratio to nothing.
                    least = 3 if row["ratio"].get(host) else 2
                    self.assertGreaterEqual(section.words.count(row["path"]), least, row["path"])
                    self.assertIn(html.number(row["median"]), section.words)
                dots = [use for use in section.within(f"plot-samples-{place}", "use") if "opacity" in use]
                self.assertEqual(sum(sample is not None for row in rows for sample in row["samples"]),
                                 len(dots))
        plots = [attributes["id"] for attributes in self.page.all("svg")]
        for what in {row["what"] for row in self.run_["scale"]}:
            self.assertIn(f"plot-growth-{slug(what)}", plots)
        self.assertIn("plot-programs", plots)
        for row in [*self.run_["programs"], *self.run_["scale"]]:
            self.assertIn(row.get("name", row.get("by")), self.page.words)

    def test_plots_can_be_read_without_eyes(self):
        for attributes in self.page.all("svg"):
            self.assertEqual("img", attributes["role"])
            self.assertRegex(attributes["aria-label"], r"\. .*[0-9]")
            self.assertIn("viewBox".lower(), attributes)
        titles = [inside[-1] for tag, _, inside in self.page.elements if tag == "title" and inside]
        self.assertEqual([attributes["id"] for attributes in self.page.all("svg")], titles)

    def test_a_path_has_one_colour(self):
        for case in html.cases(self.run_):
            for plot in ("samples", "ratio"):
                drawn = {use["style"] for use in self.page.within(f"plot-{plot}-{case.id}", "use")
                         if "style" in use}
                kinds = {describe.kind(row["path"]) for row in case.rows}
                self.assertEqual({f"color:var(--{kind})" for kind in kinds}, drawn)
        for kind in describe.KINDS:
            # For light and for dark.
            self.assertEqual(2, len(re.findall(rf"--{kind}: #", self.text)), kind)


@no_plots
class FullReport(OfAnyRun, unittest.TestCase):
    FILE = FULL

    def test_every_verdict_is_shown(self):
        """A word in a table for each ratio that the file judges, but of what is beside itself."""
        expected = sum(verdict is not None and base in row["ratio"] and base != row.get("path", row.get("by"))
                       for row in [*self.run_["results"], *self.run_["scale"]]
                       for base, verdict in row["verdict"].items())
        cells = [words for words in re.findall(r"<td>(.*?)</td>", self.text)
                 if re.search(r">(faster|same|slower)<", words)]
        self.assertGreater(expected, 300)
        self.assertGreaterEqual(len(cells), expected)

    def test_every_question_is_answered_beside_all_that_it_names(self):
        found = {answer.question: [base for base, *_ in answer.rows] for answer in answers.answers(self.run_)}
        for _, _, question, bases in answers.QUESTIONS:
            self.assertEqual(bases, found[question])


@no_plots
class Report(OfAnyRun, unittest.TestCase):
    FILE = RUN

    def test_what_was_run_skipped_and_refused(self):
        words = self.page.text()
        for text in (self.run_["environment"]["command"], self.run_["environment"]["date"],
                     self.run_["environment"]["versions"]["commit"], self.run_["environment"]["kernel"],
                     "the machine has one", "the shortcut counted 246331 sent",
                     "These are no measurements: 3 rounds"):
            self.assertIn(" ".join(text.split()), words)
        for name in {row["path"] for row in self.run_["results"]}:
            self.assertIn(str(prose(describe.sentence(describe.PATHS, name))), self.text)

    def test_quartiles_are_called_so(self):
        self.assertIn("quartiles", self.page.words)
        self.assertNotIn("interval", self.page.words)
        later = Page(html.page(judged()))
        self.assertEqual([], later.wrong)
        for word in ("interval", "faster", "slower", "same", "instructions", "412"):
            self.assertIn(word, later.words)

    def test_an_interrupted_run_says_so(self):
        self.assertNotIn("interrupted", self.page.text())
        self.assertIn("The run was interrupted", Page(html.page({**self.run_, "interrupted": True})).text())

    def test_parts_alone(self):
        for keep in ("results", "programs", "scale", None):
            run = {"environment": {}, **{key: self.run_[key] for key in [keep] if key}}
            page = Page(html.page(run))
            self.assertEqual([], page.wrong)
            self.assertEqual(bool(keep), bool(page.all("svg")))

    def test_rows_at_the_edge(self):
        run = recorded()
        run["results"] = run["results"][:3]
        run["results"][0].update(samples=[], median=0, low=0, high=0, ratio={})
        run["results"][1].update(samples=[None, 1], median=1e-9, low=-1, high=1e90, ratio={"cable": 0})
        run["results"][2].update(ratio={"cable": None}, ratio_spread={"cable": [None, 1]})
        for row in run["programs"]:
            row["above"].update(samples=[-3], median=-2, low=-3, high=-1)
        run["scale"] = run["scale"][:1]
        run["scale"][0].update(median=0, low=0, high=0)
        page = Page(html.page(run))
        self.assertEqual([], page.wrong)

    def test_hostile_text_stays_text(self):
        here = os.getcwd()
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            try:
                text = html.page(hostile(judged()))
                self.assertEqual([], os.listdir("."))
            finally:
                os.chdir(here)
        page = Page(text)
        self.assertEqual([], page.wrong)
        self.assertEqual(set(), {tag for tag, *_ in page.elements} - TAGS)
        ids = [attributes["id"] for _, attributes, _ in page.elements if "id" in attributes]
        self.assertEqual(sorted(set(ids)), sorted(ids))
        names = {name for _, attributes, _ in page.elements for name in attributes}
        self.assertEqual(set(), names - ATTRIBUTES)
        self.assertIn("</title></style><script>alert(1)</script>\"'><img src=x onerror=alert(2)>", page.text())
        self.assertIn("touch pwned", page.text())
        for bad in ("\0", "\ud800", "\u202e"):
            self.assertNotIn(bad, text)
        text.encode("utf-8")
        plain = Page(html.page(judged()))
        self.assertEqual(len(plain.all("svg")), len(page.all("svg")))


ATTRIBUTES = {"lang", "charset", "http-equiv", "content", "name", "id", "class", "role", "aria-label", "aria-hidden",
              "href", "tabindex", "scope", "style", *(name.lower() for name in gnuplot.ATTRIBUTES)}


# Sizes of what must be seen, and the colours that it is seen in.
SIZES = """[...document.querySelectorAll("svg, table")].map(node => {
    const box = node.getBoundingClientRect();
    return [node.id, node.tagName.toLowerCase(), box.width, box.height, box.right];
})"""
COLOURS = """(() => {
    const style = getComputedStyle(document.documentElement);
    const named = name => style.getPropertyValue("--" + name).trim();
    return Object.fromEntries(["paper", "wash", "ink", "soft", "good", "bad", "kernel", "rules", "fastveth",
        "beside", "other"].map(name => [name, named(name)]));
})()"""


def luminance(colour):
    """Of #rgb or #rrggbb, as WCAG has it."""
    digits = colour.lstrip("#")
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    parts = [int(digits[i:i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear))


def contrast(one, other):
    dark, light = sorted(map(luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


@no_plots
@unittest.skipUnless(chromium.program(), "Chromium is not installed: apt-get install chromium")
class InABrowser(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="report-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.file = cls.folder / "run.html"
        html.write(recorded(), cls.file)
        cls.full = cls.folder / "full.html"
        html.write(document.load(FULL), cls.full)
        cls.browser = chromium.Browser().__enter__()
        cls.addClassCleanup(cls.browser.__exit__)

    def open(self, file, width=1280, media="screen", scheme="light", phone=False):
        self.browser.screen(width, 900, phone)
        self.browser.media(media, scheme)
        self.browser.events.clear()
        self.browser.open(file)

    def quiet(self, file):
        self.assertEqual([], self.browser.complaints())
        self.assertEqual([file.as_uri()], self.browser.requests())

    def seen(self, file=None):
        """Sizes of all plots and tables, none of which is missing or empty."""
        page = Page((file or self.file).read_text(encoding="utf-8"))
        sizes = self.browser.run(SIZES)
        for tag in ("svg", "table"):
            self.assertEqual([attributes.get("id", "") for attributes in page.all(tag)],
                             [place for place, name, *_ in sizes if name == tag])
        for place, tag, width, height, _ in sizes:
            self.assertGreater(width, 60, f"{tag} {place}")
            self.assertGreater(height, 30, f"{tag} {place}")
        return sizes

    def test_loads_quietly_and_shows_all(self):
        self.open(self.file)
        self.quiet(self.file)
        self.assertEqual("Is it worth it on this machine?",
                         self.browser.run("document.querySelector('h1').innerText"))
        self.seen()
        self.assertLessEqual(self.browser.run("document.documentElement.scrollWidth"), 1280)
        self.assertTrue(self.browser.picture().startswith(b"\x89PNG"))

    def test_a_full_run_fits(self):
        for width, phone in ((1280, False), (390, True)):
            self.open(self.full, width, phone=phone)
            self.quiet(self.full)
            self.seen(self.full)
            self.assertLessEqual(self.browser.run("document.documentElement.scrollWidth"), width)

    def test_light_and_dark_can_be_read(self):
        papers = []
        for scheme in ("light", "dark"):
            self.open(self.file, scheme=scheme)
            self.seen()
            colours = self.browser.run(COLOURS)
            papers.append(self.browser.run("getComputedStyle(document.body).backgroundColor"))
            for name in set(colours) - {"paper", "wash"}:
                for ground in ("paper", "wash"):
                    with self.subTest(scheme=scheme, colour=name, on=ground):
                        self.assertGreaterEqual(contrast(colours[name], colours[ground]), 4.5)
        self.assertNotEqual(*papers)

    def test_fits_a_phone(self):
        self.open(self.file, width=360, phone=True)
        self.quiet(self.file)
        self.seen()
        self.assertLessEqual(self.browser.run("document.documentElement.scrollWidth"), 360)

    def test_prints_whole_tables(self):
        # A4 but for its margins, standing and lying, at 96 dots per inch.
        for width, wide in ((703, ".case:not(.wide)"), (1031, ".case.wide")):
            run = judged()
            for row in run["results"]:
                if wide == ".case.wide":
                    for key in ("ratio", "ratio_interval", "verdict"):
                        row[key].update({f"{base}-more": row[key][base] for base in list(row[key])})
            file = self.folder / "print.html"
            html.write(run, file)
            self.open(file, width=width, media="print", scheme="dark")
            self.assertTrue(self.browser.run(f"!!document.querySelector('{wide}')"))
            for place, tag, _, _, right in self.browser.run(SIZES):
                self.assertLessEqual(right, width, f"{tag} {place}")
            # Paper is white.
            self.assertEqual("rgb(255, 255, 255)",
                             self.browser.run("getComputedStyle(document.body).backgroundColor"))
            paper = self.browser.paper()
            self.assertTrue(paper.startswith(b"%PDF"))
            pages = len(re.findall(rb"/Type */Page\b", paper))
            self.assertGreater(pages, len(html.cases(run)))

    def test_hostile_text_does_nothing(self):
        file = self.folder / "hostile.html"
        html.write(hostile(judged()), file)
        self.open(file)
        self.quiet(file)
        self.assertEqual(0, self.browser.run("document.querySelectorAll('script, img, link').length"))

    def test_the_policy_forbids_what_slipped_through(self):
        """That the two above can fail: the browser does complain."""
        text = self.file.read_text(encoding="utf-8")
        file = self.folder / "broken.html"
        file.write_text(text.replace("</main>", "<script>1</script><img src=x.png></main>"), encoding="utf-8")
        self.open(file)
        self.browser.run("1")
        self.assertEqual(2, len([said for said in self.browser.complaints()
                                 if "Content Security Policy" in said]))


if __name__ == "__main__":
    unittest.main()
