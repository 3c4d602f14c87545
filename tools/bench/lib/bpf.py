# SPDX-License-Identifier: GPL-2.0-only
"""Programs that do nothing, attached as fastveth attaches its own; run time by id.

bpftool loads and pins; ip and tc attach to XDP and clsact; for tcx, which the
bpftool and iproute2 of Debian 12 do not know, libbpf is called. Run as a
program, this file attaches to tcx in the network namespace that it is run in.
"""

import ctypes
import ctypes.util
import functools
import glob
import os
import shutil
import socket
import struct
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lib.sandbox import BENCH, Failed, Place, command  # noqa: E402

TCX = {"ingress": 46, "egress": 47}  # BPF_TCX_INGRESS, BPF_TCX_EGRESS
STATS_RUN_TIME = 0
# Of struct bpf_prog_info: bytes of it that are asked for; bytes of machine code and of BPF code
# (the latter after the verifier's rewrites); instructions that the verifier looked at, Linux 5.16.
INFO_SIZE, INFO_LENGTHS, INFO_VERIFIED = 224, 16, 216
INSTRUCTION = 8  # bytes


@functools.cache
def bpftool():
    """One that works: Ubuntu's in the PATH needs the tools of the very kernel that runs."""
    found = [os.environ.get("BPFTOOL"), shutil.which("bpftool"),
             *glob.glob("/usr/lib/linux-tools*/*/bpftool"),
             *glob.glob("/usr/lib/linux-tools-*/bpftool")]
    for program in filter(None, found):
        try:
            command([program, "version"])
            return program
        except Failed:
            continue
    raise Failed("bpftool is not installed: run `make deps`")


def libbpf():
    name = ctypes.util.find_library("bpf")
    if not name:
        raise Failed("libbpf is not installed: run `make deps`")
    return ctypes.CDLL(name, use_errno=True)


def checked(value, what):
    if value < 0:
        raise Failed(f"{what}: {os.strerror(ctypes.get_errno() or -value)}")
    return value


def enable_stats():
    """
    Have the kernel take run times, as kernel.bpf_stats_enabled=1 does, until the
    descriptor is closed: the sysctl would stay set if we were killed.
    """
    return checked(libbpf().bpf_enable_stats(STATS_RUN_TIME), "BPF run time statistics")


def attach_tcx(pin, device, direction):
    """The link is pinned beside the program and lives as long as that bpffs."""
    lib = libbpf()
    prog = checked(lib.bpf_obj_get(pin.encode()), pin)
    link = checked(lib.bpf_link_create(prog, socket.if_nametoindex(device), TCX[direction], None),
                   f"tcx {direction} of {device}")
    checked(lib.bpf_obj_pin(link, f"{pin}_{device}".encode()), f"{pin}_{device}")


class Pinned:
    """The programs of an object file, pinned in a Host's bpffs."""

    def __init__(self, host, file, folder):
        self.host, self.folder = host, f"/sys/fs/bpf/{folder}"
        host.run(["mkdir", self.folder])
        host.run([bpftool(), "prog", "loadall", file, self.folder])

    def ids(self, name):
        return [self.host.json([bpftool(), "-j", "prog", "show", "pinned",
                                f"{self.folder}/{name}"])["id"]]

    def names(self):
        return self.host.run(["ls", self.folder]).split()

    def attach(self, name, device, hook, direction="ingress"):
        pin = f"{self.folder}/{name}"
        if hook == "xdp":
            self.host.run(["ip", "link", "set", "dev", device, "xdpdrv", "pinned", pin])
        elif hook == "clsact":
            self.host.run(["tc", "qdisc", "replace", "dev", device, "clsact"])
            self.host.run(["tc", "filter", "add", "dev", device, direction, "bpf",
                           "direct-action", "object-pinned", pin])
        else:
            self.host.run([sys.executable, BENCH / "lib" / "bpf.py", pin, device, direction])


def run_time(ids):
    """(nanoseconds, runs) of the programs since they were loaded."""
    time = runs = 0
    for number in ids:
        info = Place().json([bpftool(), "-j", "prog", "show", "id", str(number)])
        time += info.get("run_time_ns", 0)
        runs += info.get("run_cnt", 0)
    return time, runs


def program_size(number):
    """(instructions, bytes of machine code, instructions that the verifier looked at or None)."""
    lib = libbpf()
    prog = checked(lib.bpf_prog_get_fd_by_id(number), f"BPF program {number}")
    info, size = ctypes.create_string_buffer(INFO_SIZE), ctypes.c_uint32(INFO_SIZE)
    try:
        checked(lib.bpf_obj_get_info_by_fd(prog, info, ctypes.byref(size)), f"program {number}")
    finally:
        os.close(prog)
    jited, xlated = struct.unpack_from("=II", info, INFO_LENGTHS)
    verified = struct.unpack_from("=I", info, INFO_VERIFIED)[0] if size.value > INFO_VERIFIED else 0
    return xlated // INSTRUCTION, jited, verified or None


if __name__ == "__main__":
    try:
        attach_tcx(*sys.argv[1:])
    except (Failed, OSError) as error:
        sys.exit(str(error))
