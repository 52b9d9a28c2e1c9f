"""The path MTU search."""

from __future__ import annotations

from net.udx.mtu import BASE_MTU, MAX_ATTEMPTS, PathMtu


def test_the_search_climbs_by_steps_to_the_limit() -> None:
    mtu = PathMtu()
    steps = []
    while padding := mtu.next_padding():
        mtu.on_probe_sent()
        assert mtu.next_padding() == 0
        steps.append(padding)
        mtu.on_probe_acknowledged(mtu.mtu + padding - 28)
    assert steps == [32] * 9 + [12]
    assert mtu.mtu == 1500
    assert mtu.max_payload == 1452


def test_three_losses_end_it_and_success_resets_the_count() -> None:
    mtu = PathMtu()
    for _ in range(MAX_ATTEMPTS - 1):
        mtu.on_probe_sent()
        mtu.on_probe_lost()
    mtu.on_probe_sent()
    mtu.on_probe_acknowledged(BASE_MTU + 32 - 28)
    for _ in range(MAX_ATTEMPTS):
        assert mtu.next_padding() == 32
        mtu.on_probe_sent()
        mtu.on_probe_lost()
    assert mtu.next_padding() == 0
    assert mtu.mtu == BASE_MTU + 32


def test_a_low_limit_means_no_search() -> None:
    assert PathMtu(limit=1200).next_padding() == 0
    assert PathMtu(limit=1000).next_padding() == 0


def test_refusals_and_black_holes_end_it() -> None:
    mtu = PathMtu()
    mtu.on_probe_sent()
    mtu.on_too_large()
    assert mtu.next_padding() == 0
    mtu = PathMtu()
    mtu.on_probe_acknowledged(1472)
    mtu.on_black_hole()
    assert (mtu.mtu, mtu.next_padding()) == (BASE_MTU, 0)
