"""What tests of receivers have in common."""

from __future__ import annotations

from typing import Any

from amqp10._codec import Delivery
from amqp10.engine import Receiver
from amqp10.performatives import Flow
from amqp10.testing.wire import data_section
from tests.engine.rig import Rig, flow, transfer

__all__ = ["SECOND", "deliver", "flows", "receiver_of", "sender_says", "take"]

SECOND: dict[str, Any] = {"rcv_settle_mode": 1, "answer": {"rcv_settle_mode": 1}}


def receiver_of(credit: int = 10, *, runs: bool = True, **fields: Any) -> tuple[Rig, Receiver]:
    """Make a receiver that has given its credit."""
    rig = Rig(runs=runs).open()
    receiver = rig.attach_receiver(credit=credit, **fields)
    rig.hear()
    return rig, receiver


def take(receiver: Receiver) -> Delivery:
    """Take the next delivery, which must be there."""
    delivery = receiver.take()
    assert delivery is not None
    return delivery


def deliver(rig: Rig, receiver: Receiver, first: int, count: int = 1, **fields: Any) -> None:
    """Send deliveries of one frame."""
    frames = [transfer(receiver.remote_handle or 0, (first + n) & 0xFFFFFFFF, **fields) for n in range(count)]
    for frame in frames:
        rig.say(frame, payload=data_section(b"%d" % (frame.delivery_id or 0)))


def sender_says(rig: Rig, receiver: Receiver, **fields: Any) -> None:
    """Give the engine a flow of the sender."""
    rig.say(flow(receiver.session, handle=receiver.remote_handle, **fields))


def flows(rig: Rig) -> list[tuple[int | None, int | None]]:
    """Take what the engine sends; return count and credit of its flows."""
    return [(said.delivery_count, said.link_credit) for said in rig.hear() if isinstance(said, Flow)]
