"""What a connection says first: our open frame, and the words about a protocol header that we cannot go on with."""

from __future__ import annotations

from amqp10._codec import ProtocolHeader, encode_composite
from amqp10.errors import EncodeError
from amqp10.options import ConnectionOptions
from amqp10.performatives import Open

__all__ = ["AMQP", "MIN_MAX_FRAME_SIZE", "SASL", "make_open", "mismatch_text"]

AMQP, SASL = 0, 3  # protocol ids (§2.2, §5.3.1)
MIN_MAX_FRAME_SIZE = 512
_FRAME_HEADER = 8  # bytes before a frame's body
_PROTOCOLS = {AMQP: "AMQP", 2: "TLS", SASL: "SASL"}


def make_open(options: ConnectionOptions) -> Open:
    """Make our open, and find now what could not be encoded when its turn comes.

    Raises:
        EncodeError: it cannot be, or not within the frame that every peer takes.
    """
    idle = options.idle_timeout
    performative = Open(
        container_id=options.container_id,
        hostname=options.hostname,
        max_frame_size=options.max_frame_size,
        channel_max=options.channel_max,
        idle_time_out=None if idle is None else max(1, int(idle * 500)),  # half of what we enforce (§2.4.5)
        offered_capabilities=options.offered_capabilities,
        desired_capabilities=options.desired_capabilities,
        properties=None if options.properties is None else dict(options.properties),  # type: ignore[arg-type]
    )
    size = len(encode_composite(performative)) + _FRAME_HEADER
    if size > MIN_MAX_FRAME_SIZE:
        raise EncodeError(f"the open frame has {size} bytes; before negotiation 512 are allowed (§2.4.1)")
    return performative


def mismatch_text(header: ProtocolHeader, wanted: int) -> str:
    """Say what is wrong with a header.

    Args:
        header: the peer's.
        wanted: the protocol id that was due.
    """
    what = _PROTOCOLS.get(header.protocol_id, f"protocol {header.protocol_id}")
    version = f"{header.major}.{header.minor}.{header.revision}"
    return f"the peer speaks {what} {version}; we need {_PROTOCOLS[wanted]} 1.0.0"
