# SPDX-License-Identifier: GPL-2.0-only
"""The ways between a client and a server that are compared.

    host       real host's lo             own         ports of fastveth, hook tc
    loopback   lo of a fresh namespace    own-clsact  the same without tcx
    cable      cli eth0 ---- eth0 srv     own-xdp     the same with hook xdp
    bridge     cli eth0 -- p0 br0 p1 -- eth0 srv
    route      cli eth0 -- p0 (host forwards) p1 -- eth0 srv

Where Docker is installed, with containers on its docker0; else a bridge with the rules that Docker
writes. Conntrack is on, and bridged packets are shown to the rules:

    loopback-rules   lo of such a host
    bridge-rules     its bridge
    attached         the same after `fastveth attach`
    bystander        the same with only the client's port attached: nothing is ever proven, and every
                     packet leaves a note
    host-bridge      from the host itself to a container
    host-attached    the same after `fastveth attach`, which leaves such flows to the host

lib/others.py and lib/outside.py have more of them. Each but the first is on a Host of its own, so that one's rules, conntrack and
neighbours cost the others nothing.
"""

from dataclasses import dataclass, field

from lib.docker import Engine
from lib.fastveth import Fastveth, topology
from lib.sandbox import Failed, Host, Place

CASES = ["tcp_stream", "tcp_ofo", "tcp_retransmits", "cpu_per_gbit", "tcp_stream_8", "tcp_stream_64",
         "tcp_rr_p50", "tcp_rr_p90", "tcp_rr_p99", "tcp_rr_p999", "http_keepalive", "http_close",
         "udp_64", "udp_64_loss", "cpu_per_packet", "udp_1400", "udp_1400_loss", "flows_1",
         "flows_10000"]

# As Docker 28 writes them for one bridge, in nftables' words.
DOCKER_RULES = """
table ip filter {
    chain FORWARD {
        type filter hook forward priority filter; policy drop;
        counter jump DOCKER-USER
        counter jump DOCKER-FORWARD
    }
    chain DOCKER-USER { }
    chain DOCKER-FORWARD {
        counter jump DOCKER-CT
        counter jump DOCKER-INTERNAL
        counter jump DOCKER-BRIDGE
        iifname "br0" counter accept
    }
    chain DOCKER-CT { oifname "br0" ct state related,established counter accept; }
    chain DOCKER-INTERNAL { }
    chain DOCKER-BRIDGE { oifname "br0" counter jump DOCKER; }
    chain DOCKER { iifname != "br0" oifname "br0" counter drop; }
}
table ip nat {
    chain PREROUTING {
        type nat hook prerouting priority dstnat;
        fib daddr type local counter jump DOCKER
    }
    chain OUTPUT {
        type nat hook output priority -100;
        ip daddr != 127.0.0.0/8 fib daddr type local counter jump DOCKER
    }
    chain POSTROUTING {
        type nat hook postrouting priority srcnat;
        oifname != "br0" ip saddr 10.77.0.0/24 counter masquerade
    }
    chain DOCKER { iifname "br0" counter return; }
}
"""


@dataclass
class Path:
    name: str
    client: Place
    server: Place
    address: str
    host: Host = None
    fastveth: Fastveth = None  # whose shortcut is to be proven
    flowtable: object = None  # the same of others.Flowtable
    ports: tuple = ("p0", "p1")  # host-side devices of client and server
    info: dict = field(default_factory=dict)
    inside: str = None  # of a published server: where it listens; clients only know the address

    @property
    def listen(self):
        return self.inside or self.address


def up_leaf(name, address, gateway=None):
    lines = [f"{name}: link set lo up", f"{name}: link set eth0 mtu 1500 up",
             f"{name}: addr add {address} dev eth0"]
    return lines + ([f"{name}: route add default via {gateway}"] if gateway else [])


def leaves(host, lines):
    host.ip(["netns add cli", "netns add srv", *lines])
    return host.leaf("cli"), host.leaf("srv")


def build_host(_):
    return Path("host", Place(), Place(), "127.0.0.1")


def build_loopback(host):
    return Path("loopback", host, host, "127.0.0.1")


def build_cable(host):
    places = leaves(host, ["link add eth0 netns cli type veth peer name eth0 netns srv",
                           *up_leaf("cli", "10.77.0.2/24"), *up_leaf("srv", "10.77.0.3/24")])
    return Path("cable", *places, "10.77.0.3")


def rules(host):
    """An Engine, or its rules without it; and how these came about."""
    try:
        return Engine(host), "docker"
    except Failed as failed:
        engine, why = None, f"by hand: {failed}"
    # What an engine that did not get far has left in this namespace.
    host.run(["nft", "flush", "ruleset"])
    host.run(["nft", "-f", "-"], input=DOCKER_RULES)
    return engine, why


def build_loopback_rules(host):
    _, why = rules(host)
    return Path("loopback-rules", host, host, "127.0.0.1", info={"rules": why})


def build_bridge_rules(host, name="bridge-rules"):
    engine, why = rules(host)
    if engine:
        client, _, client_port = engine.container("cli")
        server, address, server_port = engine.container("srv")
        path, bridge = Path(name, client, server, address, ports=(client_port, server_port)), "docker0"
    else:
        path, bridge = build_bridge(host), "br0"
        path.name = name
    try:
        host.run(["sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1"])
    except Failed:
        raise Failed("br_netfilter is not loaded: modprobe br_netfilter") from None
    path.info.update(rules=why, bridge=bridge)
    return path


def build_attached(host):
    path = build_bridge_rules(host, "attached")
    path.fastveth = Fastveth(host)
    path.fastveth.attach(path.info["bridge"])
    path.info["hook"] = path.fastveth.hook()
    return path


def build_bystander(host):
    path = build_bridge_rules(host, "bystander")
    fastveth = Fastveth(host)
    fastveth.attach(f"path:{path.client.network}")
    path.info["hook"] = fastveth.hook()
    return path


def build_host_bridge(host):
    path = build_bridge_rules(host, "host-bridge")
    if path.info["bridge"] == "br0":
        host.ip(["addr add 10.77.0.1/24 dev br0"])
    path.client = host
    return path


def build_host_attached(host):
    path = build_host_bridge(host)
    path.name = "host-attached"
    fastveth = Fastveth(host)
    fastveth.attach(path.info["bridge"])
    path.info["hook"] = fastveth.hook()
    return path


def build_bridge(host):
    places = leaves(host, ["link add br0 type bridge",
                           "link add p0 type veth peer name eth0 netns cli",
                           "link add p1 type veth peer name eth0 netns srv",
                           "link set p0 master br0 up", "link set p1 master br0 up",
                           "link set br0 up",
                           *up_leaf("cli", "10.77.0.2/24"), *up_leaf("srv", "10.77.0.3/24")])
    return Path("bridge", *places, "10.77.0.3")


def build_route(host):
    places = leaves(host, ["link add p0 type veth peer name eth0 netns cli",
                           "link add p1 type veth peer name eth0 netns srv",
                           "link set p0 up", "link set p1 up",
                           "addr add 10.77.1.1/24 dev p0", "addr add 10.77.2.1/24 dev p1",
                           *up_leaf("cli", "10.77.1.2/24", "10.77.1.1"),
                           *up_leaf("srv", "10.77.2.2/24", "10.77.2.1")])
    host.run(["sysctl", "-qw", "net.ipv4.ip_forward=1"])
    return Path("route", *places, "10.77.2.2")


def build_own(host, name, yaml_hook, wanted, environment=()):
    fastveth = Fastveth(host, environment)
    if yaml_hook == "xdp" and not fastveth.can_xdp():
        raise Failed("this kernel cannot do what hook xdp needs: see `fastveth status`")
    fastveth.up(topology(["cli", "srv"], yaml_hook))
    hook = fastveth.hook()
    if hook not in wanted:
        raise Failed(f"fastveth put the ports on {hook}, not on {' or '.join(wanted)}")
    return Path(name, host.leaf("cli"), host.leaf("srv"), fastveth.address("srv"),
                fastveth=fastveth, info={"hook": hook})


BUILDERS = {
    "host": build_host,
    "loopback": build_loopback,
    "cable": build_cable,
    "bridge": build_bridge,
    "route": build_route,
    "loopback-rules": build_loopback_rules,
    "bridge-rules": build_bridge_rules,
    "attached": build_attached,
    "bystander": build_bystander,
    "host-bridge": build_host_bridge,
    "host-attached": build_host_attached,
    "own": lambda host: build_own(host, "own", "tc", ["tcx", "clsact"]),
    "own-clsact": lambda host: build_own(host, "own-clsact", "tc", ["clsact"],
                                         ["FASTVETH_NO_TCX=1"]),
    "own-xdp": lambda host: build_own(host, "own-xdp", "xdp", ["xdp"]),
}


def build(name, builders=BUILDERS):
    host = None if name == "host" else Host()
    try:
        path = builders[name](host)
    except Failed:
        host.close()
        raise
    path.host = host
    return path
