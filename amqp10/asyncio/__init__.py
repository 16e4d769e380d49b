"""The asyncio driver: `connect`, and what it gives."""

from __future__ import annotations

from amqp10.asyncio.connection import Connection, connect
from amqp10.asyncio.opening import Opening
from amqp10.asyncio.receiver import Delivery, Receiver
from amqp10.asyncio.sender import Receipt, Sender
from amqp10.asyncio.session import Session

__all__ = ["Connection", "Delivery", "Opening", "Receipt", "Receiver", "Sender", "Session", "connect"]
