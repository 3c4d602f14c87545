# SPDX-License-Identifier: GPL-2.0-only
"""Samples of what a budget limits (lib/budget.py), in as little time as will do.

    rr_p50, udp_burst   of a path (lib/short.py), client and server on one CPU
    ns                  of a program, above an empty one (lib/progcost.py)
    instructions        of a program as the kernel has it, PROGRAM@PATH
"""

import argparse
import random

from lib import bpf, compare, environ, paths, progcost, short
from lib.fastveth import Broken, Fastveth
from lib.sandbox import Failed

# Programs of own networks, and those that look for proof; XDP has one of its own.
LOADED = {"own": ["fv_from_ns", "fv_to_ns"], "own-xdp": ["fv_xdp_from_ns"],
          "attached": ["fv_from_ns", "fv_to_ns", "fv_from_uplink", "fv_to_uplink"]}
# What a budget may name.
KNOWN = {**{measure: list(compare.BUILDERS) for measure in short.LOADS},
         "ns": progcost.PROGRAMS,
         "instructions": [f"{name}@{path}" for path, names in LOADED.items() for name in names]}


class Probe:
    def __init__(self, cells, rounds, progress):
        self.rounds, self.progress = rounds, progress
        self.wanted = list(dict.fromkeys(
            (cell["measure"], cell[key]) for cell in cells for key in ("of", "to") if key in cell))
        self.samples = {}  # (measure, name): [one per round]
        self.absent = {}  # (measure, name): why it cannot be measured here
        self.broken = set()  # those of them that fastveth itself is to blame for
        self.refused = []

    def names(self, measure):
        return [name for kind, name in self.wanted if kind == measure]

    def refuse(self, name, case, number, failed):
        self.refused.append({"path": name, "case": case, "cpus": 1, "round": number,
                             "reason": str(failed)})

    def run(self):
        self.all_paths()
        self.all_programs()

    def all_paths(self):
        built, missing = {}, {}
        needs = {(measure, name): name.partition("@")[2] or name
                 for measure, name in self.wanted if measure != "ns"}
        try:
            for name in dict.fromkeys(needs.values()):
                try:
                    built[name] = paths.build(name, compare.BUILDERS)
                except Failed as failed:
                    missing[name] = failed
            self.absent = {what: str(missing[path]) for what, path in needs.items() if path in missing}
            self.broken = {what for what in self.absent if isinstance(missing[needs[what]], Broken)}
            self.instructions(built)
            self.loads(built)
        finally:
            for path in built.values():
                if path.host:
                    path.host.close()

    def instructions(self, built):
        for name in self.names("instructions"):
            program, _, path = name.partition("@")
            if path not in built:
                continue
            try:
                ids = Fastveth(built[path].host).program_ids(program)
                self.samples["instructions", name] = [max(bpf.program_size(number)[0]
                                                          for number in ids)]
            except Failed as failed:
                # A kernel of which fastveth asks less has fewer programs.
                self.absent["instructions", name] = str(failed)

    def loads(self, built):
        cpu = environ.cpu_pair()[0]
        turns = [(measure, name) for measure in short.LOADS for name in self.names(measure)
                 if name in built]
        for number in range(self.rounds + 1):
            random.shuffle(turns)
            for measure, name in turns:
                self.progress(number, f"{measure}: {name}")
                value = None
                try:
                    value = sample(built[name], measure, cpu)
                except Failed as failed:
                    if number:
                        self.refuse(name, measure, number, failed)
                if number:
                    self.samples.setdefault((measure, name), []).append(value)

    def all_programs(self):
        names = self.names("ns")
        if not names:
            return
        options = argparse.Namespace(rounds=self.rounds, seconds=1, object=None, loads=["short"],
                                     programs=names)
        rows, skipped, refused = progcost.cost(options, lambda text: None, self.progress)
        self.absent.update({("ns", row["program"]): row["reason"] for row in skipped})
        self.refused += refused
        for row in rows:
            self.samples["ns", row["name"]] = progcost.above(row)


def sample(path, load, cpu):
    """The value of one load. Failed where it did not take the path."""
    before = path.fastveth.counters() if path.fastveth else None
    values, least = short.LOADS[load](path, (cpu, cpu))
    if path.fastveth:
        why = compare.doubt(path, load, before, path.fastveth.counters(), least)
        if why:
            raise Failed(why)
    return values[load]
