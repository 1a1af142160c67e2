#!/usr/bin/env python3
"""Runs croupier for an hour under mixed load and disturbances, and prints how its resources develop.

Clients call in every protocol, alone and in batches, in this process, through an upstream and through an aggregate; some
calls are wrong, some clients leave before their response, some read only a part of it. Meanwhile the configuration is
reloaded, with groups that come, go and change, and with files that are wrong; and the upstream is stopped and started.

Prints memory, descriptors and threads once a minute, and their slopes after the warm-up. Fails if croupier ended, if a
call returned what it should not have, or if memory or descriptors grow by more than the given slopes.
"""
import argparse
import collections
import http.client
import json
import os
import random
import signal
import socket
import struct
import sys
import tempfile
import threading
import time

import servers
from servers import Server, document, param

SOAP = ('<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>%s</e:Body></e:Envelope>')

CONFIG = """
listen = ["127.0.0.1:{port}"]
log = {{ level = "error" }}
server.timeouts.drain = "2s"
limits.deadline = "10s"

[group."/wheel"]
service = "wheel"
options = {{ family = "american" }}

[group."/diagnostics"]
service = "diagnostics"
xml-rpc = {{ nil = "nil", big-integers = "i8" }}

[group."/relayed".upstream]
urls = ["http://127.0.0.1:{upstream}/wheel/european"]
protocol = "json-rpc"
safe = ["spin*"]
refresh = "5s"

[group."/both".aggregate]
method = "all"
on-error = "partial"
[group."/both".aggregate.calls]
here = {{ group = "/wheel", method = "spinList", args = {{ spins = 20 }} }}
there = {{ group = "/relayed", method = "spinList", args = {{ spins = 20 }} }}
{changing}
"""


def json_call(method, params=None, number=7):
    return {"jsonrpc": "2.0", "method": method, "params": params or {}, "id": number}


def json_post(path, message):
    return ("POST", path, "application/json", json.dumps(message).encode())


def xml_post(path, body):
    return ("POST", path, "text/xml", body if isinstance(body, bytes) else body.encode())


def multicall(names):
    calls = "".join("<value><struct><member><name>methodName</name><value>%s</value></member><member><name>params</name>"
                    "<value><array><data/></array></value></member></struct></value>" % name for name in names)
    return document("system.multicall", param(f"<array><data>{calls}</data></array>"))


def spins(namespace, count):
    return SOAP % f'<w:spinList xmlns:w="{namespace}"><spins>{count}</spins></w:spinList>'


def kinds():
    """The requests by name, each with the statuses that it may get. Those through the upstream may fail while it is down."""
    down = {502, 503, 504}
    return {
        "XML-RPC": (xml_post("/wheel", document("spin")), {200}),
        "XML-RPC list": (xml_post("/wheel", document("spinList", param("<int>2000</int>"))), {200}),
        "XML-RPC multicall": (xml_post("/wheel", multicall(["spin", "nothing", "spin"] * 10)), {200}),
        "XML-RPC fault": (xml_post("/wheel", document("spinList", param("<string>x</string>"))), {200}),
        "XML-RPC echo": (xml_post("/diagnostics", document("echo", param("x" * 100_000))), {200}),
        "JSON-RPC": (json_post("/wheel", json_call("spin")), {200}),
        "JSON-RPC batch": (json_post("/wheel", [json_call("spin", number=i) for i in range(50)]), {200}),
        "JSON-RPC fault": (json_post("/wheel", json_call("spinList", {"spins": -1})), {200}),
        "REST": (("GET", "/wheel/spinList?spins=30", None, b""), {200}),
        "REST fault": (("GET", "/wheel/spinList?spins=many", None, b""), {400}),
        "SOAP": (xml_post("/wheel", spins("urn:croupier:wheel", 30)), {200, 500}),
        "page": (("GET", "/wheel", None, b""), {200}),
        "relayed XML-RPC": (xml_post("/relayed", document("spinList", param("<int>3000</int>"))), {200}),
        "relayed JSON-RPC": (json_post("/relayed", json_call("spinList", {"spins": 3000})), {200}),
        "relayed batch": (json_post("/relayed", [json_call("spin", number=i) for i in range(20)]), {200}),
        "relayed REST": (("GET", "/relayed/spinList?spins=100", None, b""), {200} | down),
        "aggregate": (("GET", "/both/all", None, b""), {200} | down),
        "aggregate XML-RPC": (xml_post("/both", document("all")), {200}),
        "nothing there": (("GET", "/nothing", None, b""), {404}),
        "changing": (("GET", "/changing/spin", None, b""), {200, 404}),
        "no XML": (xml_post("/wheel", b"<methodCall><"), {200}),
    }


class Caller(threading.Thread):
    """A client that calls without end, at a limited rate, over a connection that it sometimes leaves."""

    def __init__(self, soak, seed):
        super().__init__(daemon=True)
        self.soak, self.random = soak, random.Random(seed)

    def run(self):
        requests, connection = kinds(), None
        while not self.soak.over.wait(self.soak.pause):
            name = self.random.choice(list(requests))
            (method, path, media, body), expected = requests[name]
            if self.random.random() < 0.02:
                self.leave(method, path, media, body)
                continue
            connection = connection or http.client.HTTPConnection("127.0.0.1", self.soak.port, timeout=30)
            try:
                connection.request(method, path, body, {"Content-Type": media} if media else {})
                response = connection.getresponse()
                response.read()
                self.soak.count(name, response.status, response.status in expected)
            except (OSError, http.client.HTTPException) as error:
                self.soak.count(name, type(error).__name__, False)
                connection.close()
                connection = None
                continue
            if self.random.random() < 0.01:
                connection.close()
                connection = None

    def leave(self, method, path, media, body):
        """Sends a request, or a part of it, and goes: with a reset or in order, before or amid the response."""
        head = f"{method} {path} HTTP/1.1\r\nHost: soak\r\nContent-Length: {len(body)}\r\n"
        head += f"Content-Type: {media}\r\n\r\n" if media else "\r\n"
        request = head.encode() + body
        with socket.create_connection(("127.0.0.1", self.soak.port)) as connection:
            connection.sendall(request[:self.random.choice([len(request), len(request) // 2])])
            if self.random.random() < 0.5:
                connection.settimeout(0.05)
                try:
                    connection.recv(100)
                except OSError:
                    pass
            if self.random.random() < 0.5:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.soak.count("left", "left", True)


class Soak:
    def __init__(self, options, folder):
        self.options, self.over, self.pause = options, threading.Event(), options.clients / options.rate
        self.outcomes, self.unexpected, self.lock = collections.Counter(), collections.Counter(), threading.Lock()
        self.path, self.port, self.upstream_port = os.path.join(folder, "soak.toml"), servers.free_port(), servers.free_port()
        self.upstream_path = os.path.join(folder, "upstream.toml")
        with open(self.upstream_path, "w") as file:
            file.write(f'listen = ["127.0.0.1:{self.upstream_port}"]\nlog = {{ level = "off" }}\n'
                       '[group."/wheel/european"]\nservice = "wheel"\noptions = { family = "european" }\n')
        self.write(0)
        self.upstream = self.start(self.upstream_path)
        self.server = self.start(self.path)
        self.reloads = 0

    def start(self, path):
        return Server([self.options.binary, "serve", "--config", path])

    def write(self, number):
        """The configuration with a group that is there, has gone, has changed, or is wrong, in turn."""
        families = ["american", "mini", "french"]
        group = f'[group."/changing"]\nservice = "wheel"\noptions = {{ family = "{families[number % 3]}" }}\n'
        changing = ["", group, group, 'group."/changing" = "wrong"\n'][number % 4]
        text = CONFIG.format(port=self.port, upstream=self.upstream_port, changing=changing)
        with open(self.path + ".new", "w") as file:
            file.write(text)
        os.replace(self.path + ".new", self.path)

    def count(self, name, outcome, expected):
        with self.lock:
            self.outcomes[name, outcome] += 1
            if not expected:
                self.unexpected[name, outcome] += 1

    def disturb(self, second):
        if second % 3 == 0:
            self.reloads += 1
            self.write(self.reloads)
            self.server.process.send_signal(signal.SIGHUP)
        if second % 60 == 30:
            self.upstream.stop(signal.SIGKILL)
        if second % 60 == 40:
            self.upstream = self.start(self.upstream_path)

    def sample(self):
        pid = self.server.process.pid
        return (self.server.memory("VmRSS"), len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task")))

    def run(self):
        callers = [Caller(self, seed) for seed in range(self.options.clients)]
        for caller in callers:
            caller.start()
        samples, begun, second = [], time.monotonic(), 0
        while second < self.options.seconds and self.server.process.poll() is None:
            second += 1
            time.sleep(max(0, begun + second - time.monotonic()))
            self.disturb(second)
            if second % 5 == 0:
                samples.append((second, *self.sample()))
            if second % 60 == 0:
                memory, descriptors, threads = samples[-1][1:]
                calls = sum(self.outcomes.values())
                print(f"{second // 60} min: {memory:.1f} MiB, {descriptors} descriptors, {threads} threads, {calls} calls",
                      flush=True)
        self.over.set()
        for caller in callers:
            caller.join(40)
        return samples


def slope(points):
    """The slope of a least-squares line, per hour."""
    count = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    variance = sum((x - mean_x) ** 2 for x, _ in points)
    return 3600 * sum((x - mean_x) * (y - mean_y) for x, y in points) / variance if variance else 0.0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=servers.CROUPIER)
    parser.add_argument("--seconds", type=int, default=3600)
    parser.add_argument("--warm-up", type=int, default=300, help="seconds that the slopes leave out")
    parser.add_argument("--clients", type=int, default=24)
    parser.add_argument("--rate", type=float, default=200, help="calls per second")
    parser.add_argument("--most-memory", type=float, default=4, help="MiB per hour")
    parser.add_argument("--most-descriptors", type=float, default=4, help="descriptors per hour")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(options, folder)
        try:
            samples = soak.run()
            alive = soak.server.process.poll() is None
        finally:
            soak.server.stop()
            soak.upstream.stop()
    for (name, outcome), count in sorted(soak.outcomes.items(), key=str):
        print(f"{name}: {outcome} {count}")
    steady = [sample for sample in samples if sample[0] > options.warm_up]
    memory, descriptors, threads = (slope([(sample[0], sample[which]) for sample in steady]) for which in (1, 2, 3))
    print(f"{soak.reloads} reloads; slopes per hour: {memory:+.2f} MiB, {descriptors:+.2f} descriptors, {threads:+.2f} threads")
    print(f"unexpected: {dict(soak.unexpected) or 'none'}; {'alive' if alive else 'ended by itself'}")
    return 0 if alive and not soak.unexpected and memory <= options.most_memory and descriptors <= options.most_descriptors else 1


if __name__ == "__main__":
    sys.exit(main())
