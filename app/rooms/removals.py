"""That somebody was put out of a room, told to who was away when it happened.

A member serves who is out no more, and so could not say why either. It shows the act
instead, alone: its block with the way to the tree that its author signed, and the key
of that one block, so that nothing else can be read by it::

    evidence   fixed32 writer | uint sequence | buffer block | fixed32 block key
               | uint length of the log | array (uint size, fixed32 hash) its roots
               | buffer signature | array (uint size, fixed32 hash) siblings

Whoever is shown it cannot judge it, for lack of what it links to; it is believed by
whom shows it and who wrote it (``RoomView.hear_removal``), kept, and forgotten as soon
as the act itself is here: then the rules decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from app.audit.proofs import led_up, path_length
from app.rooms.blocks import MAX_LOG_LENGTH, log_manifest
from app.rooms.facts import RoomFacts
from app.rooms.law import Law, Member
from app.rooms.operations import Remove, decode_operation
from app.rooms.seals import MAX_BLOCK_BYTES, open_with_block_key
from net.encoding import Reader, Writer
from net.errors import RemoteProtocolError
from store import errors as store_errors
from store.autobase import Place, decode_entry
from store.hypercore import flat_tree
from store.hypercore.manifest import manifest_key
from store.hypercore.merkle_tree import MAX_TREE_BYTES, tree_hash
from store.hypercore.records import BlockRequest, Node, Request
from store.hypercore.signatures import TreeState, verify_signature

if TYPE_CHECKING:
    from app.rooms.room import Room

MAX_NODES: Final = 64
"""Roots of a tree, or siblings on the way to one."""
MAX_SIGNATURE_BYTES: Final = 512

Hashes = tuple[tuple[int, bytes], ...]
"""Size and hash of nodes of a tree."""


class Evidence(NamedTuple):
    """One block of a log with its proof, as drawn above."""

    writer: bytes
    sequence: int
    block: bytes
    block_key: bytes
    length: int
    roots: Hashes
    signature: bytes
    siblings: Hashes


@dataclass(frozen=True, slots=True)
class Removal:
    """An act that puts this person out, which is not here itself."""

    writer: bytes
    """The device that wrote it."""
    sequence: int
    ban: bool

    def encode(self) -> bytes:
        """As it is stored."""
        writer = Writer().fixed(self.writer, 32).uint(self.sequence)
        return writer.uint(int(self.ban)).finish()


def decode_removal(data: bytes) -> Removal:
    """The inverse of ``Removal.encode``."""
    reader = Reader(data)
    return Removal(reader.fixed(32), reader.uint(), bool(reader.uint()))


def encode_evidence(shown: Evidence) -> bytes:
    """The bytes drawn above."""
    writer = Writer().fixed(shown.writer, 32).uint(shown.sequence)
    writer.buffer(shown.block).fixed(shown.block_key, 32).uint(shown.length)
    _write_hashes(writer, shown.roots)
    writer.buffer(shown.signature)
    _write_hashes(writer, shown.siblings)
    return writer.finish()


def decode_evidence(data: bytes) -> Evidence:
    """The inverse of ``encode_evidence``.

    Raises:
        RemoteProtocolError: It is malformed or too large.
    """
    reader = Reader(data)
    writer, sequence = reader.fixed(32), _number(reader)
    block = reader.buffer(max_bytes=MAX_BLOCK_BYTES)
    block_key, length = reader.fixed(32), _number(reader)
    roots = _read_hashes(reader)
    signature = reader.buffer(max_bytes=MAX_SIGNATURE_BYTES)
    return Evidence(
        *(writer, sequence, block, block_key, length, roots, signature),
        _read_hashes(reader),
    )


def check_evidence(
    shown: Evidence, *, room: bytes, room_key: bytes, identity: bytes
) -> Removal:
    """What is shown, if it stands in that log and puts this person out.

    Args:
        shown: By a peer.
        room: The room's id.
        room_key: Its key.
        identity: This person's.

    Raises:
        RemoteProtocolError: It does not.
    """
    if not _stands_there(shown, room_key):
        raise RemoteProtocolError("it stands in no signed log", code="bad-proof")
    plaintext = open_with_block_key(
        shown.block,
        shown.block_key,
        room=room,
        writer=shown.writer,
        sequence=shown.sequence,
    )
    try:
        entry = decode_entry(shown.writer, shown.sequence, plaintext)
    except store_errors.RemoteProtocolError as error:
        raise RemoteProtocolError("no entry stands there", code="bad-proof") from error
    body = decode_operation(entry.payload).body
    if not isinstance(body, Remove) or body.identity != identity:
        raise RemoteProtocolError("it removes somebody else", code="bad-proof")
    return Removal(shown.writer, shown.sequence, body.ban)


def _stands_there(shown: Evidence, room_key: bytes) -> bool:
    """Whether a block is led up to a root of the tree that its writer signed."""
    indexes = flat_tree.full_roots(shown.length)
    if len(indexes) != len(shown.roots):
        return False
    roots = tuple(
        Node(index, size, digest)
        for index, (size, digest) in zip(indexes, shown.roots, strict=True)
    )
    node = led_up(shown.sequence, shown.block, shown.siblings)
    if node not in roots or sum(root.size for root in roots) > MAX_TREE_BYTES:
        return False
    manifest = log_manifest(shown.writer, room_key)
    tree = TreeState(tree_hash(roots), shown.length, 0, roots)
    try:
        return verify_signature(manifest, manifest_key(manifest), tree, shown.signature)
    except store_errors.RemoteProtocolError:
        return False


async def find_evidence(room: Room, device: bytes) -> bytes | None:
    """The evidence for a device that is out; None when there is none to be shown.

    Raises:
        StoreError: The log could not be read.
    """
    place = await room.transact(lambda _, view: end_of(view.law, device))
    member = room.facts.member_of(device)
    if place is None or member is None:
        return None
    row = room.row
    shown = await evidence_of(room, place)
    try:
        check_evidence(shown, room=row.room, room_key=row.key, identity=member.identity)
    except RemoteProtocolError:
        # Another act ended it: a device was revoked, or rests.
        return None
    return encode_evidence(shown)


async def evidence_of(room: Room, place: Place) -> Evidence:
    """An entry that is here, with its proof.

    Raises:
        StoreError: The log could not be read.
    """
    writer, sequence = place.writer, place.sequence
    log = await room.logs.borrow(writer)
    try:
        head = log.core.core.state.head
        wanted = BlockRequest(sequence, path_length(sequence, head.length))
        proof = await log.core.proof(Request(head.fork, wanted))
    finally:
        room.logs.give_back(log)
    assert proof.block is not None, "a block was asked for"
    block = proof.block.value
    return Evidence(
        writer,
        sequence,
        block,
        await room.transact(lambda _, view: view.block_key(block, place)),
        head.length,
        tuple((node.size, node.hash) for node in head.roots),
        head.signature,
        tuple((node.size, node.hash) for node in proof.block.nodes),
    )


def end_of(law: Law, device: bytes) -> Place | None:
    """Where the act stands that put a device out; None while it is in."""
    known = law.devices.get(device)
    return None if known is None or known.inside else known.tenures[-1].end


def seen_from(
    facts: RoomFacts, law: Law, own: bytes, told: Removal | None
) -> RoomFacts:
    """Who is who, as it is for this device.

    Args:
        facts: As the rules say.
        law: They.
        own: This device's key.
        told: That it is out, though the rules do not know it yet.
    """
    me = law.member_of(own)
    if me is None:
        return facts
    if told is None:
        place = end_of(law, own)
        if place is None:
            return facts
        by = law.member_of(place.writer)
        if me.present:
            return replace(facts, farewell=_revoked(me.identity, by))
        return replace(facts, farewell=_sentence(me.identity, by, ban=bool(me.banned)))
    by = law.member_of(told.writer)
    mine = facts.members[me.identity]
    out = replace(facts.devices[own], present=False)
    return replace(
        facts,
        farewell=_sentence(me.identity, by, ban=told.ban),
        members={**facts.members, me.identity: replace(mine, present=False)},
        devices={**facts.devices, own: out},
        present_count=facts.present_count - mine.present,
    )


def _revoked(me: bytes, by: Member | None) -> str:
    own = by is not None and by.identity == me
    who = "Another of your devices" if own else _name(by) or "Somebody"
    return f"{who} took this device out of this room."


def _sentence(me: bytes, by: Member | None, *, ban: bool) -> str:
    if by is not None and by.identity == me:
        return "You left this room on another of your devices."
    what = "banned from this room" if ban else "removed from this room"
    name = _name(by)
    return f"You were {what} by {name}." if name else f"You were {what}."


def _name(by: Member | None) -> str:
    return by.name if by is not None else ""


def _write_hashes(writer: Writer, hashes: Sequence[tuple[int, bytes]]) -> None:
    writer.array(hashes, lambda out, node: out.uint(node[0]).fixed(node[1], 32))


def _read_hashes(reader: Reader) -> Hashes:
    return tuple(
        reader.array(lambda item: (item.uint(), item.fixed(32)), max_count=MAX_NODES)
    )


def _number(reader: Reader) -> int:
    value = reader.uint()
    if value > MAX_LOG_LENGTH:
        raise RemoteProtocolError("a log cannot be so long", code="too-large")
    return value
