"""Message and its bytes: forms of sections, what is malformed, and copying what nobody changed (§3.2)."""

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from amqp10._codec import Delivery, Message, new_delivery
from amqp10.errors import DecodeError, EncodeError
from amqp10.messaging import AmqpSequence, Data, Header
from amqp10.types import Described, Map, Symbol, UByte, ULong
from tests.vectors.notation import load

CODES = {
    "header": (0x70, "amqp:header:list"),
    "delivery_annotations": (0x71, "amqp:delivery-annotations:map"),
    "message_annotations": (0x72, "amqp:message-annotations:map"),
    "properties": (0x73, "amqp:properties:list"),
    "application_properties": (0x74, "amqp:application-properties:map"),
    "data": (0x75, "amqp:data:binary"),
    "sequence": (0x76, "amqp:amqp-sequence:list"),
    "value": (0x77, "amqp:amqp-value:*"),
    "footer": (0x78, "amqp:footer:map"),
}
SECTIONS = ["header", "delivery_annotations", "message_annotations", "properties", "application_properties", "footer"]
CONTENT = {
    "header": "c0020141",
    "delivery_annotations": "c10602a301615501",
    "message_annotations": "c10602a301625502",
    "properties": "c00702a1016da00175",
    "application_properties": "c10602a101635503",
    "data": "a00178",
    "sequence": "c003015501",
    "value": "5501",
    "footer": "c10602a301645504",
}
FORMS = {
    "small": lambda code, name: f"53{code:02x}",
    "eight bytes": lambda code, name: f"80{code:016x}",
    "symbol": lambda code, name: f"a3{len(name):02x}{name.encode().hex()}",
    "long symbol": lambda code, name: f"b3{len(name):08x}{name.encode().hex()}",
}


def section(name: str, form: str = "small", content: str | None = None) -> bytes:
    code, symbol = CODES[name]
    return bytes.fromhex("00" + FORMS[form](code, symbol) + (CONTENT[name] if content is None else content))


def message(form: str, body: str = "data") -> bytes:
    """A message with every section, its descriptors in one form."""
    return b"".join(section(name, form) for name in [*SECTIONS[:5], body, "footer"])


def read_all(decoded: Message) -> list[object]:
    return [getattr(decoded, name) for name in [*SECTIONS, "body", "body_type"]]


# --- descriptors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", ["data", "sequence", "value"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_descriptor(form: str, body: str) -> None:
    """SwiftMQ writes descriptors as ulongs of eight bytes; others write symbols."""
    encoded = message(form, body)
    decoded = Message.decode(encoded)
    assert decoded.encode() is encoded
    assert read_all(decoded) == read_all(Message.decode(message("small", body)))
    assert decoded.header == Header(durable=True)
    assert decoded.application_properties == {"c": 3}
    assert decoded.encode() == encoded, "read, but not changed"


def test_sections_in_different_forms() -> None:
    encoded = section("header", "symbol") + section("data", "eight bytes") + section("data") + section("data", "symbol")
    decoded = Message.decode(encoded)
    assert decoded.header == Header(durable=True)
    assert decoded.body == Data(b"x", b"x", b"x")
    assert decoded.encode() == encoded


def test_several_sequences() -> None:
    encoded = (
        section("sequence") + section("sequence", content="45") + section("sequence", content="d00000000400000000")
    )
    decoded = Message.decode(encoded)
    assert decoded.body == AmqpSequence([1], [], [])
    assert decoded.body_type == "amqp-sequence"
    assert decoded.encode() == encoded


def test_a_footer_before_the_body_is_read_and_written_where_it_belongs() -> None:
    encoded = section("properties") + section("footer") + section("data")
    message = Message.decode(encoded)
    body, footer = message.body, message.footer
    assert body
    assert footer
    assert message.encode() == encoded
    message.application_properties = {"new": 1}
    again = Message.decode(message.encode())
    assert (again.body, again.footer, again.application_properties) == (body, footer, {"new": 1})
    assert message.encode().endswith(section("footer"))


@pytest.mark.parametrize("last", ["footer", "header", "properties"])
def test_nothing_but_the_body_follows_a_footer(last: str) -> None:
    with pytest.raises(DecodeError, match="out of order"):
        Message.decode(section("footer") + section(last) + section("data"))


# --- what is malformed ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [*SECTIONS, "data", "sequence", "value"])
@pytest.mark.parametrize("second", [*SECTIONS, "data", "sequence", "value"])
def test_order(first: str, second: str) -> None:
    order = [*SECTIONS[:5], "body", "footer"]
    places = [order.index("body" if name in {"data", "sequence", "value"} else name) for name in (first, second)]
    encoded = section(first) + section(second)
    early_footer = first == "footer" and order[places[1]] == "body"  # borne, as there are senders of it
    if places[0] < places[1] or early_footer or first == second in {"data", "sequence"}:
        assert Message.decode(encoded).encode() == encoded
        return
    with pytest.raises(DecodeError, match="out of order") as caught:
        Message.decode(encoded)
    assert caught.value.offset == len(section(first))


@pytest.mark.parametrize(
    ("encoded", "offset"),
    [
        ("40", 0),
        ("a00178", 0),
        ("00", 1),
        ("0053", 2),
        ("005370", 3),
        ("00536f45", 0),
        ("00537945", 0),
        ("005300 45", 0),
        ("004445", 0),
        ("00800000000100000070 45", 0),
        ("008000000000000000", 2),
        ("00a3086e6f7468696e6721 45", 0),
        ("00a310616d71703a6865616465723a6c697370 45", 0),
        ("00a11061 6d71703a6865616465723a6c697374 45", 0),
        ("0000537045 45", 0),
        ("005375a00561", 5),
        ("005375b0ffffffff61", 8),
        ("005370c0ff01", 5),
        ("005377", 3),
        ("005377 3f", 3),
        ("005370 45 ff", 4),
        ("005370 45 005375", 7),
    ],
)
def test_envelopes_that_are_malformed(encoded: str, offset: int) -> None:
    with pytest.raises(DecodeError) as caught:
        Message.decode(bytes.fromhex(encoded))
    assert caught.value.offset == offset


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("header", "41"),
        ("header", "c10100"),
        ("header", "c0020250"),
        ("header", "c00302a100"),
        ("header", "c0080641505050414141"),
        ("properties", "a00178"),
        ("properties", "c0020141"),
        ("delivery_annotations", "45"),
        ("message_annotations", "40"),
        ("application_properties", "c00100"),
        ("application_properties", "c1020140"),
        ("application_properties", "c10702a10161c00200"),
        ("application_properties", "c10602a101c35501"),
        ("application_properties", "c10b04a101615501a101615501"),
        ("footer", "00537845"),
    ],
)
def test_sections_that_are_malformed(name: str, content: str) -> None:
    """The rest of the message stays readable, and the message can be passed on as it is."""
    encoded = section(name, content=content)
    encoded = encoded + section("data") if name != "footer" else section("data") + encoded
    decoded = Message.decode(encoded)
    assert decoded.body == b"x"
    for _ in range(2):
        with pytest.raises(DecodeError) as caught:
            getattr(decoded, name)
        assert caught.value.offset is not None
        assert caught.value.offset <= len(encoded)
    assert decoded.encode() == encoded
    setattr(decoded, name, None)
    assert decoded.encode() == section("data")


def test_keys_of_annotations_are_not_judged_in_what_is_read() -> None:
    decoded = Message.decode(section("data") + section("footer", content="c1050241a30161"))
    assert decoded.footer == {True: Symbol("a")}


@pytest.mark.parametrize(
    "encoded",
    ["005375 40", "005375 a10178", "005375 45", "005376 a00178", "005376 40", "005376 c10100", "005377 c0020240"],
)
def test_bodies_that_are_malformed(encoded: str) -> None:
    decoded = Message.decode(section("header") + bytes.fromhex(encoded))
    assert decoded.header == Header(durable=True)
    with pytest.raises(DecodeError):
        _ = decoded.body
    decoded.body = "another"
    assert decoded.encode() == section("header") + bytes.fromhex("005377 a107 616e6f74686572")


def test_the_second_of_several_bodies_is_malformed() -> None:
    decoded = Message.decode(section("data") + section("data", content="a10178"))
    with pytest.raises(DecodeError) as caught:
        _ = decoded.body
    assert caught.value.offset == 9


# --- limits -----------------------------------------------------------------------------------------------------------


def test_limits() -> None:
    nested = section("value", content="c00701c00401c00100")
    assert Message.decode(nested, max_depth=3).body == [[[]]]
    decoded = Message.decode(nested, max_depth=2)
    with pytest.raises(DecodeError, match="deep"):
        _ = decoded.body
    nulls = section("value", content="f0000000050000006440")
    assert len(Message.decode(nulls, max_elements=100).body) == 100
    decoded = Message.decode(nulls, max_elements=99)
    with pytest.raises(DecodeError):
        _ = decoded.body
    encoded = message("small")
    assert Message.decode(encoded, max_size=len(encoded)).body == b"x"
    for data in (encoded, bytearray(encoded), memoryview(encoded)):
        with pytest.raises(DecodeError) as caught:
            Message.decode(data, max_size=len(encoded) - 1)
        assert caught.value.offset == 0
    for wrong in ({"max_depth": -1}, {"max_depth": 10_000}, {"max_elements": -1}):
        with pytest.raises(ValueError, match="max_"):
            Message.decode(encoded, **wrong)


def test_what_was_decoded_deep_is_encoded_as_deep() -> None:
    value: object = 1
    for _ in range(100):
        value = [value]
    with pytest.raises(EncodeError):
        Message(value).encode()
    content = b"\x55\x01"
    for _ in range(100):
        content = b"\xd0" + (len(content) + 4).to_bytes(4, "big") + b"\0\0\0\x01" + content
    decoded = Message.decode(b"\x00\x53\x77" + content, max_depth=200)
    assert decoded.body == value
    assert decoded.encode() == b"\x00\x53\x77" + content
    decoded.body[0] = [2]
    assert Message.decode(decoded.encode()).body == [[2]]
    decoded.body[0] = value
    assert Message.decode(decoded.encode(), max_depth=200).body == [value]


# --- buffers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("convert", [bytearray, memoryview])
def test_any_buffer(convert: Any) -> None:
    data = bytearray(message("small"))
    decoded = Message.decode(convert(data))
    data[:] = bytes(len(data))
    assert read_all(decoded) == read_all(Message.decode(message("small")))


@pytest.mark.parametrize("wrong", ["text", None, 5, [1]])
def test_what_is_no_buffer(wrong: Any) -> None:
    with pytest.raises(TypeError):
        Message.decode(wrong)


# --- copying ----------------------------------------------------------------------------------------------------------

# Forms that our encoder would not choose, so that a copy can be told from an encoding.
ODD = (
    section("header", "eight bytes", "d00000000700000002" + "5601" + "40")
    + section("message_annotations", "symbol", "d10000000f00000002" + "b30000000161" + "7100000001")
    + section("properties", "long symbol", "d00000000a00000001" + "b1000000016d")
    + section("application_properties", "small", "d10000001300000002" + "b10000000161" + "810000000000000001")
    + section("value", "eight bytes", "d00000000d00000001" + "810000000000000001")
)
PARTS = ["header", "message_annotations", "properties", "application_properties", "body"]


def test_untouched_is_the_same_object() -> None:
    assert Message.decode(ODD).encode() is ODD


def test_read_but_unchanged_is_copied() -> None:
    decoded = Message.decode(ODD)
    assert decoded.header == Header(durable=True)
    assert decoded.message_annotations == {Symbol("a"): 1}
    assert decoded.properties.message_id == "m"
    assert decoded.application_properties == {"a": 1}
    assert decoded.body == [1]
    assert decoded.encode() is ODD


def test_a_malformed_message_is_passed_on_as_it_is() -> None:
    broken = section("header") + b"\x00\x53"
    delivery = new_delivery(Delivery, None, 0, b"", 0, False, [broken])
    assert delivery.message.header == Header(durable=True)
    assert delivery.message.encode() is broken
    delivery.message.header.durable = False
    with pytest.raises(DecodeError):
        delivery.message.encode()
    with pytest.raises(DecodeError):
        delivery.message.footer = None


@pytest.mark.parametrize("read", PARTS)
@pytest.mark.parametrize("assigned", ["delivery_annotations", "footer"])
def test_a_new_section_leaves_the_others_as_they_came(read: str, assigned: str) -> None:
    decoded = Message.decode(ODD)
    getattr(decoded, read)
    setattr(decoded, assigned, {"x": 1})
    added = section(assigned, content="c10602a301785501")
    at = ODD.index(section("message_annotations", "symbol", "")) if assigned == "delivery_annotations" else len(ODD)
    assert decoded.encode() == ODD[:at] + added + ODD[at:]


def change(decoded: Message, name: str) -> None:
    """Change a section in place."""
    if name == "header":
        decoded.header.durable = False
    elif name == "properties":
        decoded.properties.message_id = Symbol("n")
    elif name == "body":
        decoded.body.append(2)
    else:
        getattr(decoded, name)["b"] = 2


def spans() -> dict[str, bytes]:
    """The bytes of each section of ODD."""
    forms = {"header": "eight bytes", "message_annotations": "symbol", "properties": "long symbol",
             "application_properties": "small", "value": "eight bytes"}  # fmt: skip
    starts = [ODD.index(section(name, form, "")) for name, form in forms.items()] + [len(ODD)]
    return {name: ODD[start:end] for name, start, end in zip(PARTS, starts[:-1], starts[1:], strict=True)}


@pytest.mark.parametrize("changed", PARTS)
def test_only_what_was_changed_is_encoded_anew(changed: str) -> None:
    decoded = Message.decode(ODD)
    read_all(decoded)
    change(decoded, changed)
    encoded = decoded.encode()
    before, after = ODD.split(spans()[changed])
    assert encoded.startswith(before)
    assert encoded.endswith(after)
    assert len(encoded) < len(ODD)
    assert getattr(Message.decode(encoded), changed) == getattr(decoded, changed)


def test_types_count_as_changes() -> None:
    decoded = Message.decode(ODD)
    decoded.application_properties["a"] = True
    assert Message.decode(decoded.encode()).application_properties == {"a": True}
    assert Message.decode(decoded.encode()).application_properties["a"] is True
    decoded = Message.decode(ODD)
    decoded.body[0] = UByte(1)
    assert type(Message.decode(decoded.encode()).body[0]) is UByte


def test_changed_and_changed_back() -> None:
    decoded = Message.decode(ODD)
    decoded.body.append(2)
    decoded.body.pop()
    assert decoded.encode() == ODD


def test_a_changed_section_is_judged_an_unchanged_one_is_not() -> None:
    """Peers send what the specification does not allow; it may pass through, but we do not write it."""
    odd = section("application_properties", content="c10702a10161c00100") + section("data")
    decoded = Message.decode(odd)
    assert decoded.application_properties == {"a": []}
    assert decoded.encode() == odd
    decoded.application_properties["b"] = 1
    with pytest.raises(EncodeError, match="'a'"):
        decoded.encode()
    odd = section("footer", content="c10602a101615501")
    decoded = Message.decode(odd)
    assert decoded.footer == {"a": 1}
    assert decoded.encode() == odd
    decoded.footer["a"] = 2
    assert decoded.encode() == section("footer", content="c10602a301615502"), "a str key is written as a symbol"


def test_maps_that_are_no_dicts() -> None:
    odd = section("message_annotations", content="c10b04a301615501a101615502")
    decoded = Message.decode(odd)
    assert isinstance(decoded.message_annotations, Map)
    assert decoded.encode() == odd


def test_corpus_of_other_clients() -> None:
    """Untouched, and read without a change, messages keep their bytes."""
    count = 0
    for client in ("proton", "rhea"):
        for vector in load(client):
            if vector.kind != "message":
                continue
            try:
                decoded = Message.decode(vector.encoded)
            except DecodeError:
                assert client == "rhea", vector.name
                assert "message.encode" in vector.name
                continue
            assert decoded.encode() == vector.encoded
            read_all(decoded)
            assert decoded.encode() == vector.encoded, vector.name
            decoded.message_format = 3
            decoded.header = Header(ttl=5)
            again = Message.decode(decoded.encode())
            assert read_all(again)[1:] == read_all(Message.decode(vector.encoded))[1:]
            count += 1
    assert count > 300


# --- any message ------------------------------------------------------------------------------------------------------

simple = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False), st.binary(max_size=20),
    st.text(max_size=20), st.uuids(), st.text("abc:-", max_size=9).map(Symbol),
)  # fmt: skip
values = st.recursive(
    simple,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(max_size=5), inner, max_size=4),
        st.builds(Described, st.integers(0, 2**64 - 1).map(ULong), inner),
    ),
    max_leaves=12,
)
annotations = st.none() | st.dictionaries(
    st.text("abc", min_size=1).map(Symbol) | st.integers(0, 99).map(ULong), values
)
bodies = st.one_of(
    values,
    st.binary(max_size=300),
    st.lists(st.binary(max_size=300), min_size=1, max_size=3).map(lambda parts: Data(*parts)),
    st.lists(st.lists(values, max_size=3), min_size=1, max_size=3).map(lambda lists: AmqpSequence(*lists)),
)
headers = st.none() | st.builds(
    Header, durable=st.booleans(), priority=st.integers(0, 255), ttl=st.none() | st.integers(0, 2**32 - 1)
)
messages = st.builds(
    Message,
    bodies,
    header=headers,
    delivery_annotations=annotations,
    message_annotations=annotations,
    application_properties=st.none() | st.dictionaries(st.text(), simple),
    footer=annotations,
    message_format=st.integers(0, 2**32 - 1),
)


@given(messages)
def test_round_trip(built: Message) -> None:
    encoded = built.encode()
    decoded = Message.decode(encoded, message_format=built.message_format)
    assert decoded.encode() is encoded
    assert decoded == built
    assert decoded.encode() == encoded
    assert built.encode() == encoded


@given(messages, st.sampled_from([*SECTIONS, "body"]), values)
def test_one_section_replaced(built: Message, name: str, value: object) -> None:
    assume(name not in {"header", "properties"})
    encoded = built.encode()
    decoded = Message.decode(encoded, message_format=built.message_format)
    replacement: Any = value if name == "body" else {"x": 1}
    setattr(decoded, name, replacement)
    setattr(built, name, replacement)
    assert decoded.encode() == built.encode()


@given(st.binary(max_size=60))
def test_any_bytes(data: bytes) -> None:
    try:
        decoded = Message.decode(data)
    except DecodeError:
        return
    assert decoded.encode() == data
