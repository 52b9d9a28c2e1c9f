"""Where the key of a profile's database comes from.

The database is encrypted under a random 32-byte key, which is kept in one of three
places, told by ``key.json`` in the profile's folder:

* ``keychain``: in the system's keychain, under the profile's random id;
* ``passphrase``: in ``key.json`` itself, sealed under a key stretched from the
  passphrase by Argon2id;
* ``file``: in ``database.key``, readable by its owner only; for machines without
  keychain and without somebody to ask.

``key.json`` also holds a check value of the key, so that a wrong key and a damaged
database are never mistaken for each other. Who is asked for a passphrase, and how, is
left to ``app``.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from hashlib import blake2b
from pathlib import Path
from typing import Any

from nacl import bindings, exceptions

from store.database import KEY_BYTES
from store.errors import (
    EnvironmentFault,
    KeychainError,
    KeyMissingError,
    LocalProtocolError,
    PassphraseNeededError,
    WrongKeyError,
)
from store.keychain import Keychain

VERSION = 1
HEADER_NAME = "key.json"
KEY_FILE_NAME = "database.key"

SALT_BYTES = 16
NONCE_BYTES = 24
CHECK_BYTES = 16
ARGON2_TIME_COST = 3
ARGON2_MEMORY_KIB = 64 * 1024
ARGON2_LANES = 4
MAX_ARGON2_TIME_COST = 64
MAX_ARGON2_MEMORY_KIB = 1024 * 1024
MAX_ARGON2_LANES = 64
MAX_HEADER_BYTES = 16 * 1024

Entropy = Callable[[int], bytes]


class KeySource(Enum):
    """Where the database's key is kept."""

    KEYCHAIN = "keychain"
    PASSPHRASE = "passphrase"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class DatabaseKey:
    """A key that is known to be the profile's."""

    key: bytes
    """32 bytes."""
    source: KeySource


def exists(folder: Path) -> bool:
    """True when ``folder`` holds the key header of a profile."""
    return (folder / HEADER_NAME).exists()


def source(folder: Path) -> KeySource:
    """Where the key of the profile in ``folder`` is kept.

    Raises:
        KeyMissingError: The header is gone or damaged.
    """
    return _read_header(folder)[1]


def create(
    folder: Path,
    *,
    entropy: Entropy,
    passphrase: str | None = None,
    keychain: Keychain | None = None,
) -> DatabaseKey:
    """Make a key and keep it: by passphrase when given, else keychain, else a file.

    Raises:
        EnvironmentFault: The folder cannot be written.
        LocalProtocolError: The folder already has a key.
    """
    if exists(folder):
        raise LocalProtocolError("the folder already has a key")
    key = entropy(KEY_BYTES)
    profile_id = entropy(16).hex()
    header: dict[str, Any] = {
        "version": VERSION,
        "profileId": profile_id,
        "check": _check_value(key),
    }
    if passphrase is not None:
        kept = KeySource.PASSPHRASE
        header |= _seal(key, passphrase, entropy)
    elif keychain is not None and _keep_in_keychain(keychain, profile_id, key):
        kept = KeySource.KEYCHAIN
    else:
        kept = KeySource.FILE
        write_private_file(folder / KEY_FILE_NAME, key.hex().encode())
    header["source"] = kept.value
    text = json.dumps(header, indent=2) + "\n"
    write_private_file(folder / HEADER_NAME, text.encode())
    return DatabaseKey(key, kept)


def open_key(
    folder: Path, *, passphrase: str | None = None, keychain: Keychain | None = None
) -> DatabaseKey:
    """Fetch the key of the profile in ``folder`` and check that it is the right one.

    Stretching a passphrase takes about a tenth of a second and 64 MiB.

    Raises:
        PassphraseNeededError: A passphrase is needed and none was given.
        WrongKeyError: The passphrase, or what the keychain or file holds, is wrong.
        KeyMissingError: The header, the key file or the keychain's entry is gone.
        KeychainError: The keychain refused or did not answer in time.
    """
    header, kept = _read_header(folder)
    if kept is KeySource.PASSPHRASE:
        if passphrase is None:
            raise PassphraseNeededError("the profile is locked by a passphrase")
        key = _unseal(header, passphrase)
    elif kept is KeySource.KEYCHAIN:
        if keychain is None:
            raise KeychainError("the key is in a keychain, and there is none here")
        key = _key_from_text(keychain.get(str(header["profileId"])), "the keychain")
    else:
        try:
            text = (folder / KEY_FILE_NAME).read_text()
        except OSError as error:
            raise KeyMissingError("the key file cannot be read") from error
        except UnicodeDecodeError as error:
            raise KeyMissingError("the key file is damaged") from error
        key = _key_from_text(text, "the key file")
    if _check_value(key) != header["check"]:
        raise WrongKeyError("the key is not this profile's")
    return DatabaseKey(key, kept)


def write_private_file(path: Path, data: bytes) -> None:
    """Write a whole file that only its owner may read; old or new, never half.

    Raises:
        EnvironmentFault: The disk refused.
    """
    fresh = path.with_name(path.name + ".new")
    try:
        with contextlib.suppress(FileNotFoundError):
            fresh.unlink()
        mode = stat.S_IRUSR | stat.S_IWUSR
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        if os.name == "posix":
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except OSError as error:
        raise EnvironmentFault(f"cannot write {path.name}: {error.strerror}") from error


def _keep_in_keychain(keychain: Keychain, name: str, key: bytes) -> bool:
    """True when the keychain took the key and gave it back."""
    try:
        keychain.set(name, key.hex())
        return keychain.get(name) == key.hex()
    except KeychainError:
        return False


def _read_header(folder: Path) -> tuple[dict[str, Any], KeySource]:
    try:
        raw = (folder / HEADER_NAME).read_bytes()
    except OSError as error:
        raise KeyMissingError(f"{HEADER_NAME} cannot be read") from error
    try:
        header = json.loads(raw) if len(raw) <= MAX_HEADER_BYTES else None
    except ValueError as error:
        raise KeyMissingError(f"{HEADER_NAME} is damaged") from error
    if not isinstance(header, dict):
        raise KeyMissingError(f"{HEADER_NAME} is damaged")
    if header.get("version") != VERSION:
        raise KeyMissingError(
            f"{HEADER_NAME} was made by another version", code="key-version"
        )
    try:
        kept = KeySource(header.get("source"))
    except ValueError as error:
        raise KeyMissingError(f"{HEADER_NAME} is damaged") from error
    if not isinstance(header.get("check"), str) or "profileId" not in header:
        raise KeyMissingError(f"{HEADER_NAME} is damaged")
    return header, kept


def _check_value(key: bytes) -> str:
    digest = blake2b(
        b"covey database key check",
        key=key,
        digest_size=CHECK_BYTES,
        usedforsecurity=True,
    )
    return digest.hexdigest()


def _key_from_text(text: str | None, holder: str) -> bytes:
    try:
        key = bytes.fromhex((text or "").strip())
    except ValueError as error:
        raise KeyMissingError(f"{holder} holds something that is no key") from error
    if len(key) != KEY_BYTES:
        raise KeyMissingError(f"{holder} does not hold the key any more")
    return key


def _seal(key: bytes, passphrase: str, entropy: Entropy) -> dict[str, Any]:
    salt = entropy(SALT_BYTES)
    nonce = entropy(NONCE_BYTES)
    stretched = _stretch(
        passphrase, salt, ARGON2_TIME_COST, ARGON2_MEMORY_KIB, ARGON2_LANES
    )
    sealed = bindings.crypto_secretbox(key, nonce, stretched)
    return {
        "argon2id": {
            "salt": salt.hex(),
            "timeCost": ARGON2_TIME_COST,
            "memoryKib": ARGON2_MEMORY_KIB,
            "lanes": ARGON2_LANES,
        },
        "sealed": (nonce + sealed).hex(),
    }


def _unseal(header: dict[str, Any], passphrase: str) -> bytes:
    try:
        costs = header["argon2id"]
        salt = bytes.fromhex(costs["salt"])
        sealed = bytes.fromhex(header["sealed"])
        time_cost = int(costs["timeCost"])
        memory_kib = int(costs["memoryKib"])
        lanes = int(costs["lanes"])
    except (KeyError, TypeError, ValueError) as error:
        raise KeyMissingError(f"{HEADER_NAME} is damaged") from error
    if not (
        len(salt) == SALT_BYTES
        and 1 <= time_cost <= MAX_ARGON2_TIME_COST
        and 1 <= lanes <= MAX_ARGON2_LANES
        and 8 * lanes <= memory_kib <= MAX_ARGON2_MEMORY_KIB
    ):
        raise KeyMissingError(f"{HEADER_NAME} is damaged")
    stretched = _stretch(passphrase, salt, time_cost, memory_kib, lanes)
    try:
        return bytes(
            bindings.crypto_secretbox_open(
                sealed[NONCE_BYTES:], sealed[:NONCE_BYTES], stretched
            )
        )
    except (exceptions.CryptoError, ValueError) as error:
        raise WrongKeyError("the passphrase is not this profile's") from error


def _stretch(
    passphrase: str, salt: bytes, time_cost: int, memory_kib: int, lanes: int
) -> bytes:
    from argon2.low_level import Type, hash_secret_raw

    return hash_secret_raw(
        passphrase.encode(),
        salt,
        time_cost=time_cost,
        memory_cost=memory_kib,
        parallelism=lanes,
        hash_len=KEY_BYTES,
        type=Type.ID,
    )
