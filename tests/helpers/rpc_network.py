"""Many dht-rpc nodes in one world, with a store and a fetch command of their own."""

from __future__ import annotations

from dataclasses import dataclass, field

from net.flow import Scheduler
from net.rpc import CLIENT, SERVER, Address, Query, Reply, Request, RpcNode
from tests.helpers.world import Host, World

STORE, FETCH = 7, 8
PORT = 49737


@dataclass(eq=False)
class Member:
    """One computer with its node and what others stored on it."""

    network: Network
    host: Host
    node: RpcNode
    stored: dict[bytes, bytes] = field(default_factory=dict)

    @property
    def address(self) -> Address:
        return (self.host.ip, PORT)

    def on_request(self, request: Request) -> bool:
        if request.target is None or request.command not in (STORE, FETCH):
            return False
        if request.command == STORE:
            if request.token_valid and request.value is not None:
                self.stored[request.target] = request.value
            request.reply()
        else:
            request.reply(self.stored.get(request.target))
        return True

    def store(self, key: bytes, value: bytes) -> Query:
        """Begin to store a value on the nodes closest to its key."""
        return self.host.call(lambda: self.node.query(key, STORE, value, commit=True))

    def fetch(self, key: bytes) -> tuple[Query, list[bytes]]:
        """Begin to look a key up; the list fills with the values found."""
        values: list[bytes] = []

        def note(reply: Reply) -> None:
            if reply.value is not None:
                values.append(reply.value)

        query = self.host.call(lambda: self.node.query(key, FETCH, on_reply=note))
        return query, values


class Network:
    """Nodes that all find each other through the first one."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.members: list[Member] = []
        self._made = 0
        self.first = self._member(bootstrap=[])

    def join(self, count: int, *, each_s: float = 0.02) -> None:
        """Let nodes join one after the other, and give the last ones time."""
        for _ in range(count):
            self.add()
            self.world.run_for(each_s)
        self.world.run_for(20.0)

    def add(self) -> Member:
        """Let one node join at this instant."""
        return self._member(bootstrap=[self.first.address])

    def leave(self, member: Member) -> None:
        """Take a node away without a word."""
        self.members.remove(member)
        self.world.remove_host(member.host)

    def _member(self, bootstrap: list[Address]) -> Member:
        self._made += 1
        ip = f"10.{self._made >> 16 & 255}.{self._made >> 8 & 255}.{self._made & 255}"
        host = self.world.add_host(ip)
        scheduler = Scheduler(now=self.world.now)
        node = RpcNode(
            scheduler=scheduler,
            entropy=self.world.entropy(ip),
            bootstrap=bootstrap,
            ephemeral=False,
            firewalled=False,
            public_address=None if bootstrap else (ip, PORT),
            on_request=lambda request: member.on_request(request),
        )
        member = Member(self, host, node)
        host.run(node, sockets={SERVER: PORT, CLIENT: None})
        host.call(
            lambda: node.start(
                server_port=host.sockets[SERVER], client_port=host.sockets[CLIENT]
            )
        )
        self.members.append(member)
        return member
