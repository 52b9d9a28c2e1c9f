"""z-base-32: bytes as letters that people can read aloud and type.

Five bits a letter, the highest bits first, the last letter filled up with zero bits.
Follows npm z32 1.1.0.
"""

from __future__ import annotations

from typing import Final

_ALPHABET: Final = "ybndrfg8ejkmcpqxot1uwisza345h769"
_VALUES: Final = {letter: value for value, letter in enumerate(_ALPHABET)}


def write_z_base_32(data: bytes) -> str:
    """The letters of some bytes, eight for every five."""
    bits = int.from_bytes(data, "big")
    count = -(-len(data) * 8 // 5)
    bits <<= count * 5 - len(data) * 8
    return "".join(
        _ALPHABET[bits >> 5 * place & 31] for place in reversed(range(count))
    )


def read_z_base_32(text: str, *, max_bytes: int) -> bytes:
    """The inverse of ``write_z_base_32``; small and capital letters mean the same.

    Args:
        text: Letters of the alphabet and nothing else.
        max_bytes: What may come out; checked before anything is computed.

    Raises:
        ValueError: A letter is not of the alphabet, or the length or the filling is
            none that writing gives, or it is too long. Such text mostly comes from
            people; whose fault it is the caller knows.
    """
    size, spare = divmod(len(text) * 5, 8)
    if size > max_bytes:
        raise ValueError(f"text for {size} bytes")
    bits = 0
    for letter in text.lower():
        value = _VALUES.get(letter)
        if value is None:
            raise ValueError(f"{letter!r} is no letter of z-base-32")
        bits = bits << 5 | value
    if spare >= 5 or bits & ((1 << spare) - 1):
        raise ValueError("not a whole number of bytes")
    return (bits >> spare).to_bytes(size, "big")
