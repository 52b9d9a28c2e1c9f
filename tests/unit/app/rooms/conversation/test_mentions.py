"""Whom a text calls."""

from __future__ import annotations

import pytest

from app.errors import UserFacingError
from app.rooms.conversation.mentions import MAX_MARKS, mentioned
from app.rooms.facts import MemberFact
from app.rooms.operations.contents import MAX_MENTIONS
from app.rooms.roles import Role

ADA, BO, BOB, CY, BO_TOO = (bytes([number]) * 32 for number in (1, 2, 3, 0xC4, 5))


def members(**present: bool) -> dict[bytes, MemberFact]:
    names = {ADA: "Ada", BO: "Bo", BOB: "Bo Bob", CY: "Çy", BO_TOO: "bo"}
    return {
        identity: MemberFact(
            identity, name, Role.MEMBER, (), present.get(name.replace(" ", "_"), True)
        )
        for identity, name in names.items()
    }


@pytest.mark.parametrize(
    ("text", "called"),
    [
        ("hello", ()),
        ("@Ada hello", (ADA,)),
        ("hello @ada, and @ÇY!", (ADA, CY)),
        ("@Bo Bob", (BOB,)),
        ("@Bo Bobby", (BO, BO_TOO)),
        ("@Bo", (BO, BO_TOO)),
        ("@Bob @Adam ada", ()),
        ("mail@Ada.example", ()),
        ("(@Ada) @Ada", (ADA,)),
        ("@" + "c4" * 32, (CY,)),
        ("@c4c4c4c4", (CY,)),
        ("@C4C4C4C4!", (CY,)),
        ("@c4c4c4", ()),
        ("@c4c4c4c4x", ()),
        ("@@Ada", (ADA,)),
        ("@İ @Ada", (ADA,)),
    ],
)
def test_names_and_keys_behind_the_sign_call(
    text: str, called: tuple[bytes, ...]
) -> None:
    assert mentioned(text, members()) == called


def test_who_is_out_is_not_called_and_who_is_named_comes_first() -> None:
    assert mentioned("@Ada @Bo Bob", members(Ada=False)) == (BOB,)
    assert mentioned("@Ada", members(), [CY]) == (CY, ADA)
    assert mentioned("@Ada", members(), [ADA]) == (ADA,)


def test_two_who_begin_alike_are_not_called_by_that_beginning() -> None:
    one, two = b"\xab" * 32, b"\xab" * 31 + b"\xac"
    both = {it: MemberFact(it, "", Role.MEMBER, (), True) for it in (one, two)}
    assert mentioned("@abababab", both) == ()
    assert mentioned("@" + two.hex(), both) == (two,)


def test_a_text_that_calls_everybody_is_refused() -> None:
    crowd = {
        bytes([number]) * 32: MemberFact(
            bytes([number]) * 32, f"n{number}", Role.MEMBER, (), True
        )
        for number in range(MAX_MENTIONS + 1)
    }
    some = " ".join(f"@n{number}" for number in range(MAX_MENTIONS))
    assert len(mentioned(some, crowd)) == MAX_MENTIONS
    with pytest.raises(UserFacingError) as caught:
        mentioned(f"{some} @n{MAX_MENTIONS}", crowd)
    assert caught.value.code == "too-many-mentions"


def test_of_very_many_signs_only_the_first_are_looked_at() -> None:
    text = "@ " * MAX_MARKS + "@Ada"
    assert mentioned(text, members()) == ()
    assert mentioned(text[2:], members()) == (ADA,)
