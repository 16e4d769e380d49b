"""Frames, fields and bytes as text."""

import pytest

from amqp10._codec import CompositeBase
from amqp10.errors import Condition
from amqp10.outcomes import ACCEPTED, Modified
from amqp10.performatives import Attach, Close, Error, Open, SaslInit, SaslResponse
from amqp10.terminus import Source
from amqp10.testing.text import dump, frame_text, hex_text, item_text, text_of
from amqp10.testing.wire import AMQP_HEADER, EMPTY_FRAME, SASL_HEADER, frame_bytes
from amqp10.types import Symbol, UByte

SOURCE = "Source(address='q', expiry_policy='session-end')"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (True, "True"),
        (7, "7"),
        ("orders", "'orders'"),
        (Symbol("queue"), "'queue'"),
        ("x" * 81, "'" + "x" * 80 + "'… 81"),
        (b"ab\x00", r"b'ab\x00'"),
        (bytes(25), repr(bytes(24)) + "… 25 bytes"),
        (bytearray(b"a"), "b'a'"),
        ([1, "a", None], "[1, 'a', None]"),
        ({Symbol("a"): [1]}, "{'a': [1]}"),
        (Source, "Source"),
        (Condition.NOT_FOUND, "amqp:not-found"),
        (UByte(3), "UByte(3)"),
    ],
)
def test_values(value: object, text: str) -> None:
    assert text_of(value) == text


def test_functions_are_named_by_their_place() -> None:
    line = test_functions_are_named_by_their_place.__code__.co_firstlineno
    assert text_of(lambda value: value) == f"<lambda> at test_text.py:{line + 2}"
    assert text_of(len) == "<built-in function len>"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Close(), "Close()"),
        (ACCEPTED, "Accepted()"),
        (Modified(delivery_failed=True), "Modified(delivery_failed=True)"),
        (SaslInit(mechanism="PLAIN"), "SaslInit(mechanism='PLAIN')"),
        (SaslInit(mechanism="X", initial_response=b"secret"), "SaslInit(mechanism='X', initial_response=<6 bytes>)"),
        (SaslResponse(response=b"secret"), "SaslResponse(response=<6 bytes>)"),
        (Open(container_id="x", channel_max=0), "Open(container_id='x', max_frame_size=4294967295, channel_max=0)"),
        (
            Close(error=Error(condition=Symbol("amqp:not-found"))),
            "Close(error=Error(condition='amqp:not-found'))",
        ),
        (
            Attach(name="x", handle=0, role=False, snd_settle_mode=1, source=Source(address="q")),
            "Attach(name='x', handle=0, role=False, snd_settle_mode=1, rcv_settle_mode=0, source=" + SOURCE + ")",
        ),
    ],
)
def test_composites_show_what_tells(value: CompositeBase, text: str) -> None:
    assert text_of(value) == text


def test_frames() -> None:
    assert frame_text(3, Close(), b"") == "ch 3  Close()"
    assert frame_text(3, Close(), b"ab") == "ch 3  Close() + b'ab'"
    assert item_text(None) == "empty frame"


def test_hex_text() -> None:
    assert hex_text(b"AMQP\x00\x01\x00\x00 12345678~\x7f").splitlines() == [
        "0000  41 4d 51 50 00 01 00 00 20 31 32 33 34 35 36 37  AMQP.... 1234567",
        "0010  38 7e 7f                                         8~.",
    ]


def test_dump() -> None:
    sasl = frame_bytes("02 01 00 00  00 53 41 c0 0c 01 a3 09 'ANONYMOUS'")
    close = frame_bytes("02 00 00 05  00 53 18 45")
    lines = dump(SASL_HEADER + sasl + AMQP_HEADER + EMPTY_FRAME + close + close[:5]).splitlines()
    assert [line for line in lines if not line.startswith("    ")] == [
        "header SASL 1.0.0",
        "ch 0  SaslInit(mechanism='ANONYMOUS')",
        "header AMQP 1.0.0",
        "empty frame",
        "ch 5  Close()",
        "incomplete: 5 bytes",
    ]
    assert lines[-1].startswith("    0000  00 00 00 0c 02 ")


def test_dump_says_what_is_malformed() -> None:
    (first, *_) = dump(frame_bytes("02 00 00 00  00 53 10 45")).splitlines()
    assert first.startswith("malformed: ")
    assert "container-id" in first
    assert dump(b"AMQP\x07\x01\x02\x03").splitlines()[0] == "header of unknown protocol 7 1.2.3"
