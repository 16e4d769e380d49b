"""Sources, targets and what belongs to them (messaging.xml, "Sources and Targets"; transactions.xml, "Coordination").

Plain tables and the constructors of the filters that brokers know; durations are in seconds, as on the wire.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amqp10.composite import Composite, field, mandatory
from amqp10.types import Described, Symbol, ULong

__all__ = [
    "Coordinator",
    "Declare",
    "DeleteOnClose",
    "DeleteOnNoLinks",
    "DeleteOnNoLinksOrMessages",
    "DeleteOnNoMessages",
    "Discharge",
    "LifetimePolicy",
    "Source",
    "Target",
    "Terminus",
    "selector_filter",
]


class Terminus(Composite):
    """One end of a link."""


class Source(Terminus, descriptor="amqp:source:list", code=0x28):
    """Where a link's messages come from (§3.5.3)."""

    address: str | None = field("*", default=None)
    durable: int = field("uint", default=0)
    expiry_policy: str = field("symbol", default=Symbol("session-end"))
    timeout: int = field("seconds", default=0)
    dynamic: bool = field("boolean", default=False)
    dynamic_node_properties: dict[Symbol, Any] | None = field("fields", default=None)
    distribution_mode: str | None = field("symbol", default=None)
    filter: dict[Symbol, Any] | None = field("filter-set", default=None)
    default_outcome: Any = field("*", default=None)
    outcomes: Sequence[str] | None = field("symbol", default=None, multiple=True)
    capabilities: Sequence[str] | None = field("symbol", default=None, multiple=True)


class Target(Terminus, descriptor="amqp:target:list", code=0x29):
    """Where a link's messages go to (§3.5.4)."""

    address: str | None = field("*", default=None)
    durable: int = field("uint", default=0)
    expiry_policy: str = field("symbol", default=Symbol("session-end"))
    timeout: int = field("seconds", default=0)
    dynamic: bool = field("boolean", default=False)
    dynamic_node_properties: dict[Symbol, Any] | None = field("fields", default=None)
    capabilities: Sequence[str] | None = field("symbol", default=None, multiple=True)


class LifetimePolicy(Composite):
    """When a dynamically made node goes away (§3.5.10)."""


class DeleteOnClose(LifetimePolicy, descriptor="amqp:delete-on-close:list", code=0x2B):
    """With the link that caused its creation."""


class DeleteOnNoLinks(LifetimePolicy, descriptor="amqp:delete-on-no-links:list", code=0x2C):
    """When no link uses it any longer."""


class DeleteOnNoMessages(LifetimePolicy, descriptor="amqp:delete-on-no-messages:list", code=0x2D):
    """When its creating link is gone and no message is left on it."""


class DeleteOnNoLinksOrMessages(LifetimePolicy, descriptor="amqp:delete-on-no-links-or-messages:list", code=0x2E):
    """When neither link nor message is left on it."""


class Coordinator(Terminus, descriptor="amqp:coordinator:list", code=0x30):
    """The target of a link that controls transactions (§4.5.1)."""

    capabilities: Sequence[str] | None = field("symbol", default=None, multiple=True)


class Declare(Composite, descriptor="amqp:declare:list", code=0x31):
    """The message body that begins a transaction (§4.5.2)."""

    global_id: Any = field("*", default=None)


class Discharge(Composite, descriptor="amqp:discharge:list", code=0x32):
    """The message body that ends a transaction (§4.5.3)."""

    txn_id: bytes = mandatory("*")
    fail: bool = field("boolean", default=False)


def selector_filter(expression: str) -> dict[Symbol, Described]:
    """Make the filter set that selects messages by a JMS selector.

    Args:
        expression: the selector, for instance ``"priority > 5 AND color = 'blue'"``. Names of application properties
            stand for their values.

    Returns:
        What `Source.filter` takes: one entry under the name that the Apache registry of filters gives it.
    """
    return {Symbol("apache.org:selector-filter:string"): Described(ULong(0x0000468C00000004), expression)}
