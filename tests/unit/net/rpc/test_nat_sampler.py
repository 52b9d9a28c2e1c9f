"""What a majority of samples agrees on, against the recorded results."""

from __future__ import annotations

from typing import Any

import pytest

from net.rpc.nat_sampler import MAX_SAMPLES, NatSampler
from tests.unit.net.rpc.vectors import cases


@pytest.mark.parametrize(
    "case", cases("nat-sampler"), ids=lambda case: str(len(case["samples"]))
)
def test_results_are_the_recorded_ones(case: dict[str, Any]) -> None:
    sampler = NatSampler()
    after = []
    for host, port in case["samples"]:
        sampler.add(host, port)
        after.append([sampler.host, sampler.port])
    assert after == case["after_each_host_port"]


def test_nothing_is_known_before_the_first_sample() -> None:
    sampler = NatSampler()
    assert (sampler.host, sampler.port, sampler.size) == (None, 0, 0)


def test_a_new_address_wins_when_the_old_samples_have_left() -> None:
    sampler = NatSampler()
    for _ in range(100):
        sampler.add("10.0.0.1", 5)
    assert sampler.size == MAX_SAMPLES
    for _ in range(3):
        sampler.add("10.0.0.2", 6)
    assert sampler.host == "10.0.0.1"
    for _ in range(MAX_SAMPLES):
        sampler.add("10.0.0.2", 6)
    assert (sampler.host, sampler.port) == ("10.0.0.2", 6)


def test_liars_below_a_fifth_change_nothing() -> None:
    sampler = NatSampler()
    for index in range(64):
        if index % 6 == 5:
            sampler.add(f"66.0.0.{index}", index)
        else:
            sampler.add("10.0.0.1", 5)
        assert (sampler.host, sampler.port) == ("10.0.0.1", 5) or index == 5
