"""The state of the connection, in words that are true, and the peers behind it."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import Property, QObject, Signal

from app.snapshots import NetworkSnapshot, PeerSnapshot
from ui import format as texts
from ui.models.rows import RowModel


@dataclass(frozen=True, slots=True)
class PeerRow:
    """One connected device as the connection view shows it."""

    key: str
    name: str
    initials: str
    colour: int
    path: str
    """``direct``, ``lan`` or ``relayed``."""
    pathText: str
    address: str
    roundTrip: str
    traffic: str


class PeerListModel(RowModel[PeerRow]):
    """The devices connected now."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(PeerRow, parent)

    def show(self, peers: tuple[PeerSnapshot, ...]) -> None:
        """Show these peers, changing only the rows that differ."""
        wanted = sorted(
            (self._row(peer) for peer in peers), key=lambda row: (row.name, row.key)
        )
        if [row.key for row in wanted] == [row.key for row in self._rows]:
            for at, row in enumerate(wanted):
                self.put(at, row)
        else:
            self.replace_all(wanted)

    def _row(self, peer: PeerSnapshot) -> PeerRow:
        name = texts.clean_name(peer.name) or self.tr("Device {0}").format(
            peer.public_key[:8]
        )
        paths = {
            "direct": self.tr("Direct"),
            "lan": self.tr("Same network"),
            "relayed": self.tr("Through a relay"),
        }
        return PeerRow(
            key=peer.public_key,
            name=name,
            initials=texts.initials(name),
            colour=texts.colour_index(peer.public_key),
            path=peer.path,
            pathText=paths.get(peer.path, peer.path),
            address=peer.remote_address,
            roundTrip=""
            if peer.rtt_ms is None
            else self.tr("{0} ms").format(
                f"{peer.rtt_ms:.1f}" if peer.rtt_ms < 10 else f"{peer.rtt_ms:.0f}"
            ),
            traffic=self.tr("{0} in, {1} out").format(
                texts.size(peer.bytes_in), texts.size(peer.bytes_out)
            ),
        )


class NetworkView(QObject):
    """View model of the connection chip and its popover.

    Moved by :class:`app.events.NetworkChanged`; before the first one the state is
    ``starting``.

    Signals:
        changed: Any of the properties changed.
    """

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._network: NetworkSnapshot | None = None
        self._stopped = ""
        self._peers = PeerListModel(parent=self)

    def take(self, network: NetworkSnapshot) -> None:
        """The core told the state of the network."""
        self._network, self._stopped = network, ""
        self._peers.show(network.peers)
        self.changed.emit()

    def stop(self, sentence: str) -> None:
        """There is no core any more."""
        self._network, self._stopped = None, sentence
        self._peers.show(())
        self.changed.emit()

    def start(self) -> None:
        """A core is being started or looked for."""
        self._network, self._stopped = None, ""
        self._peers.show(())
        self.changed.emit()

    def _get_state(self) -> str:
        if self._stopped:
            return "stopped"
        return self._network.state if self._network else "starting"

    def _get_tone(self) -> str:
        state = self._get_state()
        if state == "online":
            return "good" if self._network and self._network.peers else "calm"
        return {"offline": "bad", "stopped": "bad"}.get(state, "busy")

    def _get_title(self) -> str:
        network = self._network
        state = self._get_state()
        if network is not None and network.peers:
            return self.tr("Connected to %n device(s)", "", len(network.peers))
        return {
            "starting": self.tr("Starting"),
            "searching": self.tr("Looking for the network"),
            "online": self.tr("Online, nobody connected"),
            "offline": self.tr("Offline"),
            "stopped": self.tr("Stopped"),
        }.get(state, state)

    def _get_detail(self) -> str:
        network = self._network
        if network is None:
            return self._stopped or self.tr("Covey is starting its core.")
        if network.sentence:
            return network.sentence
        if network.peers:
            return self._paths(network)
        return {
            "starting": self.tr("Covey is starting its core."),
            "searching": self.tr("Asking known nodes the way into the network."),
            "online": self.tr(
                "The network is reached. As soon as a member of one of your rooms"
                " is online, Covey connects."
            ),
            "offline": self.tr(
                "What you write stays here and goes out when the network is back."
            ),
        }.get(network.state, "")

    def _paths(self, network: NetworkSnapshot) -> str:
        count = {"direct": 0, "lan": 0, "relayed": 0}
        for peer in network.peers:
            count[peer.path] = count.get(peer.path, 0) + 1
        kinds = [path for path, number in count.items() if number]
        if len(kinds) == 1:
            return {
                "direct": self.tr("directly"),
                "lan": self.tr("in the same network"),
                "relayed": self.tr("through a relay"),
            }.get(kinds[0], kinds[0])
        parts = []
        if count["direct"]:
            parts.append(self.tr("%n directly", "", count["direct"]))
        if count["lan"]:
            parts.append(self.tr("%n in the same network", "", count["lan"]))
        if count["relayed"]:
            parts.append(self.tr("%n through a relay", "", count["relayed"]))
        return ", ".join(parts)

    def _get_path(self) -> str:
        """One word on how peers are reached: direct, lan, relayed, mixed or empty."""
        paths = {peer.path for peer in self._network.peers} if self._network else set()
        return paths.pop() if len(paths) == 1 else ("mixed" if paths else "")

    def _get_reach(self) -> str:
        firewall = self._network.firewall if self._network else "unknown"
        return {
            "open": self.tr("Reachable by everyone"),
            "consistent": self.tr("Behind a router that lets direct connections work"),
            "random": self.tr("Behind a router that makes direct connections hard"),
        }.get(firewall, self.tr("Not known yet"))

    def _get_address(self) -> str:
        address = self._network.public_address if self._network else None
        return address or self.tr("Not known yet")

    state = Property(str, _get_state, notify=changed)
    tone = Property(str, _get_tone, notify=changed)
    title = Property(str, _get_title, notify=changed)
    detail = Property(str, _get_detail, notify=changed)
    path = Property(str, _get_path, notify=changed)
    reach = Property(str, _get_reach, notify=changed)
    address = Property(str, _get_address, notify=changed)
    nodes = Property(
        int, lambda s: s._network.nodes if s._network else 0, notify=changed
    )
    peers = Property(QObject, lambda s: s._peers, constant=True)
