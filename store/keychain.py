"""The system's keychain behind a time-out.

A keychain may show a dialogue, wait for a session bus or hang; every call runs in a
thread of its own and is given up after some seconds. What is kept there and when it is
asked is the business of ``store/keys.py``. Uses the ``keyring`` library, loaded only
when a keychain is wanted.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Protocol, TypeVar

from store.errors import KeychainError

T = TypeVar("T")

SERVICE = "covey"
TIMEOUT_S = 8.0


class Keychain(Protocol):
    """Keeps small secrets for the user who is logged in."""

    def get(self, name: str) -> str | None:
        """The secret kept under ``name``, or None.

        Raises:
            KeychainError: It refused or did not answer in time.
        """

    def set(self, name: str, secret: str) -> None:
        """Keep ``secret`` under ``name``.

        Raises:
            KeychainError: It refused or did not answer in time.
        """


class SystemKeychain:
    """Keychain, Credential Manager or Secret Service, whichever this system has."""

    def __init__(self, *, timeout_s: float = TIMEOUT_S) -> None:
        self.timeout_s = timeout_s

    def get(self, name: str) -> str | None:
        """See ``Keychain.get``."""

        def ask() -> str | None:
            import keyring

            return keyring.get_password(SERVICE, name)

        return self._within_time(ask)

    def set(self, name: str, secret: str) -> None:
        """See ``Keychain.set``."""

        def put() -> None:
            import keyring

            keyring.set_password(SERVICE, name, secret)

        self._within_time(put)

    def _within_time(self, call: Callable[[], T]) -> T:
        results: list[T] = []
        errors: list[BaseException] = []

        def run() -> None:
            try:
                results.append(call())
            # Back ends raise whatever their platform's library raises.
            except Exception as error:  # noqa: BLE001
                errors.append(error)

        thread = threading.Thread(target=run, name="covey-keychain", daemon=True)
        thread.start()
        thread.join(self.timeout_s)
        if results:
            return results[0]
        if errors:
            raise KeychainError(f"the keychain refused: {errors[0]}") from errors[0]
        raise KeychainError(f"the keychain did not answer within {self.timeout_s:g} s")


def system_keychain() -> SystemKeychain | None:
    """The keychain of this system, or None where there plainly is none.

    ``COVEY_KEYCHAIN=off`` says that there is none, for machines without anybody.
    """
    if os.environ.get("COVEY_KEYCHAIN") == "off":
        return None
    if sys.platform.startswith("linux") and not os.environ.get(
        "DBUS_SESSION_BUS_ADDRESS"
    ):
        return None
    return SystemKeychain()
