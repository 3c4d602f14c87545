# SPDX-License-Identifier: GPL-2.0-only
"""Network namespaces to measure in, none of which outlives the run.

A Host is what a machine would be to fastveth: network namespace, mounts, /run,
/etc, /sys and bpffs of its own. Its leaves are the named namespaces inside.
The real host's network namespace is never written to.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parent.parent
TOP = BENCH.parent.parent

# /etc is copied because fastveth writes /etc/netns; /sys is mounted anew because
# it shows the network namespace that it was mounted in; the cgroups are for Docker.
SETUP = """set -e
mount -t tmpfs -o mode=755 fvbench /run
mkdir /run/etc
cp -a /etc/. /run/etc
mount --bind /run/etc /etc
mkdir /run/cgroup
mount --rbind /sys/fs/cgroup /run/cgroup
mount -t sysfs fvbench /sys
mount --rbind /run/cgroup /sys/fs/cgroup
mount -t bpf -o mode=700 bpf /sys/fs/bpf
ip link set lo up
echo ready
exec cat
"""


def made(name):
    """What `make` builds for the benchmark: beside the scripts where they are installed."""
    for path in (BENCH / name, TOP / "build" / "bench" / name):
        if path.is_file():
            return path
    raise Failed(f"{path} does not exist: run `make`")


class Failed(Exception):
    """Something could not be done; the text is one line and says what and why."""


class Interrupted(SystemExit):
    """A signal asks for the end. Who catches it closes what is open and tells what is complete."""

    came = False  # for those who come after one that was caught


def interrupt(*_):
    Interrupted.came = True
    # One is enough. Not SIG_IGN, which programs that are started from here would inherit.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    raise Interrupted(130)


def reason(text):
    """The last line of a tool's output that says something, or the error in its JSON."""
    error = re.search(r'"error":\s*"([^"]*)"', text)
    if error:
        return error[1]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"


def words(argv):
    """The start of a command as a person would name it, without where it runs."""
    argv = [str(word) for word in argv]
    if "--" in argv:
        argv = argv[argv.index("--") + 1 :]
    if argv[0] == "taskset":
        argv = argv[3:]
    return " ".join(argv[:5])


def command(argv, timeout=120, codes=(0,), **kwargs):
    """Run to the end and return stdout."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, **kwargs)
    except FileNotFoundError:
        raise Failed(f"{argv[0]}: not installed") from None
    except subprocess.TimeoutExpired:
        raise Failed(f"{words(argv)}: no end after {timeout} s") from None
    if done.returncode not in codes:
        raise Failed(f"{words(argv)}: {reason(done.stderr or done.stdout)}")
    return done.stdout


def own_name():
    """What messages begin with: the command that was called."""
    return os.environ.get("FV_BENCH_NAME") or Path(sys.argv[0]).name


def enter(tools):
    """Start the calling script again below tools/bench/sandbox, unless it is there already."""
    name = own_name()
    if os.environ.get("FV_BENCH_INSIDE") == "1":
        # The first process of a PID namespace ignores every signal without a handler.
        signal.signal(signal.SIGTERM, interrupt)
        signal.signal(signal.SIGINT, interrupt)
        return
    os.environ["PATH"] += ":/usr/local/sbin:/usr/sbin:/sbin"  # not in every user's
    if os.geteuid():
        sys.exit(f"{name}: needs root to make namespaces: run it with sudo")
    missing = [tool for tool in tools if not shutil.which(tool)]
    if missing:
        sys.exit(f"{name}: not installed: {', '.join(missing)}: run `make deps DEPS=bench`")
    script = str(Path(sys.argv[0]).resolve())
    sys.stdout.flush()
    os.execv(BENCH / "sandbox", [str(BENCH / "sandbox"), script, *sys.argv[1:]])


class Place:
    """Where a command runs: a prefix to its argument vector."""

    def __init__(self, prefix=(), network=None):
        self.prefix = list(prefix)
        self.network = network  # path of its network namespace, as seen from where it runs

    def argv(self, argv, cpu=None):
        pin = [] if cpu is None else ["taskset", "-c", str(cpu)]
        return self.prefix + pin + [str(word) for word in argv]

    def run(self, argv, cpu=None, **kwargs):
        return command(self.argv(argv, cpu), **kwargs)

    def json(self, argv, **kwargs):
        text = self.run(argv, **kwargs)
        try:
            return json.loads(text)
        except ValueError:
            raise Failed(f"{argv[0]}: output is not JSON: {text[:80]!r}") from None


class Host(Place):
    def __init__(self):
        self.proc = subprocess.Popen(
            ["unshare", "--net", "--mount", "--propagation", "private", "--", "sh", "-c", SETUP],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.proc.stdout.readline().strip() != "ready":
            raise Failed(f"namespaces of a host: {reason(self.proc.communicate()[1])}")
        pid = self.proc.pid
        # The root too: its mount namespace's own is not ours in a chroot.
        super().__init__(["nsenter", f"--mount=/proc/{pid}/ns/mnt", f"--root=/proc/{pid}/root",
                          f"--net=/proc/{pid}/ns/net", "--"])

    def leaf(self, name):
        """A named namespace of this host."""
        pid = self.proc.pid
        return self.inside(f"/proc/{pid}/root/run/netns/{name}", f"/run/netns/{name}")

    def inside(self, network, path=None):
        """The namespace of that path: its network, the host's mounts. @path: the same on the host."""
        pid = self.proc.pid
        return Place(["nsenter", f"--mount=/proc/{pid}/ns/mnt", f"--root=/proc/{pid}/root",
                      f"--net={network}", "--"], path or network)

    def ip(self, lines):
        """`ip -batch`; a line "NAME: ..." is for the leaf NAME."""
        batches = []
        for line in lines:
            where, sep, rest = line.partition(": ")
            where, rest = (where, rest) if sep else (None, line)
            if not batches or batches[-1][0] != where:
                batches.append((where, []))
            batches[-1][1].append(rest)
        for where, batch in batches:
            place = self.leaf(where) if where else self
            place.run(["ip", "-batch", "-"], input="\n".join(batch) + "\n")

    def path(self, path):
        """An absolute path on this host, as seen from outside of it."""
        return Path(f"/proc/{self.proc.pid}/root{path}")

    def close(self):
        self.proc.kill()
        self.proc.communicate()
