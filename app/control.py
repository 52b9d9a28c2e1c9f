"""The core's side of the control socket: calls in, answers and events out.

After the hellos a client sends calls and may take one back; the core answers each and
sends events unasked::

    client   {"id": n, "call": name, "arguments": {...}}      {"id": n, "cancel": true}
    core     {"id": n, "result": value}
             {"id": n, "error": {"code": word, "sentence": text}}
             {"event": name, "data": {...}}
             {"closed": sentence}                             the last frame

A client that leaves may ask whether it was the last one; the answer ends its calls::

    client   {"goodbye": true}
    core     {"goodbye": {"others": true or false}}

What a client may call, and with what, is the table ``CALLS``. Every size is bounded: a
client that sends nonsense or does not read is closed with a reason, and one that asks
much at once is read no further until answers are out. Only this user's processes reach
the socket (``app/local_socket.py``).
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from app import local_socket
from app.errors import UserFacingError
from app.faults import Explained, explain
from app.frames import (
    MAX_ANSWER_BYTES,
    MAX_CALL_BYTES,
    MAX_CALLS_AT_ONCE,
    VERSION,
    FrameReader,
    check_hello,
    encode_frame,
)
from app.plain import event_to_plain, from_plain, to_plain
from app.remote_conversations import CALLS as CONVERSATION_CALLS
from app.remote_devices import CALLS as DEVICE_CALLS
from app.remote_directs import CALLS as DIRECT_CALLS
from app.remote_moderations import CALLS as MODERATION_CALLS
from app.remote_preferences import CALLS as PREFERENCE_CALLS
from net.errors import RemoteProtocolError

if TYPE_CHECKING:
    from app.messenger import Messenger

_LOG = logging.getLogger("covey.control")

MAX_CLIENTS = 64
MAX_QUEUE_BYTES = MAX_ANSWER_BYTES + 8 * 1024 * 1024
"""Bytes a client may leave unread."""
READ_BYTES = 256 * 1024
HELLO_LIMIT_S = 10.0
FIRST_CLIENT_LIMIT_S = 30.0
"""How long a core that was started for a client waits for it."""

_OptionalText = str | None
_OptionalNumber = int | None
_OptionalSeconds = float | None

CALLS: dict[str, dict[str, Any]] = {
    "profile": {},
    "network": {},
    "rooms": {},
    "members": {"room": str},
    "create_room": {"name": str, "kind": str},
    "invite": {
        "room": str,
        "role": str,
        "expires_ms": _OptionalNumber,
        "uses": _OptionalNumber,
        "approval": bool,
    },
    "revoke": {"link": str},
    "invite_code": {"link": str},
    "requests": {"room": str},
    "approve": {"room": str, "id": str},
    "deny": {"room": str, "id": str},
    "join": {"link": str, "timeout_s": _OptionalSeconds},
    "leave": {"room": str},
    **MODERATION_CALLS,
    **DIRECT_CALLS,
    **CONVERSATION_CALLS,
    **DEVICE_CALLS,
    **PREFERENCE_CALLS,
    "delivery": {"room": str, "id": str},
    "search": {
        "query": str,
        "room": _OptionalText,
        "author": _OptionalText,
        "since_ms": _OptionalNumber,
        "until_ms": _OptionalNumber,
        "has_file": bool | None,
        "limit": int,
        "before": _OptionalNumber,
        "best": bool,
    },
    "search_is_whole": {},
    "audit": {"room": str, "file": str},
    "recovery_phrase": {},
    "doctor": {},
    "stop": {},
}
"""Methods of the messenger a client may call, with their arguments' types."""


class ControlServer:
    """Serves clients until ``stop``.

    Attributes:
        idle: Set when the last client has gone, after one was here (or none came).
    """

    def __init__(self, messenger: Messenger, address: str) -> None:
        self.idle = asyncio.Event()
        self._messenger = messenger
        self._address = address
        self._server: local_socket.LocalServer | None = None
        self._clients: set[_Client] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Listen.

        Raises:
            UserFacingError: ``control-socket``.
        """
        self._server = await local_socket.serve(self._address, self._serve)
        self._timer = asyncio.get_running_loop().call_later(
            FIRST_CLIENT_LIMIT_S, self._nobody_came
        )

    async def stop(self, reason: str = "Covey's core has ended.") -> None:
        """Accept no more, and close every client with a reason."""
        if self._timer is not None:
            self._timer.cancel()
        if self._server is not None:
            self._server.close()
            local_socket.remove(self._address)
        tasks = [client.close(reason) for client in tuple(self._clients)]
        await asyncio.gather(*tasks)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        client = _Client(
            self._messenger, reader, writer, others=lambda: len(self._clients) > 1
        )
        if len(self._clients) >= MAX_CLIENTS:
            await client.refuse("Too many programs use this profile at once.")
            return
        self._clients.add(client)
        try:
            await client.run()
        finally:
            self._clients.discard(client)
            if not self._clients:
                self.idle.set()

    def _nobody_came(self) -> None:
        if not self._clients:
            self.idle.set()


class _Client:
    """One connected client: reads its calls, answers them, sends it events."""

    def __init__(
        self,
        messenger: Messenger,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        others: Callable[[], bool],
    ) -> None:
        self._messenger = messenger
        self._others = others
        self._reader = reader
        self._writer = writer
        self._frames = FrameReader(max_bytes=MAX_CALL_BYTES)
        self._calls: dict[int, asyncio.Task[None]] = {}
        self._place = asyncio.Event()
        self._greeted = False
        self._leaving = False
        self._closing = False

    async def run(self) -> None:
        """Serve until either side ends."""
        self._write({"covey": VERSION})
        subscription = self._messenger.hub.subscribe()
        events = asyncio.create_task(self._send_events(subscription))
        reason = ""
        try:
            await self._read()
        except RemoteProtocolError as error:
            reason = f"The control socket got what it does not know: {error}."
        except TimeoutError:
            reason = "The program that connected said nothing."
        except ConnectionError:
            pass
        finally:
            self._messenger.hub.unsubscribe(subscription)
            events.cancel()
            for task in tuple(self._calls.values()):
                task.cancel()
            await asyncio.gather(events, *self._calls.values(), return_exceptions=True)
            await self.close(reason)

    async def refuse(self, reason: str) -> None:
        """Say why there is no place, once the other side has spoken."""
        # What is left unread at closing would take the reason with it.
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(HELLO_LIMIT_S):
                await self._reader.read(READ_BYTES)
        await self.close(reason)

    async def close(self, reason: str) -> None:
        """Say why, and end."""
        if self._closing:
            return
        self._closing = True
        self._place.set()
        if reason and not self._writer.is_closing():
            self._writer.write(encode_frame({"closed": reason}))
        self._writer.close()
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(1):
                await self._writer.wait_closed()

    async def _read(self) -> None:
        while not self._closing and not self._leaving:
            async with asyncio.timeout(None if self._greeted else HELLO_LIMIT_S):
                data = await self._reader.read(READ_BYTES)
            if not data:
                return
            for frame in self._frames.receive_data(data):
                if self._greeted:
                    await self._receive(frame)
                else:
                    check_hello(frame)
                    self._greeted = True

    async def _receive(self, frame: dict[str, Any]) -> None:
        if self._leaving:
            return
        if frame.get("goodbye"):
            self._leaving = True
            self._write({"goodbye": {"others": self._others()}})
            return
        number = frame.get("id")
        if not isinstance(number, int) or isinstance(number, bool):
            raise RemoteProtocolError("a call without a number")
        if frame.get("cancel"):
            task = self._calls.get(number)
            if task is not None:
                task.cancel()
            return
        if number in self._calls:
            raise RemoteProtocolError("two calls with one number")
        while len(self._calls) >= MAX_CALLS_AT_ONCE and not self._closing:
            self._place.clear()
            await self._place.wait()
        task = asyncio.create_task(self._answer(number, frame))
        self._calls[number] = task
        task.add_done_callback(lambda done: self._call_done(number, done))

    async def _answer(self, number: int, frame: dict[str, Any]) -> None:
        try:
            method, arguments = _read_call(frame, self._messenger)
            result = to_plain(await method(**arguments))
            self._write({"id": number, "result": result})
        except UserFacingError as error:
            self._write_error(number, error)
        except Explained as error:
            self._write_error(number, explain(error))

    def _call_done(self, number: int, task: asyncio.Task[None]) -> None:
        self._calls.pop(number, None)
        self._place.set()
        if task.cancelled() or (error := task.exception()) is None:
            return
        # A bug of ours: loud in the log, and the caller must not wait for ever.
        _LOG.critical("a call failed", exc_info=error)
        self._write_error(
            number,
            UserFacingError(
                "bug", "Something went wrong inside Covey; its log has the details."
            ),
        )

    def _write_error(self, number: int, error: UserFacingError) -> None:
        self._write(
            {"id": number, "error": {"code": error.code, "sentence": error.sentence}}
        )

    async def _send_events(self, subscription: Any) -> None:
        async for event in subscription:
            self._write(event_to_plain(event))
            # Wait for a slow reader here, where the queue behind is bounded.
            with contextlib.suppress(ConnectionError):
                await self._writer.drain()
        if subscription.late:
            await self.close("This program was too slow to follow the events.")

    def _write(self, value: dict[str, Any]) -> None:
        if self._closing or self._writer.is_closing():
            return
        data = encode_frame(value)
        waiting = self._writer.transport.get_write_buffer_size()
        if waiting + len(data) > MAX_QUEUE_BYTES:
            self._closing = True
            self._writer.transport.abort()
            return
        self._writer.write(data)


def _read_call(
    frame: dict[str, Any], messenger: Messenger
) -> tuple[Callable[..., Any], dict[str, Any]]:
    """The method and its checked arguments.

    Raises:
        UserFacingError: ``unknown-call`` or ``bad-arguments``.
    """
    call = frame.get("call")
    given = frame.get("arguments", {})
    if not isinstance(call, str) or call not in CALLS:
        raise UserFacingError("unknown-call", f"The core does not know {call}.")
    known = CALLS[call]
    method: Callable[..., Any] = getattr(messenger, call)
    needed = {
        name
        for name, parameter in inspect.signature(method).parameters.items()
        if parameter.default is parameter.empty
    }
    if not isinstance(given, dict) or not needed <= given.keys() <= known.keys():
        raise UserFacingError("bad-arguments", f"{call} was called wrongly.")
    try:
        return method, {
            name: from_plain(known[name], value) for name, value in given.items()
        }
    except RemoteProtocolError as error:
        raise UserFacingError("bad-arguments", f"{call} was called wrongly.") from error
