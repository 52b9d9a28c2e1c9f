"""The recorded bytes of dht-rpc, by kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_FILE = Path(__file__).resolve().parents[3] / "vectors" / "dht-rpc.json"
_CASES: list[dict[str, Any]] = json.loads(_FILE.read_text())["cases"]


def cases(kind: str) -> list[dict[str, Any]]:
    """Give all cases of one kind."""
    found = [case for case in _CASES if case["kind"] == kind]
    assert found, f"no vectors of kind {kind}"
    return found


def optional_bytes(text: str | None) -> bytes | None:
    """Read hexadecimal text, or None."""
    return None if text is None else bytes.fromhex(text)
