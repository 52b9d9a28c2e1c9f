"""The invented worlds in which the gallery's pictures play."""

from __future__ import annotations

from app.errors import UserFacingError
from ui.sample import SampleCore, SampleGateway, online, peer
from ui.scene import NOW_MS

_MINUTE = 60_000
_DAY = 86_400_000


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


def key_file_world() -> SampleGateway:
    """A profile whose key lies in a file, for want of a keychain."""
    gateway = lively_world()
    gateway.core.warning = (
        "The key of this profile lies in a file readable by you only; whoever copies"
        " the folder can read everything."
    )
    return gateway
