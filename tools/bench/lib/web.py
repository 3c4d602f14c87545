# SPDX-License-Identifier: GPL-2.0-only
"""HTTP requests: nginx with one page, wrk with a few connections.

nginx has all of its files in a directory of its own on the path's Host, and stays one process in
the foreground, so that whoever stops it need only know its pid. For the real host, to which nothing
is written, they are on a Host that is made for the purpose.
"""

import re
import tempfile
from pathlib import Path

from lib.sandbox import Failed, Host, reason
from lib.serve import PATIENCE, port_of, serve_and_load

CONNECTIONS = 16
PAGE = "x" * 512

# From memory, so that no file system is measured. One connection lasts as long as the load.
CONFIG = """daemon off;
master_process off;
pid {folder}/pid;
error_log stderr crit;
events {{ }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {address}:{port};
        location / {{ return 200 "{page}"; }}
    }}
}}
"""


def answered(out):
    """(requests, requests per second) of wrk's report, if each got the page."""
    total = re.search(r"(\d+) requests in ", out)
    rate = re.search(r"Requests/sec: +([0-9.]+)", out)
    bad = re.search(r"(Socket errors|Non-2xx).*", out)
    if bad:
        raise Failed(f"wrk: {bad[0].strip()}")
    if not total or not rate or not int(total[1]):
        raise Failed(f"wrk: {reason(out)}")
    return int(total[1]), float(rate[1])


def load(path, cpus, seconds, outer, headers):
    """What wrk prints of an nginx that has its files in that directory."""
    port = port_of(path, "nginx")
    folder = f"/run/{Path(outer).name}" if path.host else outer  # as nginx sees it
    Path(outer, "nginx.conf").write_text(CONFIG.format(
        folder=folder, address=path.listen, port=port, page=PAGE))
    server = ["nginx", "-p", folder, "-c", f"{folder}/nginx.conf", "-e", "stderr"]
    client = ["wrk", "-t", 1, "-c", CONNECTIONS, "-d", seconds,
              *(word for header in headers for word in ("-H", header)),
              f"http://{path.address}:{port}/"]
    return serve_and_load(path, cpus, server, client, port, seconds + PATIENCE).client


def http(path, cpus, seconds, case, headers=()):
    files = path.host or Host()
    try:
        with tempfile.TemporaryDirectory(prefix="nginx-", dir=files.path("/run")) as outer:
            requests, rate = answered(load(path, cpus, seconds, outer, headers))
    finally:
        if not path.host:
            files.close()
    return {case: rate}, 2 * requests


def http_keepalive(path, cpus, seconds):
    return http(path, cpus, seconds, "http_keepalive")


def http_close(path, cpus, seconds):
    return http(path, cpus, seconds, "http_close", ["Connection: close"])
