"""Rooms between peers: proofs first, everything arrives, and nonsense ends a link."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from app.rooms import effects, messages, replication
from app.rooms.effects import Terms
from app.rooms.messages import BYE, DEVICE, HAVE, SIGNED, RemoteHead, SignedHead
from app.rooms.operations import Remove, SetRole
from app.rooms.replication import Session, SessionState
from app.rooms.roles import Role
from app.rooms.timeline import MAX_AHEAD_MS
from net.crypto import KeyPair
from tests.unit.app.rooms.crowd import Crowd, CrowdMember, LinkEnd, begin, say, told
from tests.unit.app.rooms.people import (
    ADA,
    BO,
    CY,
    DI,
    ROOM,
    Person,
    admit,
)

PEOPLE = [ADA, BO, CY, DI]


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[Crowd]:
    made = Crowd(PEOPLE[:3], tmp_path)
    begin(made, 3)
    yield made
    made.close()


def test_two_peers_become_equal_both_ways(crowd: Crowd) -> None:
    ada, bo, _ = crowd.members
    say(ada, "before", crowd.now)
    left, right = crowd.link(ada, bo)
    crowd.settle()
    assert left.session.state is right.session.state is SessionState.OPEN
    assert left.proven is not None
    assert left.proven.identity == BO.identity.public_key
    say(bo, "live", crowd.now + 1)
    crowd.settle()
    assert ada.texts() == bo.texts() == ["before", "live"]
    assert bo.held == {ADA.device.public_key: 1}
    assert ada.held == {BO.device.public_key: ada.heads[ADA.device.public_key].length}


def test_what_is_written_finds_an_open_channel(crowd: Crowd) -> None:
    """Between the two ends of a connection nothing is asked when somebody writes."""
    ada, bo, _ = crowd.members
    left, right = crowd.link(ada, bo)
    crowd.settle()
    both = {ada.device, bo.device}
    for end in (left, right):
        assert set(end.attached) == set(end.open_there) == both
    crowd.pass_time(10 * replication.QUIET_S)
    assert set(left.attached) == set(right.attached) == both


def test_who_may_not_write_has_no_channel_held_open(crowd: Crowd) -> None:
    ada, bo, _ = crowd.members
    left, right = crowd.link(ada, bo)
    crowd.settle()
    ada.write(SetRole(BO.identity.public_key, Role.READER, ()), crowd.now)
    crowd.settle()
    crowd.pass_time(2 * replication.QUIET_S)
    assert set(left.attached) == set(right.attached) == {ada.device}


def test_a_log_without_news_is_closed(crowd: Crowd) -> None:
    ada, bo, cy = crowd.members
    say(ada, "to all", crowd.now)
    first, _ = crowd.link(ada, bo)
    crowd.settle()
    from_bo, at_cy = crowd.link(bo, cy)
    crowd.settle()
    for number in range(2):
        say(ada, str(number), crowd.now)
        crowd.settle()
        assert cy.texts()[1:] == [str(n) for n in range(number + 1)]
        assert ada.device in from_bo.attached
        assert ada.device in at_cy.attached
        crowd.pass_time(replication.QUIET_S + 1)
        assert ada.device not in from_bo.attached
        assert ada.device not in at_cy.attached
    assert ada.device in first.attached


def test_logs_that_are_equal_open_no_channel(crowd: Crowd) -> None:
    ada, bo, cy = crowd.members
    for first, second in ((ada, bo), (ada, cy), (bo, cy)):
        crowd.link(first, second)
    say(bo, "b", crowd.now)
    crowd.settle()
    for end in list(crowd.ends):
        crowd.cut(end)
    left, right = crowd.link(ada, cy)
    crowd.settle()
    assert bo.device not in left.attached
    assert bo.device not in right.attached


def test_logs_are_fetched_from_few_at_a_time(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replication, "MAX_SOURCES", 2)
    sources = _offered(crowd, replication.FEW_BLOCKS + 1)
    assert [_is_fetched(end) for end in sources] == [True, True, False]
    # The first two bring nothing: the third has its turn.
    crowd.pass_time(replication.STALL_LIMIT_S)
    assert [_is_fetched(end) for end in sources] == [False, False, True]


def test_few_blocks_are_fetched_from_one_peer(crowd: Crowd) -> None:
    """Each that helps costs more messages than the blocks."""
    sources = _offered(crowd, replication.FEW_BLOCKS)
    assert [_is_fetched(end) for end in sources] == [True, False, False]
    for turn in ([False, True, False], [False, False, True]):
        crowd.pass_time(replication.FEW_STALL_S)
        assert [_is_fetched(end) for end in sources] == turn


def _offered(crowd: Crowd, length: int) -> list[LinkEnd]:
    """Ada hears on three links that Cy's log is so long; nobody brings it."""
    ada, bo, cy = crowd.members
    for other in (bo, cy):
        crowd.link(ada, other)
    say(cy, "c", crowd.now)
    crowd.settle()
    for end in list(crowd.ends):
        crowd.cut(end)
    more = RemoteHead(cy.device, 0, length, bytes(32))
    sources = [crowd.link(ada, bo)[0] for _ in range(3)]
    crowd.settle()
    for end in sources:
        told(end, crowd, HAVE, messages.encode_have([more]))
    return sources


def _is_fetched(end: LinkEnd) -> bool:
    """Cy's log is asked for there."""
    channel = end.session._channels.get(CY.device.public_key)
    return channel is not None and channel.stalled_at is not None


def test_who_brings_nothing_is_asked_again_after_a_pause(crowd: Crowd) -> None:
    ada, bo, cy = crowd.members
    left, right = crowd.link(ada, bo)
    crowd.settle()
    crowd.ends.remove(right)
    more = [RemoteHead(who.device, 0, 9, bytes(32)) for who in (bo, cy)]
    told(left, crowd, HAVE, messages.encode_have(more))
    right.inbox.clear()
    crowd.pass_time(replication.FEW_STALL_S)
    channels = left.session._channels
    assert [channels[who.device].stalled_at for who in (bo, cy)] == [None, None]
    crowd.pass_time(replication.REST_S)
    assert None not in [channels[who.device].stalled_at for who in (bo, cy)]
    assert left.session.state is SessionState.OPEN
    for who in (bo, cy):
        told_of = [kind for kind, (writer, _) in right.inbox if writer == who.device]
        assert told_of == ["close", "open"], "on a channel opened anew"


def test_an_acknowledgement_may_come_before_what_it_is_for_is_told(
    crowd: Crowd,
) -> None:
    """A block is pushed when its log has it, before its meaning is on the disk."""
    ada, bo, _ = crowd.members
    left, right = crowd.link(ada, bo)
    crowd.settle()
    length = ada.heads[ada.device].length
    assert ada.held == {bo.device: length}
    early = RemoteHead(ada.device, 0, length + 1, bytes(32))
    told(left, crowd, HAVE, messages.encode_have([early]))
    assert ada.held == {bo.device: length}, "nobody can have what is not here"
    crowd.ends.remove(right)
    say(ada, "there already", crowd.now)
    while left.busy:
        crowd.step(left)
    assert ada.held == {bo.device: length + 1}


def test_a_log_that_was_refused_is_asked_for_again_soon_and_then_more_rarely(
    crowd: Crowd,
) -> None:
    """Whoever has too much to open refuses at first."""
    ada, bo, cy = crowd.members
    left, right = crowd.link(ada, bo)
    crowd.settle()
    more = RemoteHead(cy.device, 0, 9, bytes(32))
    told(left, crowd, HAVE, messages.encode_have([more]))
    asked = [crowd.now]
    answered = right.session.log_asked
    right.session.log_asked = (  # type: ignore[method-assign]
        lambda writer, now: asked.append(now) or answered(writer, now)
    )
    crowd.settle()
    crowd.pass_time(300.0)
    pauses = [after - before for before, after in itertools.pairwise(asked)]
    assert pauses[:6] == [0.0, 5.0, 10.0, 20.0, 40.0, 60.0]
    assert set(pauses[6:]) <= {replication.REST_S}


def test_logs_fetched_at_a_time_are_limited_and_all_have_their_turn(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replication, "MAX_FETCHED", 1)
    ada, bo, cy = crowd.members
    for other in (bo, cy):
        crowd.link(ada, other)
    crowd.settle()
    for who in (bo, cy):
        say(who, who.who.name, crowd.now)
    crowd.settle()
    say(ada, "Ada", crowd.now)
    for end in list(crowd.ends):
        crowd.cut(end)
    crowd.members.append(CrowdMember(replace(BO, name="other Bo"), Path(crowd.folder)))
    left, right = crowd.link(ada, crowd.members[-1])
    most = 0
    while any(end.busy for end in (left, right)):
        for end in (left, right):
            crowd.step(end)
            most = max(most, end.session._fetched)
    assert most == 1
    assert crowd.members[-1].texts() == ada.texts()


def test_open_logs_are_limited(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one longest without news makes room, and what is held open stays."""
    monkeypatch.setattr(replication, "MAX_LOG_CHANNELS", 3)
    ada, bo, cy = crowd.members
    for other in (bo, cy):
        crowd.link(ada, other)
    ada.write(admit(1, DI), crowd.now)
    say(cy, "c", crowd.now)
    crowd.settle()
    ada.take(DI.device.public_key, [b"void"], crowd.now)
    crowd.settle()
    [end] = [end for end in ada.ends if end.other and end.other.member is bo]
    assert end.session.log_asked(cy.device, crowd.now)
    assert end.session.log_asked(DI.device.public_key, crowd.now + 1)
    held = {ada.device, bo.device, DI.device.public_key}
    assert set(end.session._channels) == held
    end.session._channels[DI.device.public_key].stalled_at = crowd.now
    assert not end.session.log_asked(cy.device, crowd.now)


@pytest.mark.parametrize("writer", [b"?" * 32, DI.device.public_key])
def test_a_log_that_is_not_here_is_not_answered(crowd: Crowd, writer: bytes) -> None:
    left, _ = crowd.link(*crowd.members[:2])
    crowd.settle()
    assert not left.session.log_asked(writer, crowd.now)


def test_no_log_is_answered_before_the_proof(crowd: Crowd) -> None:
    ada, bo, _ = crowd.members
    left, _ = crowd.link(ada, bo)
    assert not left.session.log_asked(ada.device, crowd.now)


def test_a_third_catches_up_from_whoever_has_it(crowd: Crowd) -> None:
    ada, bo, cy = crowd.members
    link, _ = crowd.link(ada, bo)
    crowd.settle()
    for number in range(600):
        say(ada, f"{number} " + "x" * 50, crowd.now + number)
    crowd.settle()
    crowd.cut(link)
    crowd.link(bo, cy)
    crowd.settle()
    assert cy.texts() == ada.texts()
    assert len(cy.texts()) == 600


def test_a_newcomer_brings_the_entries_that_make_it_a_member(crowd: Crowd) -> None:
    ada, bo, cy = crowd.members
    first, _ = crowd.link(ada, cy)
    crowd.settle()
    crowd.cut(first)
    say(cy, "from a newcomer", crowd.now)
    # Bo has nothing yet and has never heard of Cy.
    crowd.link(cy, bo)
    crowd.settle()
    assert bo.texts() == ["from a newcomer"]


def test_nothing_is_told_before_the_proofs(crowd: Crowd) -> None:
    ada, bo, _ = crowd.members
    left, right = crowd.link(ada, bo)
    assert left.session.next_effect() is None
    left.opened = True
    left.session.remote_opened(right.session.handshake)
    effect = left.session.next_effect()
    assert isinstance(effect, effects.Send)
    assert effect.kind == DEVICE
    assert left.session.next_effect() is None


def closed_for(end: LinkEnd) -> str:
    """Why an end closed."""
    while (effect := end.session.next_effect()) is not None:
        if isinstance(effect, effects.Ended):
            return effect.reason
    return ""


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (HAVE, messages.encode_have([])),
        (
            SIGNED,
            messages.encode_signed(SignedHead(b"w" * 32, 0, 1, b"h" * 32, b"s")),
        ),
        (BYE, b"\x00"),
        (DEVICE, messages.encode_device(BO.proof)),
    ],
)
def test_a_message_before_the_proof_ends_it(
    crowd: Crowd, kind: int, data: bytes
) -> None:
    left, _ = crowd.link(*crowd.members[:2])
    left.session.receive(kind, data, crowd.now)
    assert closed_for(left) == "unproven"


def test_who_does_not_hold_the_key_learns_nothing(crowd: Crowd) -> None:
    left, _ = crowd.link(*crowd.members[:2])
    left.session.remote_opened(messages.encode_handshake(b"?" * 32))
    assert closed_for(left) == "no-key"


def test_a_proof_echoed_back_is_none(crowd: Crowd) -> None:
    left, _ = crowd.link(*crowd.members[:2])
    left.session.remote_opened(left.session.handshake)
    assert closed_for(left) == "no-key"


def test_another_version_is_told_apart(crowd: Crowd) -> None:
    left, _ = crowd.link(*crowd.members[:2])
    left.session.remote_opened(b"\x02" + bytes(32))
    assert closed_for(left) == "version"


def test_a_device_of_another_connection_is_refused(crowd: Crowd) -> None:
    ada, bo, _ = crowd.members
    one, other = crowd.link(ada, bo)
    left, right = crowd.link(ada, bo)
    other.session.remote_opened(one.session.handshake)
    effect = other.session.next_effect()
    assert isinstance(effect, effects.Send)
    left.session.remote_opened(right.session.handshake)
    left.session.receive(effect.kind, effect.data, crowd.now)
    assert closed_for(left) == "unproven"


def test_a_device_that_is_not_its_signer_is_refused(crowd: Crowd) -> None:
    ada, bo, _ = crowd.members
    left, right = crowd.link(ada, bo)
    liar = Session(
        Terms(
            room=ROOM,
            room_key=ada.row.key,
            handshake_hash=b"1",
            is_initiator=False,
            device=KeyPair.from_seed(b"l" * 32),
            proof=BO.proof,
        ),
        heads={},
        facts=bo.facts,
        sources=replication.Sources(),
        now=crowd.now,
    )
    liar.remote_opened(left.session.handshake)
    effect = liar.next_effect()
    assert isinstance(effect, effects.Send)
    left.session.remote_opened(right.session.handshake)
    left.session.receive(effect.kind, effect.data, crowd.now)
    assert closed_for(left) == "unproven"


def test_silence_ends_the_proving(crowd: Crowd) -> None:
    left, _ = crowd.link(*crowd.members[:2])
    due = left.session.get_timer()
    assert due == crowd.now + replication.PROVE_LIMIT_S
    left.session.handle_timer(due - 1)
    assert left.session.state is SessionState.PROVING
    left.session.handle_timer(due)
    assert closed_for(left) == "silent"
    assert left.session.get_timer() is None


@pytest.mark.parametrize(
    ("kind", "data", "reason"),
    [
        (HAVE, b"\xff", "too-short"),
        (HAVE, b"\x02", "too-short"),
        (SIGNED, b"w" * 31, "too-short"),
        (BYE, b"", "too-short"),
        (DEVICE, messages.encode_device(BO.proof), "unproven"),
    ],
)
def test_nonsense_ends_this_link_only(
    crowd: Crowd, kind: int, data: bytes, reason: str
) -> None:
    ada, bo, cy = crowd.members
    left, _ = crowd.link(ada, bo)
    other, _ = crowd.link(ada, cy)
    crowd.settle()
    left.session.receive(kind, data, crowd.now)
    crowd.settle()
    assert left.ended == effects.Ended(reason, fault=True)
    say(ada, "goes on", crowd.now)
    crowd.settle()
    assert cy.texts() == ["goes on"]
    assert other.session.state is SessionState.OPEN


def test_writers_told_are_limited(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replication, "MAX_WRITERS", 2)
    left, _ = crowd.link(*crowd.members[:2])
    crowd.settle()
    heads = [RemoteHead(bytes([n]) * 32, 0, 1, b"h" * 32) for n in range(3)]
    left.session.receive(HAVE, messages.encode_have(heads), crowd.now)
    assert closed_for(left) == "too-many"


def test_somebody_removed_is_told_so_and_then_nothing(crowd: Crowd) -> None:
    ada, bo, _ = crowd.members
    left, right = crowd.link(ada, bo)
    crowd.settle()
    ada.write(Remove(BO.identity.public_key, ()), crowd.now)
    crowd.settle()
    assert right.ended is not None
    assert not left.attached, "every log is closed to who was removed"
    member = bo.facts.members[BO.identity.public_key]
    assert not member.present
    say(ada, "a secret", crowd.now)
    crowd.link(ada, bo)
    crowd.settle()
    assert "a secret" not in bo.texts()
    assert left.session.state is SessionState.CLOSED


def test_a_fork_is_found_and_shown(crowd: Crowd, tmp_path: Path) -> None:
    ada, bo, cy = crowd.members
    crowd.cut(crowd.link(ada, bo)[0])
    first, _ = crowd.link(ada, bo)
    second, _ = crowd.link(ada, cy)
    crowd.settle()
    crowd.cut(first)
    crowd.cut(second)
    # The same device writes one history for Bo and another one for Cy.
    ada.write(admit(1, DI), crowd.now)
    one = CrowdMember(replace(DI, name="1"), tmp_path)
    two = CrowdMember(replace(DI, name="2"), tmp_path)
    crowd.members += [one, two]
    for twin in (one, two):
        end, _ = crowd.link(ada, twin)
        crowd.settle()
        crowd.cut(end)
    say(one, "to Bo", crowd.now)
    say(two, "to Cy", crowd.now)
    for twin, friend in ((one, bo), (two, cy)):
        end, _ = crowd.link(twin, friend)
        crowd.settle()
        crowd.cut(end)
    assert (bo.texts(), cy.texts()) == (["to Bo"], ["to Cy"])
    crowd.link(bo, cy)
    crowd.settle()
    device = DI.device.public_key
    assert bo.heads[device].forked
    assert cy.heads[device].forked
    # Whoever finds out where they part ends it there; nothing more is taken.
    say(one, "more to Bo", crowd.now)
    crowd.link(one, bo)
    crowd.settle()
    assert bo.texts() == ["to Bo"]


def test_a_log_begun_anew_is_not_followed(crowd: Crowd) -> None:
    """A higher fork number is shown what is signed here, and fetched by nobody."""
    ada, bo, _ = crowd.members
    left, _ = crowd.link(ada, bo)
    crowd.settle()
    anew = RemoteHead(ada.device, 1, 99, b"h" * 32)
    _, right = left, left.other
    assert right is not None
    right.session.receive(HAVE, messages.encode_have([anew]), crowd.now)
    shown = []
    while (effect := right.session.next_effect()) is not None:
        shown.append(effect)
    assert effects.ShowHead(ada.device) in shown
    assert right.session._fetched == 0


def test_signed_heads_are_checked_once_a_log(crowd: Crowd) -> None:
    left, _ = crowd.link(*crowd.members[:2])
    crowd.settle()
    key = crowd.members[0].device
    for number in range(3):
        head = SignedHead(key, 0, 1, bytes([number]) * 32, b"s")
        left.session.receive(SIGNED, messages.encode_signed(head), crowd.now)
    checks = 0
    while (effect := left.session.next_effect()) is not None:
        checks += isinstance(effect, effects.CheckSigned)
    assert checks == 1


class Flock(RuleBasedStateMachine):
    """Two to four peers write, connect and lose connections at any point."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.said: dict[str, list[str]] = {}
        self.crowd: Crowd | None = None

    @initialize(count=st.integers(2, 4))
    def start(self, count: int) -> None:
        self.crowd = Crowd(PEOPLE[:count], Path(self.folder.name))
        begin(self.crowd, count)
        self.said = {member.who.name: [] for member in self.crowd.members}

    def teardown(self) -> None:
        if self.crowd is not None:
            self.heal()
            self.crowd.close()
        self.folder.cleanup()

    @property
    def there(self) -> Crowd:
        assert self.crowd is not None
        return self.crowd

    @rule(data=st.data())
    def write(self, data: st.DataObject) -> None:
        knowing = [m for m in self.there.members if self.is_member(m)]
        member = data.draw(st.sampled_from(knowing))
        text = f"{member.who.name} {len(self.said[member.who.name])}"
        self.there.now += 1
        say(member, text, self.there.now)
        self.said[member.who.name].append(text)

    @rule(data=st.data())
    def connect(self, data: st.DataObject) -> None:
        first, second = data.draw(st.permutations(self.there.members))[:2]
        if len(self.there.ends) < 12:
            self.there.link(first, second)

    @precondition(lambda self: self.crowd and self.crowd.ends)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        self.there.cut(data.draw(st.sampled_from(self.there.ends)))

    @precondition(lambda self: self.crowd and self.crowd.ends)
    @rule(data=st.data(), count=st.integers(1, 40))
    def steps(self, data: st.DataObject, count: int) -> None:
        for _ in range(count):
            if self.there.ends:
                self.there.step(data.draw(st.sampled_from(self.there.ends)))

    @rule()
    def rest(self) -> None:
        """Whoever is linked has the same when all is quiet, without a new link."""
        self.there.settle()
        for end in self.there.ends:
            assert end.other is not None
            pair = (end.member, end.other.member)
            if all(map(self.is_member, pair)):
                assert pair[0].texts() == pair[1].texts()

    @invariant()
    def nothing_is_acknowledged_that_is_not_held(self) -> None:
        for member in self.crowd.members if self.crowd else []:
            own = member.who.device.public_key
            for other in self.there.members:
                claimed = member.held.get(other.who.device.public_key, 0)
                head = other.heads.get(own)
                assert claimed <= (head.length if head else 0)

    @invariant()
    def nobody_broke_the_protocol(self) -> None:
        for end in self.crowd.ends if self.crowd else []:
            assert end.ended is None or not end.ended.fault, end.ended

    def is_member(self, member: CrowdMember) -> bool:
        fact = member.facts.devices.get(member.who.device.public_key)
        return fact is not None and fact.present

    def heal(self) -> None:
        """Connect everybody: then all must see the same, each message once."""
        for end in list(self.there.ends):
            self.there.cut(end)
        first, *others = self.there.members
        for other in others:
            self.there.link(first, other)
        self.there.settle()
        texts = [member.texts() for member in self.there.members]
        assert all(text == texts[0] for text in texts)
        expected = [text for said in self.said.values() for text in said]
        assert sorted(texts[0]) == sorted(expected)
        for name, said in self.said.items():
            assert [t for t in texts[0] if t.startswith(f"{name} ")] == said


TestFlock = Flock.TestCase
TestFlock.settings = settings(
    max_examples=30,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def test_people_of_the_tests_differ() -> None:
    keys = {p.device.public_key for p in PEOPLE} | {
        p.identity.public_key for p in PEOPLE
    }
    assert len(keys) == 2 * len(PEOPLE)
    assert isinstance(ADA, Person)


VALID_MESSAGES = [
    (DEVICE, messages.encode_device(BO.proof)),
    (HAVE, messages.encode_have([RemoteHead(b"w" * 32, 0, 5, b"h" * 32)])),
    (
        HAVE,
        messages.encode_have(
            [RemoteHead(who.device.public_key, 0, 9, b"h" * 32) for who in PEOPLE]
        ),
    ),
    (
        HAVE,
        messages.encode_have([RemoteHead(CY.device.public_key, 3, 1, b"h" * 32)]),
    ),
    (
        SIGNED,
        messages.encode_signed(
            SignedHead(ADA.device.public_key, 0, 2, b"h" * 32, b"s")
        ),
    ),
    (BYE, messages.encode_bye(messages.Reason.LEFT)),
    (77, b"from a later version"),
]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_hostile_peer_harms_its_own_link_at_most(data: st.DataObject) -> None:
    """Whatever comes: no crash, limits hold, and the others go on."""
    with TemporaryDirectory() as folder:
        crowd = Crowd(PEOPLE[:3], Path(folder))
        begin(crowd, 3)
        ada, bo, cy = crowd.members
        left, _ = crowd.link(ada, bo)
        crowd.link(ada, cy)
        crowd.settle()
        for _ in range(data.draw(st.integers(1, 12))):
            kind, raw = data.draw(st.sampled_from(VALID_MESSAGES))
            changed = bytearray(raw)
            if data.draw(st.booleans()):
                position = data.draw(st.integers(0, len(changed)))
                length = data.draw(st.integers(0, 5))
                changed[position : position + length] = data.draw(st.binary(max_size=5))
            left.session.receive(kind, bytes(changed), crowd.now)
            if data.draw(st.booleans()):
                crowd.settle()
            session = left.session
            assert 0 <= session._fetched <= replication.MAX_FETCHED
            assert len(session._channels) <= replication.MAX_LOG_CHANNELS
            fetched = [c for c in session._channels.values() if c.stalled_at]
            assert len(fetched) == session._fetched
        crowd.settle()
        say(ada, "goes on", crowd.now)
        crowd.settle()
        assert cy.texts() == ["goes on"]
        crowd.close()


def test_who_was_asked_in_vain_lets_others_be_asked(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has less of a log must not keep others from being asked for the rest."""
    monkeypatch.setattr(replication, "MAX_SOURCES", 1)
    ada, bo, cy = crowd.members
    for other in (bo, cy):
        crowd.link(ada, other)
    crowd.settle()
    for end in list(crowd.ends):
        crowd.cut(end)
    say(ada, "one", crowd.now)
    short, _ = crowd.link(ada, bo)
    crowd.settle()
    crowd.cut(short)
    say(ada, "two", crowd.now + 1)
    # Cy hears of the shorter log first and asks for it; the longer one comes meanwhile.
    from_bo, at_cy = crowd.link(bo, cy)
    while not at_cy.session._fetched:
        for end in (from_bo, at_cy):
            crowd.step(end)
    from_ada, also_at_cy = crowd.link(ada, cy)
    while not also_at_cy.session.is_member:
        for end in (from_ada, also_at_cy):
            crowd.step(end)
    assert also_at_cy.session._fetched == 0, "one fetches a log at a time"
    crowd.settle()
    assert cy.texts() == ["one", "two"]


def test_on_a_slow_link_every_block_gives_time(crowd: Crowd) -> None:
    ada, bo, cy = crowd.members
    left, _ = crowd.link(ada, bo)
    crowd.settle()
    more = RemoteHead(cy.device, 0, 9, bytes(32))
    told(left, crowd, HAVE, messages.encode_have([more]))
    crowd.now += replication.STALL_LIMIT_S - 1
    ada.take(cy.device, [b"void"], crowd.now)
    crowd.pass_time(2)
    assert left.session._channels[cy.device].stalled_at is not None


def test_a_log_dated_far_ahead_is_kept_and_passed_on(crowd: Crowd) -> None:
    ada, bo, cy = crowd.members
    ahead_s = 2 * MAX_AHEAD_MS / 1000
    say(ada, "from tomorrow", crowd.now + ahead_s)
    _, ours = crowd.link(ada, bo)
    crowd.settle()
    assert bo.texts() == []
    assert bo.heads[ada.device].length == ada.heads[ada.device].length
    assert ours.session.state is SessionState.OPEN
    crowd.link(bo, cy)
    crowd.settle()
    assert cy.heads[ada.device] == ada.heads[ada.device]
    for member in (bo, cy):
        member.derive(ada.device, crowd.now + ahead_s)
        assert member.texts() == ["from tomorrow"]
