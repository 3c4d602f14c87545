# SPDX-License-Identifier: GPL-2.0-only
"""Loads of a third of a second, for runs that take many samples in little time (pingpong.c).

iperf3 and sockperf take whole seconds, and some more to begin and end. And iperf3
tells a rate: on a machine that does other things as well, the rate is what these leave. Ports
are those of the tools, which are published where a path publishes.
"""

import json

from lib.sandbox import Failed, made, reason
from lib.serve import PATIENCE, port_of, serve_and_load

SECONDS = 0.3


def load(path, cpus, case, protocol, tool):
    port = port_of(path, tool)
    program = made("pingpong")
    ran = serve_and_load(path, cpus, [program, "serve", protocol, path.listen, port],
                         [program, "ask", protocol, path.address, port, SECONDS], port, PATIENCE,
                         ends=True)
    try:
        report = json.loads(ran.client)
    except ValueError:
        raise Failed(f"pingpong: {reason(ran.client)}") from None
    if not report["turns"]:
        raise Failed(f"pingpong {protocol}: no answer")
    return {case: report["p50"]}, report["packets"]


# Each returns ({case: us, the median of all turns}, packets that were delivered at least), as those
# of lib/loads.py; seconds are not taken.
LOADS = {
    # A round trip of 64 bytes over TCP.
    "rr_p50": lambda path, cpus, _=None: load(path, cpus, "rr_p50", "tcp", "sockperf"),
    # 32 datagrams of 64 bytes, and one back.
    "udp_burst": lambda path, cpus, _=None: load(path, cpus, "udp_burst", "udp", "iperf3"),
}
