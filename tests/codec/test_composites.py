"""Composites by table (types.xml, "Composite Types"): each of the specification, by its bytes, both ways."""

from __future__ import annotations

import copy
import pickle
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqp10 import _codec
from amqp10._codec import decode, decode_composite, encode, encode_composite
from amqp10.composite import Composite, field, mandatory
from amqp10.errors import DecodeError, EncodeError
from amqp10.messaging import Header, Properties
from amqp10.outcomes import ACCEPTED, Accepted, Modified, Received, Rejected, Released, TransactionalState
from amqp10.performatives import (
    Attach,
    Begin,
    Close,
    Detach,
    Disposition,
    End,
    Error,
    Flow,
    Open,
    SaslInit,
    SaslMechanisms,
    SaslOutcome,
    SaslResponse,
    Transfer,
)
from amqp10.terminus import DeleteOnClose, Source, Target, selector_filter
from amqp10.types import (
    Array,
    Described,
    Role,
    SaslCode,
    SenderSettleMode,
    Symbol,
    TerminusDurability,
    TerminusExpiryPolicy,
    UInt,
    ULong,
)
from tests.codec.composites import SPECS, Spec, sample
from tests.codec.values import assert_same, scalars

composites = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
every_field = pytest.mark.parametrize(
    ("spec", "index"),
    [pytest.param(spec, i, id=f"{spec.name}.{each.name}") for spec in SPECS for i, each in enumerate(spec.fields)],
)


def bytes_of(*elements: str) -> bytes:
    """Write a list of elements that are hexadecimal already."""
    content = bytes.fromhex("".join(elements))
    if len(content) > 254:
        return bytes.fromhex(f"d0 {len(content) + 4:08x} {len(elements):08x} {content.hex()}")
    return bytes.fromhex(f"c0 {len(content) + 1:02x} {len(elements):02x} {content.hex()}")


def described(spec: Spec, body: bytes) -> bytes:
    return bytes([0x00, 0x53, spec.code]) + body


def needed(spec: Spec) -> dict[str, Any]:
    """Give values to the mandatory fields."""
    return {each.attribute: sample(each)[0] for each in spec.fields if each.mandatory}


def elements(spec: Spec) -> list[str]:
    return [sample(each)[1] for each in spec.fields]


def full(spec: Spec) -> Composite:
    return spec.cls(**{each.attribute: sample(each)[0] for each in spec.fields})


def of(cls: Any, **fields: Any) -> Any:
    """Make a composite of fields of any type."""
    return cls(**fields)


# --- the tables -------------------------------------------------------------------------------------------------------


@composites
def test_table_has_the_fields_of_the_specification(spec: Spec) -> None:
    assert getattr(spec.cls, "__match_args__", ()) == tuple(each.attribute for each in spec.fields)


@composites
def test_defaults_are_those_of_the_specification(spec: Spec) -> None:
    composite = spec.cls(**needed(spec))
    for each in spec.fields:
        if not each.mandatory:
            assert getattr(composite, each.attribute) == each.default


@composites
def test_mandatory_field_has_to_be_given(spec: Spec) -> None:
    given = needed(spec)
    for name in given:
        with pytest.raises(TypeError, match=rf"^{spec.cls.__name__}\(\) needs {name}$"):
            spec.cls(**{other: value for other, value in given.items() if other != name})


def test_unknown_field_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^Open\(\) has no hostnam, size$"):
        of(Open, container_id="x", hostnam="y", size=1)
    untyped: Any = Open
    with pytest.raises(TypeError):
        untyped("x")


# --- by their bytes ---------------------------------------------------------------------------------------------------


@composites
def test_composite_with_every_field(spec: Spec) -> None:
    encoded = described(spec, bytes_of(*elements(spec)) if spec.fields else b"\x45")
    assert encode_composite(full(spec)).hex() == encoded.hex()
    decoded = decode_composite(encoded)
    assert decoded == full(spec)
    assert_same(decoded, full(spec))


@composites
def test_composite_is_read_by_any_form_of_its_descriptor(spec: Spec) -> None:
    body = bytes_of(*elements(spec))
    for descriptor in (
        bytes([0x53, spec.code]),
        b"\x80" + spec.code.to_bytes(8, "big"),
        b"\xa3" + bytes([len(spec.symbol)]) + spec.symbol,
        b"\xb3" + len(spec.symbol).to_bytes(4, "big") + spec.symbol,
    ):
        assert decode_composite(b"\x00" + descriptor + body) == full(spec)


@composites
def test_composite_is_read_from_any_form_of_its_list(spec: Spec) -> None:
    content = bytes.fromhex("".join(elements(spec)))
    for nulls in (0, 1, 5):
        count = len(spec.fields) + nulls
        size = len(content) + nulls
        narrow = bytes([0xC0, size + 1, count]) if size < 255 else b""
        wide = b"\xd0" + (size + 4).to_bytes(4, "big") + count.to_bytes(4, "big")
        for head in filter(None, (narrow, wide)):
            assert decode_composite(described(spec, head + content + b"\x40" * nulls)) == full(spec)


@composites
def test_absent_and_null_fields_are_their_defaults(spec: Spec) -> None:
    short = [sample(each)[1] if each.mandatory else "40" for each in spec.fields]
    expected = spec.cls(**needed(spec))
    assert decode_composite(described(spec, bytes_of(*short))) == expected
    while short and short[-1] == "40":
        short.pop()
    trimmed = described(spec, bytes_of(*short) if short else b"\x45")
    assert decode_composite(trimmed) == expected
    # What may be left out is, but for header.durable, which is always written.
    if spec.name != "header":
        assert encode_composite(expected).hex() == trimmed.hex()


@composites
def test_application_sees_a_described_list(spec: Spec) -> None:
    assert_same(decode(described(spec, b"\x45")), Described(ULong(spec.code), []))
    decoded = decode(encode([full(spec)]))
    assert type(decoded[0]) is Described
    assert decode_composite(encode([full(spec)])) == [full(spec)]


LITERAL: list[tuple[str, Composite]] = [
    (
        "005310 c01f 09 a1 03 636964 a1 04 686f7374 70 00010000 60 00ff 70 00007530 40 40 40 a3 01 63",
        of(Open, container_id="cid", hostname="host", max_frame_size=65536, channel_max=255, idle_time_out=30000,
           desired_capabilities="c"),
    ),
    ("005311 c00a 04 40 43 5205 70 00000800", Begin(next_outgoing_id=0, incoming_window=5, outgoing_window=2048)),
    ("005311 c009 04 600000 43 5205 5205",
     Begin(remote_channel=0, next_outgoing_id=0, incoming_window=5, outgoing_window=5)),
    (
        "005312 c01b 07 a1 01 6c 43 41 5001 40 00 5328 c009 01 a1 06 73 6f75726365 00 5329 45",
        of(Attach, name="l", handle=0, role=Role.RECEIVER, snd_settle_mode=SenderSettleMode.SETTLED,
           source=Source(address="source"), target=Target()),
    ),
    ("005313 c007 04 43 5201 43 5201",
     Flow(next_incoming_id=0, incoming_window=1, next_outgoing_id=0, outgoing_window=1)),
    (
        "005313 c00d 09 43 5201 43 5201 43 43 5264 40 41",
        Flow(next_incoming_id=0, incoming_window=1, next_outgoing_id=0, outgoing_window=1, handle=0, delivery_count=0,
             link_credit=100, drain=True),
    ),
    (
        "005314 c00a 05 43 5201 a0 02 aabb 43 42",
        Transfer(handle=0, delivery_id=1, delivery_tag=b"\xaa\xbb", message_format=0, settled=False),
    ),
    ("005315 c00b 05 41 5201 5203 41 005324 45", Disposition(role=True, first=1, last=3, settled=True, state=ACCEPTED)),
    ("005316 c003 02 43 41", Detach(handle=0, closed=True)),
    ("005317 45", End()),
    ("005318 c009 01 00531d c003 01 a300", Close(error=Error(condition=Symbol("")))),
    ("005324 45", Accepted()),
    ("005323 c004 02 5201 44", Received(section_number=1, section_offset=0)),
    ("005340 c00d 01 e00a 02 a3 03 616263 03 646566", of(SaslMechanisms, sasl_server_mechanisms=["abc", "def"])),
    ("005344 c003 01 5000", SaslOutcome(code=SaslCode.OK)),
    ("005370 c002 01 42", Header()),
    ("005370 c005 03 41 40 5205", Header(durable=True, ttl=5)),
    ("005373 45", Properties()),
    ("005373 c003 01 5303", Properties(message_id=3)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "composite"), LITERAL, ids=[type(each).__name__ for _, each in LITERAL])
def test_composite_by_its_bytes(text: str, composite: Composite) -> None:
    encoded = bytearray.fromhex(text)
    assert encode_composite(composite).hex() == encoded.hex()
    assert decode_composite(encoded) == composite


def test_header_of_a_client_that_writes_wide() -> None:
    """As some write it: durable, priority, and list32."""
    assert decode_composite(bytes.fromhex("005370 d000000007 00000002 42 5000")) == Header(priority=0)


def test_list_of_fields_grows_to_the_wide_form() -> None:
    error = Error(condition=Symbol("a:b"), description="d" * 300, info={Symbol(str(i)): "x" * 40 for i in range(20)})
    close = Close(error=error)
    encoded = encode_composite(close)
    assert encoded[3] == 0xD0
    assert decode_composite(encoded) == close


# --- what is refused in decoding --------------------------------------------------------------------------------------


@every_field
def test_mandatory_field_may_not_be_null_nor_absent(spec: Spec, index: int) -> None:
    each = spec.fields[index]
    content = elements(spec)
    nulled = described(spec, bytes_of(*content[:index], "40", *content[index + 1 :]))
    if not each.mandatory:
        assert getattr(decode_composite(nulled), each.attribute) == each.default
        return
    label = f"{spec.name}.{each.name}"
    with pytest.raises(DecodeError, match=rf"^{label}: mandatory, but null at offset \d+$") as caught:
        decode_composite(nulled)
    assert nulled[caught.value.offset or 0] == 0x40
    for absent in (bytes_of(*content[:index]), *([b"\x45"] if index == 0 else [])):
        with pytest.raises(DecodeError, match=rf"^{spec.name}\.[\w-]+: mandatory, but absent at offset 3$"):
            decode_composite(described(spec, absent))


# A value of each type, and of what is no value of a field of that type.
WRONG = {
    "boolean": "41", "ubyte": "5001", "ushort": "600001", "uint": "5201", "ulong": "5301", "byte": "5101",
    "int": "5401", "long": "5501", "string": "a10161", "symbol": "a30161", "binary": "a00161", "list": "45",
    "timestamp": "830000000000000000", "uuid": "98" + "00" * 16, "map": "c10100", "array": "e0020040",
    "other": "00532445", "unknown": "0053ee45",
}  # fmt: skip
RIGHT = {
    "address": {"string"},
    "fields": {"map"},
    "message-id": {"ulong", "uuid", "binary", "string"},
    "*": set(WRONG),
}


@every_field
def test_field_of_another_type_is_refused(spec: Spec, index: int) -> None:
    each = spec.fields[index]
    content = elements(spec)
    right = RIGHT.get(each.type, {each.type}) | ({"array"} if each.multiple and each.mandatory else set())
    for kind, wrong in WRONG.items():
        encoded = described(spec, bytes_of(*content[:index], wrong, *content[index + 1 :]))
        if kind in right and not (kind == "array" and each.multiple):
            decode_composite(encoded)
            continue
        with pytest.raises(DecodeError, match=rf"^{spec.name}\.{each.name}: ") as caught:
            decode_composite(encoded)
        start = 3 + (9 if encoded[3] == 0xD0 else 3) + len(bytes.fromhex("".join(content[:index])))
        assert caught.value.offset == start


@composites
def test_field_that_is_not_known_is_refused(spec: Spec) -> None:
    with pytest.raises(DecodeError, match=f"{spec.name}: more fields than its {len(spec.fields)}"):
        decode_composite(described(spec, bytes_of(*elements(spec), "40", "42")))


@composites
def test_body_is_a_list(spec: Spec) -> None:
    for body, kind in (("40", "null"), ("c10100", "map"), ("e0020040", "array"), ("0053 01 45", "described value")):
        with pytest.raises(DecodeError, match=f"{spec.name}: {kind} where a list belongs at offset 3"):
            decode_composite(described(spec, bytes.fromhex(body)))
    with pytest.raises(DecodeError, match="unknown constructor 0x46"):
        decode_composite(described(spec, b"\x46"))


@composites
def test_every_truncation_is_refused(spec: Spec) -> None:
    encoded = encode_composite(full(spec))
    for length in range(len(encoded)):
        with pytest.raises(DecodeError):
            decode_composite(encoded[:length])


# --- multiple ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a30161", ["a"]),
        ("b30000000161", ["a"]),
        ("e0 04 01 a3 01 61", ["a"]),
        ("e0 06 02 a3 01 61 01 62", ["a", "b"]),
        ("f0 0000000a 00000001 b3 00000001 61", ["a"]),
        ("40", None),
        ("e0 02 00 a3", None),
    ],
)
def test_multiple_field_takes_one_value_or_an_array(text: str, values: list[str] | None) -> None:
    """types.xml: null and an array of length zero "both describe an absence of a value"."""
    decoded = decode_composite(bytes.fromhex("005330") + bytes_of(text))
    assert_same(decoded.capabilities, None if values is None else [Symbol(each) for each in values])


@pytest.mark.parametrize(
    "text", ["e0 04 01 a1 01 61", "e0 02 00 40", "e0 07 01 00 5301 a3 01 61", "c0 04 01 a3 01 61", "a10161"]
)
def test_multiple_field_of_another_type_is_refused(text: str) -> None:
    with pytest.raises(DecodeError, match=r"^coordinator\.capabilities: "):
        decode_composite(bytes.fromhex("005330") + bytes_of(text))


def test_mandatory_multiple_field_needs_a_value() -> None:
    with pytest.raises(DecodeError, match=r"^sasl-mechanisms\.sasl-server-mechanisms: mandatory, but empty"):
        decode_composite(bytes.fromhex("005340") + bytes_of("e00200a3"))
    with pytest.raises(EncodeError, match=r"^sasl-mechanisms\.sasl_server_mechanisms: mandatory, but absent$"):
        encode_composite(SaslMechanisms(sasl_server_mechanisms=[]))


def test_multiple_field_is_written_as_it_is_given() -> None:
    one, many = of(Source, capabilities="q"), Source(capabilities=["q"])
    assert encode_composite(one) == bytes.fromhex("005328 c00e 0b" + "40" * 10 + "a30171")
    assert encode_composite(many) == bytes.fromhex("005328 c011 0b" + "40" * 10 + "e00401a30171")
    assert one == many == decode_composite(encode_composite(one)) == decode_composite(encode_composite(many))
    assert Source(capabilities=()) == Source(capabilities=None) == Source()
    assert encode_composite(Source(capabilities=[])) == encode_composite(Source())


# --- maps and values of any type --------------------------------------------------------------------------------------


def test_described_values_in_fields_become_composites() -> None:
    unsettled = {
        b"1": Accepted(),
        b"2": Rejected(error=Error(condition=Symbol("a:b"))),
        b"3": None,
        b"4": Described(0x99, []),
    }
    attach = Attach(
        name="l", handle=0, role=False, unsettled=unsettled,
        source=Source(
            address="x", filter=selector_filter("a > 1"), default_outcome=Modified(delivery_failed=True),
            dynamic_node_properties={Symbol("lifetime-policy"): DeleteOnClose()},
        ),
    )  # fmt: skip
    decoded = decode_composite(encode_composite(attach))
    assert decoded == attach
    assert type(decoded.source.default_outcome) is Modified
    assert type(decoded.source.dynamic_node_properties["lifetime-policy"]) is DeleteOnClose
    assert type(decoded.source.filter["apache.org:selector-filter:string"]) is Described
    assert decoded.unsettled[b"1"] is decode_composite(b"\x00\x53\x24\x45")


@given(st.dictionaries(st.text(st.characters(max_codepoint=127)), scalars, max_size=3))
def test_keys_of_fields_become_symbols(entries: dict[str, Any]) -> None:
    encoded = encode_composite(of(Error, condition="a:b", info=entries))
    info = decode_composite(encoded).info
    assert_same(list(info), [Symbol(key) for key in entries])


def test_string_keys_of_a_peer_are_kept_and_written_as_symbols() -> None:
    decoded = decode_composite(bytes.fromhex("00531d") + bytes_of("a30161", "40", "c106 02 a1016b 5501"))
    assert_same(decoded.info, {"k": 1})
    assert b"\xa3\x01k" in encode_composite(decoded)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("c1 05 02 5501 5501", "int where a symbol belongs"),
        ("c1 03 02 40 40", "NoneType where a symbol belongs"),
        ("c1 06 02 a1 02 c3a9 40", "str where a symbol belongs"),
        ("c1 09 04 a1016b 40 a3016b 40", "the same key as a symbol and as a string"),
        ("c1 03 02 45 40", "list where a symbol belongs"),
    ],
)
def test_other_keys_of_fields_are_refused(text: str, message: str) -> None:
    with pytest.raises(DecodeError, match=rf"^error\.info: {message}"):
        decode_composite(bytes.fromhex("00531d") + bytes_of("a30161", "40", text))


# --- what is refused in encoding --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("composite", "message"),
    [
        (of(Open, container_id=None), "open.container_id: mandatory, but absent"),
        (of(Open, container_id=5), "open.container_id: int where string belongs"),
        (of(Open, container_id=b"x"), "open.container_id: bytes where string belongs"),
        (of(Open, container_id="x", channel_max=65536), "open.channel_max: 65536 is out of the range of ushort"),
        (of(Open, container_id="x", channel_max=True), "open.channel_max: bool where ushort belongs"),
        (of(Open, container_id="x", idle_time_out=-1), "open.idle_time_out: -1 is out of the range of uint"),
        (of(Open, container_id="x", idle_time_out=1.5), "open.idle_time_out: float where uint belongs"),
        (of(Open, container_id="x", offered_capabilities=["a", "é"]), "open.offered_capabilities[1]: a symbol"),
        (of(Open, container_id="x", offered_capabilities=[1]), "open.offered_capabilities[0]: int where"),
        (of(Open, container_id="x", offered_capabilities=5), "open.offered_capabilities: int where symbol belongs"),
        (of(Open, container_id="x", properties={1: 2}), "open.properties[1]: int where a symbol as key belongs"),
        (of(Open, container_id="x", properties={"a": [object()]}), "open.properties['a'][0]: no AMQP type for object"),
        (of(Open, container_id="x", properties=[]), "open.properties: list where map belongs"),
        (of(Begin, next_outgoing_id=2**32, incoming_window=0, outgoing_window=0), "begin.next_outgoing_id: 429496"),
        (of(Attach, name="x", handle=0, role=1), "attach.role: int where boolean belongs"),
        (of(Attach, name="x", handle=0, role=True, unsettled=[]), "attach.unsettled: list where map belongs"),
        (of(Attach, name="x", handle=0, role=True, source=of(Source, timeout=-1)), "attach.source.timeout: -1 is"),
        (of(Attach, name="x", handle=0, role=True, source=of(Source, filter={"f": Described(1, object())})),
         "attach.source.filter['f'].value: no AMQP type for object"),
        (of(Transfer, handle=0, delivery_tag="x"), "transfer.delivery_tag: str where binary belongs"),
        (of(Close, error=Accepted()), "close.error: Accepted where error belongs"),
        (of(Close, error="x"), "close.error: str where error belongs"),
        (of(Close, error=of(Error, condition="é")), "close.error.condition: a symbol is ASCII only"),
        (of(Properties, message_id=-1), "properties.message_id: -1 is out of the range of ulong"),
        (of(Properties, message_id=True), "properties.message_id: bool where message-id belongs"),
        (of(Properties, message_id=1.5), "properties.message_id: float where message-id belongs"),
        (of(Properties, creation_time="now"), "properties.creation_time: str where timestamp belongs"),
        (of(Header, priority=256), "header.priority: 256 is out of the range of ubyte"),
    ],
)  # fmt: skip
def test_error_names_the_field(composite: Composite, message: str) -> None:
    with pytest.raises(EncodeError) as caught:
        encode_composite(composite)
    assert str(caught.value).startswith(message)
    assert caught.value.path == message.partition(": ")[0]


def test_error_within_a_value_names_the_field() -> None:
    with pytest.raises(EncodeError) as caught:
        encode({"state": [Rejected(error=of(Error, condition="é"))]})
    assert caught.value.path == "['state'][0].error.condition"


def test_restricted_types_take_their_enumerations() -> None:
    source = Source(durable=TerminusDurability.UNSETTLED_STATE, expiry_policy=TerminusExpiryPolicy.NEVER)
    decoded = decode_composite(encode_composite(source))
    assert_same((decoded.durable, decoded.expiry_policy), (2, Symbol("never")))


@pytest.mark.parametrize("value", [5, 2**64 - 1, uuid.UUID(int=9), b"id", "id"])
def test_message_id_keeps_one_of_four_types(value: Any) -> None:
    assert_same(decode_composite(encode_composite(Properties(message_id=value))).message_id, value)


def test_numbers_of_fields_are_plain() -> None:
    flow = Flow(incoming_window=UInt(5), next_outgoing_id=0, outgoing_window=2**31)
    decoded = decode_composite(encode_composite(flow))
    assert [type(decoded.incoming_window), type(decoded.next_outgoing_id), type(decoded.outgoing_window)] == [int] * 3


def test_depth_of_composites_is_limited() -> None:
    state: Any = Released()
    for _ in range(70):
        state = TransactionalState(txn_id=b"t", outcome=state)
    with pytest.raises(EncodeError, match="nested too deep"):
        encode_composite(state)
    with pytest.raises(EncodeError, match="nested too deep"):
        encode(state)
    encoded = encode(state, max_depth=100)
    assert decode_composite(encoded, max_depth=100) == state
    with pytest.raises(DecodeError, match="nested too deep"):
        decode_composite(encoded)
    assert decode_composite(b"\x00\x53\x24\x45", max_depth=1) == Accepted()
    with pytest.raises(DecodeError):
        decode_composite(b"\x00\x53\x24\x45", max_depth=0)
    with pytest.raises(DecodeError, match="a count of"):
        decode_composite(encode_composite(Open(container_id="x", hostname="y")), max_elements=1)


# --- the objects ------------------------------------------------------------------------------------------------------


@composites
def test_composite_is_copied_and_pickled(spec: Spec) -> None:
    composite = full(spec)
    for copied in (copy.copy(composite), copy.deepcopy(composite), pickle.loads(pickle.dumps(composite))):
        assert type(copied) is spec.cls
        assert copied == composite


@composites
def test_composite_differs_in_any_field(spec: Spec) -> None:
    for each in spec.fields:
        other = full(spec)
        setattr(other, each.attribute, None)
        assert other != full(spec)
        assert (other == full(spec)) is False


def test_composites_are_compared_by_class() -> None:
    assert Accepted() == Accepted()
    assert Accepted() != Released()
    assert Accepted() != 5
    assert End() != Close()
    with pytest.raises(TypeError):
        hash(Accepted())


def test_composite_without_fields_is_decoded_to_one_instance() -> None:
    decoded = [decode_composite(bytes.fromhex(text)) for text in ("00532445", "005324c00100", "00532445")]
    assert decoded[0] is decoded[1] is decoded[2]
    assert decoded[0] == ACCEPTED
    assert decode_composite(bytes.fromhex("00532645")) == Released()


def test_repr_shows_what_is_not_default() -> None:
    assert repr(Flow(incoming_window=1, next_outgoing_id=2, outgoing_window=3, drain=True)) == (
        "Flow(incoming_window=1, next_outgoing_id=2, outgoing_window=3, drain=True)"
    )
    assert repr(Accepted()) == "Accepted()"


def test_repr_hides_what_sasl_carries() -> None:
    shown = repr(SaslInit(mechanism="PLAIN", initial_response=b"\0guest\0secret"))
    assert "PLAIN" in shown
    assert "secret" not in shown
    assert "secret" not in repr(SaslResponse(response=b"secret"))
    assert "secret" not in repr(SaslOutcome(code=0, additional_data=b"secret"))


class Point(Composite, descriptor="example.com:point:list", code=(0xABC << 32) | 1):
    """A composite of an application's own."""

    x: int = mandatory("long")
    y: int = field("long", default=0)
    names: Any = field("string", default=None, multiple=True)


def test_composite_of_another_domain() -> None:
    point = Point(x=1, names=["a", "b"])
    encoded = encode_composite(point)
    assert encoded == bytes.fromhex("00 80 00000abc00000001 c00c03 5501 40 e00602a101610162")
    assert decode_composite(encoded) == point
    symbolic = b"\x00\xa3\x16example.com:point:list" + encoded[10:]
    assert decode_composite(symbolic) == point
    with pytest.raises(DecodeError, match=r"^example\.com:point\.x: mandatory"):
        decode_composite(symbolic[:-14] + b"\x45")


class ThreePoint(Point):
    """Registered under no descriptor of its own: it goes as what it derives from."""


def test_subclass_goes_as_its_base() -> None:
    assert decode_composite(encode_composite(ThreePoint(x=5))) == Point(x=5)


def test_class_without_descriptor_cannot_be_made() -> None:
    class Nameless(Composite):
        pass

    with pytest.raises(TypeError, match="Nameless has no descriptor"):
        Nameless()


def test_registration_is_checked() -> None:
    spec = SPECS[0]
    with pytest.raises(ValueError, match="is registered already"):
        _codec.register_composite(spec.cls, "amqp:open:list", 0x10, {})
    with pytest.raises(ValueError, match="is registered already"):
        _codec.register_composite(spec.cls, "example.com:new:list", 0x10, {})
    with pytest.raises(TypeError, match="does not derive from CompositeBase"):
        _codec.register_composite(int, "example.com:new:list", 0xABC00000002, {})
    with pytest.raises(TypeError, match=r"Accepted\.missing is no slot"):
        _codec.register_composite(Accepted, "example.com:new:list", 0xABC00000003, {"missing": field("uint")})
    with pytest.raises(ValueError, match="no array has elements of type"):
        field("fields", multiple=True)


def test_deleted_field_reads_as_null() -> None:
    header = Header(ttl=5)
    del header.ttl
    assert encode_composite(header) == encode_composite(Header())
    assert header == Header()
    assert repr(header) == "Header()"


def test_arrays_in_fields_of_any_type_are_arrays() -> None:
    state = Described(5, Array("list", [[]], ULong(0x24)))
    decoded = decode_composite(encode_composite(Transfer(handle=0, state=state)))
    assert_same(decoded.state, state)
