"""URLs of AMQP peers: amqp:// and amqps://."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

__all__ = ["Address", "parse_url"]

_PORTS = {"amqp": 5672, "amqps": 5671}


@dataclass(frozen=True, slots=True)
class Address:
    """What a URL says.

    Attributes:
        host: name or IP address, without brackets.
        port: its port.
        encrypted: whether TLS is to be spoken from the first byte.
        username: from the userinfo, or None.
        password: from the userinfo, or None; never shown.
    """

    host: str
    port: int
    encrypted: bool
    username: str | None = None
    password: str | None = field(default=None, repr=False)


def parse_url(url: str) -> Address:
    """Take a URL apart.

    Args:
        url: ``amqp[s]://[user[:password]@]host[:port]``; user and password percent-encoded, an IPv6 address in
            brackets. The ports default to 5672 and, for amqps, 5671.

    Raises:
        ValueError: it is no such URL. The message never has the password.
    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS:
        raise ValueError(f"the URL's scheme must be amqp or amqps, not {parts.scheme!r}")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("the URL may have no path, query or fragment; a virtual host is the option hostname=")
    if not parts.hostname:
        raise ValueError("the URL names no host")
    try:
        port = parts.port
    except ValueError:
        raise ValueError("the URL's port must be a number from 0 to 65535") from None
    return Address(
        host=parts.hostname,
        port=_PORTS[parts.scheme] if port is None else port,
        encrypted=parts.scheme == "amqps",
        username=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )
