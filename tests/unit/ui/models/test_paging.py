"""Walks of a reader through a growing history, against the history itself."""

from __future__ import annotations

import random

from ui.models.paging import PAGE, NewerPages


def test_pages_let_go_come_back_in_order_with_what_arrived_meanwhile() -> None:
    for seed in range(60):
        chance = random.Random(seed)
        history = [f"m{n}" for n in range(400)]
        loaded = history[100:]
        pages = NewerPages()
        for _ in range(chance.randrange(1, 5)):
            pages.push(loaded[-PAGE])
            loaded = loaded[:-PAGE]
        for _ in range(chance.choice([0, 1, PAGE - 1, PAGE, PAGE + 1, 130])):
            history.append(f"m{len(history)}")
            pages.arrive(history[-1])
        while pages:
            end = len(history) if pages.next is None else history.index(pages.next)
            page = history[max(0, end - PAGE) : end]
            pages.pop()
            loaded += [m for m in page if m not in loaded]
        assert loaded == history[100:], seed


def test_an_empty_stack_is_at_the_newest() -> None:
    pages = NewerPages()
    assert not pages
    pages.push("a")
    assert pages
    assert len(pages) == 1
    assert pages.next is None
    pages.clear()
    assert not pages
