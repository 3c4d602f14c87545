# SPDX-License-Identifier: GPL-2.0-only
"""sockperf: round trips over one TCP connection, one message in flight."""

import re

from lib.sandbox import Failed, made, reason
from lib.serve import PATIENCE, port_of, serve_and_load

SIZE = 64
# Case: as sockperf calls it.
PERCENTILES = {"tcp_rr_p50": "50.000", "tcp_rr_p90": "90.000", "tcp_rr_p99": "99.000",
               "tcp_rr_p999": "99.900"}


def percentiles(out):
    """({case: us}, messages that came back) of what sockperf prints."""
    found = {case: re.search(rf"percentile {re.escape(name)} = +([0-9.]+)", out)
             for case, name in PERCENTILES.items()}
    total = re.search(r"\[Total Run\].* ReceivedMessages=(\d+)", out)
    if not all(found.values()) or not total:
        raise Failed(f"sockperf: {reason(out)}")
    return {case: float(match[1]) for case, match in found.items()}, int(total[1])


def tcp_rr(path, cpus, seconds):
    port = port_of(path, "sockperf")
    server = ["sockperf", "server", "--tcp", "-i", path.listen, "-p", port]
    # It does not sleep two seconds between warm-up and test: nothing is measured meanwhile, and that
    # would be most of the load.
    client = ["env", f"LD_PRELOAD={made('nap.so')}", "sockperf", "ping-pong", "--tcp", "-i", path.address, "-p", port,
              "-m", SIZE, "-t", seconds, "--full-rtt"]
    ran = serve_and_load(path, cpus, server, client, port, seconds + PATIENCE)
    values, messages = percentiles(ran.client)
    return values, 2 * messages
