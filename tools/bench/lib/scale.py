# SPDX-License-Identifier: GPL-2.0-only
"""`fastveth up` and `down` of many namespaces beside scripts that do the same.

The scripts are what a careful person writes with iproute2: one `ip -batch` for
everything on the host, one per namespace. "script" runs the latter one after
the other, "script-parallel" one per CPU at a time.
"""

import ipaddress
import itertools
import os
import random
import time
from dataclasses import dataclass, field

from lib import stats
from lib.fastveth import Fastveth, topology
from lib.sandbox import Failed, Host

SUBNET = "10.77.0.0/16"
GATEWAY, GATEWAY6 = "10.77.0.1", "fd77::1"
GROUP = 77
SIZES = (50, 250, 500, 1000)
BASES = ("script", "script-parallel")

UP = """set -e
ip -batch /run/bench/host
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
"""
EACH = {
    "script": "while read -r ns; do ip -n $ns -batch /run/bench/ns/$ns; done </run/bench/names\n",
    "script-parallel":
        "xargs -P{jobs} -I@ ip -n @ -batch /run/bench/ns/@ </run/bench/names\n",
}
# As it was made: a line a device, each of which waits for the kernel to let go of it; and with
# the one request for a whole group of devices that few scripts know of.
DOWN = {
    "script": """set -e
ip -batch /run/bench/unlink
ip -batch /run/bench/down
""",
    "script-parallel": f"""set -e
ip link del group {GROUP}
ip -batch /run/bench/down
""",
}


def names(count):
    return [f"n{i}" for i in range(1, count + 1)]


def addresses(i):
    """IPv4, IPv6, and last three bytes of the MACs of the i-th namespace."""
    return (ipaddress.ip_address(GATEWAY) + i, ipaddress.ip_address(GATEWAY6) + i,
            f"{i >> 16:02x}:{i >> 8 & 255:02x}:{i & 255:02x}")


class Script:
    """One of the two scripts on a Host of its own."""

    def __init__(self, host, by):
        self.host, self.by = host, by
        host.path("/run/bench").mkdir()

    def prepare(self, count):
        """Write the batches; this is not timed."""
        folder = self.host.path("/run/bench")
        (folder / "ns").mkdir(exist_ok=True)
        spaces, links = [], []
        for i, ns in enumerate(names(count), 1):
            ip4, ip6, mac = addresses(i)
            inner, outer = f"02:00:00:{mac}", f"02:00:01:{mac}"
            spaces.append(f"netns add {ns}")
            links += [f"link add p{i} address {outer} mtu 1500 group {GROUP} up type veth "
                      f"peer name eth0 address {inner} mtu 1500 netns {ns}",
                      f"route add {ip4}/32 dev p{i}", f"route add {ip6}/128 dev p{i}",
                      f"neigh add {ip4} lladdr {inner} dev p{i} nud permanent",
                      f"neigh add {ip6} lladdr {inner} dev p{i} nud permanent"]
            batch = ["link set lo up", "link set eth0 up",
                     f"addr add {ip4}/32 dev eth0", f"addr add {ip6}/128 dev eth0 nodad",
                     f"route add default via {GATEWAY} dev eth0 onlink",
                     f"route add default via {GATEWAY6} dev eth0 onlink",
                     f"neigh add {GATEWAY} lladdr {outer} dev eth0 nud permanent",
                     f"neigh add {GATEWAY6} lladdr {outer} dev eth0 nud permanent"]
            (folder / "ns" / ns).write_text("\n".join(batch) + "\n")
        (folder / "host").write_text("\n".join(spaces + links) + "\n")
        (folder / "names").write_text("\n".join(names(count)) + "\n")
        (folder / "unlink").write_text("".join(f"link del p{i}\n" for i in range(1, count + 1)))
        (folder / "down").write_text("".join(f"netns del {ns}\n" for ns in names(count)))

    def up(self):
        each = EACH[self.by].format(jobs=len(os.sched_getaffinity(0)))
        return ["sh", "-c", UP + each]

    def down(self):
        return ["sh", "-c", DOWN[self.by]]

    def addresses(self, count):
        return GATEWAY, str(addresses(count)[0])


class Program:
    """fastveth on a Host of its own."""

    def __init__(self, host, by):
        self.host, self.by = host, by
        self.fastveth = Fastveth(host)

    def prepare(self, count):
        self.file = self.fastveth.write(topology(names(count), "tc", SUBNET))

    def up(self):
        return self.fastveth.argv("up", self.file)

    def down(self):
        return self.fastveth.argv("down", "--all")

    def addresses(self, count):
        return GATEWAY, self.fastveth.address(f"n{count}")


METHODS = {"script": Script, "script-parallel": Script, "fastveth": Program}


@dataclass
class Run:
    methods: dict = field(default_factory=dict)
    # (up | down | settling, namespaces, by): [ms per namespace]
    samples: dict = field(default_factory=dict)
    refused: list = field(default_factory=list)


def devices(host):
    return host.run(["ip", "-o", "link", "show", "type", "veth"]).count("\n")


def check_up(method, count):
    """The first namespace must reach the last one: its kernel refuses a closed port."""
    spaces = method.host.run(["ip", "netns", "list"]).count("\n")
    ports = devices(method.host)
    if (spaces, ports) != (count, count):
        raise Failed(f"{spaces} namespaces and {ports} devices after `up` of {count}")
    target = method.addresses(count)[1]
    probe = f"import socket; socket.create_connection(('{target}', 9), timeout=3)"
    try:
        method.host.leaf("n1").run(["python3", "-c", probe])
    except Failed as failed:
        if "ConnectionRefused" not in str(failed):
            raise Failed(f"n1 does not reach n{count}: {failed}") from None


def wait_gone(host):
    """Until no device is left: a script may leave that to the kernel, and it counts."""
    for _ in range(3000):
        if not devices(host):
            return
        time.sleep(0.01)
    raise Failed("devices are still there 30 s after `down`")


def settle(host):
    """
    Until the kernel has taken apart every namespace that is already deleted.

    It does so in batches, one at a time. When a namespace that was deleted now is
    gone, its batch has begun; when a second one is, that batch has ended.
    """
    for _ in range(2):
        host.ip(["netns add probe", "link add probe type veth peer name eth0 netns probe",
                 "netns del probe"])
        wait_gone(host)


def timed(host, argv, after=None):
    start = time.monotonic()
    host.run(argv, timeout=600)
    if after:
        after(host)
    return (time.monotonic() - start) * 1000


def one(method, count):
    """(up, down, settling) in ms."""
    method.prepare(count)
    up = timed(method.host, method.up())
    check_up(method, count)
    down = timed(method.host, method.down(), wait_gone)
    if method.host.run(["ip", "netns", "list"]).strip():
        raise Failed("named namespaces are left after `down`")
    start = time.monotonic()
    settle(method.host)
    return up, down, (time.monotonic() - start) * 1000


def start(run, by):
    """The method on a fresh Host."""
    host = Host()
    try:
        run.methods[by] = METHODS[by](host, by)
    except Failed:
        host.close()
        raise


def sample(run, by, count, number):
    """One turn. After a failed one the state of its Host is unknown, so it gets another."""
    try:
        took = [ms / count for ms in one(run.methods[by], count)]
    except Failed as failed:
        took = [None] * 3
        run.refused.append({"path": by, "case": f"{count} namespaces", "round": number,
                            "reason": str(failed)})
        run.methods[by].host.close()
        start(run, by)
    if number:
        for what, ms in zip(("up", "down", "settling"), took):
            run.samples.setdefault((what, count, by), []).append(ms)


def rounds(run, options, progress):
    """Round 0 is warm-up, with the smallest size."""
    for number in range(options.rounds + 1):
        for count in options.sizes if number else [min(options.sizes)]:
            order = list(run.methods)
            random.shuffle(order)
            for by in order:
                progress(number, f"{count} namespaces by {by}")
                sample(run, by, count, number)


def results(run, options):
    rows = []
    for what, count, by in itertools.product(("up", "down"), options.sizes, run.methods):
        samples = run.samples[what, count, by]
        median, low, high = (stats.rounded(value) for value in stats.spread(samples))
        if median is None:
            continue
        ratios = {base: stats.rounded(stats.ratio(samples, run.samples[what, count, base])[0])
                  for base in BASES if (what, count, base) in run.samples}
        row = {"what": what, "namespaces": count, "by": by, "unit": "ms/namespace",
               "samples": [stats.rounded(value) for value in samples], "median": median,
               "low": low, "high": high, "ratio": ratios}
        if what == "down":
            row["settling"] = stats.rounded(
                stats.spread(run.samples["settling", count, by])[0])
        if count == max(options.sizes) > min(options.sizes):
            small = run.samples[what, min(options.sizes), by]
            row["growth"] = stats.rounded(stats.ratio(samples, small)[0])
        rows.append(row)
    return rows


def scale(options, say, progress):
    """Returns (scale[], skipped[], refused[])."""
    run, skipped = Run(), []
    try:
        for by in options.methods:
            try:
                start(run, by)
            except Failed as failed:
                skipped.append({"scale": by, "reason": str(failed)})
                say(f"skipped: scale {by}: {failed}")
        rounds(run, options, progress)
    finally:
        for method in run.methods.values():
            method.host.close()
    return results(run, options), skipped, run.refused
