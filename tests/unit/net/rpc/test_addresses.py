"""Packing of addresses, and the ids that follow from them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from net.errors import LocalProtocolError
from net.rpc.addresses import (
    Address,
    is_sendable,
    is_true_id,
    node_id,
    pack_address,
    packed_node_id,
    unpack_address,
)
from tests.unit.net.rpc.vectors import cases


@pytest.mark.parametrize("case", cases("node-id"), ids=lambda case: case["host"])
def test_ids_and_packed_addresses_are_the_recorded_ones(case: dict[str, Any]) -> None:
    address = (case["host"], case["port"])
    packed = bytes.fromhex(case["addr6"])
    assert pack_address(address) == packed
    assert unpack_address(packed) == address
    assert node_id(address) == packed_node_id(packed) == bytes.fromhex(case["id"])


@given(st.binary(min_size=6, max_size=6))
def test_every_six_bytes_are_an_address(packed: bytes) -> None:
    assert pack_address(unpack_address(packed)) == packed


@pytest.mark.parametrize(
    "address",
    [
        ("localhost", 1),
        ("1.2.3", 1),
        ("1.2.3.256", 1),
        ("1.2.3.-4", 1),
        ("1.2.3.\u0664", 1),
        ("::1", 1),
        ("1.2.3.4", -1),
        ("1.2.3.4", 65536),
    ],
)
def test_what_is_no_address_is_refused(address: Address) -> None:
    with pytest.raises(LocalProtocolError):
        pack_address(address)


def test_an_id_is_believed_only_from_its_own_address() -> None:
    packed = pack_address(("10.0.0.1", 49737))
    assert is_true_id(packed, node_id(("10.0.0.1", 49737)))
    assert not is_true_id(packed, node_id(("10.0.0.1", 49738)))
    assert not is_true_id(packed, None)


@pytest.mark.parametrize(
    ("address", "sendable"),
    [
        (("10.0.0.1", 1), True),
        (("127.0.0.1", 65535), True),
        (("223.255.255.255", 256), True),
        (("10.0.0.1", 0), False),
        (("0.0.0.0", 5), False),
        (("224.0.0.1", 5), False),
        (("255.255.255.255", 5), False),
    ],
)
def test_only_addresses_of_one_node_are_sendable(
    address: Address, sendable: bool
) -> None:
    assert is_sendable(pack_address(address)) == sendable
