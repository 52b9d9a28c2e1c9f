"""Bytes through one encrypted stream, 64 KiB a write, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench.contenders import OWN, PEER, alternate
from tests.bench.registry import Row, Settings, compare

NODE_COUNT = "4"
CHUNK_BYTES = 64 * 1024
MIB = 1024 * 1024


def measure(settings: Settings) -> Iterator[Row]:
    """Throughput in MB/s and processor seconds per GB on either side."""
    amount = (64 if settings.quick else 512) * MIB
    answers = alternate(
        "stream",
        rounds=settings.rounds,
        serve=NODE_COUNT,
        bytes=amount,
        chunk=CHUNK_BYTES,
    )
    own, peer = answers[OWN], answers.get(PEER, [])
    yield compare(
        "stream.throughput",
        "MB/s",
        "higher",
        [amount / it["ms"] / 1e3 for it in own],
        PEER,
        [amount / it["ms"] / 1e3 for it in peer],
    )
    for name, key in (
        ("stream.sendCpu", "sendCpu"),
        ("stream.receiveCpu", "receiveCpu"),
    ):
        yield compare(
            name,
            "s/GB",
            "lower",
            [it[key] / amount * 1e9 for it in own],
            PEER,
            [it[key] / amount * 1e9 for it in peer],
        )
