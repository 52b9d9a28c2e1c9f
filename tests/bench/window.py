"""A window to be measured: opens a profile, says when it is usable, stays until told.

Started as ``python -m tests.bench.window PROFILE BOOTSTRAP``; prints one line with the
monotonic clock at which the window was usable, and ends on SIGTERM.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path


def main() -> int:
    """Open the window until SIGTERM."""
    from ui import application

    def tell() -> None:
        print(time.monotonic(), flush=True)

    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    return application.main(Path(sys.argv[1]), sys.argv[2], usable=tell)


if __name__ == "__main__":
    sys.exit(main())
