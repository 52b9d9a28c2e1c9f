"""What a person does to messages that are there: react, pin, vote, delete, forward.

Each act goes to the core and comes back as the message it made; what becomes of the
view is decided by :class:`ui.models.messages.MessageListModel`.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from PySide6.QtCore import QObject, Signal, Slot

from app.errors import UserFacingError
from app.snapshots import MessageSnapshot
from ui.bridge import Bridge
from ui.gateway import Core
from ui.models.messages import MessageListModel


class Actions(QObject):
    """Acts in the open room.

    Signals:
        told: Something went wrong; a sentence.
        pollMade: A poll was stored.
        forwarded: So many messages were said again in another room.
    """

    told = Signal(str)
    pollMade = Signal()
    forwarded = Signal(int)

    def __init__(
        self,
        *,
        bridge: Bridge,
        messages: MessageListModel,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._messages = messages
        self._core: Core | None = None
        self._room = ""

    def attach(self, core: Core | None) -> None:
        """Use this core from now on; None while there is none."""
        self._core = core

    def enter(self, room: str) -> None:
        """Act in this room from now on."""
        self._room = room

    @Slot(str, str)
    def react(self, message_id: str, emoji: str) -> None:
        """Put a sign under a message, or take one's own away."""
        at = self._messages.find(message_id)
        if self._core is None or at < 0:
            return
        found = self._messages.entries[at].message.reactions
        mine = any(it.mine and it.emoji == emoji for it in found)
        self._change(self._core.react(self._room, message_id, emoji, on=not mine))

    @Slot(str, bool)
    def pin(self, message_id: str, on: bool) -> None:
        """Put a message where all find it, or take it away from there."""
        if self._core is not None:
            self._change(self._core.pin(self._room, message_id, on=on))

    @Slot(str, int)
    def vote(self, message_id: str, choice: int) -> None:
        """Choose an answer of a poll, or take the choice back."""
        at = self._messages.find(message_id)
        poll = self._messages.entries[at].message.poll if at >= 0 else None
        if self._core is None or poll is None:
            return
        chosen = {number for number, it in enumerate(poll.options) if it.mine}
        if choice in chosen:
            chosen.discard(choice)
        elif poll.multiple:
            chosen.add(choice)
        else:
            chosen = {choice}
        self._change(self._core.vote(self._room, message_id, sorted(chosen)))

    @Slot(str, list, bool, float)
    def makePoll(
        self, question: str, options: list[str], multiple: bool, closes_at: float
    ) -> None:
        """Ask something; without a time when ``closes_at`` is 0."""
        if self._core is None:
            return
        answers = [it.strip() for it in options if it.strip()]
        self._bridge.run(
            self._core.poll(
                *(self._room, question.strip(), answers),
                multiple=multiple,
                closes_at=int(closes_at) or None,
            ),
            done=lambda _: self.pollMade.emit(),
            failed=lambda error: self.told.emit(error.sentence),
        )

    @Slot(list)
    def remove(self, ids: list[str]) -> None:
        """Let messages go everywhere."""
        if self._core is not None and ids:
            self._bridge.run(
                self._core.delete(self._room, ids),
                failed=lambda error: self.told.emit(error.sentence),
            )

    @Slot(list, str)
    def forward(self, ids: list[str], room: str) -> None:
        """Say messages again in another room, in their order."""
        if self._core is None or not ids:
            return
        core, here = self._core, self._room

        async def say_all() -> int:
            for message_id in ids:
                await core.forward(here, message_id, room)
            return len(ids)

        self._bridge.run(
            say_all(),
            done=self.forwarded.emit,
            failed=lambda error: self.told.emit(error.sentence),
        )

    def _change(self, work: Coroutine[Any, Any, MessageSnapshot]) -> None:
        room = self._room

        def done(message: MessageSnapshot) -> None:
            if self._room == room:
                self._messages.change([message])

        def failed(error: UserFacingError) -> None:
            self.told.emit(error.sentence)

        self._bridge.run(work, done=done, failed=failed)
