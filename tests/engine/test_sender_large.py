"""Messages of several frames: whatever stops the first frames, the others follow."""

import pytest

from amqp10._codec import Frame, FrameReader, FrameWriter, OutgoingDelivery
from amqp10.engine import Connection, Sender
from amqp10.options import ConnectionOptions, SenderOptions, SessionOptions
from amqp10.performatives import Attach, Begin, Flow, Open, Performative, Transfer
from amqp10.terminus import Source, Target

HEADER = b"AMQP\x00\x01\x00\x00"


def feed(connection: Connection, *performatives: Performative) -> None:
    writer = FrameWriter()
    for performative in performatives:
        writer.write_frame(0, performative)
    connection.receive_data(writer.take())


def attached(max_frame_size: int, window: int) -> Sender:
    """Returns a sender with credit whose peer takes frames of a size, and so many of them."""
    connection = Connection(ConnectionOptions(container_id="client"))
    opening = connection.open()
    next(opening)
    connection.receive_data(HEADER)
    feed(connection, Open(container_id="peer", max_frame_size=max_frame_size))
    assert next(opening, None) is None
    session = connection.new_session(SessionOptions())
    beginning = session.begin()
    next(beginning)
    feed(connection, Begin(remote_channel=0, next_outgoing_id=0, incoming_window=window, outgoing_window=1))
    assert next(beginning, None) is None
    sender = session.new_sender(SenderOptions(name="link", target=Target(address="q")))
    attaching = sender.attach()
    next(attaching)
    attach = Attach(name="link", handle=0, role=True, source=Source(), target=Target(address="q"))
    feed(connection, attach, flow(0, window))
    assert next(attaching, None) is None
    connection.data_to_send()
    return sender


def flow(seen: int, window: int) -> Flow:
    return Flow(
        next_incoming_id=seen,
        incoming_window=window,
        next_outgoing_id=0,
        outgoing_window=1,
        handle=0,
        delivery_count=0,
        link_credit=10,
    )


def written(connection: Connection) -> list[Frame]:
    reader = FrameReader(1 << 20)
    reader.feed(HEADER)
    frames: list[Frame] = []
    while data := connection.data_to_send():
        frames += [item for item in reader.feed(data) if isinstance(item, Frame)]
    return [frame for frame in frames if isinstance(frame.performative, Transfer)]


@pytest.mark.parametrize(
    ("max_frame_size", "size"),
    [(512, 433), (512, 434), (512, 5_000), (65_536, 65_500), (65_536, 70_000), (65_536, 1 << 20)],
)
def test_all_frames_follow_the_first(max_frame_size: int, size: int) -> None:
    sender = attached(max_frame_size, 100_000)
    delivery = OutgoingDelivery(sender.tally, bytes(size))
    sender.send(delivery)
    frames = written(sender.connection)
    assert sum(len(frame.payload) for frame in frames) == delivery.size
    assert [frame.performative.more for frame in frames] == [True] * (len(frames) - 1) + [False]
    assert not sender.has_partial


def test_what_the_window_stops_goes_on_when_it_opens() -> None:
    sender = attached(512, 1)
    delivery = OutgoingDelivery(sender.tally, bytes(1_000))
    sender.send(delivery)
    sizes = []
    for seen in range(1, 4):
        sizes.append([len(frame.payload) for frame in written(sender.connection)])
        feed(sender.connection, flow(seen, 1))
    assert [len(frames) for frames in sizes] == [1, 1, 1]
    assert sum(map(sum, sizes)) == delivery.size
    assert not sender.has_partial
