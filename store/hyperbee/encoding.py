"""How keys and values become bytes, and how keys of a part are told from others'.

A codec has ``encode(value) -> bytes`` and ``decode(data) -> value``. Named ones are
those of npm codecs that make sense for keys and values. A part of a bee (``sub``) puts
a prefix and a separator before its keys; ``SubEncoder`` does the same as a codec of its
own, as drives and views use it.

Follows npm codecs 3.1.0, npm sub-encoder 2.1.3 and npm hyperbee 2.27.3 ``index.js``.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, Protocol

from store.errors import LocalProtocolError, RemoteProtocolError
from store.hyperbee.records import Bounds

MAX_JSON_DEPTH: Final = 256
"""Of lists and objects in one another: what is deeper could be read, and then neither
compared nor written again."""

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class Codec(Protocol):
    """Turns values into bytes and back."""

    def encode(self, value: Any, /) -> bytes:
        """The bytes of a value."""
        ...

    def decode(self, data: bytes, /) -> Any:
        """The value of bytes a peer may have written.

        Raises:
            RemoteProtocolError: They are none of this codec's.
        """
        ...


class BinaryCodec:
    """Bytes as they are; text is taken as UTF-8."""

    def encode(self, value: Any) -> bytes:
        """The bytes."""
        if isinstance(value, str):
            return value.encode()
        if isinstance(value, bytes | bytearray | memoryview):
            return bytes(value)
        raise LocalProtocolError(
            f"bytes are wanted here, not {type(value).__name__}", code="bad-argument"
        )

    def decode(self, data: bytes) -> bytes:
        """The bytes."""
        return data


class TextCodec:
    """Text in an encoding of Python's."""

    def __init__(self, name: str) -> None:
        self._name = name

    def encode(self, value: Any) -> bytes:
        """The text's bytes; bytes are taken as encoded already."""
        if isinstance(value, bytes):
            return value
        if not isinstance(value, str):
            raise LocalProtocolError(
                f"text is wanted here, not {type(value).__name__}", code="bad-argument"
            )
        try:
            return value.encode(self._name)
        except UnicodeEncodeError as error:
            raise LocalProtocolError(
                f"the text cannot be written in {self._name}", code="bad-argument"
            ) from error

    def decode(self, data: bytes) -> str:
        """The text."""
        try:
            return data.decode(self._name)
        except UnicodeDecodeError as error:
            raise RemoteProtocolError(f"the bytes are not {self._name}") from error


class HexCodec:
    """Hexadecimal text outside, half as many bytes inside."""

    def encode(self, value: Any) -> bytes:
        """The bytes that the text names."""
        try:
            return bytes.fromhex(value)
        except (TypeError, ValueError) as error:
            raise LocalProtocolError(
                "hexadecimal text is wanted here", code="bad-argument"
            ) from error

    def decode(self, data: bytes) -> str:
        """The text."""
        return data.hex()


class JsonCodec:
    """JSON without spaces, as JavaScript writes it."""

    def __init__(self, *, newline: bool = False) -> None:
        self._end = b"\n" if newline else b""

    def encode(self, value: Any) -> bytes:
        """The JSON text of a value, ended by a newline if so wished."""
        return write_json(value) + self._end

    def decode(self, data: bytes) -> Any:
        """The value."""
        return read_json(data)


def write_json(value: Any) -> bytes:
    """JSON without spaces, as JavaScript writes it.

    Raises:
        LocalProtocolError: The value has no such form, or is nested deeper than
            ``MAX_JSON_DEPTH``.
    """
    try:
        text = json.dumps(
            value, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise LocalProtocolError(
            "the value has no JSON form", code="bad-argument"
        ) from error
    if text.count("[") + text.count("{") > MAX_JSON_DEPTH and _is_deep(value):
        raise LocalProtocolError("the value is nested too deep", code="bad-argument")
    # JavaScript's text may hold halves of a pair, which UTF-8 cannot.
    return _SURROGATE.sub(lambda half: f"\\u{ord(half[0]):x}", text).encode()


def read_json(data: bytes) -> Any:
    """The value of a JSON text, which JavaScript can read as well.

    Raises:
        RemoteProtocolError: It is none, or nested deeper than ``MAX_JSON_DEPTH``.
    """
    try:
        value = json.loads(data.decode(), parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise RemoteProtocolError("the value is not JSON") from error
    if data.count(b"[") + data.count(b"{") > MAX_JSON_DEPTH and _is_deep(value):
        raise RemoteProtocolError("the value is nested too deep", code="too-large")
    return value


def _refuse(text: str) -> float:
    raise ValueError(f"{text} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("the number is too large")
    return number


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_JSON_DEPTH + 1):
        parts = [each for each in level if isinstance(each, list | tuple | dict)]
        if not parts:
            return False
        level = [
            inner
            for part in parts
            for inner in (part.values() if isinstance(part, dict) else part)
        ]
    return True


CODECS: dict[str, Codec] = {
    "binary": BinaryCodec(),
    "utf-8": TextCodec("utf-8"),
    "utf8": TextCodec("utf-8"),
    "ascii": TextCodec("ascii"),
    "hex": HexCodec(),
    "json": JsonCodec(),
    "ndjson": JsonCodec(newline=True),
}


def codec(encoding: str | Codec) -> Codec:
    """The codec of a name, or the codec given.

    Raises:
        LocalProtocolError: There is none of that name.
    """
    if not isinstance(encoding, str):
        return encoding
    try:
        return CODECS[encoding]
    except KeyError:
        known = ", ".join(CODECS)
        raise LocalProtocolError(
            f"there is no encoding {encoding!r}; known are {known}", code="bad-argument"
        ) from None


class SubEncoder:
    """A key codec that keeps keys of one kind together behind a prefix.

    Attributes:
        prefix: What every encoded key begins with; empty at the top.
    """

    def __init__(
        self, prefix: str | bytes | None = None, encoding: str | Codec = "binary"
    ) -> None:
        self.prefix = b"" if prefix is None else _as_bytes(prefix) + b"\0"
        self._codec = codec(encoding)

    def sub(
        self, prefix: str | bytes = b"", encoding: str | Codec = "binary"
    ) -> SubEncoder:
        """A codec for a kind within this one."""
        inner = SubEncoder(None, encoding)
        inner.prefix = self.prefix + _as_bytes(prefix) + b"\0"
        return inner

    def encode(self, value: Any) -> bytes:
        """The key with its prefix."""
        return self.prefix + self._codec.encode(value)

    def decode(self, data: bytes) -> Any:
        """The key without its prefix.

        Raises:
            RemoteProtocolError: It has another one.
        """
        return self._codec.decode(without_prefix(data, self.prefix))


def without_prefix(key: bytes, prefix: bytes) -> bytes:
    """A key of a part as the part sees it.

    Raises:
        RemoteProtocolError: It is not of this part.
    """
    if not key.startswith(prefix):
        raise RemoteProtocolError("the key is not of this part")
    return key[len(prefix) :]


def after_prefix(prefix: bytes) -> bytes | None:
    """The first key beyond all that begin with a prefix; None when there is none."""
    kept = prefix.rstrip(b"\xff")
    return kept[:-1] + bytes([kept[-1] + 1]) if kept else None


class KeySpace:
    """The keys of a bee or of a part of it.

    Attributes:
        prefix: What every stored key of the part begins with.
    """

    def __init__(self, encoding: str | Codec, prefix: bytes = b"") -> None:
        self.prefix = prefix
        self._codec = codec(encoding)
        self._whole = prefix + getattr(self._codec, "prefix", b"")

    @property
    def encoding(self) -> Codec:
        """The codec below the prefix."""
        return self._codec

    def encode(self, key: Any) -> bytes:
        """A key as it is stored."""
        return self.prefix + self._codec.encode(key)

    def decode(self, data: bytes) -> Any:
        """A stored key as people of this part see it."""
        if self.prefix:
            data = without_prefix(data, self.prefix)
        return self._codec.decode(data)

    def bounds(
        self, gt: Any = None, gte: Any = None, lt: Any = None, lte: Any = None
    ) -> Bounds:
        """The range of stored keys; where it is open it ends with the part.

        Of two ends of one side the exclusive one counts.
        """
        lower: bytes | None = None
        upper: bytes | None = None
        if gt is not None or gte is not None:
            lower = self.encode(gte if gt is None else gt)
        elif self._whole:
            lower = self._whole
        if lt is not None or lte is not None:
            upper = self.encode(lte if lt is None else lt)
        elif self._whole:
            upper = after_prefix(self._whole)
        inclusive = lt is None and lte is not None
        return Bounds(lower, gt is None, upper, inclusive)

    def sub(
        self, prefix: str | bytes, separator: bytes, encoding: str | Codec | None
    ) -> KeySpace:
        """The keys of a part."""
        whole = self.prefix + _as_bytes(prefix) + separator
        return KeySpace(self._codec if encoding is None else encoding, whole)


def _as_bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)
