"""Errors that reach a person: one plain sentence each.

    UserFacingError
    └── carries ``code`` (stable, for programs) and ``str(error)`` (a sentence)

Everything below ``app`` raises errors with a verdict (``LocalProtocolError``,
``RemoteProtocolError``, ``EnvironmentFault``); ``app`` turns them into this one, and
the window and the command line show nothing else.
"""

from __future__ import annotations


class UserFacingError(Exception):
    """A failure told to a person in one sentence.

    Attributes:
        code: Stable lower-case word for programs, such as ``wrong-passphrase``.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code

    @property
    def sentence(self) -> str:
        """The text for a person."""
        return str(self)
