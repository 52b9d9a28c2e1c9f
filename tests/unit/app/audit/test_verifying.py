"""Exports that were changed, by others or by their exporter: each is noticed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import cache
from hashlib import blake2b
from io import BytesIO
from typing import Any

import pytest

from app.audit import MAX_LINE_BYTES, verify_export, verifying, weight
from app.audit.exporting import Gathered, Take, summary_signable
from app.audit.lines import encode_line
from app.errors import UserFacingError
from app.rooms.operations import decode_operation
from app.rooms.operations.acts import Admit, Profile, Settings
from net.crypto import sign
from tests.unit.app.audit.paper_room import (
    ADA,
    BO,
    CY,
    START_MS,
    PaperRoom,
    Seat,
    busy_room,
    exported,
    invite_pair,
    verified,
)

Lines = list[bytes]


@cache
def _good() -> tuple[bytes, ...]:
    return tuple(exported(busy_room()))


def good() -> Lines:
    """The lines of an export that holds."""
    return list(_good())


def refusal(lines: Lines) -> str:
    """Why lines do not hold: one sentence."""
    with pytest.raises(UserFacingError) as caught:
        verified(lines)
    assert caught.value.code == "audit"
    sentence = caught.value.sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


def changed(lines: Lines, at: int, change: Callable[[dict[str, Any]], None]) -> Lines:
    """The lines with one that says something else."""
    value = json.loads(lines[at])
    change(value)
    return [*lines[:at], encode_line(value), *lines[at + 1 :]]


def sealed(lines: Lines, who: Seat = ADA) -> Lines:
    """The lines with a summary that fits them, as a lying exporter would sign it."""
    before = b"".join(lines[:-1])
    digest = blake2b(before, digest_size=32).digest()
    room = bytes.fromhex(json.loads(lines[0])["room"])
    signature = sign(summary_signable(room, digest), who.device.secret_key)
    acts = sum(json.loads(line)["type"] == "act" for line in lines)
    summary = {"type": "summary", "lines": len(lines) - 1, "acts": acts}
    signed = {"hash": digest.hex(), "signature": signature.hex()}
    return [*lines[:-1], encode_line({**summary, **signed})]


def first(lines: Lines, kind: str, **wanted: Any) -> int:
    """The number of the first line of a kind that says all this."""
    for at, line in enumerate(lines):
        value = json.loads(line)
        if value["type"] == kind and wanted.items() <= value.items():
            return at
    raise AssertionError(f"no {kind} with {wanted}")


def put(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """A change of one field."""

    def change(line: dict[str, Any]) -> None:
        assert json.dumps(line[name]) != json.dumps(value)
        line[name] = value

    return change


def test_what_was_exported_holds() -> None:
    audit = verified(good())
    assert (len(audit.acts), audit.void_count) == (14, 3)
    assert audit.inside
    assert audit.header.exporter == "Ada"
    assert [log.act_count for log in audit.logs] == [10, 2, 1, 1]
    assert [told.why for told in audit.told() if told.why] == [
        "its device was out of the room",
        "the rank of member gave no right to that",
        "that device had not been silent for long enough",
    ]


def test_sealing_anew_changes_nothing() -> None:
    assert sealed(good()) == good()


def test_every_line_is_covered_by_the_summary() -> None:
    lines = good()
    for at in range(len(lines) - 1):
        without = lines[:at] + lines[at + 1 :]
        assert "does not hold" in refusal(without)
        twice = lines[: at + 1] + lines[at:]
        assert "does not hold" in refusal(twice)


@pytest.mark.parametrize("step", [1, 97])
def test_a_cut_file_is_noticed_wherever_it_ends(step: int) -> None:
    whole = b"".join(good())
    starts = (
        range(0, len(whole), 997) if step > 1 else range(len(whole) - 99, len(whole))
    )
    for end in starts:
        with pytest.raises(UserFacingError, match=r"cut off|ends before its summary"):
            verify_export(BytesIO(whole[:end]))


def test_any_flipped_byte_is_noticed() -> None:
    whole = b"".join(good())
    for at in range(0, len(whole), 211):
        damaged = whole[:at] + bytes((whole[at] ^ 1,)) + whole[at + 1 :]
        with pytest.raises(UserFacingError, match=r"^Line "):
            verify_export(BytesIO(damaged))


@pytest.mark.parametrize(
    ("limit", "reason"),
    [
        ("MAX_ACTS", "there are more than 2 acts"),
        ("MAX_LOGS", "there are more than 2 logs"),
        ("MAX_WEIGHT", "the acts name more than can be checked"),
    ],
)
def test_files_beyond_the_limits_are_refused(
    limit: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = good()
    where = weight if limit == "MAX_WEIGHT" else verifying
    monkeypatch.setattr(where, limit, 2)
    assert reason in refusal(lines)


def test_nothing_follows_the_summary() -> None:
    assert refusal([*good(), b"\n"]).startswith("Line 26 does not hold: nothing may")


def test_a_summary_of_another_device_is_no_summary() -> None:
    assert "has not signed it" in refusal(sealed(good(), BO))


def test_an_exporter_who_was_never_in_the_room_is_noticed() -> None:
    stranger = Seat("Eve", BO.identity, CY.device, BO.proof)
    lines = changed(
        good(), 0, lambda it: it["exporter"].update(proof=BO.proof.encode().hex())
    )
    assert "not proven to be that identity's" in refusal(sealed(lines, stranger))
    eve = PaperRoom()
    outside = sealed(exported(eve, CY), CY)
    assert "was never in the room" in refusal(outside)


def test_who_left_may_export_what_was_known() -> None:
    audit = verified(exported(busy_room(), CY))
    assert not audit.inside


def test_giant_lines_are_refused_unread() -> None:
    class Endless(BytesIO):
        def readline(self, limit: int | None = -1, /) -> bytes:
            assert limit is not None
            assert 0 < limit <= MAX_LINE_BYTES + 1
            return b"[" * limit

    with pytest.raises(UserFacingError, match="Line 1 does not hold: it is longer"):
        verify_export(Endless())


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"[" * 900_000 + b"\n", "it is no JSON"),
        (b'{"type":' * 100_000 + b"\n", "it is no JSON"),
        (b"[]\n", "it is no JSON object"),
        (b"\xff\n", "it is no JSON"),
        (b"NaN\n", "it is no JSON"),
        (b'{"type":"act","clock":' + b"9" * 5000 + b"}\n", "it is no JSON"),
        (b'{"type":"\\ud800"}\n', "it is no JSON"),
        (b'{"type": "act"}\n', "it is not spelt"),
        (b'{"type":"act","type":"act"}\n', "it is not spelt"),
        (b'{"type":"\\u0061ct"}\n', "it is not spelt"),
        (b"\n", "it is no JSON"),
        (b'{"type":"act"}\n', "its fields are not those"),
    ],
)
def test_lines_that_are_none_are_refused(line: bytes, reason: str) -> None:
    lines = good()
    at = first(lines, "act") + 2
    said = refusal([*lines[:at], line, *lines[at:]])
    assert said.startswith(f"Line {at + 1} does not hold: {reason}")


@pytest.mark.parametrize("kind", ["log", "wish"])
def test_lines_of_another_kind_end_the_acts(kind: str) -> None:
    lines = good()
    at = first(lines, "act", act="mute")
    stray = encode_line({"type": kind})
    said = refusal([*lines[:at], stray, *lines[at:]])
    assert said.startswith(f"Line {at + 1} does not hold: of the log of device")
    assert refusal([lines[0], stray, *lines[1:]]).startswith("Line 2 does not hold")


ACT_FIELDS = (
    *("clock", "device", "sequence", "links", "sentAt", "seen", "clocks", "act"),
    *("fields", "says", "by", "effect", "why", "block", "blockKey", "proof"),
)
STRANGE: tuple[Any, ...] = (
    *(None, True, 7, -1, 1.5, 2**60, "", "x", "00", "A" * 64, [], [[]], [1], {}),
    *({"x": 1}, [["00", 1]], [[1, "00" * 32]], [["00" * 32, -1]], {"00" * 32: "1"}),
)


@pytest.mark.parametrize("name", ACT_FIELDS)
def test_no_field_of_an_act_may_be_anything_else(name: str) -> None:
    lines = good()
    at = first(lines, "act", act="remove")
    now = json.loads(lines[at])[name]
    for strange in STRANGE:
        if type(strange) is type(now) and strange == now:
            continue
        lied = sealed(changed(lines, at, put_any(name, strange)))
        assert "does not hold" in refusal(lied), strange


@pytest.mark.parametrize(
    "name", ["device", "log", "length", "roots", "signature", "acts", "read", "fork"]
)
def test_no_field_of_a_log_may_be_anything_else(name: str) -> None:
    lines = good()
    for strange in (*STRANGE, 1, 3):
        now = json.loads(lines[2])[name]
        if type(strange) is type(now) and strange == now:
            continue
        lied = sealed(changed(lines, 2, put_any(name, strange)))
        assert "does not hold" in refusal(lied), strange


@pytest.mark.parametrize("kind", ["room", "member"])
def test_no_field_of_the_outcome_may_be_anything_else(kind: str) -> None:
    lines = good()
    at = first(lines, kind)
    for name in json.loads(lines[at]):
        wrong: tuple[Any, ...] = (None, True, False, 0, 7, "", "x", [], {})
        for strange in wrong:
            now = json.loads(lines[at])[name]
            if type(strange) is type(now) and strange == now:
                continue
            lied = sealed(changed(lines, at, put_any(name, strange)))
            assert refusal(lied).startswith(f"Line {at + 1} does not hold")


def put_any(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """A change of one field to anything."""

    def change(line: dict[str, Any]) -> None:
        line[name] = value

    return change


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("room", "11" * 32, "its block was not written for this room"),
        ("namespace", "11" * 32, "the log is not that of its device in this room"),
        ("founder", BO.key.hex(), "the first act is the founding"),
        ("name", "Bees", "the room or its exporter has another name"),
        ("format", 2, "it is of another version"),
        ("format", True, "it is of another version"),
        ("exportedAt", -1, "its exportedAt cannot be"),
        ("exporter", {}, "its fields are not those"),
        ("exporter", None, "its exporter cannot be"),
    ],
)
def test_no_field_of_the_header_may_be_anything_else(
    name: str, value: Any, line: str
) -> None:
    assert line in refusal(sealed(changed(good(), 0, put(name, value))))


def test_an_act_cannot_be_moved() -> None:
    lines = good()
    at = first(lines, "act", act="remove-device")
    moved = [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]
    assert "the acts are in the order of their places" in refusal(sealed(moved))
    at = first(lines, "act", act="found")
    clock = json.loads(lines[at])["clock"]
    earlier = sealed(changed(lines, at, put("clock", clock - 1)))
    assert "its clock is not what its block says" in refusal(earlier)
    at = first(lines, "act", act="mute")
    other = sealed(changed(lines, at, put("sequence", 0)))
    assert f"Line {at + 1} does not hold: its block does not stand" in refusal(other)
    theirs = sealed(changed(lines, at, put("device", CY.key.hex())))
    assert f"Line {at + 1} does not hold: its " in refusal(theirs)


def test_the_block_key_of_another_block_opens_nothing() -> None:
    lines = good()
    at = first(lines, "act", act="remove")
    key = json.loads(lines[at - 1])["blockKey"]
    lied = sealed(changed(lines, at, put("blockKey", key)))
    assert refusal(lied) == (
        f"Line {at + 1} does not hold: its block key is not that of its block."
    )


def test_the_proof_of_another_block_proves_nothing() -> None:
    lines = good()
    at = first(lines, "act", act="remove", device=ADA.key.hex())
    other = json.loads(lines[first(lines, "act", act="found")])
    lied = sealed(changed(lines, at, put("proof", other["proof"])))
    assert f"Line {at + 1} does not hold: its " in refusal(lied)
    # And with the whole of another act behind its place.
    for name in ("proof", "block", "blockKey"):
        lines = changed(lines, at, put_any(name, other[name]))
    assert f"Line {at + 1} does not hold: its " in refusal(sealed(lines))


def test_a_log_of_another_room_is_not_this_ones() -> None:
    lines, other = good(), exported(PaperRoom(room_key=b"o" * 32))
    at = first(lines, "log", device=ADA.key.hex())
    lied = [*lines[:at], other[1], *lines[at + 1 :]]
    assert f"Line {at + 1} does not hold: the log is not that" in refusal(sealed(lied))


def test_an_act_left_out_is_noticed_where_its_number_was_told() -> None:
    lines = good()
    at = first(lines, "act", act="rest")
    lied = sealed(lines[:at] + lines[at + 1 :])
    assert "10 acts were told of, and 9 are here" in refusal(lied)


def test_a_false_outcome_is_noticed() -> None:
    lines = good()
    at = first(lines, "act", effect="void")
    lied = changed(lines, at, put("effect", "in force"))
    lied = changed(lied, at, put("why", None))
    said = refusal(sealed(lied))
    assert f'Line {at + 1} does not hold: by the rules it says "Cy removed Bo"' in said
    member = first(lines, "member", name="Cy")
    back = changed(lines, member, put("present", True))
    assert "its present is not what the acts make it" in refusal(sealed(back))


def test_logs_stand_in_the_order_of_their_devices() -> None:
    lines = good()
    assert json.loads(lines[2])["type"] == "log"
    for others in ([lines[2], lines[1]], [lines[1], lines[1], lines[2]]):
        lied = sealed([lines[0], *others, *lines[3:]])
        assert "Line 3 does not hold: the logs are in the order" in refusal(lied)


def test_what_is_forged_inside_an_act_is_noticed() -> None:
    room = PaperRoom()
    room.let_in(ADA, 1, BO)
    pair = invite_pair(1)
    # The invite has let Bo in, and its signature says so of Bo alone.
    [admit] = [
        decode_operation(it.data).body
        for it in room.stored
        if isinstance(decode_operation(it.data).body, Admit)
    ]
    assert isinstance(admit, Admit)
    forged = Admit(pair.public_key, "Cy", CY.proof, admit.signature)
    room.write(ADA, forged)
    assert "a signature or hash inside the act is wrong" in refusal(exported(room))


def test_a_message_is_no_act() -> None:
    room = busy_room()
    lines = exported(room)
    at = first(lines, "act", act="mute")
    message = room.logs[BO.key].blocks[0]
    clock = room.logs[BO.key].clocks[0]
    shown = asyncio.run(room.logs[BO.key].show(0, 3))
    value = json.loads(lines[at])
    value |= {"clock": clock, "sequence": 0, "block": message.hex()}
    value |= {"proof": [[size, digest.hex()] for size, digest in shown.proof]}
    value |= {"blockKey": room.block_key(message, BO.key, 0).hex()}
    lied = sealed([*lines[: at - 1], encode_line(value), *lines[at:]])
    assert f"Line {at} does not hold: its block is no act" in refusal(lied)


def test_a_log_whose_clocks_fall_is_broken() -> None:
    room = PaperRoom()
    room.write(ADA, Profile("Ada L."), clock=START_MS + 9_000)
    room.write(ADA, Profile("Ada M."), clock=START_MS + 5_000, backdated=True)
    assert "numbers and clocks rise within a log" in refusal(exported(room))


def test_acts_that_the_exporter_had_not_read_cannot_be_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room = PaperRoom()
    room.write(ADA, Profile("Ada L."))
    whole = room.gather

    async def half(take: Take) -> Gathered:
        gathered = await whole(take)
        return gathered._replace(logs={ADA.key: (1, b"")})

    monkeypatch.setattr(room, "gather", half)
    assert "its log was not read so far" in refusal(exported(room))


def test_the_outcome_has_no_further_fields() -> None:
    lines = good()
    for kind in ("room", "member"):
        at = first(lines, kind)
        more = sealed(changed(lines, at, lambda it: it.update(more=1)))
        assert f"Line {at + 1} does not hold: its fields" in refusal(more)


@pytest.mark.parametrize("name", ["lines", "acts"])
def test_the_summary_counts_what_is_there(name: str) -> None:
    lines = good()
    for count in (0, json.loads(lines[-1])[name] + 1):
        lied = changed(lines, len(lines) - 1, put(name, count))
        assert "it counts other lines than are here" in refusal(lied)


def test_nobody_had_seen_less_than_they_linked_to() -> None:
    lines = good()
    mute = first(lines, "act", act="mute")
    told = json.loads(lines[mute])
    assert told["links"]
    for device, length in told["links"]:
        less = {**told["seen"], device: length - 1}
        less = {other: far for other, far in less.items() if far}
        lied = sealed(changed(lines, mute, put("seen", less)))
        assert "links to more than it is said to have seen" in refusal(lied)


def test_nobody_had_seen_less_than_those_whom_they_had_seen() -> None:
    room = PaperRoom()
    room.let_in(ADA, 1, BO)
    room.let_in(ADA, 2, CY)
    room.write(CY, b"")
    room.show(BO, ADA, CY)
    room.write(BO, Profile("Bob"))
    room.show(ADA, BO)
    room.write(ADA, Settings(name="Bees"))
    lines = exported(room)
    at = first(lines, "act", act="settings")
    told = json.loads(lines[at])["seen"]
    assert told[CY.key.hex()] == 1
    del told[CY.key.hex()]
    lied = sealed(changed(lines, at, put("seen", told)))
    assert "links to more than it is said to have seen" in refusal(lied)


def test_nobody_had_seen_what_stands_later_or_nowhere() -> None:
    lines = good()
    mute = first(lines, "act", act="mute")
    seen = json.loads(lines[mute])["seen"]
    beyond = sealed(changed(lines, mute, put("seen", {**seen, ADA.key.hex(): 99})))
    assert "have seen what is in no log" in refusal(beyond)
    role = first(lines, "act", act="set-role")
    told = json.loads(lines[role])["seen"]
    later = sealed(changed(lines, role, put("seen", {**told, BO.key.hex(): 2})))
    assert "an earlier act is said to have seen it" in refusal(later)
    # Ada's change of a rank has the same clock, and so was not seen.
    same = sealed(changed(lines, mute, put("seen", {**seen, ADA.key.hex(): 6})))
    assert "have seen what is later" in refusal(same)
    own = dict(sorted({**seen, BO.key.hex(): 1}.items()))
    assert "tells what was seen before" in refusal(
        sealed(changed(lines, mute, put("seen", own)))
    )


def test_a_clock_that_was_heard_lies_between_acts() -> None:
    lines = good()
    at = first(lines, "act", act="rest")
    clocks = json.loads(lines[at])["clocks"]
    [device] = clocks
    for clock in (json.loads(lines[at])["clock"], 1):
        lied = sealed(changed(lines, at, put("clocks", {device: clock})))
        assert "the clock it had seen cannot be" in refusal(lied)
    named = sealed(changed(lines, at, put("clocks", {BO.key.hex(): 5})))
    assert "clocks that nobody asks for" in refusal(named)


def test_what_was_seen_between_acts_is_told_and_not_proven() -> None:
    """An exporter can make a removal void by it, as the document says."""
    room = PaperRoom()
    room.let_in(ADA, 1, BO)
    room.write(BO, b"")
    room.show(ADA, BO)
    room.write(ADA, b"a message that links to Bo's entry")
    room.remove(ADA, BO)
    honest = verified(exported(room))
    assert honest.void_count == 0
    room.stored[-1] = room.stored[-1]._replace(seen={})
    lied = verified(exported(room))
    assert lied.void_count == 1


def test_a_log_that_is_left_out_whole_cannot_be_noticed() -> None:
    room = PaperRoom()
    room.let_in(ADA, 1, BO)
    room.write(BO, b"")
    lines = exported(room)
    at = first(lines, "log", device=BO.key.hex())
    assert verified(sealed(lines[:at] + lines[at + 1 :])).void_count == 0
