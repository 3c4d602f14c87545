# SPDX-License-Identifier: GPL-2.0-only
"""State of netfilter in the network namespace that this is run in, as JSON.

A program of its own because a namespace is a process's. Whether conntrack is
at work cannot be read anywhere on every kernel, so it is tried: datagrams to a
closed port of 127.0.0.1 either become entries or do not.
"""

import json
import shutil
import socket
import subprocess
from pathlib import Path

PROBES = 32
COUNT = Path("/proc/sys/net/netfilter/nf_conntrack_count")


def probe():
    """True if conntrack notes what passes over lo. Entries may expire while we look."""
    before = int(COUNT.read_text())
    for _ in range(PROBES):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            sock.sendto(b"", ("127.0.0.1", 9))
    return int(COUNT.read_text()) - before > PROBES // 2


def count(argv, what):
    """Occurrences in a tool's output; None where the tool is missing or fails."""
    if not shutil.which(argv[0]):
        return None
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.stdout.count(what) if done.returncode == 0 else None


def state():
    there = COUNT.exists()
    legacy = any(Path("/proc/net", name).exists() and Path("/proc/net", name).read_text()
                 for name in ("ip_tables_names", "ip6_tables_names"))
    return {
        "entries": int(COUNT.read_text()) if there else None,
        "active": probe() if there else False,
        "nft_rules": count(["nft", "-j", "list", "ruleset"], '{"rule":'),
        "iptables_legacy_rules": count(["iptables-legacy-save"], "\n-A ") if legacy else 0,
    }


if __name__ == "__main__":
    print(json.dumps(state()))
