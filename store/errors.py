"""The error tree of ``store``: the same verdicts as everywhere in Covey.

    StoreError
    ├── LocalProtocolError        our own side misused the store: mend the caller
    │   ├── InvalidRequestError   a proof was asked for that no such tree can give
    │   ├── NodeMissingError      a node of a Merkle tree is not stored here
    │   └── BlockMissingError     what is asked for is not stored here
    ├── RemoteProtocolError       a peer offered what its log must not contain
    ├── EnvironmentFault          the disk or the operating system refused
    │   ├── DatabaseCorruptError  the right key, but the file is damaged
    │   └── KeychainError         the system's keychain refused or did not answer
    ├── SchemaError               the file was made by another version of Covey
    └── DatabaseKeyError          the database's key cannot be had
        ├── PassphraseNeededError the profile asks for a passphrase and got none
        ├── WrongKeyError         the passphrase or key is not the profile's
        └── KeyMissingError       what holds the key is gone or damaged

``app`` turns these into sentences for people.
"""

from __future__ import annotations


class StoreError(Exception):
    """Base of every error raised by ``store``.

    Attributes:
        code: A short stable word for programs and counters.
    """

    default_code = "store"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = self.default_code if code is None else code


class LocalProtocolError(StoreError):
    """The caller asked for what the store's state does not allow."""

    default_code = "misuse"


class BlockMissingError(LocalProtocolError):
    """A block that is asked for is not stored here."""

    default_code = "block-missing"


class InvalidRequestError(LocalProtocolError):
    """A proof was asked for that no tree of that length can give."""

    default_code = "invalid-operation"


class NodeMissingError(LocalProtocolError):
    """A node of a Merkle tree is not stored here.

    Attributes:
        index: The node's, in flat numbering.
        start: The first block of those that can tell what the node would have told.
        end: The block behind the last of them.
    """

    default_code = "node-missing"

    def __init__(
        self,
        message: str,
        *,
        index: int,
        start: int,
        end: int,
        code: str | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.index = index
        self.start = start
        self.end = end


class RemoteProtocolError(StoreError):
    """A peer offered entries that its log must not contain."""

    default_code = "malformed"


class EnvironmentFault(StoreError):
    """The disk or the operating system refused."""

    default_code = "environment"


class DatabaseCorruptError(EnvironmentFault):
    """The key is right and the file is damaged."""

    default_code = "corrupt"


class KeychainError(EnvironmentFault):
    """The system's keychain refused or did not answer in time."""

    default_code = "keychain"


class SchemaError(StoreError):
    """The file was made by a version of Covey that this one cannot follow.

    Attributes:
        found: The schema number of the file.
        known: The newest schema number of this version.
    """

    default_code = "schema"

    def __init__(
        self, message: str, *, found: int, known: int, code: str | None = None
    ) -> None:
        super().__init__(message, code=code)
        self.found = found
        self.known = known


class DatabaseKeyError(StoreError):
    """The database cannot be opened for want of its key."""

    default_code = "key"


class PassphraseNeededError(DatabaseKeyError):
    """The profile is locked by a passphrase and none was given."""

    default_code = "passphrase-needed"


class WrongKeyError(DatabaseKeyError):
    """The passphrase or key given is not the profile's."""

    default_code = "wrong-key"


class KeyMissingError(DatabaseKeyError):
    """What should hold the key is gone or damaged."""

    default_code = "key-missing"
