"""What our open says, and what is said of a header that does not fit."""

from __future__ import annotations

import pytest

from amqp10._codec import FrameReader, ProtocolHeader
from amqp10.engine.opening import AMQP, SASL, make_open, mismatch_text
from amqp10.errors import EncodeError
from amqp10.options import ConnectionOptions


@pytest.mark.parametrize(("enforced", "advertised"), [(60.0, 30_000), (0.5, 250), (0.0001, 1), (None, None)])
def test_half_of_the_idle_time_out_that_we_enforce_is_advertised(
    enforced: float | None, advertised: int | None
) -> None:
    assert make_open(ConnectionOptions(container_id="c", idle_timeout=enforced)).idle_time_out == advertised


def test_an_open_that_no_peer_need_take_is_refused_before_anything_is_sent() -> None:
    make_open(ConnectionOptions(container_id="c" * 400))
    with pytest.raises(EncodeError, match=r"512 are allowed \(§2\.4\.1\)"):
        make_open(ConnectionOptions(container_id="c" * 500))


def test_an_open_that_cannot_be_encoded_is_refused() -> None:
    with pytest.raises(EncodeError, match="properties"):
        make_open(ConnectionOptions(container_id="c", properties={"key": object()}))


def header(data: bytes) -> ProtocolHeader:
    """Read a protocol header."""
    (item,) = FrameReader().feed(data)
    assert isinstance(item, ProtocolHeader)
    return item


@pytest.mark.parametrize(
    ("data", "wanted", "text"),
    [
        (b"AMQP\0\0\x09\x01", AMQP, "the peer speaks AMQP 0.9.1; we need AMQP 1.0.0"),
        (b"AMQP\3\1\0\0", AMQP, "the peer speaks SASL 1.0.0; we need AMQP 1.0.0"),
        (b"AMQP\2\1\0\0", SASL, "the peer speaks TLS 1.0.0; we need SASL 1.0.0"),
        (b"AMQP\7\1\2\3", AMQP, "the peer speaks protocol 7 1.2.3; we need AMQP 1.0.0"),
    ],
)
def test_a_mismatch_says_what_came_and_what_was_due(data: bytes, wanted: int, text: str) -> None:
    assert mismatch_text(header(data), wanted) == text
