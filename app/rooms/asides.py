"""What two members of a room ask each other beside the logs: keys that one lacks.

A Protomux channel of the protocol ``covey/room/aside`` (version 1), opened once both
ends of a connection have proven themselves as members (``app/rooms/replication.py``)::

    handshake  uint version (1)
    0 AskKeys  array fixed16 epoch
    1 Keys     array fixed32 key
    2 AskHoles see app/rooms/hole_lists.py
    3 Holes    see app/rooms/hole_lists.py
    4 WakeMe   nothing
    5 Typing   see app/rooms/signals.py
    6 Presence see app/rooms/signals.py
    8 AskPage  see app/rooms/pages.py
    9 Page     see app/rooms/pages.py
    10 to 12   see app/rooms/fork_messages.py

A turn of the room's key is sealed to the devices that its author knew. Who was let in
meanwhile, or is one of too many for one act, asks whoever is there; a key goes to
members only, and is believed from anybody: its epoch is named by what is derived from
it. Whoever has not got the logs yet asks for a page of messages. A question of somebody
who is no member as far as known waits until it is one. What this version does not know
is left alone, so that later ones may say more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from app.rooms import keys
from app.rooms.fork_messages import ASK_TREE, FORK, TREE
from app.rooms.hole_lists import (
    AskHoles,
    HoleList,
)
from app.rooms.hole_lists import decode_ask as decode_hole_ask
from app.rooms.hole_lists import decode_list as decode_hole_list
from app.rooms.hole_lists import encode_ask as encode_hole_ask
from app.rooms.hole_lists import encode_list as encode_hole_list
from app.rooms.pages import AskPage, decode_ask
from app.rooms.seals import EPOCH_ID_BYTES, EPOCH_KEY_BYTES
from app.rooms.signals import PRESENCE, TYPING, Signals, decode_sign
from net.encoding import Reader, Writer
from net.errors import RemoteProtocolError

if TYPE_CHECKING:
    from app.network import Peer
    from app.rooms.effects import Proven
    from app.rooms.forks import Forks
    from net.mux import Channel

PROTOCOL: Final = "covey/room/aside"
PROTOCOL_VERSION: Final = 1
ASK_KEYS, KEYS, ASK_HOLES, HOLES = range(4)
WAKE_ME: Final = 4
ASK_PAGE, PAGE = range(8, 10)

MAX_QUESTIONS: Final = 16
"""Questions for holes, each of another log, that wait for their answers."""
MAX_KEYS: Final = 64
"""Keys asked for or told in one message."""
MAX_ASKED: Final = 1_024
"""Keys that one peer is told on one connection: more than there can be lacking."""


class Host(Protocol):
    """What a room gives and takes here."""

    @property
    def signals(self) -> Signals:
        """Who writes and who is there."""

    @property
    def forks(self) -> Forks:
        """Logs with two histories."""

    def keys_of(self, epochs: Iterable[bytes]) -> list[bytes]:
        """Those of these epochs that are here."""

    def holes_asked(
        self, ask: AskHoles, send: Callable[[HoleList | None], None]
    ) -> None:
        """Tell a member of the holes of a log, or that there is no answer."""

    def holes_told(self, device: bytes, told: HoleList) -> None:
        """A peer's device tells of holes; not more than it was asked."""

    def keys_came(self, found: Sequence[bytes]) -> None:
        """Keys that a peer says are the room's."""

    def wake_asked(self, device: bytes) -> None:
        """A member's device says that it rests and is back."""

    def give_page(
        self, ask: AskPage, asker: bytes, send: Callable[[bytes], None]
    ) -> None:
        """Send a page to a member's device that asked for it, if it may have one."""

    def page_came(self, source: Aside, data: bytes) -> bool:
        """A peer told a page; False when it broke the rules."""


def encode_epochs(epochs: Sequence[bytes]) -> bytes:
    """``AskKeys``, at most ``MAX_KEYS``."""
    writer = Writer()
    writer.array(epochs, lambda out, epoch: out.fixed(epoch, EPOCH_ID_BYTES))
    return writer.finish()


def decode_epochs(data: bytes) -> list[bytes]:
    """Raises ``RemoteProtocolError`` when it is malformed."""
    return Reader(data).array(
        lambda item: item.fixed(EPOCH_ID_BYTES), max_count=MAX_KEYS
    )


def encode_keys(found: Sequence[bytes]) -> bytes:
    """``Keys``, at most ``MAX_KEYS``."""
    writer = Writer()
    writer.array(found, lambda out, key: out.fixed(key, EPOCH_KEY_BYTES))
    return writer.finish()


def decode_keys(data: bytes) -> list[bytes]:
    """Raises ``RemoteProtocolError`` when it is malformed."""
    return Reader(data).array(
        lambda item: item.fixed(EPOCH_KEY_BYTES), max_count=MAX_KEYS
    )


class Aside:
    """One end of the channel.

    Attributes:
        device: Key of the peer's device, proven.
        identity: Whose it is, proven.
    """

    def __init__(
        self,
        host: Host,
        is_member: Callable[[], bool],
        room_key: bytes,
        peer: Peer,
        proven: Proven,
    ) -> None:
        """Open it; the other end does as well.

        Args:
            host: The room.
            is_member: Tells whether the peer is one, just now, and so may be told.
            room_key: The room's.
            peer: The connection.
            proven: Who is at its other end.

        Raises:
            LocalProtocolError: The connection has no channel left.
        """
        self.device = proven.device
        self.identity = proven.identity
        self._host = host
        self._is_member = is_member
        self._asked: set[bytes] = set()
        self._told = 0
        self._holes_due: dict[bytes, int] = {}
        self._questions: deque[AskHoles] = deque()
        self._answering = False
        self._open = False
        self._wanted: tuple[bytes, ...] = ()
        self._rests = False
        self._wished: AskPage | None = None
        self._unanswered: AskPage | None = None
        handlers: dict[int, Callable[[bytes], object]] = {
            ASK_KEYS: self._keys_asked,
            KEYS: self._keys_told,
            WAKE_ME: self._wake_asked,
            ASK_HOLES: self._holes_asked,
            HOLES: self._holes_told,
            ASK_PAGE: self._page_asked,
            PAGE: self._page_told,
            TYPING: partial(self._sign_told, TYPING),
            PRESENCE: partial(self._sign_told, PRESENCE),
            FORK: partial(self._hear, host.forks.heard),
            ASK_TREE: self._tree_asked,
            TREE: partial(self._hear, host.forks.told),
        }
        self._channel: Channel = peer.mux.create_channel(
            PROTOCOL,
            keys.aside_id(room_key, peer.handshake_hash),
            messages=[
                handlers.get(kind, _leave_alone) for kind in range(max(handlers) + 1)
            ],
            handshake=Writer().uint(PROTOCOL_VERSION).finish(),
            on_open=self._opened,
            on_close=self._closed,
        )

    def want_keys(self, epochs: Iterable[bytes]) -> None:
        """Ask for keys that are not here, each once."""
        self._wanted = tuple(epoch for epoch in epochs if epoch not in self._asked)
        self._ask()

    def ask_page(self, ask: AskPage) -> None:
        """Ask for a page, as soon as the channel is open."""
        self._wished = ask
        self._ask()

    def member_changed(self) -> None:
        """Answer what waited for the peer to be known as a member."""
        self._join()
        if self._unanswered is not None and self._is_member():
            ask, self._unanswered = self._unanswered, None
            self._host.give_page(ask, self.device, self._send_page)

    def ask_holes(self, ask: AskHoles) -> bool:
        """Ask for the holes of a log; False while the channel is not open."""
        if not self._open or self._channel.closed:
            return False
        if len(self._holes_due) >= MAX_QUESTIONS:
            del self._holes_due[next(iter(self._holes_due))]
        self._holes_due[ask.writer] = ask.start
        self._channel.send(ASK_HOLES, encode_hole_ask(ask))
        return True

    def want_wake(self) -> None:
        """Ask to be woken, as soon as the channel is open."""
        self._rests = True
        self._ask()

    def tell(self, kind: int, data: bytes) -> bool:
        """See ``signals.End``."""
        if not self._open or self._channel.closed or not self._is_member():
            return False
        self._channel.send(kind, data)
        return True

    def ask(self, kind: int, data: bytes) -> bool:
        """See ``forks.End``."""
        if not self._open or self._channel.closed:
            return False
        self._channel.send(kind, data)
        return True

    def close(self) -> None:
        """Say and hear no more."""
        if not self._channel.closed:
            self._channel.close()

    def _opened(self, handshake: bytes) -> None:
        try:
            version = Reader(handshake).uint()
        except RemoteProtocolError:
            version = 0
        if version != PROTOCOL_VERSION:
            self._channel.close()
            return
        self._open = True
        self._join()
        self._ask()

    def _closed(self) -> None:
        self._host.signals.gone(self)
        self._host.forks.gone(self)

    def _join(self) -> None:
        if self._open and not self._channel.closed and self._is_member():
            self._host.signals.came(self)
            self._host.forks.came(self)

    def _ask(self) -> None:
        if not self._open or self._channel.closed:
            return
        if self._wished is not None:
            self._channel.send(ASK_PAGE, self._wished.encode())
            self._wished = None
        if self._rests:
            self._channel.send(WAKE_ME, b"")
            self._rests = False
        wanted, self._wanted = self._wanted, ()
        self._asked.update(wanted)
        for start in range(0, len(wanted), MAX_KEYS):
            portion = wanted[start : start + MAX_KEYS]
            self._channel.send(ASK_KEYS, encode_epochs(portion))

    def _wake_asked(self, data: bytes) -> None:
        del data
        if self._is_member():
            self._host.wake_asked(self.device)

    def _sign_told(self, kind: int, data: bytes) -> None:
        try:
            state = decode_sign(data)
        except RemoteProtocolError:
            self._channel.close()
            return
        if self._is_member():
            self._host.signals.heard(self, kind, state)

    def _keys_asked(self, data: bytes) -> None:
        try:
            epochs = decode_epochs(data)
        except RemoteProtocolError:
            self._channel.close()
            return
        if not self._is_member() or self._told + len(epochs) > MAX_ASKED:
            return
        self._told += len(epochs)
        if found := self._host.keys_of(epochs)[:MAX_KEYS]:
            self._channel.send(KEYS, encode_keys(found))

    def _keys_told(self, data: bytes) -> None:
        try:
            found = decode_keys(data)
        except RemoteProtocolError:
            self._channel.close()
            return
        self._host.keys_came(found)

    def _holes_asked(self, data: bytes) -> None:
        try:
            ask = decode_hole_ask(data)
        except RemoteProtocolError:
            self._channel.close()
            return
        if self._is_member() and len(self._questions) < MAX_QUESTIONS:
            self._questions.append(ask)
            self._answer_next()

    def _answer_next(self) -> None:
        """Answer one question after the other, however many come at once."""
        if self._questions and not self._answering:
            self._answering = True
            self._host.holes_asked(self._questions.popleft(), self._send_holes)

    def _send_holes(self, told: HoleList | None) -> None:
        self._answering = False
        if self._channel.closed:
            return
        if told is not None and self._is_member():
            self._channel.send(HOLES, encode_hole_list(told))
        self._answer_next()

    def _holes_told(self, data: bytes) -> None:
        try:
            told = decode_hole_list(data)
        except RemoteProtocolError:
            self._channel.close()
            return
        if self._holes_due.get(told.writer) == told.start:
            del self._holes_due[told.writer]
            self._host.holes_told(self.device, told)

    def _page_asked(self, data: bytes) -> None:
        try:
            self._unanswered = decode_ask(data)
        except RemoteProtocolError:
            self._channel.close()
            return
        self.member_changed()

    def _send_page(self, data: bytes) -> None:
        if not self._channel.closed and self._is_member():
            self._channel.send(PAGE, data)

    def _tree_asked(self, data: bytes) -> None:
        if self._is_member():
            self._hear(self._host.forks.asked, data)

    def _hear(self, take: Callable[[Aside, bytes], bool], data: bytes) -> None:
        """Hand on what the peer says; it may say no more when it breaks the rules."""
        if not take(self, data):
            self._channel.close()

    def _page_told(self, data: bytes) -> None:
        if not self._host.page_came(self, data):
            self._channel.close()


def _leave_alone(data: bytes) -> None:
    """What only another version says."""
    del data
