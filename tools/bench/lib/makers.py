# SPDX-License-Identifier: GPL-2.0-only
"""Who makes many namespaces on a Host of its own, as argument vectors for scale.py to time.

    script           what a careful person writes with iproute2: one `ip -batch` for
                     everything on the host, one per namespace, one after the other
    script-parallel  the latter one per CPU at a time
    cni              the reference plugin "bridge" with "host-local", as container engines
                     call it: once per namespace
    fastveth         `up`, `add`, `del`, `down`

Each makes, and takes away again, namespaces n1 to nCOUNT and one more, EXTRA.
"""

import ipaddress
import json
import os

from lib import cni
from lib.fastveth import Fastveth, topology
from lib.sandbox import Failed

SUBNET, SUBNET6 = "10.77.0.0/16", "fd77::/64"
GATEWAY, GATEWAY6 = "10.77.0.1", "fd77::1"
GROUP = 77
FOLDER = "/run/bench"
EXTRA = "extra"

UP = f"""set -e
ip -batch {FOLDER}/host
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
"""
EACH = {
    "script": f"while read -r ns; do ip -n $ns -batch {FOLDER}/ns/$ns; done <{FOLDER}/names\n",
    "script-parallel": f"xargs -P{{jobs}} -I@ ip -n @ -batch {FOLDER}/ns/@ <{FOLDER}/names\n",
}
# One request for a whole group of devices: one by one, each waits for the kernel to let go of it.
DOWN = f"""set -e
ip link del group {GROUP}
ip -batch {FOLDER}/down
"""
ADD = f"""set -e
ip -batch {FOLDER}/extra-host
ip -n {EXTRA} -batch {FOLDER}/ns/{EXTRA}
"""

CNI_CONFIG = {
    "cniVersion": "0.4.0", "name": "bench", "type": "bridge", "bridge": "cni0", "isGateway": True,
    "mtu": 1500,
    "ipam": {"type": "host-local", "dataDir": f"{FOLDER}/cni",
             "ranges": [[{"subnet": SUBNET}], [{"subnet": SUBNET6}]],
             "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]},
}
# Their answers and errors go to the same file, of which the last line is shown on failure.
CNI = """set -e
call() {{
	CNI_COMMAND=$1 CNI_CONTAINERID=$2 CNI_NETNS=/run/netns/$2 CNI_IFNAME=eth0 \\
		CNI_PATH={plugins} {plugins}/bridge <{folder}/conf >{folder}/answer || {{
		tr -d '\\n' <{folder}/answer >&2
		exit 1
	}}
}}
"""
CNI_UP = f"""ip -batch {FOLDER}/spaces
while read -r ns; do call ADD $ns; done <{FOLDER}/names
"""
CNI_DOWN = f"""while read -r ns; do call DEL $ns; done <{FOLDER}/names
ip -batch {FOLDER}/down
"""


def names(count):
    return [f"n{i}" for i in range(1, count + 1)]


def addresses(i):
    """IPv4, IPv6, and last three bytes of the MACs of the i-th namespace."""
    return (ipaddress.ip_address(GATEWAY) + i, ipaddress.ip_address(GATEWAY6) + i,
            f"{i >> 16:02x}:{i >> 8 & 255:02x}:{i & 255:02x}")


def macs(i):
    """Of the i-th namespace's interface, and of its port."""
    last = addresses(i)[2]
    return f"02:00:00:{last}", f"02:00:01:{last}"


def on_host(i, ns):
    """What the host needs for the i-th namespace, once that is there."""
    ip4, ip6, _ = addresses(i)
    inner, outer = macs(i)
    return [f"link add p{i} address {outer} mtu 1500 group {GROUP} up type veth "
            f"peer name eth0 address {inner} mtu 1500 netns {ns}",
            f"route add {ip4}/32 dev p{i}", f"route add {ip6}/128 dev p{i}",
            f"neigh add {ip4} lladdr {inner} dev p{i} nud permanent",
            f"neigh add {ip6} lladdr {inner} dev p{i} nud permanent"]


def inside(i):
    ip4, ip6, _ = addresses(i)
    outer = macs(i)[1]
    return ["link set lo up", "link set eth0 up",
            f"addr add {ip4}/32 dev eth0", f"addr add {ip6}/128 dev eth0 nodad",
            f"route add default via {GATEWAY} dev eth0 onlink",
            f"route add default via {GATEWAY6} dev eth0 onlink",
            f"neigh add {GATEWAY} lladdr {outer} dev eth0 nud permanent",
            f"neigh add {GATEWAY6} lladdr {outer} dev eth0 nud permanent"]


class Maker:
    """
    On a Host of its own. prepare() is not timed; the others return what is to be run.

    @most: of which it can make no more, by a limit of the kernel's.
    """
    most = None

    def __init__(self, host, by):
        self.host, self.by = host, by
        self.folder = host.path(FOLDER)
        self.folder.mkdir()

    def write(self, name, lines):
        (self.folder / name).write_text("".join(f"{line}\n" for line in lines))


class Script(Maker):
    """One of the two scripts. One more namespace is the same to both: `script` does it."""

    def __init__(self, host, by):
        super().__init__(host, by)
        (self.folder / "ns").mkdir()

    def prepare(self, count):
        spaces, links = [], []
        for i, ns in enumerate(names(count), 1):
            spaces.append(f"netns add {ns}")
            links += on_host(i, ns)
            self.write(f"ns/{ns}", inside(i))
        more = count + 1
        self.write("host", spaces + links)
        self.write("names", names(count))
        self.write("down", [f"netns del {ns}" for ns in names(count)])
        self.write("extra-host", [f"netns add {EXTRA}", *on_host(more, EXTRA)])
        self.write(f"ns/{EXTRA}", inside(more))
        self.write("extra-down", [f"link del p{more}", f"netns del {EXTRA}"])

    def up(self):
        return ["sh", "-c", UP + EACH[self.by].format(jobs=len(os.sched_getaffinity(0)))]

    def down(self):
        return ["sh", "-c", DOWN]

    def add(self):
        return ["sh", "-c", ADD] if self.by == "script" else None

    def delete(self):
        return ["ip", "-batch", f"{FOLDER}/extra-down"]


class Cni(Maker):
    most = 1000  # a bridge takes 1023 ports

    def __init__(self, host, by):
        found = cni.folder()
        super().__init__(host, by)
        self.shell = CNI.format(plugins=found, folder=FOLDER)
        (self.folder / "conf").write_text(json.dumps(CNI_CONFIG))

    def prepare(self, count):
        self.write("names", names(count))
        self.write("spaces", [f"netns add {ns}" for ns in names(count)])
        self.write("down", [f"netns del {ns}" for ns in names(count)])

    def up(self):
        return ["sh", "-c", self.shell + CNI_UP]

    def down(self):
        return ["sh", "-c", self.shell + CNI_DOWN]

    def add(self):
        return ["sh", "-c", f"{self.shell}ip netns add {EXTRA}\ncall ADD {EXTRA}\n"]

    def delete(self):
        return ["sh", "-c", f"{self.shell}call DEL {EXTRA}\nip netns del {EXTRA}\n"]


class Program(Maker):
    """fastveth's own network."""

    def __init__(self, host, by):
        super().__init__(host, by)
        self.fastveth = Fastveth(host)

    def prepare(self, count):
        self.file = self.fastveth.write(topology(names(count), "tc", SUBNET))

    def up(self):
        return self.fastveth.argv("up", self.file)

    def down(self):
        return self.fastveth.argv("down", "--all")

    def add(self):
        return self.fastveth.argv("add", EXTRA, "--network", "bench")

    def delete(self):
        return self.fastveth.argv("del", EXTRA)


class Bridges(Maker):
    """Ports of others, on as many bridges as they need, which fastveth attaches to."""
    PORTS = 1000  # a bridge: it takes 1023

    def __init__(self, host, by):
        super().__init__(host, by)
        self.fastveth = Fastveth(host)
        self.count = 0

    def prepare(self, count):
        self.count = count
        lines = [line for bridge in self.bridges()
                 for line in (f"link add {bridge} type bridge", f"link set {bridge} up")]
        for i, ns in enumerate(names(count), 1):
            lines += [f"netns add {ns}", f"link add p{i} group {GROUP} up "
                      f"master {self.bridges()[(i - 1) // self.PORTS]} type veth "
                      f"peer name eth0 netns {ns}"]
        self.host.ip(lines)

    def bridges(self):
        return [f"br{i}" for i in range((self.count - 1) // self.PORTS + 1)]

    def attach(self):
        return self.fastveth.argv("attach", *self.bridges())

    def detach(self):
        return self.fastveth.argv("detach", "--all")

    def check(self):
        """Every port must be attached to, and take the shortcut."""
        ports = self.fastveth.read("status", lambda status: [
            port["state"] for port in status["ports"]], codes=(0, 1))
        if ports != ["accelerated"] * self.count:
            raise Failed(f"{ports.count('accelerated')} of {self.count} ports are accelerated "
                         "after `attach`")

    def unmake(self):
        self.host.run(["ip", "link", "del", "group", str(GROUP)], timeout=600)
        self.host.ip([f"link del {bridge}" for bridge in self.bridges()] +
                     [f"netns del {ns}" for ns in names(self.count)])
