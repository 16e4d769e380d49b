"""The asyncio driver: `connect`, and what it gives."""

from __future__ import annotations

from amqp10.asyncio.connection import Connection, Session, connect
from amqp10.asyncio.links import Delivery, Receipt, Receiver, Sender
from amqp10.asyncio.opening import Opening

__all__ = ["Connection", "Delivery", "Opening", "Receipt", "Receiver", "Sender", "Session", "connect"]
