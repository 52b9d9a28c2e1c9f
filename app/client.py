"""The messenger from outside: the same methods as ``app.messenger``, over the socket.

Windows, command lines and bots use this; nothing but frozen plain data crosses. Every
failure is a ``UserFacingError``. A client starts a core when none runs; unless told
otherwise that core ends with its last client.

    async with Client.connect(folder) as me:
        room = await me.create_room("Birds")
        async for event in me.events():
            ...
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections.abc import AsyncIterator, Generator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from app import launch, local_socket, lock, paths
from app.errors import UserFacingError
from app.events import CoreStopped, Event
from app.frames import (
    MAX_ANSWER_BYTES,
    MAX_CALL_BYTES,
    MAX_CALLS_AT_ONCE,
    VERSION,
    FrameReader,
    check_hello,
    encode_frame,
)
from app.hub import Hub
from app.plain import event_from_plain, from_plain
from app.remote_conversations import RemoteConversations
from app.remote_devices import RemoteDevices
from app.remote_directs import RemoteDirects
from app.remote_moderations import RemoteModerations
from app.remote_preferences import RemotePreferences
from app.snapshots import (
    DeliverySnapshot,
    MemberSnapshot,
    NetworkSnapshot,
    ProfileSnapshot,
    RequestSnapshot,
    RoomSnapshot,
    SearchHit,
)
from net.errors import RemoteProtocolError

if TYPE_CHECKING:
    from typing import Self

READ_BYTES = 256 * 1024
HELLO_LIMIT_S = 10.0
GOODBYE_LIMIT_S = 2.0
START_LIMIT_S = 30.0
RETRY_S = 0.05


class Client(
    RemoteConversations,
    RemoteModerations,
    RemoteDirects,
    RemoteDevices,
    RemotePreferences,
):
    """One connection to the core of a profile.

    Attributes:
        core: The core process, when this client started it.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        core: launch.CoreProcess | None,
        *,
        keep_running: bool,
    ) -> None:
        """Use ``connect``."""
        self.core = core
        self._keep_running = keep_running
        self._reader = reader
        self._writer = writer
        self._frames = FrameReader(max_bytes=MAX_ANSWER_BYTES)
        self._hub = Hub()
        self._numbers = itertools.count(1)
        self._calls: dict[int, asyncio.Future[Any]] = {}
        # One place fewer than the core has: ``stop`` needs no turn.
        self._places = asyncio.Semaphore(MAX_CALLS_AT_ONCE - 1)
        self._ended: UserFacingError | None = None
        loop = asyncio.get_running_loop()
        self._greeted: asyncio.Future[None] = loop.create_future()
        self._others_stay: asyncio.Future[bool] = loop.create_future()
        self._task = asyncio.create_task(self._read())

    @staticmethod
    def exists(profile: str | os.PathLike[str] | None = None) -> bool:
        """True when there is a profile in this folder (None: the default one)."""
        return (paths.profile_path(profile) / paths.DATABASE_NAME).exists()

    @staticmethod
    async def create(
        profile: str | os.PathLike[str] | None = None,
        *,
        name: str,
        phrase: str | None = None,
        passphrase: str | None = None,
        use_keychain: bool = True,
        awaits_link: bool = False,
    ) -> None:
        """Make a profile; then ``connect`` to it and show its ``recovery_phrase``.

        Args:
            profile: Its folder; None for the default one.
            name: What others see.
            phrase: 12 to 24 words of an existing identity; None for a new one.
            passphrase: Locks the profile; None for the system's keychain or, where
                there is none, a key file (see ``ProfileSnapshot.warning``).
            use_keychain: False to go without the keychain, for throw-away profiles.
            awaits_link: It shall become a device of who has one: ``join_device`` comes
                next, and the name is the device's.

        Raises:
            UserFacingError: ``profile-exists``, ``bad-name``, ``bad-phrase``, ``disk``.
        """
        import time

        from app import profile as profiles
        from store.keychain import system_keychain

        keychain = system_keychain() if use_keychain and passphrase is None else None
        await asyncio.to_thread(
            profiles.create,
            paths.profile_path(profile),
            name=name,
            now_s=int(time.time()),
            phrase=phrase,
            passphrase=passphrase,
            keychain=keychain,
            awaits_link=awaits_link,
        )

    @classmethod
    def connect(
        cls,
        profile: str | os.PathLike[str] | None = None,
        *,
        bootstrap: str | None = None,
        passphrase: str | None = None,
        keep_running: bool = False,
        start: bool = True,
        log_level: str | None = None,
    ) -> Connecting:
        """Connect to the core of a profile; await it, or use it with ``async with``.

        Args:
            profile: The profile's folder; None for the default one.
            bootstrap: ``host:port[,...]`` for a core that has to be started.
            passphrase: What unlocks the profile, for a core that has to be started.
            keep_running: Let a core that has to be started stay when clients go.
            start: False to fail when no core runs.
            log_level: For a core that has to be started.

        Raises:
            UserFacingError: ``no-profile``, ``passphrase-needed``,
                ``wrong-passphrase``, ``corrupt-profile``, ``profile-in-use``,
                ``core-failed``, ``no-core`` and others.
        """
        folder = paths.profile_path(profile)
        return Connecting(
            cls,
            folder,
            start=start,
            keep_running=keep_running,
            options={
                "bootstrap": bootstrap,
                "passphrase": passphrase,
                "keep_running": keep_running,
                "log_level": log_level,
            },
        )

    async def profile(self) -> ProfileSnapshot:
        """Who this profile is."""
        found: ProfileSnapshot = await self._call(ProfileSnapshot, "profile")
        return found

    async def network(self) -> NetworkSnapshot:
        """The truth about the connection to the network."""
        found: NetworkSnapshot = await self._call(NetworkSnapshot, "network")
        return found

    async def rooms(self) -> list[RoomSnapshot]:
        """Every room, the one with the newest message first."""
        found: list[RoomSnapshot] = await self._call(list[RoomSnapshot], "rooms")
        return found

    async def members(self, room: str) -> list[MemberSnapshot]:
        """Everybody in a room, owners first."""
        found: list[MemberSnapshot] = await self._call(
            list[MemberSnapshot], "members", room=room
        )
        return found

    async def create_room(self, name: str, *, kind: str = "group") -> RoomSnapshot:
        """Make a room; see ``Messenger.create_room``."""
        found: RoomSnapshot = await self._call(
            RoomSnapshot, "create_room", name=name, kind=kind
        )
        return found

    async def invite(
        self,
        room: str,
        *,
        role: str = "member",
        expires_ms: int | None = None,
        uses: int | None = None,
        approval: bool = False,
    ) -> str:
        """Make an invite and return its link; see ``Messenger.invite``."""
        link: str = await self._call(
            str,
            "invite",
            room=room,
            role=role,
            expires_ms=expires_ms,
            uses=uses,
            approval=approval,
        )
        return link

    async def revoke(self, link: str) -> None:
        """Let an invite let nobody in any more; see ``Messenger.revoke``."""
        await self._call(None, "revoke", link=link)

    async def invite_code(self, link: str) -> str:
        """The QR code of an invite link, an SVG picture."""
        found: str = await self._call(str, "invite_code", link=link)
        return found

    async def requests(self, room: str) -> list[RequestSnapshot]:
        """Who waits to be let into a room by a person, oldest first."""
        found: list[RequestSnapshot] = await self._call(
            list[RequestSnapshot], "requests", room=room
        )
        return found

    async def approve(self, room: str, id: str) -> None:
        """Let in who waits; see ``Messenger.approve``."""
        await self._call(None, "approve", room=room, id=id)

    async def deny(self, room: str, id: str) -> None:
        """Decline who waits."""
        await self._call(None, "deny", room=room, id=id)

    async def join(self, link: str, *, timeout_s: float | None = None) -> RoomSnapshot:
        """Join a room by its invite link; see ``Messenger.join``."""
        found: RoomSnapshot = await self._call(
            RoomSnapshot, "join", link=link, timeout_s=timeout_s
        )
        return found

    async def leave(self, room: str) -> None:
        """Leave a room and forget it."""
        await self._call(None, "leave", room=room)

    async def delivery(self, room: str, id: str) -> DeliverySnapshot:
        """Which members' devices hold a message; see ``Messenger.delivery``."""
        found: DeliverySnapshot = await self._call(
            DeliverySnapshot, "delivery", room=room, id=id
        )
        return found

    async def search(
        self,
        query: str,
        *,
        room: str | None = None,
        author: str | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
        has_file: bool | None = None,
        limit: int = 50,
        before: int | None = None,
        best: bool = False,
    ) -> list[SearchHit]:
        """Find messages, the newest first; see ``Messenger.search``."""
        found: list[SearchHit] = await self._call(
            list[SearchHit],
            "search",
            query=query,
            room=room,
            author=author,
            since_ms=since_ms,
            until_ms=until_ms,
            has_file=has_file,
            limit=limit,
            before=before,
            best=best,
        )
        return found

    async def search_is_whole(self) -> bool:
        """False while the search index is being built: there may be more to find."""
        whole: bool = await self._call(bool, "search_is_whole")
        return whole

    async def audit(self, room: str, file: str) -> dict[str, Any]:
        """Write every administrative act of a room, with its proofs, into a new file.

        The file's path is absolute; ``covey audit verify`` checks what it holds.
        """
        written: dict[str, Any] = await self._call(
            dict[str, Any], "audit", room=room, file=file
        )
        return written

    async def recovery_phrase(self) -> str:
        """The 24 words; whoever has them is this person."""
        words: str = await self._call(str, "recovery_phrase")
        return words

    async def doctor(self) -> dict[str, Any]:
        """Facts about network, clock and profile, and one sentence of verdict."""
        facts: dict[str, Any] = await self._call(dict[str, Any], "doctor")
        return facts

    async def stop(self) -> None:
        """End the core, for every client of it."""
        with contextlib.suppress(UserFacingError):
            await self._answer("stop", {})
        self._keep_running = False
        await self.close()

    def events(self) -> AsyncIterator[Event]:
        """What changes from this call on; ends with ``CoreStopped``."""
        subscription = self._hub.subscribe()
        if self._ended is not None:
            subscription.put(CoreStopped(self._ended.sentence))
            subscription.end()
        return subscription

    async def close(self) -> None:
        """Disconnect; a core that was started for this client has ended afterwards.

        It stays while other clients use it, and after ``keep_running``.
        """
        self._end("This client has been closed.")
        others = self.core is not None and await self._say_goodbye()
        self._task.cancel()
        self._writer.close()
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await self._writer.wait_closed()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        core, self.core = self.core, None
        if core is None:
            return
        stays = self._keep_running or others
        if stays or not await asyncio.to_thread(core.wait):
            core.detach()

    async def _say_goodbye(self) -> bool:
        """Ask the core whether other clients keep it."""
        if self._task.done() or self._writer.is_closing():
            return False
        self._writer.write(encode_frame({"goodbye": True}))
        await asyncio.wait(
            (self._others_stay, self._task),
            timeout=GOODBYE_LIMIT_S,
            return_when=asyncio.FIRST_COMPLETED,
        )
        return self._others_stay.done() and self._others_stay.result()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def greet(self) -> None:
        """Exchange the first frames.

        Raises:
            UserFacingError: ``version`` or ``core-stopped``.
        """
        self._writer.write(encode_frame({"covey": VERSION}))
        try:
            async with asyncio.timeout(HELLO_LIMIT_S):
                await self._greeted
        except TimeoutError:
            raise UserFacingError(
                "core-stuck", "Covey's core does not answer: end it and try again."
            ) from None

    async def _call(self, kind: Any, call: str, /, **arguments: Any) -> Any:
        async with self._places:
            value = await self._answer(call, arguments)
        try:
            return from_plain(kind, value)
        except RemoteProtocolError as error:
            raise _other_version() from error

    async def _answer(self, call: str, arguments: dict[str, Any]) -> Any:
        if self._ended is not None:
            raise self._ended
        number = next(self._numbers)
        frame = encode_frame({"id": number, "call": call, "arguments": arguments})
        if len(frame) > MAX_CALL_BYTES:
            raise UserFacingError(
                "too-large", f"That is longer than {MAX_CALL_BYTES} bytes."
            )
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._calls[number] = future
        self._writer.write(frame)
        try:
            return await future
        except asyncio.CancelledError:
            if self._ended is None:
                self._writer.write(encode_frame({"id": number, "cancel": True}))
            raise
        finally:
            self._calls.pop(number, None)

    async def _read(self) -> None:
        sentence = "Covey's core has ended."
        try:
            while data := await self._reader.read(READ_BYTES):
                for frame in self._frames.receive_data(data):
                    sentence = self._receive(frame) or sentence
        except RemoteProtocolError:
            sentence = _other_version().sentence
        except OSError as error:
            sentence = f"The connection to Covey's core broke: {error}."
        self._end(sentence)

    def _receive(self, frame: dict[str, Any]) -> str | None:
        """Take one frame; returns the core's last words when it is closing."""
        if not self._greeted.done():
            check_hello(frame)
            self._greeted.set_result(None)
        elif "event" in frame:
            event = event_from_plain(str(frame["event"]), frame.get("data"))
            if event is not None:
                self._hub.publish(event)
        elif "goodbye" in frame:
            self._take_goodbye(frame["goodbye"])
        elif "closed" in frame:
            return str(frame["closed"])
        else:
            self._settle(frame)
        return None

    def _take_goodbye(self, said: Any) -> None:
        if not self._others_stay.done():
            others = said.get("others") if isinstance(said, dict) else None
            self._others_stay.set_result(others is True)

    def _settle(self, frame: dict[str, Any]) -> None:
        future = self._calls.get(frame.get("id", 0))
        if future is None or future.done():
            return
        error = frame.get("error")
        if isinstance(error, dict):
            future.set_exception(
                UserFacingError(str(error.get("code")), str(error.get("sentence")))
            )
        else:
            future.set_result(frame.get("result"))

    def _end(self, sentence: str) -> None:
        """Nothing more comes: fail what waits and tell the listeners."""
        if self._ended is not None:
            return
        self._ended = UserFacingError("core-stopped", sentence)
        for future in (self._greeted, *self._calls.values()):
            if not future.done():
                future.set_exception(self._ended)
                # Nobody may be waiting for it.
                future.exception()
        self._hub.close(CoreStopped(sentence))


class Connecting:
    """A connection about to be made: await it, or use it with ``async with``."""

    def __init__(
        self,
        kind: type[Client],
        folder: Path,
        *,
        start: bool,
        keep_running: bool,
        options: dict[str, Any],
    ) -> None:
        self._kind = kind
        self._folder = folder
        self._start = start
        self._keep_running = keep_running
        self._options = options
        self._client: Client | None = None

    def __await__(self) -> Generator[Any, None, Client]:
        return self._connect().__await__()

    async def __aenter__(self) -> Client:
        self._client = await self._connect()
        return self._client

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._client is not None:
            await self._client.close()

    async def _connect(self) -> Client:
        """Connect, starting a core if need be; wait for one that is on its way out."""
        deadline = asyncio.get_running_loop().time() + START_LIMIT_S
        core: launch.CoreProcess | None = None
        while True:
            streams = await self._find_core()
            if streams is not None:
                return await self._greet(streams, core)
            if not self._start:
                raise UserFacingError("no-core", "No core runs for this profile.")
            try:
                core = await self._start_core()
            except UserFacingError as error:
                late = asyncio.get_running_loop().time() > deadline
                if error.code != "profile-in-use" or late:
                    raise
                await asyncio.sleep(RETRY_S)

    async def _find_core(self) -> local_socket.Streams | None:
        """Connect to the core that runs, wherever it listens; None when none runs."""
        announced = lock.announced_address(self._folder)
        if announced is not None:
            streams = await local_socket.connect(announced)
            if streams is not None:
                return streams
        own = paths.socket_address(self._folder)
        return await local_socket.connect(own) if own != announced else None

    async def _start_core(self) -> launch.CoreProcess:
        starting = launch.StartingCore(self._folder, **self._options)
        try:
            return await asyncio.to_thread(starting.run)
        except asyncio.CancelledError:
            starting.give_up()
            raise

    async def _greet(
        self,
        streams: local_socket.Streams,
        core: launch.CoreProcess | None,
    ) -> Client:
        client = self._kind(*streams, core, keep_running=self._keep_running)
        try:
            await client.greet()
        except BaseException:
            await client.close()
            raise
        return client


def _other_version() -> UserFacingError:
    return UserFacingError(
        "version", "Covey's core is of another version: end it and start it again."
    )
