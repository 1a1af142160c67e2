#!/usr/bin/env python3
"""Puts croupier with TLS beside nginx with TLS: spins over connections that are kept, and a handshake for each request.

nginx returns a fixed text of about the size of a spin, croupier makes a spin. Both have the same certificate and as many
workers as there are processors. They run at the same time and are measured in turn, round by round; what counts are the
medians of the rounds and the ratios within a round. Needs `wrk`, `nginx` and `openssl`.
"""
import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile

import relay
import servers

SERVER = """
        listen 127.0.0.1:%(port)d ssl backlog=1024;
        ssl_certificate %(certificate)s; ssl_certificate_key %(key)s; ssl_protocols TLSv1.2 TLSv1.3;
        location / { default_type application/json; return 200 '["12","RED","EVEN","LOW"]'; }
"""
CROUPIER = """
listen = ["127.0.0.1:0", { address = "127.0.0.1:%(port)d", tls = { certificate = "%(certificate)s", key = "%(key)s" } }]
log = { access = false }
[group."/wheel/american"]
service = "wheel"
options = { family = "american" }
"""
KINDS = {"ECDSA P-256": ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"], "RSA 2048": ["rsa:2048"]}


class Nginx(relay.Nginx):
    """nginx that answers by itself, over TLS."""

    def __init__(self, files):
        text = re.sub(r"upstream bare .*\n", "", relay.NGINX)
        text = re.sub(r"        listen .*\n        location .*\n", lambda _: SERVER, text)
        super().__init__("", text, files)


class Croupier:
    """croupier, at its port with TLS."""

    def __init__(self, binary, files):
        self.address = ("127.0.0.1", servers.free_port())
        self.server = relay.configured(binary, CROUPIER % {**files, "port": self.address[1]})

    def cpu(self):
        return self.server.cpu()

    def stop(self):
        self.server.stop()


def certificate(folder, kind):
    """A self-signed certificate and its key."""
    files = {name: os.path.join(folder, name) for name in ("certificate", "key")}
    command = ["openssl", "req", "-x509", "-nodes", "-newkey", *KINDS[kind], "-days", "30", "-subj", "/CN=localhost",
               "-keyout", files["key"], "-out", files["certificate"]]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return files


def load(server, seconds, closes):
    """Requests a second, and microseconds of processor time of the server for each."""
    url = "https://%s:%d/wheel/american/spin" % server.address
    close = ["-H", "Connection: close"] if closes else []
    before = server.cpu()
    said = subprocess.run(["wrk", "-t2", "-c64", f"-d{seconds}s", "--timeout", "10s", *close, url],
                          capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in said:
        sys.exit(said)
    requests, took = re.search(r"(\d+) requests in ([\d.]+)s", said).groups()
    return int(requests) / float(took), (server.cpu() - before) * 1e6 / int(requests)


def compare(rivals, title, rounds, seconds, closes):
    for server in rivals.values():
        load(server, 1, closes)
    taken = [{name: load(server, seconds, closes) for name, server in rivals.items()} for _ in range(rounds)]
    print(f"\n{title}, {rounds} rounds of {seconds} s")
    for name in rivals:
        rate, cost = (statistics.median(round[name][at] for round in taken) for at in (0, 1))
        rates, costs = (statistics.median(round[name][at] / round["nginx"][at] for round in taken) for at in (0, 1))
        print(f"  {name:10} {rate:8,.0f} requests/s ({rates:.2f})   {cost:7.2f} us of CPU each ({costs:.2f})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=servers.CROUPIER)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    options = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors; in brackets: beside nginx")
    for kind in options.kinds:
        with tempfile.TemporaryDirectory() as folder:
            files = certificate(folder, kind)
            rivals = {"nginx": Nginx(files), "croupier": Croupier(options.binary, files)}
            try:
                for title, closes in (("keep-alive", False), ("a handshake for each request", True)):
                    compare(rivals, f"{kind}, {title}", options.rounds, options.seconds, closes)
            finally:
                for server in rivals.values():
                    server.stop()


if __name__ == "__main__":
    main()
