# SPDX-License-Identifier: GPL-2.0-only
"""sockperf: round trips over one TCP connection, one message in flight."""

import functools
import re
import shutil

from lib.sandbox import BENCH, TOP, Failed, command, reason
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


@functools.cache
def napping():
    """
    How to start sockperf so that it does not sleep two seconds between warm-up and test.

    Nothing is measured meanwhile, and it would be most of the load. Without a compiler it sleeps.
    """
    if not shutil.which("cc"):
        return []
    library = TOP / "build" / "bench" / "nap.so"
    library.parent.mkdir(parents=True, exist_ok=True)
    command(["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", str(library),
             str(BENCH / "nap.c")])
    return ["env", f"LD_PRELOAD={library}"]


def tcp_rr(path, cpus, seconds):
    port = port_of(path, "sockperf")
    server = ["sockperf", "server", "--tcp", "-i", path.listen, "-p", port]
    client = [*napping(), "sockperf", "ping-pong", "--tcp", "-i", path.address, "-p", port,
              "-m", SIZE, "-t", seconds, "--full-rtt"]
    ran = serve_and_load(path, cpus, server, client, port, seconds + PATIENCE)
    values, messages = percentiles(ran.client)
    return values, 2 * messages
