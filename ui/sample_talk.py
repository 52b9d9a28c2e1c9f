"""The invented core's part about talking: see :mod:`ui.sample`.

It keeps messages of rooms in lists and changes them as :class:`ui.talk.Talk` promises;
whom a message waits for is invented by who is connected.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from app.errors import UserFacingError
from app.events import ScheduledChanged, TypingChanged
from app.snapshots import (
    DeliverySnapshot,
    DeviceDelivery,
    MemberDelivery,
    MessageSnapshot,
    PollOptionSnapshot,
    PollSnapshot,
    PreviewSnapshot,
    ReactionSnapshot,
    ResponseSnapshot,
    ScheduledSnapshot,
)
from ui.bridge import Mailbox, pause

if TYPE_CHECKING:
    from ui.sample import SampleRoom


class SampleTalk(ABC):
    """Says, changes and reads in rooms of one process's memory.

    Attributes:
        typing: Rooms in which the person was said to write, in order.
        drafts: What is kept for each room.
    """

    me: str
    now_ms: int
    sends_wait_s: float
    _mail: Mailbox
    _made_count: int

    def __init__(self) -> None:
        self.typing: list[tuple[str, bool]] = []
        self.drafts: dict[str, str] = {}
        self._scheduled: list[ScheduledSnapshot] = []

    @abstractmethod
    def _room(self, room: str) -> SampleRoom:
        """A room of the world."""

    @abstractmethod
    def _refuse(self) -> None:
        """Fail, when everything shall."""

    @abstractmethod
    def _store(
        self,
        room: str,
        author: str,
        text: str,
        *,
        at_ms: int | None = None,
        **more: object,
    ) -> MessageSnapshot:
        """Put a message into a room."""

    @abstractmethod
    def change(self, room: str, message_id: str, **changes: object) -> None:
        """A message looks different now."""

    async def send(
        self,
        room: str,
        text: str,
        *,
        reply_to: str | None = None,
        thread: str | None = None,
        lifetime_ms: int | None = None,
    ) -> MessageSnapshot:
        """Store an own message."""
        await pause(self.sends_wait_s)
        self._refuse()
        expires_at = self.now_ms + lifetime_ms if lifetime_ms else None
        return self._store(
            *(room, self.me, text),
            reply_to=reply_to,
            thread=thread,
            expires_at=expires_at,
        )

    async def edit(self, room: str, id: str, text: str) -> MessageSnapshot:
        """Say an own message in other words."""
        self._refuse()
        self.change(room, id, text=text, edited=True)
        return self._one(room, id)

    async def delete(self, room: str, ids: Sequence[str]) -> None:
        """Leave only marks of the messages."""
        self._refuse()
        for id in ids:
            self.change(
                *(room, id),
                text="",
                deleted=True,
                reactions=(),
                poll=None,
                pinned=False,
            )

    async def react(
        self, room: str, id: str, emoji: str, *, on: bool = True
    ) -> MessageSnapshot:
        """Put a sign of ours under a message, or take it away."""
        self._refuse()
        self.react_as(room, id, emoji, on=on, mine=True)
        return self._one(room, id)

    def react_as(
        self, room: str, id: str, emoji: str, *, on: bool = True, mine: bool = False
    ) -> None:
        """Somebody puts a sign under a message, or takes it away."""
        kept: list[ReactionSnapshot] = []
        found = False
        for it in self._one(room, id).reactions:
            changed = it
            if it.emoji == emoji:
                found = True
                if not mine or it.mine != on:
                    changed = replace(
                        it,
                        count=it.count + (1 if on else -1),
                        mine=on if mine else it.mine,
                    )
            if changed.count:
                kept.append(changed)
        if not found and on:
            kept.append(ReactionSnapshot(emoji, 1, mine))
        self.change(room, id, reactions=tuple(kept))

    async def pin(self, room: str, id: str, *, on: bool = True) -> MessageSnapshot:
        """Put a message where all find it, or take it away from there."""
        self._refuse()
        self.change(room, id, pinned=on)
        return self._one(room, id)

    async def poll(
        self,
        room: str,
        question: str,
        options: Sequence[str],
        *,
        multiple: bool = False,
        closes_at: int | None = None,
    ) -> MessageSnapshot:
        """Ask something."""
        self._refuse()
        answers = tuple(PollOptionSnapshot(it, 0, False) for it in options)
        poll = PollSnapshot(answers, multiple, closes_at, 0)
        return self._store(room, self.me, question, kind="poll", poll=poll)

    async def vote(self, room: str, id: str, choices: Sequence[int]) -> MessageSnapshot:
        """Choose, in place of what was chosen before."""
        self._refuse()
        poll = self._one(room, id).poll
        assert poll is not None
        voted = any(it.mine for it in poll.options)
        options = tuple(
            replace(it, count=it.count - it.mine + (at in choices), mine=at in choices)
            for at, it in enumerate(poll.options)
        )
        voters = poll.voters - voted + bool(choices)
        self.change(room, id, poll=replace(poll, options=options, voters=voters))
        return self._one(room, id)

    async def forward(self, room: str, id: str, to: str) -> MessageSnapshot:
        """Say a message again in another room."""
        self._refuse()
        told = self._one(room, id)
        first = told.forwarded_from or told.author_name
        return self._store(to, self.me, told.text, forwarded_from=first)

    async def history(
        self,
        room: str,
        *,
        limit: int = 50,
        before: str | None = None,
        after: str | None = None,
        around: str | None = None,
        thread: str | None = None,
        pinned: bool = False,
    ) -> list[MessageSnapshot]:
        """A page of messages, oldest first."""
        found = self._seen(room)
        if thread is not None:
            found = [it for it in found if it.thread == thread]
        if pinned:
            found = [it for it in found if it.pinned]
        places = {it.id: at for at, it in enumerate(found)}
        if after is not None:
            start = places[after] + 1
            return found[start : start + limit]
        end = len(found) if before is None else places[before]
        if around is not None:
            if around not in places:
                raise _unknown()
            end = min(len(found), places[around] + limit // 2)
        return found[max(0, end - limit) : end]

    async def message(self, room: str, id: str) -> MessageSnapshot:
        """One message."""
        found = [it for it in self._seen(room) if it.id == id]
        if not found:
            raise _unknown()
        return found[0]

    async def messages(self, room: str, ids: Sequence[str]) -> list[MessageSnapshot]:
        """Messages by their ids."""
        return [it for it in self._seen(room) if it.id in ids]

    async def responses(self, room: str, id: str) -> list[ResponseSnapshot]:
        """Who reacted or voted: as many of the members as are counted."""
        told = self._one(room, id)
        members = self._room(room).members
        me = next(it for it in members if it.me)
        others = [it for it in members if not it.me]
        signs: dict[str, list[str]] = {}
        choices: dict[str, list[int]] = {}
        for sign in told.reactions:
            people = ([me] if sign.mine else []) + others[: sign.count - sign.mine]
            for it in people:
                signs.setdefault(it.identity_key, []).append(sign.emoji)
        for at, option in enumerate(told.poll.options if told.poll else ()):
            people = ([me] if option.mine else []) + others[
                : option.count - option.mine
            ]
            for it in people:
                choices.setdefault(it.identity_key, []).append(at)
        return [
            ResponseSnapshot(
                *(it.identity_key, it.name, it.me),
                emojis=tuple(signs.get(it.identity_key, ())),
                choices=tuple(choices.get(it.identity_key, ())),
            )
            for it in members
            if it.identity_key in signs or it.identity_key in choices
        ]

    async def delivery(self, room: str, id: str) -> DeliverySnapshot:
        """Who holds a message: as many as it says, those who are connected first."""
        held_by = self._one(room, id).delivered_to
        members = sorted(
            self._room(room).members, key=lambda it: (not it.me, not it.online)
        )
        told = []
        for at, member in enumerate(members):
            holds = at <= held_by
            coming = not holds and member.online
            state = "holds" if holds else "coming" if coming else "waiting"
            sentence = {
                "holds": "Has it.",
                "coming": "Gets it now.",
                "waiting": "Gets it when both of you are online.",
            }[state]
            device = DeviceDelivery(member.identity_key, state, member.me)
            told.append(
                MemberDelivery(
                    *(member.identity_key, member.name, member.me, int(holds)),
                    *((device,), (), (), "This device." if member.me else sentence),
                )
            )
        told.sort(key=lambda it: it.holding)
        holding = sum(it.holding for it in told)
        sentence = f"On {holding} of {len(told)} devices."
        return DeliverySnapshot(
            room, id, holding, len(told), sentence, members=tuple(told)
        )

    async def schedule(
        self, room: str, text: str, *, send_at: int, reply_to: str | None = None
    ) -> ScheduledSnapshot:
        """Keep a message until its time, which never comes here."""
        self._refuse()
        if send_at <= self.now_ms:
            raise UserFacingError("bad-time", "That time has passed.")
        self._made_count += 1
        kept = ScheduledSnapshot(
            f"scheduled{self._made_count}", room, text, send_at, reply_to
        )
        self._scheduled.append(kept)
        self._scheduled.sort(key=lambda it: it.send_at)
        self._mail.post(ScheduledChanged(room))
        return kept

    async def scheduled(self, room: str | None = None) -> list[ScheduledSnapshot]:
        """What waits for its time."""
        return [it for it in self._scheduled if room in (None, it.room)]

    async def cancel_scheduled(self, id: str) -> None:
        """Do not send what waits."""
        self._refuse()
        gone = [it for it in self._scheduled if it.id == id]
        self._scheduled = [it for it in self._scheduled if it.id != id]
        for it in gone:
            self._mail.post(ScheduledChanged(it.room))

    async def draft(self, room: str) -> str:
        """What is kept for a room."""
        return self.drafts.get(room, "")

    async def set_draft(self, room: str, text: str) -> None:
        """Keep what is written."""
        self.drafts[room] = text

    async def set_typing(self, room: str, *, typing: bool = True) -> None:
        """Note that the person writes."""
        self.typing.append((room, typing))

    def writes(self, room: str, author: str, *, typing: bool = True) -> None:
        """Somebody else writes just now, or does not any more."""
        key = next(
            it.identity_key for it in self._room(room).members if it.name == author
        )
        self._mail.post(TypingChanged(room, key, author, typing))

    def _one(self, room: str, id: str) -> MessageSnapshot:
        return next(it for it in self._room(room).messages if it.id == id)

    def _seen(self, room: str) -> list[MessageSnapshot]:
        """The messages of a room with what stands around them."""
        held = self._room(room).messages
        known = {it.id: it for it in held}
        sizes: dict[str, int] = {}
        for it in held:
            if it.thread is not None:
                sizes[it.thread] = sizes.get(it.thread, 0) + 1
        return [
            replace(
                it,
                thread_size=sizes.get(it.id, 0),
                reply=_preview(known[it.reply_to]) if it.reply_to in known else None,
            )
            for it in held
        ]


def _preview(message: MessageSnapshot) -> PreviewSnapshot:
    return PreviewSnapshot(
        *(message.id, message.author, message.author_name, message.text),
        deleted=message.deleted,
    )


def _unknown() -> UserFacingError:
    return UserFacingError("unknown-message", "There is no such message here.")
