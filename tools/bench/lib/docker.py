# SPDX-License-Identifier: GPL-2.0-only
"""A Docker engine on a Host: its data and socket are there, its rules in that network namespace.

Only cgroups are the machine's: tools/bench/sandbox removes what is left of them.
"""

import io
import re
import shutil
import subprocess
import tarfile
import time

from lib.sandbox import Failed, reason

SOCKET = "unix:///run/docker.sock"
CGROUP = "fastveth-bench"
PATIENCE = 60  # seconds until it answers


def image():
    """A tar archive of busybox and what it needs, to sleep in."""
    busybox = shutil.which("busybox")
    if not busybox:
        raise Failed("busybox is not installed: run `make deps`")
    libraries = subprocess.run(["ldd", busybox], capture_output=True, text=True, check=False).stdout
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", dereference=True) as tar:
        tar.add(busybox, "bin/busybox")
        for library in re.findall(r"(/\S+) \(0x", libraries):
            tar.add(library, library.lstrip("/"))
    return archive.getvalue()


class Engine:
    def __init__(self, host):
        if not shutil.which("dockerd") or not shutil.which("docker"):
            raise Failed("Docker is not installed")
        self.host = host
        host.path("/run/image.tar").write_bytes(image())
        log = host.path("/run/dockerd.log")
        with log.open("w") as out:
            self.proc = subprocess.Popen(
                host.argv(["dockerd", "--host", SOCKET, "--data-root", "/run/docker-data",
                           "--exec-root", "/run/docker-exec", "--pidfile", "/run/docker.pid",
                           "--cgroup-parent", f"/{CGROUP}"]),
                stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        try:
            self.wait(log)
            self.docker("import", "/run/image.tar", "bench")
        except Failed:
            self.proc.kill()
            raise

    def wait(self, log):
        for _ in range(PATIENCE * 10):
            if self.proc.poll() is not None:
                raise Failed(f"dockerd: {reason(log.read_text())}")
            try:
                self.docker("version")
                return
            except Failed:
                time.sleep(0.1)
        raise Failed(f"dockerd: no answer after {PATIENCE} s")

    def docker(self, *words):
        return self.host.run(["docker", "-H", SOCKET, *words]).strip()

    def container(self, name, published=()):
        """
        Start one that sleeps; returns (where it is, its address, its port).

        @published: (port of the host, port of the container, protocol).
        """
        options = [f"-p{outer}:{inner}/{protocol}" for outer, inner, protocol in published]
        self.docker("run", "-d", "--name", name, *options, "bench", "/bin/busybox", "sleep",
                    "1000000")
        show = "{{.State.Pid}} {{.NetworkSettings.IPAddress}}"
        pid, address = self.docker("inspect", "-f", show, name).split()
        place = self.host.inside(f"/proc/{pid}/ns/net")
        ifindex = place.json(["ip", "-j", "link", "show", "eth0"])[0]["link_index"]
        port = next(link["ifname"] for link in self.host.json(["ip", "-j", "link"])
                    if link["ifindex"] == ifindex)
        return place, address, port
