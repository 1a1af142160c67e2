#!/usr/bin/env python3
"""Puts croupier beside nginx as a reverse proxy to the same bare hyper server: spins and a long answer passed on.
Then measures answers that are passed on at any length, one that is read as XML-RPC and written as JSON, and arrays of any
length that are written in another protocol while they come.

All run at the same time and are measured in turn, round by round; what counts are the medians of the rounds and the
ratios within a round. Needs `wrk` and `nginx`.
"""
import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import load
import servers

def nginx_config(http):
    """A configuration of nginx with these lines in its `http`."""
    return """
%(user)s
worker_processes %(workers)d;
daemon off;
pid %(folder)s/nginx.pid;
error_log %(folder)s/error.log crit;
events { worker_connections 4096; }
http {
    access_log off;
    keepalive_requests 100000000;
""" + http + "}\n"


NGINX = nginx_config("""
    client_body_temp_path %(folder)s/body; proxy_temp_path %(folder)s/proxy; fastcgi_temp_path %(folder)s/fast;
    uwsgi_temp_path %(folder)s/uwsgi; scgi_temp_path %(folder)s/scgi;
    tcp_nodelay on;
    upstream bare { server %(upstream)s; keepalive 128; keepalive_requests 100000000; }
    server {
        listen 127.0.0.1:%(port)d backlog=1024;
        location / { proxy_pass http://bare; proxy_http_version 1.1; proxy_set_header Connection ""; }
    }
""")
QUIET = """
listen = ["127.0.0.1:0"]
log = { access = false }
"""
CROUPIER = QUIET + """
[group."/wheel/american".upstream]
urls = ["http://%(upstream)s/spin"]
protocol = "xml-rpc"
description = "file:%(described)s"
[group."/long".upstream]
urls = ["http://%(upstream)s/bytes/%(bytes)d"]
protocol = "xml-rpc"
description = "file:%(described)s"
"""
TRANSCODING = QUIET + """
[group."/wheel".upstream]
urls = ["http://%(upstream)s/wheel/american"]
protocol = "xml-rpc"
"""
ARRAYS = QUIET + """
[group."/xml-rpc".upstream]
urls = ["http://%(upstream)s/xml-rpc"]
protocol = "xml-rpc"
description = "file:%(described)s"
[group."/json-rpc".upstream]
urls = ["http://%(upstream)s/json-rpc"]
protocol = "json-rpc"
description = "file:%(described)s"
[group."/soap".upstream]
urls = ["http://%(upstream)s/soap"]
protocol = "soap"
"""
DESCRIBED = """{"openrpc": "1.3.2", "info": {"title": "Bare", "version": "1"},
"methods": [{"name": "spin", "params": [], "result": {"name": "spin", "schema": true}}]}"""


class Nginx:
    """nginx with its workers, whose processor time is counted together."""

    def __init__(self, upstream, config=NGINX, more=None):
        self.folder = tempfile.TemporaryDirectory()
        self.address = ("127.0.0.1", servers.free_port())
        # Its workers must reach its folder, which they do not as the user that root's nginx takes for them.
        user = "user root;" if os.geteuid() == 0 else ""
        values = {"user": user, "workers": os.cpu_count(), "folder": self.folder.name, "upstream": upstream, "port": self.address[1], **(more or {})}
        path = os.path.join(self.folder.name, "nginx.conf")
        with open(path, "w") as file:
            file.write(config % values)
        self.process = subprocess.Popen(["nginx", "-c", path, "-p", self.folder.name], stderr=subprocess.DEVNULL)
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(self.address) == 0:
                    return
            time.sleep(0.05)
        sys.exit("nginx did not start")

    def url(self, path):
        return "http://%s:%d%s" % (*self.address, path)

    def cpu(self):
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as file:
            workers = file.read().split()
        return sum(load_of(pid) for pid in workers)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()


def load_of(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def croupier(binary, upstream, size):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as described:
        described.write(DESCRIBED)
        described.flush()
        return configured(binary, CROUPIER % {"upstream": upstream, "bytes": size, "described": described.name})


def configured(binary, config):
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(config)
        file.flush()
        # Whatever it has read may go once the server listens.
        return servers.Server([binary, "serve", "--config", file.name])


def spins(rivals, rounds, seconds):
    spin = servers.SPINS["XML-RPC"]
    for server in rivals.values():
        load.load(server, spin, 1)
    taken = [{name: load.load(server, spin, seconds) for name, server in rivals.items()} for _ in range(rounds)]
    sys.stdout.flush()
    print(f"\nspins passed on, 64 keep-alive connections, {rounds} rounds of {seconds} s; in brackets: beside nginx")
    for name in rivals:
        rate, cost = (load.median(taken, lambda round: round[name][at]) for at in (0, 1))
        rates, costs = (load.median(taken, lambda round: round[name][at] / round["nginx"][at]) for at in (0, 1))
        print(f"  {name:12} {rate:8,.0f} requests/s ({rates:.2f})   {cost:6.2f} us of CPU each ({costs:.2f})")


def long(rivals, rounds, size):
    room = bytearray(1 << 20)
    paths = {"croupier": "/long", "nginx": f"/bytes/{size}"}
    requests = {name: servers.post(path, servers.document("spin")) for name, path in paths.items()}
    connections = {name: load.connect(rivals[name]) for name in paths}
    taken = [{name: load.ask(connections[name], requests[name], room)[2] for name in paths} for _ in range(rounds)]
    print(f"\nan answer of {size:,} bytes passed on, {rounds} times")
    for name in paths:
        took = load.median(taken, lambda round: round[name])
        ratio = load.median(taken, lambda round: round[name] / round["nginx"])
        print(f"  {name:12} {took * 1000:8.1f} ms ({ratio:.2f})")


def huge(binary, upstream, size):
    """One very long answer through a fresh croupier: what memory that takes."""
    server = croupier(binary, upstream, size)
    with load.connect(server) as connection:
        got, first, last = load.ask(connection, servers.post("/long", servers.document("spin")), bytearray(1 << 20))
    print(f"\nan answer of {got / 1e6:,.0f} MB passed on: {first * 1000:.1f} ms to its first byte, {last:.2f} s to its last;"
          f" peak memory {server.memory('VmHWM'):.1f} MiB")
    server.stop()


def transcoded(binary, rounds, rows):
    """An answer in XML-RPC, from another croupier, answered as JSON: how fast, and in what memory."""
    upstream = servers.croupier(binary)
    server = configured(binary, TRANSCODING % {"upstream": "%s:%d" % upstream.address})
    room, before = bytearray(1 << 20), server.memory("VmHWM")
    xml = servers.post("/wheel/american", servers.document("spinList", servers.param(f"<int>{rows}</int>")))
    json = servers.post("/wheel", b'{"jsonrpc":"2.0","method":"spinList","params":[%d],"id":1}' % rows, "application/json")
    with load.connect(upstream) as straight, load.connect(server) as through:
        size = load.ask(straight, xml, room)[0]
        first = load.ask(through, json, room)[2]
        once = server.memory("VmHWM") - before
        taken = [(load.ask(straight, xml, room)[2], load.ask(through, json, room)[2]) for _ in range(rounds)]
    most = server.memory("VmHWM") - before
    alone, took = (load.median(taken, lambda round: round[at]) for at in (0, 1))
    print(f"\nan answer of {size:,} bytes of XML-RPC as JSON, {rounds} times: {took * 1000:.1f} ms, {size / took / 1e6:.0f} MB/s,"
          f" of which its server alone takes {alone * 1000:.1f} ms; the first took {first * 1000:.1f} ms")
    print(f"  memory beyond what was held before: {once:.1f} MiB after one ({once * 1048576 / size:.1f} times the answer),"
          f" {most:.1f} MiB after all")
    for process in (server, upstream):
        process.stop()


def arrays(binary, size):
    """Very long arrays in one protocol, written in another, each through a fresh croupier: how fast, and in what memory."""
    upstream = servers.Server([sys.executable, os.path.join(servers.HERE, "arrays.py"), str(size)])
    json = b'{"jsonrpc":"2.0","method":"list","params":[],"id":1}'
    ways = {
        "XML-RPC as JSON": servers.post("/xml-rpc", json, "application/json"),
        "JSON as XML-RPC": servers.post("/json-rpc", servers.document("list")),
        "SOAP as JSON": servers.post("/soap", json, "application/json"),
    }
    print(f"\narrays of {size / 1e6:,.0f} MB, written in another protocol while they arrive")
    for name, request in ways.items():
        with tempfile.NamedTemporaryFile("w", suffix=".json") as described:
            described.write(DESCRIBED.replace('"spin"', '"list"'))
            described.flush()
            server = configured(binary, ARRAYS % {"upstream": "%s:%d" % upstream.address, "described": described.name})
            before, cpu = server.memory("VmHWM"), server.cpu()
            with load.connect(server) as connection:
                got, first, last = load.ask(connection, request, bytearray(1 << 20))
        print(f"  {name:16} {size / last / 1e6:6.0f} MB/s ({(server.cpu() - cpu) / size * 1e9:5.2f} s of CPU per GB),"
              f" {got / 1e6:,.0f} MB written, {first * 1000:.1f} ms to the first byte;"
              f" peak memory {server.memory('VmHWM'):.1f} MiB, before {before:.1f} MiB")
        server.stop()
    upstream.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=servers.CROUPIER)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--huge", type=int, default=1_000_000_000, help="bytes of the longest answer")
    parser.add_argument("--only-arrays", action="store_true", help="only the last stage, which needs neither wrk nor nginx")
    options = parser.parse_args()
    if options.only_arrays:
        arrays(options.binary, options.huge)
        return
    bare = servers.bare()
    upstream = "%s:%d" % bare.address
    rivals = {"nginx": Nginx(upstream), "croupier": croupier(options.binary, upstream, 18_000_000)}
    try:
        print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
        spins(rivals, options.rounds, options.seconds)
        long(rivals, options.rounds * 4, 18_000_000)
        huge(options.binary, upstream, options.huge)
        transcoded(options.binary, options.rounds * 4, 55_000)
        arrays(options.binary, options.huge)
    finally:
        for server in [*rivals.values(), bare]:
            server.stop()


if __name__ == "__main__":
    main()
