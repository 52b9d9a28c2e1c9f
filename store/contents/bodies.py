"""What a room's entries say to people, as the tables take it: kinds and shapes.

The shapes are fitted by the operations of ``app/rooms``; the numbers are those that
travel. Whatever other number comes is kept as it is, for a newer version to read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

MESSAGE: Final = 2
EDIT: Final = 33
DELETE: Final = 34
REACT: Final = 35
PIN: Final = 36
POLL: Final = 37
VOTE: Final = 38
CHANGES: Final = frozenset((EDIT, DELETE, REACT, PIN, VOTE))
"""Kinds that say something of a message; all others stand for themselves."""

MAX_CHANGES: Final = 64
"""Changes of one kind that one device makes to one message; further ones are void."""
MAX_EDITS: Final = 1_024
"""The same for edits."""


Shows = Callable[[int, int, int], bool]
"""Whether an entry counts, by its clock, sequence and kind."""
Allows = Callable[[int, int, bytes], bool]
"""Whether a deletion may concern somebody else: by its clock and sequence, and the key
of the device that wrote what it deletes."""


class MessageBody(Protocol):
    """Somebody says something."""

    @property
    def text(self) -> str:
        """The words."""

    @property
    def reply_to(self) -> bytes | None:
        """Id of the message it answers."""

    @property
    def thread(self) -> bytes | None:
        """Id of the root of its thread."""

    @property
    def mentions(self) -> Sequence[bytes]:
        """Identities, 32 bytes each."""

    @property
    def forwarded_from(self) -> str | None:
        """Who wrote it first."""

    @property
    def lifetime_ms(self) -> int | None:
        """It disappears so long after it was sent."""


class PollBody(Protocol):
    """A question with answers to choose from."""

    @property
    def question(self) -> str:
        """What is read in its place."""

    @property
    def options(self) -> Sequence[str]:
        """The answers."""

    @property
    def multiple(self) -> bool:
        """Several may be chosen."""

    @property
    def closes_at(self) -> int | None:
        """Milliseconds since 1970; votes sent later are void."""


class EditBody(Protocol):
    """Other words for a message."""

    @property
    def target(self) -> bytes:
        """Id of the message."""

    @property
    def text(self) -> str:
        """The words."""

    @property
    def mentions(self) -> Sequence[bytes]:
        """Identities, 32 bytes each."""


class Named(Protocol):
    """One of the entries of a deletion."""

    @property
    def id(self) -> bytes:
        """Id of the message."""


class DeleteBody(Protocol):
    """Messages go."""

    @property
    def targets(self) -> Sequence[Named]:
        """Which; those that are no messages are left to others."""


class ReactBody(Protocol):
    """A sign under a message."""

    @property
    def target(self) -> bytes:
        """Id of the message."""

    @property
    def emoji(self) -> str:
        """The sign."""

    @property
    def on(self) -> bool:
        """False: it is taken away."""


class PinBody(Protocol):
    """A message that all shall find."""

    @property
    def target(self) -> bytes:
        """Id of the message."""

    @property
    def on(self) -> bool:
        """False: no longer."""


class VoteBody(Protocol):
    """An answer to a poll."""

    @property
    def target(self) -> bytes:
        """Id of the poll."""

    @property
    def choices(self) -> Sequence[int]:
        """Numbers of options; none takes the vote back."""


class UnreadBody(Protocol):
    """What this version cannot read."""

    @property
    def body(self) -> bytes:
        """Whole."""


Body = (
    MessageBody
    | PollBody
    | EditBody
    | DeleteBody
    | ReactBody
    | PinBody
    | VoteBody
    | UnreadBody
)


class NewContent(NamedTuple):
    """One entry of one log, as it is handed over."""

    sequence: int
    clock: int
    id: bytes
    """32 bytes."""
    sent_at: int
    """Milliseconds since 1970, as its author says."""
    kind: int
    """Number of the operation."""
    body: Body
    """Fitting the kind."""
    shown: bool = True
    """The rules let it count."""
    allowed: bool = False
    """A deletion: of what others wrote, too, whoever they are."""


def joined(mentions: Sequence[bytes]) -> bytes | None:
    """Identities as they are stored."""
    return b"".join(mentions) or None


def separate(mentions: bytes | None) -> tuple[bytes, ...]:
    """The inverse of ``joined``."""
    found = mentions or b""
    return tuple(found[at : at + 32] for at in range(0, len(found), 32))
