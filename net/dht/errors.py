"""Why a connection or an announcement did not come about.

    DhtError
    +-- PeerNotFoundError           PEER_NOT_FOUND
    +-- PeerConnectionFailedError   PEER_CONNECTION_FAILED
    +-- CannotHolepunchError        CANNOT_HOLEPUNCH
    +-- HolepunchAbortedError       HOLEPUNCH_ABORTED
    |   +-- RandomNatUnsupportedError
    +-- HolepunchInvalidError       HOLEPUNCH_INVALID
    +-- HolepunchProbeTimeoutError  HOLEPUNCH_PROBE_TIMEOUT
    +-- DoubleRandomizedNatsError   HOLEPUNCH_DOUBLE_RANDOMIZED_NATS
    +-- RemoteAbortedError          REMOTE_ABORTED
    +-- RemoteNotHolepunchingError  REMOTE_NOT_HOLEPUNCHING
    +-- RemoteNotHolepunchableError REMOTE_NOT_HOLEPUNCHABLE
    +-- HandshakeInvalidError       HANDSHAKE_INVALID
    +-- BadHandshakeReplyError      BAD_HANDSHAKE_REPLY
    +-- BadHolepunchReplyError      BAD_HOLEPUNCH_REPLY
    +-- ServerIncompatibleError     SERVER_INCOMPATIBLE
    +-- ServerFailedError           SERVER_ERROR
    +-- RelayAbortedError           RELAY_ABORTED
    +-- SuspendedError              SUSPENDED
    +-- NodeClosedError             NODE_DESTROYED
    +-- AlreadyListeningError       ALREADY_LISTENING
    +-- KeyPairAlreadyUsedError     KEYPAIR_ALREADY_USED
    +-- ConnectCancelledError       CONNECT_CANCELLED

``code`` is what npm hyperdht calls the same failure, so that users and other programs
can compare; the text is a plain sentence.
"""

from __future__ import annotations

from typing import ClassVar

from net.errors import NetError


class DhtError(NetError):
    """A failure of the distributed network or of the peer asked for.

    Attributes:
        code: The name npm hyperdht gives this failure.
    """

    default_code = "DHT_ERROR"
    sentence: ClassVar[str] = "The network request failed."

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.sentence)


class PeerNotFoundError(DhtError):
    """No node of the network knows the peer."""

    default_code = "PEER_NOT_FOUND"
    sentence = "No node of the network knows this peer; it seems to be offline."


class PeerConnectionFailedError(DhtError):
    """Nodes know the peer, but no handshake came back."""

    default_code = "PEER_CONNECTION_FAILED"
    sentence = "The peer is announced, but it did not answer the handshake."


class CannotHolepunchError(DhtError):
    """The peer is firewalled and offers no way to punch through."""

    default_code = "CANNOT_HOLEPUNCH"
    sentence = "The peer is behind a firewall and offers no relay to punch through."


class HolepunchAbortedError(DhtError):
    """Hole punching ended without a path."""

    default_code = "HOLEPUNCH_ABORTED"
    sentence = "No direct path to the peer opened in time."


class RandomNatUnsupportedError(HolepunchAbortedError):
    """A punch against randomised ports is needed and not allowed now."""

    sentence = (
        "One side's firewall uses random ports, and punching through such a "
        "firewall is not allowed here."
    )


class HolepunchInvalidError(DhtError):
    """A hole punch answer could not be deciphered."""

    default_code = "HOLEPUNCH_INVALID"
    sentence = "The peer's hole punch answer could not be deciphered."


class HolepunchProbeTimeoutError(DhtError):
    """One side could not find out its own kind of firewall."""

    default_code = "HOLEPUNCH_PROBE_TIMEOUT"
    sentence = "One side could not find out its kind of firewall in time."


class DoubleRandomizedNatsError(DhtError):
    """Both sides use random ports."""

    default_code = "HOLEPUNCH_DOUBLE_RANDOMIZED_NATS"
    sentence = "Both sides' firewalls use random ports; no direct path is possible."


class RemoteAbortedError(DhtError):
    """The peer gave up hole punching."""

    default_code = "REMOTE_ABORTED"
    sentence = "The peer gave up opening a direct path."


class RemoteNotHolepunchingError(DhtError):
    """The peer did not start to punch."""

    default_code = "REMOTE_NOT_HOLEPUNCHING"
    sentence = "The peer did not start to open a direct path."


class RemoteNotHolepunchableError(DhtError):
    """No address of the peer can be punched to."""

    default_code = "REMOTE_NOT_HOLEPUNCHABLE"
    sentence = "None of the peer's addresses can be reached by hole punching."


class HandshakeInvalidError(DhtError):
    """No handshake came to an end."""

    default_code = "HANDSHAKE_INVALID"
    sentence = "The handshake with the peer did not come to an end."


class BadHandshakeReplyError(DhtError):
    """A relay's answer to a handshake makes no sense."""

    default_code = "BAD_HANDSHAKE_REPLY"
    sentence = "A node answered the handshake with something else."


class BadHolepunchReplyError(DhtError):
    """A relay's answer to a hole punch message makes no sense."""

    default_code = "BAD_HOLEPUNCH_REPLY"
    sentence = "A node answered the hole punch message with something else."


class ServerIncompatibleError(DhtError):
    """The peer speaks another version."""

    default_code = "SERVER_INCOMPATIBLE"
    sentence = "The peer speaks another version of the protocol."


class ServerFailedError(DhtError):
    """The peer refused the handshake."""

    default_code = "SERVER_ERROR"
    sentence = "The peer answered the handshake with an error."


class RelayAbortedError(DhtError):
    """The relay of a relayed connection gave up."""

    default_code = "RELAY_ABORTED"
    sentence = "The relay gave up the connection."


class SuspendedError(DhtError):
    """The node sleeps."""

    default_code = "SUSPENDED"
    sentence = "The network is suspended."


class NodeClosedError(DhtError):
    """The node was closed."""

    default_code = "NODE_DESTROYED"
    sentence = "The network node is closed."


class AlreadyListeningError(DhtError):
    """The server listens already."""

    default_code = "ALREADY_LISTENING"
    sentence = "This server is listening already."


class KeyPairAlreadyUsedError(DhtError):
    """Another server of this node listens with the same key."""

    default_code = "KEYPAIR_ALREADY_USED"
    sentence = "Another server of this node listens with this key already."


class ConnectCancelledError(DhtError):
    """The connection attempt was withdrawn by its owner."""

    default_code = "CONNECT_CANCELLED"
    sentence = "The connection attempt was cancelled."
