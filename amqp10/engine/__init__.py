"""The protocol without I/O: connection, session, links, credit and settlement, for either end."""

from __future__ import annotations

from amqp10.engine.connection import Connection
from amqp10.engine.endpoint import Endpoint, Operation
from amqp10.engine.link import Link
from amqp10.engine.receiver import Receiver
from amqp10.engine.sender import Sender
from amqp10.engine.session import Session

__all__ = ["Connection", "Endpoint", "Link", "Operation", "Receiver", "Sender", "Session"]
