# SPDX-License-Identifier: GPL-2.0-only
"""Tables for people, JSON for programs, progress for the impatient."""

import json
import os
import sys
from pathlib import Path

from lib import stats
from lib.loads import LOWER_IS_BETTER, UNITS


def say(text):
    """One line on stderr; a progress line that stands there is overwritten."""
    print(f"\r\033[K{text}" if sys.stderr.isatty() else text, file=sys.stderr, flush=True)


class Progress:
    """On a terminal a line that is rewritten, elsewhere one line a round."""

    def __init__(self, what, rounds):
        self.what, self.rounds, self.shown = what, rounds, None

    def __call__(self, number, text):
        stage = f"round {number}/{self.rounds}" if number else "warm-up"
        if sys.stderr.isatty():
            print(f"\r\033[K{self.what}: {stage}, {text}", end="", file=sys.stderr, flush=True)
        elif number != self.shown:
            print(f"{self.what}: {stage}", file=sys.stderr, flush=True)
        self.shown = number

    def done(self):
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def number(value, digits=4):
    """Four significant digits, without an exponent: 24.51, 132400, 0.9871."""
    if value is None:
        return "-"
    value = float(f"{value:.{digits}g}")
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"


def table(head, rows):
    """First column left, the others right."""
    text = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in text) for i in range(len(head))]
    for row in text:
        cells = [row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]
        print("  " + "  ".join(cells).rstrip())
    print()


def header(environment, rounds):
    conntrack = environment["conntrack"]
    print(f"kernel {environment['kernel']}, {environment['ncpu']} x {environment['cpu']}")
    print(f"host: conntrack {'active' if conntrack['active'] else 'not active'}, "
          f"{conntrack['entries'] or 0} entries, {conntrack['nft_rules'] or 0} nft rules; "
          f"{environment['date']}")
    print(f"rounds: {rounds}, in a new order in each; {stats.SPREAD}; ratios are taken within a "
          "round, then their median")
    if rounds < stats.ROUNDS:
        print(f"NOTE: these are no measurements: they take {stats.ROUNDS} rounds or more")
    print(flush=True)


# What ratios are to, and the heads of their columns.
BASES = {"host": "/host", "loopback": "/loopback", "loopback-rules": "/lo-rules",
         "bridge-rules": "/br-rules", "host-bridge": "/host-br", "cable": "/cable",
         "wire-host": "/wire-host"}


def comparison(rows):
    for case in UNITS:
        for cpus in (1, 2):
            part = [row for row in rows if row["case"] == case and row["cpus"] == cpus]
            if not part:
                continue
            better = "lower" if case in LOWER_IS_BETTER else "higher"
            where = "client and server on one CPU" if cpus == 1 else "on two CPUs"
            print(f"{case}, {where}: {UNITS[case]}, {better} is better")
            # What was not run takes no column.
            bases = [base for base in BASES if any(base in row["ratio"] for row in part)]
            proven = ["shortcut"] if any("shortcut" in row for row in part) else []
            table(["path", "median", "low", "high", *map(BASES.get, bases), *proven, "samples"],
                  [[row["path"], number(row["median"]), number(row["low"]), number(row["high"]),
                    *(number(row["ratio"].get(base), 3) for base in bases),
                    *(number(row.get(key), 3) for key in proven),
                    sum(sample is not None for sample in row["samples"])] for row in part])
            grown = [row for row in part if "ratio_to_one_flow" in row]
            if grown:
                print("ratio to one flow: " + ", ".join(
                    f"{row['path']} {number(row['ratio_to_one_flow'], 3)}" for row in grown))
                print()


def programs(rows):
    if not rows:
        return
    print("BPF programs: ns per run, above an empty program on the same kind of port, and that in "
          "units of the reference's;\ninstructions, and how many the verifier looked at")
    table(["program", "hook", "load", "runs", "median", "empty", "above", "low", "high",
           "/reference", "instructions", "verified"],
          [[row["name"], row["hook"], row["load"], row["runs"], number(row["median"], 3),
            number(row["empty"]["median"], 3), number(row["above"]["median"], 3),
            number(row["above"]["low"], 3), number(row["above"]["high"], 3),
            number(row["ratio"].get("reference"), 3), row["instructions"],
            row["verified"] or "-"] for row in rows])


def scale(rows):
    times = [row for row in rows if "memory" not in row["what"]]
    memory = [row for row in rows if "memory" in row["what"]]
    bases = {"script": "/script", "script-parallel": "/script-par", "cni": "/cni"}
    if times:
        print("many namespaces: ms per namespace or port, and ratio to others who do the same")
        table(["what", "namespaces", "by", "median", "low", "high", *bases.values(), "samples"],
              [[row["what"], row["namespaces"], row["by"], number(row["median"]),
                number(row["low"]), number(row["high"]),
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
