"""The core's log: one JSON object a line, in a ring of files inside the profile.

Keys, names, texts and addresses of contacts are never logged above debug level.
"""

from __future__ import annotations

import logging
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from app.errors import UserFacingError

FILE_NAME = "core.log"
MAX_FILE_BYTES = 1024 * 1024
FILE_COUNT = 3
LEVELS = ("debug", "info", "warning", "error")


def start_log(folder: Path, *, level: str = "info") -> None:
    """Send this process's log to ``folder``.

    Raises:
        UserFacingError: ``disk``: the folder cannot be written.
    """
    import structlog

    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        handler = RotatingFileHandler(
            folder / FILE_NAME,
            maxBytes=MAX_FILE_BYTES,
            backupCount=FILE_COUNT - 1,
            encoding="utf-8",
        )
    except OSError as error:
        raise UserFacingError(
            "disk", f"The folder {folder} cannot be written: {error.strerror}."
        ) from error
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    sys.excepthook = _log_crash


def _log_crash(kind: Any, error: Any, trace: Any) -> None:
    logging.getLogger("covey").critical("crashed", exc_info=(kind, error, trace))
    sys.__excepthook__(kind, error, trace)
