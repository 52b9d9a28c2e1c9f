"""Interface addresses and the watch on them."""

from __future__ import annotations

import asyncio
import ipaddress
import sys

import pytest

from net.aio import lan


def test_the_addresses_of_this_machine_are_usable() -> None:
    addresses = lan.local_addresses()
    assert addresses, "every machine has at least loopback"
    values = [ipaddress.IPv4Address(it) for it in addresses]
    assert not any(it.is_unspecified or it.is_multicast for it in values)
    assert len(set(values)) == len(values)
    if any(it.is_loopback for it in values):
        assert addresses == ("127.0.0.1",)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no getifaddrs")
def test_two_ways_of_asking_agree() -> None:
    by_list = set(lan._by_getifaddrs())
    assert "127.0.0.1" in by_list
    if sys.platform == "linux":
        assert set(lan._by_ioctl()) == by_list


def test_link_local_comes_last_and_loopback_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = ["169.254.3.4", "127.0.0.1", "192.168.1.7", "10.0.0.2", "10.0.0.2"]
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(lan, "_by_own_name", lambda: found)
    assert lan.local_addresses() == ("10.0.0.2", "192.168.1.7", "169.254.3.4")
    monkeypatch.setattr(lan, "_by_own_name", lambda: ["127.0.0.1"])
    assert lan.local_addresses() == ("127.0.0.1",)


def test_a_system_that_does_not_answer_offers_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> list[str]:
        raise OSError("no such name")

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(lan, "_by_own_name", refuse)
    assert lan.local_addresses() == ()


async def test_the_watcher_reports_sleep_and_only_long_ones() -> None:
    asleep_s = [100.0, 100.0, 109.0, 109.0, 209.0]
    left: list[int] = []
    woke: asyncio.Future[int] = asyncio.Future()

    def asleep() -> float:
        return asleep_s.pop(0) if len(asleep_s) > 1 else asleep_s[0]

    def on_wake() -> None:
        left.append(len(asleep_s))
        woke.set_result(len(asleep_s))

    watcher = lan.InterfaceWatcher(
        print, interval_s=0, read=lambda: (), on_wake=on_wake, asleep=asleep
    )
    watcher.start()
    assert await asyncio.wait_for(woke, 60) == 1
    for _ in range(3):
        await asyncio.sleep(0)
    watcher.stop()
    assert left == [1], "once"


def test_each_system_has_a_clock_that_goes_on_in_sleep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lan.time, "monotonic", lambda: 1000.0)
    monkeypatch.setattr(lan.time, "CLOCK_BOOTTIME", 7, raising=False)
    monkeypatch.setattr(lan.time, "CLOCK_MONOTONIC_RAW", 4, raising=False)
    monkeypatch.setattr(
        lan.time, "clock_gettime", {7: 1300.0, 4: 1500.0}.__getitem__, raising=False
    )
    for platform, asleep_s in (("linux", 300.0), ("darwin", 500.0), ("win32", 0.0)):
        with monkeypatch.context() as patched:
            patched.setattr(sys, "platform", platform)
            assert lan.seconds_asleep() == asleep_s


async def test_the_watcher_reports_changes_and_only_those() -> None:
    readings = [("10.0.0.1",), ("10.0.0.1",), ("10.0.0.9",), ("10.0.0.9",)]
    changed: asyncio.Future[tuple[str, ...]] = asyncio.Future()

    def read() -> tuple[str, ...]:
        return readings.pop(0) if len(readings) > 1 else readings[0]

    watcher = lan.InterfaceWatcher(changed.set_result, interval_s=0, read=read)
    watcher.start()
    assert await changed == ("10.0.0.9",)
    for _ in range(3):
        await asyncio.sleep(0)
    watcher.stop()
    watcher.stop()
    assert watcher.addresses == ("10.0.0.9",)
