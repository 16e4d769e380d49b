"""TLS contexts, and whether a peer may be shown a password without."""

from __future__ import annotations

import ipaddress
import ssl
from typing import Protocol

from amqp10.errors import InvalidState

__all__ = ["check_clear_text", "client_context"]


class _Mechanism(Protocol):
    """What has to be known of a SASL mechanism; the mechanisms are the engine's."""

    name: str
    needs_encryption: bool


def client_context() -> ssl.SSLContext:
    """Make the context that amqps:// uses: the system's authorities, host names checked, TLS 1.2 or later."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def check_clear_text(mechanism: _Mechanism, peer: object) -> None:
    """Refuse to show a secret to a network.

    Args:
        mechanism: what would be used on a connection without TLS.
        peer: the socket's peer name.

    Raises:
        InvalidState: the mechanism needs encryption and the peer is another machine.
    """
    if mechanism.needs_encryption and not _is_local(peer):
        raise InvalidState(
            f"SASL {mechanism.name} would send the password in clear text to another machine: use amqps://, "
            "or pass sasl=[Plain(username, password, allow_clear_text=True)]"
        )


def _is_local(peer: object) -> bool:
    if not isinstance(peer, tuple):
        return isinstance(peer, (str, bytes))  # a UNIX socket; None where the peer is unknown
    try:
        return ipaddress.ip_address(str(peer[0]).split("%")[0]).is_loopback
    except ValueError:
        return False
