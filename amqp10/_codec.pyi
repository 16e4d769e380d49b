"""The typed face of the compiled codec: values, composites, frames, deliveries and messages."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final, Self, TypeVar, final

from typing_extensions import Buffer, disjoint_base

from amqp10.errors import DecodeError

# --- values -----------------------------------------------------------------------------------------------------------

DEFAULT_MAX_DEPTH: Final[int]
DEFAULT_MAX_ELEMENTS: Final[int]

def encode(value: object, *, max_depth: int = ...) -> bytes: ...
def decode(buffer: Buffer, *, max_depth: int = ..., max_elements: int = ..., max_size: int | None = ...) -> Any: ...

# --- composites -------------------------------------------------------------------------------------------------------

@final
class Field:
    type: str
    default: Any
    mandatory: bool
    multiple: bool
    always: bool
    def __init__(self, type: str, default: object, mandatory: bool, multiple: bool, always: bool) -> None: ...

class CompositeBase:
    def __init__(self, **fields: Any) -> None: ...
    def __eq__(self, other: object, /) -> bool: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

def register_composite(cls: type, descriptor: str, code: int, fields: Mapping[str, Field]) -> None: ...
def encode_composite(value: CompositeBase) -> bytes: ...
def decode_composite(buffer: Buffer, *, max_depth: int = ..., max_elements: int = ...) -> Any: ...

# --- frames -----------------------------------------------------------------------------------------------------------

@final
class ProtocolHeader:
    @property
    def protocol_id(self) -> int: ...
    @property
    def major(self) -> int: ...
    @property
    def minor(self) -> int: ...
    @property
    def revision(self) -> int: ...

@final
class Frame:
    @property
    def type(self) -> int: ...
    @property
    def channel(self) -> int: ...
    @property
    def performative(self) -> Any: ...
    @property
    def payload(self) -> bytes: ...

@final
class TransferRun:
    @property
    def channel(self) -> int: ...
    @property
    def handle(self) -> int: ...
    @property
    def first(self) -> int: ...
    @property
    def count(self) -> int: ...
    @property
    def settled(self) -> bool: ...
    @property
    def size(self) -> int: ...
    @property
    def largest(self) -> int: ...
    @property
    def deliveries(self) -> list[Delivery]: ...

@disjoint_base
class FrameReader:
    max_frame_size: int
    runs: bool
    @property
    def error(self) -> DecodeError | None: ...
    @property
    def frames(self) -> int: ...
    def __init__(
        self, max_frame_size: int = 512, *, max_depth: int = ..., max_elements: int = ..., runs: bool = True
    ) -> None: ...
    def feed(self, data: Buffer) -> list[ProtocolHeader | Frame | TransferRun]: ...
    def bind(self, channel: int, handle: int, delivery_class: type[Delivery], receiver: object) -> None: ...
    def unbind(self, channel: int, handle: int) -> None: ...
    def unbind_channel(self, channel: int) -> None: ...
    @property
    def buffered(self) -> int: ...

@disjoint_base
class FrameWriter:
    @property
    def frames(self) -> int: ...
    @property
    def transfers(self) -> int: ...
    def __len__(self) -> int: ...
    def write_header(self, protocol_id: int) -> None: ...
    def write_empty(self) -> None: ...
    def write_frame(
        self,
        channel: int,
        performative: CompositeBase,
        payload: Buffer = b"",
        *,
        max_frame_size: int = 0xFFFFFFFF,
    ) -> None: ...
    def write_transfer(
        self,
        delivery: OutgoingDelivery,
        channel: int,
        handle: int,
        max_frame_size: int,
        max_frames: int,
        batchable: bool,
    ) -> int: ...
    def take(self, limit: int | None = None) -> bytes: ...

# --- deliveries -------------------------------------------------------------------------------------------------------

@disjoint_base
class Delivery:
    receiver: Any
    @property
    def delivery_id(self) -> int: ...
    @property
    def delivery_tag(self) -> bytes: ...
    @property
    def message_format(self) -> int: ...
    @property
    def payload(self) -> bytes: ...
    settled: bool
    state: Any
    remote_state: Any
    remote_settled: bool
    waiter: Any
    taken: bool
    @property
    def presettled(self) -> bool: ...
    @property
    def message(self) -> Message: ...
    @property
    def delivery_count(self) -> int: ...
    @property
    def first_acquirer(self) -> bool: ...
    def accept(self) -> None: ...
    def reject(
        self, condition: str | None = None, description: str | None = None, info: Mapping[Any, Any] | None = None
    ) -> None: ...
    def release(self) -> None: ...
    def modify(
        self,
        *,
        delivery_failed: bool = False,
        undeliverable_here: bool = False,
        message_annotations: Mapping[Any, Any] | None = None,
    ) -> None: ...
    def settle(self, state: object = None) -> None: ...

_D = TypeVar("_D", bound=Delivery)

def new_delivery(
    delivery_class: type[_D],
    receiver: object,
    delivery_id: int,
    delivery_tag: bytes,
    message_format: int,
    settled: bool,
    payload: Sequence[Buffer],
) -> _D: ...

@disjoint_base
class SenderTally:
    owner: Any
    count: int
    size: int
    @property
    def sent(self) -> int: ...
    @property
    def accepted(self) -> int: ...
    @property
    def refused(self) -> int: ...
    def __init__(self, owner: object) -> None: ...

@disjoint_base
class OutgoingDelivery:
    @property
    def tally(self) -> SenderTally: ...
    delivery_id: int
    @property
    def delivery_tag(self) -> bytes: ...
    @property
    def message_format(self) -> int: ...
    @property
    def presettled(self) -> bool: ...
    @property
    def size(self) -> int: ...
    settled: bool
    state: Any
    error: BaseException | None
    waiter: Any
    read: bool
    def __init__(
        self,
        tally: SenderTally,
        content: object,
        delivery_tag: bytes | None = None,
        presettled: bool = False,
        header: CompositeBase | None = None,
    ) -> None: ...
    @property
    def written(self) -> int: ...
    @property
    def remaining(self) -> int: ...
    def discard(self) -> None: ...

@final
class UnsettledIndex:
    next_id: int
    def __len__(self) -> int: ...
    def add(self, delivery: OutgoingDelivery) -> None: ...
    def settle(
        self, first: int, last: int, state: object, settled: bool
    ) -> tuple[list[SenderTally], list[OutgoingDelivery]]: ...
    def remove(self, delivery: OutgoingDelivery) -> bool: ...
    def take_all(self, tally: SenderTally | None = None) -> list[OutgoingDelivery]: ...

@final
class IncomingIndex:
    def __len__(self) -> int: ...
    def add(self, delivery: Delivery) -> None: ...
    def extend(self, deliveries: list[Delivery]) -> None: ...
    def discard(self, delivery_id: int) -> bool: ...
    def settle(self, first: int, last: int, state: object, settled: bool) -> list[Delivery]: ...
    def take_all(self, receiver: object = None) -> list[Delivery]: ...

@final
class DispositionQueue:
    @property
    def role(self) -> bool: ...
    def __init__(self, role: bool) -> None: ...
    def __len__(self) -> int: ...
    def add(self, delivery_id: int, state: object, settled: bool) -> None: ...
    def settle(self, delivery: Delivery, state: object, index: IncomingIndex) -> None: ...
    def flush(self, writer: FrameWriter, channel: int, max_frame_size: int) -> int: ...

@disjoint_base
class ReceiverTally:
    outstanding: int
    due_at: int

@final
class Settlement:
    def __init__(
        self,
        tally: ReceiverTally,
        index: IncomingIndex,
        queue: DispositionQueue,
        *,
        on_queued: Callable[[], object],
        on_due: Callable[[], object],
        otherwise: Callable[[Delivery, Any], object],
    ) -> None: ...
    def __call__(self, delivery: Delivery, state: object) -> None: ...
    def settle(self, delivery: Delivery, state: object) -> None: ...

@final
class Outlet:
    handle: int
    burst: int
    max_unsettled: int
    max_unsettled_bytes: int
    max_message_size: int
    max_output: int
    def __init__(
        self, tally: SenderTally, index: UnsettledIndex, writer: FrameWriter, *, channel: int, max_frame_size: int
    ) -> None: ...
    def put(self, delivery: OutgoingDelivery, window: int, batchable: bool) -> int: ...

# --- messages ---------------------------------------------------------------------------------------------------------

@disjoint_base
class Data:
    @property
    def parts(self) -> tuple[bytes, ...]: ...
    def __init__(self, *parts: Buffer) -> None: ...

@disjoint_base
class AmqpSequence:
    @property
    def lists(self) -> tuple[list[Any], ...]: ...
    def __init__(self, *lists: Iterable[Any]) -> None: ...

@disjoint_base
class AmqpValue:
    @property
    def value(self) -> Any: ...
    def __init__(self, value: Any) -> None: ...

@disjoint_base
class Message:
    body: Any
    @property
    def body_type(self) -> str | None: ...
    header: Any
    delivery_annotations: Any
    message_annotations: Any
    properties: Any
    application_properties: Any
    footer: Any
    message_format: int
    def __init__(
        self,
        body: Any = None,
        *,
        header: Any = None,
        delivery_annotations: Mapping[Any, Any] | None = None,
        message_annotations: Mapping[Any, Any] | None = None,
        properties: Any = None,
        application_properties: Mapping[str, Any] | None = None,
        footer: Mapping[Any, Any] | None = None,
        message_format: int = 0,
    ) -> None: ...
    def encode(self) -> bytes: ...
    @classmethod
    def decode(
        cls,
        buffer: Buffer,
        *,
        message_format: int = 0,
        max_depth: int = ...,
        max_elements: int = ...,
        max_size: int | None = ...,
    ) -> Self: ...
