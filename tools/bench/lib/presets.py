# SPDX-License-Identifier: GPL-2.0-only
"""What --quick and --full choose, and how long a choice takes.

Each option that is given besides them has its say. The estimate is loads x (seconds + what their
tools take to start and end), over all paths in all rounds, and what the paths take to be built.
"""

from lib.loads import CASES, LOAD_OF, LOADS
from lib.scale import FEW, MANY

ROUND_TRIPS = ["tcp_rr_p50", "tcp_rr_p90", "tcp_rr_p99", "tcp_rr_p999"]
STREAM = ["tcp_stream", "tcp_ofo", "tcp_retransmits", "cpu_per_gbit", "tcp_stream_in", "tcp_stream_out"]

# two: the cases that are also measured on two CPUs. largest: the most namespaces of `scale`.
PRESETS = {
    "quick": {
        "rounds": 7, "cpus": [1], "parts": ["paths"],
        "paths": ["loopback", "cable", "bridge-rules", "attached", "own"],
        "cases": ["tcp_stream", "tcp_rr_p50", "tcp_rr_p99", "udp_64"],
    },
    "full": {
        "rounds": 7, "cpus": [1, 2], "two": [*STREAM, *ROUND_TRIPS], "largest": 1000,
        "paths": ["host", "loopback", "cable", "bridge", "route", "bridge-rules", "attached", "own",
                  "own-clsact", "own-xdp", "macvlan", "cni", "flowtable", "netkit", "wire-host",
                  "wire-docker", "wire-attached", "wire-own"],
        "cases": [case for case in CASES if LOAD_OF[case] not in ("flows_1", "flows_10000")],
    },
}

HELP = {
    "quick": "an answer in two to three minutes: tcp_stream, tcp_rr and udp_64 on one CPU over "
             + ", ".join(PRESETS["quick"]["paths"]),
    "full": "the full answer in about half an hour: all parts, all cases but flows_*, on two CPUs "
            "tcp_stream* and tcp_rr, scale up to 1000 namespaces, over "
            + ", ".join(PRESETS["full"]["paths"]),
}

# Seconds on the two-core virtual machine that this was written on.
BEYOND = {"tcp_rr": 0.5, "flows_1": 0.4, "flows_10000": 0.4}  # what a load takes beyond --seconds
BEYOND_OTHERS = 0.1
BUILDING = 1  # of a path; one with containers takes longer
SCALE = {10: 3, 100: 12, 1000: 20, 4000: 150}  # a round of all makers with so many namespaces


def loads_of(cases):
    return list(dict.fromkeys(LOAD_OF[case] for case in cases))


def on_two(two, cpus):
    """Loads for two CPUs. Who asks for nothing but two wants all of them there."""
    return loads_of(two) if two and 1 in cpus else list(LOADS)


def takes(load, seconds, rounds):
    """Seconds of a load over a path in all rounds. There is one to warm up, but for sockperf."""
    return (seconds + BEYOND.get(load, BEYOND_OTHERS)) * (rounds + (load != "tcp_rr"))


def estimate(options):
    """Seconds that a part takes which compares paths."""
    turns = [load for cpus in options.cpus for load in loads_of(options.cases)
             if cpus == 1 or load in options.two]
    return len(options.paths) * (
        BUILDING + sum(takes(load, options.seconds, options.rounds) for load in turns))


def estimate_scale(sizes, rounds):
    return sum(SCALE[size] * (min(rounds, FEW) if size >= MANY else rounds) for size in sizes)
