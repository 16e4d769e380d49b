"""The sections of a message (messaging.xml, "Message Format").

Header and properties are tables; the other sections are maps and bodies that the codec's Message holds.
"""

from __future__ import annotations

import uuid
from datetime import datetime

from amqp10._codec import AmqpSequence, AmqpValue, Data, Message
from amqp10.composite import Composite, field

__all__ = ["AmqpSequence", "AmqpValue", "Data", "Header", "Message", "Properties"]


class Header(Composite, descriptor="amqp:header:list", code=0x70):
    """How the message is to be transported (§3.2.1).

    `ttl` is in milliseconds; a higher `priority` goes first, 4 being normal; `delivery_count` counts earlier
    attempts that failed.
    """

    durable: bool = field("boolean", default=False, always=True)
    priority: int = field("ubyte", default=4)
    ttl: int | None = field("milliseconds", default=None)
    first_acquirer: bool = field("boolean", default=False)
    delivery_count: int = field("uint", default=0)


class Properties(Composite, descriptor="amqp:properties:list", code=0x73):
    """The immutable properties of the bare message (§3.2.4).

    An int as an id goes out as ulong; times are aware datetimes.
    """

    message_id: int | str | bytes | uuid.UUID | None = field("message-id", default=None)
    user_id: bytes | None = field("binary", default=None)
    to: str | None = field("address", default=None)
    subject: str | None = field("string", default=None)
    reply_to: str | None = field("address", default=None)
    correlation_id: int | str | bytes | uuid.UUID | None = field("message-id", default=None)
    content_type: str | None = field("symbol", default=None)
    content_encoding: str | None = field("symbol", default=None)
    absolute_expiry_time: datetime | None = field("timestamp", default=None)
    creation_time: datetime | None = field("timestamp", default=None)
    group_id: str | None = field("string", default=None)
    group_sequence: int | None = field("uint", default=None)
    reply_to_group_id: str | None = field("string", default=None)
