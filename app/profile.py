"""A profile: one person on one machine, encrypted at rest.

The folder holds the key's header (``store.keys``), the database and the lock. Inside
the database stand the name, the 24 words, the seeds of two key pairs and the proof that
the identity attests this device:

* the **device** key signs this device's logs and is shown to members of rooms only;
* the **network** key is what the DHT and strangers see.

A device that another one linked knows no words: its proof leads from the identity over
that other device to this one, and the key of the person's own room (``app/devices``)
is kept in their place. Until it is linked, such a profile is nobody's.

Making a profile ends with one rename, so there is a whole one or none.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app import identity
from app.errors import UserFacingError
from app.faults import explained
from app.identity import Proof
from app.lock import ProfileLock
from app.paths import DATABASE_NAME, MAX_PASSPHRASE_BYTES
from net.crypto import KeyPair, blake2b_256, namespace
from store import keys
from store.database import Connection, Database
from store.keychain import Keychain, system_keychain
from store.settings import get_setting, set_setting

MAX_NAME_BYTES = 128
SEED_BYTES = 32
_PERSONAL, _AWAITS_LINK = "personal-room", "awaits-link"
_DEVICE_NAME = "device-name"
_CORES = namespace("covey/profile", 0)
_SEARCH = namespace("covey/profile", 1)

Entropy = Callable[[int], bytes]


@dataclass(slots=True, eq=False)
class Profile:
    """An opened profile; its database and lock belong to whoever opened it."""

    folder: Path
    name: str
    """What others see of this person; see ``rename``."""
    phrase: str
    identity_key: bytes
    device: KeyPair
    network: KeyPair
    proof: Proof
    database: Database
    lock: ProfileLock
    personal_key: bytes
    """Of the room that all devices of this person share, 32 bytes."""
    personal_founder: bytes
    """The device key that founds it."""
    device_name: str = "device"
    """By which this person tells their devices apart."""
    awaits_link: bool = False
    """Made to become a device of somebody: see ``adopt``."""
    warning: str = ""
    """What to tell the person about how the key is kept, else empty."""

    @property
    def primary_key(self) -> bytes:
        """From which the keys of this profile's own cores follow, 32 bytes."""
        return blake2b_256(_CORES, self.device.secret_key)

    @property
    def search_key(self) -> bytes:
        """Under which the search index is encrypted, 32 bytes."""
        return blake2b_256(_SEARCH, self.device.secret_key)

    async def rename(self, name: str) -> None:
        """Be called otherwise from now on, as the devices of this person agreed.

        Raises:
            StoreError: The disk refused.
        """
        if name != self.name:
            self.name = name
            await asyncio.wrap_future(
                self.database.write(lambda it: set_setting(it, "name", name.encode()))
            )

    def close(self) -> None:
        """Finish all writes and give the profile free. Blocks."""
        self.database.close()
        self.lock.release()


def exists(folder: Path) -> bool:
    """True when there is a profile in ``folder``."""
    return (folder / DATABASE_NAME).exists()


def clean_name(name: str) -> str:
    """A person's or room's name without line breaks and spaces around it.

    Raises:
        UserFacingError: ``bad-name``: it is empty or too long.
    """
    text = " ".join("".join(c for c in name if c.isprintable() or c == " ").split())
    if not text:
        raise UserFacingError("bad-name", "The name is empty.")
    if len(text.encode()) > MAX_NAME_BYTES:
        raise UserFacingError(
            "bad-name", f"The name is longer than {MAX_NAME_BYTES} bytes."
        )
    return text


def check_passphrase(passphrase: str) -> None:
    """Check that a new passphrase can be given again, in a file or over a pipe.

    Raises:
        UserFacingError: ``bad-passphrase``: it is empty, too long, or not one line.
    """
    if not passphrase:
        raise UserFacingError("bad-passphrase", "The passphrase is empty.")
    if any(mark in passphrase for mark in "\r\n\0"):
        raise UserFacingError("bad-passphrase", "The passphrase is not one line.")
    try:
        size_bytes = len(passphrase.encode())
    except UnicodeEncodeError as error:
        raise UserFacingError(
            "bad-passphrase", "The passphrase has characters that are no text."
        ) from error
    if size_bytes > MAX_PASSPHRASE_BYTES:
        raise UserFacingError(
            "bad-passphrase",
            f"The passphrase is longer than {MAX_PASSPHRASE_BYTES} bytes.",
        )


def create(
    folder: Path,
    *,
    name: str,
    now_s: int,
    phrase: str | None = None,
    passphrase: str | None = None,
    keychain: Keychain | None = None,
    awaits_link: bool = False,
    entropy: Entropy = os.urandom,
) -> None:
    """Make a profile. Blocks for about a tenth of a second.

    Args:
        folder: Made when missing; must not hold a profile.
        name: What others see.
        now_s: Seconds since 1970, the beginning of the device's proof.
        phrase: 12 to 24 words of an existing identity; None for a new one.
        passphrase: Locks the profile; None for the keychain or a key file.
        keychain: The system's, or None where there is none.
        awaits_link: It shall become a device of somebody who has another one; the
            name is that of the device.
        entropy: Gives random bytes.

    Raises:
        UserFacingError: ``profile-exists``, ``bad-name``, ``bad-phrase``,
            ``bad-passphrase``, ``disk``, ``profile-in-use``.
    """
    name = clean_name(name)
    if passphrase is not None:
        check_passphrase(passphrase)
    words = (
        identity.normalised_phrase(phrase) if phrase else identity.new_phrase(entropy)
    )
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=stat.S_IRWXU)
    except OSError as error:
        raise UserFacingError(
            "disk", f"The folder {folder} cannot be made: {error.strerror}."
        ) from error
    lock = ProfileLock(folder)
    try:
        if (folder / DATABASE_NAME).exists():
            raise UserFacingError(
                "profile-exists", f"There is already a profile in {folder}."
            )
        _set_leftovers_aside(folder)
        with explained():
            key = keys.create(
                folder, entropy=entropy, passphrase=passphrase, keychain=keychain
            )
            values = _first_values(name, words, now_s, entropy)
            if awaits_link:
                values[_AWAITS_LINK] = b"\x01"
            values[_DEVICE_NAME] = (name if awaits_link else _host_name()).encode()
            _write_database(folder, key.key, values)
    finally:
        lock.release()


def adopt(
    profile: Profile, *, name: str, proof: Proof, room_key: bytes, founder: bytes
) -> None:
    """Make a profile that waited for it a device of somebody. Blocks.

    What is open goes on as before: open the profile anew.

    Args:
        profile: With ``awaits_link``.
        name: The person's.
        proof: From the identity to this device.
        room_key: Of the room that the person's devices share.
        founder: The device key that founded it.
    """
    assert profile.awaits_link, "nobody's profile becomes somebody's"
    assert proof.device == profile.device.public_key
    values = {
        "name": name.encode(),
        "phrase": b"",
        "proof": proof.encode(),
        _PERSONAL: room_key + founder,
        _AWAITS_LINK: b"",
    }

    def put(connection: Connection) -> None:
        for setting, value in values.items():
            set_setting(connection, setting, value)

    with explained():
        profile.database.write(put).result()


def open_profile(folder: Path, *, passphrase: str | None = None) -> Profile:
    """Open the profile in ``folder`` and take its lock. Blocks for some milliseconds.

    Raises:
        UserFacingError: ``no-profile``, ``profile-in-use``, ``passphrase-needed``,
            ``wrong-passphrase``, ``key-missing``, ``corrupt-profile``,
            ``newer-profile``, ``older-profile``, ``disk``.
    """
    if not exists(folder):
        raise UserFacingError(
            "no-profile",
            f"There is no profile in {folder}: make one with covey init --name NAME.",
        )
    lock = ProfileLock(folder)
    try:
        with explained():
            kept = keys.source(folder)
            keychain = system_keychain() if kept is keys.KeySource.KEYCHAIN else None
            found = keys.open_key(folder, passphrase=passphrase, keychain=keychain)
            database = Database.open(folder / DATABASE_NAME, key=found.key)
            try:
                return _read(folder, database, lock, found.source)
            except BaseException:
                database.close()
                raise
    except BaseException:
        lock.release()
        raise


def _set_leftovers_aside(folder: Path) -> None:
    """Rename keys without a database: an attempt was killed, or a file was moved."""
    for name in (keys.HEADER_NAME, keys.KEY_FILE_NAME):
        if (folder / name).exists():
            number = sum(1 for _ in folder.glob(f"{name}.old*"))
            (folder / name).rename(folder / f"{name}.old{number}")


def _host_name() -> str:
    """What this computer is called, as far as it can be shown."""
    try:
        return clean_name(platform.node()[:MAX_NAME_BYTES])
    except UserFacingError:
        return "device"


def _first_values(
    name: str, phrase: str, now_s: int, entropy: Entropy
) -> dict[str, bytes]:
    """What stands in the database of a new profile."""
    device_seed, network_seed = entropy(SEED_BYTES), entropy(SEED_BYTES)
    root = identity.identity_key_pair(identity.phrase_seed(phrase))
    proof = identity.bootstrap(
        root, KeyPair.from_seed(device_seed).public_key, epoch_s=now_s
    )
    return {
        "name": name.encode(),
        "phrase": phrase.encode(),
        "device-seed": device_seed,
        "network-seed": network_seed,
        "proof": proof.encode(),
    }


def _write_database(folder: Path, key: bytes, values: dict[str, bytes]) -> None:
    fresh = folder / (DATABASE_NAME + ".new")
    for leftover in (fresh, Path(f"{fresh}-wal"), Path(f"{fresh}-shm")):
        with contextlib.suppress(FileNotFoundError):
            leftover.unlink()

    def put(connection: Connection) -> None:
        for setting, value in values.items():
            set_setting(connection, setting, value)

    database = Database.open(fresh, key=key)
    try:
        database.write(put).result()
    finally:
        database.close()
    fresh.chmod(stat.S_IRUSR | stat.S_IWUSR)
    fresh.rename(folder / DATABASE_NAME)
    if os.name == "posix":
        # Without this the rename may not survive a power cut.
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _read(
    folder: Path, database: Database, lock: ProfileLock, kept: keys.KeySource
) -> Profile:
    names = ("name", "phrase", "device-seed", "network-seed", "proof")
    more = (_PERSONAL, _AWAITS_LINK, _DEVICE_NAME)
    *values, personal, awaits_link, device_name = database.read(
        lambda connection: [get_setting(connection, name) for name in (*names, *more)]
    ).result()
    found = [value for value in values if value is not None]
    if len(found) != len(names):
        raise UserFacingError(
            "corrupt-profile", f"The profile in {folder} is not whole."
        )
    name, phrase, device_seed, network_seed, raw_proof = found
    proof = identity.decode_proof(raw_proof)
    if not personal:
        seed = identity.phrase_seed(phrase.decode())
        founder = identity.personal_founder(seed).public_key
        personal = identity.personal_room_key(seed) + founder
    warning = ""
    if kept is keys.KeySource.FILE:
        warning = (
            f"The key of this profile lies in {folder / keys.KEY_FILE_NAME}, readable"
            " by you only; whoever copies the folder can read everything."
        )
    return Profile(
        folder=folder,
        name=name.decode(),
        phrase=phrase.decode(),
        identity_key=proof.identity,
        device=KeyPair.from_seed(device_seed),
        network=KeyPair.from_seed(network_seed),
        proof=proof,
        database=database,
        lock=lock,
        personal_key=personal[:32],
        personal_founder=personal[32:],
        device_name=(device_name or b"device").decode(),
        awaits_link=bool(awaits_link),
        warning=warning,
    )
