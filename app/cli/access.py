"""How a command gets at the core: with the passphrase, where one is needed."""

from __future__ import annotations

import getpass
import sys

from app.cli.entry import Context
from app.cli.output import warn
from app.client import Client
from app.errors import UserFacingError
from store.keychain import system_keychain


async def connect(context: Context) -> Client:
    """A client; asks for the passphrase when somebody is there to be asked."""
    passphrase = context.passphrase()
    try:
        return await Client.connect(
            context.profile,
            bootstrap=context.bootstrap,
            passphrase=passphrase,
            log_level=context.log_level,
        )
    except UserFacingError as error:
        if error.code != "passphrase-needed" or not sys.stdin.isatty():
            raise
    return await Client.connect(
        context.profile,
        bootstrap=context.bootstrap,
        passphrase=getpass.getpass("Passphrase: "),
        log_level=context.log_level,
    )


def chosen_passphrase() -> str | None:
    """Ask for a passphrase where there is no keychain and somebody to ask."""
    if system_keychain() is not None or not sys.stdin.isatty():
        return None
    while True:
        chosen = getpass.getpass("Passphrase for this profile (empty for none): ")
        if not chosen:
            return None
        if getpass.getpass("The same again: ") == chosen:
            return chosen
        warn("These two differ.")
