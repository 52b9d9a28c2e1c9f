"""Bootstrap addresses."""

from __future__ import annotations

import asyncio
import socket

import pytest

from net.aio.resolve import (
    PUBLIC_BOOTSTRAP,
    default_bootstrap,
    parse_address,
    parse_bootstrap,
    resolve,
)
from net.errors import EnvironmentFault, LocalProtocolError


def test_addresses_are_read() -> None:
    assert parse_address(" node.example:49737 ") == ("node.example", 49737)
    assert parse_bootstrap("1.2.3.4:5, 6.7.8.9:10,") == (
        ("1.2.3.4", 5),
        ("6.7.8.9", 10),
    )


@pytest.mark.parametrize("text", ["", "host", "host:", ":1", "h:0", "h:65536", "h:x"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(LocalProtocolError, match="host:port"):
        parse_address(text)


def test_there_is_a_limit() -> None:
    with pytest.raises(LocalProtocolError, match="more than 64"):
        parse_bootstrap(",".join(["1.2.3.4:5"] * 65))


def test_the_environment_decides_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COVEY_BOOTSTRAP", raising=False)
    assert default_bootstrap() == PUBLIC_BOOTSTRAP
    monkeypatch.setenv("COVEY_BOOTSTRAP", "127.0.0.1:1234")
    assert default_bootstrap() == (("127.0.0.1", 1234),)


async def test_names_are_resolved_and_failing_ones_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def getaddrinfo(host: str, port: int, **_: object) -> list[object]:
        if host == "good.example":
            return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("10.1.2.3", port))]
        raise socket.gaierror("unknown name")

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)

    found = await resolve([("good.example", 1), ("bad.example", 2), "127.0.0.1:3"])
    assert found == [("10.1.2.3", 1), ("127.0.0.1", 3)]
    assert await resolve([]) == []
    with pytest.raises(EnvironmentFault, match=r"bad\.example.*online"):
        await resolve([("bad.example", 2)])
