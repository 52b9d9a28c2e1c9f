"""The audit trail of a room: its acts with their proofs, for anybody to check."""

from __future__ import annotations

from app.audit.exporting import Setting, export_lines
from app.audit.lines import FORMAT, MAX_LINE_BYTES
from app.audit.verifying import Audit, verify_export

__all__ = [
    "FORMAT",
    "MAX_LINE_BYTES",
    "Audit",
    "Setting",
    "export_lines",
    "verify_export",
]
