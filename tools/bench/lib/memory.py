# SPDX-License-Identifier: GPL-2.0-only
"""Memory that the kernel has in use for namespaces, devices, routes, and BPF maps.

A namespace's memory is charged to no cgroup, and MemAvailable moves by megabytes
without cause. What it consists of are slab objects and per-CPU areas. The slabs'
pages say too little where the kernel had kept some from the run before, so it is
objects in use that are counted (/proc/slabinfo), and what is too big for slabs.
Page tables and stacks are those of whatever happens to run. BPF maps are mostly
vmalloc memory, of others' too: their own figure is taken (maps()).
"""

import os
from pathlib import Path

from lib import bpf
from lib.sandbox import Failed, Place

LEAST = 100  # namespaces; with fewer, what the rest of the machine does is more


def meminfo(name):
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise Failed(f"/proc/meminfo says nothing of {name}")


def objects(text, page):
    """(bytes of all objects in use, bytes of the slabs they are in) of a /proc/slabinfo."""
    used = slabs = 0
    for line in text.splitlines()[2:]:
        _, active, _, size, _, pages, *_, number, _ = line.split()
        used += int(active) * int(size)
        slabs += int(number) * int(pages) * page
    return used, slabs


def used():
    """Bytes. Failed where the kernel does not tell."""
    try:
        # Counters of each CPU are added up when this is read.
        Path("/proc/sys/vm/stat_refresh").read_text()
        text = Path("/proc/slabinfo").read_text()
    except OSError as error:
        raise Failed(f"{error.filename}: {error.strerror}") from None
    inside, slabs = objects(text, os.sysconf("SC_PAGESIZE"))
    # Slab has more than the slabs: objects that are whole pages.
    return inside + meminfo("Slab") - slabs + meminfo("Percpu")


def maps(fastveth):
    """Bytes of all maps of fastveth's on a Host, as the kernel reckons them."""
    ids = set(fastveth.read("inspect", lambda view: [one["id"] for one in view["maps"]]))
    every = Place().json([bpf.bpftool(), "-j", "map", "show"])
    return sum(one.get("bytes_memlock", 0) for one in every if one["id"] in ids)
