"""Objects that skipped their constructors, or have been through odd ones: an exception at worst, never a crash."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from amqp10 import _codec
from amqp10._codec import OutgoingDelivery, SenderTally, encode_composite, new_delivery
from amqp10.messaging import Header
from amqp10.outcomes import Accepted

CLASSES = [value for value in vars(_codec).values() if isinstance(value, type) and value.__module__ == _codec.__name__]


def arguments() -> list[tuple[Any, ...]]:
    """Arguments that fit some method or other."""
    outgoing = OutgoingDelivery(SenderTally(None), b"x")
    incoming = new_delivery(_codec.Delivery, None, 0, b"", 0, False, [b""])
    writer, index = _codec.FrameWriter(), _codec.IncomingIndex()
    return [
        (),
        (b"AMQP\x00\x01\x00\x00",),
        (0,),
        (outgoing,),
        (incoming,),
        ([incoming],),
        (None,),
        (incoming, Accepted()),
        (incoming, Accepted(), index),
        (0, Accepted()),
        (0, Accepted(), True),
        (0, 1, Accepted(), True),
        (0, 0, _codec.Delivery, None),
        (outgoing, 0, 0, 512, 1, False),
        (writer, outgoing, 0, 0, 0, 512, 1, False),
        (writer, 0, 512),
    ]


def use(thing: Any) -> None:
    """Read every attribute, call every method with anything that may fit."""
    for name in dir(thing):
        if name in {"__init__", "__init_subclass__", "__class__", "__del__", "__reduce_ex__", "__sizeof__"}:
            continue
        attempt(lambda name: getattr(thing, name), name)
        method = getattr(type(thing), name, None)
        if callable(method) and (not name.startswith("__") or name in {"__len__", "__repr__", "__bool__", "__call__"}):
            for each in arguments():
                attempt(method, thing, *each)
    attempt(lambda: thing == thing)
    attempt(lambda: bool(thing))
    attempt(repr, thing)


def attempt(call: Any, *given: Any) -> None:
    try:
        call(*given)
    except Exception:  # noqa: BLE001 - any will do
        return


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_without_init(cls: Any) -> None:
    try:
        thing = cls.__new__(cls)
    except TypeError:
        return
    use(thing)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_use_where_another_is_expected(cls: Any) -> None:
    """Uninitialized objects as arguments of functions that take their kind."""
    try:
        thing = cls.__new__(cls)
    except TypeError:
        return
    for user in (
        _codec.UnsettledIndex(),
        _codec.IncomingIndex(),
        _codec.DispositionQueue(True),
        _codec.FrameWriter(),
        _codec.FrameReader(),
        _codec.Message(),
    ):
        for name in dir(user):
            if not name.startswith("__"):
                attempt(getattr(user, name), thing)
                for each in arguments():
                    for at in range(len(each)):
                        attempt(getattr(user, name), *each[:at], thing, *each[at + 1 :])
    attempt(encode_composite, thing)
    attempt(_codec.encode, thing)
    attempt(lambda: _codec.Message(thing).encode())
    attempt(lambda: _codec.Message(None, header=thing).encode())
    attempt(OutgoingDelivery, SenderTally(None), b"", b"", False, thing)
    attempt(OutgoingDelivery, SenderTally(None), thing)
    attempt(_codec.Data, thing)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_copies_and_pickles(cls: Any) -> None:
    """What holds C memory refuses to be copied rather than to share it."""
    try:
        thing = cls.__new__(cls)
    except TypeError:
        return
    duplicates: list[Callable[[Any], Any]] = [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))]
    for duplicate in duplicates:
        try:
            made = duplicate(thing)
        except Exception:  # noqa: BLE001 - any will do
            continue
        use(made)


def test_the_classes_are_there() -> None:
    assert {_codec.Message, _codec.Delivery, _codec.FrameReader, _codec.UnsettledIndex} <= set(CLASSES)
    assert Header in _codec.CompositeBase.__subclasses__()[0].__subclasses__()
