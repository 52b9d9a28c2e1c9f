"""Frames and plain values of the control socket: round trips, limits, nonsense."""

from __future__ import annotations

import contextlib
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import events
from app.control import CALLS, _read_call
from app.errors import UserFacingError
from app.frames import (
    HEADER_BYTES,
    FrameReader,
    check_hello,
    encode_frame,
)
from app.messenger import Messenger
from app.plain import event_from_plain, event_to_plain, from_plain, to_plain
from app.snapshots import (
    MessageSnapshot,
    NetworkSnapshot,
    PeerSnapshot,
    PollOptionSnapshot,
    PollSnapshot,
    PreviewSnapshot,
    ReactionSnapshot,
    RoomSnapshot,
)
from net.errors import RemoteProtocolError

MESSAGE = MessageSnapshot(
    id="ab",
    room="cd",
    author="ef",
    author_name="Ada",
    text="ü",
    sent_at=5,
    mine=True,
    reply=PreviewSnapshot("12", "ef", "Ada", "who?"),
    mentions=("ef",),
    reactions=(ReactionSnapshot("x", 2, mine=True),),
    poll=PollSnapshot((PollOptionSnapshot("a", 1, mine=False),), False, None, 1),
)
ROOM = RoomSnapshot(
    room="cd",
    name="Birds",
    kind="group",
    unread=1,
    members=2,
    peers=1,
    last_message=MESSAGE,
)
NETWORK = NetworkSnapshot(
    state="online",
    nodes=3,
    firewall="open",
    public_address=None,
    peers=(PeerSnapshot("k", "Bo", "direct", "1.2.3.4:5", 1.5, 6, 7),),
)
EVENTS: list[events.Event] = [
    events.RoomChanged(ROOM),
    events.RoomLeft("cd"),
    events.MessageStored(MESSAGE),
    events.MessagesChanged("cd", ("ab",)),
    events.HistoryDoubted("cd", "ef", "Ada", 2, "Not true."),
    events.MessageDelivered("cd", "ab", 2),
    events.RestEnded("cd", 1, 2, "Back."),
    events.DeviceForked("cd", "ef", "Ada", False, True, "Two histories."),
    events.ScheduledChanged("cd"),
    events.TypingChanged("cd", "ef", "Bo", typing=True),
    events.PresenceChanged("cd", "ef", "away"),
    events.MembersChanged("cd"),
    events.ContactsChanged(),
    events.DevicesChanged(),
    events.RequestsChanged("cd"),
    events.ApprovalAwaited("cd"),
    events.NetworkChanged(NETWORK),
    events.CoreStopped("Over."),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
BARE = Messenger.__new__(Messenger)
"""Only looked at, never called."""
CALL = encode_frame({"id": 1, "call": "send", "arguments": {"room": "x", "text": "y"}})


def test_every_event_crosses() -> None:
    assert {type(event) for event in EVENTS} == set(get_args(events.Event))
    reader = FrameReader(max_bytes=10_000)
    for event in EVENTS:
        [frame] = reader.receive_data(encode_frame(event_to_plain(event)))
        assert event_from_plain(frame["event"], frame["data"]) == event


def test_what_a_newer_core_adds_is_ignored() -> None:
    plain = to_plain(ROOM) | {"colour": "red"}
    assert from_plain(RoomSnapshot, plain) == ROOM
    assert event_from_plain("SomethingNew", {}) is None
    assert from_plain(list[RoomSnapshot], [plain]) == [ROOM]


@given(st.sampled_from([RoomSnapshot, MessageSnapshot, NetworkSnapshot]), JSON)
def test_any_json_is_read_or_refused(kind: Any, value: Any) -> None:
    with contextlib.suppress(RemoteProtocolError):
        assert isinstance(from_plain(kind, value), kind)


@given(st.sampled_from([ROOM, MESSAGE, NETWORK]), st.data())
def test_a_changed_snapshot_is_read_or_refused(
    snapshot: Any, data: st.DataObject
) -> None:
    plain = to_plain(snapshot)
    name = data.draw(st.sampled_from(sorted(plain)))
    if data.draw(st.booleans()):
        del plain[name]
    else:
        plain[name] = data.draw(JSON)
    with contextlib.suppress(RemoteProtocolError):
        assert isinstance(from_plain(type(snapshot), plain), type(snapshot))


@given(st.lists(st.dictionaries(st.text(), JSON), max_size=4), st.integers(1, 7))
def test_frames_arrive_whole_however_they_are_cut(
    values: list[dict[str, Any]], step: int
) -> None:
    stream = b"".join(map(encode_frame, values))
    reader = FrameReader(max_bytes=100_000)
    found: list[dict[str, Any]] = []
    for start in range(0, len(stream), step):
        found += reader.receive_data(stream[start : start + step])
    assert len(found) == len(values)


@given(st.data())
def test_mutated_frames_are_refused_or_read(data: st.DataObject) -> None:
    changed = bytearray(CALL)
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(changed)))
        length = data.draw(st.integers(0, 9))
        changed[position : position + length] = data.draw(st.binary(max_size=9))
    reader = FrameReader(max_bytes=1000)
    with contextlib.suppress(RemoteProtocolError):
        for frame in reader.receive_data(bytes(changed)):
            with contextlib.suppress(UserFacingError):
                method, arguments = _read_call(frame, BARE)
                assert method.__name__ in CALLS
                assert arguments.keys() <= CALLS[method.__name__].keys()


def test_a_frame_too_large_is_refused_by_its_header() -> None:
    reader = FrameReader(max_bytes=100)
    with pytest.raises(RemoteProtocolError) as caught:
        reader.receive_data((101).to_bytes(HEADER_BYTES, "little"))
    assert caught.value.code == "too-large"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"1", b"\xff", b"[" * 100_000])
def test_bodies_that_are_no_objects(body: bytes) -> None:
    reader = FrameReader(max_bytes=200_000)
    with pytest.raises(RemoteProtocolError):
        reader.receive_data(len(body).to_bytes(HEADER_BYTES, "little") + body)


def test_another_version_says_so() -> None:
    check_hello({"covey": 1, "more": True})
    for hello in ({}, {"covey": 2}, {"covey": "1"}):
        with pytest.raises(RemoteProtocolError) as caught:
            check_hello(hello)
        assert caught.value.code == "version"


@pytest.mark.parametrize(
    "frame",
    [
        {},
        {"call": "__init__"},
        {"call": "close"},
        {"call": ["send"]},
        {"call": "send", "arguments": []},
        {"call": "send", "arguments": {"room": 1}},
        {"call": "send", "arguments": {"shell": "x"}},
        {"call": "history", "arguments": {"room": "x", "limit": True}},
    ],
)
def test_only_what_the_table_allows_is_called(frame: dict[str, Any]) -> None:
    with pytest.raises(UserFacingError) as caught:
        _read_call(frame, BARE)
    assert caught.value.code in ("unknown-call", "bad-arguments")


def test_the_table_names_methods_that_both_sides_have() -> None:
    import inspect

    from app.client import Client

    for call, arguments in CALLS.items():
        for side in (Messenger, Client):
            names = set(inspect.signature(getattr(side, call)).parameters) - {"self"}
            assert names == set(arguments), (side, call)
