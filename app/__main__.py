"""The entry of everything: ``python -m app``, ``covey``, the frozen program."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.cli.entry import WindowRequest

INTERRUPTED = 130
"""The exit status after Ctrl-C."""


def main() -> int:
    """Run the command line and return its exit status."""
    try:
        from app.cli.entry import Faces, run

        return run(
            sys.argv[1:],
            faces=Faces(open_window=_open_window, draw_gallery=_draw_gallery),
        )
    except KeyboardInterrupt:
        # It came before there was anything to interrupt.
        return INTERRUPTED


def _open_window(request: WindowRequest) -> int:
    from app.errors import UserFacingError

    if sys.platform == "linux" and not any(
        os.environ.get(name)
        for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    ):
        # Qt would end the whole program.
        raise UserFacingError(
            "no-display",
            "No screen is here to open a window on; covey --help tells what works"
            " without one.",
        )
    try:
        from ui import application
    except ImportError as error:
        raise _without_qt(error) from error
    return application.main(
        request.profile,
        bootstrap=request.bootstrap,
        passphrase_file=request.passphrase_file,
        demo_side=request.demo_side,
    )


def _draw_gallery(folder: Path, only: tuple[str, ...]) -> int:
    try:
        from ui import gallery
    except ImportError as error:
        raise _without_qt(error) from error
    # Qt's event loop would print the interruption and go on drawing.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return gallery.main(folder, only=only)


def _without_qt(error: ImportError) -> Exception:
    """What to say where Qt or a library that it needs is not installed."""
    from app.errors import UserFacingError

    return UserFacingError("no-qt", f"The window cannot be loaded: {error}.")


if __name__ == "__main__":
    sys.exit(main())
