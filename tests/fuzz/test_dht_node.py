"""A whole HyperDHT node under recorded datagrams, damaged, misdirected and replayed.

Whatever comes in, nothing is raised, little is sent for it, and all that a handshake
made the node hold is given back in time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from net.crypto import KeyPair, blake2b_256
from net.dht import HyperDhtNode, SocketReleased, SocketWanted, StreamReady
from net.dht.constants import MAX_PUNCH_SOCKETS, MAX_SESSIONS
from net.flow import Scheduler
from net.rpc import CLIENT, SERVER, Outgoing
from tests.fuzz.mutations import mutated
from tests.helpers.vectors import load_vectors

KEYS = KeyPair.from_seed(b"\x02" * 32)
CAPTURES = [
    *load_vectors("hyperdht-connect-transcript")["cases"],
    *load_vectors("hyperdht-wire-capture")["cases"],
]
RECORDED = sorted({bytes.fromhex(p["packet"]) for c in CAPTURES for p in c["packets"]})
OURS = [data for data in RECORDED if data[:1] == b"\x03" and len(data) > 60]
MAX_SENT_PER_DATAGRAM = 12


def entropy() -> Callable[[int], bytes]:
    state = [0]

    def draw(size: int) -> bytes:
        state[0] += 1
        return (blake2b_256(state[0].to_bytes(8, "little")) * (size // 32 + 1))[:size]

    return draw


class Rig:
    """A persistent node with a server on it, and its sockets and streams."""

    def __init__(self) -> None:
        self.now = 0.0
        self.open = {SERVER, CLIENT}
        self.streams: set[int] = set()
        self.next_id = 1
        self.node = HyperDhtNode(
            scheduler=Scheduler(),
            entropy=entropy(),
            allocate_stream_id=self.allocate,
            release_stream_id=self.streams.remove,
            bootstrap=[],
            ephemeral=False,
            firewalled=False,
            quick_firewall=False,
        )
        self.node.start(server_port=7000, client_port=7001)
        self.server = self.node.create_server()
        self.server.listen(KEYS)
        self.run_for(1.0)

    def allocate(self) -> int:
        self.next_id += 1
        self.streams.add(self.next_id)
        return self.next_id

    def drain(self) -> list[Outgoing]:
        while (event := self.node.next_event()) is not None:
            if isinstance(event, SocketWanted):
                self.open.add(event.socket)
                self.node.socket_opened(event.socket, 9000, self.now)
            elif isinstance(event, SocketReleased):
                self.open.remove(event.socket)
            elif isinstance(event, StreamReady):
                self.streams.remove(event.local_id)
                self.node.stream_closed(event.local_id, self.now)
        return self.node.datagrams_to_send()

    def run_for(self, duration_s: float) -> None:
        end = self.now + duration_s
        while (at := self.node.get_timer()) is not None and at <= end:
            self.now = max(self.now, at)
            self.node.handle_timer(self.now)
            self.drain()
        self.now = end

    def receive(self, data: bytes, address: tuple[str, int], socket: int) -> None:
        if socket not in self.open:
            socket = SERVER
        self.node.receive_datagram(data, address, self.now, socket=socket)
        assert len(self.drain()) <= MAX_SENT_PER_DATAGRAM


STEPS = st.lists(
    st.tuples(
        mutated(RECORDED, max_changes=2) | st.sampled_from(OURS),
        st.sampled_from([("127.0.0.1", 5), ("8.8.8.8", 0), ("6.6.6.6", 66)]),
        st.integers(0, 4),
        st.sampled_from([0.0, 0.0, 0.01, 1.0]),
    ),
    max_size=25,
)


@given(STEPS)
@settings(max_examples=60, deadline=None)
def test_a_node_bears_what_comes_in(steps: Any) -> None:
    rig = Rig()
    for data, address, socket, pause_s in steps:
        rig.receive(data, address, socket)
        rig.run_for(pause_s)
        assert rig.server.session_count <= MAX_SESSIONS
        assert rig.node.punch_socket_count <= MAX_PUNCH_SOCKETS
    rig.run_for(60)
    assert rig.server.session_count == 0
    assert rig.node.punch_socket_count == 0
    assert rig.open == {SERVER, CLIENT}
    assert rig.streams == set(), "every id was used or given back"


def test_recorded_handshakes_do_reach_the_server() -> None:
    """The test above would prove little if all died at the first check."""
    rig = Rig()
    for data in OURS:
        rig.receive(data, ("127.0.0.1", 5), SERVER)
    assert rig.server.session_count >= 1
    assert rig.node.counters["handshake-repeated"] >= 1
