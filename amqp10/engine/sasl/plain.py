"""SASL PLAIN (RFC 4616)."""

from __future__ import annotations

from collections.abc import Callable

from amqp10.engine.sasl.mechanism import ClientMechanism, Exchange, ServerMechanism, Verdict

__all__ = ["Plain", "PlainServer"]

_PARTS = 3


class _PlainExchange(Exchange):
    def __init__(self, response: bytes) -> None:
        self._response = response

    def initial_response(self) -> bytes:
        return self._response


class Plain(ClientMechanism):
    """Enter with a user name and a password, which the wire shows to whoever reads it.

    Args:
        username: the authentication identity.
        password: its password.
        authorization_id: the identity to act as; empty for the same.
        allow_clear_text: whether to send the password over a connection without TLS to another machine.

    Raises:
        ValueError: one of them contains a NUL or a surrogate, or the user name is empty.
    """

    name = "PLAIN"

    def __init__(
        self, username: str, password: str, authorization_id: str = "", *, allow_clear_text: bool = False
    ) -> None:
        if not username:
            raise ValueError("the user name must not be empty")
        if "\0" in username + password + authorization_id:
            raise ValueError("user name, password and authorization id must not contain NUL (RFC 4616)")
        self.needs_encryption = not allow_clear_text
        response = f"{authorization_id}\0{username}\0{password}"
        if any("\ud800" <= character <= "\udfff" for character in response):
            # encode() would say so too, with the password in its error.
            raise ValueError("user name, password and authorization id must not contain surrogates")
        self._response = response.encode()

    def start(self) -> Exchange:
        """Begin an exchange."""
        return _PlainExchange(self._response)


class PlainServer(ServerMechanism):
    """Let in whom a callable accepts.

    Args:
        verify: gets user name and password; compare secrets with `hmac.compare_digest`.
    """

    name = "PLAIN"

    def __init__(self, verify: Callable[[str, str], bool]) -> None:
        self._verify = verify

    def step(self, response: bytes | None) -> Verdict:
        """Take apart the response and ask the callable; without a response, ask for one."""
        if response is None:
            return Verdict(challenge=b"")
        parts = response.split(b"\0")
        if len(parts) != _PARTS:
            return Verdict()
        try:
            authorization_id, username, password = (part.decode() for part in parts)
        except UnicodeDecodeError:
            return Verdict()
        if not username or not self._verify(username, password):
            return Verdict()
        return Verdict(identity=authorization_id or username)
