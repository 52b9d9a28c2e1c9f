"""The bridge from results of machines (:mod:`net.flow`) to asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from net.aio.errors import OperationCancelledError
from net.flow import Deferred, FlowCancelledError

T = TypeVar("T")


async def settled(
    deferred: Deferred[T], *, on_cancel: Callable[[], object] | None = None
) -> T:
    """Wait for a deferred and return its value or raise its error.

    Args:
        deferred: What to wait for.
        on_cancel: Called when the waiting task is cancelled, to stop the work.

    Raises:
        OperationCancelledError: The work was stopped from elsewhere.
    """
    if not deferred.settled:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def wake(_: Deferred[T]) -> None:
            if not done.done():
                done.set_result(None)

        deferred.when_settled(wake)
        try:
            await done
        except asyncio.CancelledError:
            deferred.forget(wake)
            if on_cancel is not None:
                on_cancel()
            raise
    try:
        return deferred.result()
    except FlowCancelledError:
        raise OperationCancelledError("The operation was stopped.") from None
