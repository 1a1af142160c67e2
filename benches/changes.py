#!/usr/bin/env python3
"""Changes croupier while it serves, and counts what its clients lose by it: nothing, if it is right.

First, the configuration is reloaded again and again, with groups that come, go and change, while some clients call over
connections that stay open and others open one for each call. An aggregate calls two groups that change together, so its
results show whether a call saw two configurations. Calls that take three seconds run all the while. In the end, memory,
descriptors and threads are compared with what they were after the first reloads.

Then the server is restarted again and again while clients call. The listening socket is that of this script, as with
socket activation of systemd, so a call that arrives between two servers waits in it.

Fails if a call failed, or returned the results of two configurations.
"""
import argparse
import collections
import http.client
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import servers

SPIN = ("POST", "/wheel", "text/xml", servers.document("spin"))
BOTH = ("GET", "/both/all", None, b"")
SLOW = ("POST", "/slow", "text/xml", servers.document("slow"))
SLOW_SECONDS = 3
# The exec of a server that finds a listening socket as descriptor 3 (sd_listen_fds).
HAND_OVER = """import os, sys
descriptor = int(sys.argv[1])
if descriptor != 3: os.dup2(descriptor, 3); os.close(descriptor)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execvp(sys.argv[2], sys.argv[2:])"""

FIXED = """
listen = ["127.0.0.1:{port}"]
log = {{ access = false, level = "warn" }}
server.in-flight = {in_flight}

[group."/wheel"]
service = "wheel"
options = {{ family = "american" }}

[group."/slow".upstream]
urls = ["http://127.0.0.1:{slow}/"]
protocol = "xml-rpc"
description = "file:{described}"
"""
CHANGING = """
[group."/one"]
service = "wheel"
options = {{ family = "{family}" }}

[group."/other"]
service = "wheel"
options = {{ family = "{family}" }}

[group."/both".aggregate]
method = "all"
[group."/both".aggregate.calls]
one = {{ group = "/one", method = "pockets" }}
other = {{ group = "/other", method = "pockets" }}
"""
DESCRIBED = """{"openrpc": "1.3.2", "info": {"title": "Slow", "version": "1"},
"methods": [{"name": "slow", "params": [], "result": {"name": "slow", "schema": true}}]}"""


class SlowServer(http.server.BaseHTTPRequestHandler):
    """Answers each XML-RPC call after a while."""
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(SLOW_SECONDS)
        body = b'<?xml version="1.0"?><methodResponse><params><param><value>done</value></param></params></methodResponse>'
        self.send_response(200)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Client(threading.Thread):
    """Makes one kind of call again and again, over one connection or over many."""

    def __init__(self, port, call, kept, over, tally, check=None, limit=None):
        super().__init__(daemon=True)
        self.port, self.call, self.kept, self.over, self.tally = port, call, kept, over, tally
        self.check, self.limit = check, limit

    def run(self):
        method, path, media, body = self.call
        headers = {"Content-Type": media} if media else {}
        if not self.kept:
            headers["Connection"] = "close"
        connection = None
        while not self.over.is_set() and (self.limit is None or self.limit.take()):
            fresh = connection is None
            connection = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                connection.request(method, path, body, headers)
                response = connection.getresponse()
                text = response.read()
                right = response.status == 200 and (self.check is None or self.check(text))
                self.tally.count("right" if right else f"{path}: {response.status} {text[:200]!r}")
                ends = not self.kept or response.getheader("Connection", "").lower() == "close"
            except (OSError, http.client.HTTPException) as error:
                # A server may close a connection on which nothing is asked. Then the client must ask again (RFC 9112,
                # section 9.5); these calls change nothing.
                if not fresh and isinstance(error, (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)):
                    self.tally.count("asked again")
                    if self.limit:
                        self.limit.give_back()
                else:
                    self.tally.count(f"{path}: {error!r}")
                ends = True
            if ends:
                connection.close()
                connection = None


class Tally:
    def __init__(self):
        self.counts, self.lock = collections.Counter(), threading.Lock()

    def count(self, outcome):
        with self.lock:
            self.counts[outcome] += 1

    def failed(self):
        return {outcome: count for outcome, count in self.counts.items() if outcome not in ("right", "asked again")}

    def __str__(self):
        return (f"{self.counts['right']} calls right, {sum(self.failed().values())} failed, "
                f"{self.counts['asked again']} asked again because an idle connection was closed")


class Limit:
    """How many calls are left."""

    def __init__(self, left):
        self.left, self.lock = left, threading.Lock()

    def take(self):
        with self.lock:
            self.left -= 1
            return self.left >= 0

    def give_back(self):
        with self.lock:
            self.left += 1


def same_wheel(text):
    """Whether both parts of the aggregate are of one configuration."""
    parts = json.loads(text)
    return parts["one"] == parts["other"]


def write(path, text):
    with open(path + ".new", "w") as file:
        file.write(text)
    os.replace(path + ".new", path)


def config(turn, values, admin):
    family = ["american", "european", "french"][turn % 3]
    text = admin + FIXED.format(in_flight=2000 + turn % 2, **values) + CHANGING.format(family=family)
    if turn % 2:
        text += f'[group."/comes/{turn}"]\nservice = "diagnostics"\n'
    return text


def usage(server):
    pid = server.process.pid
    return (server.memory("VmRSS"), len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task")))


def post(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", path, b"")
    response = connection.getresponse()
    text = response.read()
    connection.close()
    return response.status, text


def reload_storm(options, folder, values):
    path = os.path.join(folder, "reloads.toml")
    admin_port = servers.free_port()
    admin = f'admin.listen = "127.0.0.1:{admin_port}"\n'
    write(path, config(0, values, admin))
    server = servers.Server([options.binary, "serve", "--config", path])
    over, tally = threading.Event(), Tally()
    quick = [(SPIN, None), (BOTH, same_wheel)]
    clients = [Client(values["port"], *quick[n % 2][:1], kept, over, tally, quick[n % 2][1])
               for kept in (True, False) for n in range(options.clients)]
    clients += [Client(values["port"], SLOW, False, over, tally) for _ in range(2)]
    reloads, base = 0, None

    def reload(turn):
        write(path, config(turn, values, admin))
        status, text = post(admin_port, "/reload")
        if status != 200:
            tally.count(f"reload: {status} {text[:200]!r}")

    for client in clients:
        client.start()
    try:
        for reloads in range(1, options.reloads + 1):
            reload(reloads)
            if reloads == 50:
                base = usage(server)
        peak = server.memory("VmHWM")
        over.set()
        for client in clients:
            client.join(30)
        reload(0)
        time.sleep(3)
        end = usage(server)
    finally:
        server.stop()
    print(f"reloads: {options.reloads} under {options.clients} kept and {options.clients} single connections: {tally}")
    for name, before, after in zip(("MiB", "descriptors", "threads"), base or end, end):
        print(f"  {name}: {before:.1f} after 50 reloads with all clients, {after:.1f} at the end without them")
    print(f"  peak {peak:.1f} MiB")
    return tally.failed()


def restarts(options, folder):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    port = listener.getsockname()[1]
    path = os.path.join(folder, "restarts.toml")
    write(path, f'listen = ["127.0.0.1:{port}"]\nlog = {{ access = false, level = "warn" }}\n'
                '[group."/wheel"]\nservice = "wheel"\noptions = { family = "american" }\n')

    def start():
        descriptor = os.dup(listener.fileno())
        command = [sys.executable, "-c", HAND_OVER, str(descriptor), options.binary, "serve", "--config", path]
        process = subprocess.Popen(command, pass_fds=[descriptor], stdout=subprocess.DEVNULL)
        os.close(descriptor)
        return process

    over, tally, limit = threading.Event(), Tally(), Limit(options.calls)
    clients = [Client(port, SPIN, n % 2 == 0, over, tally, limit=limit) for n in range(16)]
    process, count = start(), 0
    for client in clients:
        client.start()
    while any(client.is_alive() for client in clients):
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        process.wait()
        process, count = start(), count + 1
    process.send_signal(signal.SIGTERM)
    process.wait()
    print(f"restarts: {count} during {options.calls} calls of 8 kept and 8 single connections: {tally}")
    return tally.failed()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=servers.CROUPIER)
    parser.add_argument("--reloads", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=32, help="clients of each kind during the reloads")
    parser.add_argument("--calls", type=int, default=20_000, help="calls during the restarts")
    options = parser.parse_args()
    slow = http.server.ThreadingHTTPServer(("127.0.0.1", 0), SlowServer)
    threading.Thread(target=slow.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        described = os.path.join(folder, "slow.json")
        write(described, DESCRIBED)
        values = {"port": servers.free_port(), "slow": slow.server_address[1], "described": described}
        failed = {**reload_storm(options, folder, values), **restarts(options, folder)}
    for outcome, count in failed.items():
        print(f"failed {count} times: {outcome}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
