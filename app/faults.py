"""Errors from below, turned into one sentence for a person.

The table is the whole policy: what is not in it is a bug of ours and stays loud.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import UserFacingError
from net.errors import EnvironmentFault as NetworkFault
from net.errors import NetError
from store import errors as store

OWN_FORK = (
    "This device's history in this room has split in two, as when a profile is put back"
    " from an old copy and writes before it has met the others: it can read here, but"
    " write no more. To write again, make a new profile and link it to another device"
    " of yours or restore your 24 words into it; then remove this device."
)
"""For who uses a device that wrote two histories."""

Explained = (store.StoreError, NetError, OSError)
"""What ``explain`` has a sentence for."""


def explain(error: BaseException) -> UserFacingError:
    """The sentence for an error of ``store``, ``net`` or the operating system."""
    if isinstance(error, UserFacingError):
        return error
    if isinstance(error, store.DatabaseKeyError):
        return _explain_key(error)
    if isinstance(error, store.SchemaError):
        return _explain_schema(error)
    if isinstance(error, store.DatabaseCorruptError):
        return UserFacingError(
            "corrupt-profile",
            "The profile's database is damaged; nothing was changed: put back a copy,"
            " or restore the 24 words into a new profile.",
        )
    if isinstance(error, store.KeychainError):
        return UserFacingError(
            "keychain",
            "The system's keychain did not give the profile's key: unlock it and try"
            " again.",
        )
    if isinstance(error, store.EnvironmentFault | PermissionError):
        return UserFacingError(
            "disk", f"The profile's folder cannot be used: {_plain(error)}."
        )
    if isinstance(error, NetworkFault) and error.code == "no-network":
        return UserFacingError(
            "no-network",
            "None of the network's first nodes answers: check their addresses and that"
            " this computer is online.",
        )
    if isinstance(error, NetworkFault):
        return UserFacingError(
            "network", f"The network cannot be used: {_plain(error)}."
        )
    if isinstance(error, OSError):
        return UserFacingError("system", f"The system refused: {_plain(error)}.")
    code = getattr(error, "code", "failed")
    if code == "forked":
        return UserFacingError("forked", OWN_FORK)
    return UserFacingError(str(code), f"That did not work: {_plain(error)}.")


@contextmanager
def explained() -> Iterator[None]:
    """Turn errors from below into ``UserFacingError`` on the way out."""
    try:
        yield
    except Explained as error:
        raise explain(error) from error


def _explain_key(error: store.DatabaseKeyError) -> UserFacingError:
    if isinstance(error, store.PassphraseNeededError):
        return UserFacingError(
            "passphrase-needed", "This profile is locked: its passphrase is needed."
        )
    if isinstance(error, store.WrongKeyError):
        return UserFacingError(
            "wrong-passphrase",
            "The passphrase is not this profile's; nothing was changed.",
        )
    return UserFacingError(
        "key-missing",
        f"The profile's key cannot be had: {_plain(error)}; nothing was changed.",
    )


def _explain_schema(error: store.SchemaError) -> UserFacingError:
    if error.found > error.known:
        return UserFacingError(
            "newer-profile",
            "This profile was made by a newer version of Covey: use that version.",
        )
    return UserFacingError(
        "older-profile",
        "This profile was made by an older version of Covey that this one cannot read.",
    )


def _plain(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    # Those who wrote it may have added advice: one sentence is enough.
    return text.split(". ")[0].rstrip(".")
