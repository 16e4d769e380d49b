"""Delivery and OutgoingDelivery: settling, what they hold, and that they go away."""

import gc
import sys
import weakref
from typing import Any

import pytest

from amqp10._codec import (
    Delivery,
    FrameReader,
    FrameWriter,
    OutgoingDelivery,
    SenderTally,
    TransferRun,
    UnsettledIndex,
    new_delivery,
)
from amqp10.errors import DecodeError, EncodeError, InvalidState, MessageTooLarge
from amqp10.messaging import AmqpValue, Data, Header, Message
from amqp10.outcomes import ACCEPTED, Accepted, DeliveryState, Modified, Received, Rejected, Released
from amqp10.performatives import Error
from amqp10.types import Symbol
from tests.codec.wire import HEADER, HELLO, transfer


class Link:
    """Stands in for the engine's receiver: settles what it is told to, and remembers it."""

    def __init__(self) -> None:
        self.calls: list[object] = []

    def _settle(self, delivery: Delivery, state: Any) -> None:
        self.calls.append(state)
        delivery.settled = True
        delivery.state = state


class OurDelivery(Delivery):
    __slots__ = ()


class Receipt(OutgoingDelivery):
    __slots__ = ()


def received(link: object = None, payload: bytes = HELLO, *, settled: bool = False) -> Delivery:
    """A delivery as a run brings it."""
    reader = FrameReader()
    reader.bind(1, 0, OurDelivery, link)
    run = reader.feed(HEADER + transfer(0, payload, settled="41" if settled else "42"))[1]
    assert isinstance(run, TransferRun)
    return run.deliveries[0]


# --- settling ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "arguments", "state"),
    [
        ("accept", {}, Accepted()),
        ("release", {}, Released()),
        ("reject", {}, Rejected()),
        ("reject", {"condition": "amqp:not-found"}, Rejected(error=Error(condition=Symbol("amqp:not-found")))),
        (
            "reject",
            {"condition": "a:b", "description": "why", "info": {"k": 1}},
            Rejected(error=Error(condition=Symbol("a:b"), description="why", info={Symbol("k"): 1})),
        ),
        ("modify", {}, Modified()),
        (
            "modify",
            {"delivery_failed": True, "undeliverable_here": True, "message_annotations": {"k": 1}},
            Modified(delivery_failed=True, undeliverable_here=True, message_annotations={Symbol("k"): 1}),
        ),
        ("settle", {}, None),
        (
            "settle",
            {"state": Received(section_number=1, section_offset=2)},
            Received(section_number=1, section_offset=2),
        ),
    ],
)
def test_settling_reaches_the_link(method: str, arguments: dict[str, Any], state: object) -> None:
    link = Link()
    delivery = received(link)
    getattr(delivery, method)(**arguments)
    assert link.calls == [state]
    assert delivery.settled
    assert delivery.state == state
    getattr(delivery, method)(**arguments)
    assert link.calls == [state], "the same again does nothing"


def test_accept_uses_one_instance() -> None:
    link = Link()
    received(link).accept()
    received(link).accept()
    assert link.calls[0] is link.calls[1]
    assert link.calls[0] == ACCEPTED


@pytest.mark.parametrize("again", ["release", "reject", "modify", "settle"])
def test_another_outcome_is_refused(again: str) -> None:
    link = Link()
    delivery = received(link)
    delivery.accept()
    with pytest.raises(InvalidState, match="Accepted"):
        getattr(delivery, again)()
    assert link.calls == [ACCEPTED]
    delivery.settle(Accepted())


@pytest.mark.parametrize("method", ["accept", "release", "reject", "modify", "settle"])
def test_what_came_settled_is_left_alone(method: str) -> None:
    link = Link()
    delivery = received(link, settled=True)
    getattr(delivery, method)()
    assert link.calls == []
    assert delivery.presettled
    assert delivery.state is None


def test_a_link_that_raises() -> None:
    class Broken:
        def _settle(self, delivery: Delivery, state: Any) -> None:
            raise InvalidState("closed")

    delivery = received(Broken())
    with pytest.raises(InvalidState, match="closed"):
        delivery.accept()
    assert not delivery.settled
    assert delivery.state is None


@pytest.mark.parametrize("arguments", [{"description": "x"}, {"info": {}}])
def test_details_of_no_error(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="condition"):
        received(Link()).reject(**arguments)


def test_a_delivery_of_nobody() -> None:
    with pytest.raises(AttributeError):
        received(None).accept()
    with pytest.raises(AttributeError):
        Delivery().accept()


# --- content ----------------------------------------------------------------------------------------------------------


def test_the_message_is_decoded_once() -> None:
    delivery = received()
    assert delivery.message.body == b"hello"
    assert delivery.message is delivery.message
    assert delivery.delivery_tag is delivery.delivery_tag


def test_redelivery() -> None:
    assert (received().delivery_count, received().first_acquirer) == (0, False)
    header = bytes.fromhex("005370 c0 07 05 40 40 40 41 5203")
    delivery = received(payload=header + HELLO)
    assert (delivery.delivery_count, delivery.first_acquirer) == (3, True)


def test_a_malformed_message_is_the_applications_to_handle() -> None:
    link = Link()
    payload = bytes.fromhex("005370 c0 03 02 40 40 005375 a009 00")
    delivery = received(link, payload)
    assert delivery.payload == payload
    assert delivery.delivery_count == 0, "the header is sound"
    for _ in range(2):
        with pytest.raises(DecodeError):
            _ = delivery.message.body
    assert "malformed" in repr(delivery.message)
    delivery.reject("amqp:decode-error")
    assert link.calls


def test_the_message_format() -> None:
    delivery = new_delivery(Delivery, None, 0, b"", 7, False, [HELLO])
    assert delivery.message_format == delivery.message.message_format == 7


def test_new_delivery_joins_buffers() -> None:
    link = Link()
    parts: list[Any] = [b"\x00\x53\x75", bytearray(b"\xa0\x05he"), memoryview(b"llo")]
    delivery = new_delivery(OurDelivery, link, 2**32 - 1, b"tag", 0, True, parts)
    assert type(delivery) is OurDelivery
    assert delivery.payload == HELLO
    assert delivery.message.body == b"hello"
    assert delivery.receiver is link
    assert (delivery.delivery_id, delivery.delivery_tag) == (2**32 - 1, b"tag")
    assert delivery.settled
    assert delivery.presettled
    assert new_delivery(Delivery, None, 0, b"", 0, False, []).payload == b""


def test_new_delivery_of_one_part_is_no_copy() -> None:
    payload = bytes(1000)
    assert new_delivery(Delivery, None, 0, b"", 0, False, [payload]).payload is payload


@pytest.mark.parametrize("arguments", [(-1, b"", 0), (2**32, b"", 0), (0, b"", -1), (0, "", 0), (0, None, 0)])
def test_new_delivery_out_of_bounds(arguments: tuple[Any, Any, Any]) -> None:
    number, tag, message_format = arguments
    with pytest.raises((OverflowError, TypeError)):
        new_delivery(Delivery, None, number, tag, message_format, False, [b""])
    with pytest.raises(TypeError):
        new_delivery(Delivery, None, 0, b"", 0, False, ["text"])  # type: ignore[list-item]


def test_a_delivery_that_was_made_by_hand_is_empty_and_harmless() -> None:
    delivery = OurDelivery()
    assert delivery.delivery_tag == b""
    assert delivery.message.body is None
    assert delivery.delivery_count == 0
    assert "OurDelivery" in repr(delivery)


def test_reprs_show_no_content() -> None:
    delivery = received()
    assert repr(delivery) == "<OurDelivery id=0 tag=74 state=None>"
    assert "hello" not in repr(delivery.message)
    receipt = Receipt(SenderTally(None), b"hello", b"t")
    assert repr(receipt) == "<Receipt id=0 tag=74 size=10 state=None>"


# --- outgoing ---------------------------------------------------------------------------------------------------------


def test_what_an_outgoing_delivery_holds() -> None:
    tally = SenderTally("owner")
    receipt = Receipt(tally, b"hello", b"tag", True)
    assert receipt.tally is tally
    assert tally.owner == "owner"
    assert receipt.delivery_tag == b"tag"
    assert receipt.presettled
    assert (receipt.size, receipt.written, receipt.remaining) == (10, 0, 10)
    assert not receipt.settled
    assert not receipt.read
    assert receipt.state is receipt.error is receipt.waiter is None
    receipt.delivery_id = 2**32 - 1
    assert receipt.delivery_id == 2**32 - 1
    with pytest.raises(OverflowError):
        receipt.delivery_id = 2**32
    with pytest.raises(AttributeError):
        receipt.anything = 1  # type: ignore[attr-defined]
    assert (tally.count, tally.size) == (0, 0), "it counts from UnsettledIndex.add on"


@pytest.mark.parametrize(
    "content",
    [b"", b"x" * 255, b"x" * 256, b"x" * 70_000, "text", None, {"a": [1]}, Data(b"a", b"b" * 20_000, b"c"),
     AmqpValue(b"x"), Message(b"x" * 20_000, application_properties={"k": 1}, footer={"f": 2})],
)  # fmt: skip
def test_size_is_that_of_the_encoded_message(content: object) -> None:
    message = content if isinstance(content, Message) else Message(content)
    assert OutgoingDelivery(SenderTally(None), content, b"").size == len(message.encode())


def test_a_large_body_is_not_copied() -> None:
    body = bytes(1_000_000)
    for content in (body, Message(body), Data(body), Message(body, properties=None, footer={"a": 1})):
        before = sys.getrefcount(body)
        receipt = Receipt(SenderTally(None), content, b"")
        assert sys.getrefcount(body) == before + 1
        assert receipt.size > 1_000_000
        del receipt


def test_the_payload_goes_with_the_last_frame() -> None:
    body = bytes(1_000_000)
    before = sys.getrefcount(body)
    writer = FrameWriter()
    receipt = Receipt(SenderTally(None), body, b"")
    writer.write_transfer(receipt, 0, 0, 512 * 1024, 1, False)
    assert sys.getrefcount(body) == before + 1
    writer.write_transfer(receipt, 0, 0, 512 * 1024, 1, False)
    assert sys.getrefcount(body) == before
    assert receipt.remaining == 0
    receipt = Receipt(SenderTally(None), body, b"")
    receipt.discard()
    assert sys.getrefcount(body) == before


def test_content_may_change_afterwards() -> None:
    body = bytearray(b"hello")
    receipt = Receipt(SenderTally(None), body, b"")
    body[:] = b"HELLO"
    writer = FrameWriter()
    writer.write_transfer(receipt, 0, 0, 512, 1, False)
    assert writer.take().endswith(HELLO)


def test_tags_of_the_senders_own_making() -> None:
    tally = SenderTally(None)
    assert [OutgoingDelivery(tally, b"").delivery_tag for _ in range(3)] == [
        bytes(3) + bytes([number]) for number in range(3)
    ]
    assert OutgoingDelivery(SenderTally(None), b"", None).delivery_tag == bytes(4)


def test_tags_have_at_most_32_bytes() -> None:
    assert OutgoingDelivery(SenderTally(None), b"", bytes(32)).delivery_tag == bytes(32)
    with pytest.raises(MessageTooLarge):
        OutgoingDelivery(SenderTally(None), b"", bytes(33))


@pytest.mark.parametrize("arguments", [(None, b"", b""), (SenderTally(None), b"", "tag")])
def test_wrong_arguments(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError):
        OutgoingDelivery(*arguments)


def test_init_again() -> None:
    """Nobody should; but nothing may be read beyond what is there."""
    writer = FrameWriter()
    receipt = Receipt(SenderTally(None), Data(b"a" * 20_000, b"b" * 20_000), b"")
    writer.write_transfer(receipt, 0, 0, 512, 50, False)
    receipt.__init__(SenderTally(None), b"hello", b"")  # type: ignore[misc]
    writer.take()
    writer.write_transfer(receipt, 0, 0, 512, 50, False)
    assert writer.take().endswith(HELLO)
    receipt = Receipt(SenderTally(None), Data(b"a" * 20_000, b"b" * 20_000), b"")
    writer.write_transfer(receipt, 0, 0, 512, 50, False)
    with pytest.raises(EncodeError):
        receipt.__init__(SenderTally(None), object(), b"")  # type: ignore[misc]
    with pytest.raises(InvalidState):
        writer.write_transfer(receipt, 0, 0, 512, 500, False)


@pytest.mark.parametrize("length", range(33))
def test_tags_of_every_length(length: int) -> None:
    reader = FrameReader()
    reader.bind(1, 0, OurDelivery, None)
    run = reader.feed(HEADER + transfer(0, tag=bytes(range(length))))[1]
    assert isinstance(run, TransferRun)
    assert run.deliveries[0].delivery_tag == bytes(range(length))


def test_headers_of_every_size() -> None:
    for header in (
        Header(),
        Header(durable=True),
        Header(priority=1, ttl=70_000, first_acquirer=True, delivery_count=70_000),
    ):
        receipt = Receipt(SenderTally(None), b"x" * 300, b"", False, header)
        writer = FrameWriter()
        writer.write_transfer(receipt, 0, 0, 512, 1, False)
        assert writer.take()[-receipt.size :] == Message(b"x" * 300, header=header).encode()


# --- life and death ---------------------------------------------------------------------------------------------------


class Owner:
    """A link that is part of a cycle."""

    def __init__(self) -> None:
        self.deliveries: list[object] = []

    def _settle(self, delivery: Delivery, state: Any) -> None:
        delivery.settled = True


def test_incoming_deliveries_in_cycles_go_away() -> None:
    owner = Owner()
    reader = FrameReader()
    reader.bind(1, 0, OurDelivery, owner)
    run = reader.feed(HEADER + transfer(0) + transfer(1))[1]
    assert isinstance(run, TransferRun)
    owner.deliveries += run.deliveries
    run.deliveries[0].state = run.deliveries[0]
    run.deliveries[1].waiter = [run.deliveries[1].message, run]
    gone = weakref.ref(owner)
    del owner, run, reader
    gc.collect()
    assert gone() is None


def test_outgoing_deliveries_in_cycles_go_away() -> None:
    owner = Owner()
    tally = SenderTally(owner)
    index = UnsettledIndex()
    for number in range(100):
        receipt = Receipt(tally, b"x", b"")
        receipt.delivery_id = number
        receipt.waiter = receipt
        index.add(receipt)
        owner.deliveries.append(receipt)
    owner.deliveries.append(index)
    gone = weakref.ref(owner)
    del owner, tally, index, receipt
    gc.collect()
    assert gone() is None


def test_the_readers_bindings_in_cycles_go_away() -> None:
    class Node:
        pass

    node = Node()
    node.reader = FrameReader()  # type: ignore[attr-defined]
    node.reader.bind(0, 0, Delivery, node)  # type: ignore[attr-defined]
    gone = weakref.ref(node)
    del node
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("cls", [Delivery, OurDelivery, OutgoingDelivery, Receipt])
def test_instances_do_not_leak(cls: Any) -> None:
    def make() -> None:
        if issubclass(cls, Delivery):
            reader = FrameReader()
            reader.bind(1, 0, cls, None)
            run = reader.feed(HEADER + b"".join(transfer(number) for number in range(100)))[1]
            assert isinstance(run, TransferRun)
            assert all(each.message.body == b"hello" and each.delivery_tag == b"t" for each in run.deliveries)
        else:
            writer = FrameWriter()
            for _ in range(100):
                writer.write_transfer(cls(SenderTally(None), Message(b"x", footer={"a": 1}), b""), 0, 0, 512, 1, False)

    make()
    gc.collect()
    blocks = sys.getallocatedblocks()
    instances = sum(type(each) is cls for each in gc.get_objects())
    for _ in range(10):
        make()
    gc.collect()
    assert sys.getallocatedblocks() < blocks + 200
    assert sum(type(each) is cls for each in gc.get_objects()) == instances


def test_settling_from_within_the_collector() -> None:
    """What a finalizer does while a cycle is torn down must find sound objects."""
    seen: list[object] = []

    class Finalizer:
        def __init__(self, delivery: Delivery, index: UnsettledIndex) -> None:
            self.delivery, self.index = delivery, index

        def __del__(self) -> None:
            self.delivery.accept()
            seen.append((self.delivery.payload, self.delivery.state, len(self.index)))
            seen.append(self.index.take_all())

    link = Link()
    delivery = received(link)
    index = UnsettledIndex()
    index.add(Receipt(SenderTally(link), b"x", b""))
    delivery.waiter = Finalizer(delivery, index)
    link.calls.append(delivery)
    del delivery, link, index
    gc.collect()
    assert seen[0] == (HELLO, Accepted(), 1)
    assert len(seen) == 2


def test_states_are_what_the_engine_takes_them_for() -> None:
    link = Link()
    received(link).accept()
    received(link).release()
    assert all(isinstance(state, DeliveryState) for state in link.calls)
