# SPDX-License-Identifier: GPL-2.0-only
"""Runs of iperf3, sockperf, nginx with wrk, and our own flows.c between two places, and what they report.

Every run has a server of its own, which is gone afterwards. What is counted is
what the receiver got.
"""

import functools
import json
import re
from pathlib import Path

from lib.sandbox import BENCH, TOP, Failed, command, reason
from lib.serve import PATIENCE, port_of, serve_and_load
from lib.web import http_close, http_keepalive

# Case: (load, unit).
CASES = {
    "tcp_stream": ("tcp_stream", "Gbit/s"),
    "tcp_ofo": ("tcp_stream", "segments/s"),  # that came out of order (TcpExtTCPOFOQueue)
    "tcp_stream_in": ("tcp_stream_in", "Gbit/s"),  # the client sends
    "tcp_stream_out": ("tcp_stream_out", "Gbit/s"),  # the server sends
    "tcp_rr_p50": ("tcp_rr", "us"),
    "tcp_rr_p99": ("tcp_rr", "us"),
    "http_keepalive": ("http_keepalive", "requests/s"),
    "http_close": ("http_close", "requests/s"),  # each by a connection of its own
    "udp_64": ("udp_64", "packets/s"),
    "flows_1": ("flows_1", "packets/s"),
    "flows_10000": ("flows_10000", "packets/s"),
}
UNITS = {case: unit for case, (_, unit) in CASES.items()}
LOAD_OF = {case: load for case, (load, _) in CASES.items()}
LOWER_IS_BETTER = {"tcp_ofo", "tcp_rr_p50", "tcp_rr_p99"}
TOOLS = {"tcp_stream": ("iperf3",), "tcp_stream_in": ("iperf3",), "tcp_stream_out": ("iperf3",),
         "udp_64": ("iperf3",), "tcp_rr": ("sockperf",), "http_keepalive": ("nginx", "wrk"),
         "http_close": ("nginx", "wrk")}

UDP_SIZE = 64
RR_SIZE = 64
GSO_MAX = 65536
INTERVAL = 0.25  # of iperf3; the first one is warm-up


def iperf(path, cpus, seconds, options):
    """Bytes received in each interval and its length in seconds, as the receiver reports them."""
    port = port_of(path, "iperf3")
    server = ["iperf3", "-s", "-1", "-J", "-i", INTERVAL, "-B", path.listen, "-p", port]
    client = ["iperf3", "-c", path.address, "-p", port, "-t", seconds, "-J",
              "--connect-timeout", "2000", *options]
    of_client, of_server = serve_and_load(path, cpus, server, client, port, seconds + PATIENCE,
                                          ends=True)
    out = of_client if "-R" in options else of_server
    try:
        report = json.loads(out)
        if "error" in report:
            raise Failed(f"iperf3: {report['error']}")
        parts = [(part["sum"]["bytes"], part["sum"]["seconds"]) for part in report["intervals"]]
    except (ValueError, KeyError):
        raise Failed(f"iperf3: the receiver's report is not understood: {out[:80]!r}") from None
    if sum(size for size, _ in parts[1:]) == 0:
        raise Failed("iperf3: nothing was received")
    return parts


def rate(parts):
    """Bytes per second after the warm-up."""
    return sum(size for size, _ in parts[1:]) / sum(length for _, length in parts[1:])


def congestion_control():
    """
    cubic, the kernel's own default, where there is one; else the host's default.

    Not simply the latter: BBR paces by timers and then they are what is measured (here it
    halves a bare cable).
    """
    known = Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split()
    default = Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    return "cubic" if "cubic" in known else default


def out_of_order(place):
    """Segments that the namespace's TCP has put into an out-of-order queue so far."""
    names, values = (line.split() for line in place.run(["cat", "/proc/net/netstat"]).splitlines()
                     if line.startswith("TcpExt:"))
    return int(values[names.index("TCPOFOQueue")])


def tcp_stream(path, cpus, seconds):
    before = out_of_order(path.server)
    parts = iperf(path, cpus, seconds, ["-C", congestion_control()])
    late = (out_of_order(path.server) - before) / sum(length for _, length in parts)
    return ({"tcp_stream": rate(parts) * 8 / 1e9, "tcp_ofo": late},
            sum(size for size, _ in parts) // GSO_MAX)


def one_way(path, cpus, seconds, case, options=()):
    parts = iperf(path, cpus, seconds, ["-C", congestion_control(), *options])
    return {case: rate(parts) * 8 / 1e9}, sum(size for size, _ in parts) // GSO_MAX


def udp_64(path, cpus, seconds):
    parts = iperf(path, cpus, seconds, ["-u", "-l", UDP_SIZE, "-b", "0"])
    return {"udp_64": rate(parts) / UDP_SIZE}, sum(size for size, _ in parts) // UDP_SIZE


def tcp_rr(path, cpus, seconds):
    port = port_of(path, "sockperf")
    server = ["sockperf", "server", "--tcp", "-i", path.listen, "-p", port]
    client = ["sockperf", "ping-pong", "--tcp", "-i", path.address, "-p", port, "-m", RR_SIZE,
              "-t", seconds, "--full-rtt"]
    out, _ = serve_and_load(path, cpus, server, client, port, seconds + PATIENCE)
    found = {key: re.search(rf"percentile {key}\.0+ = +([0-9.]+)", out) for key in ("50", "99")}
    total = re.search(r"\[Total Run\].* ReceivedMessages=(\d+)", out)
    if not all(found.values()) or not total:
        raise Failed(f"sockperf: {reason(out)}")
    return ({f"tcp_rr_p{key}": float(match[1]) for key, match in found.items()},
            2 * int(total[1]))


@functools.cache
def flows_program():
    """build/bench/flows"""
    program = TOP / "build" / "bench" / "flows"
    program.parent.mkdir(parents=True, exist_ok=True)
    command(["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(program), str(BENCH / "flows.c"),
             "-lm"])
    return program


def flows(path, cpus, seconds, number):
    port = port_of(path, "flows")
    common = [path.address, port, number]
    server = [flows_program(), "receive", *common]
    client = [flows_program(), "send", *common, seconds + INTERVAL]
    _, out = serve_and_load(path, cpus, server, client, port, seconds + PATIENCE, ends=True)
    report = json.loads(out)
    return {f"flows_{number}": report["packets"] / report["seconds"]}, report["packets"]


# Each returns ({case: value}, packets that the receiver got at least).
LOADS = {
    "tcp_stream": tcp_stream,
    "tcp_stream_in": lambda *args: one_way(*args, "tcp_stream_in"),
    "tcp_stream_out": lambda *args: one_way(*args, "tcp_stream_out", ["-R", "-i", INTERVAL]),
    "tcp_rr": tcp_rr,
    "http_keepalive": http_keepalive,
    "http_close": http_close,
    "udp_64": udp_64,
    "flows_1": lambda *args: flows(*args, 1),
    "flows_10000": lambda *args: flows(*args, 10000),
}
