"""Bodies of the HyperDHT commands and of the two encrypted payloads.

Every type here is a frozen value with ``encode() -> bytes`` and a class method
``decode(data)``, which raises ``RemoteProtocolError`` for anything malformed. ``addr6``
is four bytes of IPv4 and the port as uint16 little endian, ``addr18`` sixteen bytes of
IPv6 and the port; ``uint`` and ``buffer`` are those of compact encoding. Bytes behind
the last field and unknown flag bits are ignored, as upstream does.

Encryption stands in :mod:`net.dht.handshake`, signatures in :mod:`net.dht.records`.
Upstream: hyperdht 6.34.0 ``lib/messages.js``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from net.dht.constants import MAX_PAYLOAD_ADDRESSES, Address, Firewall, PayloadError
from net.encoding import Reader, Writer
from net.errors import RemoteProtocolError

PAYLOAD_VERSION: Final = 1
_MAX_STREAM_ID: Final = 0xFFFFFFFF


class Mode(IntEnum):
    """Where on its way a relayed message is."""

    FROM_CLIENT = 0
    FROM_SERVER = 1
    FROM_RELAY = 2
    FROM_SECOND_RELAY = 3
    REPLY = 4


@dataclass(frozen=True, slots=True)
class HandshakeMessage:
    """Value of PEER_HANDSHAKE requests and replies.

    ``uint flags (1 peer, 2 relay) | uint mode | buffer noise | [addr6 peer] |
    [addr6 relay]``
    """

    mode: int
    noise: bytes
    peer_address: Address | None = None
    relay_address: Address | None = None

    def encode(self) -> bytes:
        """Give the bytes of this message."""
        peer, relay = self.peer_address, self.relay_address
        writer = Writer()
        writer.uint((1 if peer else 0) | (2 if relay else 0))
        writer.uint(self.mode).buffer(self.noise)
        if peer:
            writer.ipv4_address(peer)
        if relay:
            writer.ipv4_address(relay)
        return writer.finish()

    @classmethod
    def decode(cls, data: bytes) -> HandshakeMessage:
        """Read a message."""
        reader = Reader(data)
        flags = reader.uint()
        return cls(
            mode=reader.uint(),
            noise=reader.buffer(),
            peer_address=reader.ipv4_address() if flags & 1 else None,
            relay_address=reader.ipv4_address() if flags & 2 else None,
        )


@dataclass(frozen=True, slots=True)
class HolepunchMessage:
    """Value of PEER_HOLEPUNCH requests and replies.

    ``uint flags (1 peer) | uint mode | uint id | buffer payload | [addr6 peer]``
    """

    mode: int
    id: int
    payload: bytes
    peer_address: Address | None = None

    def encode(self) -> bytes:
        """Give the bytes of this message."""
        writer = Writer().uint(1 if self.peer_address else 0)
        writer.uint(self.mode).uint(self.id).buffer(self.payload)
        if self.peer_address:
            writer.ipv4_address(self.peer_address)
        return writer.finish()

    @classmethod
    def decode(cls, data: bytes) -> HolepunchMessage:
        """Read a message."""
        reader = Reader(data)
        flags = reader.uint()
        return cls(
            mode=reader.uint(),
            id=reader.uint(),
            payload=reader.buffer(),
            peer_address=reader.ipv4_address() if flags & 1 else None,
        )


@dataclass(frozen=True, slots=True)
class RelayInfo:
    """A node that forwards to the server: ``addr6 relay | addr6 peer``.

    Attributes:
        relay_address: The node.
        peer_address: The server as that node sees it.
    """

    relay_address: Address
    peer_address: Address


@dataclass(frozen=True, slots=True)
class HolepunchInfo:
    """How to reach the server for hole punching: ``uint id | array(RelayInfo)``."""

    id: int
    relays: tuple[RelayInfo, ...]


@dataclass(frozen=True, slots=True)
class UdxInfo:
    """The sender's stream: ``uint version | uint features | uint id | uint seq``.

    Attributes:
        id: Number of the stream, 32 bits.
        reusable_socket: Feature bit 0, the socket may serve later connections.
        seq: First sequence number, always 0 so far.
        version: Always 1 so far.
    """

    id: int
    reusable_socket: bool = False
    seq: int = 0
    version: int = 1


@dataclass(frozen=True, slots=True)
class RelayThroughInfo:
    """A blind relay the sender wants: ``uint version | uint flags | key | token``."""

    public_key: bytes
    token: bytes
    version: int = 1


@dataclass(frozen=True, slots=True)
class NoisePayload:
    """Plaintext inside both messages of the Noise handshake.

    ``uint version | uint flags | uint error | uint firewall``, then by flag:
    ``1 HolepunchInfo | 2 array(addr6) | 4 array(addr18) | 8 UdxInfo | 16 uint secret
    stream version | 32 RelayThroughInfo | 64 array(addr6) relays``. Of another version
    only the version is read.
    """

    error: int = PayloadError.NONE
    firewall: int = Firewall.UNKNOWN
    holepunch: HolepunchInfo | None = None
    addresses4: tuple[Address, ...] = ()
    addresses6: tuple[Address, ...] = ()
    udx: UdxInfo | None = None
    secret_stream_version: int | None = None
    relay_through: RelayThroughInfo | None = None
    relay_addresses: tuple[Address, ...] | None = None
    version: int = PAYLOAD_VERSION

    def encode(self) -> bytes:
        """Give the bytes of this payload."""
        flags = 0
        body = Writer()
        if self.holepunch is not None:
            flags |= 1
            body.uint(self.holepunch.id)
            body.array(self.holepunch.relays, _write_relay)
        if self.addresses4:
            flags |= 2
            body.array(self.addresses4, Writer.ipv4_address)
        if self.addresses6:
            flags |= 4
            body.array(self.addresses6, Writer.ipv6_address)
        if self.udx is not None:
            flags |= 8
            body.uint(self.udx.version).uint(1 if self.udx.reusable_socket else 0)
            body.uint(self.udx.id).uint(self.udx.seq)
        if self.secret_stream_version is not None:
            flags |= 16
            body.uint(self.secret_stream_version)
        if self.relay_through is not None:
            flags |= 32
            body.uint(self.relay_through.version).uint(0)
            body.fixed(self.relay_through.public_key, 32)
            body.fixed(self.relay_through.token, 32)
        if self.relay_addresses is not None:
            flags |= 64
            body.array(self.relay_addresses, Writer.ipv4_address)
        head = Writer().uint(self.version).uint(flags)
        head.uint(self.error).uint(self.firewall)
        return head.finish() + body.finish()

    @classmethod
    def decode(cls, data: bytes) -> NoisePayload:
        """Read a payload."""
        reader = Reader(data)
        version = reader.uint()
        if version != PAYLOAD_VERSION:
            return cls(version=version)
        flags = reader.uint()
        return cls(
            error=reader.uint(),
            firewall=reader.uint(),
            holepunch=_read_holepunch_info(reader) if flags & 1 else None,
            addresses4=_read_addresses(reader) if flags & 2 else (),
            addresses6=_read_addresses6(reader) if flags & 4 else (),
            udx=_read_udx(reader) if flags & 8 else None,
            secret_stream_version=reader.uint() if flags & 16 else None,
            relay_through=_read_relay_through(reader) if flags & 32 else None,
            relay_addresses=_read_addresses(reader) if flags & 64 else None,
        )


@dataclass(frozen=True, slots=True)
class HolepunchPayload:
    """Plaintext of a hole punch message.

    ``uint flags | uint error | uint firewall | uint round | [4 array(addr6)] |
    [8 addr6 remote] | [16 token 32] | [32 remote token 32]``; flag 1 is connected,
    2 punching.

    Attributes:
        error: A ``PayloadError``; anything but NONE ends the punch.
        firewall: The sender's firewall as far as it knows.
        round: Counts the client's messages.
        connected: The sender has seen a probe of the other side.
        punching: The sender punches, or will when the other side does.
        addresses: Where the sender thinks it can be reached, None for unknown.
        remote_address: Where the sender opened a session to.
        token: Proves, when echoed, that a message reached the host it names.
        remote_token: The token of the other side, echoed.
    """

    error: int = PayloadError.NONE
    firewall: int = Firewall.UNKNOWN
    round: int = 0
    connected: bool = False
    punching: bool = False
    addresses: tuple[Address, ...] | None = None
    remote_address: Address | None = None
    token: bytes | None = None
    remote_token: bytes | None = None

    def encode(self) -> bytes:
        """Give the bytes of this payload."""
        writer = Writer().uint(
            (1 if self.connected else 0)
            | (2 if self.punching else 0)
            | (0 if self.addresses is None else 4)
            | (0 if self.remote_address is None else 8)
            | (0 if self.token is None else 16)
            | (0 if self.remote_token is None else 32)
        )
        writer.uint(self.error).uint(self.firewall).uint(self.round)
        if self.addresses is not None:
            writer.array(self.addresses, Writer.ipv4_address)
        if self.remote_address is not None:
            writer.ipv4_address(self.remote_address)
        if self.token is not None:
            writer.fixed(self.token, 32)
        if self.remote_token is not None:
            writer.fixed(self.remote_token, 32)
        return writer.finish()

    @classmethod
    def decode(cls, data: bytes) -> HolepunchPayload:
        """Read a payload."""
        reader = Reader(data)
        flags = reader.uint()
        return cls(
            error=reader.uint(),
            firewall=reader.uint(),
            round=reader.uint(),
            connected=flags & 1 != 0,
            punching=flags & 2 != 0,
            addresses=_read_addresses(reader) if flags & 4 else None,
            remote_address=reader.ipv4_address() if flags & 8 else None,
            token=reader.fixed(32) if flags & 16 else None,
            remote_token=reader.fixed(32) if flags & 32 else None,
        )


@dataclass(frozen=True, slots=True)
class PeerRecord:
    """A peer and relays of its choice: ``key 32 | array(addr6)``."""

    public_key: bytes
    relay_addresses: tuple[Address, ...] = ()

    def encode(self) -> bytes:
        """Give the bytes of this record."""
        writer = Writer().fixed(self.public_key, 32)
        return writer.array(self.relay_addresses, Writer.ipv4_address).finish()

    @classmethod
    def decode(cls, data: bytes) -> PeerRecord:
        """Read a record."""
        return _read_peer(Reader(data))


@dataclass(frozen=True, slots=True)
class LookupReply:
    """Value of a LOOKUP reply: ``array(PeerRecord) | [uint bump]``, no bump being 0."""

    peers: tuple[PeerRecord, ...]
    bump: int = 0

    @classmethod
    def decode(cls, data: bytes) -> LookupReply:
        """Read a reply."""
        reader = Reader(data)
        peers = reader.array(_read_peer, max_count=MAX_PAYLOAD_ADDRESSES)
        return cls(tuple(peers), reader.uint() if reader.remaining else 0)


def encode_lookup_reply(records: list[bytes], bump: int) -> bytes:
    """Give the value of a LOOKUP reply from records already encoded."""
    writer = Writer().uint(len(records))
    for record in records:
        writer.raw(record)
    return writer.uint(bump).finish()


@dataclass(frozen=True, slots=True)
class Announcement:
    """Value of ANNOUNCE and UNANNOUNCE.

    ``uint flags | [1 PeerRecord] | [2 refresh 32] | [4 signature 64] | [8 uint bump]``

    Attributes:
        peer: Who; None when only a refresh token is sent.
        refresh: Token of a chain that renews without a signature.
        signature: Over target, node, token, peer and refresh.
        bump: A time in ms by which a topic asks to be looked at again, 0 for none.
    """

    peer: PeerRecord | None = None
    refresh: bytes | None = None
    signature: bytes | None = None
    bump: int = 0

    def encode(self) -> bytes:
        """Give the bytes of this announcement."""
        writer = Writer().uint(
            (0 if self.peer is None else 1)
            | (0 if self.refresh is None else 2)
            | (0 if self.signature is None else 4)
            | (8 if self.bump else 0)
        )
        if self.peer is not None:
            writer.raw(self.peer.encode())
        if self.refresh is not None:
            writer.fixed(self.refresh, 32)
        if self.signature is not None:
            writer.fixed(self.signature, 64)
        if self.bump:
            writer.uint(self.bump)
        return writer.finish()

    @classmethod
    def decode(cls, data: bytes) -> Announcement:
        """Read an announcement."""
        reader = Reader(data)
        flags = reader.uint()
        return cls(
            peer=_read_peer(reader) if flags & 1 else None,
            refresh=reader.fixed(32) if flags & 2 else None,
            signature=reader.fixed(64) if flags & 4 else None,
            bump=reader.uint() if flags & 8 else 0,
        )


@dataclass(frozen=True, slots=True)
class MutablePut:
    """Value of MUTABLE_PUT: ``key 32 | uint seq | buffer value | signature 64``."""

    public_key: bytes
    seq: int
    value: bytes
    signature: bytes

    def encode(self) -> bytes:
        """Give the bytes of this request."""
        writer = Writer().fixed(self.public_key, 32).uint(self.seq)
        return writer.buffer(self.value).fixed(self.signature, 64).finish()

    @classmethod
    def decode(cls, data: bytes) -> MutablePut:
        """Read a request."""
        reader = Reader(data)
        return cls(reader.fixed(32), reader.uint(), reader.buffer(), reader.fixed(64))


@dataclass(frozen=True, slots=True)
class MutableValue:
    """Value of a MUTABLE_GET reply: ``uint seq | buffer value | signature 64``."""

    seq: int
    value: bytes
    signature: bytes

    def encode(self) -> bytes:
        """Give the bytes of this reply."""
        writer = Writer().uint(self.seq).buffer(self.value)
        return writer.fixed(self.signature, 64).finish()

    @classmethod
    def decode(cls, data: bytes) -> MutableValue:
        """Read a reply."""
        reader = Reader(data)
        return cls(reader.uint(), reader.buffer(), reader.fixed(64))


@dataclass(frozen=True, slots=True)
class PluginRequest:
    """Value of PLUGIN: ``string name | uint version | uint command | uint flags |
    [1 buffer value]``."""

    plugin: str
    version: int
    command: int
    value: bytes | None = None

    def encode(self) -> bytes:
        """Give the bytes of this request."""
        writer = Writer().string(self.plugin).uint(self.version).uint(self.command)
        writer.uint(0 if self.value is None else 1)
        if self.value is not None:
            writer.buffer(self.value)
        return writer.finish()

    @classmethod
    def decode(cls, data: bytes) -> PluginRequest:
        """Read a request."""
        reader = Reader(data)
        plugin, version, command = reader.string(), reader.uint(), reader.uint()
        flags = reader.uint()
        return cls(plugin, version, command, reader.buffer() if flags & 1 else None)


@dataclass(frozen=True, slots=True)
class DhtAddress:
    """A key to give to people, optionally with nodes that know its owner.

    ``key 32 | uint flags (1 nodes) | [array(addr6)]``; a bare key is accepted.
    """

    public_key: bytes
    nodes: tuple[Address, ...] | None = None

    def encode(self) -> bytes:
        """Give the bytes of this address."""
        writer = Writer().fixed(self.public_key, 32)
        writer.uint(0 if self.nodes is None else 1)
        if self.nodes is not None:
            writer.array(self.nodes, Writer.ipv4_address)
        return writer.finish()

    @classmethod
    def decode(cls, data: bytes) -> DhtAddress:
        """Read an address."""
        reader = Reader(data)
        public_key = reader.fixed(32)
        flags = reader.uint() if reader.remaining else 0
        return cls(public_key, _read_addresses(reader) if flags & 1 else None)


def _write_relay(writer: Writer, relay: RelayInfo) -> None:
    writer.ipv4_address(relay.relay_address).ipv4_address(relay.peer_address)


def _read_relay(reader: Reader) -> RelayInfo:
    return RelayInfo(reader.ipv4_address(), reader.ipv4_address())


def _read_holepunch_info(reader: Reader) -> HolepunchInfo:
    number = reader.uint()
    relays = reader.array(_read_relay, max_count=MAX_PAYLOAD_ADDRESSES)
    return HolepunchInfo(number, tuple(relays))


def _read_addresses(reader: Reader) -> tuple[Address, ...]:
    return tuple(reader.array(Reader.ipv4_address, max_count=MAX_PAYLOAD_ADDRESSES))


def _read_addresses6(reader: Reader) -> tuple[Address, ...]:
    return tuple(reader.array(Reader.ipv6_address, max_count=MAX_PAYLOAD_ADDRESSES))


def _read_udx(reader: Reader) -> UdxInfo:
    version, features = reader.uint(), reader.uint()
    stream_id, seq = reader.uint(), reader.uint()
    if stream_id > _MAX_STREAM_ID:
        raise RemoteProtocolError(f"{stream_id} is no stream id", code="too-large")
    return UdxInfo(stream_id, features & 1 != 0, seq, version)


def _read_relay_through(reader: Reader) -> RelayThroughInfo:
    version = reader.uint()
    reader.uint()
    return RelayThroughInfo(reader.fixed(32), reader.fixed(32), version)


def _read_peer(reader: Reader) -> PeerRecord:
    return PeerRecord(reader.fixed(32), _read_addresses(reader))
