"""The lines of an audit export: one JSON object each, and each with one spelling.

::

    header     who exported which room when, and what the keys of its logs are made of
    log        one device's log: its signed tree and how many acts of it follow
    act        one act with its proof; in the order of the room's history
    room       how the room is behind the last act
    member     one person who is or was in it, by identity
    summary    hash over all lines before, signed by the exporter's device

``docs/audit.md`` draws the fields. Keys, hashes and blocks are lower-case hex, times
milliseconds. What a line must say is told here; whether it is true, in ``verifying``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from app.rooms.seals import MAX_BLOCK_BYTES
from net.constants import MAX_SAFE_UINT
from net.errors import RemoteProtocolError
from store.autobase import Link, Place
from store.hypercore import flat_tree
from store.hypercore.fork_proof import MAX_FORK_PROOF_BYTES
from store.hypercore.merkle_tree import MAX_LENGTH, MAX_TREE_BYTES
from store.hypercore.records import Node

FORMAT: Final = 1
"""Rises with every change of a line, of a word or of a rule of the rooms."""
MAX_LINE_BYTES: Final = 1024 * 1024
"""A block in hex, and what an act had seen of 2,000 logs."""
MAX_LOGS: Final = 10_000
MAX_ACTS: Final = 100_000
"""Acts in one export."""
MAX_SIGNATURE_BYTES: Final = 1024
"""Of one signer; that of several never stands in a room's log."""
MAX_PROOF_BYTES: Final = 4 * 1024
"""An identity's."""

MAX_NODES: Final = 64
"""Roots of one tree, or siblings on the way up: a tree has at most 53 levels."""

KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64

Object = dict[str, Any]


class Header(NamedTuple):
    """The first line."""

    room: bytes
    name: str
    """As it is behind the last act."""
    founder: bytes
    """The device whose first entry begins the room."""
    namespace: bytes
    """With a device key it gives the key of that device's log."""
    exported_at: int
    identity: bytes
    """Of who exported."""
    device: bytes
    """That signed the summary."""
    exporter: str
    """That person's name in the room."""
    proof: bytes
    """That the device is the identity's."""

    def to_object(self) -> Object:
        """The line's object."""
        return {
            "type": "header",
            "format": FORMAT,
            "room": self.room.hex(),
            "name": self.name,
            "founder": self.founder.hex(),
            "namespace": self.namespace.hex(),
            "exportedAt": self.exported_at,
            "exporter": {
                "identity": self.identity.hex(),
                "device": self.device.hex(),
                "name": self.exporter,
                "proof": self.proof.hex(),
            },
        }


class LogLine(NamedTuple):
    """One device's log as its device has signed it."""

    device: bytes
    key: bytes
    length: int
    """Blocks of the signed tree."""
    roots: tuple[Node, ...]
    signature: bytes
    act_count: int
    """So many of its blocks are shown as acts."""
    read: int
    """So many blocks from the start the exporter had read and understood."""
    fork: bytes
    """What proves that its device has signed two histories, and so where it ends; empty
    where the exporter knows of none."""

    @property
    def forked(self) -> bool:
        """Its device has signed two histories."""
        return bool(self.fork)

    def to_object(self) -> Object:
        """The line's object."""
        return {
            "type": "log",
            "device": self.device.hex(),
            "log": self.key.hex(),
            "length": self.length,
            "roots": [[node.size, node.hash.hex()] for node in self.roots],
            "signature": self.signature.hex(),
            "acts": self.act_count,
            "read": self.read,
            "fork": self.fork.hex(),
        }


class ActLine(NamedTuple):
    """One act: what it says, what became of it, and the proof."""

    place: Place
    links: tuple[Link, ...]
    sent_at: int
    seen: Mapping[bytes, int]
    """Of each log that it had seen more of than the act of its log before."""
    clocks: Mapping[bytes, int]
    """Of the last entry that it had seen of a device it puts to rest."""
    act: str
    fields: Object
    told: Object
    """What follows from the acts together: words, author, effect."""
    block: bytes
    block_key: bytes
    proof: tuple[tuple[int, bytes], ...]
    """Size and hash of the siblings on the way up to the root."""

    def to_object(self) -> Object:
        """The line's object."""
        return {
            "type": "act",
            "clock": self.place.clock,
            "device": self.place.writer.hex(),
            "sequence": self.place.sequence,
            "links": [[link.writer.hex(), link.length] for link in self.links],
            "sentAt": self.sent_at,
            "seen": _hexed(self.seen),
            "clocks": _hexed(self.clocks),
            "act": self.act,
            "fields": self.fields,
            **self.told,
            "block": self.block.hex(),
            "blockKey": self.block_key.hex(),
            "proof": [[size, digest.hex()] for size, digest in self.proof],
        }


class Summary(NamedTuple):
    """The last line."""

    line_count: int
    """Lines before it."""
    act_count: int
    hash: bytes
    """Over all bytes before it."""
    signature: bytes

    def to_object(self) -> Object:
        """The line's object."""
        return {
            "type": "summary",
            "lines": self.line_count,
            "acts": self.act_count,
            "hash": self.hash.hex(),
            "signature": self.signature.hex(),
        }


TOLD: Final = ("says", "by", "effect", "why")
_HEADER: Final = (
    *("type", "format", "room", "name", "founder", "namespace", "exportedAt"),
    "exporter",
)
_EXPORTER: Final = ("identity", "device", "name", "proof")
_LOG: Final = (
    *("type", "device", "log", "length", "roots", "signature", "acts", "read"),
    "fork",
)
_ACT: Final = (
    *("type", "clock", "device", "sequence", "links", "sentAt", "seen", "clocks"),
    *("act", "fields", *TOLD, "block", "blockKey", "proof"),
)
_SUMMARY: Final = ("type", "lines", "acts", "hash", "signature")


def encode_line(value: Object) -> bytes:
    """An object as its line, with the line's end."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode() + b"\n"


def decode_line(line: bytes) -> Object:
    """The object of a line.

    Raises:
        RemoteProtocolError: It is cut, too long, no JSON object, or spelt otherwise
            than this version spells it.
    """
    if len(line) > MAX_LINE_BYTES:
        raise RemoteProtocolError(
            f"it is longer than {MAX_LINE_BYTES} bytes", code="too-large"
        )
    if not line.endswith(b"\n"):
        raise RemoteProtocolError("it is cut off", code="cut")
    try:
        value = json.loads(line, parse_constant=_no_number)
        again = encode_line(value)
    except (ValueError, RecursionError) as error:
        raise RemoteProtocolError("it is no JSON") from error
    if not isinstance(value, dict):
        raise RemoteProtocolError("it is no JSON object")
    if again != line:
        raise RemoteProtocolError("it is not spelt as exports spell it")
    return value


def read_header(value: Object) -> Header:
    """The first line.

    Raises:
        RemoteProtocolError: It is none, or of another version (``version``).
    """
    if value.get("type") != "header":
        raise RemoteProtocolError("it is not the first line of an audit export")
    if value.get("format") != FORMAT or isinstance(value["format"], bool):
        raise RemoteProtocolError("it is of another version of Covey", code="version")
    _expect(value, _HEADER)
    exporter = value["exporter"]
    if not isinstance(exporter, dict):
        raise _wrong("exporter")
    _expect(exporter, _EXPORTER)
    return Header(
        room=_key(value, "room"),
        name=_text(value, "name"),
        founder=_key(value, "founder"),
        namespace=_key(value, "namespace"),
        exported_at=_number(value, "exportedAt"),
        identity=_key(exporter, "identity"),
        device=_key(exporter, "device"),
        exporter=_text(exporter, "name"),
        proof=_bytes(exporter, "proof", max_bytes=MAX_PROOF_BYTES),
    )


def read_log(value: Object) -> LogLine:
    """A log's line.

    Raises:
        RemoteProtocolError: It is malformed.
    """
    _expect(value, _LOG)
    length = _number(value, "length")
    fork = _bytes(value, "fork", max_bytes=MAX_FORK_PROOF_BYTES)
    # A log that ended at once has a line for that.
    if not bool(not fork) <= length <= MAX_LENGTH:
        raise _wrong("length")
    indexes = flat_tree.full_roots(length)
    roots = _nodes(value, "roots")
    if len(roots) != len(indexes):
        raise _wrong("roots")
    read = _number(value, "read")
    if read > length:
        raise _wrong("read")
    return LogLine(
        device=_key(value, "device"),
        key=_key(value, "log"),
        length=length,
        roots=tuple(
            Node(index, size, digest)
            for index, (size, digest) in zip(indexes, roots, strict=True)
        ),
        signature=_bytes(value, "signature", max_bytes=MAX_SIGNATURE_BYTES),
        act_count=_number(value, "acts"),
        read=read,
        fork=fork,
    )


def read_act(value: Object) -> ActLine:
    """An act's line; its fields and words are only known to be of JSON.

    Raises:
        RemoteProtocolError: It is malformed.
    """
    _expect(value, _ACT)
    fields = value["fields"]
    if not isinstance(fields, dict):
        raise _wrong("fields")
    place = Place(
        _number(value, "clock"), _key(value, "device"), _number(value, "sequence")
    )
    return ActLine(
        place=place,
        links=tuple(Link(*pair) for pair in _pairs(value, "links")),
        sent_at=_number(value, "sentAt"),
        seen=_lengths(value, "seen"),
        clocks=_lengths(value, "clocks"),
        act=_text(value, "act"),
        fields=fields,
        told={name: value[name] for name in TOLD},
        block=_bytes(value, "block", max_bytes=MAX_BLOCK_BYTES),
        block_key=_key(value, "blockKey"),
        proof=tuple(_nodes(value, "proof")),
    )


def read_summary(value: Object) -> Summary:
    """The last line.

    Raises:
        RemoteProtocolError: It is malformed.
    """
    _expect(value, _SUMMARY)
    return Summary(
        line_count=_number(value, "lines"),
        act_count=_number(value, "acts"),
        hash=_key(value, "hash"),
        signature=_bytes(value, "signature", max_bytes=SIGNATURE_BYTES),
    )


def _expect(value: Object, names: tuple[str, ...]) -> None:
    if tuple(value) != names:
        raise RemoteProtocolError("its fields are not those of such a line")


def _text(value: Object, name: str) -> str:
    text = value[name]
    if not isinstance(text, str):
        raise _wrong(name)
    return text


def _number(value: Object, name: str) -> int:
    return _whole(value[name], name)


def _key(value: Object, name: str) -> bytes:
    data = _bytes(value, name, max_bytes=KEY_BYTES)
    if len(data) != KEY_BYTES:
        raise _wrong(name)
    return data


def _bytes(value: Object, name: str, *, max_bytes: int) -> bytes:
    data = _unhexed(value[name], name)
    if len(data) > max_bytes:
        raise _wrong(name)
    return data


def _lengths(value: Object, name: str) -> dict[bytes, int]:
    items = value[name]
    if not isinstance(items, dict):
        raise _wrong(name)
    found = {_unhexed_key(key, name): _whole(item, name) for key, item in items.items()}
    if list(found) != sorted(found):
        raise _wrong(name)
    return found


def _pairs(value: Object, name: str) -> list[tuple[bytes, int]]:
    items = value[name]
    if not isinstance(items, list):
        raise _wrong(name)
    found = []
    for item in items:
        if not isinstance(item, list) or len(item) != 2:
            raise _wrong(name)
        found.append((_unhexed_key(item[0], name), _whole(item[1], name)))
    return found


def _nodes(value: Object, name: str) -> list[tuple[int, bytes]]:
    items = value[name]
    if not isinstance(items, list) or len(items) > MAX_NODES:
        raise _wrong(name)
    found = []
    for item in items:
        if not isinstance(item, list) or len(item) != 2:
            raise _wrong(name)
        size = _whole(item[0], name)
        if size > MAX_TREE_BYTES:
            raise _wrong(name)
        found.append((size, _unhexed_key(item[1], name)))
    return found


def _whole(value: object, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(name)
    if not 0 <= value <= MAX_SAFE_UINT:
        raise _wrong(name)
    return value


def _unhexed_key(value: object, name: str) -> bytes:
    data = _unhexed(value, name)
    if len(data) != KEY_BYTES:
        raise _wrong(name)
    return data


def _unhexed(value: object, name: str) -> bytes:
    try:
        data = bytes.fromhex(value) if isinstance(value, str) else None
    except ValueError:
        data = None
    if data is None or data.hex() != value:
        raise _wrong(name)
    return data


def _hexed(values: Mapping[bytes, int]) -> dict[str, int]:
    return {key.hex(): values[key] for key in sorted(values)}


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


def _wrong(name: str) -> RemoteProtocolError:
    return RemoteProtocolError(f"its {name} cannot be")
