#!/usr/bin/env python3
"""Calls an upstream at several times the rate that it can serve: how many calls a second still succeed, how long those take, how they
are refused, and what another group notices of it.

The host works on `--workers` calls at a time, each for `--work` milliseconds, and lets all others wait, as many servers do. A call
counts if its result comes within a second.

    python3 benches/overload.py --binary target/dist/croupier
"""
import argparse
import asyncio
import tempfile
import time

import failing_hosts
import relay
import servers

OTHER = """
[group."/other"]
service = "diagnostics"
"""


class BusyHost(failing_hosts.Host):
    def __init__(self, workers, work):
        super().__init__("well")
        self.work, self.room = work, asyncio.Semaphore(workers)

    async def answer(self):
        async with self.room:
            await asyncio.sleep(self.work)


async def other_calls(caller, seconds):
    """Calls of another group, a few a second."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        await caller.call("echo", 4, True)
        await asyncio.sleep(0.05)


def part(times, which):
    times = sorted(times)
    return times[min(len(times) - 1, int(len(times) * which))] * 1000 if times else float("nan")


async def stage(server, rate, seconds):
    caller, other = failing_hosts.Caller(server.address), failing_hosts.Caller(server.address, path="/other")
    before = server.cpu()
    calls, _ = await asyncio.gather(caller.run(rate, seconds, 2), other_calls(other, seconds))
    in_time = [took for took in caller.good if took <= 1]
    print(f"{rate:>7.0f} {len(in_time) / (seconds - 2):>9.1f} {part(in_time, 0.5):>7.0f} {part(in_time, 0.99):>7.0f} "
          f"{sum(caller.failed.values()):>8} {part(other.good, 0.99):>9.1f} {sum(other.failed.values()):>7} "
          f"{(server.cpu() - before) / calls * 1e6:>8.0f} {server.memory('VmHWM'):>8.1f}  {dict(caller.reasons)}", flush=True)
    return len(in_time) / (seconds - 2)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=servers.CROUPIER)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--work", type=float, default=40, help="milliseconds")
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--more", default="limits = { adaptive = true }", help="further lines of TOML for the upstream")
    options = parser.parse_args()
    address, stop = failing_hosts.start_host(BusyHost(options.workers, options.work / 1000))
    with tempfile.NamedTemporaryFile("w", suffix=".json") as described:
        described.write(failing_hosts.DESCRIBED)
        described.flush()
        config = failing_hosts.CONFIG % {"urls": f'"http://{address}/RPC2"', "described": described.name}
        server = relay.configured(options.binary, config + options.more + OTHER)
    capacity = options.workers / options.work * 1000
    print(f"a host that can serve {capacity:.0f} calls/s; of the calls of each stage those of the first two seconds are not counted")
    print("calls/s  in time/s  p50 ms  p99 ms  refused  other p99 of it  us/call  peak MiB")
    try:
        found = [asyncio.run(stage(server, capacity * times, options.seconds)) for times in (0.5, 0.9, 1, 2, 5, 10)]
    finally:
        server.stop()
        stop()
    print(f"at ten times the capacity {found[-1] / max(found):.0%} of the most")


if __name__ == "__main__":
    main()
