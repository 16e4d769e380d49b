"""SASL ANONYMOUS (RFC 4505)."""

from __future__ import annotations

from amqp10.engine.sasl.mechanism import ClientMechanism, Exchange, ServerMechanism, Verdict

__all__ = ["Anonymous", "AnonymousServer"]


class _AnonymousExchange(Exchange):
    def __init__(self, response: bytes) -> None:
        self._response = response

    def initial_response(self) -> bytes:
        return self._response


class Anonymous(ClientMechanism):
    """Enter without credentials.

    Args:
        trace: what the server may log about who comes: an address or a word, not a secret.
    """

    name = "ANONYMOUS"

    def __init__(self, trace: str = "anonymous") -> None:
        self._response = trace.encode()

    def start(self) -> Exchange:
        """Begin an exchange."""
        return _AnonymousExchange(self._response)


class AnonymousServer(ServerMechanism):
    """Let everybody in, as "anonymous"."""

    name = "ANONYMOUS"

    def step(self, response: bytes | None) -> Verdict:
        """Accept, whatever trace came."""
        return Verdict(identity="anonymous")
