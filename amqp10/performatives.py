"""The bodies of AMQP and SASL frames, as tables (transport.xml, "Performatives"; security.xml, "SASL").

Field names are the specification's, with hyphens as underscores; units are the wire's. Nothing here acts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amqp10.composite import Composite, field, mandatory
from amqp10.types import Symbol

__all__ = [
    "Attach",
    "Begin",
    "Close",
    "Detach",
    "Disposition",
    "End",
    "Error",
    "Flow",
    "Open",
    "Performative",
    "SaslChallenge",
    "SaslFrame",
    "SaslInit",
    "SaslMechanisms",
    "SaslOutcome",
    "SaslResponse",
    "Transfer",
]


class Performative(Composite):
    """What the body of an AMQP frame starts with."""


class SaslFrame(Composite):
    """What the body of a SASL frame is."""


class Error(Composite, descriptor="amqp:error:list", code=0x1D):
    """The details of an error (§2.8.14)."""

    condition: Symbol = mandatory("symbol")
    description: str | None = field("string", default=None)
    info: dict[Symbol, Any] | None = field("fields", default=None)


class Open(Performative, descriptor="amqp:open:list", code=0x10):
    """Negotiate connection parameters (§2.7.1)."""

    container_id: str = mandatory("string")
    hostname: str | None = field("string", default=None)
    max_frame_size: int = field("uint", default=0xFFFFFFFF)
    channel_max: int = field("ushort", default=0xFFFF)
    idle_time_out: int | None = field("milliseconds", default=None)
    outgoing_locales: Sequence[str] | None = field("symbol", default=None, multiple=True)
    incoming_locales: Sequence[str] | None = field("symbol", default=None, multiple=True)
    offered_capabilities: Sequence[str] | None = field("symbol", default=None, multiple=True)
    desired_capabilities: Sequence[str] | None = field("symbol", default=None, multiple=True)
    properties: dict[Symbol, Any] | None = field("fields", default=None)


class Begin(Performative, descriptor="amqp:begin:list", code=0x11):
    """Begin a session on a channel (§2.7.2)."""

    remote_channel: int | None = field("ushort", default=None)
    next_outgoing_id: int = mandatory("uint")
    incoming_window: int = mandatory("uint")
    outgoing_window: int = mandatory("uint")
    handle_max: int = field("uint", default=0xFFFFFFFF)
    offered_capabilities: Sequence[str] | None = field("symbol", default=None, multiple=True)
    desired_capabilities: Sequence[str] | None = field("symbol", default=None, multiple=True)
    properties: dict[Symbol, Any] | None = field("fields", default=None)


class Attach(Performative, descriptor="amqp:attach:list", code=0x12):
    """Attach a link to a session (§2.7.3)."""

    name: str = mandatory("string")
    handle: int = mandatory("uint")
    role: bool = mandatory("boolean")
    snd_settle_mode: int = field("ubyte", default=2)
    rcv_settle_mode: int = field("ubyte", default=0)
    source: Any = field("*", default=None)
    target: Any = field("*", default=None)
    unsettled: dict[bytes, Any] | None = field("map", default=None)
    incomplete_unsettled: bool = field("boolean", default=False)
    initial_delivery_count: int | None = field("uint", default=None)
    max_message_size: int | None = field("ulong", default=None)
    offered_capabilities: Sequence[str] | None = field("symbol", default=None, multiple=True)
    desired_capabilities: Sequence[str] | None = field("symbol", default=None, multiple=True)
    properties: dict[Symbol, Any] | None = field("fields", default=None)


class Flow(Performative, descriptor="amqp:flow:list", code=0x13):
    """Update the flow state of a session and of one of its links (§2.7.4)."""

    next_incoming_id: int | None = field("uint", default=None)
    incoming_window: int = mandatory("uint")
    next_outgoing_id: int = mandatory("uint")
    outgoing_window: int = mandatory("uint")
    handle: int | None = field("uint", default=None)
    delivery_count: int | None = field("uint", default=None)
    link_credit: int | None = field("uint", default=None)
    available: int | None = field("uint", default=None)
    drain: bool = field("boolean", default=False)
    echo: bool = field("boolean", default=False)
    properties: dict[Symbol, Any] | None = field("fields", default=None)


class Transfer(Performative, descriptor="amqp:transfer:list", code=0x14):
    """Transfer a message, or a part of one (§2.7.5)."""

    handle: int = mandatory("uint")
    delivery_id: int | None = field("uint", default=None)
    delivery_tag: bytes | None = field("binary", default=None)
    message_format: int | None = field("uint", default=None)
    settled: bool | None = field("boolean", default=None)
    more: bool = field("boolean", default=False)
    rcv_settle_mode: int | None = field("ubyte", default=None)
    state: Any = field("*", default=None)
    resume: bool = field("boolean", default=False)
    aborted: bool = field("boolean", default=False)
    batchable: bool = field("boolean", default=False)


class Disposition(Performative, descriptor="amqp:disposition:list", code=0x15):
    """Inform the peer of changed delivery states (§2.7.6)."""

    role: bool = mandatory("boolean")
    first: int = mandatory("uint")
    last: int | None = field("uint", default=None)
    settled: bool = field("boolean", default=False)
    state: Any = field("*", default=None)
    batchable: bool = field("boolean", default=False)


class Detach(Performative, descriptor="amqp:detach:list", code=0x16):
    """Detach a link endpoint from its session (§2.7.7)."""

    handle: int = mandatory("uint")
    closed: bool = field("boolean", default=False)
    error: Error | None = field("error", default=None)


class End(Performative, descriptor="amqp:end:list", code=0x17):
    """End the session (§2.7.8)."""

    error: Error | None = field("error", default=None)


class Close(Performative, descriptor="amqp:close:list", code=0x18):
    """Signal that the connection closes (§2.7.9)."""

    error: Error | None = field("error", default=None)


class SaslMechanisms(SaslFrame, descriptor="amqp:sasl-mechanisms:list", code=0x40):
    """Advertise the server's mechanisms (§5.3.3.1)."""

    sasl_server_mechanisms: Sequence[Symbol] = mandatory("symbol", multiple=True)


class SaslInit(SaslFrame, descriptor="amqp:sasl-init:list", code=0x41):
    """Choose a mechanism and start the exchange (§5.3.3.2)."""

    mechanism: str = mandatory("symbol")
    initial_response: bytes | None = field("binary", default=None)
    hostname: str | None = field("string", default=None)

    def __repr__(self) -> str:
        """Leave out the response: it may be a password."""
        return f"SaslInit(mechanism={self.mechanism!r}, initial_response=<hidden>, hostname={self.hostname!r})"


class SaslChallenge(SaslFrame, descriptor="amqp:sasl-challenge:list", code=0x42):
    """A challenge of the server (§5.3.3.3)."""

    challenge: bytes = mandatory("binary")

    def __repr__(self) -> str:
        """Leave out what only the two ends should know."""
        return "SaslChallenge(challenge=<hidden>)"


class SaslResponse(SaslFrame, descriptor="amqp:sasl-response:list", code=0x43):
    """The client's answer to a challenge (§5.3.3.4)."""

    response: bytes = mandatory("binary")

    def __repr__(self) -> str:
        """Leave out what only the two ends should know."""
        return "SaslResponse(response=<hidden>)"


class SaslOutcome(SaslFrame, descriptor="amqp:sasl-outcome:list", code=0x44):
    """How the exchange ended (§5.3.3.5)."""

    code: int = mandatory("ubyte")
    additional_data: bytes | None = field("binary", default=None)

    def __repr__(self) -> str:
        """Leave out the additional data, which only the two ends should know."""
        return f"SaslOutcome(code={self.code})"
