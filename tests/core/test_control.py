"""The control socket against clients that break its rules, and bots that keep them."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from app import Messenger, control, launch, paths, profile
from app.cli import conversations
from app.cli.arguments import build_parser
from app.cli.entry import Context
from app.cli.output import Output
from app.client import Client
from app.control import ControlServer
from app.errors import UserFacingError
from app.events import CoreStopped, MessageStored
from app.frames import FrameReader, encode_frame
from app.launch import CoreProcess
from app.snapshots import RoomSnapshot


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
    opened = profile.open_profile(folder)
    messenger = Messenger(opened)
    await messenger.start()
    address = paths.socket_address(folder)
    opened.lock.announce(address)
    served = ControlServer(messenger, address)
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


@pytest.fixture
def short_path() -> Iterator[Path]:
    """An empty folder whose path is no longer than a socket's may be."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def test_without_a_runtime_folder_a_private_one_is_made(
    tmp_path: Path, short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(short_path))
    path = Path(paths.socket_address(tmp_path / "p"))
    assert path.parent.parent == short_path
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
    running = most = 0

    async def rooms(self: Messenger) -> list[RoomSnapshot]:
        del self
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return []

    monkeypatch.setattr(Messenger, "rooms", rooms)
    reader, writer = await raw(folder)
    for number in range(10):
        writer.write(encode_frame({"id": number, "call": "rooms"}))
    writer.write(encode_frame({"goodbye": True}))
    frames = FrameReader(max_bytes=10**6).receive_data(await reader.read())
    writer.close()
    assert most == 3
    answered = {frame["id"] for frame in frames if "result" in frame}
    assert answered >= set(range(7))


async def test_a_bot_may_ask_for_more_than_the_core_does_at_once(
    server: ControlServer, folder: Path
) -> None:
    async with Client.connect(folder, start=False) as me:
        room = await me.create_room("Birds")
        sent = await asyncio.gather(
            *(me.send(room.room, str(number)) for number in range(600))
        )
        assert len({message.id for message in sent}) == 600
        message = sent[0]
        waits = [
            asyncio.create_task(me.wait_delivered(room.room, message.id))
            for _ in range(300)
        ]
        await asyncio.sleep(0)
        for wait in waits[:100]:
            wait.cancel()
        # Those taken back make room for others.
        assert (await me.profile()).name == "Ada"
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
    while server._clients:
        await asyncio.sleep(0.001)


@pytest.mark.usefixtures("server")
async def test_the_command_line_reads_more_than_a_page(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(conversations, "MAX_PAGE", 4)
    async with Client.connect(folder, start=False) as me:
        room = await me.create_room("Birds")
        sent = [await me.send(room.room, str(number)) for number in range(11)]
    for options, wanted in (
        (["--limit", "100"], sent),
        (["--limit", "9"], sent[-9:]),
        (["--limit", "5", "--before", sent[7].id], sent[2:7]),
        (["--limit", "5", "--after", sent[2].id], sent[3:8]),
        (["--after", sent[2].id], sent[3:]),
        (["--limit", "3", "--around", sent[5].id], sent[4:7]),
    ):
        arguments = ["--profile", str(folder), "--json", "history", "Birds", *options]
        context = Context(
            arguments=build_parser().parse_args(arguments),
            output=Output(json=True),
            profile=folder,
            bootstrap=None,
            log_level=None,
        )
        assert await conversations.run(context) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [json.loads(line)["id"] for line in lines] == [m.id for m in wanted]


@pytest.mark.usefixtures("server")
async def test_a_call_too_large_to_send_harms_nothing(folder: Path) -> None:
    async with Client.connect(folder, start=False) as me:
        room = await me.create_room("Birds")
        with pytest.raises(UserFacingError) as caught:
            await me.send(room.room, "x" * (2 << 20))
        assert caught.value.code == "too-large"
        assert len(await me.rooms()) == 1


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("send", {}),
        ("send", {"room": "Birds"}),
        ("send", {"room": "Birds", "text": "x", "more": 1}),
        ("wait_delivered", {"room": "Birds", "id": "0", "timeout_s": float("nan")}),
        ("wait_delivered", {"room": "Birds", "id": "0", "timeout_s": float("inf")}),
        ("wait_delivered", {"room": "Birds", "id": "0", "timeout_s": 10**400}),
        ("history", {"room": "Birds", "limit": None}),
    ],
)
async def test_wrong_arguments_are_told_apart_from_bugs(
    folder: Path, call: str, arguments: dict[str, Any]
) -> None:
    async with Client.connect(folder, start=False) as me:
        await me.create_room("Birds")
        with pytest.raises(UserFacingError) as caught:
            await me._call(None, call, **arguments)
        assert caught.value.code == "bad-arguments"


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


async def test_who_leaves_first_does_not_wait_for_the_core_to_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[CoreProcess] = []
    monkeypatch.setattr(CoreProcess, "wait", waited.append)
    first = await Client.connect(folder, bootstrap="127.0.0.1:1")
    async with Client.connect(folder, start=False) as second:
        await first.close()
        assert waited == []
        assert (await second.profile()).name == "Ada"


@pytest.mark.usefixtures("server")
async def test_a_core_is_found_from_other_surroundings(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    async with Client.connect(folder, start=False) as me:
        assert (await me.profile()).name == "Ada"
    copy = tmp_path / "copy"
    # The core works on: what it keeps for a moment only may go while this copies.
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*-journal"))
    with pytest.raises(UserFacingError) as caught:
        await Client.connect(copy, start=False)
    assert caught.value.code == "no-core"


async def test_a_core_that_hangs_at_its_start_is_given_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Recorded(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Recorded)
    stuck = [sys.executable, "-c", "import time; time.sleep(600)"]
    monkeypatch.setattr(launch, "command", lambda *_: stuck)
    connecting = asyncio.create_task(Client.connect(folder).__aenter__())
    while not started:
        await asyncio.sleep(0.001)
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    await asyncio.to_thread(started[0].wait)
    monkeypatch.setattr(launch, "READY_LIMIT_S", 0.01)
    with pytest.raises(UserFacingError) as caught:
        await Client.connect(folder)
    assert caught.value.code == "core-stuck"
    assert started[1].returncode is not None


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
