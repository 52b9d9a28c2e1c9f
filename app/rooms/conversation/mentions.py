"""Whom a message calls: ``@name`` and ``@identity`` in its text, or named beside it.

Pure. Of names that begin alike the longest counts; one that several bear calls all of
them.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from app.errors import UserFacingError
from app.rooms.facts import MemberFact
from app.rooms.operations.contents import MAX_MENTIONS

MAX_MARKS: Final = 1_024
"""Signs ``@`` of one text that are looked at."""
MIN_KEY_CHARS: Final = 8
"""Of an identity key, to call somebody by its beginning."""
_MARK = re.compile(r"(?<!\w)@")
_KEY = re.compile(rf"[0-9a-f]{{{MIN_KEY_CHARS},64}}(?!\w)")


def mentioned(
    text: str, members: Mapping[bytes, MemberFact], named: Iterable[bytes] = ()
) -> tuple[bytes, ...]:
    """Identities that a message calls, in the order of their being named.

    Args:
        text: The message's.
        members: Of the room, by identity; those who are out are not called.
        named: Identities named beside the text; they come first.

    Raises:
        UserFacingError: ``too-many-mentions``.
    """
    found = dict.fromkeys(named)
    lowered = text.lower()
    marks = [match.end() for match in _MARK.finditer(lowered)][:MAX_MARKS]
    if marks:
        callable_ = _Callable(member for member in members.values() if member.present)
        for at in marks:
            found.update(dict.fromkeys(callable_.called(lowered, at)))
    if len(found) > MAX_MENTIONS:
        raise UserFacingError(
            "too-many-mentions", f"A message calls at most {MAX_MENTIONS} people."
        )
    return tuple(found)


class _Callable:
    """Those who can be called, by what they are called."""

    def __init__(self, members: Iterable[MemberFact]) -> None:
        self._names: dict[str, list[bytes]] = {}
        self._keys: list[str] = []
        for member in members:
            if member.name:
                self._names.setdefault(member.name.lower(), []).append(member.identity)
            self._keys.append(member.identity.hex())
        self._keys.sort()
        self._lengths = sorted({len(name) for name in self._names}, reverse=True)

    def called(self, text: str, at: int) -> Sequence[bytes]:
        """Who is called by the sign before ``at``."""
        for length in self._lengths:
            who = self._names.get(text[at : at + length])
            after = text[at + length : at + length + 1]
            if who is not None and not (after.isalnum() or after == "_"):
                return who
        key = _KEY.match(text, at)
        if key is None:
            return ()
        first = bisect_left(self._keys, key[0])
        found = [it for it in self._keys[first : first + 2] if it.startswith(key[0])]
        return [bytes.fromhex(it) for it in found] if len(found) == 1 else ()
