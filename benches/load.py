#!/usr/bin/env python3
"""Puts croupier beside a bare hyper server: spins under load, long lists, a large array to decode.

All servers run at the same time and are measured in turn, round by round; what counts are the medians of the rounds
and the ratios within a round, since a shared machine is never the same twice. Needs `wrk`.
"""
import argparse
import os
import re
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import servers
from servers import document, param, post

STRUCTS = 3033


def structs():
    """A call of `count` with an array of structs, just under 1,000,000 bytes."""
    member = "<member><name>%s</name><value>%s</value></member>"
    items = "".join(
        "<value><struct>" + member % ("id", f"<int>{n}</int>")
        + member % ("name", f"<string>player {n} &amp; co &lt;{n % 7}&gt;</string>")
        + member % ("stake", f"<double>{n * 0.25}</double>") + member % ("win", f"<boolean>{int(n % 3 == 0)}</boolean>")
        + "</struct></value>" for n in range(STRUCTS))
    return document("count", param(f"<array><data>{items}</data></array>"))


def connect(server):
    connection = socket.create_connection(server.address)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def ask(connection, request, room):
    """Sends a request and reads the answer into `room`; its bytes, and seconds to the first byte and to the last."""
    begun = time.perf_counter()
    connection.sendall(request)
    got = connection.recv_into(room)
    first = time.perf_counter() - begun
    head = bytes(room[:got]).partition(b"\r\n\r\n")[0]
    if not head.startswith(b"HTTP/1.1 200"):
        sys.exit(f"no answer but {head[:100]!r}")
    total, tail = got, bytes(room[:got])[-8:]
    if length := re.search(rb"content-length: (\d+)", head.lower()):
        whole = len(head) + 4 + int(length[1])
        while total < whole:
            if not (got := connection.recv_into(room)):
                sys.exit(f"an answer of {whole} bytes ended after {total}")
            total += got
    else:
        while not tail.endswith(b"\r\n0\r\n\r\n"):
            if not (got := connection.recv_into(room)):
                sys.exit(f"an answer broke off after {total} bytes")
            total, tail = total + got, (tail + bytes(room[max(0, got - 8):got]))[-8:]
    return total - len(head) - 4, first, time.perf_counter() - begun


def load(server, spin, seconds):
    """Requests a second, and microseconds of processor time for each: the server's, and the client's own."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(spin.script())
        script.flush()
        command = ["wrk", "-t2", "-c64", f"-d{seconds}s", "--timeout", "10s", "-s", script.name, server.url(spin.path)]
        before, own = server.cpu(), of_clients()
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        sys.exit(said)
    requests, took = re.search(r"(\d+) requests in ([\d.]+)s", said).groups()
    each = 1e6 / int(requests)
    return int(requests) / float(took), (server.cpu() - before) * each, (of_clients() - own) * each


def of_clients():
    """Seconds of processor time that clients have taken so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def spins(rivals, spin, name, rounds, seconds):
    """Spins over 64 keep-alive connections."""
    for server in rivals.values():
        load(server, spin, 1)
    taken = [{name: load(server, spin, seconds) for name, server in rivals.items()} for _ in range(rounds)]
    print(f"\n{name} spin, 64 keep-alive connections, {rounds} rounds of {seconds} s")
    for name in rivals:
        rate, cost = (median(taken, lambda round: round[name][at]) for at in (0, 1))
        rates, costs = (median(taken, lambda round: round[name][at] / round["bare hyper"][at]) for at in (0, 1))
        print(f"  {name:22} {rate:8,.0f} requests/s ({rates:.2f})   {cost:6.2f} us of CPU each ({costs:.2f});"
              f" by the client's own {steady(taken, name):.2f}")


def steady(taken, name):
    """What a server costs beside the bare one, each measured in what the client took for the same request at the same
    time: a processor that is slow in one of the runs is slow for the client too."""
    own = lambda name: median(taken, lambda round: round[name][1] / round[name][2])
    return own(name) / own("bare hyper")


def lists(rivals, rounds, rows):
    """A list of rows to its last byte, beside a fixed body of as many bytes."""
    quiet, bare, room = rivals["croupier"], rivals["bare hyper"], bytearray(1 << 20)
    rowed = post("/wheel/american", document("spinList", param(f"<int>{rows}</int>")))
    with connect(quiet) as one, connect(bare) as other:
        size = ask(one, rowed, room)[0]
        fixed = post(f"/bytes/{size}", b"")
        ask(other, fixed, room)
        taken = []
        for _ in range(rounds * 8):
            cpu = [quiet.cpu(), bare.cpu()]
            taken.append((ask(one, rowed, room)[1:], ask(other, fixed, room)[1:],
                          quiet.cpu() - cpu[0], bare.cpu() - cpu[1]))
    ours, fixed = (median(taken, lambda pair: pair[at][1]) for at in (0, 1))
    ratio = median(taken, lambda pair: pair[0][1] / pair[1][1])
    print(f"\nspinList({rows}), {size:,} bytes, {len(taken)} times")
    print(f"  croupier    {ours * 1000:7.1f} ms to the last byte, {median(taken, lambda t: t[0][0]) * 1000:.1f} to the first,"
          f" {statistics.mean(t[2] for t in taken) * 1000:.1f} ms of CPU")
    print(f"  fixed bytes {fixed * 1000:7.1f} ms to the last byte, {statistics.mean(t[3] for t in taken) * 1000:.1f} ms of CPU"
          f"; croupier takes {ratio:.2f} times as long")


def decoding(server, rounds):
    """A call with an array of structs, whose values are all read."""
    body, room = structs(), bytearray(1 << 16)
    request = post("/diagnostics", body)
    with connect(server) as connection:
        before = server.cpu()
        taken = [ask(connection, request, room)[2] for _ in range(rounds * 20)]
        cpu = (server.cpu() - before) / len(taken)
    took = statistics.median(taken)
    print(f"\ncount of {STRUCTS} structs, {len(body):,} bytes, {len(taken)} times")
    print(f"  croupier    {took * 1000:7.2f} ms a call, {len(body) / took / 1e6:.0f} MB/s; {cpu * 1000:.2f} ms of CPU a call")


def stream(binary, rows):
    """One very long list from a fresh server: how soon it begins, and what memory it takes."""
    server = servers.croupier(binary)
    with connect(server) as connection:
        request = post("/wheel/american", document("spinList", param(f"<int>{rows}</int>")))
        size, first, last = ask(connection, request, bytearray(1 << 20))
    print(f"\nspinList({rows}), {size / 1e6:,.0f} MB")
    print(f"  croupier    {first * 1000:7.2f} ms to the first byte, {last:.2f} s to the last ({size / last / 1e6:,.0f} MB/s);"
          f" peak memory {server.memory('VmHWM'):.1f} MiB")
    server.stop()


def median(rounds, of):
    return statistics.median(map(of, rounds))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=servers.CROUPIER)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of each round of spins")
    parser.add_argument("--protocols", nargs="+", choices=servers.SPINS, default=list(servers.SPINS))
    parser.add_argument("--spins", action="store_true", help="nothing but spins")
    options = parser.parse_args()
    rivals = {
        "bare hyper": servers.bare(),
        "croupier": servers.croupier(options.binary),
        "croupier, access log": servers.croupier(options.binary, access=True),
    }
    try:
        print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors; in brackets: beside bare hyper")
        for name, spin in servers.SPINS.items():
            if name in options.protocols:
                spins(rivals, spin, name, options.rounds, options.seconds)
        if options.spins:
            return
        lists(rivals, options.rounds, 100_000)
        decoding(rivals["croupier"], options.rounds)
    finally:
        for server in rivals.values():
            server.stop()
    stream(options.binary, 5_000_000)
    print(f"\nload average {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
