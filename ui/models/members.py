"""The members of the open room: those who are online first, then by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from PySide6.QtCore import QObject

from app.snapshots import MemberSnapshot
from ui import format as texts
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
    detail: str
    online: bool
    me: bool


class MemberListModel(RowModel[MemberRow]):
    """Members of one room."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(MemberRow, parent)

    def show(self, members: Iterable[MemberSnapshot]) -> None:
        """Show these members, changing only the rows that differ."""
        wanted = [self._row(member) for member in members]
        wanted.sort(key=lambda row: (not row.me, not row.online, row.name.casefold()))
        if [row.key for row in wanted] == [row.key for row in self._rows]:
            for at, row in enumerate(wanted):
                self.put(at, row)
        else:
            self.replace_all(wanted)

    def _row(self, member: MemberSnapshot) -> MemberRow:
        name = texts.clean_name(member.name) or self.tr("Somebody")
        if member.me:
            presence = self.tr("You")
        elif member.online:
            presence = self.tr("Connected now")
        else:
            presence = self.tr("Not connected")
        return MemberRow(
            key=member.identity_key,
            name=name,
            initials=texts.initials(name),
            colour=texts.colour_index(member.identity_key),
            role=self._role_name(member.role),
            detail=f"{presence} \u00b7 {texts.device_count(member.devices)}",
            online=member.online or member.me,
            me=member.me,
        )

    def _role_name(self, role: str) -> str:
        names = {
            "admin": self.tr("Admin"),
            "moderator": self.tr("Moderator"),
            "reader": self.tr("Reader"),
            "owner": self.tr("Owner"),
            "member": "",
        }
        return names.get(role, texts.clean_name(role))
