#!/usr/bin/env python3
"""Sends equal SOAP calls to a group with a cache, before a SOAP upstream: how many of them reach the upstream, how fast
they are with and without the cache, and how much memory the answers take while many different calls fill it.

Ends with an error if more calls reach the upstream than times have passed, or if the cache exceeds its size.
"""
import argparse
import http.client
import os
import re
import statistics
import sys
import tempfile
import threading
import time

import servers

BEHIND = """
listen = ["127.0.0.1:0"]
log = { access = false }
admin = { listen = "127.0.0.1:%(admin)d" }
[group."/wheel"]
service = "wheel"
options = { family = "american" }
[group."/echo"]
service = "diagnostics"
"""
FRONT = """
listen = ["127.0.0.1:0"]
log = { access = false }
admin = { listen = "127.0.0.1:%(admin)d" }
server.per-client = { connections = 4096 }
[group."/cached"]
cache = { ttl = "%(ttl)ds", size = "%(size)d KiB" }
upstream = { urls = ["http://%(upstream)s/wheel"], protocol = "soap", description = "http://%(upstream)s/wheel?wsdl", safe = ["*"] }
[group."/echoes"]
cache = { ttl = "%(ttl)ds", size = "%(size)d KiB" }
upstream = { urls = ["http://%(upstream)s/echo"], protocol = "soap", description = "http://%(upstream)s/echo?wsdl", safe = ["*"] }
[group."/plain"]
upstream = { urls = ["http://%(upstream)s/wheel"], protocol = "soap", description = "http://%(upstream)s/wheel?wsdl", safe = ["*"] }
"""


def soap(path, method, content=""):
    return (f'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
            f'<m:{method} xmlns:m="urn:croupier:{path}">{content}</m:{method}></e:Body></e:Envelope>').encode()


def start(text, **values):
    """croupier with this configuration, and the port of its admin listener."""
    admin = servers.free_port()
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as config:
        config.write(text % dict(values, admin=admin))
        config.flush()
        return servers.Server([servers.CROUPIER, "serve", "--config", config.name]), admin


def metric(admin, name, *labels):
    """The sum of the series with these labels."""
    connection = http.client.HTTPConnection("127.0.0.1", admin)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    series = (re.fullmatch(rf"{name}(?:{{(.*)}})? (\S+)", line) for line in lines)
    return sum(float(one[2]) for one in series if one and all(label in (one[1] or "") for label in labels))


def send(address, path, bodies, clients):
    """Sends the calls over this many connections. Returns seconds a call."""
    bodies, lock, failed = iter(bodies), threading.Lock(), []

    def client():
        connection = http.client.HTTPConnection(*address)
        while True:
            with lock:
                body = next(bodies, None)
            if body is None:
                return
            connection.request("POST", path, body, {"Content-Type": "text/xml"})
            response = connection.getresponse()
            text = response.read()
            if response.status != 200 or b"Fault" in text:
                failed.append(text)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        sys.exit(f"{len(failed)} calls have failed: {failed[0].decode()}")
    return time.monotonic() - begun


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--ttl", type=int, default=30, help="seconds")
    parser.add_argument("--size", type=int, default=1024, help="KiB")
    parser.add_argument("--croupier", default=servers.CROUPIER)
    options = parser.parse_args()
    servers.CROUPIER = options.croupier
    behind, admin_behind = start(BEHIND)
    front, admin = start(FRONT, upstream="%s:%d" % behind.address, ttl=options.ttl, size=options.size)
    reached = lambda: metric(admin_behind, "croupier_call_duration_seconds_count")
    wrong = []
    try:
        for path in ["/plain", "/cached"]:
            calls = options.calls if path == "/cached" else options.calls // 10
            before = reached()
            took = send(front.address, path, [soap(path[1:], "pockets")] * calls, options.clients)
            calls_behind = reached() - before
            print(f"{path}: {calls} equal calls in {took:.1f} s, {1e6 * took / calls:.0f} us each; "
                  f"{calls_behind:.0f} have reached the upstream")
            most = 1 + took // options.ttl
            if path == "/cached" and calls_behind > most:
                wrong.append(f"{calls_behind:.0f} calls have reached the upstream, instead of at most {most:.0f}")
        limit, sizes = options.size * 1024, []
        for turn in range(10):
            echoes = (soap("echoes", "interopEchoTests.echoString", f"<m:value>{number} {'x' * 2000}</m:value>")
                      for number in range(200 * turn, 200 * (turn + 1)))
            send(front.address, "/echoes", echoes, options.clients)
            sizes.append(metric(admin, "croupier_cache_bytes", 'group="/echoes"'))
        print(f"2000 different calls: the cache has at most {max(sizes) / 1024:.0f} KiB (median "
              f"{statistics.median(sizes) / 1024:.0f}) of {options.size} KiB, {metric(admin, 'croupier_cache_answers'):.0f} answers; "
              f"the process has {front.memory('VmHWM'):.0f} MiB at most")
        if max(sizes) > limit:
            wrong.append(f"the cache takes {max(sizes):.0f} bytes of {limit}")
    finally:
        front.stop()
        behind.stop()
    if wrong:
        sys.exit("; ".join(wrong))


if __name__ == "__main__":
    main()
