"""Receivers: credit, deliveries, settlement."""

from __future__ import annotations

import pytest

from amqp10.errors import InvalidState
from amqp10.outcomes import ACCEPTED
from amqp10.performatives import Disposition
from tests.engine.rig import Rig


def test_settling_what_the_sender_has_settled_is_harmless_and_unheard() -> None:
    rig = Rig().open()
    receiver = rig.attach_receiver(credit=4)
    rig.hear()
    rig.transfer(receiver, 0)
    rig.say(Disposition(role=False, first=0, settled=True))
    delivery = receiver.take()
    assert delivery is not None
    assert delivery.settled
    delivery.accept()
    delivery.reject()
    assert rig.hear() == []


def test_what_both_settled_keeps_the_state_given_here() -> None:
    rig = Rig().open()
    receiver = rig.attach_receiver(credit=4, rcv_settle_mode=1, answer={"rcv_settle_mode": 1})
    rig.hear()
    rig.transfer(receiver, 0)
    delivery = receiver.take()
    assert delivery is not None
    delivery.accept()
    rig.say(Disposition(role=False, first=0, settled=True, state=ACCEPTED))
    delivery.accept()
    with pytest.raises(InvalidState):
        delivery.release()
