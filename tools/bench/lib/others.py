# SPDX-License-Identifier: GPL-2.0-only
"""More ways between a client and a server: what else a host offers to spare itself a bridge.

    macvlan    cli eth0, srv eth0: two macvlans in bridge mode on p0, one end of a veth pair
    cni        cli eth0 -- veth cni0 veth -- eth0 srv, by the CNI reference plugin `bridge`
    flowtable  cli eth0 -- p0 (host forwards; nftables' flowtable) p1 -- eth0 srv
    netkit     cli eth0 -- p0 (host forwards) p1 -- eth0 srv, pairs of netkit in place of veth
"""

import shutil

from lib import cni
from lib.fastveth import SHARE_OUTSIDE
from lib.paths import Path, build_route, leaves, up_leaf
from lib.sandbox import Failed

TABLE = "bench"
# What the counter counts has not been taken out of the host's way by the flowtable.
FLOWTABLE = f"""
table inet {TABLE} {{
    flowtable fast {{
        hook ingress priority 0
        devices = {{ p0, p1 }}
    }}
    counter forwarded {{ }}
    chain forward {{
        type filter hook forward priority 0; policy accept;
        counter name forwarded
        meta l4proto {{ tcp, udp }} flow add @fast
    }}
}}
"""


class Flowtable:
    """The one between p0 and p1 of a Host, and what passed by it."""

    def __init__(self, host):
        self.host = host
        if not shutil.which("nft"):
            raise Failed("not installed: nft: run `make deps DEPS=bench`")
        try:
            host.run(["nft", "-f", "-"], input=FLOWTABLE)
        except Failed:
            raise Failed("nft does not make a flowtable; the kernel needs CONFIG_NF_FLOW_TABLE, "
                         "CONFIG_NF_FLOW_TABLE_INET and CONFIG_NFT_FLOW_OFFLOAD") from None

    def counters(self):
        """(packets that came in at both ports, those of them that were forwarded without it)"""
        links = self.host.json(["ip", "-j", "-s", "link"])
        listed = self.host.json(["nft", "-j", "list", "counter", "inet", TABLE, "forwarded"])
        entered = sum(link["stats64"]["rx"]["packets"] for link in links
                      if link["ifname"] in ("p0", "p1"))
        return entered, next(item["counter"]["packets"] for item in listed["nftables"]
                             if "counter" in item)


def proof(before, after, least, share=SHARE_OUTSIDE, slow=0):
    """
    Why the packets between two counters() did not take the flowtable, or None.

    @least: packets that entered the ports. @share: of all that did, but for @slow of them.
    """
    entered, forwarded = (b - a for a, b in zip(before, after))
    if entered < least:
        return f"{least:.0f} packets or more were delivered, but {entered} entered the ports"
    if entered - forwarded < share * entered - slow:
        return f"{forwarded} of {entered} packets did not take the flowtable"
    return None


def flowtable_share(before, after):
    """Of the packets between two counters(), how many took the flowtable: 0 to 1."""
    entered, forwarded = (b - a for a, b in zip(before, after))
    return 1 - forwarded / max(entered, 1)


def build_flowtable(host):
    path = build_route(host)
    path.name, path.flowtable = "flowtable", Flowtable(host)
    return path


def build_macvlan(host):
    places = leaves(host, ["link add p0 type veth peer name p1", "link set p0 up", "link set p1 up",
                           *(f"link add link p0 name eth0 netns {name} type macvlan mode bridge"
                             for name in ("cli", "srv")),
                           *up_leaf("cli", "10.77.0.2/24"), *up_leaf("srv", "10.77.0.3/24")])
    return Path("macvlan", *places, "10.77.0.3")


def build_cni(host):
    info = {"plugins": cni.folder()}
    places = leaves(host, ["cli: link set lo up", "srv: link set lo up"])
    cni.add(host, "cli")
    address = cni.address(cni.add(host, "srv"))
    try:
        # As Kubernetes asks of its nodes.
        host.run(["sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1"])
        info["bridge_nf_call_iptables"] = 1
    except Failed:
        info["bridge_nf_call_iptables"] = None  # br_netfilter is not loaded
    return Path("cni", *places, address, info=info)


def build_netkit(host):
    """
    Pairs of layer 3, as the kernel makes them of a request that says nothing but the kind.

    So an iproute2 that has not heard of netkit can make them, too. It names the inner end nk0.
    """
    host.ip(["netns add cli", "netns add srv"])
    for port, leaf, net in (("p0", "cli", 1), ("p1", "srv", 2)):
        try:
            host.run(["ip", "link", "add", port, "type", "netkit"])
        except Failed as failed:
            raise Failed("the kernel makes no netkit (CONFIG_NETKIT, since Linux 6.7): "
                         f"{failed}") from None
        host.ip([f"link set nk0 netns {leaf} name eth0", f"link set {port} up",
                 f"addr add 10.77.{net}.1/24 dev {port}",
                 *up_leaf(leaf, f"10.77.{net}.2/24", f"10.77.{net}.1")])
    host.run(["sysctl", "-qw", "net.ipv4.ip_forward=1"])
    return Path("netkit", host.leaf("cli"), host.leaf("srv"), "10.77.2.2")


BUILDERS = {
    "macvlan": build_macvlan,
    "cni": build_cni,
    "flowtable": build_flowtable,
    "netkit": build_netkit,
}
