#!/usr/bin/env python3
"""Puts croupier beside nginx as a reverse proxy to the same REST server: small requests at a path of the server's own document,
a response and a request of a gigabyte, and the delay of events of a stream.

Small requests are measured in turn, round by round; what counts are the medians of the rounds and the ratios within a round. The
server is another nginx; for uploads and events it is this script. Needs `wrk` and `nginx`.
"""
import argparse
import os
import socket
import socketserver
import statistics
import sys
import tempfile
import threading
import time

import load
import relay
import servers

UPSTREAM = relay.nginx_config("""
    sendfile on;
    default_type application/octet-stream;
    server {
        listen 127.0.0.1:%(port)d backlog=1024;
        location / { default_type application/json; return 200 '{"number": 7, "name": "Rex"}'; }
        location /files/ { root %(files)s; }
    }
""")
GROUPS = relay.QUIET + """
[group."/pets"]
limits = { body = "4 GiB", deadline = "10m" }
[group."/pets".upstream]
urls = ["http://%(upstream)s"]
protocol = "rest"
[group."/pets".upstream.methods.readPet]
route = "GET /pets/{number}"
params.number = { type = "integer" }
[group."/pets".upstream.methods.readFile]
route = "GET /files/{name}"
params.name = { type = "string" }
[group."/streams"]
limits = { body = "4 GiB", deadline = "10m" }
[group."/streams".upstream]
urls = ["http://%(streams)s"]
protocol = "rest"
[group."/streams".upstream.methods.write]
route = "PUT /sink"
[group."/streams".upstream.methods.events]
route = "GET /events"
"""
EVENTS = 200


class Streams(socketserver.BaseRequestHandler):
    """`PUT /sink` reads a body and says how long it was; `GET /events` sends events, each with the time at which it was sent."""

    def handle(self):
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        got = bytearray()
        while b"\r\n\r\n" not in got:
            more = self.request.recv(65536)
            if not more:
                return
            got += more
        head, _, body = bytes(got).partition(b"\r\n\r\n")
        if head.startswith(b"PUT"):
            length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
            room, count = bytearray(1 << 20), len(body)
            while count < length:
                count += self.request.recv_into(room)
            text = b"%d" % count
            self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))
            return
        self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(EVENTS):
            time.sleep(0.01)
            event = b"data: %.9f\n\n" % time.perf_counter()
            self.request.sendall(b"%x\r\n%s\r\n" % (len(event), event))
        self.request.sendall(b"0\r\n\r\n")


class StreamServer(socketserver.ThreadingTCPServer):
    daemon_threads = allow_reuse_address = True


def small(rivals, rounds, seconds):
    spins = {"croupier": servers.Spin("/pets/pets/7"), "nginx": servers.Spin("/pets/7")}
    for name, server in rivals.items():
        load.load(server, spins[name], 1)
    taken = [{name: load.load(server, spins[name], seconds) for name, server in rivals.items()} for _ in range(rounds)]
    print(f"\nsmall requests passed on, 64 keep-alive connections, {rounds} rounds of {seconds} s; in brackets: beside nginx")
    for name in rivals:
        rate, cost = (load.median(taken, lambda round: round[name][at]) for at in (0, 1))
        rates, costs = (load.median(taken, lambda round: round[name][at] / round["nginx"][at]) for at in (0, 1))
        print(f"  {name:12} {rate:8,.0f} requests/s ({rates:.2f})   {cost:6.2f} us of CPU each ({costs:.2f})")


def download(server, size):
    before = server.memory("VmHWM")
    request = b"GET /pets/files/large HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with load.connect(server) as connection:
        got, first, last = load.ask(connection, request, bytearray(1 << 20))
    assert got == size, got
    return f"{got / 1e6:,.0f} MB from the server: {first * 1000:.1f} ms to the first byte, {last:.2f} s to the last", before


def upload(server, size):
    before, piece = server.memory("VmHWM"), bytes(1 << 20)
    with load.connect(server) as connection:
        begun, left = time.perf_counter(), size
        connection.sendall(b"PUT /streams/sink HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n"
                           b"Content-Length: %d\r\n\r\n" % size)
        while left:
            connection.sendall(piece[:left])
            left -= min(left, len(piece))
        response = connection.recv(65536)
        took = time.perf_counter() - begun
    assert response.startswith(b"HTTP/1.1 200") and response.endswith(b"%d" % size), response[:200]
    return f"{size / 1e6:,.0f} MB to the server: {took:.2f} s", before


def delays(address, path):
    """Milliseconds from when each event is sent to when it has come."""
    found, seen = [], b""
    with socket.create_connection(address) as connection:
        connection.sendall(b"GET %s HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n" % path.encode())
        while len(found) < EVENTS:
            more = connection.recv(65536)
            now = time.perf_counter()
            if not more:
                sys.exit(f"the stream ended after {len(found)} events: {seen[:200]!r}")
            seen += more
            while b"\n\n" in seen:
                event, _, seen = seen.partition(b"\n\n")
                found.append((now - float(event.rpartition(b"data: ")[2])) * 1000)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=servers.CROUPIER)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--size", type=int, default=1_000_000_000, help="bytes of the long request and response")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as files, StreamServer(("127.0.0.1", 0), Streams) as streams:
        os.chmod(files, 0o755)
        os.mkdir(os.path.join(files, "files"))
        with open(os.path.join(files, "files", "large"), "wb") as large:
            large.truncate(options.size)
        threading.Thread(target=streams.serve_forever, daemon=True).start()
        upstream = relay.Nginx("", UPSTREAM, {"files": files})
        address = "%s:%d" % upstream.address
        config = GROUPS % {"upstream": address, "streams": "%s:%d" % streams.server_address}
        rivals = {}
        try:
            rivals["nginx"] = relay.Nginx(address)
            rivals["croupier"] = relay.configured(options.binary, config)
            print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
            small(rivals, options.rounds, options.seconds)
            print()
            for measure in (download, upload):
                server = relay.configured(options.binary, config)
                text, before = measure(server, options.size)
                print(f"{text}; peak memory {server.memory('VmHWM'):.1f} MiB, before {before:.1f} MiB")
                server.stop()
            direct = delays(streams.server_address, "/events")
            through = delays(rivals["croupier"].address, "/streams/events")
            words = ["%.2f ms (worst %.2f)" % (statistics.median(these), max(these)) for these in (direct, through)]
            print(f"\n{EVENTS} events, from being sent to arrival: {words[0]} directly, {words[1]} through croupier")
        finally:
            for server in [*rivals.values(), upstream]:
                server.stop()


if __name__ == "__main__":
    main()
