# SPDX-License-Identifier: GPL-2.0-only
"""The CNI project's reference plugins, run as a container runtime would."""

import json
import os
from pathlib import Path

from lib.sandbox import Failed

PACKAGE = "containernetworking-plugins"
FOLDERS = ("/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni")
NEEDED = ("bridge", "host-local")

# As the project's documentation has it, but that its notes of addresses are the Host's own.
CONFIG = {
    "cniVersion": "0.4.0", "name": "bench", "type": "bridge", "bridge": "cni0",
    "isGateway": True, "ipMasq": True,
    "ipam": {"type": "host-local", "subnet": "10.77.0.0/24", "dataDir": "/run/cni-networks",
             "routes": [{"dst": "0.0.0.0/0"}]},
}


def folder():
    """Where the plugins are: in a directory of CNI_PATH, or where packages put them."""
    places = [place for place in os.environ.get("CNI_PATH", "").split(":") if place]
    places += FOLDERS
    for place in places:
        if all(os.access(Path(place, name), os.X_OK) for name in NEEDED):
            return place
    raise Failed(f"not installed: {', '.join(NEEDED)} in {', '.join(places)}: install "
                 f"{PACKAGE}")


def program():
    return Path(folder(), CONFIG["type"])


def add(host, name):
    """The plugin's result for the leaf of that name, which gets eth0."""
    answer = host.json(
        ["env", "CNI_COMMAND=ADD", f"CNI_CONTAINERID={name}", f"CNI_NETNS=/run/netns/{name}",
         "CNI_IFNAME=eth0", f"CNI_PATH={folder()}", program()],
        input=json.dumps(CONFIG), codes=(0, 1))
    if "ips" not in answer:
        raise Failed(f"CNI {CONFIG['type']}: {answer.get('msg') or answer}")
    return answer


def address(result):
    return result["ips"][0]["address"].partition("/")[0]
