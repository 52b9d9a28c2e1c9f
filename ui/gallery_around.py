"""The gallery's pictures of what is around the talk: see :mod:`ui.gallery`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from PySide6.QtCore import QMetaObject

from ui.sample import key_of
from ui.scene import Picture, Scene
from ui.worlds import lively_world

GARDEN = "Garden collective"
_DAY = 86_400_000


async def ruled_world(scene: Scene) -> str:
    """Make the garden a room that Ada owns and has looked after for a while."""
    core = scene.core
    room = next(it for it in await core.rooms() if it.name == GARDEN).room
    keys = {it.name: it.identity_key for it in await core.members(room)}
    await core.set_role(room, keys[core.me], "owner")
    await core.set_role(room, keys["Grace Hopper"], "moderator")
    await core.configure(
        room,
        description="Beds, compost and tools behind the old school. Saturdays at ten.",
        retention_ms=90 * _DAY,
    )
    await core.mute(room, keys["Mary Anning"], until_ms=core.now_ms + _DAY)
    await core.invite(room, expires_ms=7 * _DAY, uses=5)
    await core.invite(room, role="reader", approval=True)
    core.knock(room, "Rachel Carson", key_of("Rachel Carson"))
    core.knock(room, "Maria Sibylla Merian", key_of("Merian"), role="reader")
    core.doors[room].banned[key_of("Spam")] = core.stranger("Cheap seeds 24")
    await scene.settle(0.1)
    return room


def _dialog(name: str) -> Callable[[Scene], Awaitable[None]]:
    async def pose(scene: Scene) -> None:
        scene.evaluate(f'page.item.show("{name}")')

    return pose


def _page(name: str) -> Callable[[Scene], Awaitable[None]]:
    """The panel beside the garden, opened at one of its pages."""

    async def pose(scene: Scene) -> None:
        await ruled_world(scene)
        await scene.open_room(GARDEN)
        scene.click("membersButton")
        await scene.settle()
        if name:
            scene.click(name)

    return pose


def _about_member(name: str, dialog: str) -> Callable[[Scene], Awaitable[None]]:
    async def pose(scene: Scene) -> None:
        await _page("")(scene)
        scene.click(f"member:{name}")
        if dialog:
            scene.evaluate("page.item.forceActiveFocus()")
            await scene.settle()
            scene.trigger(dialog)

    return pose


async def _invite_options(scene: Scene) -> None:
    await _page("")(scene)
    scene.evaluate('page.item.show("Invite")')
    await scene.settle()
    scene.click("inviteOptionsButton")


async def _knocked(scene: Scene) -> None:
    await ruled_world(scene)


async def _people(scene: Scene) -> None:
    core = scene.core
    core.meet("Maria Sibylla Merian", "asking", "I draw moths; Mary sent me.")
    core.meet("Alexander", "asking", "")
    grace = core.meet("Grace Hopper", "accepted")
    core.meet("Emmy Noether", "accepted")
    core.meet("Rachel Carson", "calling")
    core.meet("Cheap seeds 24", "blocked")
    core.kept["verified-people"] = f'["{grace.identity_key}"]'
    scene.face.session._around.people.verified.attach(core)
    await scene.settle(0.1)


async def _people_list(scene: Scene) -> None:
    await _people(scene)
    scene.evaluate('page.item.show("People")')


async def _write(scene: Scene) -> None:
    await _people(scene)
    link = "covey://contact/" + key_of("Rosalind")
    scene.evaluate(f'page.item.show("Write", {{ offered: "{link}" }})')


async def _safety(scene: Scene) -> None:
    await _people(scene)
    key = key_of("Emmy Noether")
    scene.evaluate(f'covey.people.compare("{key}", "Emmy Noether")')
    scene.evaluate('page.item.show("Safety")')


async def _compared(scene: Scene) -> None:
    await _safety(scene)
    await scene.settle(0.1)
    scene.evaluate("covey.people.setVerified(true)")


def _search(query: str, *, room: str = "") -> Callable[[Scene], Awaitable[None]]:
    async def pose(scene: Scene) -> None:
        where = ""
        if room:
            await scene.open_room(room)
            where = scene.face.session._rooms.selected
        scene.evaluate(f'page.item.find("{where}")')
        scene.find("searchField").setProperty("text", query)

    return pose


async def _indexing(scene: Scene) -> None:
    scene.core.index_is_whole = False
    await _search("the")(scene)


async def _found(scene: Scene) -> None:
    await _search("saturday")(scene)
    await scene.settle()
    row = scene.face.session._around.finder.found[0]
    scene.face.session.openMessage(row.room, row.messageId)


def _switch(letters: str) -> Callable[[Scene], Awaitable[None]]:
    async def pose(scene: Scene) -> None:
        await _people(scene)
        scene.evaluate('page.item.show("Switch")')
        await scene.settle()
        scene.find("switchField").setProperty("text", letters)

    return pose


def _settings(page: str) -> Callable[[Scene], Awaitable[None]]:
    async def pose(scene: Scene) -> None:
        scene.core.add_device("Laptop")
        scene.core.add_device("Old laptop", online=False)
        await _dialog("Settings")(scene)
        await scene.settle()
        if page:
            scene.click(f"settings:{page}")

    return pose


async def _linking(scene: Scene) -> None:
    await _dialog("Settings")(scene)
    await scene.settle()
    scene.click("settings:devices")
    await scene.settle(0.1)
    scene.click("linkDeviceButton")


async def _large(scene: Scene) -> None:
    scene.evaluate("covey.preferences.setSize(200)")
    await scene.open_room(GARDEN)


async def _large_list(scene: Scene) -> None:
    scene.evaluate("covey.preferences.setSize(200)")


async def _sorted_rooms(scene: Scene) -> None:
    await ruled_world(scene)
    core = scene.core
    rooms = {it.name: it.room for it in await core.rooms()}
    shelf = scene.face.session._around.shelf
    shelf.setPinned(rooms["Ideas"], True)
    shelf.setPinned(rooms["Reading circle"], True)
    shelf.setArchived(rooms["Field notes"], True)
    hike = next(name for name in rooms if name.startswith("Weekend"))
    core._change(rooms[hike], mentions=1)
    choir = core.add_room("Choir", people=("Grace Hopper",)).snapshot.room
    await scene.settle(0.1)
    shelf.setUnread(choir, True)
    scene.face.session._rooms.set_typing(
        rooms[GARDEN], "1", "Emmy Noether", typing=True
    )


async def _archive(scene: Scene) -> None:
    await _sorted_rooms(scene)
    scene.click("archiveRow")


async def _room_menu(scene: Scene) -> None:
    await _sorted_rooms(scene)
    await scene.settle(0.2)
    QMetaObject.invokeMethod(scene.find(f"room:{GARDEN}"), "menuWanted")


PICTURES_AROUND = (
    Picture("rooms-sorted", lively_world, _sorted_rooms),
    Picture("archive", lively_world, _archive),
    Picture("room-menu", lively_world, _room_menu),
    Picture("settings", lively_world, _settings("")),
    Picture("settings-profile", lively_world, _settings("profile")),
    Picture("settings-devices", lively_world, _settings("devices")),
    Picture("settings-linking", lively_world, _linking),
    Picture("settings-privacy", lively_world, _settings("privacy")),
    Picture("settings-appearance", lively_world, _settings("looks")),
    Picture("settings-network", lively_world, _settings("network")),
    Picture("settings-about", lively_world, _settings("about")),
    Picture("shortcuts", lively_world, _dialog("Shortcuts")),
    Picture("words-asked", lively_world, _dialog("Words")),
    Picture("large-type", lively_world, _large),
    Picture("large-type-rooms", lively_world, _large_list),
    Picture("switcher", lively_world, _switch("")),
    Picture("switcher-letters", lively_world, _switch("re")),
    Picture("search-empty", lively_world, _search("")),
    Picture("search", lively_world, _search("the")),
    Picture("search-in-room", lively_world, _search("ten", room=GARDEN)),
    Picture("search-nothing", lively_world, _search("zebra")),
    Picture("search-indexing", lively_world, _indexing),
    Picture("search-found", lively_world, _found),
    Picture("message-requests", lively_world, _people),
    Picture("people", lively_world, _people_list),
    Picture("people-empty", lively_world, _dialog("People")),
    Picture("write", lively_world, _write),
    Picture("contact-code", lively_world, _dialog("Code")),
    Picture("safety-number", lively_world, _safety),
    Picture("compared", lively_world, _compared),
    Picture("details", lively_world, _page("")),
    Picture("requests", lively_world, _page("requestsRow")),
    Picture("invites", lively_world, _page("invitesRow")),
    Picture("banned", lively_world, _page("bannedRow")),
    Picture("room-settings", lively_world, _page("roomSettingsRow")),
    Picture("member-menu", lively_world, _about_member("Emmy Noether", "")),
    Picture("role", lively_world, _about_member("Emmy Noether", "roleItem")),
    Picture("mute", lively_world, _about_member("Emmy Noether", "muteItem")),
    Picture("ban", lively_world, _about_member("Emmy Noether", "banItem")),
    Picture("invite-options", lively_world, _invite_options),
    Picture("knocked", lively_world, _knocked),
)
