"""Renders every screen and state with invented content into pictures.

For designers and documents: ``render(folder)`` drives the real window with a
:class:`ui.sample.SampleCore` behind it, in light and dark, wide and narrow, and saves
one PNG a state. Nothing here is used by the window itself.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import qasync  # type: ignore[import-untyped]
from PySide6.QtCore import QLocale, qInstallMessageHandler

from app.errors import UserFacingError
from app.snapshots import NetworkSnapshot
from ui.application import log_qt_message, make_application
from ui.gallery_around import PICTURES_AROUND
from ui.gallery_talk import PICTURES_TALK
from ui.scene import WIDE, Picture, Scene
from ui.worlds import (
    broken_world,
    empty_world,
    key_file_world,
    lively_world,
    locked_world,
    new_world,
)

SCHEMES = ("light", "dark")


async def _nothing(scene: Scene) -> None:
    del scene


async def _restore(scene: Scene) -> None:
    scene.evaluate("page.item.restoring = true")


async def _garden(scene: Scene) -> None:
    await scene.open_room("Garden collective")


async def _hike(scene: Scene) -> None:
    await scene.open_room("Weekend hike \U0001f97e")


async def _broadcast(scene: Scene) -> None:
    await scene.open_room("Field notes")


async def _fresh_room(scene: Scene) -> None:
    room = scene.core.add_room("Choir", people=())
    await scene.settle(0.1)
    scene.face.session.openRoom(room.snapshot.room)


def _dialog(name: str, room: str = "") -> Callable[[Scene], Awaitable[None]]:
    async def pose(scene: Scene) -> None:
        if room:
            await scene.open_room(room)
        scene.evaluate(f'page.item.show("{name}")')

    return pose


async def _joining(scene: Scene) -> None:
    scene.core.waits_s = 60.0
    scene.evaluate('page.item.show("Join", { offered: "covey://join/3kbnmtqwx5z1n8" })')
    await scene.settle(0.2)
    scene.evaluate('covey.joiner.join("covey://join/3kbnmtqwx5z1n8")')


async def _join_refused(scene: Scene) -> None:
    scene.evaluate('page.item.show("Join", { offered: "https://example.org/room" })')


async def _connection(scene: Scene) -> None:
    scene.click("connectionChip")


async def _offline(scene: Scene) -> None:
    scene.core.set_network(
        NetworkSnapshot(
            "offline",
            0,
            "unknown",
            None,
            sentence="No network: none of the known nodes answers. What you write is"
            " kept and goes out later.",
        )
    )
    await scene.open_room("Garden collective")
    scene.click("connectionChip")


async def _searching(scene: Scene) -> None:
    scene.core.set_network(NetworkSnapshot("searching", 3, "unknown", None))


async def _stopped(scene: Scene) -> None:
    await scene.open_room("Garden collective")
    scene.core.end("Covey's core has ended unexpectedly.")


async def _failed_message(scene: Scene) -> None:
    await scene.open_room("Reading circle")
    scene.core.refusal = UserFacingError("disk", "The disk is full.")
    scene.face.session._conversation.send("Then Sunday at seven, at my place.")


async def _draft(scene: Scene) -> None:
    await scene.open_room("Reading circle")
    scene.evaluate('covey.conversation.setDraft("I have finished it already, and")')
    await scene.open_room("Garden collective")
    text = "\\n".join(("Dear all,", "", "three things for Saturday:", "- gloves"))
    scene.evaluate(f'covey.conversation.setDraft("{text}")')
    scene.evaluate("covey.conversation.draftChanged()")


PICTURES = (
    Picture("welcome", new_world, _nothing),
    Picture("restore", new_world, _restore),
    Picture("phrase", empty_world, _nothing, known=False),
    Picture("locked", locked_world, _nothing),
    Picture("failed", broken_world, _nothing),
    Picture("empty", empty_world, _nothing),
    Picture("key-warning", key_file_world, _nothing),
    Picture("rooms", lively_world, _nothing),
    Picture("conversation", lively_world, _garden),
    Picture("new-line", lively_world, _hike),
    Picture("broadcast", lively_world, _broadcast),
    Picture("room-ready", empty_world, _fresh_room),
    Picture("new-room", lively_world, _dialog("NewRoom")),
    Picture("invite", lively_world, _dialog("Invite", "Garden collective")),
    Picture("join", lively_world, _dialog("Join")),
    Picture("joining", lively_world, _joining),
    Picture("join-refused", lively_world, _join_refused),
    Picture("leave", lively_world, _dialog("Leave", "Garden collective")),
    Picture("words", lively_world, _dialog("Phrase")),
    Picture("connection", lively_world, _connection),
    Picture("offline", lively_world, _offline, sizes=(WIDE,)),
    Picture("searching", empty_world, _searching),
    Picture("stopped", lively_world, _stopped),
    Picture("not-sent", lively_world, _failed_message),
    Picture("draft", lively_world, _draft),
    *PICTURES_AROUND,
    *PICTURES_TALK,
)


async def render(
    folder: Path, *, only: tuple[str, ...] = (), schemes: tuple[str, ...] = SCHEMES
) -> list[Path]:
    """Draw the pictures into a folder.

    Args:
        folder: Where to; made when missing.
        only: Names of the pictures wanted; all when empty.
        schemes: Which of ``light`` and ``dark``.

    Returns:
        The files written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for picture in PICTURES:
        if only and picture.name not in only:
            continue
        for size in picture.sizes:
            for scheme in schemes:
                width = "wide" if size == WIDE else "narrow"
                path = folder / f"{picture.name}-{width}-{scheme}.png"
                await _draw(picture, size, scheme, path)
                written.append(path)
    return written


async def _draw(
    picture: Picture, size: tuple[int, int], scheme: str, path: Path
) -> None:
    scene = Scene(picture.world(), words_seen=picture.known)
    try:
        scene.start(size, scheme)
        await scene.settle()
        await picture.pose(scene)
        await scene.settle()
        scene.save(path)
    finally:
        await scene.end()


def main(folder: Path, *, only: tuple[str, ...] = ()) -> int:
    """Render the gallery; the command ``covey gallery``."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ.setdefault("QT_QUICK_BACKEND", "software")
    qInstallMessageHandler(log_qt_message)
    application = make_application(["covey"])
    QLocale.setDefault(QLocale(QLocale.Language.English, QLocale.Country.UnitedKingdom))
    loop = qasync.QEventLoop(application)
    with loop:
        loop.run_until_complete(render(folder, only=only))
    return 0
