"""What acts say: as fields for programs and in words for people.

The words belong to the format: who verifies an export writes them anew and compares.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from app.rooms.law import Act
from app.rooms.law.state import State
from app.rooms.operations import acts as bodies
from app.rooms.roles import Role

_KINDS: Final[dict[type[Any], str]] = {
    bodies.Found: "found",
    bodies.Invite: "invite",
    bodies.Admit: "admit",
    bodies.SetRole: "set-role",
    bodies.Remove: "remove",
    bodies.Rotate: "rotate",
    bodies.Mute: "mute",
    bodies.Unban: "unban",
    bodies.CloseInvite: "close-invite",
    bodies.AddDevice: "add-device",
    bodies.RemoveDevice: "remove-device",
    bodies.Rest: "rest",
    bodies.Wake: "wake",
    bodies.Settings: "settings",
    bodies.Profile: "profile",
}

SHORT_KEY: Final = 8
"""Letters of a key by which somebody without a name is called."""


def kind_of(body: bodies.Act) -> str:
    """The name of a sort of act."""
    return _KINDS[type(body)]


def fields_of(body: bodies.Act) -> dict[str, Any]:
    """What an act says, for programs; sealed keys and pictures by their size."""
    return _FIELDS[type(body)](body)


def words_of(act: Act, state: State) -> str:
    """What an act says, for people.

    Args:
        act: With or without effect.
        state: Everything that stands before it.
    """
    if isinstance(act.body, bodies.Found):
        kind, name = act.body.kind.word, act.body.name
        return f'{act.body.founder_name} founded the {kind} room "{name}"'
    names = _Names(state, act.writer)
    sort = type(act.body)
    plain = _PLAIN_WORDS.get(sort)
    said = _WORDS[sort](act.body, names) if plain is None else plain(act.body)
    return f"{names.owner(act.writer)} {said}"


class _Names:
    """Who is called how at one place."""

    def __init__(self, state: State, author: bytes) -> None:
        self._state = state
        self._author = state.devices.get(author)

    def person(self, identity: bytes) -> str:
        member = self._state.members.get(identity)
        name = member.name if member is not None else ""
        return name or f"somebody ({identity.hex()[:SHORT_KEY]})"

    def owner(self, device: bytes) -> str:
        known = self._state.devices.get(device)
        if known is None or not known.identity:
            return f"somebody (device {device.hex()[:SHORT_KEY]})"
        return self.person(known.identity)

    def is_author(self, identity: bytes) -> bool:
        return self._author is not None and self._author.identity == identity

    def is_authors(self, device: bytes) -> bool:
        known = self._state.devices.get(device)
        return known is not None and self.is_author(known.identity)

    def is_in(self, identity: bytes) -> bool:
        member = self._state.members.get(identity)
        return member is not None and member.present


def _proof_fields(body: Any) -> dict[str, Any]:
    return {"identity": body.proof.identity.hex(), "device": body.proof.device.hex()}


def _cuts(body: Any) -> list[list[Any]]:
    return [[device.hex(), length] for device, length in body.cuts]


def _found_fields(body: bodies.Found) -> dict[str, Any]:
    names = {"kind": body.kind.word, "room": body.name, "name": body.founder_name}
    return {**names, **_proof_fields(body)}


def _invite_fields(body: bodies.Invite) -> dict[str, Any]:
    return {
        "invite": body.invite_key.hex(),
        "role": body.role.word,
        "expiresAt": body.expires_at,
        "uses": body.uses,
        "approval": body.approval,
        "ownDevices": body.own_devices,
    }


def _admit_fields(body: bodies.Admit) -> dict[str, Any]:
    proof = _proof_fields(body)
    return {"invite": body.invite_key.hex(), "name": body.name, **proof}


def _role_fields(body: bodies.SetRole) -> dict[str, Any]:
    identity, role = body.identity.hex(), body.role.word
    return {"identity": identity, "role": role, "lengths": _cuts(body)}


def _remove_fields(body: bodies.Remove) -> dict[str, Any]:
    identity = body.identity.hex()
    return {"identity": identity, "lengths": _cuts(body), "ban": body.ban}


def _sealed_fields(body: bodies.Rotate) -> dict[str, Any]:
    return {
        "epoch": body.epoch.hex(),
        "devices": [device.hex() for device in body.devices],
        "sealedBytes": len(body.body),
    }


def _mute_fields(body: bodies.Mute) -> dict[str, Any]:
    identity, until = body.identity.hex(), body.until_ms
    return {"identity": identity, "until": until, "lengths": _cuts(body)}


def _ended_fields(body: bodies.RemoveDevice | bodies.Rest) -> dict[str, Any]:
    return {"device": body.device.hex(), "length": body.length}


def _settings_fields(body: bodies.Settings) -> dict[str, Any]:
    admits = body.admits_from
    return {
        "name": body.name,
        "description": body.description,
        "retentionMs": body.retention_ms,
        "admitsFrom": None if admits is None else admits.word,
    }


def _profile_fields(body: bodies.Profile) -> dict[str, Any]:
    digest = body.picture_hash
    return {
        "name": body.name,
        "picture": None if digest is None else digest.hex(),
        "pictureBytes": len(body.picture),
    }


_FIELDS: Final[dict[type[Any], Callable[[Any], dict[str, Any]]]] = {
    bodies.Found: _found_fields,
    bodies.Invite: _invite_fields,
    bodies.Admit: _admit_fields,
    bodies.SetRole: _role_fields,
    bodies.Remove: _remove_fields,
    bodies.Rotate: _sealed_fields,
    bodies.Mute: _mute_fields,
    bodies.Unban: lambda body: {"identity": body.identity.hex()},
    bodies.CloseInvite: lambda body: {"invite": body.invite_key.hex()},
    bodies.AddDevice: _proof_fields,
    bodies.RemoveDevice: _ended_fields,
    bodies.Rest: _ended_fields,
    bodies.Wake: lambda body: {"device": body.device.hex()},
    bodies.Settings: _settings_fields,
    bodies.Profile: _profile_fields,
}


def _invite_words(body: bodies.Invite) -> str:
    parts = [f"made an invite for {_a_role(body.role)}"]
    if body.uses:
        parts.append("for one use" if body.uses == 1 else f"for {body.uses} uses")
    if body.expires_at:
        parts.append(f"until {when(body.expires_at)}")
    if body.approval:
        parts.append("with approval")
    if body.own_devices:
        parts.append("served by their own devices only")
    return ", ".join(parts)


def _settings_words(body: bodies.Settings) -> str:
    parts = []
    if body.name is not None:
        parts.append(f'the name to "{body.name}"')
    if body.description is not None:
        parts.append("the description")
    if body.retention_ms is not None:
        days = body.retention_ms / 86_400_000
        kept = f"{days:g} days" if body.retention_ms else "for ever"
        parts.append(f"how long messages stay to {kept}")
    if body.admits_from is not None:
        parts.append(f"who lets people in to {body.admits_from.word} and above")
    return f"set {', '.join(parts)}" if parts else "set nothing"


def _profile_words(body: bodies.Profile) -> str:
    picture = " with a picture" if body.picture_hash is not None else ""
    return f'took the name "{body.name}"{picture}'


_PLAIN_WORDS: Final[dict[type[Any], Callable[[Any], str]]] = {
    bodies.Invite: _invite_words,
    bodies.Rotate: lambda body: f"turned the room's key for {_devices(body.devices)}",
    bodies.CloseInvite: lambda _: "closed an invite",
    bodies.AddDevice: lambda _: "added a device of their own",
    bodies.Settings: _settings_words,
    bodies.Profile: _profile_words,
}
"""Acts about nobody but their author."""


def _admit_words(body: bodies.Admit, names: _Names) -> str:
    identity = body.proof.identity
    if names.is_in(identity):
        return f"let another device of {names.person(identity)} in"
    return f"let {body.name or names.person(identity)} in"


def _remove_words(body: bodies.Remove, names: _Names) -> str:
    if names.is_author(body.identity):
        return "left"
    verb = "removed and banned" if body.ban else "removed"
    return f"{verb} {names.person(body.identity)}"


def _mute_words(body: bodies.Mute, names: _Names) -> str:
    who = names.person(body.identity)
    if not body.until_ms:
        return f"let {who} speak again"
    return f"muted {who} until {when(body.until_ms)}"


def _remove_device_words(body: bodies.RemoveDevice, names: _Names) -> str:
    if names.is_authors(body.device):
        return "removed a device of their own"
    return f"removed a device of {names.owner(body.device)}"


_WORDS: Final[dict[type[Any], Callable[[Any, _Names], str]]] = {
    bodies.Admit: _admit_words,
    bodies.SetRole: lambda body, names: (
        f"made {names.person(body.identity)} {_a_role(body.role)}"
    ),
    bodies.Remove: _remove_words,
    bodies.Mute: _mute_words,
    bodies.Unban: lambda body, names: (
        f"lifted the ban of {names.person(body.identity)}"
    ),
    bodies.RemoveDevice: _remove_device_words,
    bodies.Rest: lambda body, names: (
        f"put a silent device of {names.owner(body.device)} to rest"
    ),
    bodies.Wake: lambda body, names: f"woke a device of {names.owner(body.device)}",
}


def when(at_ms: int) -> str:
    """An instant for people: minutes, in UTC."""
    try:
        at = datetime.fromtimestamp(at_ms // 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{at_ms} ms"
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _a_role(role: Role) -> str:
    return f"an {role.word}" if role.word[0] in "ao" else f"a {role.word}"


def _devices(devices: tuple[bytes, ...]) -> str:
    return "1 device" if len(devices) == 1 else f"{len(devices)} devices"
