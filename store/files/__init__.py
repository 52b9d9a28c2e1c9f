"""Files of the user, shared from and fetched to where they lie."""

from __future__ import annotations

from store.files.block_file import (
    BLOCK_BYTES,
    MAX_FILE_BYTES,
    BlockFile,
    Condition,
)
from store.files.download import DownloadState, FileDownload, FileProgress
from store.files.events import (
    FetchFailed,
    FileChanged,
    FileEvent,
    FileFetched,
    FileGone,
    FileRestored,
    SharedFile,
)
from store.files.hashing import HashingCancelledError
from store.files.shared_files import SharedFiles

__all__ = [
    "BLOCK_BYTES",
    "MAX_FILE_BYTES",
    "BlockFile",
    "Condition",
    "DownloadState",
    "FetchFailed",
    "FileChanged",
    "FileDownload",
    "FileEvent",
    "FileFetched",
    "FileGone",
    "FileProgress",
    "FileRestored",
    "HashingCancelledError",
    "SharedFile",
    "SharedFiles",
]
