"""Device links, what two devices say by them, and records, damaged: read or refused."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.devices.faces import SETTING, Face, face_of
from app.devices.pairing import (
    LINK_BYTES,
    SCHEME,
    DeviceLink,
    Handover,
    _checksum,
    answer_key_pair,
    decode_device_link,
    decode_handover,
    decode_request,
    encode_request,
    open_handover,
    seal_handover,
)
from app.devices.records import (
    BlockRecord,
    ContactRecord,
    DeviceRecord,
    ReadRecord,
    Record,
    Records,
    RoomLeftRecord,
    RoomRecord,
    SettingRecord,
    decode_record,
    encode_record,
)
from app.errors import UserFacingError
from app.identity import Proof, attest_data, attest_device
from app.rooms.roles import Kind
from net.encoding import Writer
from net.encoding.z_base_32 import write_z_base_32
from net.errors import RemoteProtocolError
from store.autobase import Place
from tests.fuzz.mutations import mutated
from tests.unit.app.rooms.people import ADA, BO

LINK = DeviceLink(b"s" * 16, 7)
REQUEST = encode_request("Phone", BO.device, LINK.key)
PROOF = attest_device(ADA.proof, ADA.device, BO.device.public_key)
HANDOVER = Handover("Ada", PROOF, b"k" * 32, b"f" * 32)
SEALED = seal_handover(
    HANDOVER,
    answer_key=answer_key_pair(BO.device, LINK.key).public_key,
    link_key=LINK.key,
    entropy=lambda size: b"e" * size,
)
RECORDS: list[Record] = [
    DeviceRecord(BO.device.public_key, PROOF, "Phone", 5),
    RoomRecord(b"r" * 32, b"k" * 32, b"f" * 32, Kind.GROUP, "Birds"),
    RoomLeftRecord(b"r" * 32),
    ReadRecord(b"r" * 32, Place(9, b"w" * 32, 2)),
    ContactRecord(b"i" * 32, "Bo"),
    ContactRecord(b"i" * 32, "Bo", removed=True),
    BlockRecord(b"i" * 32, blocked=True),
    BlockRecord(b"i" * 32, blocked=False),
    SettingRecord(SETTING, Face("Ada", b"png").encode()),
]
BODIES = [encode_record(record).body for record in RECORDS]


def signed(proof: Proof) -> bytes:
    """A request with another proof in it."""
    writer = Writer().uint(1).uint(0).string("Phone").buffer(proof.encode())
    return writer.fixed(b"a" * 32, 32).finish()


@given(mutated([REQUEST, b"\2\0"]))
@settings(max_examples=300)
@example(REQUEST + b"later")
@example(signed(attest_data(PROOF, BO.device, b"another")))
def test_requests_are_read_or_refused(data: bytes) -> None:
    with suppress(RemoteProtocolError):
        request = decode_request(data, link_key=LINK.key)
        assert request.device == BO.device.public_key


@given(mutated([HANDOVER.encode(), b"\2\0"]))
@settings(max_examples=300)
@example(HANDOVER.encode())
@example(Handover("Ada", ADA.proof, b"k" * 32, b"f" * 32).encode())
def test_handovers_are_read_or_refused(data: bytes) -> None:
    with suppress(RemoteProtocolError):
        handover = decode_handover(data, device=BO.device.public_key)
        assert handover.proof.device == BO.device.public_key


@given(mutated([SEALED]))
@settings(max_examples=200)
@example(SEALED)
@example(bytes(64))
def test_nothing_opens_but_what_was_sealed(data: bytes) -> None:
    with suppress(RemoteProtocolError):
        opened = open_handover(data, device=BO.device, link_key=LINK.key)
        assert (opened, data) == (HANDOVER, SEALED)


@given(mutated([LINK.encode().encode(), SCHEME.encode()]))
@settings(max_examples=300)
@example(LINK.encode().encode())
@example(b"x" * 600)
@example(SCHEME.encode() + b"l")
def test_links_are_read_or_told_wrong(data: bytes) -> None:
    with suppress(UserFacingError):
        link = decode_device_link(data.decode("latin-1"))
        assert decode_device_link(link.encode()) == link


@pytest.mark.parametrize("size", [1, LINK_BYTES - 6, LINK_BYTES])
@pytest.mark.parametrize("version", [0, 1, 2])
def test_whole_texts_of_other_versions_and_sizes(version: int, size: int) -> None:
    body = bytes((version,)) + bytes(size)
    with pytest.raises(UserFacingError) as told:
        decode_device_link(SCHEME + write_z_base_32(body + _checksum(body)))
    assert told.value.code == ("bad-link" if version == 1 else "version")


@given(mutated(BODIES))
@settings(max_examples=500)
@example(b"\7later")
@example(b"\5" + b"i" * 32 + b"\2")
@example(BODIES[1][:98] + b"\3\1x")
def test_records_are_read_or_refused(data: bytes) -> None:
    with suppress(RemoteProtocolError):
        record = decode_record(data)
        if record is not None:
            assert decode_record(encode_record(record).body) == record


@pytest.mark.parametrize("number", range(len(RECORDS)))
def test_every_record_comes_back(number: int) -> None:
    assert decode_record(BODIES[number]) == RECORDS[number]


@given(st.lists(st.sampled_from(RECORDS), max_size=20))
def test_the_last_record_of_each_subject_holds(records: list[Record]) -> None:
    found = Records(records)
    rooms = [it for it in records if isinstance(it, RoomRecord | RoomLeftRecord)]
    assert list(found.rooms.values()) == rooms[-1:]
    blocks = [it for it in records if isinstance(it, BlockRecord)]
    assert bool(found.blocked) == (bool(blocks) and blocks[-1].blocked)
    contacts = [it for it in records if isinstance(it, ContactRecord)]
    assert bool(found.contacts) == (bool(contacts) and not contacts[-1].removed)


@given(mutated([Face("Ada", b"png").encode()]))
def test_faces_are_read_or_none(data: bytes) -> None:
    face = face_of(Records([SettingRecord(SETTING, data)]))
    if face is not None:
        assert face_of(Records([SettingRecord(SETTING, face.encode())])) == face
