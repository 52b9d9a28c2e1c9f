"""The members of a room: oneself, those who are online, the others, each by name."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

from PySide6.QtCore import QObject

from app.snapshots import MemberSnapshot, PersonSnapshot
from ui import format as texts
from ui import terms
from ui.models.rows import RowModel


@dataclass(frozen=True, slots=True)
class MemberRow:
    """What a row of the member list shows."""

    key: str
    name: str
    initials: str
    colour: int
    role: str
    """The role in words, empty for a plain member."""
    rank: str
    """The role as the core names it."""
    detail: str
    online: bool
    me: bool
    muted: bool
    verified: bool
    """This person has compared the safety number."""
    may: list[str]
    """What may be done about this member: ``role``, ``mute``, ``remove``."""


class MemberListModel(RowModel[MemberRow]):
    """Members of one room."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(MemberRow, parent)

    def show(
        self,
        members: Iterable[MemberSnapshot],
        *,
        people: Mapping[str, PersonSnapshot] | None = None,
        verified: Container[str] = (),
        now_ms: int = 0,
    ) -> None:
        """Show these members, changing only the rows that differ.

        Args:
            members: They.
            people: What may be done about them, by identity key, where it is known.
            verified: Identity keys that were compared.
            now_ms: The time, by which mutes end.
        """
        known = people or {}
        wanted = [
            self._row(member, known.get(member.identity_key), verified, now_ms)
            for member in members
        ]
        wanted.sort(key=lambda row: (not row.me, not row.online, row.name.casefold()))
        if [row.key for row in wanted] == [row.key for row in self._rows]:
            for at, row in enumerate(wanted):
                self.put(at, row)
        else:
            self.replace_all(wanted)

    def _row(
        self,
        member: MemberSnapshot,
        person: PersonSnapshot | None,
        verified: Container[str],
        now_ms: int,
    ) -> MemberRow:
        name = texts.clean_name(member.name) or self.tr("Somebody")
        muted = person is not None and person.muted_until > now_ms
        parts = [self._presence(member), texts.device_count(member.devices)]
        if muted:
            parts.insert(0, self.tr("Muted"))
        if member.forked:
            parts.insert(0, self.tr("Wrote two histories"))
        return MemberRow(
            key=member.identity_key,
            name=name,
            initials=texts.initials(name),
            colour=texts.colour_index(member.identity_key),
            role="" if member.role == "member" else terms.role_name(member.role),
            rank=member.role,
            detail=" \u00b7 ".join(parts),
            online=member.online or member.me,
            me=member.me,
            muted=muted,
            verified=member.identity_key in verified,
            may=list(person.may) if person is not None else [],
        )

    def _presence(self, member: MemberSnapshot) -> str:
        if member.me:
            return self.tr("You")
        if member.presence == "away":
            return self.tr("Away")
        return self.tr("Connected now") if member.online else self.tr("Not connected")
