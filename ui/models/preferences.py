"""Settings: one's name, devices, what others may see, and how the window looks.

How the window looks is kept beside the window's size; the rest is the core's.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from PySide6.QtCore import Property, QObject, Signal, Slot

from app.errors import UserFacingError
from app.snapshots import DeviceSnapshot, ProfileSnapshot, SharingSnapshot
from ui import format as texts
from ui import terms
from ui.bridge import Bridge, Job
from ui.gateway import Core
from ui.images import qr_source
from ui.models.rows import RowModel
from ui.window_state import SCHEMES, SIZES_PERCENT, WindowState


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """One device of this person."""

    key: str
    name: str
    detail: str
    me: bool
    online: bool
    revoked: bool


class Preferences(QObject):
    """View model of the settings.

    Signals:
        changed: Anything that is shown changed.
        looksChanged: Scheme, size or motion changed.
        done: What was asked for is done; its name.
        profiled: The profile is another one now; its snapshot.
    """

    changed = Signal()
    looksChanged = Signal()
    done = Signal(str)
    profiled = Signal(object)

    def __init__(
        self, *, bridge: Bridge, state: WindowState, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._state = state
        self._core: Core | None = None
        self._looks = state.looks()
        self._busy = ""
        self._failure = ""
        self._link = ""
        self._linked = ""
        self._waiting: Job | None = None
        self._sharing = SharingSnapshot(typing=True, presence=True)
        self._devices: RowModel[DeviceRow] = RowModel(DeviceRow, self)

    busy = Property(str, lambda s: s._busy, notify=changed)
    failure = Property(str, lambda s: s._failure, notify=changed)
    devices = Property(QObject, lambda s: s._devices, constant=True)
    link = Property(str, lambda s: s._link, notify=changed)
    linkQr = Property(
        str, lambda s: qr_source(s._link) if s._link else "", notify=changed
    )
    linked = Property(str, lambda s: s._linked, notify=changed)
    sharesTyping = Property(bool, lambda s: s._sharing.typing, notify=changed)
    sharesPresence = Property(bool, lambda s: s._sharing.presence, notify=changed)
    scheme = Property(str, lambda s: s._looks.scheme, notify=looksChanged)
    schemes = Property(list, lambda _: list(SCHEMES), constant=True)
    size = Property(int, lambda s: s._looks.percent, notify=looksChanged)
    sizes = Property(list, lambda _: list(SIZES_PERCENT), constant=True)
    motion = Property(bool, lambda s: s._looks.motion, notify=looksChanged)
    version = Property(str, lambda _: _version(), constant=True)

    def attach(self, core: Core | None) -> None:
        """Use this core from now on; None while there is none."""
        self._core = core
        self.reset()

    def refresh(self) -> None:
        """Ask which devices there are."""
        if self._core is not None:
            self._bridge.run(
                self._core.devices(), done=self._show_devices, failed=self._refused
            )

    # What a person does ---------------------------------------------------------

    @Slot()
    def look(self) -> None:
        """The settings are opened: ask how everything stands."""
        self.reset()
        if self._core is not None:
            self.refresh()
            self._bridge.run(
                self._core.sharing(), done=self._take_sharing, failed=self._refused
            )

    @Slot()
    def reset(self) -> None:
        """Forget what was begun, as when the settings close."""
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        self._busy = self._failure = self._link = self._linked = ""
        self.changed.emit()

    @Slot(str)
    def rename(self, name: str) -> None:
        """Be called otherwise, in all rooms and from all devices."""
        name = " ".join(name.split())
        if self._core is not None and name:
            self._begin("rename", self._core.set_profile(name=name), self._renamed)

    def _renamed(self, profile: ProfileSnapshot) -> None:
        self.profiled.emit(profile)

    @Slot()
    def linkDevice(self) -> None:
        """Make a link for a further device, and wait until it came."""
        if self._core is None:
            return
        self.reset()
        self._begin("link", self._core.link_device(), self._await_device)

    def _await_device(self, link: str) -> None:
        self._link = link
        self.changed.emit()
        if self._core is not None:
            self._waiting = self._bridge.run(
                self._core.wait_linked(link),
                done=self._device_came,
                failed=self._refused,
            )

    def _device_came(self, device: DeviceSnapshot) -> None:
        self._waiting, self._link = None, ""
        self._linked = texts.clean_name(device.name) or self.tr("A device")
        self.changed.emit()
        self.refresh()

    @Slot(str)
    def revoke(self, device: str) -> None:
        """Put a device out of everything, for ever."""
        if self._core is not None:
            work = self._core.revoke_device(device)
            self._begin("revoke", work, lambda _: self.refresh())

    @Slot(bool)
    def shareTyping(self, on: bool) -> None:
        """Let others see that one is writing."""
        if self._core is not None:
            work = self._core.set_sharing(typing=on)
            self._begin("sharing", work, self._take_sharing)

    @Slot(bool)
    def sharePresence(self, on: bool) -> None:
        """Let others see whether one is there."""
        if self._core is not None:
            work = self._core.set_sharing(presence=on)
            self._begin("sharing", work, self._take_sharing)

    @Slot(str)
    def setScheme(self, scheme: str) -> None:
        """Look light, dark, or as the system does."""
        self._set_looks(scheme=scheme)

    @Slot(int)
    def setSize(self, percent: int) -> None:
        """Write larger or smaller."""
        self._set_looks(percent=percent)

    @Slot(int)
    def step(self, steps: int) -> None:
        """Write a step larger or smaller; 0 for the usual size."""
        at = SIZES_PERCENT.index(self._looks.percent) + steps
        last = len(SIZES_PERCENT) - 1
        self._set_looks(percent=SIZES_PERCENT[min(max(at, 0), last)] if steps else 100)

    @Slot(bool)
    def setMotion(self, on: bool) -> None:
        """Let things move, or not."""
        self._set_looks(motion=on)

    # Inside ---------------------------------------------------------------------

    def _set_looks(self, **wanted: Any) -> None:
        self._looks = self._state.keep_looks(self._looks, **wanted)
        self.looksChanged.emit()

    def _begin(
        self, name: str, work: Coroutine[Any, Any, Any], done: Callable[[Any], None]
    ) -> None:
        def finished(result: Any) -> None:
            self._busy = ""
            done(result)
            self.changed.emit()
            self.done.emit(name)

        self._busy, self._failure = name, ""
        self.changed.emit()
        self._bridge.run(work, done=finished, failed=self._refused)

    def _refused(self, error: UserFacingError) -> None:
        self._busy, self._failure, self._waiting = "", error.sentence, None
        self.changed.emit()

    def _take_sharing(self, sharing: SharingSnapshot) -> None:
        self._sharing = sharing
        self.changed.emit()

    def _show_devices(self, devices: list[DeviceSnapshot]) -> None:
        devices = sorted(devices, key=lambda it: (not it.me, it.revoked, -it.added_at))
        self._devices.replace_all([self._row(it) for it in devices])

    def _row(self, device: DeviceSnapshot) -> DeviceRow:
        if device.me:
            state = self.tr("This device")
        elif device.revoked:
            state = self.tr("Put out")
        else:
            state = (
                self.tr("Connected now") if device.online else self.tr("Not connected")
            )
        since = self.tr("since {0}").format(terms.moment(device.added_at))
        return DeviceRow(
            key=device.key,
            name=texts.clean_name(device.name) or self.tr("Device without a name"),
            detail=f"{state} \u00b7 {since}",
            me=device.me,
            online=device.online,
            revoked=device.revoked,
        )


def _version() -> str:
    try:
        return version("covey")
    except PackageNotFoundError:
        return ""
