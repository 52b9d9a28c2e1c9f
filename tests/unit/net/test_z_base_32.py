"""Bytes as letters, and letters that are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from net.encoding.z_base_32 import read_z_base_32, write_z_base_32


@pytest.mark.parametrize(
    ("data", "text"),
    # The examples of the alphabet's author that are whole bytes.
    [(b"\xf0\xbf\xc7", "6n9hq"), (b"\xd4\x7a\x04", "4t7ye"), (b"", "")],
)
def test_examples(data: bytes, text: str) -> None:
    assert write_z_base_32(data) == text
    assert read_z_base_32(text, max_bytes=3) == data
    assert read_z_base_32(text.upper(), max_bytes=3) == data


@given(st.binary(max_size=70))
def test_both_ways(data: bytes) -> None:
    assert read_z_base_32(write_z_base_32(data), max_bytes=70) == data


@pytest.mark.parametrize("text", ["y", "6n9", "yb", "l", "6n9h ", "6n9hqy8", "y" * 90])
def test_what_writing_does_not_give(text: str) -> None:
    """Not a letter, no whole byte, a filling that is not zero, too long."""
    with pytest.raises(ValueError, match=r"letter|whole|bytes"):
        read_z_base_32(text, max_bytes=3)
