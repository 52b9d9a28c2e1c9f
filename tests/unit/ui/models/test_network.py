from __future__ import annotations

import pytest

from app.snapshots import NetworkSnapshot
from ui.models.network import NetworkView
from ui.sample import online, peer


def told(view: NetworkView) -> tuple[str, str, str, str]:
    """State, tone, title and detail."""
    names = ("state", "tone", "title", "detail")
    state, tone, title, detail = (str(view.property(name)) for name in names)
    return state, tone, title, detail


def test_before_anything_is_known_it_is_starting() -> None:
    state, tone, title, detail = told(NetworkView())
    assert (state, tone, title) == ("starting", "busy", "Starting")
    assert detail


@pytest.mark.parametrize(
    ("paths", "title", "detail", "path"),
    [
        (["direct"], "Connected to 1 device", "directly", "direct"),
        (["lan", "lan"], "Connected to 2 devices", "in the same network", "lan"),
        (["relayed"], "Connected to 1 device", "through a relay", "relayed"),
        (
            ["direct", "relayed", "direct"],
            "Connected to 3 devices",
            "2 directly, 1 through a relay",
            "mixed",
        ),
    ],
)
def test_the_paths_to_peers_are_told(
    paths: list[str], title: str, detail: str, path: str
) -> None:
    view = NetworkView()
    view.take(online(*(peer(f"P{n}", p, "a:1", 1.0) for n, p in enumerate(paths))))
    assert told(view) == ("online", "good", title, detail)
    assert view.property("path") == path
    assert view.property("peers").property("count") == len(paths)


def test_being_online_alone_is_no_success_and_no_failure() -> None:
    view = NetworkView()
    view.take(online())
    assert told(view)[:3] == ("online", "calm", "Online, nobody connected")


def test_the_core_s_own_sentence_comes_first() -> None:
    view = NetworkView()
    view.take(NetworkSnapshot("offline", 0, "unknown", None, (), "The clock is wrong."))
    assert told(view) == ("offline", "bad", "Offline", "The clock is wrong.")


def test_a_stopped_core_forgets_its_peers() -> None:
    view = NetworkView()
    view.take(online(peer("P", "direct", "a:1", None)))
    view.stop("Covey's core has ended.")
    assert told(view) == ("stopped", "bad", "Stopped", "Covey's core has ended.")
    assert view.property("peers").property("count") == 0
    view.start()
    assert told(view)[0] == "starting"
