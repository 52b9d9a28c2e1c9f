"""``Hypercore``: what people hold of a core."""

from __future__ import annotations

from store.hypercore.session.download import Download, DownloadProgress
from store.hypercore.session.hypercore import Hypercore

__all__ = ["Download", "DownloadProgress", "Hypercore"]
