# SPDX-License-Identifier: GPL-2.0-only
"""iperf3: streams of TCP, and datagrams as fast as they go.

What is counted is what the receiver got after the first interval, which is warm-up.
"""

import json
from pathlib import Path

from lib.sandbox import Failed
from lib.serve import PATIENCE, port_of, serve_and_load

GSO_MAX = 65536
INTERVAL = 0.25  # seconds


def intervals(text):
    """Those of a receiver's report: [{bytes, seconds}], of datagrams also packets, lost_packets."""
    try:
        report = json.loads(text)
        if "error" in report:
            raise Failed(f"iperf3: {report['error']}")
        parts = [part["sum"] for part in report["intervals"]]
        got = sum(part["bytes"] for part in parts[1:])
        length = sum(part["seconds"] for part in parts[1:])
    except (ValueError, KeyError, TypeError):
        raise Failed(f"iperf3: the receiver's report is not understood: {text[:80]!r}") from None
    if not got or not length:
        raise Failed("iperf3: nothing was received")
    return parts


def received(parts):
    """Bytes, warm-up included: no less than that went over the path."""
    return sum(part["bytes"] for part in parts)


def rate(parts):
    """Bytes per second."""
    return (sum(part["bytes"] for part in parts[1:]) /
            sum(part["seconds"] for part in parts[1:]))


def loss(parts):
    """Percent of the datagrams sent that did not arrive, by their numbers."""
    try:
        lost = sum(part["lost_packets"] for part in parts[1:])
        return 100 * lost / sum(part["packets"] for part in parts[1:])
    except (KeyError, ZeroDivisionError):
        raise Failed("iperf3: the receiver's report does not say what was lost") from None


def iperf(path, cpus, seconds, options):
    """(intervals, seconds that the CPUs were busy)"""
    port = port_of(path, "iperf3")
    server = ["iperf3", "-s", "-1", "-J", "-i", INTERVAL, "-B", path.listen, "-p", port]
    client = ["iperf3", "-c", path.address, "-p", port, "-t", seconds, "-J",
              "--connect-timeout", "2000", *options]
    ran = serve_and_load(path, cpus, server, client, port, seconds + PATIENCE, ends=True)
    return intervals(ran.client if "-R" in options else ran.server), ran.busy


def congestion_control():
    """
    cubic, the kernel's own default, where there is one; else the host's default.

    Not simply the latter: BBR paces by timers and then they are what is measured (here it
    halves a bare cable).
    """
    known = Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split()
    default = Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    return "cubic" if "cubic" in known else default


def counters(text):
    """{name: value} of what /proc/net/snmp and netstat say: a line of names, a line of values."""
    lines = [line.partition(": ") for line in text.splitlines()]
    return {group + name: int(value)
            for (group, _, names), (_, _, values) in zip(lines[::2], lines[1::2])
            for name, value in zip(names.split(), values.split())}


def tcp_counters(place):
    """Of the network namespace, since it is there."""
    return counters(place.run(["cat", "/proc/net/snmp", "/proc/net/netstat"]))


def streams(path, cpus, seconds, options):
    return iperf(path, cpus, seconds, ["-C", congestion_control(), *options])


def tcp_stream(path, cpus, seconds):
    sent, got = tcp_counters(path.client), tcp_counters(path.server)
    parts, busy = streams(path, cpus, seconds, [])
    again = tcp_counters(path.client)["TcpRetransSegs"] - sent["TcpRetransSegs"]
    late = tcp_counters(path.server)["TcpExtTCPOFOQueue"] - got["TcpExtTCPOFOQueue"]
    length = sum(part["seconds"] for part in parts)
    return ({"tcp_stream": rate(parts) * 8 / 1e9, "tcp_ofo": late / length,
             "tcp_retransmits": again / length, "cpu_per_gbit": busy / (received(parts) * 8 / 1e9)},
            received(parts) // GSO_MAX)


def tcp(path, cpus, seconds, case, options):
    """A load that is one case: streams, or one the other way."""
    parts, _ = streams(path, cpus, seconds, options)
    return {case: rate(parts) * 8 / 1e9}, received(parts) // GSO_MAX


def udp(path, cpus, seconds, size):
    parts, busy = iperf(path, cpus, seconds, ["-u", "-l", size, "-b", "0"])
    packets = received(parts) // size
    values = {f"udp_{size}": rate(parts) / size, f"udp_{size}_loss": loss(parts)}
    if size == 64:
        values["cpu_per_packet"] = busy * 1e9 / packets
    return values, packets
