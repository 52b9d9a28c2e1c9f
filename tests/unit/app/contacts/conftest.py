"""Messengers that are opened, and closed in the end."""

from __future__ import annotations

from tests.unit.app.rooms.conftest import opened

__all__ = ["opened"]
