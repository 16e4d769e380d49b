"""TransferRun: which transfers come as runs, and that a run is nothing but its transfers (§2.7.5)."""

from typing import Any, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqp10._codec import Delivery, Frame, FrameReader, ProtocolHeader, TransferRun, new_delivery
from amqp10.performatives import Transfer
from tests.codec.wire import EMPTY, HEADER, HELLO, chunks, frame, list8, transfer

CLOSE = frame("00531845")
DETACH = frame("005316c0020143", 1)


class Link:
    """What owns deliveries."""

    def __init__(self, name: str = "") -> None:
        self.name = name


class OurDelivery(Delivery):
    """As the drivers derive theirs."""

    __slots__ = ()


LINK = Link()


def bound(*handles: int, channel: int = 1, runs: bool = True) -> FrameReader:
    reader = FrameReader(max_frame_size=10_000, runs=runs)
    reader.feed(HEADER)
    for handle in handles or (0,):
        reader.bind(channel, handle, OurDelivery, LINK)
    return reader


def runs_of(data: bytes) -> list[int]:
    """The sizes of the runs that data makes; 0 for a frame."""
    reader = bound(0, 1)
    items = reader.feed(data)
    assert reader.error is None, reader.error
    return [item.count if isinstance(item, TransferRun) else 0 for item in items]


# --- what a run holds -------------------------------------------------------------------------------------------------


def test_a_run() -> None:
    reader = bound()
    data = b"".join(transfer(number, b"x" * number, tag=b"tag%d" % number) for number in range(7, 10))
    (run,) = reader.feed(data)
    assert isinstance(run, TransferRun)
    assert (run.channel, run.handle, run.first, run.count, run.settled) == (1, 0, 7, 3, False)
    assert (run.size, run.largest) == (24, 9)
    assert len(run.deliveries) == 3
    for number, delivery in zip(range(7, 10), run.deliveries, strict=True):
        assert type(delivery) is OurDelivery
        assert delivery.receiver is LINK
        assert delivery.delivery_id == number
        assert delivery.delivery_tag == b"tag%d" % number
        assert delivery.message_format == 0
        assert delivery.payload == b"x" * number
        assert not delivery.settled
        assert not delivery.presettled
        assert not delivery.taken
        assert delivery.state is delivery.remote_state is delivery.waiter is None
    assert reader.frames == 3
    assert repr(run) == "<TransferRun channel=1 handle=0 first=7 count=3 size=24>"


def test_a_run_of_one() -> None:
    assert runs_of(transfer(0)) == [1]


def test_a_run_of_settled_deliveries() -> None:
    (run,) = bound().feed(transfer(0, settled="41") + transfer(1, settled="5601"))
    assert isinstance(run, TransferRun)
    assert run.settled
    assert all(delivery.settled and delivery.presettled for delivery in run.deliveries)


def test_ids_wrap() -> None:
    (run,) = bound().feed(b"".join(transfer(number) for number in range(2**32 - 2, 2**32 + 2)))
    assert isinstance(run, TransferRun)
    assert (run.first, run.count) == (2**32 - 2, 4)
    assert [delivery.delivery_id for delivery in run.deliveries] == [2**32 - 2, 2**32 - 1, 0, 1]


def test_payloads_are_copies() -> None:
    data = bytearray(transfer(0))
    (run,) = bound().feed(data)
    data[:] = bytes(len(data))
    assert isinstance(run, TransferRun)
    assert run.deliveries[0].payload == HELLO
    assert run.deliveries[0].delivery_tag == b"t"


# --- where runs end ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (transfer(0) + transfer(1), [2]),
        (transfer(0) + transfer(2), [1, 1]),
        (transfer(1) + transfer(0), [1, 1]),
        (transfer(0) + transfer(0), [1, 1]),
        (transfer(0) + transfer(1, handle=1), [1, 1]),
        (transfer(0) + transfer(1, settled="41"), [1, 1]),
        (transfer(0) + EMPTY + transfer(1), [2]),
        (transfer(0) + DETACH + transfer(1), [1, 0, 1]),
        (transfer(0) + transfer(0, handle=2) + transfer(1), [1, 0, 1]),
        (transfer(0) + transfer(1, channel=2) + transfer(2), [1, 0, 1]),
    ],
)
def test_ends(data: bytes, expected: list[int]) -> None:
    assert runs_of(data) == expected


def test_a_run_ends_with_the_portion() -> None:
    reader = bound()
    data = transfer(0) + transfer(1)
    assert [item.count for item in reader.feed(data + data[:30]) if isinstance(item, TransferRun)] == [2]


def test_a_run_goes_on_over_a_frame_that_came_in_two_portions() -> None:
    reader = bound()
    data = transfer(0) + transfer(1) + transfer(2)
    assert len(reader.feed(data[:10])) == 0
    (run,) = reader.feed(data[10:])
    assert isinstance(run, TransferRun)
    assert run.count == 3


PLAIN = ("43", "43", "a00174")  # handle, delivery-id, delivery-tag


@pytest.mark.parametrize(
    "fields",
    [
        PLAIN,
        ("5200", "43", "a000"),
        ("43", "52ff", "a020" + "ab" * 32),
        ("43", "70ffffffff", "a00174", "40"),
        (*PLAIN, "43", "40"),
        (*PLAIN, "5201", "42", "42"),
        (*PLAIN, "70000000ff", "5600", "40"),
        (*PLAIN, "43", "42", "5600", "40"),
        (*PLAIN, "43", "42", "42", "40", "40", "42"),
        (*PLAIN, "43", "42", "42", "40", "40", "5600", "42"),
        (*PLAIN, "43", "42", "40", "40", "40", "40", "40", "41"),
        (*PLAIN, "43", "42", "42", "40", "40", "42", "42", "5601"),
        (*PLAIN, "43", "42", "42", "40", "40", "42", "42", "42"),
    ],
)
@pytest.mark.parametrize("wide", [False, True])
def test_forms_that_make_runs(fields: tuple[str, ...], wide: bool) -> None:
    content = bytes.fromhex("".join(fields))
    body = bytes.fromhex("005314" + list8(*fields))
    if wide:
        body = b"\x00\x53\x14\xd0" + (len(content) + 4).to_bytes(4, "big") + len(fields).to_bytes(4, "big") + content
    data = frame(body + HELLO, 1)
    (run,) = bound().feed(data)
    assert isinstance(run, TransferRun)
    (slow,) = bound(runs=False).feed(data)
    assert isinstance(slow, Frame)
    assert facts(run.deliveries[0]) == facts(assembled([slow]))


@pytest.mark.parametrize(
    "fields",
    [
        (*PLAIN, "43", "42", "41"),  # more
        (*PLAIN, "43", "42", "5601"),
        (*PLAIN, "43", "42", "42", "5000"),  # rcv-settle-mode
        (*PLAIN, "43", "42", "42", "40", "00532445"),  # state
        (*PLAIN, "43", "42", "42", "40", "42"),  # a state that is none
        (*PLAIN, "43", "42", "42", "40", "40", "41"),  # resume
        (*PLAIN, "43", "42", "42", "40", "40", "42", "41"),  # aborted
        ("43", "43"),  # no delivery-tag
        ("43", "40", "a00174"),  # no delivery-id
        ("43", "43", "40", "43"),
        ("43", "43", "b00000000174"),  # a tag in its long form
        ("43", "43", "a021" + "ab" * 33),  # a tag that is too long
        (*PLAIN, "43", "42", "42", "40", "40", "42", "42", "42", "40"),  # nulls after the last field
    ],
)
def test_forms_that_come_as_frames(fields: tuple[str, ...]) -> None:
    reader = bound()
    (item,) = reader.feed(frame(bytes.fromhex("005314" + list8(*fields)) + HELLO, 1))
    assert reader.error is None
    assert isinstance(item, Frame)
    assert isinstance(item.performative, Transfer)
    assert item.payload == HELLO


@pytest.mark.parametrize("descriptor", ["800000000000000014", "a31261 6d71703a7472616e736665723a6c697374"])
def test_other_descriptors_come_as_frames(descriptor: str) -> None:
    (item,) = bound().feed(frame(bytes.fromhex("00" + descriptor + list8(*PLAIN)) + HELLO, 1))
    assert isinstance(item, Frame)
    assert item.performative == Transfer(handle=0, delivery_id=0, delivery_tag=b"t")


@pytest.mark.parametrize(
    "body",
    [
        "005314 c00804 43 43 a00174 43 43 0000",  # more in the list than its count
        "005314 c00604 43 43 a00174",  # a count beyond the list
        "005314 c0ff03 43 43 a00174",  # a size beyond the frame
        "005314 d0ffffffff 00000003 43 43 a00174",
        "005314 d000000003 00000003 43 43 a00174",
        "005314 d000000009 ffffffff 43 43 a00174",
        "005314 c0",
        "005314",
        "0053",
        "00",
        "005314 c00603 43 43 a0ff74",  # a tag beyond the list
        "005314 c00403 43 43 a0",
        "005314 c00503 43 70 000000",
        "005314 c00703 43 43 a00174 56",
        "005314 c00905 43 43 a00174 43 5602",
        "005314 c0080c 43 43 a00174 43 41",
    ],
)
def test_what_is_malformed_is_left_to_the_slow_way(body: str) -> None:
    fast, slow = bound(), bound(runs=False)
    data = frame(body, 1)
    assert fast.feed(data) == slow.feed(data) == []
    assert fast.error is not None
    assert str(fast.error) == str(slow.error)


@pytest.mark.parametrize("head", ["c006", "d000000009000000"])
def test_a_list_that_goes_on_in_the_next_frame(head: str) -> None:
    """What lies beyond the frame would complete the fields, but is not its own."""
    data = frame("005314" + head + "03 43 43", 1) + bytes.fromhex("a00174")
    fast, slow = bound(), bound(runs=False)
    assert fast.feed(data) == slow.feed(data) == []
    assert str(fast.error) == str(slow.error) != "None"


# --- deliveries of several frames -------------------------------------------------------------------------------------


def test_the_end_of_a_delivery_of_several_frames_is_no_run() -> None:
    """§2.7.5: continuations may repeat delivery-id and tag; then the last looks like a whole delivery."""
    first = transfer(0, rest=("41",))
    last = transfer(0)
    assert runs_of(first + last + transfer(1) + transfer(2)) == [0, 0, 2]
    aborted = frame("005314" + list8("43", "40", "40", "40", "40", "40", "40", "40", "40", "41"), 1)
    assert runs_of(first + aborted + transfer(1)) == [0, 0, 1]


def test_a_delivery_that_began_before_the_link_was_bound() -> None:
    reader = bound(5)
    reader.feed(transfer(0, rest=("41",)))
    reader.bind(1, 0, OurDelivery, LINK)
    assert [type(item) for item in reader.feed(transfer(0) + transfer(1))] == [Frame, TransferRun]


def test_another_link_is_not_concerned() -> None:
    assert runs_of(transfer(0, rest=("41",)) + transfer(1, handle=1) + transfer(0)) == [0, 1, 0]


@pytest.mark.parametrize("end", [DETACH, frame("00531745", 1)])
def test_detach_and_end_forget_what_was_begun(end: bytes) -> None:
    assert runs_of(transfer(0, rest=("41",)) + end + transfer(1)) == [0, 0, 1]


def test_unbind_forgets_what_was_begun() -> None:
    reader = bound()
    reader.feed(transfer(0, rest=("41",)))
    reader.unbind(1, 0)
    reader.bind(1, 0, OurDelivery, LINK)
    assert isinstance(reader.feed(transfer(1))[0], TransferRun)
    reader.feed(transfer(2, rest=("41",)))
    reader.unbind_channel(1)
    reader.bind(1, 0, OurDelivery, LINK)
    assert isinstance(reader.feed(transfer(3))[0], TransferRun)


# --- binding ----------------------------------------------------------------------------------------------------------


def test_what_is_not_bound_comes_as_frames() -> None:
    reader = FrameReader()
    assert [type(item) for item in reader.feed(HEADER + transfer(0))] == [ProtocolHeader, Frame]


def test_unbind() -> None:
    reader = bound(0, 1)
    assert isinstance(reader.feed(transfer(0))[0], TransferRun)
    reader.unbind(1, 0)
    reader.unbind(1, 0)
    reader.unbind(9, 9)
    assert isinstance(reader.feed(transfer(1))[0], Frame)
    assert isinstance(reader.feed(transfer(2, handle=1))[0], TransferRun)


def test_unbind_channel() -> None:
    reader = bound(0, 0xFFFFFFFF)
    reader.bind(2, 0, OurDelivery, LINK)
    reader.unbind_channel(1)
    assert isinstance(reader.feed(transfer(0))[0], Frame)
    assert isinstance(reader.feed(transfer(0, handle=0xFFFFFFFF))[0], Frame)
    assert isinstance(reader.feed(transfer(0, channel=2))[0], TransferRun)


def test_bind_again() -> None:
    reader = bound()
    reader.feed(transfer(0))
    other = Link()
    reader.bind(1, 0, Delivery, other)
    (run,) = reader.feed(transfer(1))
    assert isinstance(run, TransferRun)
    assert type(run.deliveries[0]) is Delivery
    assert run.deliveries[0].receiver is other


def test_each_link_has_its_own() -> None:
    reader = bound()
    other = Link()
    reader.bind(1, 1, OurDelivery, other)
    items = reader.feed(b"".join(transfer(number, handle=number % 2) for number in range(6)))
    assert [item.deliveries[0].receiver for item in items if isinstance(item, TransferRun)] == [LINK, other] * 3


class WithNew(Delivery):
    __slots__ = ()

    def __new__(cls) -> Self:
        return super().__new__(cls)


@pytest.mark.parametrize("cls", [object, int, 5, None, Delivery.__new__, WithNew, TransferRun])
def test_classes_that_are_none_of_deliveries(cls: Any) -> None:
    with pytest.raises(TypeError):
        FrameReader().bind(0, 0, cls, LINK)
    with pytest.raises(TypeError):
        new_delivery(cls, LINK, 0, b"", 0, False, [])


# --- runs and frames say the same -------------------------------------------------------------------------------------


def facts(delivery: Delivery) -> tuple[object, ...]:
    """All that a delivery says of itself."""
    return (
        type(delivery), delivery.receiver, delivery.delivery_id, delivery.delivery_tag, delivery.message_format,
        delivery.payload, delivery.settled, delivery.presettled, delivery.state, delivery.remote_state,
        delivery.remote_settled, delivery.taken, delivery.waiter,
    )  # fmt: skip


def assembled(frames: list[Frame]) -> Delivery:
    """Make a delivery of its frames as the engine does."""
    first = frames[0].performative
    return new_delivery(
        OurDelivery,
        LINK,
        first.delivery_id,
        first.delivery_tag,
        first.message_format or 0,
        any(each.performative.settled for each in frames),
        [each.payload for each in frames],
    )


def deliveries(items: list[Any]) -> list[tuple[object, ...]]:
    """All deliveries of what was read, by link; other frames by their class."""
    result: list[tuple[object, ...]] = []
    partial: dict[tuple[int, int], list[Frame]] = {}
    for item in items:
        if isinstance(item, TransferRun):
            result += [(item.channel, item.handle, *facts(each)) for each in item.deliveries]
        elif isinstance(item.performative, Transfer):
            key = (item.channel, item.performative.handle)
            frames = partial.setdefault(key, [])
            frames.append(item)
            if item.performative.aborted:
                del partial[key]
            elif not item.performative.more:
                result.append((*key, *facts(assembled(partial.pop(key)))))
        else:
            result.append((type(item.performative),))
    return result


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Frames of a session as a peer might send them, of two links that are bound and one that is not."""
    number = draw(st.sampled_from([0, 2**32 - 3, 1000]))
    data = b""
    for _ in range(draw(st.integers(1, 25))):
        kind = draw(
            st.sampled_from(["plain"] * 6 + ["large", "skip", "other", "empty", "settled", "aborted", "repeat"])
        )
        handle = draw(st.sampled_from([0, 0, 0, 1, 2]))
        payload = draw(st.sampled_from([b"", HELLO, b"x" * 300]))
        tag = draw(st.binary(max_size=32))
        if kind == "plain":
            data += transfer(number, payload, handle=handle, tag=tag)
        elif kind == "settled":
            data += transfer(number, payload, handle=handle, tag=tag, settled="41")
        elif kind == "skip":
            number += draw(st.integers(1, 3))
            data += transfer(number, payload, handle=handle, tag=tag)
        elif kind in {"large", "repeat"}:
            data += transfer(number, payload, handle=handle, tag=tag, rest=("41",))
            if kind == "repeat":
                data += transfer(number, b"end", handle=handle, tag=tag)
            else:
                data += frame(bytes.fromhex("005314" + list8(f"70{handle:08x}")) + b"end", 1)
        elif kind == "aborted":
            data += transfer(number, payload, handle=handle, tag=tag, rest=("41",))
            data += transfer(number, b"", handle=handle, tag=tag, rest=("42", "40", "40", "42", "41"))
        elif kind == "empty":
            data += EMPTY
        else:
            data += CLOSE
        number += kind not in {"empty", "other"}
    return data


@given(streams())
def test_runs_and_frames_make_the_same_deliveries(data: bytes) -> None:
    fast, slow = bound(0, 1), bound(0, 1, runs=False)
    runs, frames = fast.feed(data), slow.feed(data)
    assert fast.error is slow.error is None
    assert not any(isinstance(item, TransferRun) for item in frames)
    assert deliveries(runs) == deliveries(frames)
    assert fast.frames == slow.frames


@given(streams(), st.lists(st.integers(0, 3000), max_size=12), st.booleans())
def test_any_portions_make_the_same(data: bytes, cuts: list[int], runs: bool) -> None:
    whole, cut = bound(0, 1, runs=runs), bound(0, 1, runs=runs)
    items: list[Any] = []
    for portion in chunks(data, cuts):
        items += cut.feed(bytearray(portion))
    assert deliveries(items) == deliveries(whole.feed(data))
    assert cut.frames == whole.frames
    assert cut.buffered == whole.buffered == 0


@given(streams())
def test_byte_by_byte(data: bytes) -> None:
    reader = bound(0, 1)
    items = [item for byte in data for item in reader.feed(bytes([byte]))]
    assert deliveries(items) == deliveries(bound(0, 1).feed(data))


@given(streams(), st.integers(0, 5000), st.integers(0, 255), st.lists(st.integers(0, 3000), max_size=6))
def test_errors_do_not_depend_on_portions(data: bytes, at: int, value: int, cuts: list[int]) -> None:
    broken = bytearray(data)
    broken[at % len(data)] = value
    whole, cut = bound(0, 1), bound(0, 1)
    expected = whole.feed(broken)
    items: list[Any] = []
    for portion in chunks(bytes(broken), cuts):
        items += cut.feed(portion)
    assert str(cut.error) == str(whole.error)
    assert cut.frames == whole.frames
    assert cut.buffered == whole.buffered
    assert [type(item) for item in items if isinstance(item, Frame)] == [
        type(item) for item in expected if isinstance(item, Frame)
    ]
    assert sum(item.count for item in items if isinstance(item, TransferRun)) == sum(
        item.count for item in expected if isinstance(item, TransferRun)
    )
