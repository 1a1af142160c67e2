#!/usr/bin/env python3
"""Puts croupier, nginx and HAProxy before the same three hosts of an XML-RPC service, of which one fails in some way, and counts
the calls that fail, how long calls take once the host is known to fail, and the calls that hosts have received twice.

Calls begin at a fixed rate, whatever becomes of those before them. One in four changes something at the host (`set`); the others
only read (`get`), which croupier is told (`safe`) and the others cannot know. The first seconds of each case are not counted for
the times, but for all else. Needs `nginx` and `haproxy`; a rival that is not installed is left out.

    python3 benches/failing_hosts.py --binary target/dist/croupier
"""
import argparse
import asyncio
import collections
import multiprocessing
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import relay
import servers

FAULT = b"<?xml version='1.0'?><methodResponse><fault><value><struct><member><name>faultCode</name><value><int>7</int></value>" \
        b"</member><member><name>faultString</name><value><string>no</string></value></member></struct></value></fault></methodResponse>"
RESULT = b"<?xml version='1.0'?><methodResponse><params><param><value><int>1</int></value></param></params></methodResponse>"
CASES = ["healthy", "dead", "slow", "flapping", "status 500", "faults", "black hole"]
CONFIG = """
listen = ["127.0.0.1:0"]
log = { access = false, level = "error" }
[group."/rpc".upstream]
urls = [%(urls)s]
protocol = "xml-rpc"
description = "file:%(described)s"
safe = ["get"]
timeouts = { connect = "500ms", response = "1s" }
"""
DESCRIBED = """{"openrpc": "1.3.2", "info": {"title": "Counted", "version": "1"}, "methods": [
{"name": "get", "params": [{"name": "id", "schema": {"type": "integer"}}], "result": {"name": "r", "schema": {"type": "integer"}}},
{"name": "set", "params": [{"name": "id", "schema": {"type": "integer"}}], "result": {"name": "r", "schema": {"type": "integer"}}}]}"""
NGINX = relay.nginx_config("""
    upstream hosts { %(hosts)s keepalive 64; keepalive_requests 100000000; }
    server {
        listen 127.0.0.1:%(port)d backlog=1024;
        location / {
            proxy_pass http://hosts; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_connect_timeout 500ms; proxy_read_timeout 1s; proxy_next_upstream error timeout http_500;
        }
    }
""")
HAPROXY = """
global
    maxconn 4096
    nbthread 2
defaults
    mode http
    timeout connect 500ms
    timeout server 1s
    timeout client 30s
    retries 2
    option redispatch 1
frontend all
    bind 127.0.0.1:%(port)d
    default_backend hosts
backend hosts
    balance leastconn
    option httpchk GET /check
    default-server check inter 1s fall 3 rise 2 observe layer7 error-limit 10 on-error mark-down
%(hosts)s
"""


def response(body, status=b"200 OK"):
    return b"HTTP/1.1 %s\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


def called(body):
    """The method and the number of a call."""
    return re.search(rb"<methodName>(\w+)", body)[1].decode(), int(re.search(rb"<i(?:nt|4)>(\d+)", body)[1])


class Host:
    """One host of the service, in a process of its own. `how` says in which way it fails; the first one fails, the others are well."""

    def __init__(self, how):
        self.how = how
        self.calls = collections.Counter()

    async def serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"content-length:\s*(\d+)", head, re.I)
                body = await reader.readexactly(int(length[1]) if length else 0)
                if not body:
                    writer.write(response(b"ok"))
                    continue
                self.calls[called(body)] += 1
                if self.how == "flapping" and int(time.time()) % 2:
                    writer.transport.abort()
                    return
                await self.answer()
                answer = {"status 500": response(b"broken", b"500 Internal Server Error"), "faults": response(FAULT)}
                writer.write(answer.get(self.how, response(RESULT)))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def answer(self):
        """Takes the time that an answer takes."""
        await asyncio.sleep({"slow": 2, "black hole": 3600}.get(self.how, 0.004))

    def run(self, listener, pipe):
        async def main():
            server = await asyncio.start_server(self.serve, sock=listener, backlog=1024)
            await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
            pipe.send(dict(self.calls))
            server.close()
            os._exit(0)
        asyncio.run(main())


def start_host(host):
    """The address of a host, and what gives the calls that it has received when it is stopped."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    address = "127.0.0.1:%d" % listener.getsockname()[1]
    if host.how == "dead":
        listener.close()
        return address, dict
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=host.run, args=(listener, theirs), daemon=True)
    process.start()
    listener.close()

    def stop():
        ours.send("stop")
        calls = ours.recv()
        process.join()
        return calls
    return address, stop


class HaProxy:
    def __init__(self, hosts):
        self.address = ("127.0.0.1", servers.free_port())
        self.config = tempfile.NamedTemporaryFile("w", suffix=".cfg")
        lines = "\n".join(f"    server h{at} {host}" for at, host in enumerate(hosts))
        self.config.write(HAPROXY % {"port": self.address[1], "hosts": lines})
        self.config.flush()
        self.process = subprocess.Popen(["haproxy", "-f", self.config.name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(self.address) == 0:
                    return
            time.sleep(0.05)
        sys.exit("haproxy did not start")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def rival(name, hosts, options):
    if name == "nginx":
        return relay.Nginx("", NGINX, {"hosts": " ".join(f"server {host};" for host in hosts)})
    if name == "HAProxy":
        return HaProxy(hosts)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as described:
        described.write(DESCRIBED)
        described.flush()
        urls = ", ".join(f'"http://{host}/RPC2"' for host in hosts)
        return relay.configured(options.binary, CONFIG % {"urls": urls, "described": described.name} + options.more)


class Caller:
    """Begins calls at a fixed rate over as many kept connections as that needs."""

    def __init__(self, address, faults_are_answers=False, path="/rpc"):
        self.address, self.free, self.faults_are_answers, self.path = address, [], faults_are_answers, path
        self.failed, self.times, self.reasons = collections.Counter(), [], collections.Counter()
        # Of the calls that have succeeded.
        self.good = []

    async def call(self, method, number, counted):
        body = (f"<?xml version='1.0'?><methodCall><methodName>{method}</methodName><params><param><value><int>{number}</int>"
                "</value></param></params></methodCall>").encode()
        begun, why = time.perf_counter(), None
        try:
            reader, writer, used = self.free.pop() if self.free else (None, None, 0)
            # A server closes what has been idle for long; such a race of the caller's own is not to be measured.
            if time.perf_counter() - used > 20:
                reader, writer = await asyncio.open_connection(*self.address)
            writer.write(b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s"
                         % (self.path.encode(), len(body), body))
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            length = re.search(rb"content-length:\s*(\d+)", head, re.I)
            answer = await reader.readexactly(int(length[1])) if length else await reader.read()
            if b" 200 " not in head.partition(b"\r\n")[0]:
                why = head.partition(b"\r\n")[0].decode()
            elif b"<fault>" in answer and not (self.faults_are_answers and b">7<" in answer):
                why = re.search(rb"<(?:int|i4)>(-?\d+)", answer)[0].decode()
            if length and b"connection: close" not in head.lower():
                self.free.append((reader, writer, time.perf_counter()))
            else:
                writer.close()
        except (OSError, EOFError, asyncio.TimeoutError) as error:
            why = type(error).__name__
        if why:
            self.failed[method] += 1
            self.reasons[why] += 1
        elif counted:
            self.good.append(time.perf_counter() - begun)
        if counted and method == "get":
            self.times.append(time.perf_counter() - begun)
        return why is None

    async def run(self, rate, seconds, warm):
        tasks, begun = [], time.perf_counter()
        for number in range(int(rate * seconds)):
            due = begun + number / rate
            await asyncio.sleep(max(0, due - time.perf_counter()))
            method = "get" if number % 4 else "set"
            tasks.append(asyncio.create_task(self.call(method, number, number / rate >= warm)))
        await asyncio.gather(*tasks)
        for _, writer, _ in self.free:
            writer.close()
        return len(tasks)


def measure(name, case, options):
    hosts = [start_host(Host(how)) for how in (case, "well", "well")]
    server = rival(name, [address for address, _ in hosts], options)
    caller = Caller(server.address, faults_are_answers=case == "faults")
    try:
        count = asyncio.run(caller.run(options.rate, options.seconds, options.warm))
    finally:
        server.stop()
        received = [stop() for _, stop in hosts]
    calls = collections.Counter()
    for counted in received:
        calls.update(counted)
    doubled = sum(1 for (method, _), times in calls.items() if method == "set" and times > 1)
    times = sorted(caller.times)
    p50, p99 = (times[min(len(times) - 1, int(len(times) * part))] * 1000 for part in (0.5, 0.99))
    shares = [sum(counted.values()) for counted in received]
    return {"calls": count, "get": caller.failed["get"], "set": caller.failed["set"], "doubled": doubled, "p50": p50, "p99": p99,
            "first": shares[0] / max(1, sum(shares)), "reasons": caller.reasons}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=servers.CROUPIER)
    parser.add_argument("--rate", type=float, default=200, help="calls a second")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--warm", type=float, default=5, help="seconds whose times are not counted")
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--more", default="", help="further lines of TOML for croupier")
    parser.add_argument("--rivals", default="croupier,nginx,HAProxy")
    options = parser.parse_args()
    rivals = [name for name in options.rivals.split(",") if name == "croupier" or shutil.which(name.lower())]
    print(f"three hosts, one of them fails; {options.rate:.0f} calls/s for {options.seconds:.0f} s, one in four is a `set`")
    print(f"{'case':<11} {'server':<9} {'failed get':>10} {'failed set':>10} {'set twice':>9} {'p50 ms':>7} {'p99 ms':>8} {'to the first':>12}")
    for case in options.cases.split(","):
        for name in rivals:
            found = measure(name, case, options)
            print(f"{case:<11} {name:<9} {found['get']:>10} {found['set']:>10} {found['doubled']:>9} {found['p50']:>7.1f} "
                  f"{found['p99']:>8.1f} {found['first']:>11.1%}  {dict(found['reasons'])}", flush=True)


if __name__ == "__main__":
    main()
