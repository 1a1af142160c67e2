#!/usr/bin/env python3
"""Lets hostile clients of every sort loose on croupier at once, while an honest one spins every 50 ms.

Prints the honest spins' median and worst latency, their errors, what became of the hostile requests, and the most
memory that the server held. A second server, left alone by the hostile clients, is asked by another honest client at
the same time: what its calm spins take is the machine's doing. Fails where an honest spin took over 1 s or had no
answer, or the memory exceeded 150 MiB.
"""
import argparse
import collections
import multiprocessing
import os
import re
import resource
import signal
import socket
import statistics
import sys
import threading
import time
import zlib

import servers
from servers import document, param, post

WORST_SECONDS = 1.0
MOST_MIB = 150
MANY = 1_000_000
DEEP = 100_000


SPIN = post("/wheel/american", document("spin"))
LONG = post("/wheel/american", document("spinList", param("<int>5000000</int>")))


def bomb():
    """1 GiB of zeros, packed into a megabyte."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(1 << 20)
    packed = b"".join(packer.compress(zeros) for _ in range(1024)) + packer.flush()
    return post("/wheel/american", packed, "Content-Encoding: gzip\r\n")


def attacks():
    """What each sort of hostile request is, and how many clients send it over and over."""
    nested = "<param>" + "<value><array><data>" * DEEP
    wheel = lambda body: post("/wheel/american", body)
    entities = '<!ENTITY a "' + "a" * 1000 + '">' + "".join(
        f'<!ENTITY {n} "{("&" + chr(ord(n) - 1) + ";") * 10}">' for n in "bcdefghij")
    return {
        "values nested 100,000 deep": (wheel(document("spin", nested)), 10),
        "elements nested 100,000 deep": (wheel(b"<a>" * DEEP + b"</a>" * DEEP), 10),
        "a DOCTYPE with entities": (wheel(f"<!DOCTYPE a [{entities}]><a>&j;</a>".encode()), 10),
        "1,000,000 elements": (wheel(b"<methodCall>" + b"<a/>" * MANY + b"</methodCall>"), 10),
        "250,000 values": (post("/diagnostics", document("count", param(
            "<array><data>" + "<value/>" * 249_990 + "</data></array>"))), 5),
        "gzip bombs of 1 GiB": (bomb(), 10),
        "both framings": (SPIN.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n", 1), 10),
        "half requests": (SPIN[:-40], 10),
        "echoes of 4 MiB": (post("/diagnostics", document("echo", param("x" * (4_194_304 - 200)))), 50),
    }


def connect(address):
    connection = socket.create_connection(address)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.settimeout(90)
    return connection


def read_answer(connection):
    """The status of a response that has a length; 0 where the connection ended without one."""
    answer = b""
    while (end := answer.find(b"\r\n\r\n")) < 0:
        if not (more := connection.recv(65536)):
            return 0
        answer += more
    length = re.search(rb"\r\ncontent-length: (\d+)", answer[:end].lower())
    left = (int(length[1]) if length else 0) - (len(answer) - end - 4)
    while left > 0 and (more := connection.recv(65536)):
        left -= len(more)
    return int(answer[9:12]) if left <= 0 else 0


def repeat(address, request, over, outcomes):
    """Sends one request over and over, each on a connection of its own."""
    while not over.is_set():
        try:
            with connect(address) as connection:
                try:
                    connection.sendall(request)
                    connection.shutdown(socket.SHUT_WR)
                except BrokenPipeError:
                    # Refused before it was all sent: the reason may be there to read.
                    pass
                outcomes[read_answer(connection) or "closed"] += 1
        except OSError as error:
            outcomes[type(error).__name__] += 1


def send_often(address, name, request, clients, over, report):
    """One sort of hostile request, from several clients."""
    outcomes = collections.Counter()
    threads = [threading.Thread(target=repeat, args=(address, request, over, outcomes)) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report.put((name, dict(outcomes)))


def hold(address, idle, slow, unread, over, report):
    """Connections that say nothing, that say a byte a second, and that never read."""
    silent = [connect(address) for _ in range(idle)]
    readers = [connect(address) for _ in range(unread)]
    for reader in readers:
        reader.sendall(LONG)
    writers = {connect(address): 0 for _ in range(slow)}
    cut = 0
    while not over.wait(1):
        for writer, sent in list(writers.items()):
            try:
                writer.sendall(SPIN[sent:sent + 1])
                writers[writer] = sent + 1
            except OSError:
                # Cut for being slow: the next one takes its place.
                writer.close()
                del writers[writer]
                writers[connect(address)] = 0
                cut += 1
    report.put(("held", {"idle": len(silent), "never reading": len(readers), "slow": len(writers), "slow ones cut": cut}))


def spin_often(address, name, over, report):
    """An honest client."""
    latencies, errors, first = [], [], time.perf_counter()
    connection = connect(address)
    while not over.wait(0.05):
        begun = time.perf_counter()
        try:
            connection.sendall(SPIN)
            if (status := read_answer(connection)) != 200:
                raise OSError(f"status {status}")
        except OSError as error:
            errors.append(str(error))
            connection = connect(address)
        latencies.append((time.perf_counter() - begun, begun - first))
    report.put((name, (latencies, errors)))


def rage(server, calm, options):
    """Everything at once; answers what each kind of client has to tell."""
    over, report = multiprocessing.Event(), multiprocessing.Queue()
    kinds = [(hold, server, options.idle, options.slow, options.unread)]
    kinds += [(spin_often, server, "honest"), (spin_often, calm, "calm")]
    kinds += [(send_often, server, name, *attack) for name, attack in attacks().items()]
    processes = [multiprocessing.Process(target=kind, args=(to.address, *args, over, report)) for kind, to, *args in kinds]
    for process in processes:
        process.start()
    time.sleep(options.seconds)
    print(f"memory at the end of the rage: {server.memory('VmRSS'):.1f} MiB")
    over.set()
    told = dict(report.get(timeout=120) for _ in processes)
    for process in processes:
        process.join()
    return told


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=servers.CROUPIER)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--idle", type=int, default=1000)
    parser.add_argument("--slow", type=int, default=200)
    parser.add_argument("--unread", type=int, default=200)
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    server, calm = servers.croupier(options.binary), servers.croupier(options.binary)
    try:
        print(f"memory before: {server.memory('VmRSS'):.1f} MiB; load average {os.getloadavg()[0]:.1f}")
        told = rage(server, calm, options)
        peak = server.memory("VmHWM")
    finally:
        server.stop(signal.SIGKILL)
        calm.stop()
    spins = {name: told.pop(name) for name in ("honest", "calm")}
    for name, outcomes in told.items():
        print(f"{name}: {outcomes}")
    for name, (latencies, errors) in spins.items():
        median, (worst, when) = statistics.median(took for took, _ in latencies), max(latencies)
        print(f"{name} spins: {len(latencies)}, median {median * 1000:.1f} ms, worst {worst * 1000:.1f} ms "
              f"{when:.0f} s after the beginning, errors {len(errors)} {errors[:3]}")
    latencies, errors = spins["honest"]
    print(f"peak memory of the server: {peak:.1f} MiB")
    return 1 if errors or max(latencies)[0] > WORST_SECONDS or peak > MOST_MIB else 0


if __name__ == "__main__":
    sys.exit(main())
