"""What known peers do against the specification, and how they are borne."""

import pytest

from amqp10._codec import OutgoingDelivery
from amqp10.engine import Sender
from amqp10.engine.quirks import NO_QUIRKS, quirks_of
from amqp10.outcomes import Accepted
from amqp10.performatives import Detach, Disposition, End, Open, Transfer
from amqp10.types import Symbol
from tests.engine.rig import Rig

RABBITMQ_3 = {Symbol("product"): "RabbitMQ", Symbol("version"): "3.10.8"}
RABBITMQ_4 = {Symbol("product"): "RabbitMQ", Symbol("version"): "4.0.5"}
OTHER = {Symbol("product"): "another", Symbol("version"): "4.0.5"}
LARGE = bytes(100_000)


def test_peers_are_known_by_product_and_version() -> None:
    assert quirks_of(Open(container_id="x")) == NO_QUIRKS
    assert quirks_of(Open(container_id="x", properties=OTHER)) == NO_QUIRKS
    three, four = (quirks_of(Open(container_id="x", properties=known)) for known in (RABBITMQ_3, RABBITMQ_4))
    assert (three.overruns_credit, three.frees_channels_late, three.ignores_aborts) == (True, False, True)
    assert (four.overruns_credit, four.frees_channels_late, four.ignores_aborts) == (False, True, True)


@pytest.mark.parametrize(("peer", "channels"), [(OTHER, [0, 0]), (RABBITMQ_3, [0, 0]), (RABBITMQ_4, [0, 1])])
def test_a_channel_rests_where_the_peer_frees_it_late(peer: dict[Symbol, str], channels: list[int]) -> None:
    rig = Rig().open(properties=peer)
    used = []
    for _ in range(2):
        session = rig.begin()
        used.append(session.channel)
        ending = rig.start(session.end())
        rig.say(End())
        assert ending.done
    assert used == channels


def in_mid_message(peer: dict[Symbol, str]) -> tuple[Rig, Sender, OutgoingDelivery]:
    rig = Rig().open(properties=peer, max_frame_size=512)
    sender = rig.attach_sender(credit=10)
    delivery = OutgoingDelivery(sender.tally, LARGE, b"tag")
    sender.send(delivery)
    assert sender.has_partial
    return rig, sender, delivery


def test_a_message_given_up_is_aborted() -> None:
    rig, sender, delivery = in_mid_message(OTHER)
    assert sender.abandon(delivery)
    assert [body.aborted for body in rig.hear() if isinstance(body, Transfer)][-1]
    assert sender.tally.count == 0


@pytest.mark.parametrize("peer", [RABBITMQ_3, RABBITMQ_4])
def test_a_message_given_up_goes_on_where_the_peer_would_take_it_for_whole(peer: dict[Symbol, str]) -> None:
    rig, sender, delivery = in_mid_message(peer)
    assert not sender.abandon(delivery)
    transfers = [frame for frame in rig.hear_frames() if isinstance(frame.performative, Transfer)]
    assert sum(len(frame.payload) for frame in transfers) == delivery.size
    assert [frame.performative.aborted for frame in transfers] == [False] * len(transfers)
    assert not transfers[-1].performative.more
    assert sender.tally.count == 1


def test_an_early_outcome_does_not_abort_where_the_peer_would_take_the_message_for_whole() -> None:
    rig, sender, delivery = in_mid_message(RABBITMQ_4)
    rig.say(Disposition(role=True, first=delivery.delivery_id, settled=True, state=Accepted()))
    assert not any(body.aborted for body in rig.hear() if isinstance(body, Transfer))
    assert not sender.has_partial


def test_a_detach_in_mid_message_does_not_abort_where_the_peer_would_take_the_message_for_whole() -> None:
    rig, sender, _ = in_mid_message(RABBITMQ_4)
    sender.start_detach(closed=True)
    heard = rig.hear()
    assert not any(body.aborted for body in heard if isinstance(body, Transfer))
    assert isinstance(heard[-1], Detach)
