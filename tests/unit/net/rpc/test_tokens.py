"""Tokens are the recorded ones, live as long as they should, and no longer."""

from __future__ import annotations

from typing import Any

import pytest

from net.rpc.tokens import ROTATION_S, Tokens, next_secret, token_for
from tests.unit.net.rpc.vectors import cases

OLDER, NEWER = b"\x11" * 32, b"\x22" * 32


def tokens() -> Tokens:
    secrets = [OLDER, NEWER, b"\x33" * 32, b"\x44" * 32]
    return Tokens(lambda size: secrets.pop(0)[:size])


@pytest.mark.parametrize("case", cases("token"), ids=lambda case: case["host"])
def test_tokens_are_the_recorded_ones(case: dict[str, Any]) -> None:
    secret = bytes.fromhex(case["secret"])
    token = bytes.fromhex(case["token"])
    assert token_for(case["host"], secret) == token
    issuer = tokens()
    assert (issuer.issue(case["host"], 0.0) == token) == (secret == NEWER)
    assert issuer.accepts(token, case["host"], 0.0)


def test_secrets_follow_as_recorded() -> None:
    case = cases("token-secret-rotation")[0]
    following = bytes.fromhex(case["new_secret1"])
    assert next_secret(bytes.fromhex(case["old_secret0"])) == following
    issuer = tokens()
    issuer.issue("10.0.0.1", 0.0)
    assert issuer.issue("10.0.0.1", ROTATION_S) == token_for("10.0.0.1", following)


def test_a_token_lives_one_to_two_rotations() -> None:
    issuer = tokens()
    issuer.issue("10.0.0.1", 0.0)
    token = issuer.issue("10.0.0.1", 1.0)
    assert issuer.accepts(token, "10.0.0.1", ROTATION_S - 0.1)
    assert issuer.accepts(token, "10.0.0.1", 2 * ROTATION_S - 0.1)
    assert not issuer.accepts(token, "10.0.0.1", 2 * ROTATION_S)


def test_after_a_long_pause_the_secrets_are_new() -> None:
    issuer = tokens()
    token = issuer.issue("10.0.0.1", 0.0)
    assert not issuer.accepts(token, "10.0.0.1", 1000.0)
    assert issuer.issue("10.0.0.1", 1000.0) == token_for("10.0.0.1", b"\x44" * 32)


def test_a_token_is_for_one_host_only() -> None:
    issuer = tokens()
    token = issuer.issue("10.0.0.1", 0.0)
    assert not issuer.accepts(token, "10.0.0.2", 0.0)
    assert not issuer.accepts(b"", "10.0.0.1", 0.0)
