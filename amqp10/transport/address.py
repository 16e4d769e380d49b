"""URLs of AMQP peers: amqp:// and amqps://."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

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
        ValueError: it is no such URL. Neither the message nor what caused the error has the password.
    """
    parts = _split(url)
    if parts is None:
        raise ValueError("the URL is malformed; what is special in user name and password must be percent-encoded")
    if parts.scheme not in _PORTS:
        raise ValueError(f"the URL's scheme must be amqp or amqps, not {parts.scheme!r}")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(
            "the URL may have no path, query or fragment: a virtual host is the option hostname=, and '/', '?' and '#' "
            "in user name and password must be percent-encoded"
        )
    if not parts.hostname:
        raise ValueError("the URL names no host")
    return Address(
        host=_decoded(parts.hostname, "host"),
        port=_port(parts),
        encrypted=parts.scheme == "amqps",
        username=None if parts.username is None else _decoded(parts.username, "user name"),
        password=None if parts.password is None else _decoded(parts.password, "password"),
    )


def _split(url: str) -> SplitResult | None:
    # What urlsplit and unquote raise may quote the password: their errors must not even be the context of ours.
    if any(character <= " " or character == "\x7f" for character in url):
        return None
    try:
        return urlsplit(url)
    except ValueError:
        return None


def _port(parts: SplitResult) -> int:
    try:
        port = parts.port
    except ValueError:
        port = -1
    if port == -1:
        raise ValueError("the URL's port must be a number from 0 to 65535")
    return _PORTS[parts.scheme] if port is None else port


def _decoded(text: str, what: str) -> str:
    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError:
        decoded = None
    if decoded is None:
        raise ValueError(f"the URL's {what} is not percent-encoded UTF-8")
    return decoded
