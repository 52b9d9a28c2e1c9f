"""Snapshots and events as plain values, and back: what crosses the control socket.

A dataclass becomes an object of its fields; tuples become lists. Reading checks every
field's type; fields that a newer version added are ignored.
"""

from __future__ import annotations

import math
import types
from contextlib import suppress
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from app import events
from net.errors import RemoteProtocolError

T = TypeVar("T")

EVENT_TYPES: dict[str, type[Any]] = {
    kind.__name__: kind for kind in get_args(events.Event)
}


def to_plain(value: Any) -> Any:
    """The value as what JSON can say."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            item.name: to_plain(getattr(value, item.name)) for item in fields(value)
        }
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    return value


def from_plain(kind: Any, value: Any) -> Any:
    """The inverse of ``to_plain`` for a type.

    Raises:
        RemoteProtocolError: The value is not of that type.
    """
    if kind is Any:
        return value
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _from_union(kind, value)
    if origin in (list, tuple):
        if not isinstance(value, list):
            raise RemoteProtocolError(f"expected a list, got {type(value).__name__}")
        item = get_args(kind)[0]
        return origin(from_plain(item, part) for part in value)
    if origin is dict:
        kind = dict
    if is_dataclass(kind):
        return _from_object(kind, value)
    if kind is None or kind is types.NoneType:
        if value is not None:
            raise RemoteProtocolError("expected nothing")
        return None
    if kind is float:
        return _from_number(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise RemoteProtocolError(f"expected {kind}, got {type(value).__name__}")
    return value


def event_to_plain(event: events.Event) -> dict[str, Any]:
    """An event with its name."""
    return {"event": type(event).__name__, "data": to_plain(event)}


def event_from_plain(name: str, value: Any) -> events.Event | None:
    """The event of that name; None for one that this version does not know."""
    kind = EVENT_TYPES.get(name)
    if kind is None:
        return None
    event: events.Event = from_plain(kind, value)
    return event


def _from_number(value: Any) -> float:
    """A finite number: JSON as Python reads it knows others too."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):
            number = float(value)
            if math.isfinite(number):
                return number
    raise RemoteProtocolError("expected a finite number")


def _from_union(kind: Any, value: Any) -> Any:
    for option in get_args(kind):
        try:
            return from_plain(option, value)
        except RemoteProtocolError:
            continue
    raise RemoteProtocolError(f"expected {kind}, got {type(value).__name__}")


def _from_object(kind: Any, value: Any) -> Any:
    if not isinstance(value, dict):
        raise RemoteProtocolError(f"expected an object, got {type(value).__name__}")
    hints = _hints(kind)
    given: dict[str, Any] = {}
    for item in fields(kind):
        if item.name in value:
            given[item.name] = from_plain(hints[item.name], value[item.name])
        elif item.default is MISSING and item.default_factory is MISSING:
            raise RemoteProtocolError(f"{kind.__name__} lacks {item.name}")
    return kind(**given)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
