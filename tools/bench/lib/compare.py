# SPDX-License-Identifier: GPL-2.0-only
"""Loads over all paths, interleaved: in every round, each load goes over every path.

What drifts (clock speed, neighbours on the machine) then hits all paths alike, and
ratios within a round do not see it.
"""

import random
import shutil
from dataclasses import dataclass, field

from lib import environ, outside, paths, stats
from lib.fastveth import SHARE, proof, proof_outside, shortcut_share
from lib.loads import LOAD_OF, LOADS, TOOLS, UNITS
from lib.sandbox import Failed

BASES = ("host", "loopback", "loopback-rules", "bridge-rules", "host-bridge", "cable", "wire-host")
BUILDERS = {**paths.BUILDERS, **outside.BUILDERS}


@dataclass
class Comparison:
    paths: dict = field(default_factory=dict)  # name: Path
    samples: dict = field(default_factory=dict)  # (case, cpus, path): [one per round]
    shares: dict = field(default_factory=dict)  # (load, cpus, path): [of shortcut, one per round]
    skipped: list = field(default_factory=list)  # {path, reason} and more
    refused: list = field(default_factory=list)  # {path, case, cpus, round, reason}

    def skip(self, say, reason, **what):
        self.skipped.append({**what, "reason": reason})
        say(f"skipped: {' '.join(str(word) for word in what.values())}: {reason}")


def doubt(path, load, before, after, least):
    """Why it is not proven that a load took the shortcut, or None."""
    if path.inside:
        # Of a connection for each request, most packets go the slow path: nothing is claimed.
        return None if load == "http_close" else proof_outside(before, after, least)
    # A flow sends a probe or two a second the slow way: of many flows these are a part.
    part = 0.8 if load == "flows_10000" else 1
    return proof(before, after, SHARE * part * least, SHARE * part)


def run_load(path, load, cpus, seconds):
    """
    ({case: value}, share of packets by the shortcut or None).

    Failed where the load failed or did not take the path.
    """
    before = path.fastveth.counters() if path.fastveth else None
    values, least = LOADS[load](path, cpus, seconds)
    if not path.fastveth:
        return values, None
    after = path.fastveth.counters()
    why = doubt(path, load, before, after, least)
    if why:
        raise Failed(why)
    return values, shortcut_share(before, after)


def build(comparison, names, say):
    for name in names:
        try:
            path = paths.build(name, BUILDERS)
            path.info["conntrack"] = environ.netfilter(path.client if name == "host" else path.host)
            comparison.paths[name] = path
            if path.info.get("rules", "docker") != "docker":
                say(f"{name}: rules as Docker writes them, {path.info['rules']}")
        except Failed as failed:
            comparison.skip(say, str(failed), path=name)


def turns(comparison, options, say):
    """The (cpus, load) pairs of one round that this machine can do."""
    one, two = environ.cpu_pair()
    pins = {1: (one, one), 2: (one, two)}
    if two is None and 2 in options.cpus:
        comparison.skip(say, "the machine has one", path="all", cpus="2 CPUs")
    loads = list(dict.fromkeys(LOAD_OF[case] for case in options.cases))
    for load in list(loads):
        missing = [tool for tool in TOOLS.get(load, ()) if not shutil.which(tool)]
        if missing:
            comparison.skip(say, f"not installed: {', '.join(missing)}: run `make deps`",
                            path="all", case=load)
            loads.remove(load)
    return [(cpus, pins[cpus], load) for cpus in options.cpus if None not in pins[cpus]
            for load in loads]


def one_round(comparison, number, plan, options, progress):
    """Round 0 is warm-up: nothing is kept, and what fails there is left to fail again."""
    for cpus, pins, load in plan:
        if not number and load == "tcp_rr":
            continue  # sockperf warms up by itself
        order = list(comparison.paths.values())
        random.shuffle(order)
        for path in order:
            progress(number, f"{load}, {cpus} CPU{'s' if cpus > 1 else ''}: {path.name}")
            try:
                values, short = run_load(path, load, pins, options.seconds)
            except Failed as failed:
                values, short = {}, None
                if number:
                    comparison.refused.append({
                        "path": path.name, "case": load, "cpus": cpus, "round": number,
                        "reason": str(failed)})
            if number:
                comparison.shares.setdefault((load, cpus, path.name), []).append(short)
                for case in options.cases:
                    if LOAD_OF[case] == load:
                        key = (case, cpus, path.name)
                        comparison.samples.setdefault(key, []).append(values.get(case))


def results(comparison):
    rows = []
    for (case, cpus, name), samples in comparison.samples.items():
        median, low, high = stats.spread(samples)
        if median is None:
            continue
        ratios, spreads = {}, {}
        for base in BASES:
            other = comparison.samples.get((case, cpus, base))
            middle, *edges = stats.ratio(samples, other) if other else (None,)
            if middle is not None:
                ratios[base] = stats.rounded(middle)
                spreads[base] = [stats.rounded(edge) for edge in edges]
        rows.append({"path": name, "case": case, "cpus": cpus, "unit": UNITS[case],
                     "samples": [stats.rounded(sample, 7) for sample in samples],
                     "median": stats.rounded(median), "low": stats.rounded(low),
                     "high": stats.rounded(high), "ratio": ratios, "ratio_spread": spreads})
        short = stats.spread(comparison.shares[LOAD_OF[case], cpus, name])[0]
        if short is not None:
            rows[-1]["shortcut"] = stats.rounded(short)
        one = comparison.samples.get(("flows_1", cpus, name))
        if case == "flows_10000" and one:
            rows[-1]["ratio_to_one_flow"] = stats.rounded(stats.ratio(samples, one)[0])
    order = list(comparison.paths)
    return sorted(rows, key=lambda row: order.index(row["path"]))


def compare(options, say, progress):
    """Returns (results[], skipped[], refused[], paths{})."""
    comparison = Comparison()
    try:
        build(comparison, options.paths, say)
        plan = turns(comparison, options, say)
        for number in range(options.rounds + 1):
            one_round(comparison, number, plan, options, progress)
    finally:
        for path in comparison.paths.values():
            if path.host:
                path.host.close()
    rows = results(comparison)
    measured = {row["path"] for row in rows}
    for name in comparison.paths:
        if plan and name not in measured:
            why = [item["reason"] for item in comparison.refused if item["path"] == name]
            comparison.skip(say, f"every sample was refused, first: {why[0]}", path=name)
    return rows, comparison.skipped, comparison.refused, {
        name: path.info for name, path in comparison.paths.items()}
