# SPDX-License-Identifier: GPL-2.0-only
"""Tables for people, JSON for programs, progress for the impatient."""

import json
import os
import sys
import textwrap
import time
from pathlib import Path

from lib import stats
from lib.compare import JUDGES
from lib.loads import UNITS
from lib.sandbox import Interrupted

WIDTH = 110  # columns that a table may take


SILENT = False  # nothing on stderr


def quiet(wanted):
    global SILENT
    SILENT = wanted


def say(text):
    """One line on stderr; a progress line that stands there is overwritten."""
    if SILENT:
        return
    print(f"\r\033[K{text}" if sys.stderr.isatty() else text, file=sys.stderr, flush=True)


def columns():
    """Of the terminal that progress is shown on."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except OSError:
        return 80


class Progress:
    """On a terminal a line that is rewritten, with the time left, elsewhere one line a round."""

    def __init__(self, what, rounds, clock=time.monotonic):
        self.what, self.rounds, self.clock = what, rounds, clock
        self.shown = None  # number of the round
        self.turns = None  # of a round, where it is known
        self.texts = set()  # of this round's turns
        self.took = {}  # text: seconds of its last turn
        self.now = None  # (text of this turn, when it began)

    def expect(self, turns):
        """How many turns a round has; without it the first round says so at its end."""
        self.turns = turns

    def __call__(self, number, text):
        self.turn(number, text)
        if SILENT:
            return
        stage = f"round {number}/{self.rounds}" if number else "warm-up"
        if sys.stderr.isatty():
            left = duration(self.left(number))
            line = ", ".join(filter(None, (f"{self.what}: {stage}", left, text)))
            print(f"\r\033[K{line[:columns() - 1]}", end="", file=sys.stderr, flush=True)
        elif number != self.shown:
            print(f"{self.what}: {stage}", file=sys.stderr, flush=True)
        self.shown = number

    def turn(self, number, text):
        """The last turn is over, the next one begins."""
        now = self.clock()
        if self.now:
            self.took[self.now[0]] = now - self.now[1]
        if number != self.shown:
            if self.shown:
                self.turns = len(self.texts)
            self.texts = set()
        self.texts.add(text)
        self.now = text, now

    def left(self, number):
        """
        Seconds until the last round is over, None where they cannot be told yet.

        A turn takes what it took the last time; one that never was, what those took that were.
        """
        if not self.turns or not self.took:
            return None
        mean = sum(self.took.values()) / len(self.took)
        new = max(0, self.turns - len(self.took.keys() | self.texts))
        whole = sum(self.took.values()) + (self.turns - len(self.took)) * mean
        coming = [text for text in self.took if text not in self.texts]
        rest = sum(self.took[text] for text in coming) + new * mean
        return (self.rounds - number) * whole + rest + self.took.get(self.now[0], mean)

    def done(self):
        if sys.stderr.isatty() and not SILENT:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def duration(seconds):
    """What a person wants to know of the time left."""
    if seconds is None:
        return None
    return f"{seconds / 60:.0f} min left" if seconds >= 90 else f"{seconds:.0f} s left"


def number(value, digits=4):
    """Four significant digits, without an exponent: 24.51, 132400, 0.9871."""
    if value is None:
        return "-"
    value = float(f"{value:.{digits}g}")
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"


def between(pair):
    """An interval, in one cell: near 1 with three decimals, because 1.002..1.004 is not 1..1."""
    if not pair:
        return "-"
    return "..".join(f"{edge:.3f}" if 0.1 <= abs(edge) < 10 else number(edge, 3) for edge in pair)


def table(head, rows):
    """First column left, the others right."""
    text = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in text) for i in range(len(head))]
    for row in text:
        cells = [row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]
        print("  " + "  ".join(cells).rstrip())
    print()


def fitting(columns, spare):
    """Columns, as lists with their heads, without as many of the spare heads as there is no room for."""
    for heads in spare:
        if sum(max(map(len, column)) + 2 for column in columns) <= WIDTH:
            break
        columns = [column for column in columns if column[0] not in heads]
    return columns


def listed(what, words):
    """A line of many words, wrapped."""
    print(textwrap.fill(f"{what}: {', '.join(words)}", WIDTH, subsequent_indent="  ",
                        break_on_hyphens=False))


def header(environment, rounds):
    conntrack = environment["conntrack"]
    print(f"kernel {environment['kernel']}, {environment['ncpu']} x {environment['cpu']}")
    print(f"host: conntrack {'active' if conntrack['active'] else 'not active'}, "
          f"{conntrack['entries'] or 0} entries, {conntrack['nft_rules'] or 0} nft rules; "
          f"{environment['date']}")
    print(f"rounds: {rounds}, in a new order in each; {stats.SPREAD}")
    print(f"ratios are taken within a round, then their median; {stats.CONFIDENCE} %: its interval; "
          "verdict: \"same\" if that has 1 in it")
    if rounds < stats.ROUNDS:
        print(f"NOTE: these are no measurements: they take {stats.ROUNDS} rounds or more")
    if rounds < stats.LEAST:
        print(f"NOTE: there are no verdicts: they take {stats.LEAST} rounds or more")
    print(flush=True)


# What ratios are to, and the heads of their columns.
BASES = {"host": "/host", "loopback": "/loopback", "loopback-rules": "/lo-rules",
         "bridge-rules": "/br-rules", "host-bridge": "/host-br", "cable": "/cable",
         "wire-host": "/wire-host", "wire-docker": "/docker"}


def judge(rows):
    """What the verdicts of a table are against, None where there is nothing."""
    return next((base for base in JUDGES if any(base in row["verdict"] for row in rows)), None)


def verdicts(rows, base):
    """Columns of what is said of the rows beside one of them: ratio, interval, word."""
    if base is None:
        return []
    return [[BASES[base], *(number(row["ratio"].get(base), 3) for row in rows)],
            [f"{stats.CONFIDENCE} %", *("" if row["path"] == base else
                                        between(row["ratio_interval"].get(base)) for row in rows)],
            ["verdict", *("" if row["path"] == base else row["verdict"].get(base) or "-"
                          for row in rows)]]


def compared(rows):
    """The table of one case: what is said of a path beside the host's comes first, then the rest."""
    base = judge(rows)
    # What was not run takes no column.
    others = [name for name in BASES
              if name != base and any(name in row["ratio"] for row in rows)]
    taken = [sum(sample is not None for sample in row["samples"]) for row in rows]
    columns = [["path", *(row["path"] for row in rows)],
               *([key, *(number(row[key]) for row in rows)] for key in ("median", "low", "high")),
               *verdicts(rows, base),
               *([BASES[name], *(number(row["ratio"].get(name), 3) for row in rows)]
                 for name in others),
               ["samples", *map(str, taken)]]
    head, *cells = zip(*fitting(columns, [("low", "high"), *([BASES[name]] for name in others)]))
    table(head, cells)


def comparison(rows):
    for case in UNITS:
        for cpus in (1, 2):
            part = [row for row in rows if row["case"] == case and row["cpus"] == cpus]
            if not part:
                continue
            where = "client and server on one CPU" if cpus == 1 else "on two CPUs"
            print(f"{case}, {where}: {UNITS[case]}, {part[0]['better']} is better")
            compared(part)
            for key, what in (("shortcut", "packets by the shortcut"),
                              ("ratio_to_one_flow", "ratio to one flow")):
                known = [row for row in part if key in row]
                if known:
                    listed(what, [f"{row['path']} {number(row[key], 3)}" for row in known])
                    print()


def programs(rows):
    if not rows:
        return
    print("BPF programs: ns per run, above an empty program on the same kind of port, and that in "
          "units of the reference's;\ninstructions, and how many the verifier looked at")
    table(["program", "hook", "load", "median", "empty", "above", f"{stats.CONFIDENCE} %",
           "/reference", "instructions", "verified"],
          [[row["name"], row["hook"], row["load"], number(row["median"], 3),
            number(row["empty"]["median"], 3), number(row["above"]["median"], 3),
            between(row["above"]["interval"]), number(row["ratio"].get("reference"), 3),
            row["instructions"], row["verified"] or "-"] for row in rows])


def beside_script(row):
    """Ratio, interval, word."""
    if row["by"] == "script":
        return ["1", "", ""]
    return [number(row["ratio"].get("script"), 3), between(row["ratio_interval"].get("script")),
            row["verdict"].get("script") or "-"]


def scale(rows):
    times = [row for row in rows if "memory" not in row["what"]]
    memory = [row for row in rows if "memory" in row["what"]]
    bases = {"script-parallel": "/script-par", "cni": "/cni"}
    if times:
        print("many namespaces: ms per namespace or port, and ratio to others who do the same")
        table(["what", "namespaces", "by", "median", "low", "high", "/script",
               f"{stats.CONFIDENCE} %", "verdict", *bases.values(), "samples"],
              [[row["what"], row["namespaces"], row["by"], number(row["median"]),
                number(row["low"]), number(row["high"]), *beside_script(row),
                *(number(row["ratio"].get(base), 3) for base in bases),
                sum(sample is not None for sample in row["samples"])] for row in times])
    growth = {(row["what"], row["by"]): row["growth"] for row in times if "growth" in row}
    if growth:
        print("time per namespace, largest size / smallest: " +
              ", ".join(f"{what} by {by} {number(x, 3)}" for (what, by), x in growth.items()))
        print()
    if memory:
        print("kernel memory: KiB per namespace (attach: per port of others), and all BPF maps")
        table(["what", "namespaces", "by", "median", "low", "high", "/script", "maps"],
              [[row["what"].replace("_memory", ""), row["namespaces"], row["by"],
                *(number(row[key] / 1024) for key in ("median", "low", "high")),
                number(row["ratio"].get("script"), 3),
                number(row["maps"] / 1024) if "maps" in row else "-"] for row in memory])


def skipped(rows, refused):
    for row in rows:
        print("skipped: " + " ".join(str(row[key]) for key in row if key != "reason") +
              f": {row['reason']}")
    for row in refused:
        cpus = f", cpus {row['cpus']}" if "cpus" in row else ""
        print(f"refused: {row['path']}, {row['case']}{cpus}, round {row['round']}: {row['reason']}")


def write(file, document):
    """By rename, so that a reader never sees half of it."""
    path = Path(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    temp = path.with_name(path.name + ".tmp")
    temp.write_text(json.dumps(document, indent=1) + "\n")
    os.replace(temp, path)
    return f"written: {file}"


def finish(output, document, found, writing=None):
    """The end of a run: write what was found, if it is to be written; returns the exit code."""
    if Interrupted.came:
        document["interrupted"] = True
        say("interrupted: rounds that were not complete do not count" if found else
            "interrupted before a round was complete: nothing is written")
    if output and (found or not Interrupted.came):
        print((writing or write)(output, document))
    if Interrupted.came:
        return 130
    return 0 if found and not document["refused"] else 1
