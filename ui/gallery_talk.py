"""Pictures of the conversation: what can be said, and what can be done with it."""

from __future__ import annotations

from PySide6.QtQml import QQmlExpression
from PySide6.QtQuick import QQuickItem

from app.snapshots import PollOptionSnapshot, PollSnapshot, ReactionSnapshot
from ui.sample import SampleCore, SampleGateway, key_of
from ui.scene import NARROW, NOW_MS, WIDE, Picture, Scene, find_item, top_of
from ui.worlds import lively_world

_MINUTE = 60_000
_GARDEN = "Garden collective"
_CODE = (
    "The watering runs on the little computer now. This is all it does:\n"
    "```python\n"
    "def water(bed: Bed, *, minutes: int = 4) -> None:\n"
    "    # Not in the rain, and never at noon.\n"
    '    if bed.soil < 0.35 and not forecast("rain"):\n'
    "        bed.valve.open(minutes * 60)\n"
    "```\n"
    "> What if the sensor fails?\n\n"
    "Then it **waters every morning**, as before. Two things to do:\n"
    "- bring `libgpio` up to date\n"
    "- write the *manual*, ~~some day~~ on Sunday"
)


def _garden_of(core: SampleCore) -> str:
    return next(key for key, it in core._rooms.items() if it.snapshot.name == _GARDEN)


def talking_world() -> SampleGateway:
    """The garden's people have used everything there is."""
    gateway = lively_world()
    core = gateway.core
    room = _garden_of(core)
    grace, emmy, mary = "Grace Hopper", "Emmy Noether", "Mary Anning"
    asked = core.hear(
        *(room, grace, "Which day for the harvest supper?"),
        at_ms=NOW_MS - 38 * _MINUTE,
        kind="poll",
        poll=PollSnapshot(
            (
                PollOptionSnapshot("Friday", 1, False),
                PollOptionSnapshot("Saturday", 3, True),
                PollOptionSnapshot("Sunday", 0, False),
            ),
            *(False, None, 4),
        ),
    )
    core.hear(
        *(room, emmy, "Saturday, then everybody can stay late @Ada Lovelace"),
        at_ms=NOW_MS - 30 * _MINUTE,
        reply_to=asked.id,
        mentions=(key_of(core.me),),
        mentions_me=True,
        reactions=(
            ReactionSnapshot("\U0001f44d", 3, True),
            ReactionSnapshot("\U0001f389", 1, False),
        ),
    )
    key = core.hear(
        *(room, mary, "The key hangs behind the third flower pot."),
        at_ms=NOW_MS - 24 * _MINUTE,
        pinned=True,
    )
    core.hear(
        *(room, grace, "Which one is the third?"),
        at_ms=NOW_MS - 22 * _MINUTE,
        thread=key.id,
        reply_to=key.id,
    )
    core.hear(
        *(room, mary, "The blue one, counted from the gate."),
        at_ms=NOW_MS - 20 * _MINUTE,
        thread=key.id,
    )
    core.hear(
        *(room, emmy, "Frost warning for the valley from Thursday night on."),
        at_ms=NOW_MS - 12 * _MINUTE,
        forwarded_from="Rachel Carson",
    )
    core.say(
        *(room, "I cover the beans tonight."),
        at_ms=NOW_MS - 6 * _MINUTE,
        held_by=2,
        edited=True,
        reactions=(ReactionSnapshot("\u2764\ufe0f", 2, False),),
    )
    core.hear(room, grace, "", at_ms=NOW_MS - 4 * _MINUTE, deleted=True)
    core.say(
        *(room, "The alarm code of the shed is 4711."),
        at_ms=NOW_MS - 3 * _MINUTE,
        held_by=1,
        expires_at=NOW_MS + 60 * _MINUTE,
    )
    core._change(room, unread=0)
    return gateway


def coding_world() -> SampleGateway:
    """A message with code, a quote and a list."""
    gateway = lively_world()
    core = gateway.core
    room = _garden_of(core)
    core.say(room, _CODE, at_ms=NOW_MS - 2 * _MINUTE, held_by=3)
    core.hear(
        *(room, "Emmy Noether", "> Not in the rain\nLovely. It **works**!"),
        at_ms=NOW_MS - _MINUTE,
    )
    core._change(room, unread=0)
    return gateway


async def _talk(scene: Scene) -> None:
    await scene.open_room(_GARDEN)


def _item(scene: Scene, name: str) -> QQuickItem:
    assert scene.face.window is not None
    found = find_item(top_of(scene.face.window.contentItem()), name)
    assert found is not None, name
    return found


def _evaluate(scene: Scene, name: str, script: str) -> None:
    """Run a line of script where the item with this object name lives."""
    item = _item(scene, name)
    context = scene.face.engine.contextForObject(item)
    QQmlExpression(context, item, script).evaluate()


def _message(scene: Scene, words: str) -> str:
    """Id of the loaded message that says this."""
    model = scene.face.session._conversation._messages
    return next(e.message.id for e in model.entries if words in e.message.text)


async def _reply(scene: Scene) -> None:
    await _talk(scene)
    scene.evaluate(
        f'covey.conversation.composing.reply("{_message(scene, "third flower")}")'
    )


async def _edit(scene: Scene) -> None:
    await _talk(scene)
    scene.evaluate("covey.conversation.composing.editLast()")


async def _menu(scene: Scene) -> None:
    await _talk(scene)
    model = scene.face.session._conversation._messages
    at = model.find(_message(scene, "Saturday, then"))
    _evaluate(scene, "messageList", f"area.showRow({at})")
    await scene.settle()
    script = f"menu.show(list.itemAtIndex({at}), list.itemAtIndex({at}), 60, 60)"
    _evaluate(scene, "messageList", script)


async def _picker(scene: Scene) -> None:
    await _talk(scene)
    scene.click("emojiButton")
    await scene.settle()
    scene.evaluate('covey.emoji.show("smileys")')


async def _search(scene: Scene) -> None:
    await _picker(scene)
    scene.evaluate('covey.emoji.search("heart")')


async def _thread(scene: Scene) -> None:
    await _talk(scene)
    scene.evaluate(
        f'covey.conversation.openThread("{_message(scene, "third flower")}")'
    )


async def _select(scene: Scene) -> None:
    await _talk(scene)
    for words in ("third flower", "Frost warning", "cover the beans"):
        found = _message(scene, words)
        scene.evaluate(f'covey.conversation.toggleSelected("{found}")')


async def _typing(scene: Scene) -> None:
    await _talk(scene)
    room = scene.face.session._conversation._get_room()
    scene.core.writes(room, "Grace Hopper")
    scene.core.writes(room, "Mary Anning")


async def _sheet(scene: Scene, name: str, properties: str = "{}") -> None:
    await _talk(scene)
    _evaluate(scene, "conversationPane", f'showSheet("{name}", {properties})')


async def _ledger(scene: Scene) -> None:
    await _talk(scene)
    found = _message(scene, "alarm code")
    await _sheet(scene, "DeliverySheet", f'{{messageId: "{found}"}}')


async def _responses(scene: Scene) -> None:
    await _talk(scene)
    found = _message(scene, "Saturday, then")
    await _sheet(scene, "ResponsesSheet", f'{{messageId: "{found}"}}')


async def _forward(scene: Scene) -> None:
    await _sheet(scene, "ForwardSheet", "{ids: ['x']}")


async def _delete(scene: Scene) -> None:
    await _sheet(scene, "DeleteSheet", "{ids: ['x', 'y']}")


async def _poll(scene: Scene) -> None:
    await _sheet(scene, "PollSheet")


async def _later(scene: Scene) -> None:
    await _sheet(scene, "ScheduleSheet", "{words: 'Good morning'}")


async def _waiting(scene: Scene) -> None:
    await _talk(scene)
    room = scene.face.session._conversation._get_room()
    for hours, text in ((15, "Good morning! Who brings the buns?"), (40, "Last call.")):
        await scene.core.schedule(room, text, send_at=NOW_MS + hours * 60 * _MINUTE)
    await scene.settle()
    await _sheet(scene, "ScheduledSheet")


async def _plus(scene: Scene) -> None:
    await _talk(scene)
    scene.click("composerMenuButton")


async def _mention(scene: Scene) -> None:
    await _talk(scene)
    composer = _item(scene, "composer")
    composer.setProperty("text", "Thanks @")
    composer.setProperty("cursorPosition", 8)


async def _shortcode(scene: Scene) -> None:
    await _talk(scene)
    composer = _item(scene, "composer")
    composer.setProperty("text", "Well done :hea")
    composer.setProperty("cursorPosition", 14)


PICTURES_TALK = (
    Picture("talk", talking_world, _talk),
    Picture("talk-code", coding_world, _talk),
    Picture("talk-reply", talking_world, _reply),
    Picture("talk-edit", talking_world, _edit, sizes=(WIDE,)),
    Picture("talk-menu", talking_world, _menu),
    Picture("talk-emoji", talking_world, _picker),
    Picture("talk-emoji-search", talking_world, _search, sizes=(NARROW,)),
    Picture("talk-thread", talking_world, _thread),
    Picture("talk-select", talking_world, _select),
    Picture("talk-typing", talking_world, _typing, sizes=(NARROW,)),
    Picture("talk-ledger", talking_world, _ledger),
    Picture("talk-responses", talking_world, _responses, sizes=(NARROW,)),
    Picture("talk-forward", talking_world, _forward),
    Picture("talk-delete", talking_world, _delete, sizes=(NARROW,)),
    Picture("talk-poll", talking_world, _poll),
    Picture("talk-later", talking_world, _later),
    Picture("talk-waiting", talking_world, _waiting, sizes=(NARROW,)),
    Picture("talk-plus", talking_world, _plus),
    Picture("talk-mention", talking_world, _mention),
    Picture("talk-shortcode", talking_world, _shortcode, sizes=(NARROW,)),
)
