"""Options, limits and time-outs, as frozen dataclasses that engine and drivers share.

`None` means no limit. Times are seconds; sizes are bytes.
"""

from __future__ import annotations

import enum
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from amqp10.messaging import Header
from amqp10.terminus import Coordinator, Source, Target

__all__ = [
    "CREDIT",
    "DEFAULT",
    "MAX_UNSETTLED",
    "MAX_UNSETTLED_BYTES",
    "ConnectionOptions",
    "Default",
    "Limits",
    "ReceiverOptions",
    "SenderOptions",
    "SessionOptions",
    "Timeout",
    "Timeouts",
    "is_lasting",
    "new_name",
    "receiver_options",
    "sender_options",
    "source_of",
    "target_of",
]


class Default(enum.Enum):
    """The value of an argument that was left out."""

    DEFAULT = "the connection's default"

    def __repr__(self) -> str:
        """Read well in a signature."""
        return "DEFAULT"


DEFAULT: Final = Default.DEFAULT
Timeout: TypeAlias = float | Literal[Default.DEFAULT] | None
"""Seconds; None for no limit; DEFAULT for the connection's default of that kind."""


MAX_UNSETTLED: Final = 10_000
MAX_UNSETTLED_BYTES: Final = 67_108_864
CREDIT: Final = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a peer may make us hold or do.

    Attributes:
        max_depth: how deep values may nest.
        max_elements: how many elements a value may have.
        max_output: bytes that may wait for the socket before sends wait; beyond four times as many the peer, who
            makes us answer and does not read, is cut off.
        max_sessions: sessions that a peer may begin.
        max_links: links that a session may have at either end's wish (handle-max plus one).
    """

    max_depth: int = 64
    max_elements: int = 1_048_576
    max_output: int = 262_144
    max_sessions: int = 65_536
    max_links: int = 65_536


@dataclass(frozen=True, kw_only=True, slots=True)
class Timeouts:
    """How long the waiting calls of a kind may take where the call does not say.

    Attributes:
        open: connecting and opening, and beginning a session.
        attach: attaching a link.
        drain: until the peer has used up or given back its credit.
        settle: until the peer confirms a settlement, in rcv-settle-mode second.
        close: closing a connection, a session or a link, outstanding outcomes included.
        send: a send's credit and outcome.
        receive: until a message comes.
    """

    open: float | None = 30.0
    attach: float | None = 30.0
    drain: float | None = 30.0
    settle: float | None = 30.0
    close: float | None = 10.0
    send: float | None = None
    receive: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectionOptions:
    """What our open says, and what we enforce (§2.7.1).

    Attributes:
        container_id: our name.
        hostname: the virtual host to reach, or None.
        max_frame_size: the largest frame we take, 512 or more.
        channel_max: the highest channel number that either end may use.
        idle_timeout: silence after which the peer counts as gone; half of it is advertised. None: wait for ever.
        properties: of the connection.
        offered_capabilities: extensions that we support.
        desired_capabilities: extensions that we would use.
        limits: what a peer may make us hold or do.
    """

    container_id: str
    hostname: str | None = None
    max_frame_size: int = 65_536
    channel_max: int = 65_535
    idle_timeout: float | None = 60.0
    properties: Mapping[str, Any] | None = None
    offered_capabilities: Sequence[str] | None = None
    desired_capabilities: Sequence[str] | None = None
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 512 <= self.max_frame_size <= 0xFFFFFFFF:
            raise ValueError(f"max_frame_size must be from 512 to 4294967295 bytes (§2.4.1), not {self.max_frame_size}")
        if not 0 <= self.channel_max <= 0xFFFF:
            raise ValueError(f"channel_max must be from 0 to 65535, not {self.channel_max}")
        if self.idle_timeout is not None and not 0 < self.idle_timeout <= 4_000_000:
            raise ValueError(f"idle_timeout must be positive and at most 4000000 seconds, not {self.idle_timeout}")


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionOptions:
    """What our begin says (§2.7.2).

    Attributes:
        incoming_window: frames the peer may send before we widen the window again.
        outgoing_window: frames we announce that we may send; it binds nobody.
        handle_max: the highest handle that either end may use.
        private: whether the session belongs to one link: the window then follows consumption, a hard bound.
        next_outgoing_id: where our transfer-ids and delivery-ids start.
        properties: of the session.
        offered_capabilities: extensions that we support.
        desired_capabilities: extensions that we would use.
    """

    incoming_window: int = 2048
    outgoing_window: int = 2048
    handle_max: int = 65_535
    private: bool = False
    next_outgoing_id: int = 0
    properties: Mapping[str, Any] | None = None
    offered_capabilities: Sequence[str] | None = None
    desired_capabilities: Sequence[str] | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("incoming_window", "outgoing_window"):
            if not 1 <= getattr(self, name) <= 0x7FFFFFFF:
                raise ValueError(f"{name} must be from 1 to 2147483647 frames, not {getattr(self, name)}")
        if not 0 <= self.handle_max <= 0xFFFFFFFF:
            raise ValueError(f"handle_max must be from 0 to 4294967295, not {self.handle_max}")


@dataclass(frozen=True, kw_only=True, slots=True)
class SenderOptions:
    """What the attach of a sender says (§2.7.3), and its bounds.

    Attributes:
        name: of the link; unique for its direction between two containers.
        target: where the messages go.
        source: where they come from.
        snd_settle_mode: 0 unsettled, 1 settled, 2 mixed; None takes what the peer answers to mixed.
        rcv_settle_mode: 0 first, 1 second; None takes what the peer answers to first.
        max_unsettled: deliveries that may await their outcome.
        max_unsettled_bytes: their bytes; a single larger message may go alone.
        header: of messages that have none.
        initial_delivery_count: where the delivery-count starts.
        properties: of the link.
        offered_capabilities: extensions that we support.
        desired_capabilities: extensions that we would use.
    """

    name: str
    target: Target | Coordinator | None
    source: Source | None = None
    snd_settle_mode: int | None = None
    rcv_settle_mode: int | None = None
    max_unsettled: int = MAX_UNSETTLED
    max_unsettled_bytes: int = MAX_UNSETTLED_BYTES
    header: Header | None = None
    initial_delivery_count: int = 0
    properties: Mapping[str, Any] | None = None
    offered_capabilities: Sequence[str] | None = None
    desired_capabilities: Sequence[str] | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check_modes(self.snd_settle_mode, self.rcv_settle_mode)
        if self.max_unsettled < 1 or self.max_unsettled_bytes < 1:
            raise ValueError("max_unsettled and max_unsettled_bytes must be 1 or more")


@dataclass(frozen=True, kw_only=True, slots=True)
class ReceiverOptions:
    """What the attach of a receiver says (§2.7.3), and its bounds.

    Attributes:
        name: of the link; unique for its direction between two containers.
        source: where the messages come from.
        target: where they go.
        credit: deliveries that may be queued or unsettled at once; 0 leaves credit to `add_credit`.
        snd_settle_mode: 0 unsettled, 1 settled, 2 mixed; None takes what the peer answers to mixed.
        rcv_settle_mode: 0 first, 1 second; None takes what the peer answers to first.
        max_message_size: bytes that a message may have; None or 0: no limit.
        properties: of the link.
        offered_capabilities: extensions that we support.
        desired_capabilities: extensions that we would use.
    """

    name: str
    source: Source | None
    target: Target | None = None
    credit: int = CREDIT
    snd_settle_mode: int | None = None
    rcv_settle_mode: int | None = None
    max_message_size: int | None = None
    properties: Mapping[str, Any] | None = None
    offered_capabilities: Sequence[str] | None = None
    desired_capabilities: Sequence[str] | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check_modes(self.snd_settle_mode, self.rcv_settle_mode)
        if not 0 <= self.credit <= 0x7FFFFFFF:
            raise ValueError(f"credit must be from 0 to 2147483647 deliveries, not {self.credit}")
        if self.max_message_size is not None and not 0 <= self.max_message_size <= 0xFFFFFFFFFFFFFFFF:
            raise ValueError(f"max_message_size must be from 0 to 2**64-1 bytes, not {self.max_message_size}")


def _check_modes(snd_settle_mode: int | None, rcv_settle_mode: int | None) -> None:
    if snd_settle_mode not in (None, 0, 1, 2):
        raise ValueError(f"snd_settle_mode must be 0 (unsettled), 1 (settled) or 2 (mixed), not {snd_settle_mode}")
    if rcv_settle_mode not in (None, 0, 1):
        raise ValueError(f"rcv_settle_mode must be 0 (first) or 1 (second), not {rcv_settle_mode}")


def new_name() -> str:
    """Make a name that no other container or link has."""
    return secrets.token_urlsafe(16)


def target_of(address: str | Target | None, *, dynamic: bool = False, **fields: Any) -> Target:
    """Make the target that `open_sender` was asked for.

    Args:
        address: an address, None for none (the anonymous relay, or a dynamic node), or a whole Target.
        dynamic: whether the peer is to make a node and name it.
        fields: further fields, where `address` is no Target.
    """
    if isinstance(address, Target):
        if dynamic:
            raise TypeError("dynamic goes into the Target")
        return address
    _check_address(address, dynamic)
    return Target(address=address, dynamic=dynamic, **fields)


def source_of(address: str | Source | None, *, dynamic: bool = False, **fields: Any) -> Source:
    """Make the source that `open_receiver` was asked for.

    Args:
        address: an address, None for none (a dynamic node), or a whole Source.
        dynamic: whether the peer is to make a node and name it.
        fields: further fields, where `address` is no Source.
    """
    if isinstance(address, Source):
        if dynamic or any(value is not None for value in fields.values()):
            raise TypeError("dynamic and filter go into the Source")
        return address
    _check_address(address, dynamic)
    return Source(address=address, dynamic=dynamic, **fields)


def _check_address(address: object, dynamic: bool) -> None:
    if address is not None and not isinstance(address, str):
        raise TypeError(f"an address is a str, a terminus or None, not {type(address).__name__}")
    if dynamic and address is not None:
        raise ValueError("a dynamic node gets its address from the peer: pass None")


def is_lasting(terminus: Source | Target | Coordinator | None) -> bool:
    """Tell whether a terminus is meant to outlive its link: it is durable, or never expires (§3.5)."""
    if not isinstance(terminus, (Source, Target)):
        return False
    return bool(terminus.durable) or terminus.expiry_policy == "never"


def sender_options(
    address: str | Target | None,
    *,
    name: str | None,
    dynamic: bool,
    source: str | Source | None,
    **fields: Any,
) -> SenderOptions:
    """Make the options of a sender from the arguments of `open_sender`."""
    target: Target | Coordinator = target_of(address, dynamic=dynamic)
    return SenderOptions(name=name or new_name(), target=target, source=source_of(source), **fields)


def receiver_options(
    address: str | Source | None,
    *,
    name: str | None,
    dynamic: bool,
    filter: Mapping[Any, Any] | None,  # noqa: A002 - the specification's word
    target: str | Target | None,
    **fields: Any,
) -> ReceiverOptions:
    """Make the options of a receiver from the arguments of `open_receiver`."""
    source = source_of(address, dynamic=dynamic, filter=filter)
    return ReceiverOptions(name=name or new_name(), source=source, target=target_of(target), **fields)
