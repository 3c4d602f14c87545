# SPDX-License-Identifier: GPL-2.0-only
"""The cases that are measured, and the loads that they are taken from.

Every run has a server of its own, which is gone afterwards. What is counted is
what the receiver got.
"""

import json
import shutil

from lib.iperf import INTERVAL, tcp, tcp_stream, udp
from lib.sandbox import Failed, made
from lib.serve import PATIENCE, port_of, serve_and_load
from lib.sockperf import tcp_rr
from lib.web import http_close, http_keepalive

# Case: (load, unit).
CASES = {
    "tcp_stream": ("tcp_stream", "Gbit/s"),
    "tcp_ofo": ("tcp_stream", "segments/s"),  # that came out of order (TcpExtTCPOFOQueue)
    "tcp_retransmits": ("tcp_stream", "segments/s"),  # that were sent again (TcpRetransSegs)
    "cpu_per_gbit": ("tcp_stream", "s/Gbit"),
    "tcp_stream_8": ("tcp_stream_8", "Gbit/s"),
    "tcp_stream_64": ("tcp_stream_64", "Gbit/s"),
    "tcp_stream_in": ("tcp_stream_in", "Gbit/s"),  # the client sends
    "tcp_stream_out": ("tcp_stream_out", "Gbit/s"),  # the server sends
    "tcp_rr_p50": ("tcp_rr", "us"),
    "tcp_rr_p90": ("tcp_rr", "us"),
    "tcp_rr_p99": ("tcp_rr", "us"),
    "tcp_rr_p999": ("tcp_rr", "us"),
    "http_keepalive": ("http_keepalive", "requests/s"),
    "http_close": ("http_close", "requests/s"),  # each by a connection of its own
    "udp_64": ("udp_64", "packets/s"),
    "udp_64_loss": ("udp_64", "%"),
    "cpu_per_packet": ("udp_64", "ns/packet"),
    "udp_1400": ("udp_1400", "packets/s"),
    "udp_1400_loss": ("udp_1400", "%"),
    "flows_1": ("flows_1", "packets/s"),
    "flows_10000": ("flows_10000", "packets/s"),
}
UNITS = {case: unit for case, (_, unit) in CASES.items()}
LOAD_OF = {case: load for case, (load, _) in CASES.items()}
LOWER_IS_BETTER = {"tcp_ofo", "tcp_retransmits", "cpu_per_gbit", "tcp_rr_p50", "tcp_rr_p90",
                   "tcp_rr_p99", "tcp_rr_p999", "udp_64_loss", "cpu_per_packet", "udp_1400_loss"}


def tools(load):
    """What has to be installed for it."""
    if load.startswith("http_"):
        return ["nginx", "wrk"]
    if load.startswith("flows_"):
        return []
    return ["sockperf" if load == "tcp_rr" else "iperf3"]


def missing(load):
    """Why the load cannot be run on this machine, or None."""
    lacking = [tool for tool in tools(load) if not shutil.which(tool)]
    if lacking:
        return f"not installed: {', '.join(lacking)}: run `make deps DEPS=bench`"
    return None


def flows(path, cpus, seconds, number):
    port = port_of(path, "flows")
    common = [path.address, port, number]
    program = made("flows")
    server = [program, "receive", *common]
    client = [program, "send", *common, seconds + INTERVAL]
    ran = serve_and_load(path, cpus, server, client, port, seconds + PATIENCE, ends=True)
    report = json.loads(ran.server)
    if not report["packets"]:
        raise Failed("flows: nothing was received")
    return {f"flows_{number}": report["packets"] / report["seconds"]}, report["packets"]


# Each returns ({case: value}, packets that the receiver got at least).
LOADS = {
    "tcp_stream": tcp_stream,
    "tcp_stream_8": lambda *args: tcp(*args, "tcp_stream_8", ["-P", 8]),
    "tcp_stream_64": lambda *args: tcp(*args, "tcp_stream_64", ["-P", 64]),
    "tcp_stream_in": lambda *args: tcp(*args, "tcp_stream_in", []),
    "tcp_stream_out": lambda *args: tcp(*args, "tcp_stream_out", ["-R", "-i", INTERVAL]),
    "tcp_rr": tcp_rr,
    "http_keepalive": http_keepalive,
    "http_close": http_close,
    "udp_64": lambda *args: udp(*args, 64),
    "udp_1400": lambda *args: udp(*args, 1400),
    "flows_1": lambda *args: flows(*args, 1),
    "flows_10000": lambda *args: flows(*args, 10000),
}
