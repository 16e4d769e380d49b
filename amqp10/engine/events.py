"""What the engine tells its driver: per run or per endpoint, never per message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from amqp10._codec import OutgoingDelivery
    from amqp10.engine.endpoint import Endpoint
    from amqp10.engine.link import Link
    from amqp10.engine.receiver import Receiver
    from amqp10.engine.sender import Sender
    from amqp10.engine.session import Session

__all__ = [
    "DeliveriesArrived",
    "DeliveriesSettled",
    "EndpointChanged",
    "Event",
    "LinkRequested",
    "LinkStateReceived",
    "OutcomesArrived",
    "SenderReady",
    "SessionRequested",
]


@dataclass(slots=True)
class EndpointChanged:
    """Something changed on which an operation may wait: state, error, drain."""

    endpoint: Endpoint


@dataclass(slots=True)
class DeliveriesArrived:
    """There are more deliveries in `receiver.deliveries`."""

    receiver: Receiver


@dataclass(slots=True)
class DeliveriesSettled:
    """The sending peer gave these deliveries of ours a state, or settled them (rcv-settle-mode second)."""

    deliveries: list[Any]


@dataclass(slots=True)
class SenderReady:
    """Credit, window or room came back: sends that wait may go on."""

    sender: Sender


@dataclass(slots=True)
class OutcomesArrived:
    """Outcomes came for this sender.

    `watched` are the deliveries somebody waits for, and those whose outcome is not accepted.
    """

    sender: Sender
    watched: list[OutgoingDelivery]


@dataclass(slots=True)
class SessionRequested:
    """The peer began a session: `accept` or `refuse` it."""

    session: Session


@dataclass(slots=True)
class LinkRequested:
    """The peer attached a link: `accept` or `refuse` it."""

    link: Link


@dataclass(slots=True)
class LinkStateReceived:
    """A flow of the peer carried link state properties (§2.7.4)."""

    link: Link
    properties: Mapping[Any, Any]


Event = (
    EndpointChanged
    | DeliveriesArrived
    | DeliveriesSettled
    | SenderReady
    | OutcomesArrived
    | SessionRequested
    | LinkRequested
    | LinkStateReceived
)
