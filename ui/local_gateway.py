"""The way to the core of a profile on this machine, through :mod:`app.client`."""

from __future__ import annotations

from pathlib import Path

from app.client import Client
from app.errors import UserFacingError
from ui.gateway import Core


class LocalGateway:
    """Starts or finds the core of one profile.

    A core that this window started ends with its last client.
    """

    def __init__(
        self,
        profile: Path,
        *,
        bootstrap: str | None = None,
        passphrase_file: Path | None = None,
        use_keychain: bool = True,
    ) -> None:
        self._profile = profile
        self._bootstrap = bootstrap
        self._passphrase_file = passphrase_file
        self._use_keychain = use_keychain

    def profile_exists(self) -> bool:
        """Whether the folder holds a profile."""
        return Client.exists(self._profile)

    async def open(self, *, passphrase: str | None = None) -> Core:
        """Connect, starting a core when none runs.

        Raises:
            UserFacingError: As :meth:`app.client.Client.connect`.
        """
        return await Client.connect(
            self._profile,
            bootstrap=self._bootstrap,
            passphrase=passphrase or self._kept_passphrase(),
        )

    async def create(self, name: str, *, phrase: str | None = None) -> Core:
        """Make the profile, then open it.

        Raises:
            UserFacingError: As :meth:`app.client.Client.create`.
        """
        await Client.create(
            self._profile,
            name=name,
            phrase=phrase,
            passphrase=self._kept_passphrase(),
            use_keychain=self._use_keychain,
        )
        return await self.open()

    def _kept_passphrase(self) -> str | None:
        if self._passphrase_file is None:
            return None
        try:
            text = self._passphrase_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserFacingError(
                "passphrase-file",
                f"The passphrase file {self._passphrase_file} cannot be read.",
            ) from error
        return text.split("\n", 1)[0].rstrip("\r")
