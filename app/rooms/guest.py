"""Being let in: what a newcomer asks, and which answers it believes.

A ``Guest`` asks until one member lets it in: a refusal stands only when nobody else
says otherwise for a while. The other end is ``app/rooms/admission.py``; who waits for a
guest, and how long, is the business of ``app/rooms/joining.py``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from app.errors import UserFacingError
from app.identity import attest_data
from app.profile import Profile
from app.rooms import invitations
from app.rooms.invitations import REFUSAL_SENTENCES, Admitted, Link, Refusal, Request
from app.rooms.law import admission_signable
from net.crypto import sign
from net.errors import RemoteProtocolError
from net.pairing import Candidate, CandidateRequest, Held, Paired, Rejected

if TYPE_CHECKING:
    from net.pairing import Decision
    from net.pairing.events import CandidateEvent

_LOG = logging.getLogger("covey.invite")

OTHERS_LIMIT_S = 8.0
"""How long others may let in whom one refused.

Its clock may be wrong, it may be behind, or it may be no member at all.
"""


class Guest:
    """One attempt to be let in by a link.

    Attributes:
        result: What a member answered, or why all who did refused.
        refusal: The first refusal, or None; ``UNKNOWN`` only when there is no other.
        held: True once somebody said that a person will decide.
        askers: How many wait for the result.
        candidate: The machine that asks.
    """

    def __init__(
        self,
        link: Link,
        profile: Profile,
        *,
        entropy: Callable[[int], bytes],
        salt: bytes = b"",
        on_held: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare the request.

        Args:
            link: What somebody passed on.
            profile: Who asks.
            entropy: Where pauses come from.
            salt: Random, to be decided about anew after an answer; empty to find the
                answer to what was asked before.
            on_held: Called when somebody says that a person will decide.
        """
        self.link = link
        self.result: asyncio.Future[Admitted] = (
            asyncio.get_running_loop().create_future()
        )
        self.refusal: Refusal | None = None
        self.held = False
        self._on_held = on_held
        self.askers = 0
        self._timer: asyncio.TimerHandle | None = None
        self._admitted: Admitted | None = None
        invite = link.pairing_invite
        self._invite_key = invite.key_pair.public_key
        device = profile.device
        self._answer = invitations.answer_key_pair(device, self._invite_key, salt)
        answer_key = self._answer.public_key
        challenge = invitations.challenge(self._invite_key, answer_key)
        signable = admission_signable(
            link.room, self._invite_key, profile.identity_key, device.public_key
        )
        said = Request(
            name=profile.name,
            proof=attest_data(profile.proof, device, challenge).encode(),
            signature=sign(signable, invite.key_pair.secret_key),
            answer_key=answer_key,
        )
        self.candidate = Candidate(
            CandidateRequest(invite, said.encode()),
            entropy=entropy,
            believes=self._believes,
        )

    @property
    def group(self) -> bytes:
        """The invite's topic."""
        return self.candidate.discovery_key

    def happened(self, event: CandidateEvent) -> None:
        """Hear what the machine reports."""
        match event:
            case Paired():
                assert self._admitted is not None, "only such an answer is believed"
                if not self.result.done():
                    self.result.set_result(self._admitted)
            case Rejected(status, extension):
                self._refuse(invitations.read_refused(status, extension))
            case Held():
                self.held = True
                self._on_held()

    def close(self) -> None:
        """Ask nobody any more."""
        if self._timer is not None:
            self._timer.cancel()
        if not self.result.cancel() and not self.result.cancelled():
            # Nobody may be left to look at it.
            self.result.exception()

    def _believes(self, decision: Decision) -> bool:
        """Whether an answer is from somebody who can let in, if it says so."""
        if decision.admission is None:
            return True
        try:
            admitted = invitations.open_admitted(
                decision.extension, answer=self._answer, invite_key=self._invite_key
            )
        except RemoteProtocolError as error:
            _LOG.warning("an admission cannot be read: %s", error)
            return False
        if not admitted.belongs_to(self.link.room):
            _LOG.warning("somebody who is no member posed as one")
            return False
        self._admitted = admitted
        return True

    def _refuse(self, reason: Refusal) -> None:
        """Remember a refusal, which is final when nobody lets in before long."""
        if self.refusal in (None, Refusal.UNKNOWN):
            self.refusal = reason
        if self._timer is None and self.refusal is not Refusal.UNKNOWN:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(OTHERS_LIMIT_S, self._give_up)

    def _give_up(self) -> None:
        assert self.refusal is not None
        if not self.result.done():
            sentence = REFUSAL_SENTENCES[self.refusal]
            self.result.set_exception(UserFacingError(*sentence))
