"""How to come back to newer messages that were let go.

A reader who scrolls far up makes the model let its newest pages go. Each page is kept
as one cursor: the message that the page ends before. Popping them brings the pages
back in order, newest last, with the messages that arrived meanwhile.
"""

from __future__ import annotations

PAGE = 50
"""Messages fetched at once."""


class NewerPages:
    """A stack of pages between the newest loaded message and the end of the history.

    Falsy when the newest loaded message is the newest there is.
    """

    def __init__(self) -> None:
        self._cursors: list[str | None] = []
        self._edge: str | None = None
        self._arrived_count = 0

    def __bool__(self) -> bool:
        return bool(self._cursors)

    def __len__(self) -> int:
        return len(self._cursors)

    def clear(self) -> None:
        """The newest page is loaded again."""
        self._cursors.clear()
        self._edge = None
        self._arrived_count = 0

    def push(self, oldest_id: str) -> None:
        """A page of :data:`PAGE` messages was let go.

        Args:
            oldest_id: The oldest message of that page.
        """
        self._cursors.append(self._edge)
        self._edge = oldest_id

    def arrive(self, message_id: str) -> None:
        """A message was stored beyond the end of what is loaded."""
        assert self._cursors, "with the end loaded, the message belongs to the model"
        if self._arrived_count % PAGE == 0:
            self._cursors[0] = message_id
            self._cursors.insert(0, None)
        self._arrived_count += 1

    @property
    def next(self) -> str | None:
        """What the page next to the loaded ones ends before; None for the end."""
        return self._cursors[-1]

    def pop(self) -> None:
        """The next page was loaded."""
        self._edge = self._cursors.pop()
        if not self._cursors:
            self.clear()
