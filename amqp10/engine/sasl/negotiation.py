"""The exchange of SASL frames (security.xml, "SASL Negotiation"), for either end, without I/O.

The connection hands in each SASL frame and sends what comes back. This is the one place where the ends differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from amqp10.engine.sasl.mechanism import ClientMechanism, Exchange, ServerMechanism
from amqp10.errors import AuthenticationError
from amqp10.performatives import (
    SaslChallenge,
    SaslFrame,
    SaslInit,
    SaslMechanisms,
    SaslOutcome,
    SaslResponse,
)
from amqp10.types import SaslCode, Symbol

__all__ = ["SaslClient", "SaslNegotiation", "SaslServer", "UnexpectedSaslFrame"]

_CODES = {
    SaslCode.AUTH: "the credentials were refused",
    SaslCode.SYS: "a system error at the server",
    SaslCode.SYS_PERM: "a permanent system error at the server",
    SaslCode.SYS_TEMP: "a passing system error at the server",
}
_MAX_ROUNDS = 16


class UnexpectedSaslFrame(Exception):
    """A SASL frame that the peer may not send now."""


class SaslNegotiation:
    """What both ends of an exchange show.

    Attributes:
        done: whether the exchange succeeded.
        error: why it failed, or None.
        mechanism: the name of the mechanism chosen, or None so far.
        identity: on the accepting side, who the client is.
    """

    __slots__ = ("done", "error", "identity", "mechanism")

    def __init__(self) -> None:
        self.done = False
        self.error: AuthenticationError | None = None
        self.mechanism: str | None = None
        self.identity: str | None = None

    def start(self) -> list[SaslFrame]:
        """Return the frames to send once the protocol headers are exchanged."""
        return []

    def receive(self, frame: SaslFrame) -> list[SaslFrame]:
        """Take a frame of the peer, return those to send.

        Raises:
            UnexpectedSaslFrame: the frame is out of order.
        """
        raise NotImplementedError


class SaslClient(SaslNegotiation):
    """The connecting side.

    Args:
        mechanisms: in order of preference; the first that the server offers is used.
        hostname: the virtual host to authenticate for.

    Raises:
        ValueError: there is no mechanism, or the host name is no text that can be sent.
    """

    __slots__ = ("_exchange", "_hostname", "_mechanisms")

    def __init__(self, mechanisms: Sequence[ClientMechanism], hostname: str | None = None) -> None:
        super().__init__()
        if not mechanisms:
            raise ValueError("sasl needs at least one mechanism; None leaves the SASL layer out")
        if hostname is not None:
            hostname.encode()  # what cannot be sent is found here, not when the server has answered
        self._mechanisms = tuple(mechanisms)
        self._hostname = hostname
        self._exchange: Exchange | None = None

    def receive(self, frame: SaslFrame) -> list[SaslFrame]:
        """Take a frame of the server, return those to send."""
        if type(frame) is SaslMechanisms and self._exchange is None:
            return self._choose(frame.sasl_server_mechanisms)
        if type(frame) is SaslChallenge and self._exchange is not None:
            return self._respond(self._exchange, frame.challenge)
        if type(frame) is SaslOutcome and self._exchange is not None:
            self._finish(self._exchange, frame)
            return []
        raise UnexpectedSaslFrame(f"{type(frame).__name__} out of order")

    def _choose(self, offered: Sequence[str]) -> list[SaslFrame]:
        for mechanism in self._mechanisms:
            if mechanism.name in offered:
                self.mechanism = mechanism.name
                self._exchange = mechanism.start()
                return [
                    SaslInit(
                        mechanism=Symbol(mechanism.name),
                        initial_response=self._exchange.initial_response(),
                        hostname=self._hostname,
                    )
                ]
        ours = ", ".join(mechanism.name for mechanism in self._mechanisms)
        self.error = AuthenticationError(f"the server offers the mechanisms {', '.join(offered)}; we have {ours}")
        return []

    def _respond(self, exchange: Exchange, challenge: bytes) -> list[SaslFrame]:
        try:
            return [SaslResponse(response=exchange.respond(challenge))]
        except ValueError as error:
            self.error = AuthenticationError(f"SASL {self.mechanism} failed: {error}", mechanism=self.mechanism)
            return []

    def _finish(self, exchange: Exchange, outcome: SaslOutcome) -> None:
        if outcome.code != SaslCode.OK:
            text = _CODES.get(outcome.code, f"code {outcome.code}")  # type: ignore[call-overload]
            if outcome.additional_data:
                text += f": {outcome.additional_data.decode(errors='replace')}"
            self.error = AuthenticationError(
                f"SASL {self.mechanism} failed: {text}", mechanism=self.mechanism, code=outcome.code
            )
            return
        try:
            exchange.finish(outcome.additional_data)
        except ValueError as error:
            self.error = AuthenticationError(f"SASL {self.mechanism} failed: {error}", mechanism=self.mechanism)
            return
        self.done = True


class SaslServer(SaslNegotiation):
    """The accepting side.

    Args:
        mechanisms: those to offer, in that order.
    """

    __slots__ = ("_chosen", "_mechanisms", "_rounds")

    def __init__(self, mechanisms: Iterable[ServerMechanism]) -> None:
        super().__init__()
        self._mechanisms = {mechanism.name: mechanism for mechanism in mechanisms}
        self._chosen: ServerMechanism | None = None
        self._rounds = 0  # challenges sent: a client cannot keep us busy for ever

    def start(self) -> list[SaslFrame]:
        """Return the offer."""
        return [SaslMechanisms(sasl_server_mechanisms=[Symbol(name) for name in self._mechanisms])]

    def receive(self, frame: SaslFrame) -> list[SaslFrame]:
        """Take a frame of the client, return those to send."""
        if type(frame) is SaslInit and self._chosen is None:
            self.mechanism = str(frame.mechanism)
            self._chosen = self._mechanisms.get(self.mechanism)
            return self._step(frame.initial_response)
        if type(frame) is SaslResponse and self._chosen is not None:
            return self._step(frame.response)
        raise UnexpectedSaslFrame(f"{type(frame).__name__} out of order")

    def _step(self, response: bytes | None) -> list[SaslFrame]:
        if self._chosen is None:
            return self._refuse(f"a client asked for the mechanism {self.mechanism}, which was not offered")
        verdict = self._chosen.step(response)
        self._rounds += 1
        if verdict.challenge is not None and self._rounds < _MAX_ROUNDS:
            return [SaslChallenge(challenge=verdict.challenge)]
        if verdict.identity is None:
            return self._refuse(f"SASL {self.mechanism} failed: the credentials were refused")
        self.identity = verdict.identity
        self.done = True
        return [SaslOutcome(code=SaslCode.OK)]

    def _refuse(self, text: str) -> list[SaslFrame]:
        self.error = AuthenticationError(text, mechanism=self.mechanism, code=SaslCode.AUTH)
        return [SaslOutcome(code=SaslCode.AUTH)]
