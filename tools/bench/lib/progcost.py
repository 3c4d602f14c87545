# SPDX-License-Identifier: GPL-2.0-only
"""What a run of a BPF program costs, and how much of that is the program.

The kernel adds up run time and runs of each program; the clock around a run is
most of what it reads. So each program has a twin: ports of the same kind, the
same load, an empty program on the same hook. Both are measured in every round,
in random order, on one CPU.

    cli eth0 -- fv-cli (host) fv-srv -- eth0 srv     fastveth's programs
    cli eth0 -- p0     (host)     p1 -- eth0 srv     empty programs

and for a bridge of others, Docker's or with the rules that it writes:

    cli eth0 -- port   bridge   port -- eth0 srv     attached, or with empty programs

and for a host's uplink, over which a published server's packets or the host's own come:

    outside eth0 -- up0 (host)                       accelerated, or with empty programs

A program of a known amount of work, "reference", is measured like the others: in units of it,
costs on two machines can be compared.
"""

import os
import random
from dataclasses import dataclass, field, replace

from lib import bpf, environ, outside, paths, short, stats
from lib.fastveth import Fastveth
from lib.loads import LOADS, missing
from lib.sandbox import Failed, Interrupted, made

BUILDERS = {**paths.BUILDERS, **outside.BUILDERS}
LOAD_NAMES = {"udp": "udp_64", "tcp": "tcp_stream", "rr": "tcp_rr"}
LOAD_OF = {**{name: LOADS[load] for name, load in LOAD_NAMES.items()},
           "short": short.LOADS["udp_burst"]}
# Program: path that has it, path of the same kind that gets empty ones, direction of its hook. What
# the egress of a port sees is sent by the host; of an uplink, by the server.
KNOWN = {
    "fv_from_ns": ("own", "route", "ingress"),
    "fv_xdp_from_ns": ("own-xdp", "route", "ingress"),
    "fv_to_ns": ("own", "route", "egress"),
    # What takes the shortcut; what stays slow because the far port is not attached; and what
    # the host itself sends to an attached port.
    "fv_from_ns@attached": ("attached", "bridge-rules", "ingress"),
    "fv_from_ns@bystander": ("bystander", "bridge-rules", "ingress"),
    "fv_to_ns@attached": ("host-attached", "host-bridge", "egress"),
    # What comes and goes by proof over an uplink; and the host's own, which stays with the host.
    "fv_from_uplink@wire-attached": ("wire-attached", "wire-docker", "ingress"),
    "fv_to_uplink@wire-attached": ("wire-attached", "wire-docker", "egress"),
    "fv_from_uplink@wire-bystander": ("wire-bystander", "wire-host", "ingress"),
    "fv_to_uplink@wire-bystander": ("wire-bystander", "wire-host", "egress"),
}
REFERENCE = "reference"
PROGRAMS = [*KNOWN, REFERENCE]


def size(ids):
    """What the kernel made of a program: {instructions, machine_code, verified}."""
    sizes = [bpf.program_size(number) for number in ids]
    keys = ("instructions", "machine_code", "verified")  # the second in bytes
    return dict(zip(keys, max(sizes, key=lambda each: each[0])))


@dataclass
class Side:
    """One of two programs: its ids and the path whose packets it sees."""
    ids: list
    path: paths.Path
    samples: dict = field(default_factory=dict)  # load: [ns per run]
    runs: dict = field(default_factory=dict)  # load: runs over all rounds


@dataclass
class Measure:
    name: str
    hook: str
    program: Side
    empty: Side
    size: dict = field(init=False)

    def __post_init__(self):
        self.size = size(self.program.ids)


def outward(path):
    """The same, with the server sending to the outside."""
    return replace(path, client=path.server, server=path.client, address=outside.OUTSIDE,
                   inside=None)


class Bench:
    """Hosts that are built when the first program needs them."""

    def __init__(self):
        self.hosts = []
        self.made = {}

    def once(self, key, build):
        if key not in self.made:
            self.made[key] = build()
        return self.made[key]

    def ours(self, name):
        def build():
            path = paths.build(name, BUILDERS)
            self.hosts.append(path.host)
            return path
        return self.once(("ours", name), build)

    def twin(self, hook, file, tag, name="route"):
        """A path of the kernel's with the programs of an object file on its ports."""
        def build():
            path = paths.build(name, BUILDERS)
            self.hosts.append(path.host)
            if name in outside.BUILDERS:
                path.ports = (outside.UPLINK,)
            return path, bpf.Pinned(path.host, file, "bench")
        return self.once(("twin", hook, tag, name), build)

    def attached(self, hook, direction, file, name, tag, path_name="route"):
        """A Side with the program on both ports of its twin."""
        path, pinned = self.twin(hook, file, tag, path_name)

        def attach():
            for device in path.ports:
                pinned.attach(name, device, hook, direction)
        self.once(("attached", hook, tag, name, path_name), attach)
        return Side(pinned.ids(name), path)

    def address(self, host):
        """A source for what the host itself sends: of a real one, the uplink's address."""
        self.once(("address", host), lambda: host.ip(["addr add 192.0.2.1/32 dev lo"]))

    def empty(self, hook, direction, path_name):
        name = "empty_xdp" if hook == "xdp" else f"empty_{direction}"
        file = made("empty.bpf.o")
        return self.attached(hook, direction, file, name, "empty", path_name)

    def known(self, name):
        """A program of fastveth's beside an empty one."""
        ours, twin, direction = KNOWN[name]
        path = self.ours(ours)
        hook = path.info.get("uplink_hook", path.info["hook"])
        # Both twins have both directions attached, as fastveth's ports have.
        empty = self.empty(hook, direction, twin)
        if hook != "xdp":
            self.empty(hook, "egress" if direction == "ingress" else "ingress", twin)
        fastveth = path.fastveth or Fastveth(path.host)
        program = Side(fastveth.program_ids(name.partition("@")[0]), path)
        if ours == "own" and direction == "egress":
            for side in (program, empty):
                self.address(side.path.host)
                side.path = paths.Path("host", side.path.host, side.path.server,
                                       side.path.address, side.path.host)
        if ours in outside.BUILDERS and direction == "egress":
            for side in (program, empty):
                side.path = outward(side.path)
        return Measure(name, hook, program, empty)

    def from_file(self, file, hook):
        """A program of an object file, FILE or FILE:NAME, beside an empty one."""
        file, _, name = file.partition(":")
        if not os.path.isfile(file):
            raise Failed(f"{file}: no such file")
        file = os.path.abspath(file)
        _, pinned = self.twin(hook, file, "file")
        names = pinned.names()
        if not name and len(names) == 1:
            name = names[0]
        if name not in names:
            raise Failed(f"{file}: has programs {', '.join(names)}: name one as FILE:NAME")
        program = self.attached(hook, "ingress", file, name, "file")
        return Measure(name, hook, program, self.empty(hook, "ingress", "route"))

    def reference(self):
        """On a port as fastveth's are, where the kernel has no tcx by the older way."""
        file = str(made("reference.bpf.o"))
        try:
            return self.from_file(file, "tcx")
        except Failed:
            return self.from_file(file, "clsact")

    def close(self):
        for host in self.hosts:
            host.close()


def sample(side, load, seconds, cpu):
    """(ns per run, runs) during one load."""
    time, runs = bpf.run_time(side.ids)
    _, least = LOAD_OF[load](side.path, (cpu, cpu), seconds)
    time, runs = (after - before for after, before in zip(bpf.run_time(side.ids), (time, runs)))
    if load == "rr" and side.path.name in outside.BUILDERS:
        least //= 2  # the answers go by the uplink's other program
    if runs < least or not runs:
        raise Failed(f"{least} packets or more were delivered, but the program ran {runs} times")
    return time / runs, runs


def one_round(number, measures, options, progress):
    """([(side, load, ns per run or None, runs)], refused[])"""
    cpu, taken, refused = environ.cpu_pair()[0], [], []
    for load in options.loads:
        turns = [(measure, what) for measure in measures for what in ("program", "empty")]
        random.shuffle(turns)
        for measure, what in turns:
            side = getattr(measure, what)
            progress(number, f"{load}: {measure.name}, {what}")
            try:
                taken.append((side, load, *sample(side, load, options.seconds, cpu)))
            except Failed as failed:
                taken.append((side, load, None, 0))
                refused.append({"path": f"{measure.name} ({what})", "case": load, "cpus": 1,
                                "round": number, "reason": str(failed)})
    return taken, refused


def rounds(measures, options, progress, refused):
    """Only a round that is complete is kept; round 0 is warm-up."""
    progress.expect(len(options.loads) * len(measures) * 2)
    for number in range(options.rounds + 1):
        taken, failures = one_round(number, measures, options, progress)
        if not number:
            continue
        refused += failures
        for side, load, cost, runs in taken:
            side.samples.setdefault(load, []).append(cost)
            side.runs[load] = side.runs.get(load, 0) + runs


def numbers(samples):
    median, low, high = (stats.rounded(value, 4) for value in stats.spread(samples))
    return {"samples": [stats.rounded(value) for value in samples], "median": median, "low": low,
            "high": high, "interval": stats.edges(stats.interval(samples), 4)}


def above(row):
    """[what the program took more than the empty one, a round; None where it is not known]"""
    return [None if None in pair else pair[0] - pair[1]
            for pair in zip(row["samples"], row["empty"]["samples"])]


def results(measures, loads):
    rows = []
    for measure in measures:
        for load in loads:
            mine, empty = (side.samples.get(load, []) for side in (measure.program, measure.empty))
            more = stats.pairwise(mine, empty, lambda a, b: a - b)
            if more:
                rows.append({"name": measure.name, "hook": measure.hook, "load": load,
                             "unit": "ns", "runs": measure.program.runs[load], **numbers(mine),
                             "empty": numbers(empty), "above": numbers(more), "ratio": {},
                             **measure.size})
    units = {row["load"]: above(row) for row in rows if row["name"] == REFERENCE}
    for row in rows:
        if row["load"] in units:
            middle = stats.ratio(above(row), units[row["load"]])[0]
            row["ratio"][REFERENCE] = stats.rounded(middle)
    return rows


def cost(options, say, progress):
    """Returns (programs[], skipped[], refused[]); once interrupted, of the complete rounds."""
    bench, measures, skipped, refused = Bench(), [], [], []

    def skip(name, failed):
        skipped.append({"program": name, "reason": str(failed)})
        say(f"skipped: program {name}: {failed}")

    lacking = [why for load in options.loads
               if load in LOAD_NAMES and (why := missing(LOAD_NAMES[load]))]
    if lacking:
        skip("all", lacking[0])
        return [], skipped, refused
    counting = None
    try:
        if options.object:
            measures.append(bench.from_file(options.object, options.hook))
        for name in [] if options.object else options.programs:
            try:
                measures.append(bench.reference() if name == REFERENCE else bench.known(name))
            except Failed as failed:
                skip(name, failed)
        counting = bpf.enable_stats()
        rounds(measures, options, progress, refused)
    except Interrupted:
        pass
    finally:
        if counting is not None:
            os.close(counting)
        bench.close()
    return results(measures, options.loads), skipped, refused
