# SPDX-License-Identifier: GPL-2.0-only
"""What each path, case, method and program is, in a sentence: for the report and the README.

Words between backquotes are names, as in Markdown. Each kind of path has a colour of its own in every plot.
"""

KINDS = {
    "kernel": "the kernel alone",
    "rules": "the kernel with Docker's rules",
    "fastveth": "fastveth's shortcut",
    "beside": "fastveth is there, but the flow is the host's",
    "other": "others",
}

PARTS = {
    "paths": "Within one host",
    "outside": "From outside, over the host's uplink",
}

# Path: (kind, sentence).
PATHS = {
    "host": ("kernel", "loopback of the host, with whatever rules the host has; the one thing in its "
                       "namespace"),
    "loopback": ("kernel", "loopback of a fresh namespace"),
    "cable": ("kernel", "two namespaces, one veth pair between them: the bar"),
    "bridge": ("kernel", "two namespaces, veth pairs, Linux bridge"),
    "route": ("kernel", "two namespaces, veth pairs, the host forwards; no rules"),
    "loopback-rules": ("rules", "loopback of a host with Docker's rules, and conntrack"),
    "bridge-rules": ("rules", "containers on the docker0 of such a host, `bridge-nf-call-iptables` on"),
    "attached": ("fastveth", "`bridge-rules` after `fastveth attach docker0`"),
    "bystander": ("beside", "`bridge-rules` with only the client's port attached: no flow is proven, "
                            "each packet pays for trying"),
    "host-bridge": ("rules", "from such a host itself to a container"),
    "host-attached": ("beside", "`host-bridge` after `fastveth attach docker0`, which leaves those "
                                "flows to the host"),
    "own": ("fastveth", "`fastveth up`, hook `tc`: tcx, or clsact where the kernel has no tcx"),
    "own-clsact": ("fastveth", "`fastveth up`, hook `tc`, with `FASTVETH_NO_TCX=1`"),
    "own-xdp": ("fastveth", "`fastveth up`, hook `xdp`"),
    "macvlan": ("kernel", "two namespaces, each with a macvlan in bridge mode on one end of a veth "
                          "pair"),
    "cni": ("rules", "two namespaces that the CNI reference plugin `bridge` made the ports of, with "
                     "`host-local` and `ipMasq`; `bridge-nf-call-iptables` on, as Kubernetes has it"),
    "flowtable": ("kernel", "`route` with an nftables flowtable between the two ports, and conntrack, "
                            "which it needs"),
    "netkit": ("kernel", "`route` with netkit pairs (layer 3, no programs) in place of veth"),
    "wire-host": ("rules", "a process of the host itself"),
    "wire-docker": ("rules", "a container on docker0, its ports published (`docker run -p`)"),
    "wire-attached": ("fastveth", "`wire-docker` after `fastveth attach docker0`, the uplink "
                                  "accelerated"),
    "wire-own": ("fastveth", "a namespace of `fastveth up`, its ports published, the uplink "
                             "accelerated"),
    "wire-bystander": ("beside", "`wire-host` after `fastveth attach docker0`: the host's own traffic "
                                 "over an accelerated uplink"),
}

# Case: (title, sentence).
CASES = {
    "tcp_stream": ("TCP, one stream", "one iperf3 stream, cubic; what the receiver got"),
    "tcp_ofo": ("TCP, out of order", "of the stream of `tcp_stream`: segments that came out of "
                                     "order (`TcpExtTCPOFOQueue`)"),
    "tcp_retransmits": ("TCP, sent again", "of the stream of `tcp_stream`: segments that were sent "
                                           "again (`TcpRetransSegs` of the sender)"),
    "cpu_per_gbit": ("TCP, CPU time", "of the stream of `tcp_stream`: time that the CPU or CPUs were "
                                      "busy, for each Gbit received"),
    "tcp_stream_8": ("TCP, 8 streams", "8 iperf3 streams at once, cubic; the sum that the receiver got"),
    "tcp_stream_64": ("TCP, 64 streams", "64 iperf3 streams at once, cubic; the sum that the receiver "
                                         "got"),
    "tcp_stream_in": ("TCP, one stream in", "one iperf3 stream, cubic, from client to server"),
    "tcp_stream_out": ("TCP, one stream out", "one iperf3 stream, cubic, from server to client"),
    "tcp_rr_p50": ("Round trip, median", "sockperf ping-pong, 64 bytes over TCP, one in flight: half "
                                         "of the round trips take longer"),
    "tcp_rr_p90": ("Round trip, p90", "sockperf ping-pong, 64 bytes over TCP, one in flight: one in "
                                      "ten takes longer"),
    "tcp_rr_p99": ("Round trip, p99", "sockperf ping-pong, 64 bytes over TCP, one in flight: one in a "
                                      "hundred takes longer"),
    "tcp_rr_p999": ("Round trip, p99.9", "sockperf ping-pong, 64 bytes over TCP, one in flight: one "
                                         "in a thousand takes longer"),
    "http_keepalive": ("HTTP, keep-alive", "wrk, 16 connections, to nginx: a page of 512 bytes"),
    "http_close": ("HTTP, one request a connection", "wrk, 16 connections at a time, each for one request "
                                                     "to nginx: a page of 512 bytes; no share of the "
                                                     "shortcut is asked for"),
    "udp_64": ("UDP, 64 bytes", "iperf3, 64 bytes of payload, as fast as it goes; what arrived"),
    "udp_64_loss": ("UDP, 64 bytes, lost", "of the packets of `udp_64`: sent and not received"),
    "cpu_per_packet": ("UDP, CPU time", "of the packets of `udp_64`: time that the CPU or CPUs were "
                                        "busy, for each one received"),
    "udp_1400": ("UDP, 1400 bytes", "iperf3, 1400 bytes of payload, as fast as it goes; what arrived"),
    "udp_1400_loss": ("UDP, 1400 bytes, lost", "of the packets of `udp_1400`: sent and not received"),
    "flows_1": ("UDP, one flow", "`flows.c`: datagrams of 64 bytes over one flow; what arrived"),
    "flows_10000": ("UDP, 10,000 flows", "`flows.c`: datagrams of 64 bytes over 10,000 flows in turn; "
                                         "what arrived"),
}

CPUS = {
    1: "client and server on one CPU: the figure is the cost of the path",
    2: "client and server on a CPU each: wake-ups across CPUs count as well",
}

# Way to make many endpoints: (kind, sentence).
METHODS = {
    "script": ("kernel", "one `ip -batch` for the host, then `ip -n NAME -batch` for each namespace, "
                         "one after the other"),
    "script-parallel": ("other", "the same, one namespace per CPU at a time"),
    "cni": ("rules", "the CNI reference plugin `bridge` with `host-local`, called once per namespace"),
    "fastveth": ("fastveth", "`fastveth up`, `add`, `del` and `down`; `attach` and `detach` of bridges "
                             "that others made"),
    "attach": ("fastveth", "`fastveth attach` and `detach` of bridges that others made"),
}

# Program, as in programs[].name.
PROGRAMS = {
    "fv_from_ns": "ingress of a port: what a namespace of `fastveth up` sends",
    "fv_xdp_from_ns": "the same with hook `xdp`",
    "fv_to_ns": "egress of a port: what the host itself sends to a namespace",
    "fv_from_ns@attached": "what a container sends to another one that is attached, too",
    "fv_from_ns@bystander": "what a container sends to one that is not: nothing is proven",
    "fv_to_ns@attached": "what the host itself sends to an attached container",
    "fv_from_uplink@wire-attached": "what comes from outside to a published port, by proof",
    "fv_to_uplink@wire-attached": "what a server sends to the outside, by proof",
    "fv_from_uplink@wire-bystander": "what comes from outside to the host itself",
    "fv_to_uplink@wire-bystander": "what the host itself sends to the outside",
    "reference": "a known amount of work, to compare machines by",
}

VERDICTS = {"faster": "faster", "same": "the same within noise", "slower": "slower"}


def kind(name):
    """Of a path or a method: what colour it has."""
    return (PATHS.get(name) or METHODS.get(name) or ("other",))[0]


def sentence(table, name):
    """Of a path, case or method; a name that is not known here has none."""
    return table[name][1] if name in table else "not described here"


def title(case):
    return CASES[case][0] if case in CASES else case
