"""What a person wrote, checked before it becomes an operation.

Pure; every error is a ``UserFacingError`` with a sentence. What others wrote was
checked when it was decoded (``app/rooms/operations``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from app.errors import UserFacingError
from app.rooms.operations import (
    MAX_TEXT_BYTES,
    Content,
    Operation,
    Poll,
    decode_operation,
    encode_operation,
)
from app.rooms.operations.contents import (
    MAX_LIFETIME_MS,
    MAX_OPTION_BYTES,
    MAX_OPTIONS,
    MAX_QUESTION_BYTES,
    MIN_OPTIONS,
)
from net.errors import RemoteProtocolError
from store.contents import PollRow

MAX_HISTORY_BYTES: Final = 4 * 1024 * 1024
"""Words of all sorts given in one answer."""
MAX_DELETED_AT_ONCE: Final = 1_000
"""Messages that one call deletes."""


def clean_text(text: str) -> str:
    """The text of a message.

    Raises:
        UserFacingError: ``bad-text``, ``empty-message``, ``too-large``.
    """
    return _clean(text, "message", MAX_TEXT_BYTES)


def clean_lifetime(lifetime_ms: int | None) -> int | None:
    """How long a message stays, in milliseconds.

    Raises:
        UserFacingError: ``bad-lifetime``.
    """
    if lifetime_ms is not None and not 0 < lifetime_ms <= MAX_LIFETIME_MS:
        raise UserFacingError(
            "bad-lifetime", "A message can disappear after a second to ten years."
        )
    return lifetime_ms


def clean_poll(
    question: str,
    options: Sequence[str],
    *,
    multiple: bool,
    closes_at: int | None,
    now_ms: int,
) -> Poll:
    """A poll.

    Raises:
        UserFacingError: ``bad-text``, ``empty-message``, ``too-large``, ``bad-poll``.
    """
    if not MIN_OPTIONS <= len(options) <= MAX_OPTIONS:
        raise UserFacingError(
            "bad-poll", f"A poll has {MIN_OPTIONS} to {MAX_OPTIONS} answers."
        )
    answers = tuple(_clean(it, "answer", MAX_OPTION_BYTES).strip() for it in options)
    if len(set(answers)) < len(answers):
        raise UserFacingError("bad-poll", "Two answers of the poll are the same.")
    if closes_at is not None and closes_at <= now_ms:
        raise UserFacingError("bad-poll", "The poll would be closed from the start.")
    asked = _clean(question, "question", MAX_QUESTION_BYTES)
    return Poll(asked, answers, multiple, closes_at)


def clean_choices(
    poll: PollRow, choices: Sequence[int], *, now_ms: int
) -> tuple[int, ...]:
    """What somebody chooses of a poll, in order.

    Raises:
        UserFacingError: ``poll-closed``, ``bad-vote``.
    """
    if poll.closes_at is not None and now_ms > poll.closes_at:
        raise UserFacingError("poll-closed", "The poll is closed.")
    chosen = tuple(sorted(set(choices)))
    if any(not 0 <= choice < len(poll.options) for choice in chosen):
        raise UserFacingError("bad-vote", "The poll has no such answer.")
    if len(chosen) > 1 and not poll.multiple:
        raise UserFacingError("bad-vote", "One answer can be chosen in this poll.")
    return chosen


def require_readable(body: Content, code: str, sentence: str) -> None:
    """Check that others will be able to read what is about to be written.

    Raises:
        UserFacingError: Of that code, with that sentence.
    """
    try:
        decode_operation(encode_operation(Operation(0, body)))
    except (RemoteProtocolError, UnicodeEncodeError):
        raise UserFacingError(code, sentence) from None


def _clean(text: str, what: str, max_bytes: int) -> str:
    try:
        size_bytes = len(text.encode())
    except UnicodeEncodeError:
        raise UserFacingError(
            "bad-text", f"The {what} has characters that cannot be sent."
        ) from None
    if not text.strip():
        raise UserFacingError("empty-message", f"The {what} is empty.")
    if size_bytes > max_bytes:
        raise UserFacingError(
            "too-large", f"The {what} has {size_bytes} bytes; {max_bytes} may be sent."
        )
    return text
