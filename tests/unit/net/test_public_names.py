"""The package's face: its names, and what it costs to import its parts."""

from __future__ import annotations

import subprocess
import sys

import pytest

import net


def modules_after(statement: str) -> set[str]:
    program = f"import sys\n{statement}\nprint(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(run.stdout.split())


def test_every_public_name_loads() -> None:
    assert net.__all__ == ["DHT", "Connection", "KeyPair", "Server", "Swarm"]
    for name in net.__all__:
        assert getattr(net, name).__name__ == name
    assert set(net.__all__) <= set(dir(net))


def test_other_names_do_not() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = net.nonsense  # type: ignore[attr-defined]


def test_encoding_alone_loads_neither_asyncio_nor_cryptography() -> None:
    loaded = modules_after("import net.encoding")
    assert not loaded & {"asyncio", "socket", "nacl", "net.aio", "net.crypto"}


def test_the_face_is_loaded_when_it_is_used() -> None:
    assert "net.aio.node" not in modules_after("import net")
    assert "net.aio.node" in modules_after("from net import DHT")
