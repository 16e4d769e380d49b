"""Message as an object: its sections as attributes, and what encode makes of changes (§3.2)."""

from datetime import UTC, datetime
from typing import Any

import pytest

from amqp10._codec import Message, decode
from amqp10.errors import EncodeError
from amqp10.messaging import AmqpSequence, AmqpValue, Data, Header, Properties
from amqp10.outcomes import Accepted
from amqp10.types import Described, Map, Symbol, UInt, ULong

HELLO = bytes.fromhex("005375 a005 68656c6c6f")


def path_of(message: Message) -> str:
    with pytest.raises(EncodeError) as caught:
        message.encode()
    return caught.value.path


# --- bodies -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "body", "body_type", "encoded"),
    [
        (b"hello", b"hello", "data", "005375 a005 68656c6c6f"),
        (bytearray(b"hi"), b"hi", "data", "005375 a0026869"),
        (memoryview(b"hi"), b"hi", "data", "005375 a0026869"),
        (b"", b"", "data", "005375 a000"),
        (Data(b"hi"), b"hi", "data", "005375 a0026869"),
        (Data(), b"", "data", "005375 a000"),
        (Data(b"a", bytearray(b"b")), Data(b"a", b"b"), "data", "005375 a00161 005375 a00162"),
        (None, None, "amqp-value", "005377 40"),
        ("hi", "hi", "amqp-value", "005377 a1026869"),
        (True, True, "amqp-value", "005377 41"),
        (1, 1, "amqp-value", "005377 5501"),
        ([1], [1], "amqp-value", "005377 c003015501"),
        ({"a": 1}, {"a": 1}, "amqp-value", "005377 c10602a101615501"),
        (AmqpValue(b"hi"), b"hi", "amqp-value", "005377 a0026869"),
        (AmqpValue([1]), [1], "amqp-value", "005377 c003015501"),
        (AmqpValue(AmqpValue(1).value), 1, "amqp-value", "005377 5501"),
        (AmqpSequence([1, "a"]), [1, "a"], "amqp-sequence", "005376 c006025501a10161"),
        (AmqpSequence(), [], "amqp-sequence", "005376 45"),
        (AmqpSequence([1], []), AmqpSequence([1], []), "amqp-sequence", "005376 c003015501 005376 45"),
        (AmqpSequence((1,), range(0)), AmqpSequence([1], []), "amqp-sequence", "005376 c003015501 005376 45"),
    ],
)
def test_bodies(given: object, body: object, body_type: str, encoded: str) -> None:
    for message in (Message(given), Message.decode(bytes.fromhex(encoded)), assigned(given)):
        assert message.body == body
        assert type(message.body) is type(body)
        assert message.body_type == body_type
        assert message.encode() == bytes.fromhex(encoded)


def assigned(body: object) -> Message:
    message = Message("something else", properties=None)
    message.body = body
    return message


def test_no_body_at_all() -> None:
    message = Message.decode(b"")
    assert message.body is None
    assert message.body_type is None
    assert message.encode() == b""
    message = Message.decode(bytes.fromhex("005370 45"))
    assert (message.body, message.body_type) == (None, None)
    message.footer = {"a": 1}
    assert message.encode() == bytes.fromhex("005370 45 005378 c10602a301615501"), "nor does encode make one"
    message.body = None
    assert message.body_type == "amqp-value"
    assert message.encode() == bytes.fromhex("005370 45 005377 40 005378 c10602a301615501")


def test_message_of_nothing() -> None:
    message = Message()
    assert message.encode() == bytes.fromhex("005377 40")
    assert (message.body, message.body_type) == (None, "amqp-value")


def test_a_body_keeps_its_type_when_it_is_changed_in_place() -> None:
    message = Message.decode(bytes.fromhex("005376 c003015501"))
    message.body.append("a")
    assert message.body_type == "amqp-sequence"
    assert message.encode() == bytes.fromhex("005376 c006025501a10161")
    message.body = [1]
    assert message.body_type == "amqp-value"


def test_a_buffer_is_taken_as_it_is_then() -> None:
    data = bytearray(b"hello")
    message, parts = Message(data), Data(data)
    data[:] = b"HELLO"
    assert message.body == b"hello"
    assert parts.parts == (b"hello",)


@pytest.mark.parametrize("wrong", ["text", 5, None, [1]])
def test_data_is_bytes(wrong: Any) -> None:
    with pytest.raises(TypeError):
        Data(wrong)


def test_bodies_compare_by_content() -> None:
    assert Data(b"a", b"b") == Data(b"a", b"b") != Data(b"ab")
    assert hash(Data(b"a")) == hash(Data(b"a"))
    assert AmqpSequence([1]) == AmqpSequence((1,)) != AmqpSequence([1], [])
    assert AmqpValue(1) == AmqpValue(1) != AmqpValue(2)
    one: Any
    for one in (Data(b"a"), AmqpSequence([]), AmqpValue(b"a")):
        assert one != b"a"
        assert one != object()
    for one in (AmqpSequence(), AmqpValue(1), Message()):
        with pytest.raises(TypeError):
            hash(one)


def test_reprs_of_bodies_are_short() -> None:
    assert repr(Data(b"secret" * 1000, b"")) == "<Data of 2 sections, 6000 bytes>"
    assert repr(AmqpSequence(["secret"] * 1000)) == "<AmqpSequence of 1 sections, 1000 elements>"
    assert repr(AmqpValue("secret")) == "<AmqpValue str>"


# --- sections ---------------------------------------------------------------------------------------------------------


def full() -> Message:
    return Message(
        b"hello",
        header=Header(durable=True, ttl=1000),
        delivery_annotations={"da": 1},
        message_annotations={Symbol("ma"): [1], ULong(5): None},
        properties=Properties(message_id=7, subject="s", creation_time=datetime(2020, 1, 1, tzinfo=UTC)),
        application_properties={"k": "v", "n": UInt(1)},
        footer={"f": b"x"},
        message_format=9,
    )


FULL = bytes.fromhex(
    "005370 c0 08 03 41 40 70000003e8"
    "005371 c1 07 02 a3026461 5501"
    "005372 c1 0d 04 a3026d61 c003015501 5305 40"
    "005373 c0 16 0a 5307 40 40 a10173 40 40 40 40 40 830000016f5e66e800"
    "005374 c1 0c 04 a1016b a10176 a1016e 5201"
    "005375 a005 68656c6c6f"
    "005378 c1 07 02 a30166 a00178"
)


def test_every_section_encoded() -> None:
    assert full().encode().hex() == FULL.hex()


def test_every_section_decoded() -> None:
    message = Message.decode(FULL, message_format=9)
    assert message.header == Header(durable=True, ttl=1000)
    assert message.delivery_annotations == {Symbol("da"): 1}
    assert message.message_annotations == {Symbol("ma"): [1], ULong(5): None}
    assert [type(key) for key in message.message_annotations] == [Symbol, ULong]
    assert message.properties == Properties(message_id=7, subject="s", creation_time=datetime(2020, 1, 1, tzinfo=UTC))
    assert type(message.properties.message_id) is int
    assert message.application_properties == {"k": "v", "n": 1}
    assert type(message.application_properties["n"]) is UInt
    assert (message.body, message.body_type) == (b"hello", "data")
    assert message.footer == {Symbol("f"): b"x"}
    assert message.message_format == 9
    assert message == full()


def test_sections_that_are_absent() -> None:
    message = Message.decode(HELLO)
    for name in (
        "header",
        "delivery_annotations",
        "message_annotations",
        "properties",
        "application_properties",
        "footer",
    ):
        assert getattr(message, name) is None
        assert getattr(Message(), name) is None
    assert message.message_format == 0


def test_sections_that_are_empty_are_not_absent() -> None:
    encoded = bytes.fromhex("005370 45 005371 c10100 005373 45 005374 c10100 005375 a000 005378 c10100")
    message = Message.decode(encoded)
    assert message.header == Header()
    assert message.properties == Properties()
    assert message.delivery_annotations == message.application_properties == message.footer == {}
    assert message.encode() == encoded
    built = Message(b"", delivery_annotations={}, application_properties={}, footer={})
    assert built.encode() == bytes.fromhex("005371 c10100 005374 c10100 005375 a000 005378 c10100")


def test_sections_are_decoded_once() -> None:
    message = Message.decode(FULL)
    for name in ("header", "message_annotations", "properties", "application_properties", "body", "footer"):
        assert getattr(message, name) is getattr(message, name)


NAMES = ["header", "delivery_annotations", "message_annotations", "properties", "application_properties", "footer"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("read_first", [False, True])
def test_none_drops_a_section(name: str, read_first: bool) -> None:
    message = Message.decode(FULL)
    if read_first:
        getattr(message, name)
    setattr(message, name, None)
    assert getattr(message, name) is None
    again = Message.decode(message.encode())
    for other in NAMES:
        assert (getattr(again, other) is None) == (other == name)
    assert again.body == b"hello"


@pytest.mark.parametrize("name", NAMES)
def test_assigning_replaces_one_section(name: str) -> None:
    message = Message.decode(FULL)
    value: object = {"x": 1}
    if name in {"header", "properties"}:
        value = Header(priority=1) if name == "header" else Properties(subject="other")
    setattr(message, name, value)
    assert getattr(message, name) == value
    again = Message.decode(message.encode())
    assert getattr(again, name) == value
    for other in [*NAMES, "body"]:
        assert other == name or getattr(again, other) == getattr(full(), other)


# --- what may be in a section -----------------------------------------------------------------------------------------


def test_str_keys_of_annotations_become_symbols() -> None:
    encoded = Message(None, delivery_annotations={"a": 1}, footer={Symbol("b"): 1}).encode()
    assert encoded == bytes.fromhex("005371 c10602a301615501 005377 40 005378 c10602a301625501")


@pytest.mark.parametrize("name", ["delivery_annotations", "message_annotations", "footer"])
@pytest.mark.parametrize("key", [1, None, b"a", 1.5, UInt(1), ("a",), "ü"])
def test_keys_that_annotations_cannot_have(name: str, key: object) -> None:
    assert path_of(Message(None, **{name: {"fine": 1, key: 1}})) == f"{name}[{key!r}]"  # type: ignore[arg-type]


@pytest.mark.parametrize("key", [1, None, b"a", ULong(1)])
def test_application_properties_have_strings_for_keys(key: object) -> None:
    message = Message(None, application_properties={key: 1})  # type: ignore[dict-item]
    assert path_of(message) == "application_properties"


@pytest.mark.parametrize("value", [[], [1], (), {}, Map([]), Described(1, 2), Accepted()])
def test_application_properties_are_simple(value: object) -> None:
    assert path_of(Message(None, application_properties={"ok": 1, "k": value})) == "application_properties['k']"


def test_application_properties_of_every_simple_type() -> None:
    values = {"null": None, "bool": True, "int": 1, "float": 1.5, "bytes": b"x", "symbol": Symbol("x"), "ü": "ü"}
    assert Message.decode(Message(None, application_properties=values).encode()).application_properties == values


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("header", Properties()),
        ("header", {"durable": True}),
        ("properties", Header()),
        ("properties", "text"),
        ("footer", [("a", 1)]),
        ("message_annotations", 5),
        ("application_properties", "text"),
    ],
)
def test_sections_of_the_wrong_kind(name: str, wrong: Any) -> None:
    assert path_of(Message(None, **{name: wrong})) == name


@pytest.mark.parametrize(
    ("message", "path"),
    [
        (Message({"a": [1, object()]}), "body['a'][1]"),
        (Message(AmqpSequence([1, {2, 3}])), "body[1]"),
        (Message(None, header=Header(priority=256)), "header.priority"),
        (Message(None, properties=Properties(group_sequence=-1)), "properties.group_sequence"),
        (Message(None, message_annotations={"a": {"b": object()}}), "message_annotations['a']['b']"),
        (Message("\ud800"), "body"),
    ],
)
def test_errors_say_where(message: Message, path: str) -> None:
    assert path_of(message) == path


def test_mappings_of_any_kind() -> None:
    from collections import OrderedDict
    from types import MappingProxyType

    for kind in (OrderedDict, MappingProxyType, lambda pairs: Map(pairs.items())):
        message = Message(None, application_properties=kind({"b": 1, "a": 2}))
        assert message.encode() == bytes.fromhex("005374 c10b04 a10162 5501 a10161 5502 005377 40")


def test_large_sections_take_the_wide_form() -> None:
    values = {f"key {number}": number for number in range(200)}
    message = Message(None, application_properties=values, message_annotations=values)
    again = Message.decode(message.encode())
    assert again.application_properties == again.message_annotations == values
    assert list(again.application_properties) == list(values)


def test_too_deep_or_cyclic() -> None:
    cyclic: list[object] = []
    cyclic.append(cyclic)
    for message in (Message(cyclic), Message(AmqpSequence(cyclic)), Message(None, footer={"a": cyclic})):
        with pytest.raises(EncodeError, match="deep"):
            message.encode()


def test_message_format_is_a_uint() -> None:
    for wrong in (-1, 2**32):
        with pytest.raises(OverflowError):
            Message(message_format=wrong)
    message = Message(message_format=2**32 - 1)
    assert message.message_format == 2**32 - 1
    message.message_format = 0
    with pytest.raises(OverflowError):
        message.message_format = -1


def test_body_type_follows_the_body() -> None:
    with pytest.raises(AttributeError):
        Message().body_type = "data"  # type: ignore[misc]


# --- equality, repr ---------------------------------------------------------------------------------------------------


def test_equality_is_by_all_sections() -> None:
    assert full() == full()
    assert full() == Message.decode(FULL, message_format=9)
    assert Message.decode(FULL) == Message.decode(FULL)
    assert Message.decode(FULL) != full(), "the format differs"
    for name in [*NAMES, "body"]:
        other = full()
        setattr(other, name, None)
        assert other != full()
    assert Message(b"a") != Message(AmqpValue(b"a"))
    assert Message([1]) != Message(AmqpSequence([1]))
    assert Message.decode(bytes.fromhex("005377 5501")) == Message.decode(bytes.fromhex("005377 810000000000000001"))
    something_else: list[Any] = [None, 5, b""]
    assert all(Message() != each for each in something_else)


def test_equality_of_what_is_malformed_is_by_bytes() -> None:
    broken = bytes.fromhex("005370 41 005375 a00178")
    assert Message.decode(broken) == Message.decode(broken)
    assert Message.decode(broken) != Message.decode(bytes.fromhex("005370 42 005375 a00178"))
    assert Message.decode(broken) != Message(b"x")


def test_reprs_show_no_content() -> None:
    assert repr(Message(b"secret" * 1000)) == "<Message body=data:6000 bytes>"
    assert repr(Message({"secret": 1}, header=Header())) == "<Message header body=amqp-value:dict>"
    assert repr(Message.decode(HELLO)) == "<Message body=data:10 bytes encoded>"
    assert repr(Message.decode(b"")) == "<Message body=none>"
    message = Message.decode(FULL)
    assert message.body
    names = "header delivery_annotations message_annotations properties application_properties footer"
    assert repr(message) == f"<Message {names} body=data:5 bytes>"
    assert repr(full()) == repr(message)


# --- subclasses, odd construction -------------------------------------------------------------------------------------


class OurMessage(Message):
    def __init__(self, text: str) -> None:
        super().__init__(text)


def test_subclasses() -> None:
    message = OurMessage("x")
    assert message.encode() == bytes.fromhex("005377 a10178")
    decoded = OurMessage.decode(HELLO)
    assert type(decoded) is OurMessage
    assert decoded.body == b"hello"
    assert repr(decoded).startswith("<OurMessage ")
    assert decoded == Message.decode(HELLO)


def test_a_message_without_init_is_empty_and_harmless() -> None:
    message = Message.__new__(Message)
    assert message.encode() == b""
    assert message.body is None
    message.body = 1
    assert decode(message.encode()).value == 1


def test_init_again_starts_anew() -> None:
    message = Message.decode(FULL)
    message.__init__("x")  # type: ignore[misc]
    assert message.encode() == bytes.fromhex("005377 a10178")
    assert message.header is None


def test_a_composite_as_body() -> None:
    assert Message(Accepted()).encode() == bytes.fromhex("005377 00532445")
    body = Message.decode(bytes.fromhex("005377 00532445")).body
    assert type(body) is Described, "to an application, descriptors mean what it says"
