"""The room that all devices of one person share, and how it begins.

Its key and its founder follow from the 24 words (``app/identity.py``), so that whoever
has these finds it again. The founder is a device that exists nowhere: it has signed one
block, and that block is the same wherever it is made. Clock, time and salt are fixed or
follow from the words, and signatures of Ed25519 are made without chance. So two
devices that both know the words make one log, not two: it cannot fork, because nothing
ever writes a second block of it, and nothing here keeps its secret key.
"""

from __future__ import annotations

from app.identity import (
    Proof,
    bootstrap,
    identity_key_pair,
    personal_founder,
    personal_room_key,
    phrase_seed,
)
from app.rooms.blocks import log_manifest
from app.rooms.keys import room_id
from app.rooms.operations import Found, Operation, encode_operation
from app.rooms.roles import Kind
from app.rooms.seals import EpochSeal
from net.crypto import blake2b_256, namespace
from store.autobase import encode_entry
from store.corestore import Corestore
from store.hypercore.manifest import manifest_key

FOUNDED_S = 1
"""When every such room begins, in seconds since 1970: whatever a clock says, it is not
ahead of it, and stands before all that devices write."""
ROOM_NAME = "Devices"

_SALT = namespace("covey/personal", 0)


def founding_proof(seed: bytes) -> Proof:
    """The identity attests the founder."""
    founder = personal_founder(seed)
    return bootstrap(identity_key_pair(seed), founder.public_key, epoch_s=FOUNDED_S)


def founding_block(phrase: str) -> bytes:
    """The founder's one block: for one phrase always the same bytes.

    Args:
        phrase: Normalised.
    """
    seed = phrase_seed(phrase)
    key, founder = personal_room_key(seed), personal_founder(seed)
    salt = blake2b_256(_SALT, key=key)
    now_ms = FOUNDED_S * 1000
    found = Found(Kind.PERSONAL, ROOM_NAME, ROOM_NAME, founding_proof(seed))
    room = room_id(key, founder.public_key)
    return EpochSeal(key, room).seal(
        encode_entry(now_ms, (), encode_operation(Operation(now_ms, found))),
        writer=founder.public_key,
        sequence=0,
        entropy=lambda size: salt[:size],
    )


async def found_personal_room(corestore: Corestore, phrase: str) -> None:
    """Have the founder's log on the disk; nothing when it is there.

    Raises:
        StoreError: The disk refused.
    """
    seed = phrase_seed(phrase)
    key, founder = personal_room_key(seed), personal_founder(seed)
    manifest = log_manifest(founder.public_key, key)
    core = await corestore.get(
        key=manifest_key(manifest), manifest=manifest, key_pair=founder
    )
    try:
        if core.length == 0:
            await core.append(founding_block(phrase))
    finally:
        await core.close()
