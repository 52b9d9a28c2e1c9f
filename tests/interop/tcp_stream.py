"""Our secret stream over a TCP connection that an npm peer dials."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from net.noise import Handshake, SecretStream
from tests.interop.node_peer import LIMIT_S


class TcpSecretStream:
    """Joins the machine and the socket; messages wait in a queue, None is the end."""

    def __init__(
        self,
        machine: SecretStream,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.machine = machine
        self.opened = asyncio.Event()
        self._messages: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._reader = reader
        self._writer = writer
        self._flush()

    def write(self, message: bytes) -> None:
        """Send one message."""
        self.machine.write(message, 0.0)
        self._flush()

    async def read(self) -> bytes | None:
        """The next message, None once the other side has ended."""
        async with asyncio.timeout(LIMIT_S):
            return await self._messages.get()

    def end(self) -> None:
        """Send no more."""
        self._writer.write_eof()

    async def run(self) -> None:
        """Feed the machine until the other side ends."""
        while data := await self._reader.read(65536):
            messages = self.machine.receive_data(data, 0.0)
            self._flush()
            for message in messages:
                self._messages.put_nowait(message)
            if self.machine.readable:
                self.opened.set()
        self._messages.put_nowait(None)

    def _flush(self) -> None:
        for chunk in self.machine.data_to_send():
            self._writer.write(chunk)


class Listener:
    """A port of this machine where one npm peer will call."""

    def __init__(self, handshake: Handshake) -> None:
        self._handshake = handshake
        self._accepted: asyncio.Future[TcpSecretStream] = (
            asyncio.get_running_loop().create_future()
        )
        self._server: asyncio.Server | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._running: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """Where to call."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def stream(self) -> TcpSecretStream:
        """The stream, once its handshake is done."""
        async with asyncio.timeout(LIMIT_S):
            stream = await self._accepted
            await stream.opened.wait()
        return stream

    async def open(self) -> None:
        """Start to listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def close(self) -> None:
        """Stop listening and reading; a failure while reading comes out here."""
        assert self._server is not None
        self._server.close()
        if self._writer is not None:
            self._writer.close()
        if self._running is not None:
            async with asyncio.timeout(LIMIT_S):
                await self._running

    def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        machine = SecretStream(self._handshake, entropy=os.urandom)
        stream = TcpSecretStream(machine, reader, writer)
        self._writer = writer
        self._running = asyncio.create_task(stream.run())
        self._accepted.set_result(stream)


@asynccontextmanager
async def listener(handshake: Handshake) -> AsyncIterator[Listener]:
    """A port that speaks this handshake, for the length of a block."""
    listening = Listener(handshake)
    await listening.open()
    try:
        yield listening
    finally:
        await listening.close()
