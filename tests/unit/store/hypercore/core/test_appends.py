"""Appends of one core that are joined, hashed aside, and take turns with cutting."""

from __future__ import annotations

import asyncio

import pytest

from store.errors import LocalProtocolError
from store.hypercore.core import Core
from store.hypercore.core.appends import MAX_BLOCKS_ON_LOOP, MAX_BYTES_ON_LOOP
from store.hypercore.records import Change, Head


def many(size: int) -> list[bytes]:
    return [b"%d" % number for number in range(size)]


async def test_large_appends_are_hashed_aside_and_keep_their_place(core: Core) -> None:
    large = many(MAX_BLOCKS_ON_LOOP + 1)
    wide = bytes(MAX_BYTES_ON_LOOP + 1)
    appended = await asyncio.gather(
        core.append([b"first"]),
        core.append(large),
        core.append([b"between"]),
        core.append([wide]),
        core.append([b"last"]),
    )
    lengths = [length for length, _ in appended]
    count = len(large)
    assert lengths == [1, count + 1, count + 2, count + 3, count + 4]
    found = await core.blocks([0, count, count + 1, count + 2, count + 3])
    expected = [b"first", large[-1], b"between", wide, b"last"]
    assert [found[index] for index in sorted(found)] == expected
    assert core.state.byte_length == appended[-1][1]


async def test_the_loop_goes_on_while_a_large_append_is_hashed(core: Core) -> None:
    appending = asyncio.ensure_future(core.append(many(MAX_BLOCKS_ON_LOOP + 1)))
    await asyncio.sleep(0)
    assert core.state.tip.length == 0
    await appending
    assert core.state.length == MAX_BLOCKS_ON_LOOP + 1


async def test_cutting_and_clearing_wait_for_their_turn(core: Core) -> None:
    large = many(MAX_BLOCKS_ON_LOOP + 1)
    appending = asyncio.ensure_future(core.append(large))
    cutting = asyncio.ensure_future(core.truncate(10))
    behind = asyncio.ensure_future(core.append([b"behind"]))
    clearing = asyncio.ensure_future(core.clear(10, 11))
    assert await appending == (len(large), sum(map(len, large)))
    await cutting
    assert (await behind)[0] == 11
    assert await clearing == len(b"behind")
    assert (core.state.length, core.state.fork) == (11, 1)


async def test_who_gives_up_its_turn_holds_nobody_up(core: Core) -> None:
    appending = asyncio.ensure_future(core.append(many(MAX_BLOCKS_ON_LOOP + 1)))
    await asyncio.sleep(0)
    cutting = asyncio.ensure_future(core.truncate(10))
    await asyncio.sleep(0)
    behind = asyncio.ensure_future(core.append([b"behind"]))
    cutting.cancel()
    await asyncio.gather(appending, behind)
    assert core.state.length == MAX_BLOCKS_ON_LOOP + 2


async def test_what_a_peer_brings_while_a_large_append_is_hashed(core: Core) -> None:
    """The tree may have grown otherwise meanwhile: it is hashed again."""
    appending = asyncio.ensure_future(core.append(many(MAX_BLOCKS_ON_LOOP + 1)))
    await asyncio.sleep(0)
    core.submit(core.state.append([b"brought"]))
    assert (await appending)[0] == MAX_BLOCKS_ON_LOOP + 2
    assert await core.blocks([0, 1]) == {0: b"brought", 1: b"0"}


async def test_closing_fails_a_large_append_that_is_being_hashed(core: Core) -> None:
    appending = asyncio.ensure_future(core.append(many(MAX_BLOCKS_ON_LOOP + 1)))
    later = asyncio.ensure_future(core.append([b"later"]))
    await asyncio.sleep(0)
    core.close()
    for each in (appending, later):
        with pytest.raises(LocalProtocolError) as caught:
            await each
        assert caught.value.code == "session-closed"
    await core.flushed()
    assert core.state.length == 0


async def test_a_tree_that_was_another_one_for_a_moment_is_hashed_again(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a peer brought meanwhile may have been rolled back before anybody looks."""
    state = core.state
    tip, plan = state.tip, state.plan_append
    other = Head(tip.fork, tip.length, tip.byte_length, tip.roots, tip.signature)
    bases = [other]

    def plan_on_another(blocks: list[bytes], *, signature: bytes | None) -> Change:
        state.tip = bases.pop() if bases else tip
        try:
            return plan(blocks, signature=signature)
        finally:
            state.tip = tip

    monkeypatch.setattr(state, "plan_append", plan_on_another)
    large = many(MAX_BLOCKS_ON_LOOP + 1)
    async with asyncio.timeout(60):
        assert (await core.append(large))[0] == len(large)
    assert not bases


async def test_a_thread_that_cannot_be_had_fails_the_append(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise RuntimeError("cannot schedule new futures after shutdown")

    with monkeypatch.context() as patched:
        patched.setattr(asyncio, "to_thread", refuse)
        async with asyncio.timeout(60):
            with pytest.raises(RuntimeError):
                await core.append(many(MAX_BLOCKS_ON_LOOP + 1))
    assert (await core.append([b"later"]))[0] == 1
