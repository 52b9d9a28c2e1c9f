"""The control socket against clients that break its rules, and bots that keep them."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app import Messenger, control, paths, profile
from app.client import Client
from app.control import ControlServer
from app.errors import UserFacingError
from app.events import CoreStopped, MessageStored
from app.frames import FrameReader, encode_frame


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.setenv("COVEY_KEYCHAIN", "off")
    made = tmp_path / "ada"
    profile.create(made, name="Ada", now_s=1)
    return made


@pytest.fixture
async def server(folder: Path) -> AsyncIterator[ControlServer]:
    """A core inside the test, without a network."""
    messenger = Messenger(profile.open_profile(folder))
    await messenger.start()
    served = ControlServer(messenger, paths.socket_address(folder))
    await served.start()
    yield served
    await served.stop()
    await messenger.close()


async def raw(folder: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that said hello."""
    streams = await asyncio.open_unix_connection(paths.socket_address(folder))
    streams[1].write(encode_frame({"covey": 1}))
    return streams


async def last_words(reader: asyncio.StreamReader) -> str:
    """Why the core closed."""
    frames = FrameReader(max_bytes=10**6).receive_data(await reader.read())
    return str(frames[-1].get("closed"))


@pytest.mark.usefixtures("server")
async def test_only_the_owner_reaches_the_socket(folder: Path) -> None:
    path = Path(paths.socket_address(folder))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert len(os.fsencode(path.name)) < 30


def test_without_a_runtime_folder_a_private_one_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = Path(paths.socket_address(tmp_path / "p"))
    assert path.parent.parent == tmp_path
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.parent.rmdir()
    path.parent.write_text("somebody was here first")
    with pytest.raises(UserFacingError):
        paths.socket_address(tmp_path / "p")


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff",
        (2).to_bytes(4, "little") + b"[]",
        encode_frame({"call": "rooms"}),
        encode_frame({"id": True, "call": "rooms"}),
    ],
)
async def test_nonsense_is_told_and_ends_that_client_only(
    folder: Path, data: bytes
) -> None:
    async with Client.connect(folder, start=False) as other:
        reader, writer = await raw(folder)
        writer.write(data)
        assert "does not know" in await last_words(reader)
        writer.close()
        assert (await other.profile()).name == "Ada"


@pytest.mark.usefixtures("server")
async def test_another_version_is_refused(folder: Path) -> None:
    reader, writer = await asyncio.open_unix_connection(paths.socket_address(folder))
    writer.write(encode_frame({"covey": 99}))
    assert "does not know" in await last_words(reader)
    writer.close()


@pytest.mark.usefixtures("server")
async def test_calls_at_once_are_limited(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "MAX_CALLS_AT_ONCE", 3)
    reader, writer = await raw(folder)
    for number in range(10):
        writer.write(encode_frame({"id": number, "call": "rooms"}))
    assert "too many calls" in await last_words(reader)
    writer.close()


@pytest.mark.usefixtures("server")
async def test_clients_are_limited(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "MAX_CLIENTS", 1)
    async with Client.connect(folder, start=False) as first:
        await first.profile()
        reader, writer = await raw(folder)
        assert "Too many programs" in await last_words(reader)
        writer.close()


async def test_who_does_not_read_is_dropped(
    server: ControlServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "MAX_QUEUE_BYTES", 300_000)
    async with Client.connect(folder, start=False) as me:
        room = await me.create_room("Birds")
        reader, writer = await raw(folder)
        reader._limit = 1000  # type: ignore[attr-defined]
        while not writer.transport.is_closing() and len(server._clients) == 2:
            await me.send(room.room, "x" * 60_000)
        assert len(server._clients) == 1
        assert await me.profile()
        writer.close()


@pytest.mark.usefixtures("server")
async def test_a_failure_is_the_same_error_outside(folder: Path) -> None:
    async with Client.connect(folder, start=False) as me:
        with pytest.raises(UserFacingError) as caught:
            await me.send("nowhere", "x")
        assert caught.value.code == "unknown-room"
        assert caught.value.sentence == "There is no room nowhere."


async def test_a_call_that_is_given_up_is_taken_back(
    server: ControlServer, folder: Path
) -> None:
    async with Client.connect(folder, start=False) as me:
        room = await me.create_room("Birds")
        message = await me.send(room.room, "x")
        [client] = server._clients
        waiting = asyncio.create_task(me.wait_delivered(room.room, message.id))
        while not client._calls:
            await asyncio.sleep(0.001)
        waiting.cancel()
        while client._calls:
            await asyncio.sleep(0.001)
        assert (await me.profile()).name == "Ada"


async def test_two_clients_see_the_same_events(
    server: ControlServer, folder: Path
) -> None:
    async with (
        Client.connect(folder, start=False) as one,
        Client.connect(folder, start=False) as two,
    ):
        events = two.events()
        await two.profile()
        room = await one.create_room("Birds")
        sent = await one.send(room.room, "x")
        async for event in events:
            if isinstance(event, MessageStored):
                assert event.message == sent
                break
        [line] = await two.rooms()
        assert line.last_message == sent
        await server.stop("Time to go.")
        last = [event async for event in events][-1]
        assert last == CoreStopped("Time to go.")
        with pytest.raises(UserFacingError) as caught:
            await two.rooms()
        assert caught.value.sentence == "Time to go."
        assert [event async for event in two.events()] == [last]


async def test_a_bot_starts_a_core_that_ends_with_it(folder: Path) -> None:
    async with Messenger.connect(folder, bootstrap="127.0.0.1:1") as me:
        assert (await me.profile()).path == str(folder)
        room = await me.create_room("Birds")
        await me.send(room.room, "from a bot")
        with pytest.raises(UserFacingError):
            profile.open_profile(folder)
    profile.open_profile(folder).close()
    me = await Messenger.connect(folder, bootstrap="127.0.0.1:1", keep_running=True)
    [message] = await me.history("Birds")
    assert message.text == "from a bot"
    await me.close()
    again = await Client.connect(folder, start=False)
    await again.stop()
    code = "profile-in-use"
    while code == "profile-in-use":
        try:
            profile.open_profile(folder).close()
            code = "free"
        except UserFacingError as error:
            code = error.code
            await asyncio.sleep(0.01)
    assert code == "free"


async def test_two_clients_that_start_at_once_share_one_core(folder: Path) -> None:
    connecting = [
        Client.connect(folder, bootstrap="127.0.0.1:1").__aenter__() for _ in range(3)
    ]
    clients = await asyncio.gather(*connecting)
    try:
        assert sum(client.core is not None for client in clients) == 1
        assert {(await client.profile()).name for client in clients} == {"Ada"}
    finally:
        for client in sorted(clients, key=lambda client: client.core is not None):
            await client.close()
