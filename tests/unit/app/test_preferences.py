"""Texts that windows keep: by name, encrypted, and there again after a start."""

from __future__ import annotations

from pathlib import Path

import pytest

from app import profile as profiles
from app.errors import UserFacingError
from app.messenger import Messenger
from app.preferences import MAX_PREFERENCE_BYTES


async def test_what_is_kept_is_there_after_a_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COVEY_KEYCHAIN", "off")
    profiles.create(tmp_path / "ada", name="Ada", now_s=1)
    for expected in ("", '["gar\u00e7on"]'):
        ada = Messenger(profiles.open_profile(tmp_path / "ada"))
        await ada.start()
        try:
            assert await ada.preference("pinned-rooms") == expected
            await ada.set_preference("pinned-rooms", '["gar\u00e7on"]')
            assert await ada.preference("archived-rooms") == ""
            for name in ("", "Pinned", "a" * 41, "../x"):
                with pytest.raises(UserFacingError) as caught:
                    await ada.set_preference(name, "x")
                assert caught.value.code == "bad-name"
            with pytest.raises(UserFacingError) as caught:
                await ada.set_preference("long", "x" * (MAX_PREFERENCE_BYTES + 1))
            assert caught.value.code == "too-large"
            await ada.set_preference("long", "x" * MAX_PREFERENCE_BYTES)
        finally:
            await ada.close()
