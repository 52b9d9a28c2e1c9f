"""Where the database's key is kept, and which mistakes are told apart."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from store import keys
from store.errors import (
    KeychainError,
    KeyMissingError,
    LocalProtocolError,
    PassphraseNeededError,
    WrongKeyError,
)
from store.keychain import SystemKeychain
from store.keys import KeySource


class FakeKeychain:
    """Keeps secrets in memory, or refuses."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.secrets: dict[str, str] = {}
        self.refuses = refuses

    def get(self, name: str) -> str | None:
        if self.refuses:
            raise KeychainError("locked")
        return self.secrets.get(name)

    def set(self, name: str, secret: str) -> None:
        if self.refuses:
            raise KeychainError("locked")
        self.secrets[name] = secret


def test_a_keychain_is_preferred_to_a_file(tmp_path: Path) -> None:
    keychain = FakeKeychain()
    made = keys.create(tmp_path, entropy=os.urandom, keychain=keychain)
    assert made.source is KeySource.KEYCHAIN
    assert not (tmp_path / keys.KEY_FILE_NAME).exists()
    assert keys.open_key(tmp_path, keychain=keychain) == made
    with pytest.raises(KeychainError):
        keys.open_key(tmp_path)
    keychain.refuses = True
    with pytest.raises(KeychainError):
        keys.open_key(tmp_path, keychain=keychain)
    keychain.refuses = False
    keychain.secrets.clear()
    with pytest.raises(KeyMissingError):
        keys.open_key(tmp_path, keychain=keychain)


def test_a_refusing_keychain_leaves_a_private_file(tmp_path: Path) -> None:
    made = keys.create(
        tmp_path, entropy=os.urandom, keychain=FakeKeychain(refuses=True)
    )
    assert made.source is KeySource.FILE
    assert keys.source(tmp_path) is KeySource.FILE
    for name in (keys.KEY_FILE_NAME, keys.HEADER_NAME):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert keys.open_key(tmp_path) == made


def test_a_passphrase_locks(tmp_path: Path) -> None:
    made = keys.create(tmp_path, entropy=os.urandom, passphrase="grey goose ü")
    assert made.source is KeySource.PASSPHRASE
    assert keys.open_key(tmp_path, passphrase="grey goose ü") == made
    header = (tmp_path / keys.HEADER_NAME).read_text()
    assert made.key.hex() not in header
    with pytest.raises(PassphraseNeededError):
        keys.open_key(tmp_path)
    with pytest.raises(WrongKeyError):
        keys.open_key(tmp_path, passphrase="grey duck")
    assert (tmp_path / keys.HEADER_NAME).read_text() == header


def test_a_key_is_never_replaced(tmp_path: Path) -> None:
    keys.create(tmp_path, entropy=os.urandom)
    with pytest.raises(LocalProtocolError):
        keys.create(tmp_path, entropy=os.urandom)


def test_another_profiles_key_is_wrong_and_not_damage(tmp_path: Path) -> None:
    keys.create(tmp_path, entropy=os.urandom)
    (tmp_path / keys.KEY_FILE_NAME).write_text("11" * 32)
    with pytest.raises(WrongKeyError):
        keys.open_key(tmp_path)


@pytest.mark.parametrize("content", ["", "zz", "11" * 31, "\udcff"])
def test_a_damaged_key_file(tmp_path: Path, content: str) -> None:
    keys.create(tmp_path, entropy=os.urandom)
    path = tmp_path / keys.KEY_FILE_NAME
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(KeyMissingError):
        keys.open_key(tmp_path)
    path.unlink()
    with pytest.raises(KeyMissingError):
        keys.open_key(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"source": "moon"},
        {"check": 7},
        {"argon2id": None},
        {"argon2id": {"salt": "00", "timeCost": 1, "memoryKib": 64, "lanes": 1}},
        {
            "argon2id": {
                "salt": "00" * 16,
                "timeCost": 10**9,
                "memoryKib": 10**9,
                "lanes": 1,
            }
        },
        {"sealed": "xx"},
    ],
)
def test_a_damaged_header_is_refused_quickly(
    tmp_path: Path, change: dict[str, object]
) -> None:
    keys.create(tmp_path, entropy=os.urandom, passphrase="x")
    path = tmp_path / keys.HEADER_NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(KeyMissingError):
        keys.open_key(tmp_path, passphrase="x")


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"{}" + b" " * 20_000])
def test_a_header_that_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / keys.HEADER_NAME).write_bytes(content)
    with pytest.raises(KeyMissingError):
        keys.open_key(tmp_path)


def test_a_hanging_keychain_is_given_up() -> None:
    import threading

    gate = threading.Event()
    keychain = SystemKeychain(timeout_s=0.01)
    with pytest.raises(KeychainError, match="did not answer"):
        keychain._within_time(lambda: gate.wait(5))
    gate.set()
