"""Classification of a punch socket, and address matching, against the vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from net.dht.addresses import is_bogon, is_private, is_reserved, match_address
from net.dht.constants import Address, Firewall
from net.dht.nat import MIN_SAMPLES, Nat
from tests.helpers.vectors import load_vectors

CASES = load_vectors("holepunch-strategies")["cases"]
CLASSIFIED = [c for c in CASES if c["kind"] == "nat-classification" and "samples" in c]


def node(number: int) -> Address:
    return (f"9.9.9.{number}", 1)


def parse(text: str) -> Address:
    host, port = text.rsplit(":", 1)
    return host, int(port)


@pytest.mark.parametrize("case", CLASSIFIED)
def test_verdicts_after_each_sample(case: Any) -> None:
    nat = Nat(lambda: case["node_firewalled"])
    for number, sample in enumerate(case["samples"]):
        nat.add(parse(sample), node(number))
        expected = case["after_each"][number]
        listed = expected["addresses"]
        assert nat.firewall.name.lower() == expected["firewall"]
        assert nat.addresses == (
            None if listed is None else tuple(parse(a) for a in listed)
        )


def test_one_node_counts_once() -> None:
    (case,) = (c for c in CASES if c.get("note", "").startswith("three answers"))
    nat = Nat(lambda: True)
    for _ in range(3):
        nat.add(("1.1.1.1", 10), node(1))
    assert nat.sample_count == case["sampled"]


@pytest.mark.parametrize("case", [c for c in CASES if c["kind"] == "bogon"])
def test_bogon_ranges(case: Any) -> None:
    assert is_private(case["ip"]) is case["private"]
    assert is_reserved(case["ip"]) is case["reserved"]
    assert is_bogon(case["ip"]) is (case["private"] or case["reserved"])


@pytest.mark.parametrize("case", [c for c in CASES if c["kind"] == "match-address"])
def test_address_matching(case: Any) -> None:
    found = match_address(
        [(host, 1) for host in case["local"]], [(host, 2) for host in case["remote"]]
    )
    assert (found and found[0]) == case["result"]


class Asked:
    """Answers pings when told to."""

    def __init__(self, count: int) -> None:
        self.known = [node(number) for number in range(count)]
        self.waiting: dict[Address, Callable[[Address | None], None]] = {}

    def ping(self, to: Address, done: Callable[[Address | None], None]) -> None:
        assert to not in self.waiting
        self.waiting[to] = done

    def sample(self, nat: Nat) -> None:
        nat.sample(lambda: self.known, lambda: len(self.known), self.ping)


def test_sampling_skips_the_five_heard_last_when_there_are_others() -> None:
    asked = Asked(9)
    asked.sample(Nat(lambda: True))
    assert list(asked.waiting) == [node(number) for number in (5, 6, 7, 8)]
    few = Asked(7)
    few.sample(Nat(lambda: True))
    assert list(few.waiting) == [node(number) for number in (0, 1, 2, 3)]


def test_sampling_asks_others_once_more_and_then_ends() -> None:
    asked, nat = Asked(6), Nat(lambda: True)
    asked.sample(nat)
    for number in range(4):
        asked.waiting[node(number)](None)
    assert set(asked.waiting) == {node(number) for number in range(6)}
    assert not nat.analyzed.settled
    asked.waiting[node(4)](("1.1.1.1", 1))
    asked.waiting[node(5)](None)
    assert nat.analyzed.settled
    assert (nat.firewall, nat.sample_count) == (Firewall.UNKNOWN, 1)


def test_a_verdict_ends_the_wait_before_the_last_answer() -> None:
    asked, nat = Asked(4), Nat(lambda: True)
    asked.sample(nat)
    for number in range(3):
        asked.waiting[node(number)](("1.1.1.1", 7))
    assert nat.analyzed.settled
    assert nat.firewall is Firewall.CONSISTENT
    asked.waiting[node(3)](("2.2.2.2", 9))
    assert nat.sample_count == MIN_SAMPLES


def test_with_nobody_to_ask_the_wait_is_over_at_once() -> None:
    nat = Nat(lambda: True)
    Asked(0).sample(nat)
    assert nat.analyzed.settled
    assert nat.firewall is Firewall.UNKNOWN


def test_a_frozen_verdict_stays_until_it_thaws() -> None:
    nat = Nat(lambda: True)
    for number in range(3):
        nat.add(("1.1.1.1", 7), node(number))
    nat.freeze()
    addresses = nat.addresses
    for number in range(3, 9):
        nat.add(("2.2.2.2", 8), node(number))
    assert nat.addresses == addresses
    nat.unfreeze()
    assert nat.addresses == (("2.2.2.2", 8), ("1.1.1.1", 7))


def test_an_open_node_is_sure_at_the_first_sample() -> None:
    nat = Nat(lambda: False)
    assert nat.firewall is Firewall.OPEN
    assert not nat.analyzed.settled
    nat.add(("1.1.1.1", 7), node(1))
    assert nat.analyzed.settled


def test_a_node_that_turns_out_firewalled_is_judged_anew() -> None:
    firewalled = [False]
    nat = Nat(lambda: firewalled[0])
    nat.add(("1.1.1.1", 7), node(1))
    firewalled[0] = True
    nat.unfreeze()
    assert nat.firewall is Firewall.UNKNOWN


def test_a_destroyed_one_takes_no_answers() -> None:
    asked, nat = Asked(4), Nat(lambda: True)
    asked.sample(nat)
    nat.destroy()
    assert nat.analyzed.settled
    asked.waiting[node(0)](("1.1.1.1", 7))
    assert nat.sample_count == 0


@pytest.mark.parametrize(
    ("count", "seen", "verdict"),
    [
        (1, [("1.1.1.1", 7)], Firewall.CONSISTENT),
        (2, [("1.1.1.1", 7), ("1.1.1.1", 7)], Firewall.CONSISTENT),
        (2, [("1.1.1.1", 7), ("1.1.1.1", 8)], Firewall.UNKNOWN),
        (2, [("1.1.1.1", 7), None], Firewall.CONSISTENT),
        (1, [None], Firewall.UNKNOWN),
        (3, [("1.1.1.1", 7), None, None], Firewall.UNKNOWN),
    ],
)
def test_in_a_tiny_network_few_words_count(
    count: int, seen: list[Address | None], verdict: Firewall
) -> None:
    asked, nat = Asked(count), Nat(lambda: True)
    asked.sample(nat)
    for number, answer in enumerate(seen):
        asked.waiting[node(number)](answer)
    assert nat.analyzed.settled
    assert nat.firewall is verdict
    known = verdict is Firewall.CONSISTENT
    assert nat.addresses == ((("1.1.1.1", 7),) if known else None)
