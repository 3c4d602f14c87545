# SPDX-License-Identifier: GPL-2.0-only
"""A server in one place and a client that runs to its end in another."""

import re
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from lib.cpu import busy
from lib.sandbox import Failed, reason

PORTS = {"iperf3": 5201, "sockperf": 5300, "nginx": 8000, "flows": 20000}
# What has to be published for a server behind NAT; flows has too many ports for that.
PUBLISHED = [("iperf3", "tcp"), ("iperf3", "udp"), ("sockperf", "tcp"), ("nginx", "tcp")]
PATIENCE = 15  # seconds that a tool may take beyond its load


@dataclass
class Ran:
    client: str  # what they printed
    server: str
    busy: float  # seconds that their CPUs were busy while the client ran


def port_of(path, tool):
    """Of a namespace where others have ports too, the kernel's choice."""
    if path.host is not None:
        return PORTS[tool]
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def wait_listening(proc, name, port):
    """Until the process's namespace has a TCP listener on the port."""
    wanted = re.compile(rf":{port:04X} [0-9A-F]+:0000 0A ")
    table = Path(f"/proc/{proc.pid}/net/tcp")
    for _ in range(500):
        if proc.poll() is not None:
            raise Failed(f"{name}: {reason(''.join(proc.communicate()))}")
        try:
            if wanted.search(table.read_text()):
                return
        except OSError:
            continue  # it has just ended
        time.sleep(0.005)
    raise Failed(f"{name}: no listener on port {port} after 2.5 s")


def serve_and_load(path, cpus, server, client, port, timeout, ends=False):
    """
    Start the server, run the client to its end; returns a Ran.

    @ends: the server ends by itself, as iperf3 -1 does; others have to be told.
    """
    proc = subprocess.Popen(path.server.argv(server, cpus[0]), stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)
    try:
        wait_listening(proc, server[0], port)
        before = busy(cpus)
        answer = path.client.run(client, cpu=cpus[1], timeout=timeout)
        took = busy(cpus) - before
        return Ran(answer, proc.communicate(timeout=5)[0] if ends else "", took)
    except subprocess.TimeoutExpired:
        raise Failed(f"{server[0]}: the server did not end") from None
    finally:
        if proc.poll() is None:
            proc.kill()
            proc.communicate()
