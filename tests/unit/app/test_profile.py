"""Making and opening a profile: whole or not at all, and nothing readable."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from app import paths, profile
from app.errors import UserFacingError
from app.identity import verify_proof
from store import keys
from store.errors import EnvironmentFault

PHRASE = "abandon " * 11 + "about"


@pytest.fixture(autouse=True)
def _no_keychain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVEY_KEYCHAIN", "off")


def test_what_is_made_is_opened(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "profile"
    assert not profile.exists(folder)
    profile.create(folder, name="  Ada \n Lovelace ", now_s=77, phrase=PHRASE)
    assert profile.exists(folder)
    opened = profile.open_profile(folder)
    assert opened.name == "Ada Lovelace"
    assert opened.phrase == PHRASE
    assert opened.proof.epoch_s == 77
    assert verify_proof(
        opened.proof,
        expected_identity=opened.identity_key,
        expected_device=opened.device.public_key,
    )
    assert opened.network.public_key != opened.device.public_key
    assert str(folder) in opened.warning
    opened.close()


def test_nothing_of_it_is_readable(tmp_path: Path) -> None:
    profile.create(
        tmp_path, name="Ada", now_s=1, phrase=PHRASE, passphrase="grey goose"
    )
    opened = profile.open_profile(tmp_path, passphrase="grey goose")
    assert opened.warning == ""
    secrets = [b"abandon", b"grey goose", opened.device.secret_key[:32]]
    opened.close()
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
        for secret in secrets:
            assert secret not in path.read_bytes()
            assert secret.hex().encode() not in path.read_bytes()


def test_one_may_have_it_open(tmp_path: Path) -> None:
    profile.create(tmp_path, name="Ada", now_s=1)
    opened = profile.open_profile(tmp_path)
    for attempt in (
        lambda: profile.open_profile(tmp_path),
        lambda: profile.create(tmp_path, name="Bo", now_s=1),
    ):
        with pytest.raises(UserFacingError) as caught:
            attempt()
        assert caught.value.code == "profile-in-use"
    opened.close()
    profile.open_profile(tmp_path).close()


def test_a_killed_attempt_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object) -> None:
        raise EnvironmentFault("the power went")

    with monkeypatch.context() as patched:
        patched.setattr(profile, "_write_database", dies)
        with pytest.raises(UserFacingError):
            profile.create(tmp_path, name="Ada", now_s=1)
    assert not profile.exists(tmp_path)
    first_key = (tmp_path / keys.KEY_FILE_NAME).read_bytes()
    profile.create(tmp_path, name="Ada", now_s=1)
    profile.open_profile(tmp_path).close()
    # Were it the key of a database that was only moved away, it would still be there.
    assert (tmp_path / f"{keys.KEY_FILE_NAME}.old0").read_bytes() == first_key


@pytest.mark.parametrize("name", ["", " \n\t", "\u202e", "x" * 129, "ü" * 65])
def test_names_that_are_none(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserFacingError) as caught:
        profile.create(tmp_path, name=name, now_s=1)
    assert caught.value.code == "bad-name"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "passphrase", ["", "two\nlines", "end\r", "a\0b", "x" * 1024, "\udc80"]
)
def test_passphrases_that_could_not_be_given_again(
    tmp_path: Path, passphrase: str
) -> None:
    with pytest.raises(UserFacingError) as caught:
        profile.create(tmp_path, name="Ada", now_s=1, passphrase=passphrase)
    assert caught.value.code == "bad-passphrase"
    assert list(tmp_path.iterdir()) == []


def test_the_default_folder_is_absolute_and_home_is_understood() -> None:
    assert paths.profile_path(None).is_absolute()
    assert paths.profile_path("~/x") == Path.home() / "x"
    assert paths.profile_path("x") == Path.cwd() / "x"
