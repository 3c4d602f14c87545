# SPDX-License-Identifier: GPL-2.0-only
"""How long CPUs were busy, from /proc/stat: with whatever ran there, softirqs included.

The kernel counts in ticks of 10 ms, so of a second it tells one percent.
"""

import os
from pathlib import Path

from lib.sandbox import Failed

TICKS = os.sysconf("SC_CLK_TCK")  # a second
# Of user nice system idle iowait irq softirq steal guest guest_nice. What was stolen was given to
# other machines; guests are in user already.
WORK = (0, 1, 2, 5, 6)


def ticks(text, cpus):
    """Ticks in which those CPUs were busy, in a text of /proc/stat."""
    lines = {words[0]: words[1:] for words in map(str.split, text.splitlines()) if words}
    try:
        return sum(int(lines[f"cpu{cpu}"][field]) for cpu in cpus for field in WORK)
    except (KeyError, IndexError, ValueError):
        raise Failed(f"/proc/stat is not understood: {text[:80]!r}") from None


def busy(cpus):
    """Seconds that the CPUs, each named once or more, have been busy."""
    return ticks(Path("/proc/stat").read_text(), set(cpus)) / TICKS
