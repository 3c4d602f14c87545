# SPDX-License-Identifier: GPL-2.0-only
"""The fastveth program as a user runs it: command line in, JSON out."""

import json
import os
from pathlib import Path

from lib.sandbox import TOP, Failed

# Nearly all: a neighbour or multicast packet now and then goes the slow path.
SHARE = 0.99
# Of a published server's: a connection's first packets and its probes go the slow path as well.
SHARE_OUTSIDE = 0.9
FEW = 1000  # packets one way are not the load, but the tool's own connection


class Broken(Failed):
    """fastveth did not do what it can do on this kernel."""


def binary():
    path = Path(os.environ.get("FASTVETH") or TOP / "build" / "fastveth").resolve()
    if not path.is_file():
        raise Failed(f"{path} does not exist: run `make`")
    return path


def topology(names, hook, subnet="10.77.0.0/24", publish=()):
    """@publish: what each of the names publishes."""
    inner = f" publish: {json.dumps(list(publish))} " if publish else ""
    spaces = "".join(f"      {name}: {{{inner}}}\n" for name in names)
    return (f"networks:\n  bench:\n    subnet: {subnet}\n    subnet6: fd77::/64\n    mtu: 1500\n"
            f"    hook: {hook}\n    namespaces:\n{spaces}")


class Fastveth:
    """fastveth on one Host."""

    def __init__(self, host, environment=()):
        self.host = host
        # For every verb: `status` judges by what `up` would do in the same environment.
        self.prefix = ["env", *environment] if environment else []
        self.program = str(binary())

    def argv(self, *words):
        return [*self.prefix, self.program, *words]

    def write(self, text):
        """Where `up` finds the topology: a path on the host."""
        self.host.path("/run/bench.yaml").write_text(text)
        return "/run/bench.yaml"

    def do(self, *words):
        try:
            self.host.run(self.argv(*words))
        except Failed as failed:
            raise Broken(str(failed)) from None

    def up(self, text):
        self.do("up", self.write(text))

    def attach(self, *targets):
        self.do("attach", *targets)

    def can_xdp(self):
        return self.read("status", lambda status: status["kernel"]["xdp"])

    def read(self, verb, pick, codes=(0,)):
        """pick(what VERB -j prints)."""
        answer = self.host.json(self.argv(verb, "-j"), codes=codes)
        try:
            return pick(answer)
        except (KeyError, IndexError, TypeError) as error:
            raise Failed(f"fastveth {verb} -j: not as documented: {error!r}") from None

    def hook(self):
        """The one hook that all ports are on, if all is well."""
        def pick(status):
            if not status["healthy"]:
                reasons = [why for port in status["ports"] for why in port["reasons"]]
                raise Broken(f"fastveth status: not healthy: {'; '.join(reasons) or 'no reason'}")
            hooks = {port["hook"] for port in status["ports"]}
            if len(hooks) != 1:
                raise Failed(f"fastveth status: ports on hooks {hooks}, expected one")
            return hooks.pop()
        return self.read("status", pick, codes=(0, 1))

    def uplink(self, device):
        """The hook that an uplink is accelerated on."""
        def pick(status):
            found = [uplink for uplink in status["uplinks"] if uplink["device"] == device]
            if not found:
                raise Failed(f"fastveth status lists no uplink {device}")
            if found[0]["state"] != "accelerated":
                why = "; ".join(found[0]["reasons"]) or "no reason"
                raise Failed(f"fastveth status: uplink {device} is {found[0]['state']}: {why}")
            return found[0]["hook"]
        return self.read("status", pick, codes=(0, 1))

    def address(self, name):
        """The first address of an endpoint: the IPv4 one."""
        return self.read("list", lambda view: {
            point["name"]: point["addresses"][0] for point in view["endpoints"]}[name])

    def counters(self):
        """Packets of all endpoints: (sent, sent by shortcut, received by shortcut, received)."""
        def pick(stats):
            points = stats["endpoints"]
            return (sum(point["tx"]["packets"] for point in points),
                    sum(point["tx"]["shortcut_packets"] for point in points),
                    sum(point["rx"]["shortcut_packets"] for point in points),
                    sum(point["rx"]["packets"] for point in points))
        return self.read("stats", pick)

    def program_ids(self, name):
        ids = self.read("inspect", lambda view: [
            prog["id"] for prog in view["programs"] if prog["name"] == name])
        if not ids:
            raise Failed(f"fastveth inspect: no program {name}")
        return ids


def proof(before, after, least, share, slow=0):
    """
    Why the packets between two counters() did not take the shortcut, or None.

    @least: packets that must have taken it, at both ends. @share: of all that were sent,
    but for @slow of them.
    """
    sent, sent_short, received_short, *_ = (b - a for a, b in zip(before, after))
    if sent_short < least or received_short < least:
        return (f"{least:.0f} packets or more were delivered, but the shortcut counted {sent_short} "
                f"sent and {received_short} received")
    if sent_short < share * sent - slow:
        return f"only {sent_short} of {sent} packets took the shortcut"
    return None


def shortcut_share(before, after):
    """Of the packets between two counters(), how many took the shortcut: 0 to 1."""
    sent, sent_short, received_short, received = (b - a for a, b in zip(before, after))
    return (sent_short + received_short) / max(sent + received, 1)


def proof_outside(before, after, least):
    """
    The same as proof() where only one end is an endpoint, and the other one outside.

    @least: packets that the endpoint is known to have sent and received.
    """
    sent, sent_short, received_short, received = (b - a for a, b in zip(before, after))
    if sent_short + received_short < SHARE_OUTSIDE * least:
        return (f"{least} packets or more were delivered, but the shortcut counted {sent_short} "
                f"sent and {received_short} received")
    ways = [("sent", sent, sent_short), ("received", received, received_short)]
    ways = [way for way in ways if way[1] >= FEW]
    ways.append(("sent and received", sent + received, sent_short + received_short))
    for way, packets, short in ways:
        if short <= SHARE_OUTSIDE * packets:
            return f"only {short} of {packets} packets {way} took the shortcut"
    return None
