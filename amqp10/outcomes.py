"""Delivery states and outcomes (messaging.xml, "Delivery State"; transactions.xml, "Transactional Messaging").

Plain tables; what a state does to a delivery is the engine's business.
"""

from __future__ import annotations

from typing import Any

from amqp10.composite import Composite, field, mandatory
from amqp10.performatives import Error
from amqp10.types import Symbol

__all__ = [
    "ACCEPTED",
    "RELEASED",
    "Accepted",
    "Declared",
    "DeliveryState",
    "Modified",
    "Outcome",
    "Received",
    "Rejected",
    "Released",
    "TransactionalState",
]


class DeliveryState(Composite):
    """The state of a delivery at one of its ends."""


class Outcome(DeliveryState):
    """A terminal delivery state."""


class Received(DeliveryState, descriptor="amqp:received:list", code=0x23):
    """How far the receiver has got (§3.4.1): not terminal."""

    section_number: int = mandatory("uint")
    section_offset: int = mandatory("ulong")


class Accepted(Outcome, descriptor="amqp:accepted:list", code=0x24):
    """The message was processed (§3.4.2)."""


class Rejected(Outcome, descriptor="amqp:rejected:list", code=0x25):
    """The message is invalid and cannot be processed (§3.4.3)."""

    error: Error | None = field("error", default=None)


class Released(Outcome, descriptor="amqp:released:list", code=0x26):
    """The message was not, and will not be, processed here (§3.4.4)."""


class Modified(Outcome, descriptor="amqp:modified:list", code=0x27):
    """The message was modified, not processed (§3.4.5)."""

    delivery_failed: bool = field("boolean", default=False)
    undeliverable_here: bool = field("boolean", default=False)
    message_annotations: dict[Symbol, Any] | None = field("fields", default=None)


class Declared(Outcome, descriptor="amqp:declared:list", code=0x33):
    """A transaction was begun (§4.5.4)."""

    txn_id: bytes = mandatory("*")


class TransactionalState(DeliveryState, descriptor="amqp:transactional-state:list", code=0x34):
    """A state that takes effect with its transaction (§4.5.5)."""

    txn_id: bytes = mandatory("*")
    outcome: Any = field("*", default=None)


ACCEPTED = Accepted()
RELEASED = Released()
