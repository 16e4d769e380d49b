"""The exceptions of amqp10: who ended it, at which level, with which condition, and whether a retry makes sense.

::

    AMQPError
    ├── LocalError                     misused here, closed here, or a limit of ours was hit
    │   ├── InvalidState
    │   ├── EncodeError
    │   ├── MessageTooLarge
    │   ├── ConnectionClosed, SessionClosed, LinkClosed
    │   └── WouldBlock
    │       ├── NoCredit
    │       └── BufferFull
    ├── RemoteError                    the peer said so
    │   ├── ConnectionClosedByPeer, SessionEndedByPeer, LinkDetachedByPeer, LinkRefused
    │   └── AuthenticationError
    ├── PeerViolation                  the peer broke the protocol and was cut off
    ├── DeliveryError                  an outcome other than accepted
    │   └── MessageRejected, MessageReleased, MessageModified
    ├── DecodeError
    ├── TransportError (OSError)       the connection broke
    └── OperationTimeout (TimeoutError)
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

__all__ = [
    "AMQPError",
    "AuthenticationError",
    "BufferFull",
    "Condition",
    "ConnectionClosed",
    "ConnectionClosedByPeer",
    "DecodeError",
    "DeliveryError",
    "DeliverySendState",
    "EncodeError",
    "InvalidState",
    "LinkClosed",
    "LinkDetachedByPeer",
    "LinkRefused",
    "LocalError",
    "MessageModified",
    "MessageRejected",
    "MessageReleased",
    "MessageTooLarge",
    "NoCredit",
    "OperationTimeout",
    "PeerViolation",
    "RemoteError",
    "SessionClosed",
    "SessionEndedByPeer",
    "TransportError",
    "WouldBlock",
]


class Condition(enum.StrEnum):
    """The error conditions that the specification names (§2.8.15 to §2.8.18, §4.5.8)."""

    INTERNAL_ERROR = "amqp:internal-error"
    NOT_FOUND = "amqp:not-found"
    UNAUTHORIZED_ACCESS = "amqp:unauthorized-access"
    DECODE_ERROR = "amqp:decode-error"
    RESOURCE_LIMIT_EXCEEDED = "amqp:resource-limit-exceeded"
    NOT_ALLOWED = "amqp:not-allowed"
    INVALID_FIELD = "amqp:invalid-field"
    NOT_IMPLEMENTED = "amqp:not-implemented"
    RESOURCE_LOCKED = "amqp:resource-locked"
    PRECONDITION_FAILED = "amqp:precondition-failed"
    RESOURCE_DELETED = "amqp:resource-deleted"
    ILLEGAL_STATE = "amqp:illegal-state"
    FRAME_SIZE_TOO_SMALL = "amqp:frame-size-too-small"
    CONNECTION_FORCED = "amqp:connection:forced"
    FRAMING_ERROR = "amqp:connection:framing-error"
    CONNECTION_REDIRECT = "amqp:connection:redirect"
    WINDOW_VIOLATION = "amqp:session:window-violation"
    ERRANT_LINK = "amqp:session:errant-link"
    HANDLE_IN_USE = "amqp:session:handle-in-use"
    UNATTACHED_HANDLE = "amqp:session:unattached-handle"
    DETACH_FORCED = "amqp:link:detach-forced"
    TRANSFER_LIMIT_EXCEEDED = "amqp:link:transfer-limit-exceeded"
    MESSAGE_SIZE_EXCEEDED = "amqp:link:message-size-exceeded"
    LINK_REDIRECT = "amqp:link:redirect"
    STOLEN = "amqp:link:stolen"
    TRANSACTION_UNKNOWN_ID = "amqp:transaction:unknown-id"
    TRANSACTION_ROLLBACK = "amqp:transaction:rollback"
    TRANSACTION_TIMEOUT = "amqp:transaction:timeout"


_RETRYABLE = frozenset(
    {
        Condition.INTERNAL_ERROR,
        Condition.RESOURCE_LIMIT_EXCEEDED,
        Condition.RESOURCE_LOCKED,
        Condition.CONNECTION_FORCED,
        Condition.DETACH_FORCED,
        Condition.TRANSACTION_TIMEOUT,
        Condition.TRANSACTION_ROLLBACK,
    }
)


class DeliverySendState(enum.Enum):
    """What became of a message whose send raised."""

    NOT_SENT = "not-sent"
    """No byte of it left: sending it again cannot duplicate it."""
    IN_DOUBT = "in-doubt"
    """Some of it left and no outcome came: the peer may have it."""
    SETTLED = "settled"
    """The peer gave an outcome; it is in the error."""


class AMQPError(Exception):
    """Base of every error this library raises.

    Attributes:
        level: "connection", "session", "link" or "delivery": what ended or was misused.
        condition: the error condition on the wire, or None where there was none.
        retryable: whether the same call may succeed later, perhaps on a new connection, without a change by the user.
        delivery_state: on an error of a send, whether the message may have left; None elsewhere.
    """

    level: str = "connection"
    retryable: bool = False

    def __init__(self, message: str = "", *, condition: str | None = None, level: str | None = None) -> None:
        super().__init__(message)
        self.condition = condition
        self.delivery_state: DeliverySendState | None = None
        if level is not None:
            self.level = level

    def again(self) -> AMQPError:
        """Return a copy to raise: one error may reach many waiters, each with a traceback of its own."""
        copy = _rebuild(type(self), self.args, self.__dict__)
        copy.__cause__ = self.__cause__
        return copy

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by attributes: subclasses have constructors of their own."""
        return (_rebuild, (type(self), self.args, self.__dict__))


def _rebuild(cls: type[AMQPError], args: tuple[Any, ...], state: dict[str, Any]) -> AMQPError:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


class LocalError(AMQPError):
    """The cause is on this side: a misuse, a close of our own, or a limit of ours."""


class InvalidState(LocalError):
    """The call does not fit the state of what it was made on."""


class EncodeError(LocalError, ValueError):
    """A value cannot be encoded; nothing of it was written.

    Attributes:
        path: where in the value, for instance ``application_properties['a'][3]``.
    """

    level = "delivery"

    def __init__(self, message: str = "", *, path: str = "") -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path


class MessageTooLarge(LocalError):
    """The message is larger than the peer's max-message-size, or a delivery-tag than 32 bytes; nothing was sent."""

    level = "delivery"


class ConnectionClosed(LocalError):
    """The connection was closed by us."""


class SessionClosed(LocalError):
    """The session was ended by us."""

    level = "session"


class LinkClosed(LocalError):
    """The link was closed or detached by us."""

    level = "link"


class WouldBlock(LocalError):
    """A call that never waits would have to."""

    level = "link"
    retryable = True


class NoCredit(WouldBlock):
    """The peer has not given the credit, or the session window, that a transfer needs."""


class BufferFull(WouldBlock):
    """A bound of ours on what is unsettled or unwritten is reached."""


class RemoteError(AMQPError):
    """The peer ended something, or refused it.

    Attributes:
        condition: the error condition, or None where the peer gave none.
        description: the peer's text, or None.
        info: the peer's further details, or an empty mapping.
    """

    def __init__(
        self,
        message: str = "",
        *,
        condition: str | None = None,
        description: str | None = None,
        info: Mapping[Any, Any] | None = None,
        level: str | None = None,
    ) -> None:
        super().__init__(message, condition=condition, level=level)
        self.description = description
        self.info: Mapping[Any, Any] = {} if info is None else info
        self.retryable = condition in _RETRYABLE


class ConnectionClosedByPeer(RemoteError):
    """The peer closed the connection."""


class SessionEndedByPeer(RemoteError):
    """The peer ended the session."""

    level = "session"


class LinkDetachedByPeer(RemoteError):
    """The peer detached or closed the link."""

    level = "link"


class LinkRefused(LinkDetachedByPeer):
    """The peer answered an attach with a null terminus and a detach."""


class AuthenticationError(RemoteError):
    """The SASL exchange failed.

    Attributes:
        mechanism: the mechanism that was tried, or None where the peer offered none of ours.
        code: the outcome's code (§5.3.3.6), or None.
    """

    def __init__(self, message: str = "", *, mechanism: str | None = None, code: int | None = None) -> None:
        super().__init__(message, description=message)
        self.mechanism = mechanism
        self.code = code
        self.retryable = code == _SASL_SYS_TEMP


_SASL_SYS_TEMP = 4


class PeerViolation(AMQPError):
    """The peer broke the protocol; we ended what it broke, with `condition`."""


class DeliveryError(AMQPError):
    """A message got an outcome other than accepted.

    Attributes:
        outcome: the delivery state the peer gave.
        delivery_tag: the tag the message was sent under.
    """

    level = "delivery"

    def __init__(
        self, message: str, *, outcome: object, delivery_tag: bytes = b"", condition: str | None = None
    ) -> None:
        super().__init__(message, condition=condition)
        self.outcome = outcome
        self.delivery_tag = delivery_tag
        self.delivery_state = DeliverySendState.SETTLED


class MessageRejected(DeliveryError):
    """The peer found the message invalid (§3.4.3)."""


class MessageReleased(DeliveryError):
    """The peer did not process the message (§3.4.4); some brokers mean that it could not be routed."""

    retryable = True


class MessageModified(DeliveryError):
    """The peer did not process the message, and changed it (§3.4.5)."""

    retryable = True


class DecodeError(AMQPError, ValueError):
    """Bytes are not what the specification allows.

    Attributes:
        offset: the position of the offending byte in the buffer that was decoded, or None.
    """

    def __init__(self, message: str = "", *, offset: int | None = None, condition: str | None = None) -> None:
        super().__init__(
            message if offset is None else f"{message} at offset {offset}",
            condition=condition or Condition.DECODE_ERROR,
        )
        self.offset = offset


class TransportError(AMQPError, OSError):
    """The connection broke: `__cause__` is the OSError if there was one; or the peer's idle time-out passed."""

    retryable = True


class OperationTimeout(AMQPError, TimeoutError):
    """The time-out of the call passed. Note that `TimeoutError` is an `OSError`, and so this one is too."""

    retryable = True
