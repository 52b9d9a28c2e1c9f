"""Brings the window up and down: Qt, its event loop, the engine, the session.

The window's frame is on the screen before the core answers. What happens in it is
decided in :mod:`ui.session`; how a core is found is the gateway's business.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import qasync  # type: ignore[import-untyped]
import shiboken6
from PySide6.QtCore import (
    QLocale,
    QMessageLogContext,
    Qt,
    QtMsgType,
    QTranslator,
    QUrl,
    qInstallMessageHandler,
)
from PySide6.QtGui import QFont, QFontDatabase, QGuiApplication, QIcon
from PySide6.QtQml import QQmlApplicationEngine
from PySide6.QtQuick import QQuickWindow, QSGRendererInterface

import assets
from ui.bridge import Bridge, pause
from ui.gateway import Gateway
from ui.images import IconProvider, QrProvider
from ui.interpreter import guard_constants
from ui.session import Session
from ui.window_state import UNPLACED, WindowState

FONT_FILES = (
    "fonts/Inter-Regular.otf",
    "fonts/Inter-Medium.otf",
    "fonts/Inter-SemiBold.otf",
    "fonts/NotoColorEmoji.ttf",
)
TEXT_FAMILY = "Inter"
EMOJI_FAMILY = "Noto Color Emoji"
BODY_PIXELS = 14
ICON_SIZES = (16, 32, 48, 64, 128, 256)

_QML_ROOT = Path(__file__).resolve().parent / "qml"
_logger = logging.getLogger(__name__)


def wall_clock_ms() -> int:
    """The time as snapshots give it: milliseconds since the epoch."""
    return int(time.time() * 1000)


def prefer_light_rendering() -> None:
    """Draw without OpenGL where no graphics device is.

    A software OpenGL costs some 70 MB and more processor time than Qt's own painter.
    A choice made by the user in ``QT_QUICK_BACKEND`` stands.
    """
    if not sys.platform.startswith("linux") or "QT_QUICK_BACKEND" in os.environ:
        return
    if not any(Path("/dev/dri").glob("renderD*")):
        QQuickWindow.setGraphicsApi(QSGRendererInterface.GraphicsApi.Software)


def make_application(arguments: list[str]) -> QGuiApplication:
    """Make the one application object with its fonts, icon and language."""
    guard_constants()
    prefer_light_rendering()
    QQuickWindow.setTextRenderType(QQuickWindow.TextRenderType.NativeTextRendering)
    QGuiApplication.setApplicationName("covey")
    QGuiApplication.setApplicationDisplayName("Covey")
    QGuiApplication.setDesktopFileName("covey")
    application = QGuiApplication(arguments)
    application.setQuitOnLastWindowClosed(False)
    for name in FONT_FILES:
        QFontDatabase.addApplicationFont(str(assets.path(name)))
    QFontDatabase.addApplicationEmojiFontFamily(EMOJI_FAMILY)
    font = QFont(TEXT_FAMILY)
    font.setPixelSize(BODY_PIXELS)
    application.setFont(font)
    icon = QIcon()
    for pixels in ICON_SIZES:
        icon.addFile(str(assets.path(f"icons/covey-{pixels}.png")))
    application.setWindowIcon(icon)
    install_language(application)
    return application


def install_language(application: QGuiApplication) -> None:
    """Load the texts of the system's language; English always, for its plurals."""
    wanted = dict.fromkeys(("en", QLocale().name().split("_")[0]))
    for name in wanted:
        translator = QTranslator(application)
        try:
            source = assets.path(f"translations/covey_{name}.qm")
        except FileNotFoundError:
            continue
        if translator.load(str(source)):
            application.installTranslator(translator)


def log_qt_message(kind: QtMsgType, context: QMessageLogContext, message: str) -> None:
    """Hand Qt's own messages to the log under the name ``qt``."""
    del context
    level = {
        QtMsgType.QtDebugMsg: logging.DEBUG,
        QtMsgType.QtInfoMsg: logging.INFO,
        QtMsgType.QtWarningMsg: logging.WARNING,
    }.get(kind, logging.ERROR)
    logging.getLogger("qt").log(level, "%s", message)


class Face:
    """One window with everything behind it.

    Attributes:
        session: The root view model.
        window: The window, once :meth:`show` was called.
    """

    def __init__(
        self,
        gateway: Gateway,
        *,
        state: WindowState,
        now_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        self.bridge = Bridge()
        self.session = Session(
            gateway=gateway, bridge=self.bridge, state=state, now_ms=now_ms
        )
        self.window: QQuickWindow | None = None
        self._state = state
        self._engine = QQmlApplicationEngine()
        self._icons = IconProvider()
        self._codes = QrProvider()
        self._engine.addImageProvider("icon", self._icons)
        self._engine.addImageProvider("qr", self._codes)
        self._engine.rootContext().setContextProperty("covey", self.session)

    @property
    def engine(self) -> QQmlApplicationEngine:
        """The engine, for tests and the gallery."""
        return self._engine

    def show(self) -> QQuickWindow:
        """Put the window on the screen in whatever phase the session is."""
        place = self._state.geometry()
        known = {"width": place.width(), "height": place.height()}
        screens = QGuiApplication.screens()
        # A screen may be gone since; a window out of reach helps nobody.
        if place.topLeft() != UNPLACED and any(
            screen.geometry().contains(place.topLeft()) for screen in screens
        ):
            known |= {"x": place.x(), "y": place.y()}
        self._engine.setInitialProperties({**known, "visible": True})
        self._engine.load(QUrl.fromLocalFile(str(_QML_ROOT / "Main.qml")))
        roots = self._engine.rootObjects()
        assert roots, "Main.qml did not load"
        window = roots[0]
        assert isinstance(window, QQuickWindow)
        self.window = window
        return window

    def call_when_usable(self, call: Callable[[], None]) -> None:
        """Call once, with the first frame after the session stopped waiting."""

        def look() -> None:
            if self.window is not None and self.session.waits_for_a_person:
                self.session.phaseChanged.disconnect(look)
                self.window.frameSwapped.connect(
                    call, Qt.ConnectionType.SingleShotConnection
                )
                self.window.update()

        self.session.phaseChanged.connect(look)

    async def stop(self) -> None:
        """Take the window away, then end the session, which may take a while."""
        if self.window is not None:
            self._state.keep_geometry(self.window.geometry())
            self.window.hide()
        await self.session.stop()

    def destroy(self) -> None:
        """Delete the QML objects before what they are bound to."""
        self.window = None
        for root in self._engine.rootObjects():
            shiboken6.delete(root)
        shiboken6.delete(self._engine)


def main(
    profile: Path,
    bootstrap: str | None = None,
    *,
    passphrase_file: Path | None = None,
    demo_side: str | None = None,
    gateway: Gateway | None = None,
    usable: Callable[[], None] | None = None,
) -> int:
    """Open the window of a profile and stay until it is closed.

    Args:
        profile: The profile's folder; it need not exist yet.
        bootstrap: First nodes of the network as ``host:port[,host:port...]``.
        passphrase_file: Where the profile's passphrase is read from; None for the
            file named by ``COVEY_PASSPHRASE_FILE``, if any.
        demo_side: ``left`` or ``right`` for a window of the demo.
        gateway: Another way to a core, for tests.
        usable: Called once, when a person can use what the window shows.

    Returns:
        The exit status.
    """
    qInstallMessageHandler(log_qt_message)
    application = make_application(sys.argv[:1])
    loop = qasync.QEventLoop(application)
    asyncio.set_event_loop(loop)
    if gateway is None:
        from ui.local_gateway import LocalGateway

        named = os.environ.get("COVEY_PASSPHRASE_FILE")
        if passphrase_file is None and named:
            passphrase_file = Path(named)
        gateway = LocalGateway(
            profile, bootstrap=bootstrap, passphrase_file=passphrase_file
        )
    state = WindowState(profile)
    if demo_side is not None:
        state.keep_demo(demo_side, QGuiApplication.primaryScreen().availableGeometry())
    face = Face(gateway, state=state)
    if usable is not None:
        face.call_when_usable(usable)
    closed = asyncio.Event()
    with loop:
        loop.run_until_complete(_live(face, closed))
        face.destroy()
    return 0


async def _live(face: Face, closed: asyncio.Event) -> None:
    face.session.start()
    # The core starts while the window's own files are read.
    await pause(0.002)
    window = face.show()
    window.closing.connect(lambda _: closed.set(), Qt.ConnectionType.QueuedConnection)
    _end_on_signals(closed)
    gc.collect()
    gc.freeze()
    await closed.wait()
    await face.stop()


def _end_on_signals(closed: asyncio.Event) -> None:
    """Let Ctrl+C in a terminal and the end of the session close the window."""
    if sys.platform == "win32":
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, closed.set)
