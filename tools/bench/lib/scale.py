# SPDX-License-Identifier: GPL-2.0-only
"""What many namespaces cost, by fastveth and by others (lib/makers.py): time and memory.

A turn of one maker at one size is `up`, one namespace more and away again a few
times, `down`; of `attach`, that of all ports and `detach`. Sizes and makers are
interleaved, makers in a new order each time.
"""

import itertools
import random
import statistics
import time
from dataclasses import dataclass, field

from lib import memory, stats
from lib.makers import EXTRA, Bridges, Cni, Program, Script
from lib.sandbox import Failed, Host, Interrupted

SIZES = (10, 100, 1000, 4000)
METHODS = {"script": Script, "script-parallel": Script, "cni": Cni, "fastveth": Program,
           "attach": Bridges}
BASES = ("script", "script-parallel", "cni")
UNITS = {"up": "ms/namespace", "add": "ms/namespace", "del": "ms/namespace",
         "down": "ms/namespace", "attach": "ms/port", "detach": "ms/port",
         "memory": "bytes/namespace", "attach_memory": "bytes/port"}
MANY, FEW = 4000, 3  # sizes from MANY on are run in the first FEW rounds
LONGEST = 40  # seconds that `up` and `down` may take
ENOUGH = 100  # namespaces of which the time for more can be foretold
TURNS = 5  # of one more and away again


@dataclass
class Run:
    longest: float
    makers: dict = field(default_factory=dict)
    samples: dict = field(default_factory=dict)  # (what, size, by): [one per round]
    maps: dict = field(default_factory=dict)  # (what, size): [bytes in total]
    left_out: dict = field(default_factory=dict)  # (by, size): why, or None
    refused: list = field(default_factory=list)
    complete: dict = field(default_factory=dict)  # size: rounds
    memory: bool = True

    def cut(self):
        """Forget the turns of a round at a size that not every maker has had."""
        for taken in (self.samples, self.maps):
            for key in list(taken):
                del taken[key][self.complete.get(key[1], 0):]
                if not taken[key]:
                    del taken[key]
        self.refused = [row for row in self.refused
                        if row["round"] <= self.complete.get(row["namespaces"], 0)]


def devices(host):
    return host.run(["ip", "-o", "link", "show", "type", "veth"]).count("\n")


def address(host, ns):
    """The IPv4 address of a namespace's interface."""
    shown = host.leaf(ns).json(["ip", "-j", "-4", "addr", "show", "dev", "eth0"])
    return shown[0]["addr_info"][0]["local"]


def reach(host, ns):
    """The first namespace must reach the other: its kernel refuses a closed port."""
    probe = f"import socket; socket.create_connection(('{address(host, ns)}', 9), timeout=3)"
    try:
        host.leaf("n1").run(["python3", "-c", probe])
    except Failed as failed:
        if "ConnectionRefused" not in str(failed):
            raise Failed(f"n1 does not reach {ns}: {failed}") from None


def check_up(host, count, last):
    spaces = host.run(["ip", "netns", "list"]).count("\n")
    ports = devices(host)
    if (spaces, ports) != (count, count):
        raise Failed(f"{spaces} namespaces and {ports} devices where {count} are expected")
    reach(host, last)


def wait_gone(host):
    """Until no device is left: a script may leave that to the kernel, and it counts."""
    for _ in range(3000):
        if not devices(host):
            return
        time.sleep(0.01)
    raise Failed("devices are still there 30 s after `down`")


def settle(host):
    """
    Until the kernel has taken apart every namespace that is already deleted.

    It does so in batches, one at a time. When a namespace that was deleted now is
    gone, its batch has begun; when a second one is, that batch has ended.
    """
    for _ in range(2):
        host.ip(["netns add probe", "link add probe type veth peer name eth0 netns probe",
                 "netns del probe"])
        for _ in range(6000):
            if not host.path("/sys/class/net/probe").is_symlink():
                break
            time.sleep(0.01)
        else:
            raise Failed("the kernel has not taken apart a namespace within 60 s")


def timed(host, argv, after=None):
    start = time.monotonic()
    host.run(argv, timeout=600)
    if after:
        after(host)
    return (time.monotonic() - start) * 1000


def one_more(maker, count):
    """{add, del}: the median of a few turns, each beside the same ones."""
    took = {"add": [], "del": []}
    for turn in range(TURNS):
        took["add"].append(timed(maker.host, maker.add()))
        if not turn:
            check_up(maker.host, count + 1, EXTRA)
        took["del"].append(timed(maker.host, maker.delete()))
        settle(maker.host)
    return {what: statistics.median(each) for what, each in took.items()}


def turn_of_namespaces(run, maker, count):
    """{what: ms per namespace, or bytes}"""
    host, measured = maker.host, run.memory and count >= memory.LEAST
    maker.prepare(count)
    before = memory.used() if measured else None
    took = {"up": timed(host, maker.up()) / count}
    check_up(host, count, f"n{count}")
    if measured:
        took["memory"] = (memory.used() - before) / count
        if maker.by == "fastveth":
            run.maps.setdefault(("memory", count), []).append(memory.maps(maker.fastveth))
    if maker.add():
        took.update(one_more(maker, count))
    took["down"] = timed(host, maker.down(), wait_gone) / count
    if host.run(["ip", "netns", "list"]).strip():
        raise Failed("named namespaces are left after `down`")
    took["settling"] = timed(host, ["true"], settle) / count
    return took


def turn_of_ports(run, maker, count):
    host, measured = maker.host, run.memory and count >= memory.LEAST
    maker.prepare(count)
    before = memory.used() if measured else None
    took = {"attach": timed(host, maker.attach()) / count}
    maker.check()
    if measured:
        took["attach_memory"] = (memory.used() - before) / count
        run.maps.setdefault(("attach_memory", count), []).append(memory.maps(maker.fastveth))
    took["detach"] = timed(host, maker.detach()) / count
    maker.unmake()
    settle(host)
    return took


def start(run, by):
    """The maker on a fresh Host."""
    host = Host()
    try:
        run.makers[by] = METHODS[by](host, by)
    except Failed:
        host.close()
        raise


def sample(run, by, count, number):
    """One turn. After a failed one the state of its Host is unknown, so it gets another."""
    turn = turn_of_ports if by == "attach" else turn_of_namespaces
    try:
        took = turn(run, run.makers[by], count)
    except Failed as failed:
        took = {}
        run.refused.append({"path": by, "case": f"{count} namespaces", "namespaces": count,
                            "round": number, "reason": str(failed)})
        run.makers[by].host.close()
        start(run, by)
    if number:
        for what in (*UNITS, "settling"):
            run.samples.setdefault((what, count, by), []).append(took.get(what))


def too_much(run, by, count):
    """Why a maker is left out at a size, by what its smaller ones took; None if it is not."""
    most = run.makers[by].most
    if most is not None and count > most:
        return f"more than {most} cannot be made"
    known = [size for what, size, maker in run.samples
             if (what, maker) == ("up", by) and ENOUGH <= size < count]
    if not known:
        return None
    nearest = max(known)
    each = sum(filter(None, (run.samples[what, nearest, by][0] for what in ("up", "down"))))
    seconds = each * count / 1000
    if seconds > run.longest:
        return (f"`up` and `down` would take about {seconds:.0f} s, by those of {nearest}: more "
                f"than --longest {run.longest:g}")
    return None


def left_out(run, by, count, number, skip):
    """Decided in the first round that gets to it, and the same in all others."""
    if number and (by, count) in run.left_out:
        return run.left_out[by, count]
    why = too_much(run, by, count)
    if number:
        run.left_out[by, count] = why
        if why:
            skip(by, why, namespaces=count)
    return why


def rounds(run, options, progress, skip):
    """Round 0 is warm-up, with the smallest size."""
    sizes = sorted(options.sizes)
    for number in range(options.rounds + 1):
        for count in sizes if number else sizes[:1]:
            if count >= MANY and number > FEW:
                continue
            order = list(run.makers)
            random.shuffle(order)
            for by in order:
                if not left_out(run, by, count, number, skip):
                    progress(number, f"{count} namespaces by {by}")
                    sample(run, by, count, number)
            if number:
                run.complete[count] = number


def growth(run, what, count, by):
    """Of the largest size that was run, the ratio to the smallest one; else None."""
    sizes = [size for name, size, maker in run.samples if (name, maker) == (what, by)]
    if count != max(sizes) or count == min(sizes):
        return None
    return stats.ratio(run.samples[what, count, by], run.samples[what, min(sizes), by])[0]


def row_of(run, what, count, by):
    samples = run.samples[what, count, by]
    median, low, high = (stats.rounded(value) for value in stats.spread(samples))
    if median is None:
        return None
    row = {"what": what, "namespaces": count, "by": "fastveth" if by == "attach" else by,
           "unit": UNITS[what], "better": "lower",
           "samples": [stats.rounded(value) for value in samples],
           "median": median, "low": low, "high": high,
           "interval": stats.edges(stats.interval(samples)),
           "ratio": {}, "ratio_spread": {}, "ratio_interval": {}, "verdict": {}}
    for base in BASES:
        stats.against(row, base, samples, run.samples.get((what, count, base), []))
    if what == "down":
        row["settling"] = stats.rounded(stats.spread(run.samples["settling", count, by])[0])
    if by in ("fastveth", "attach") and (what, count) in run.maps:
        row["maps"] = round(statistics.median(run.maps[what, count]))
    grown = None if "memory" in what else growth(run, what, count, by)
    if grown is not None:
        row["growth"] = stats.rounded(grown)
    return row


def results(run, options):
    rows = (row_of(run, what, count, by)
            for what, count, by in itertools.product(UNITS, sorted(options.sizes), run.makers)
            if (what, count, by) in run.samples)
    return [row for row in rows if row]


def scale(options, say, progress):
    """Returns (scale[], skipped[], refused[]); once interrupted, of the complete rounds of each size."""
    run, skipped = Run(options.longest), []

    def skip(what, why, **more):
        skipped.append({"scale": what, **more, "reason": why})
        say(f"skipped: scale {what}{''.join(f' {word}' for word in more.values())}: {why}")

    try:
        memory.used()
    except Failed as failed:
        run.memory = False
        skip("memory", str(failed))
    try:
        for by in options.methods:
            try:
                start(run, by)
            except Failed as failed:
                skip(by, str(failed))
        rounds(run, options, progress, skip)
    except Interrupted:
        run.cut()
    finally:
        for maker in run.makers.values():
            maker.host.close()
    return results(run, options), skipped, run.refused
