"""Renders every screen and state with invented content into pictures.

For designers and documents: ``render(folder)`` drives the real window with a
:class:`ui.sample.SampleCore` behind it, in light and dark, wide and narrow, and saves
one PNG a state. Nothing here is used by the window itself.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import qasync  # type: ignore[import-untyped]
from PySide6.QtCore import QLocale, QMetaObject, QObject, qInstallMessageHandler
from PySide6.QtQml import QQmlExpression
from PySide6.QtQuick import QQuickItem

from app.errors import UserFacingError
from app.snapshots import NetworkSnapshot
from ui.application import Face, log_qt_message, make_application
from ui.bridge import pause
from ui.sample import SampleCore, SampleGateway, online, peer
from ui.window_state import WindowState

WIDE = (1120, 760)
NARROW = (360, 720)
SCHEMES = ("light", "dark")
SETTLE_S = 0.45
NOW_MS = 1_793_197_920_000
"""The moment at which all pictures play: a Wednesday afternoon."""

_MINUTE = 60_000
_DAY = 86_400_000


class _Posed(WindowState):
    """Remembers nothing but whether the words were seen."""

    def __init__(self, words_seen: bool) -> None:
        super().__init__(None)
        self._words_seen = words_seen

    def phrase_seen(self) -> bool:
        """What the picture wants."""
        return self._words_seen


class Scene:
    """A window to pose for one picture."""

    def __init__(self, gateway: SampleGateway, *, words_seen: bool = True) -> None:
        self.core = gateway.core
        self.gateway = gateway
        self.face = Face(gateway, state=_Posed(words_seen), now_ms=lambda: NOW_MS)

    def start(self, size: tuple[int, int], scheme: str) -> None:
        """Show the window in this size and colour scheme."""
        self.face.session.start()
        window = self.face.show()
        self.evaluate(f'Theme.scheme = "{scheme}"')
        window.setWidth(size[0])
        window.setHeight(size[1])

    def evaluate(self, script: str) -> object:
        """Run a line of script where the pages live."""
        assert self.face.window is not None
        page = self.face.window.findChild(QObject, "page")
        assert page is not None
        context = self.face.engine.contextForObject(page)
        value = QQmlExpression(context, page, script).evaluate()
        return value[0] if isinstance(value, tuple) else value

    def click(self, name: str) -> None:
        """Press the control with this object name."""
        assert self.face.window is not None
        item = find_item(self.face.window.contentItem(), name)
        assert item is not None, name
        QMetaObject.invokeMethod(item, "clicked")

    async def settle(self, seconds: float = SETTLE_S) -> None:
        """Let animations and answers come to rest."""
        await pause(seconds)

    async def open_room(self, name: str) -> None:
        """Open a room of the world by its name."""
        rooms = await self.core.rooms()
        room = next(room for room in rooms if room.name == name)
        self.face.session.openRoom(room.room)
        await self.settle()

    def save(self, path: Path) -> None:
        """Write what the window shows."""
        assert self.face.window is not None
        self.face.window.grabWindow().save(str(path))

    async def end(self) -> None:
        """Take the window away."""
        await self.face.stop()
        self.face.destroy()


def find_item(root: QQuickItem, name: str) -> QQuickItem | None:
    """The visible item with this object name, searched through what is shown."""
    if root.objectName() == name and root.isVisible():
        return root
    for child in root.childItems():
        found = find_item(child, name)
        if found is not None:
            return found
    return None


@dataclass(frozen=True, slots=True)
class Picture:
    """One state: how the world is, and how to get there."""

    name: str
    world: Callable[[], SampleGateway]
    pose: Callable[[Scene], Awaitable[None]]
    sizes: tuple[tuple[int, int], ...] = (WIDE, NARROW)
    known: bool = True
    """Whether the 24 words count as written down."""


def lively_world() -> SampleGateway:
    """Some rooms with people in them."""
    core = SampleCore(name="Ada Lovelace", now_ms=NOW_MS)
    garden = _fill_garden(core)
    circle = core.add_room("Reading circle", people=("Grace Hopper", "Emmy Noether"))
    room = circle.snapshot.room
    core.hear(room, "Emmy Noether", "Chapter four by Sunday?", at_ms=NOW_MS - _DAY)
    core.say(room, "Sunday works for me.", at_ms=NOW_MS - _DAY + 4 * _MINUTE, held_by=2)
    hike = core.add_room("Weekend hike \U0001f97e", people=("Grace Hopper", "Mary"))
    core.hear(
        hike.snapshot.room,
        "Grace Hopper",
        "Meet at the bridge at nine, bring something for the rain.",
        at_ms=NOW_MS - 26 * _MINUTE,
    )
    core.hear(hike.snapshot.room, "Mary", "\U0001f389", at_ms=NOW_MS - 21 * _MINUTE)
    notes = core.add_room(
        "Field notes", kind="broadcast", people=("Rachel Carson", "Mary")
    )
    for days, text in (
        (3, "First swallows over the north meadow, two weeks early this year."),
        (2, "The owl box has tenants again. Four eggs."),
    ):
        core.hear(
            notes.snapshot.room, "Rachel Carson", text, at_ms=NOW_MS - days * _DAY
        )
    self_room = core.add_room("Ideas", people=())
    core.say(
        self_room.snapshot.room,
        "A small machine that counts the birds at the feeder",
        at_ms=NOW_MS - 9 * _DAY,
    )
    core.connect(garden, "Grace Hopper", "Emmy Noether")
    core.connect(hike.snapshot.room, "Grace Hopper")
    core.set_network(
        online(
            peer("Grace Hopper", "direct", "198.51.100.7:49737", 24.0, 5_600_000),
            peer("Emmy Noether", "lan", "192.168.1.31:49737", 0.8, 731_000),
        )
    )
    return SampleGateway(core)


def _fill_garden(core: SampleCore) -> str:
    room = core.add_room(
        "Garden collective", people=("Grace Hopper", "Emmy Noether", "Mary Anning")
    ).snapshot.room
    yesterday = NOW_MS - _DAY
    grace, emmy, mary = "Grace Hopper", "Emmy Noether", "Mary Anning"
    core.hear(room, mary, "The compost has reached 60 degrees!", at_ms=yesterday)
    core.hear(
        room,
        mary,
        "I turned it twice this week, that seems to be the trick.",
        at_ms=yesterday + 20_000,
    )
    core.say(
        room, "Wonderful. Enough for both beds?", at_ms=yesterday + _MINUTE, held_by=3
    )
    core.hear(
        room, mary, "For both and the apple trees.", at_ms=yesterday + 3 * _MINUTE
    )
    start = NOW_MS - 42 * _MINUTE
    core.hear(
        room,
        grace,
        "Who has time on Saturday? The seedlings have to come out before the frost, and"
        " I would rather not carry forty pots alone.",
        at_ms=start,
    )
    core.hear(
        room,
        emmy,
        "I can come from ten to one. There is a plan of the beds here:"
        " https://garden.example/beds/plan-2026",
        at_ms=start + 6 * _MINUTE,
    )
    core.say(
        room,
        "Count me in, I bring the wheelbarrow.",
        at_ms=start + 8 * _MINUTE,
        held_by=2,
    )
    core.say(
        room,
        "And the long boards from the shed, so that nobody has to step on the beans.",
        at_ms=start + 8 * _MINUTE + 20_000,
        held_by=2,
    )
    core.hear(room, grace, "\U0001f33b\U0001f33b", at_ms=start + 9 * _MINUTE)
    core.hear(
        room,
        emmy,
        "Perfect. Then forty pots are ten minutes of work.",
        at_ms=start + 30 * _MINUTE,
    )
    core.say(room, "See you at ten!", at_ms=start + 41 * _MINUTE)
    core._change(room, unread=0)
    return room


def empty_world() -> SampleGateway:
    """A profile with nothing in it yet."""
    core = SampleCore(name="Ada Lovelace", now_ms=NOW_MS)
    core.set_network(online())
    return SampleGateway(core)


def new_world() -> SampleGateway:
    """No profile yet."""
    return SampleGateway(SampleCore(name="", now_ms=NOW_MS), exists=False)


def locked_world() -> SampleGateway:
    """A profile behind a passphrase."""
    gateway = empty_world()
    gateway.passphrase = "covey"
    return gateway


def broken_world() -> SampleGateway:
    """A core that does not start."""
    gateway = empty_world()
    gateway.refusal = UserFacingError(
        "corrupt-profile",
        "The profile's database is damaged; nothing was changed: put back a copy, or"
        " restore the 24 words into a new profile.",
    )
    return gateway


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


async def _members(scene: Scene) -> None:
    await scene.open_room("Garden collective")
    scene.click("membersButton")


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


def key_file_world() -> SampleGateway:
    """A profile whose key lies in a file, for want of a keychain."""
    gateway = lively_world()
    gateway.core.warning = (
        "The key of this profile lies in a file readable by you only; whoever copies"
        " the folder can read everything."
    )
    return gateway


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
    Picture("members", lively_world, _members),
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
