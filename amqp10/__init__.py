"""AMQP 1.0 for Python.

The names here are the asyncio API and what both APIs share. The values' types are in `amqp10.types`, the outcomes in
`amqp10.outcomes`, sources, targets and filters in `amqp10.terminus`.
"""

try:
    import amqp10._codec  # noqa: F401  (here, so that whichever module comes first, the hint is given)
except ModuleNotFoundError as error:
    if error.name != "amqp10._codec":
        raise
    raise ImportError(
        "amqp10's extension module is not built here; in a checkout run: python -m pip install . "
        "(or: python setup.py build_ext --inplace)"
    ) from error

from amqp10._codec import decode, encode
from amqp10._version import __version__
from amqp10.asyncio import Connection, Delivery, Opening, Receipt, Receiver, Sender, Session, connect
from amqp10.engine.sasl import Anonymous, External, Plain
from amqp10.errors import (
    AMQPError,
    AuthenticationError,
    BufferFull,
    Condition,
    ConnectionClosed,
    ConnectionClosedByPeer,
    DecodeError,
    DeliveryError,
    DeliverySendState,
    EncodeError,
    InvalidState,
    LinkClosed,
    LinkDetachedByPeer,
    LinkRefused,
    LocalError,
    MessageModified,
    MessageRejected,
    MessageReleased,
    MessageTooLarge,
    NoCredit,
    OperationTimeout,
    PeerViolation,
    RemoteError,
    SessionClosed,
    SessionEndedByPeer,
    TransportError,
    WouldBlock,
)
from amqp10.messaging import AmqpSequence, AmqpValue, Data, Header, Message, Properties
from amqp10.options import Limits, Timeouts
from amqp10.outcomes import Accepted, Modified, Outcome, Received, Rejected, Released
from amqp10.performatives import Error
from amqp10.summary import SendSummary
from amqp10.terminus import Source, Target, selector_filter

__all__ = [
    "AMQPError",
    "Accepted",
    "AmqpSequence",
    "AmqpValue",
    "Anonymous",
    "AuthenticationError",
    "BufferFull",
    "Condition",
    "Connection",
    "ConnectionClosed",
    "ConnectionClosedByPeer",
    "Data",
    "DecodeError",
    "Delivery",
    "DeliveryError",
    "DeliverySendState",
    "EncodeError",
    "Error",
    "External",
    "Header",
    "InvalidState",
    "Limits",
    "LinkClosed",
    "LinkDetachedByPeer",
    "LinkRefused",
    "LocalError",
    "Message",
    "MessageModified",
    "MessageRejected",
    "MessageReleased",
    "MessageTooLarge",
    "Modified",
    "NoCredit",
    "Opening",
    "OperationTimeout",
    "Outcome",
    "PeerViolation",
    "Plain",
    "Properties",
    "Receipt",
    "Received",
    "Receiver",
    "Rejected",
    "Released",
    "RemoteError",
    "SendSummary",
    "Sender",
    "Session",
    "SessionClosed",
    "SessionEndedByPeer",
    "Source",
    "Target",
    "Timeouts",
    "TransportError",
    "WouldBlock",
    "__version__",
    "connect",
    "decode",
    "encode",
    "selector_filter",
]
