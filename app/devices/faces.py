"""How a person is seen in rooms: name and picture, the same from all devices.

What ``set_profile`` was given last stands in the personal room; whichever device sees
that a room knows otherwise says it there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from app.devices.records import Records
from app.errors import UserFacingError
from app.rooms.operations import Body, Profile, read_name
from app.rooms.operations.acts import MAX_PICTURE_BYTES
from app.rooms.view import RoomView
from net.crypto import blake2b_256
from net.encoding import Reader, Writer
from net.errors import RemoteProtocolError

SETTING = "face"
"""Under which it is told: ``string name | buffer picture``."""
_FORMATS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF")


@dataclass(frozen=True, slots=True)
class Face:
    """Name and picture of a person."""

    name: str
    picture: bytes = field(default=b"", repr=False)
    """Empty for none."""

    @property
    def picture_hash(self) -> bytes | None:
        """Names the picture, if there is one."""
        return blake2b_256(self.picture) if self.picture else None

    def encode(self) -> bytes:
        """As ``SETTING`` says it."""
        return Writer().string(self.name).buffer(self.picture).finish()

    def act(self, view: RoomView) -> Body | None:
        """What a room must be told to see it; None when it does."""
        member = view.require_member()
        known = member.picture_hash
        if (member.name, known) == (self.name, self.picture_hash):
            return None
        fresh = self.picture if known != self.picture_hash else b""
        return Profile(self.name, self.picture_hash, fresh)


def face_of(records: Records) -> Face | None:
    """The face the devices agreed on; None while nobody set one."""
    said = records.settings.get(SETTING)
    if said is None:
        return None
    reader = Reader(said)
    try:
        return Face(read_name(reader), reader.buffer(max_bytes=MAX_PICTURE_BYTES))
    except RemoteProtocolError:
        return None


def read_picture(file: Path) -> bytes:
    """A picture that fits into an act. Blocks.

    Raises:
        UserFacingError: ``file``: it cannot be read; ``too-large``; ``bad-picture``: it
            is neither PNG nor JPEG nor WebP.
    """
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_PICTURE_BYTES + 1)
    except OSError as error:
        raise UserFacingError("file", f"{file} cannot be read.") from error
    if len(data) > MAX_PICTURE_BYTES:
        raise UserFacingError(
            "too-large", f"A picture has at most {MAX_PICTURE_BYTES // 1024} KiB."
        )
    if not data.startswith(_FORMATS):
        raise UserFacingError(
            "bad-picture", f"{file} is neither a PNG nor a JPEG nor a WebP picture."
        )
    return data
