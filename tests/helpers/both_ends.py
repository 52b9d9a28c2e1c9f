"""How two processes share the tests: one takes files from each end of the list.

The list goes from tests that compute to tests that mostly wait for processes (see
``ORDER`` in ``tests/conftest.py``). With a worker at each end a processor is busy while
somebody waits, and both meet at whatever file is last, however long each one took. A
file is never parted: its fixtures are made once and its tests keep their order. What
stays together beyond that is in ``TOGETHER``.

Follows ``LoadScopeScheduling`` of pytest-xdist, whose queue this only turns round.
"""

from __future__ import annotations

from typing import Any

from xdist.scheduler import LoadScopeScheduling

TOGETHER = ("tests/natlab/",)
"""Folders that are one piece: the lab of network namespaces is built once."""


def piece_of(nodeid: str) -> str:
    """Which piece of work a test belongs to."""
    path = nodeid.partition("::")[0]
    return next((folder for folder in TOGETHER if path.startswith(folder)), path)


class FromBothEnds(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out whole files: to every second worker from the end of the list."""

    def __init__(self, config: Any, log: Any = None) -> None:
        super().__init__(config, log)
        # The order of collection is the order of work.
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return piece_of(nodeid)

    def remove_node(self, node: Any) -> str | None:
        """Share out what a lost worker had, without the test that was its end.

        The original tries that test again, and loses worker after worker.
        """
        pieces = self.assigned_work.pop(node)
        left = [test for tests in pieces.values() for test in tests if not tests[test]]
        if not left:
            return None
        pieces[piece_of(left[0])][left[0]] = True
        for piece, tests in pieces.items():
            if not all(tests.values()):
                self.workqueue[piece] = tests
        for other in self.nodes:
            self._reschedule(other)
        return left[0]

    def _assign_work_unit(self, node: Any) -> None:
        if self.nodes.index(node) % 2:
            self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
        super()._assign_work_unit(node)
