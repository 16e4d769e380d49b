"""SASL EXTERNAL (RFC 4422, appendix A): the identity comes from below, mostly a TLS client certificate."""

from __future__ import annotations

from collections.abc import Callable

from amqp10.engine.sasl.mechanism import ClientMechanism, Exchange, ServerMechanism, Verdict

__all__ = ["External", "ExternalServer"]


class _ExternalExchange(Exchange):
    def __init__(self, response: bytes) -> None:
        self._response = response

    def initial_response(self) -> bytes:
        # Empty, not absent: servers that get no initial response would have to ask for it.
        return self._response


class External(ClientMechanism):
    """Enter as whom the transport says we are.

    Args:
        authorization_id: the identity to act as; empty for the one of the certificate.
    """

    name = "EXTERNAL"

    def __init__(self, authorization_id: str = "") -> None:
        self._response = authorization_id.encode()

    def start(self) -> Exchange:
        """Begin an exchange."""
        return _ExternalExchange(self._response)


class ExternalServer(ServerMechanism):
    """Let in whom the transport has authenticated.

    Args:
        identify: gets the authorization id that the client asked for ("" for none) and returns who it is, or None
            where the transport's credentials do not allow it.
    """

    name = "EXTERNAL"

    def __init__(self, identify: Callable[[str], str | None]) -> None:
        self._identify = identify

    def step(self, response: bytes | None) -> Verdict:
        """Ask the callable; without a response, ask for one."""
        if response is None:
            return Verdict(challenge=b"")
        try:
            return Verdict(identity=self._identify(response.decode()))
        except UnicodeDecodeError:
            return Verdict()
