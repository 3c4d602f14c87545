# SPDX-License-Identifier: GPL-2.0-only
"""What a figure depends on besides the code: machine, kernel, netfilter, tools."""

import datetime
import os
import platform
import re
import shlex
import subprocess
import sys
from pathlib import Path

from lib import bpf, cni
from lib.fastveth import binary
from lib.iperf import congestion_control
from lib.sandbox import BENCH, TOP, Failed, Place


def read(path):
    """Text of a small file, None where there is none."""
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None


def cpu_model():
    info = read("/proc/cpuinfo") or ""
    match = re.search(r"^(?:model name|Model|cpu model)\s*:\s*(.+)$", info, re.M)
    return match[1] if match else platform.machine()


def mitigations():
    """Only what is in effect: every "Not affected" would be noise."""
    folder = Path("/sys/devices/system/cpu/vulnerabilities")
    states = {path.name: read(path) for path in sorted(folder.glob("*"))}
    return {name: state for name, state in states.items() if state != "Not affected"}


def governor():
    """What sets the clock speed of the CPUs; None where the kernel does not."""
    folder = Path("/sys/devices/system/cpu")
    found = {read(path) for path in folder.glob("cpu[0-9]*/cpufreq/scaling_governor")}
    return ", ".join(sorted(found - {None})) or None


def virtualisation():
    """The hypervisor and the container that this runs in, "none", or None where nothing tells."""
    found = [output(["systemd-detect-virt", kind]) for kind in ("--vm", "--container")]
    if None in found:
        return read("/sys/hypervisor/type")
    return ", ".join(kind for kind in found if kind != "none") or "none"


def offloads(path):
    """
    Of the path's eth0 in a leaf, of lo where it has none: what the sender leaves to a device.

    None where ethtool does not tell.
    """
    leaf = next((place for place in (path.client, path.server)
                 if path.host and place is not path.host), None)
    try:
        text = (leaf or path.client).run(["ethtool", "-k", "eth0" if leaf else "lo"])
    except Failed:
        return None
    return features(text)


def features(text):
    """{offload: on | off} of what `ethtool -k` prints."""
    states = dict(re.findall(r"^([a-z-]+): (on|off)", text, re.M))
    return {name: states.get(feature) for name, feature in (
        ("tso", "tcp-segmentation-offload"), ("gso", "generic-segmentation-offload"),
        ("gro", "generic-receive-offload"), ("tx_checksum", "tx-checksumming"))}


def output(argv, failing=True):
    """First line that a tool prints about itself. @failing: though some then say that they failed"""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode and not failing:
        return None
    lines = (done.stdout + done.stderr).strip().splitlines()
    return re.sub(r"\x1b\[[0-9;]*m", "", lines[0]).strip() if lines else None


def versions():
    found = {"iperf3": output(["iperf3", "--version"]),
             "sockperf": output(["sockperf", "--version"]),
             "nginx": output(["nginx", "-v"]),
             "wrk": output(["wrk", "-v"]),
             "iproute2": output(["ip", "-V"]),
             "bpftool": output([bpf.bpftool(), "version"]),
             "nft": output(["nft", "--version"]),
             "ethtool": output(["ethtool", "--version"]),
             "docker": output(["docker", "--version"]),
             "dockerd": output(["dockerd", "--version"]),
             "gnuplot": output(["gnuplot", "--version"]),
             "python": platform.python_version(),
             "commit": output(["git", "-c", "safe.directory=*", "-C", str(TOP), "describe",
                               "--always", "--dirty"], failing=False)}
    for name, program, word in (("fastveth", binary, "version"), ("cni", cni.program, "--version")):
        try:
            found[name] = output([str(program()), word])
        except Failed:
            found[name] = None
    return found


def netfilter(place):
    return place.json([sys.executable, BENCH / "lib" / "conntrack.py"])


def collect():
    return {
        "kernel": f"{platform.release()} {platform.version()}",
        "cpu": cpu_model(),
        "ncpu": len(os.sched_getaffinity(0)),
        "pinned_to": dict(zip(("server", "client_on_two_cpus"), cpu_pair())),
        "governor": governor(),
        "virtualisation": virtualisation(),
        "mitigations": mitigations(),
        "conntrack": netfilter(Place()),
        "tcp": {"tcp_stream": congestion_control(),
                "host": read("/proc/sys/net/ipv4/tcp_congestion_control"),
                "rmem": read("/proc/sys/net/ipv4/tcp_rmem"),
                "wmem": read("/proc/sys/net/ipv4/tcp_wmem")},
        "bpf_jit": {"enable": read("/proc/sys/net/core/bpf_jit_enable"),
                    "harden": read("/proc/sys/net/core/bpf_jit_harden")},
        "bpf_stats_enabled": read("/proc/sys/kernel/bpf_stats_enabled"),
        "load_before": read("/proc/loadavg"),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "command": " ".join([os.environ.get("FV_BENCH_NAME") or sys.argv[0],
                             shlex.join(sys.argv[1:])]).strip(),
        "versions": versions(),
    }


def cpu_pair():
    """
    CPUs for server and client: the last one, and the nearest that is another core.

    The last, because the first has most of the machine's interrupts. (cpu, None)
    where there is no second one.
    """
    cpus = sorted(os.sched_getaffinity(0), reverse=True)
    text = read(f"/sys/devices/system/cpu/cpu{cpus[0]}/topology/thread_siblings_list") or ""
    siblings = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        siblings.update(range(int(first), int(last or first) + 1))
    others = [cpu for cpu in cpus[1:] if cpu not in siblings] or cpus[1:]
    return cpus[0], others[0] if others else None
