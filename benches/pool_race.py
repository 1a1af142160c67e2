#!/usr/bin/env python3
"""Calls an upstream that closes idle connections at the same time as croupier would: is a call ever lost, or received twice?

The host closes a connection that has been idle for `--idle` seconds, give or take 5 ms; croupier keeps one for exactly as long. Each of
many clients waits about that long between its calls. `get` is safe, so it may be sent again; `set` must not be. A `set` that fails is
lost only if the host has not received it: then croupier should have sent it over another connection.

    python3 benches/pool_race.py --seconds 600 --binary target/dist/croupier
"""
import argparse
import asyncio
import collections
import random
import re
import tempfile
import time

import failing_hosts
import relay
import servers


class ClosingHost(failing_hosts.Host):
    def __init__(self, idle):
        super().__init__("well")
        self.idle = idle

    async def serve(self, reader, writer):
        try:
            while True:
                # The race is for the first bytes of a request only.
                first = await asyncio.wait_for(reader.readexactly(1), self.idle + random.uniform(-0.005, 0.005))
                head = first + await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(int(re.search(rb"content-length:\s*(\d+)", head, re.I)[1]))
                self.calls[failing_hosts.called(body)] += 1
                writer.write(failing_hosts.response(failing_hosts.RESULT))
        except asyncio.TimeoutError:
            self.calls["closed", 0] += 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def client(caller, numbers, idle, end, begun):
    while time.perf_counter() < end:
        number = next(numbers)
        method = "get" if number % 2 else "set"
        begun.append((method, number, not await caller.call(method, number, False)))
        await asyncio.sleep(idle + random.uniform(-0.008, 0.008))


async def run(caller, options):
    numbers, begun = iter(range(1, 1 << 40)), []
    end = time.perf_counter() + options.seconds
    await asyncio.gather(*(client(caller, numbers, options.idle, end, begun) for _ in range(options.clients)))
    return begun


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=servers.CROUPIER)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--idle", type=float, default=0.2)
    parser.add_argument("--clients", type=int, default=20)
    options = parser.parse_args()
    address, stop = failing_hosts.start_host(ClosingHost(options.idle))
    with tempfile.NamedTemporaryFile("w", suffix=".json") as described:
        described.write(failing_hosts.DESCRIBED)
        described.flush()
        config = failing_hosts.CONFIG % {"urls": f'"http://{address}/RPC2"', "described": described.name}
        kept = 'response = "1s", idle = "%dms"' % (options.idle * 1000)
        server = relay.configured(options.binary, config.replace('response = "1s"', kept))
    caller = failing_hosts.Caller(server.address)
    try:
        begun = asyncio.run(run(caller, options))
    finally:
        server.stop()
        received = stop()
    doubled = sum(1 for (method, _), times in received.items() if method == "set" and times > 1)
    lost = sum(1 for method, number, failed in begun if failed and not received.get((method, number)))
    failed = collections.Counter(method for method, _, failed in begun if failed)
    closed = received.get(("closed", 0), 0)
    print(f"{len(begun):,} calls in {options.seconds:.0f} s; the host has closed {closed:,} idle connections")
    print(f"failed: {failed['get']} get, {failed['set']} set, of which the host has not received {lost}; {doubled} set received twice")
    print(f"reasons: {dict(caller.reasons)}")


if __name__ == "__main__":
    main()
