# SPDX-License-Identifier: GPL-2.0-only
"""Loads over all paths, interleaved: in every round, each load goes over every path.

What drifts (clock speed, neighbours on the machine) then hits all paths alike, and
ratios within a round do not see it.
"""

import random
from dataclasses import dataclass, field

from lib import environ, others, outside, paths, stats
from lib.fastveth import SHARE, SHARE_OUTSIDE, proof, proof_outside, shortcut_share
from lib.loads import LOAD_OF, LOADS, LOWER_IS_BETTER, UNITS, missing
from lib.sandbox import Failed, Interrupted

BASES = ("host", "loopback", "loopback-rules", "bridge-rules", "host-bridge", "cable", "wire-host",
         "wire-docker")
# What verdicts of a table are against: the first of these that was run. To serve from a process of
# the host itself is what there is to be as good as.
JUDGES = ("wire-host", "loopback", "cable", "host", "bridge-rules", "loopback-rules", "host-bridge")
INSIDE = {**paths.BUILDERS, **others.BUILDERS}
BUILDERS = {**INSIDE, **outside.BUILDERS}
# A flow begins and ends on the slow path, and sends a probe or two a second over it: of a load of many
# flows these are a part. This much of what must take the shortcut otherwise has to then.
MANY_FLOWS = {"http_keepalive": 0.95, "flows_10000": 0.8}
# Of streams, whose packets are few and large, so many of each need not.
STREAMS = {"tcp_stream_8": 8, "tcp_stream_64": 64}
SLOW = 20


@dataclass
class Comparison:
    paths: dict = field(default_factory=dict)  # name: Path
    samples: dict = field(default_factory=dict)  # (case, cpus, path): [one per round]
    shares: dict = field(default_factory=dict)  # (load, cpus, path): [of shortcut, one per round]
    skipped: list = field(default_factory=list)  # {path, reason} and more
    refused: list = field(default_factory=list)  # {path, case, cpus, round, reason}
    complete: int = 0  # rounds

    def skip(self, say, reason, **what):
        self.skipped.append({**what, "reason": reason})
        say(f"skipped: {' '.join(str(word) for word in what.values())}: {reason}")

    def cut(self):
        """Forget a round that is not complete: of some paths it would have more than of others."""
        for taken in (*self.samples.values(), *self.shares.values()):
            del taken[self.complete:]
        self.refused = [row for row in self.refused if row["round"] <= self.complete]


def doubt(path, load, before, after, least):
    """Why it is not proven that a load took the shortcut, or None."""
    if load == "http_close":
        # Of a connection for each request, most packets may go the slow path: nothing is claimed.
        return None
    if path.inside:
        return proof_outside(before, after, least)
    part, slow = MANY_FLOWS.get(load, 1), STREAMS.get(load, 0) * SLOW
    if path.flowtable:
        return others.proof(before, after, least, min(SHARE_OUTSIDE, part), slow)
    return proof(before, after, SHARE * part * least - slow, SHARE * part, slow)


def run_load(path, load, cpus, seconds):
    """
    ({case: value}, share of packets by the shortcut or None).

    Failed where the load failed or did not take the path.
    """
    counted = path.fastveth or path.flowtable
    before = counted.counters() if counted else None
    values, least = LOADS[load](path, cpus, seconds)
    if not counted:
        return values, None
    after = counted.counters()
    why = doubt(path, load, before, after, least)
    if why:
        raise Failed(why)
    share = others.flowtable_share if path.flowtable else shortcut_share
    return values, share(before, after)


def build(comparison, names, say):
    for name in names:
        try:
            path = paths.build(name, BUILDERS)
            path.info["conntrack"] = environ.netfilter(path.client if name == "host" else path.host)
            path.info["offloads"] = environ.offloads(path)
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
        why = missing(load)
        if why:
            comparison.skip(say, why, path="all", case=load)
            loads.remove(load)
    return [(cpus, pins[cpus], load) for cpus in options.cpus if None not in pins[cpus]
            for load in loads if cpus == 1 or load in options.two]


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
        row = {"path": name, "case": case, "cpus": cpus, "unit": UNITS[case],
               "better": "lower" if case in LOWER_IS_BETTER else "higher",
               "samples": [stats.rounded(sample, 7) for sample in samples],
               "median": stats.rounded(median), "low": stats.rounded(low),
               "high": stats.rounded(high), "interval": stats.edges(stats.interval(samples)),
               "ratio": {}, "ratio_spread": {}, "ratio_interval": {}, "verdict": {}}
        for base in BASES:
            stats.against(row, base, samples, comparison.samples.get((case, cpus, base), ()))
        rows.append(row)
        short = stats.spread(comparison.shares[LOAD_OF[case], cpus, name])[0]
        if short is not None:
            row["shortcut"] = stats.rounded(short)
        one = comparison.samples.get(("flows_1", cpus, name))
        if case == "flows_10000" and one:
            row["ratio_to_one_flow"] = stats.rounded(stats.ratio(samples, one)[0])
    order = list(comparison.paths)
    return sorted(rows, key=lambda row: order.index(row["path"]))


def compare(options, say, progress):
    """Returns (results[], skipped[], refused[], paths{}); once interrupted, of the complete rounds."""
    comparison = Comparison()
    try:
        build(comparison, options.paths, say)
        plan = turns(comparison, options, say)
        progress.expect(len(plan) * len(comparison.paths))
        for number in range(options.rounds + 1):
            one_round(comparison, number, plan, options, progress)
            comparison.complete = number
    except Interrupted:
        comparison.cut()
    finally:
        for path in comparison.paths.values():
            if path.host:
                path.host.close()
    rows = results(comparison)
    measured = {row["path"] for row in rows}
    for name in comparison.paths:
        if comparison.complete and plan and name not in measured:
            why = [item["reason"] for item in comparison.refused if item["path"] == name]
            comparison.skip(say, f"every sample was refused, first: {why[0]}", path=name)
    return rows, comparison.skipped, comparison.refused, {
        name: path.info for name, path in comparison.paths.items()}
