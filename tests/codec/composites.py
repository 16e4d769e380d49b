"""The composites of the specification, written down from its text: what the tables of the package are held against."""

from __future__ import annotations

import datetime as dt
import inspect
import re
import uuid
from typing import Any, NamedTuple

from amqp10 import messaging, outcomes, performatives, terminus
from amqp10.composite import Composite
from amqp10.outcomes import Accepted
from amqp10.performatives import Error
from amqp10.types import Described, Symbol

# name, code, fields: name:type, then ! for mandatory, * for multiple, = and the default. Restricted types stand as what
# they restrict; "fields" for maps with symbols as keys; the defaults of outcomes are what their text implies.
SPECIFICATION = """
open 0x10 container-id:string! hostname:string max-frame-size:uint=4294967295 channel-max:ushort=65535
    idle-time-out:uint outgoing-locales:symbol* incoming-locales:symbol* offered-capabilities:symbol*
    desired-capabilities:symbol* properties:fields
begin 0x11 remote-channel:ushort next-outgoing-id:uint! incoming-window:uint! outgoing-window:uint!
    handle-max:uint=4294967295 offered-capabilities:symbol* desired-capabilities:symbol* properties:fields
attach 0x12 name:string! handle:uint! role:boolean! snd-settle-mode:ubyte=2 rcv-settle-mode:ubyte=0 source:*
    target:* unsettled:map incomplete-unsettled:boolean=false initial-delivery-count:uint max-message-size:ulong
    offered-capabilities:symbol* desired-capabilities:symbol* properties:fields
flow 0x13 next-incoming-id:uint incoming-window:uint! next-outgoing-id:uint! outgoing-window:uint! handle:uint
    delivery-count:uint link-credit:uint available:uint drain:boolean=false echo:boolean=false properties:fields
transfer 0x14 handle:uint! delivery-id:uint delivery-tag:binary message-format:uint settled:boolean
    more:boolean=false rcv-settle-mode:ubyte state:* resume:boolean=false aborted:boolean=false
    batchable:boolean=false
disposition 0x15 role:boolean! first:uint! last:uint settled:boolean=false state:* batchable:boolean=false
detach 0x16 handle:uint! closed:boolean=false error:error
end 0x17 error:error
close 0x18 error:error
error 0x1d condition:symbol! description:string info:fields
header 0x70 durable:boolean=false priority:ubyte=4 ttl:uint first-acquirer:boolean=false delivery-count:uint=0
properties 0x73 message-id:message-id user-id:binary to:address subject:string reply-to:address
    correlation-id:message-id content-type:symbol content-encoding:symbol absolute-expiry-time:timestamp
    creation-time:timestamp group-id:string group-sequence:uint reply-to-group-id:string
received 0x23 section-number:uint! section-offset:ulong!
accepted 0x24
rejected 0x25 error:error
released 0x26
modified 0x27 delivery-failed:boolean=false undeliverable-here:boolean=false message-annotations:fields
source 0x28 address:* durable:uint=0 expiry-policy:symbol=session-end timeout:uint=0 dynamic:boolean=false
    dynamic-node-properties:fields distribution-mode:symbol filter:fields default-outcome:* outcomes:symbol*
    capabilities:symbol*
target 0x29 address:* durable:uint=0 expiry-policy:symbol=session-end timeout:uint=0 dynamic:boolean=false
    dynamic-node-properties:fields capabilities:symbol*
delete-on-close 0x2b
delete-on-no-links 0x2c
delete-on-no-messages 0x2d
delete-on-no-links-or-messages 0x2e
sasl-mechanisms 0x40 sasl-server-mechanisms:symbol!*
sasl-init 0x41 mechanism:symbol! initial-response:binary hostname:string
sasl-challenge 0x42 challenge:binary!
sasl-response 0x43 response:binary!
sasl-outcome 0x44 code:ubyte! additional-data:binary
coordinator 0x30 capabilities:symbol*
declare 0x31 global-id:*
discharge 0x32 txn-id:*! fail:boolean=false
declared 0x33 txn-id:*!
transactional-state 0x34 txn-id:*! outcome:*
"""


class FieldSpec(NamedTuple):
    """A field as the specification has it."""

    name: str
    type: str
    mandatory: bool
    multiple: bool
    default: Any

    @property
    def attribute(self) -> str:
        """The name in Python."""
        return self.name.replace("-", "_")


class Spec(NamedTuple):
    """A composite as the specification has it."""

    name: str
    code: int
    cls: type[Composite]
    fields: tuple[FieldSpec, ...]

    @property
    def symbol(self) -> bytes:
        """The symbolic descriptor."""
        return f"amqp:{self.name}:list".encode()


def read_field(text: str) -> FieldSpec:
    found = re.fullmatch(r"([\w-]+):(\*|[\w-]+)(!?)(\*?)(?:=(.*))?", text)
    assert found is not None, text
    name, kind, mandatory, multiple, default = found.groups()
    return FieldSpec(name, kind, bool(mandatory), bool(multiple), read_default(default))


def read_default(text: str | None) -> Any:
    if text in {"true", "false"}:
        return text == "true"
    return int(text) if text is not None and text.isdigit() else text


CLASSES = {
    name: cls
    for module in (performatives, messaging, outcomes, terminus)
    for name, cls in vars(module).items()
    if inspect.isclass(cls) and issubclass(cls, Composite)
}


def read_specification() -> tuple[Spec, ...]:
    composites = []
    for line in re.sub(r"\n +", " ", SPECIFICATION.strip()).splitlines():
        name, code, *fields = line.split()
        cls = CLASSES[name.replace("-", " ").title().replace(" ", "")]
        composites.append(Spec(name, int(code, 16), cls, tuple(map(read_field, fields))))
    return tuple(composites)


SPECS = read_specification()

# A value for each type, another than any default, with its bytes.
VALUES: dict[str, tuple[Any, str]] = {
    "boolean": (True, "41"),
    "ubyte": (7, "5007"),
    "ushort": (300, "60012c"),
    "uint": (300, "700000012c"),
    "ulong": (300, "80000000000000012c"),
    "string": ("text", "a10474657874"),
    "address": ("text", "a10474657874"),
    "symbol": (Symbol("name"), "a3046e616d65"),
    "binary": (b"\x00\xff", "a00200ff"),
    "timestamp": (dt.datetime(1970, 1, 1, 0, 0, 1, tzinfo=dt.UTC), "8300000000000003e8"),
    "map": ({b"t": Accepted()}, "c10802a0017400532445"),
    "fields": ({Symbol("k"): Described(5, 1)}, "c10902a3016b0053055501"),
    "message-id": (uuid.UUID(int=5), "9800000000000000000000000000000005"),
    "error": (Error(condition=Symbol("a:b")), "00531dc00601a303613a62"),
    "*": (Accepted(), "00532445"),
}


def sample(spec: FieldSpec) -> tuple[Any, str]:
    """Return a value for a field, and its bytes."""
    value, encoded = VALUES[spec.type]
    return ([value], f"e007 01 {encoded[:2]} {encoded[2:]}") if spec.multiple else (value, encoded)
