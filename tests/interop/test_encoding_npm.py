"""What we encode, npm decodes, understands, and encodes to the same bytes."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from net import encoding
from net.encoding import Writer
from tests.interop.node_peer import NodePeer

pytestmark = pytest.mark.interop

CASES_A_TYPE = 200


def some_bytes(rng: random.Random) -> bytes:
    return rng.randbytes(rng.choice((0, 1, 5, 252, 253, 300)))


def some_uint(rng: random.Random) -> int:
    return rng.getrandbits(rng.randint(0, 53))


def some_text(rng: random.Random) -> str:
    return "".join(rng.choice("aé世🌍 ") for _ in range(rng.randint(0, 90)))


def some_ipv4(rng: random.Random) -> tuple[str, int]:
    return ".".join(str(rng.getrandbits(8)) for _ in range(4)), rng.getrandbits(16)


def some_any(rng: random.Random, depth: int = 0) -> Any:
    kind = rng.randint(0, 8 if depth < 3 else 5)
    if kind >= 7:
        return {some_text(rng): some_any(rng, depth + 1) for _ in range(kind - 6)}
    if kind == 6:
        return [some_any(rng, depth + 1) for _ in range(rng.randint(0, 4))]
    return (
        None,
        rng.random() < 0.5,
        some_text(rng),
        some_uint(rng),
        -(some_uint(rng) >> 1) - 1,
        rng.random(),
    )[kind]


def address(value: tuple[str, int]) -> dict[str, Any]:
    return {"host": value[0], "family": 4, "port": value[1]}


def buffer(value: bytes) -> dict[str, Any]:
    return {"hex": value.hex()}


def packed(bits: list[bool]) -> dict[str, Any]:
    number = sum(1 << index for index, bit in enumerate(bits) if bit)
    return buffer(number.to_bytes(2, "little"))


Make = Callable[[random.Random], Any]
Write = Callable[[Writer, Any], object]
Plain = Callable[[Any], Any]


def same(value: Any) -> Any:
    return value


TYPES: dict[str, tuple[Make, Write, Plain]] = {
    "uint": (some_uint, Writer.uint, same),
    "int": (lambda r: some_uint(r) // 2 * r.choice((1, -1)), Writer.int, same),
    "uint16": (lambda r: r.getrandbits(16), Writer.uint16, same),
    "uint24": (lambda r: r.getrandbits(24), Writer.uint24, same),
    "uint32": (lambda r: r.getrandbits(32), Writer.uint32, same),
    "uint64": (some_uint, Writer.uint64, same),
    "bool": (lambda r: r.random() < 0.5, Writer.bool, same),
    "buffer": (some_bytes, Writer.buffer, buffer),
    "string": (some_text, Writer.string, same),
    "ipv4Address": (some_ipv4, Writer.ipv4_address, address),
    "array(string)": (
        lambda r: [some_text(r) for _ in range(r.randint(0, 5))],
        lambda w, v: w.array(v, Writer.string),
        same,
    ),
    "array(ipv4Address)": (
        lambda r: [some_ipv4(r) for _ in range(r.randint(0, 5))],
        lambda w, v: w.array(v, Writer.ipv4_address),
        lambda v: [address(item) for item in v],
    ),
    "float64": (random.Random.random, encoding.write_float64, same),
    "lexint": (lambda r: r.getrandbits(r.randint(0, 32)), encoding.write_lexint, same),
    "biguint": (
        lambda r: r.getrandbits(r.randint(0, 300)),
        encoding.write_big_uint,
        lambda v: {"big": str(v)},
    ),
    "bitarray": (
        lambda r: [r.random() < 0.5 for _ in range(r.randint(0, 20))],
        encoding.write_bit_array,
        same,
    ),
    "bitfield(11)": (
        lambda r: [r.random() < 0.5 for _ in range(11)],
        lambda w, v: encoding.write_bitfield(w, v, 11),
        packed,
    ),
    "frame(uint)": (
        some_uint,
        lambda w, v: encoding.write_frame(w, lambda inner: inner.uint(v)),
        same,
    ),
    "record(string,uint)": (
        lambda r: {some_text(r): some_uint(r) for _ in range(r.randint(0, 4))},
        lambda w, v: encoding.write_record(w, v, Writer.string, Writer.uint),
        same,
    ),
    "any": (some_any, encoding.write_any, same),
}


async def test_npm_reads_what_we_write(npm: NodePeer, seed: int) -> None:
    rng = random.Random(seed)
    cases, expected = [], []
    for name, (make, write, plain) in TYPES.items():
        for _ in range(CASES_A_TYPE):
            value, writer = make(rng), Writer()
            write(writer, value)
            cases.append({"type": name, "hex": writer.finish().hex()})
            expected.append(plain(value))
    answers = await npm.ask("codec.through", cases=cases)
    for case, value, answer in zip(cases, expected, answers, strict=True):
        assert answer == {"value": value, "hex": case["hex"]}, case["type"]
