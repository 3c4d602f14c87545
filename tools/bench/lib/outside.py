# SPDX-License-Identifier: GPL-2.0-only
"""The ways from outside of a host, over its uplink, to a server on it.

    outside eth0 ---- up0 host                         wire-host: a process of the host itself
                      host docker0 -- veth -- eth0     wire-docker: published by Docker
                                                       wire-attached: after `fastveth attach`
                      host fv-srv ---------- eth0 srv  wire-own: published by `fastveth up`

Where Docker is not installed, a bridge and the rules that Docker writes. wire-bystander is
wire-host after `fastveth attach`. These two have the same container as the others, published at
other ports, so that their hosts differ from those by nothing but who serves.
"""

from lib import paths
from lib.fastveth import Fastveth, topology
from lib.paths import Path
from lib.serve import PORTS, PUBLISHED

UPLINK = "up0"
HOST, OUTSIDE = "192.0.2.1", "192.0.2.2"
GATEWAY, BY_HAND = "10.77.0.1", "10.77.0.3"  # of the bridge without an engine
ASIDE = 10000  # to the ports of a container that is not what is measured

# What is compared. The first two are the same here as among the other paths.
BASES = ["loopback", "cable"]
CASES = ["tcp_stream_in", "tcp_stream_out", "tcp_rr_p50", "tcp_rr_p90", "tcp_rr_p99", "tcp_rr_p999",
         "http_keepalive", "http_close", "udp_64", "udp_64_loss", "cpu_per_packet"]


def ports(aside=0):
    """[(port of the host, port of the server, protocol)]"""
    return [(PORTS[tool] + aside, PORTS[tool], protocol) for tool, protocol in PUBLISHED]


def wire(host):
    """The host's uplink, with its default route; returns the outside."""
    host.ip(["netns add outside", f"link add {UPLINK} type veth peer name eth0 netns outside",
             f"link set {UPLINK} up", f"addr add {HOST}/24 dev {UPLINK}",
             *paths.up_leaf("outside", f"{OUTSIDE}/24"), f"route add default via {OUTSIDE}"])
    return host.leaf("outside")


def publish_by_hand(host, published):
    """A namespace on a bridge, and for each port the two rules of Docker's own."""
    host.ip(["netns add srv", "link add br0 type bridge",
             "link add p1 type veth peer name eth0 netns srv", "link set p1 master br0 up",
             "link set br0 up", f"addr add {GATEWAY}/24 dev br0",
             *paths.up_leaf("srv", f"{BY_HAND}/24", GATEWAY)])
    host.run(["sysctl", "-qw", "net.ipv4.ip_forward=1"])
    lines = []
    for outer, inner, protocol in published:
        lines += [f'insert rule ip filter DOCKER ip daddr {BY_HAND} iifname != "br0" '
                  f'oifname "br0" {protocol} dport {inner} counter accept',
                  f'add rule ip nat DOCKER iifname != "br0" {protocol} dport {outer} '
                  f"counter dnat to {BY_HAND}:{inner}"]
    host.run(["nft", "-f", "-"], input="\n".join(lines) + "\n")


def build_docker(host, name="wire-docker", aside=0):
    outside = wire(host)
    engine, why = paths.rules(host)
    if engine:
        server, address, _ = engine.container("srv", ports(aside))
    else:
        publish_by_hand(host, ports(aside))
        server, address = host.leaf("srv"), BY_HAND
    return Path(name, outside, server, HOST, inside=address,
                info={"rules": why, "bridge": "docker0" if engine else "br0"})


def build_host(host, name="wire-host"):
    path = build_docker(host, name, ASIDE)
    path.server, path.inside = host, None
    return path


def attach(path, host):
    """Its hooks are noted; nothing is measured where the uplink has none."""
    fastveth = Fastveth(host)
    fastveth.attach(path.info["bridge"])
    path.info.update(hook=fastveth.hook(), uplink_hook=fastveth.uplink(UPLINK))
    return fastveth


def build_attached(host):
    path = build_docker(host, "wire-attached")
    path.fastveth = attach(path, host)
    return path


def build_bystander(host):
    path = build_host(host, "wire-bystander")
    attach(path, host)
    return path


def build_own(host):
    outside = wire(host)
    fastveth = Fastveth(host)
    fastveth.up(topology(["srv"], "tc", publish=[
        f"{outer}:{inner}/{protocol}" for outer, inner, protocol in ports()]))
    return Path("wire-own", outside, host.leaf("srv"), HOST, fastveth=fastveth,
                inside=fastveth.address("srv"),
                info={"hook": fastveth.hook(), "uplink_hook": fastveth.uplink(UPLINK)})


BUILDERS = {
    "wire-host": build_host,
    "wire-docker": build_docker,
    "wire-attached": build_attached,
    "wire-own": build_own,
    "wire-bystander": build_bystander,
}
