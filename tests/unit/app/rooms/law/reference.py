"""The order of judging once more, slowly: everything from the start every time."""

from __future__ import annotations

from app.rooms.law import Act
from app.rooms.law.case import Cut, open_case
from app.rooms.law.history import MAX_ROUNDS, UNITED_ROUNDS
from app.rooms.law.judgement import judge
from app.rooms.law.state import State
from app.rooms.operations.acts import (
    AddDevice,
    Admit,
    Found,
    Remove,
    RemoveDevice,
    Rest,
    SetRole,
)
from store.autobase import Place

Cuts = list[Cut]
CUTTING = (SetRole, Remove, RemoveDevice, Rest)


def hits(cutting: Act, acts: list[Act]) -> list[int]:
    """The indices of earlier acts that one might hit."""
    body = cutting.body
    devices = set()
    if isinstance(body, RemoveDevice | Rest):
        devices = {body.device}
    elif isinstance(body, SetRole | Remove):
        for act in acts:
            if act.place < cutting.place and isinstance(
                act.body, Found | Admit | AddDevice
            ):
                proof = act.body.proof
                if proof.identity == body.identity:
                    devices.add(proof.device)
    return [
        at
        for at, act in enumerate(acts)
        if act.place < cutting.place
        and act.writer in devices
        and act.place.sequence >= cutting.length_of(act.writer)
    ]


def stretches(acts: list[Act]) -> list[tuple[int, int]]:
    """What is judged together: first index and the one behind the last."""
    linked = [False] * len(acts)
    for at, act in enumerate(acts):
        for hit in hits(act, acts):
            for between in range(hit, at):
                linked[between] = True
    found, at = [], 0
    while at < len(acts):
        end = at
        while linked[end]:
            end += 1
        found.append((at, end + 1))
        at = end + 1
    return found


def judge_all(founder: bytes, acts: list[Act]) -> State:
    """The state that a set of acts makes."""
    acts = sorted(acts, key=lambda act: act.place)
    state = State(founder)
    for start, end in stretches(acts):
        part = acts[start:end]
        barred: set[Place] = set()
        for _ in range(MAX_ROUNDS):
            overruled = _judge_ranks(state, part, barred)
            if not overruled:
                break
            State.undo(state.take_undo())
            barred |= overruled
        else:
            _judge_ranks(state, part, barred)
        state.take_undo()
    return state


def _judge_ranks(state: State, part: list[Act], barred: set[Place]) -> set[Place]:
    """Judge a stretch; what made others lose and is void nevertheless."""
    begun: Cuts = []
    lost = set(barred)
    counted: list[set[Place]] = []
    acting: set[Place] = set()
    writers = {act.writer for act in part if isinstance(act.body, CUTTING)}
    for level in (4, 3, 2, 1, 0, -1) if len(writers) > 1 else (-1,):
        State.undo(state.take_undo())
        begun, found, acting = _judged(state, part, begun, level, lost)
        lost = lost | found
        if found:
            counted.append(acting)
    return next((it - acting for it in counted if it - acting), set())


def _judged(
    state: State, part: list[Act], begun: Cuts, level: int, lost: set[Place]
) -> tuple[Cuts, set[Place], set[Place]]:
    """Judge a stretch in rounds; of the last one the cuts, what lost, what acted."""
    rounds: list[Cuts] = [begun]
    while True:
        cuts, out, acting = _round(state, part, rounds[-1], level, lost)
        if cuts == rounds[-1]:
            return cuts, out, acting
        State.undo(state.take_undo())
        rounds.append(cuts)
        if len(rounds) > MAX_ROUNDS:
            united = [cut for cuts in rounds[-UNITED_ROUNDS:] for cut in cuts]
            _, out, acting = _round(state, part, united, level, lost)
            return united, out, acting


def _round(
    state: State, part: list[Act], applied: Cuts, level: int, lost: set[Place]
) -> tuple[Cuts, set[Place], set[Place]]:
    by_device: dict[bytes, Cuts] = {}
    for cut in applied:
        by_device.setdefault(cut.device, []).append(cut)
    cuts: Cuts = []
    out: set[Place] = set()
    acting: set[Place] = set()
    kept = state.take_undo()
    for act in part:
        cutting = isinstance(act.body, CUTTING)
        if act.place in lost:
            continue
        effect = judge(state, act, by_device)
        undo = state.take_undo()
        if cutting and effect is None and open_case(state, act, by_device) is None:
            out.add(act.place)
        if cutting and effect is not None and effect.force < level:
            State.undo(undo)
            continue
        kept += undo
        if cutting and effect is not None:
            acting.add(act.place)
        cuts += effect.cuts if effect is not None else ()
    state._undo = kept
    hitting = [
        cut
        for cut in cuts
        if any(
            act.writer == cut.device
            and act.place < cut.place
            and act.place.sequence >= cut.length
            for act in part
        )
    ]
    return hitting, out, acting
