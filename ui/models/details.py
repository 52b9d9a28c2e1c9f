"""What stands around a room's talk: its members, invites, requests and settings.

Asks the core anew whenever something of it changed while the panel is open, so what is
offered is what the rules allow now. What is refused is told as a sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import Property, QObject, QStandardPaths, Signal, Slot

from app.errors import UserFacingError
from app.snapshots import (
    InviteSnapshot,
    MemberSnapshot,
    PersonSnapshot,
    RequestSnapshot,
    RoomDetails,
)
from ui import format as texts
from ui import terms
from ui.bridge import Bridge, Job
from ui.gateway import Core
from ui.models.members import MemberListModel, MemberRow
from ui.models.rows import RowModel

RETENTIONS_MS = (0, *(days * 86_400_000 for days in (1, 7, 28, 90, 365)))
"""After which times messages may be made to vanish; 0 for never."""
MAX_NAMED_FILES = 100
"""So many exports of one name find room beside each other."""

Known = tuple[RoomDetails, list[MemberSnapshot], list[RequestSnapshot]]


@dataclass(frozen=True, slots=True)
class InviteRow:
    """One open invite."""

    key: str
    title: str
    detail: str
    mayClose: bool


@dataclass(frozen=True, slots=True)
class PersonRow:
    """Somebody who waits to be let in, or who is banned."""

    key: str
    name: str
    initials: str
    colour: int
    detail: str
    may: bool


class Details(QObject):
    """View model of the panel beside the open room.

    Attributes:
        verified: Identity keys that this person has compared.

    Signals:
        changed: Anything that is shown changed.
        chosenChanged: Another member is meant by what comes next.
        told: A sentence for the person: something was refused.
        done: What was asked for is done; its name.
        counted: How many wait to be let into a room: its id, the number.
    """

    changed = Signal()
    chosenChanged = Signal()
    told = Signal(str)
    done = Signal(str)
    counted = Signal(str, int)

    def __init__(
        self,
        *,
        bridge: Bridge,
        now_ms: Callable[[], int],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._now_ms = now_ms
        self._core: Core | None = None
        self._room = ""
        self._known: RoomDetails | None = None
        self._people: dict[str, PersonSnapshot] = {}
        self._chosen = ""
        self._looking: Job | None = None
        self._stale = False
        self._busy = ""
        self._failure = ""
        self._exported = ""
        self.verified: Container[str] = ()
        self._members = MemberListModel(parent=self)
        self._invites: RowModel[InviteRow] = RowModel(InviteRow, self)
        self._requests: RowModel[PersonRow] = RowModel(PersonRow, self)
        self._banned: RowModel[PersonRow] = RowModel(PersonRow, self)

    # What QML sees ---------------------------------------------------------

    def _told(self, name: str, otherwise: Any) -> Any:
        return getattr(self._known, name) if self._known is not None else otherwise

    def _may(self, word: str) -> bool:
        return word in self._told("may", ())

    def _row(self) -> MemberRow | None:
        return next((it for it in self._members.rows if it.key == self._chosen), None)

    def _chosen_roles(self) -> list[str]:
        person = self._people.get(self._chosen)
        return list(reversed(person.roles)) if person is not None else []

    def _of_chosen(self, name: str) -> str:
        row = self._row()
        return str(getattr(row, name)) if row is not None else ""

    room = Property(str, lambda s: s._room, notify=changed)
    loaded = Property(bool, lambda s: s._known is not None, notify=changed)
    busy = Property(str, lambda s: s._busy, notify=changed)
    failure = Property(str, lambda s: s._failure, notify=changed)
    exported = Property(str, lambda s: s._exported, notify=changed)
    description = Property(str, lambda s: s._told("description", ""), notify=changed)
    retention = Property(int, lambda s: s._retention_index(), notify=changed)
    admitsFrom = Property(str, lambda s: s._told("admits_from", ""), notify=changed)
    myRole = Property(
        str, lambda s: terms.role_name(s._told("role", "")), notify=changed
    )
    canConfigure = Property(bool, lambda s: s._may("settings"), notify=changed)
    canApprove = Property(bool, lambda s: s._may("approve"), notify=changed)
    canTurnKey = Property(bool, lambda s: s._may("rotate"), notify=changed)
    invitesAs = Property(
        list, lambda s: list(s._told("invites_as", ())), notify=changed
    )
    members = Property(QObject, lambda s: s._members, constant=True)
    invites = Property(QObject, lambda s: s._invites, constant=True)
    requests = Property(QObject, lambda s: s._requests, constant=True)
    banned = Property(QObject, lambda s: s._banned, constant=True)
    chosenName = Property(str, lambda s: s._of_chosen("name"), notify=chosenChanged)
    chosenRank = Property(str, lambda s: s._of_chosen("rank"), notify=chosenChanged)
    chosenRoles = Property(list, _chosen_roles, notify=chosenChanged)

    @Slot(result=list)
    def retentions(self) -> list[str]:
        """The lengths of time to choose from, in words."""
        return [terms.duration(it) if it else self.tr("Never") for it in RETENTIONS_MS]

    @Slot(str, result=str)
    def roleName(self, role: str) -> str:
        """A rank in words."""
        return terms.role_name(role)

    def _retention_index(self) -> int:
        kept: int = self._told("retention_ms", 0)
        return RETENTIONS_MS.index(kept) if kept in RETENTIONS_MS else -1

    # What the session tells -----------------------------------------------------

    def attach(self, core: Core | None) -> None:
        """Use this core from now on; None while there is none."""
        self._core = core
        if core is not None and self._room:
            self._look()

    def notice(self, room: str) -> None:
        """Something about a room changed."""
        if room == self._room:
            self._look()

    # What a person does ---------------------------------------------------------

    @Slot(str)
    def show(self, room: str) -> None:
        """Look after another room, or none."""
        if room == self._room:
            return
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        self._room, self._known, self._people = room, None, {}
        self._failure = self._exported = self._busy = ""
        for model in (self._members, self._invites, self._requests, self._banned):
            model.replace_all([])
        self.changed.emit()
        if room:
            self._look()

    @Slot()
    def refresh(self) -> None:
        """Ask anew how everything stands."""
        self._look()

    @Slot(str)
    def choose(self, member: str) -> None:
        """Mean this member by what comes next."""
        self._chosen, self._failure = member, ""
        self.chosenChanged.emit()
        self.changed.emit()

    @Slot(str)
    def setRole(self, role: str) -> None:
        """Change the rank of the member chosen."""
        if self._core is not None:
            self._do("role", self._core.set_role(self._room, self._chosen, role))

    @Slot(int)
    def mute(self, hours: int) -> None:
        """Let the member chosen not speak.

        Args:
            hours: For so long; 0 to let speak again, -1 for good.
        """
        if self._core is None:
            return
        until = self._now_ms() + hours * 3_600_000 if hours > 0 else 0
        self._do(
            "mute",
            self._core.mute(
                self._room, self._chosen, until_ms=None if hours < 0 else until
            ),
        )

    @Slot(bool)
    def remove(self, ban: bool) -> None:
        """Remove the member chosen, and perhaps ban."""
        if self._core is not None:
            way = self._core.ban if ban else self._core.kick
            self._do("remove", way(self._room, self._chosen))

    @Slot(str)
    def unban(self, person: str) -> None:
        """Let invites let somebody in again."""
        if self._core is not None:
            self._do("unban", self._core.unban(self._room, person))

    @Slot(str)
    def closeInvite(self, key: str) -> None:
        """Let an invite let nobody in any more."""
        if self._core is not None:
            self._do("closeInvite", self._core.close_invite(self._room, key))

    @Slot(str, bool)
    def answer(self, request: str, welcome: bool) -> None:
        """Let in who waits, or decline."""
        if self._core is not None:
            way = self._core.approve if welcome else self._core.deny
            self._do("answer", way(self._room, request))

    @Slot(str, str, int, str)
    def configure(
        self, name: str, description: str, retention: int, admits_from: str
    ) -> None:
        """Change what holds for the whole room; what is as before is left alone."""
        known = self._known
        if self._core is None or known is None:
            return
        kept = RETENTIONS_MS[retention] if retention >= 0 else known.retention_ms
        self._do(
            "configure",
            self._core.configure(
                self._room,
                name=" ".join(name.split()) or None,
                description=None if description == known.description else description,
                retention_ms=None if kept == known.retention_ms else kept,
                admits_from=None if admits_from == known.admits_from else admits_from,
            ),
        )

    @Slot()
    def turnKey(self) -> None:
        """Give the room a new key."""
        if self._core is not None:
            self._do("turnKey", self._core.rotate_key(self._room))

    @Slot(str)
    def export(self, name: str) -> None:
        """Write the room's acts with their proofs into a file among the downloads."""
        if self._core is None:
            return
        file = _free_file(name)

        def written(_: dict[str, Any]) -> None:
            self._exported = str(file)
            self._finish("export")

        self._begin("export", self._core.audit(self._room, str(file)), written)

    # Inside ---------------------------------------------------------------------

    def _look(self) -> None:
        if self._core is None or not self._room:
            return
        if self._looking is not None:
            self._stale = True
            return
        room, core = self._room, self._core

        async def ask() -> Known:
            return (
                await core.details(room),
                await core.members(room),
                await core.requests(room),
            )

        def failed(error: UserFacingError) -> None:
            self._looking, self._stale = None, False
            self._failure = error.sentence
            self.changed.emit()

        self._looking = self._bridge.run(ask(), done=self._take, failed=failed)

    def _take(self, found: Known) -> None:
        self._looking = None
        known, members, requests = found
        self._known = known
        self._people = {it.identity_key: it for it in known.people}
        self._members.show(
            members,
            people=self._people,
            verified=self.verified,
            now_ms=self._now_ms(),
        )
        self._invites.replace_all([self._invite_row(it) for it in known.invites])
        self._requests.replace_all([self._request_row(it) for it in requests])
        self._banned.replace_all(
            [self._banned_row(it) for it in known.people if it.banned]
        )
        self.counted.emit(self._room, len(requests))
        self.changed.emit()
        self.chosenChanged.emit()
        if self._stale:
            self._stale = False
            self._look()

    def _do(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._begin(name, work, lambda _: self._finish(name))

    def _begin(
        self, name: str, work: Coroutine[Any, Any, Any], done: Callable[[Any], None]
    ) -> None:
        def failed(error: UserFacingError) -> None:
            self._busy, self._failure = "", error.sentence
            self.changed.emit()
            self.told.emit(error.sentence)

        self._busy, self._failure = name, ""
        self.changed.emit()
        self._bridge.run(work, done=done, failed=failed)

    def _finish(self, name: str) -> None:
        self._busy = ""
        self.changed.emit()
        self.done.emit(name)
        self._look()

    def _invite_row(self, invite: InviteSnapshot) -> InviteRow:
        maker = self.tr("you") if invite.mine else texts.clean_name(invite.creator_name)
        parts = [self.tr("by {0}").format(maker or self.tr("Somebody"))]
        if invite.uses:
            parts.append(self.tr("{0} of {1} used").format(invite.used, invite.uses))
        elif invite.used:
            parts.append(self.tr("used %n time(s)", "", invite.used))
        if invite.expires_at:
            parts.append(self.tr("until {0}").format(terms.moment(invite.expires_at)))
        if invite.approval:
            parts.append(self.tr("with approval"))
        return InviteRow(
            key=invite.key,
            title=self.tr("Invite as {0}").format(terms.role_name(invite.role).lower()),
            detail=" \u00b7 ".join(parts),
            mayClose=invite.may_close,
        )

    def _request_row(self, request: RequestSnapshot) -> PersonRow:
        return self._person_row(
            request.id,
            request.identity_key,
            request.name,
            self.tr("Wants to join as {0}").format(
                terms.role_name(request.role).lower()
            ),
            may=self._may("approve"),
        )

    def _banned_row(self, person: PersonSnapshot) -> PersonRow:
        return self._person_row(
            person.identity_key,
            person.identity_key,
            person.name,
            self.tr("No invite lets them in"),
            may="remove" in person.may,
        )

    def _person_row(
        self, key: str, identity: str, name: str, detail: str, *, may: bool
    ) -> PersonRow:
        name = texts.clean_name(name) or self.tr("Somebody")
        return PersonRow(
            key=key,
            name=name,
            initials=texts.initials(name),
            colour=texts.colour_index(identity),
            detail=detail,
            may=may,
        )


def _free_file(name: str) -> Path:
    """A file that is not there yet, named after a room, among the downloads."""
    place = QStandardPaths.StandardLocation.DownloadLocation
    folder = Path(QStandardPaths.writableLocation(place) or Path.home())
    folder.mkdir(parents=True, exist_ok=True)
    plain = "".join(it if it.isalnum() or it in " -" else "" for it in name).strip()
    stem = f"{plain[:60] or 'room'} audit"
    for number in range(MAX_NAMED_FILES):
        file = folder / (f"{stem} {number + 1}.jsonl" if number else f"{stem}.jsonl")
        if not file.exists():
            break
    return file
