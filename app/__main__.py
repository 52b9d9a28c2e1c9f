"""The entry of everything: ``python -m app``, ``covey``, the frozen program."""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> int:
    """Run the command line and return its exit status."""
    from app.cli.entry import run

    return run(sys.argv[1:], open_window=_open_window)


def _open_window(
    profile: Path, bootstrap: str | None, passphrase_file: Path | None
) -> int:
    from ui import application

    return application.main(
        profile, bootstrap=bootstrap, passphrase_file=passphrase_file
    )


if __name__ == "__main__":
    sys.exit(main())
