"""One end of a Covey stream that fills a link, run in a network namespace.

``python -m tests.natlab.udx_flow '{"role": "send", ...}'`` with the keys role (send or
receive), host, port, remoteHost, remotePort, id, remoteId and seconds. Prints one JSON
line each 250 ms: instant, bytes received so far, and what the sender knows of the path.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from typing import Any

from net.aio.endpoint import Endpoint

CHUNK = bytes(65_536)
REPORT_S = 0.25


class Flow:
    """The listener of the stream: counts, and writes whenever there is room."""

    def __init__(self) -> None:
        self.received_bytes = 0
        self.fill = lambda: None

    def raw_data(self, data: bytes, now: float) -> None:
        del now
        self.received_bytes += len(data)

    def raw_message(self, data: bytes) -> None:
        del data

    def raw_end(self) -> None:
        pass

    def raw_drained(self) -> None:
        self.fill()

    def raw_closed(self, code: str | None) -> None:
        print(json.dumps({"closed": code}), flush=True)


async def run(options: dict[str, Any]) -> None:
    """Open the stream, send or receive for the time given, and report."""
    endpoint = Endpoint(entropy=os.urandom)
    await endpoint.open_socket(0, host=options["host"], port=options["port"])
    stream = endpoint.create_stream(options["id"])
    flow = Flow()
    stream.listener = flow
    remote = (options["remoteHost"], options["remotePort"])
    stream.connect(options["remoteId"], 0, remote)

    def fill() -> None:
        while stream.write(CHUNK):
            pass

    if options["role"] == "send":
        flow.fill = fill
        fill()
    end = time.monotonic() + options["seconds"]
    while time.monotonic() < end:
        await asyncio.sleep(REPORT_S)
        statistics = stream.statistics
        report = {
            "at": time.time(),
            "bytes": flow.received_bytes,
            "rtt": statistics.rtt_s,
            "minRtt": statistics.minimum_rtt_s,
            "resent": statistics.retransmitted_packets,
            "mode": statistics.mode,
            "cwnd": statistics.cwnd,
        }
        print(json.dumps(report), flush=True)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(run(json.loads(sys.argv[1])))
