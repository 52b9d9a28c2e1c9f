"""Two processes share a list of tests from both ends, file by file."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.helpers.both_ends import FromBothEnds

FILES = ("unit/test_a.py", "unit/test_b.py", "natlab/test_c.py", "natlab/test_d.py")
FILES += ("core/test_e.py", "core/test_f.py", "ui/test_g.py")
TESTS = [f"tests/{file}::test_{number}" for file in FILES for number in range(3)]


class Worker:
    """Notes what it was given; does one test when it is told so."""

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.shutting_down = False
        self.given: list[int] = []
        self.done: list[str] = []

    def send_runtest_some(self, indices: list[int]) -> None:
        self.given += indices

    def shutdown(self) -> None:
        self.shutting_down = True

    def work(self, schedule: FromBothEnds) -> bool:
        """Do the next test; False when there is nothing to do."""
        if not self.given:
            return False
        index = self.given.pop(0)
        self.done.append(TESTS[index])
        schedule.mark_test_complete(self, index)
        return True

    @property
    def files(self) -> list[str]:
        """The files it worked on, in order."""
        return list(dict.fromkeys(test.partition("::")[0][6:] for test in self.done))


class Config:
    """As much of pytest's as the schedule looks at."""

    def __init__(self) -> None:
        self.option = SimpleNamespace(loadscopereorder=True)

    def getvalue(self, name: str) -> Any:
        return {"tx": ["popen", "popen"]}[name]


@pytest.fixture
def workers() -> tuple[Worker, Worker]:
    return Worker("gw0"), Worker("gw1")


@pytest.fixture
def schedule(workers: tuple[Worker, Worker]) -> FromBothEnds:
    made = FromBothEnds(Config())
    for worker in workers:
        made.add_node(worker)
    for worker in workers:
        made.add_node_collection(worker, TESTS)
    made.schedule()
    return made


def test_they_start_at_both_ends(
    workers: tuple[Worker, Worker], schedule: FromBothEnds
) -> None:
    while [worker for worker in workers if worker.work(schedule)]:
        continue
    front, back = workers
    assert front.files == [*FILES[:4]]
    assert back.files == [*reversed(FILES[4:])]
    assert sorted(front.done + back.done) == sorted(TESTS)
    assert schedule.tests_finished


def test_who_is_quicker_does_more(
    workers: tuple[Worker, Worker], schedule: FromBothEnds
) -> None:
    front, back = workers
    while back.work(schedule):
        continue
    while front.work(schedule):
        continue
    # The lab is one piece, though it has two files.
    assert front.files == [*FILES[:1]]
    assert back.files == [*reversed(FILES[4:]), *FILES[2:4], FILES[1]]
    assert sorted(front.done + back.done) == sorted(TESTS)


def test_what_a_lost_worker_had_is_done_by_the_other(
    workers: tuple[Worker, Worker], schedule: FromBothEnds
) -> None:
    front, back = workers
    back.work(schedule)
    lost = "tests/ui/test_g.py::test_1"
    assert schedule.remove_node(back) == lost
    while front.work(schedule):
        continue
    assert sorted([*front.done, *back.done, lost]) == sorted(TESTS)
    assert schedule.tests_finished


def test_who_ended_without_work_leaves_nothing(
    workers: tuple[Worker, Worker], schedule: FromBothEnds
) -> None:
    front, back = workers
    while front.work(schedule) or back.work(schedule):
        continue
    assert schedule.remove_node(front) is None
