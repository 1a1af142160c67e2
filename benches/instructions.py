#!/usr/bin/env python3
"""Counts the user-space instructions that a spin call costs, for croupier and for a bare hyper server.

Each server answers a short and a long run of calls on one keep-alive connection under valgrind's callgrind; the
difference of the two counts, divided by the difference of the calls, is free of what starting up costs.

With `--relayed` the calls go through croupier to a second croupier, which is not counted. There, a call in XML-RPC is
passed on as it is, and a call in another protocol is transcoded to XML-RPC and back.

With `--guarded` the calls have an API key. They go to a group that passes over the key, to one that wants it, and to one that
also has a rate.
"""
import argparse
import glob
import hashlib
import os
import re
import socket
import sys
import tempfile

import servers

RELAY = """
listen = ["127.0.0.1:0"]
log = { access = false }
[group."/wheel/american".upstream]
urls = ["%s"]
protocol = "xml-rpc"
"""


GUARDED = """
listen = ["127.0.0.1:0"]
log = { access = false }
[auth.staff.api-key]
keys = { text = "ada %s" }
[group."/wheel/american"]
service = "wheel"
options = { family = "american" }
"""
KEY = "crp_ada"


def guarded(binary, before, rules):
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as config:
        config.write(GUARDED % hashlib.sha256(KEY.encode()).hexdigest() + rules)
        config.flush()
        return servers.Server([binary, "serve", "--config", config.name], before)


def relay(binary, upstream, before):
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as config:
        config.write(RELAY % upstream.url("/wheel/american"))
        config.flush()
        return servers.Server([binary, "serve", "--config", config.name], before)


def call(address, request, calls):
    with socket.create_connection(address) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answers = connection.makefile("rb")
        for _ in range(calls):
            connection.sendall(request)
            if not answers.readline().startswith(b"HTTP/1.1 200"):
                sys.exit("a spin was not answered")
            length = 0
            while (line := answers.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            answers.read(length)


def count(start, request, calls, keep):
    """The instructions of a whole run, from its start to its end."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(keep or folder, f"callgrind.{calls}")
        server = start(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"])
        call(server.address, request, calls)
        server.stop()
        total = 0
        for path in glob.glob(out + "*"):
            with open(path) as file:
                total += int(re.findall(r"^(?:summary|totals): (\d+)", file.read(), re.M)[-1])
        return total


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", help="the program to count; by default that of the profile `dist`, "
                        "or of `profiling` with --keep")
    parser.add_argument("--short", type=int, default=1000)
    parser.add_argument("--long", type=int, default=6000)
    parser.add_argument("--keep", help="a folder for what callgrind wrote about croupier")
    parser.add_argument("--protocol", choices=servers.SPINS, default="XML-RPC")
    parser.add_argument("--relayed", action="store_true", help="count a croupier that has the call from a second one")
    parser.add_argument("--guarded", action="store_true", help="count what an API key and a rate cost")
    options = parser.parse_args()
    # What is kept is read function by function, and only the profile `profiling` leaves their names in the program.
    binary = options.binary or (servers.PROFILED if options.keep else servers.CROUPIER)
    request = servers.SPINS[options.protocol].request()
    if options.relayed:
        upstream = servers.croupier(binary)
        kinds = {"croupier, relayed": (lambda before: relay(binary, upstream, before), options.keep)}
    elif options.guarded:
        request = request.replace(b"\r\n", f"\r\nX-API-Key: {KEY}\r\n".encode(), 1)
        auth = 'auth = ["staff"]\n'
        kinds = {
            "no rule": (lambda before: guarded(binary, before, ""), None),
            "API key": (lambda before: guarded(binary, before, auth), None),
            "API key and rate": (lambda before: guarded(binary, before, auth + 'limits.rate.calls = "1000000/s"\n'), None),
        }
    else:
        kinds = {
            "croupier": (lambda before: servers.croupier(binary, before=before), options.keep),
            "bare hyper": (lambda before: servers.bare(before), None),
        }
    for name, (start, keep) in kinds.items():
        counts = [count(start, request, calls, keep) for calls in (options.short, options.long)]
        print(f"{name}: {(counts[1] - counts[0]) / (options.long - options.short):,.0f} instructions per {options.protocol} spin")
    if options.relayed:
        upstream.stop()


if __name__ == "__main__":
    main()
