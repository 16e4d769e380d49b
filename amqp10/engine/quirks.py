"""What known peers do against the specification, and what is done about it. Peers are known by their open's properties.

Everything else is held to the rules: an entry here needs a broker that cannot be used without it.
"""

from __future__ import annotations

from dataclasses import dataclass

from amqp10.performatives import Open
from amqp10.types import Symbol

__all__ = ["NO_QUIRKS", "Quirks", "quirks_of"]


@dataclass(frozen=True, slots=True)
class Quirks:
    """How a peer deviates.

    Attributes:
        overruns_credit: it sends more deliveries than it has credit for. RabbitMQ before 4.0 reckons a flow's credit
            from what its connection has sent, while its queue is ahead of that.
        frees_channels_late: for an instant after it has ended a session, what comes on that channel is lost, a begin
            among it. RabbitMQ 4.0 and 4.1: the connection learns of a session's end after the client does.
        ignores_aborts: it does not know an aborted transfer. RabbitMQ 4.0 takes it for the last of the message, and
            stores what it has; 3.10 ends the session.
    """

    overruns_credit: bool = False
    frees_channels_late: bool = False
    ignores_aborts: bool = False


NO_QUIRKS = Quirks()


def quirks_of(remote_open: Open) -> Quirks:
    """Return what is known of the peer that sent this open."""
    properties = remote_open.properties or {}
    version = str(properties.get(Symbol("version"), ""))
    if properties.get(Symbol("product")) != "RabbitMQ":
        return NO_QUIRKS
    return Quirks(
        overruns_credit=version.startswith("3."),
        frees_channels_late=version.startswith("4."),
        ignores_aborts=True,
    )
