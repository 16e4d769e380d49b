"""The engine in memory, each end's time taken by itself: no socket, no event loop, no driver.

The clock runs only while the measured end has its turn, so a figure is what that end alone costs: from bytes to a body
that was compared and accepted, from a body to an outcome that was read.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice

from amqp10._codec import OutgoingDelivery
from amqp10.engine import Connection, Receiver, Sender
from amqp10.engine.events import DeliveriesArrived, OutcomesArrived
from amqp10.outcomes import ACCEPTED
from bench.measure import MICRO, Stopwatch
from bench.pair import UNSETTLED, Pair
from bench.report import Table
from bench.settings import Settings
from bench.workload import WrongBodyError, body_stream, check_body, make_bodies

_CHUNK = 65_536  # bytes given to an engine at once, as a busy socket gives them
_TURN = 256  # messages sent between two looks at the output, as the asyncio driver does
_PER_DISPOSITION = 100  # deliveries that the peer's disposition names, at most


def run(settings: Settings) -> list[Table]:
    """Measure both directions."""
    count = settings.messages(200_000, smoke=3_000)
    table = Table(
        f"engine in memory, {count:,} messages of 100 bytes; at most {UNSETTLED:,} unsettled",
        ["µs", "CPU µs", "messages/s"],
    )
    for _ in range(settings.repeat):
        for credit in (100, 1000):
            _note(table, f"receive + accept, credit {credit}", receive_and_accept(count, credit), count)
        _note(table, "send + outcome", send_and_read(count), count)
    table.notes.append(f"time of the measured end alone; bytes in by {_CHUNK}; outcomes by {_PER_DISPOSITION}")
    return [table]


def _note(table: Table, row: str, watch: Stopwatch, count: int) -> None:
    figures = {
        "µs": watch.wall * MICRO / count,
        "CPU µs": watch.cpu * MICRO / count,
        "messages/s": count / watch.wall,
    }
    table.add(row, figures)


def receive_and_accept(count: int, credit: int) -> Stopwatch:
    """Take, read, compare and accept messages; return the time of the receiving end."""
    pair = Pair()
    receiver, remote = pair.open_receiver(credit)
    bodies = make_bodies()
    outgoing, expected = body_stream(bodies, count), body_stream(bodies, count)
    watch = Stopwatch()
    answers: list[bytes] = []
    pair.client.on_output = partial(_send_what_is_urgent, pair.client, answers)
    accepted = 0
    while accepted < count:
        data = memoryview(_fill(pair.peer, remote, outgoing))
        assert data, f"no credit after {accepted} messages"
        watch.start()
        for start in range(0, len(data), _CHUNK):
            pair.client.receive_data(data[start : start + _CHUNK], 0.0)
            accepted += _take_all(pair.client, receiver, expected)
            answers.append(pair.client.data_to_send(0.0))
        watch.stop()
        for answer in answers:
            pair.peer.receive_data(answer, 0.0)
        answers.clear()
        pair.peer.events()
    assert receiver.credit.outstanding == 0
    assert remote.tally.count == 0, "an outcome is missing"
    assert not remote.unread, "a message was not accepted"
    return watch


def _send_what_is_urgent(connection: Connection, answers: list[bytes]) -> None:
    """Do as drivers do: what is not urgent waits for the end of the turn."""
    if connection.urgent:
        answers.append(connection.data_to_send(0.0))


def _fill(connection: Connection, sender: Sender, bodies: Iterator[bytes]) -> bytes:
    """Send as many messages as credit, window and output allow; return their bytes."""
    while sender.can_send(0):
        body = next(bodies, None)
        if body is None:
            break
        sender.send(OutgoingDelivery(sender.tally, body, None))
    return connection.data_to_send(0.0)


def _take_all(connection: Connection, receiver: Receiver, expected: Iterator[bytes]) -> int:
    """Do what a driver and its application do with what came; return how many messages it was."""
    count = 0
    for event in connection.events():
        if type(event) is not DeliveriesArrived:
            continue
        while (delivery := receiver.take()) is not None:
            if delivery.message.body != next(expected):
                raise WrongBodyError(repr(delivery))
            delivery.accept()
            count += 1
    return count


def send_and_read(count: int) -> Stopwatch:
    """Send messages and read their outcomes; return the time of the sending end."""
    pair = Pair()
    sender, remote = pair.open_sender()
    bodies = make_bodies()
    outgoing, expected = body_stream(bodies, count), body_stream(bodies, count)
    watch = Stopwatch()
    done = 0
    while done < count:
        watch.start()
        sent, data = _send_all(pair.client, sender, outgoing)
        watch.stop()
        answers = _settle_all(pair.peer, remote, data, expected)
        watch.start()
        for answer in answers:
            pair.client.receive_data(answer, 0.0)
            _read_events(pair.client)
        for delivery in sent:
            if delivery.state != ACCEPTED or not delivery.settled:
                raise AssertionError(f"not accepted: {delivery.state}")
        watch.stop()
        assert sent, f"no credit after {done} messages"
        done += len(sent)
    assert sender.tally.count == 0
    return watch


def _send_all(
    connection: Connection, sender: Sender, bodies: Iterator[bytes]
) -> tuple[list[OutgoingDelivery], list[bytes]]:
    """Send as many messages as credit and bounds allow; return them, and their bytes."""
    sent: list[OutgoingDelivery] = []
    data: list[bytes] = []
    tally = sender.tally
    while room := min(_TURN, sender.link_credit, UNSETTLED - tally.count, sender.session.outgoing_window.remaining):
        before = len(sent)
        for body in islice(bodies, room):
            delivery = OutgoingDelivery(tally, body, None)
            sender.send(delivery, True)
            sent.append(delivery)
        if len(sent) == before:
            break
        data.append(connection.data_to_send(0.0))
    return sent, data


def _settle_all(
    connection: Connection, receiver: Receiver, data: list[bytes], expected: Iterator[bytes]
) -> list[bytes]:
    """Play the peer: compare and accept what came; return its answers."""
    answers = []
    for part in data:
        connection.receive_data(part, 0.0)
        connection.events()
        unanswered = 0
        while (delivery := receiver.take()) is not None:
            check_body(delivery.message.body, next(expected))
            delivery.accept()
            unanswered += 1
            if unanswered == _PER_DISPOSITION:
                answers.append(connection.data_to_send(0.0))
                unanswered = 0
        answers.append(connection.data_to_send(0.0))
    return answers


def _read_events(connection: Connection) -> None:
    for event in connection.events():
        if type(event) is OutcomesArrived and event.watched:
            raise AssertionError(f"not accepted: {event.watched[0].state}")
