"""The asyncio driver: moves bytes between a transport and the engine, runs operations, wakes who waits.

Theory of operation
-------------------
The engine decides; this module waits. Whoever waits has a Future, kept where the engine's event will find it: in the
`watchers` of an endpoint (operations), in the FIFO of a sender or a receiver, or in the `waiter` of a delivery.

Output is written once per turn of the loop, by one `call_soon`, earlier where 64 KiB are together or the engine calls
it urgent. While the transport is paused nothing is taken from the engine, which then holds sends back by itself.

Nothing here happens per message. What has something to do does not suspend; but the loop is given its turn at least
every 256 messages or 10 ms, so that timers and other tasks are served however fast messages come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar, cast

from amqp10 import engine
from amqp10._codec import encode_composite
from amqp10.engine.events import (
    DeliveriesArrived,
    DeliveriesSettled,
    EndpointChanged,
    Event,
    LinkRequested,
    LinkStateReceived,
    OutcomesArrived,
    SenderReady,
    SessionRequested,
)
from amqp10.errors import Condition, EncodeError, OperationTimeout
from amqp10.performatives import Error
from amqp10.types import Symbol

if TYPE_CHECKING:
    from amqp10.engine import Operation

__all__ = ["Deadline", "Driver", "wait_for_delivery", "wake"]

T = TypeVar("T")

_BUFFER = 262_144  # bytes read at once, at most
_WRITE_AT = 65_536  # bytes of output that do not wait for the end of the turn
_MAX_COUNT = 256  # messages without a turn of the loop
_MAX_TIME = 0.010  # seconds without one
_END_FRAME = 32  # bytes of a close, end or detach beside its error, at most


class Deadline:
    """One budget of time for all the waits of a call.

    Args:
        timeout: seconds from now; None for no limit.
        what: the call, for the error's message.
        level: of the error: connection, session, link or delivery.
    """

    __slots__ = ("_at", "_level", "_timeout", "_what")

    def __init__(self, timeout: float | None, what: str, level: str) -> None:
        self._timeout = timeout
        self._level = level
        self._at = None if timeout is None else monotonic() + timeout
        self._what = what

    async def wait(self, future: asyncio.Future[T]) -> T:
        """Wait for a future of our own, which the end of the budget ends too.

        Raises:
            OperationTimeout: the budget is used up.
        """
        if self._at is None:
            return await future
        timer = future.get_loop().call_later(max(0.0, self._at - monotonic()), self._expire, future)
        try:
            return await future
        finally:
            timer.cancel()

    def _expire(self, future: asyncio.Future[Any]) -> None:
        if not future.done():
            future.set_exception(self.error())

    def error(self) -> OperationTimeout:
        """Make the error for a budget that is used up."""
        return OperationTimeout(f"{self._what} took longer than {self._timeout:g} s", level=self._level)

    def left(self) -> float | None:
        """Return the seconds that are left, or None for no limit."""
        return None if self._at is None else max(0.0, self._at - monotonic())


class Driver(asyncio.BufferedProtocol):
    """What stands between one transport and one engine connection.

    Args:
        connection: the engine's.
        loop: the running loop.
    """

    def __init__(self, connection: engine.Connection, loop: asyncio.AbstractEventLoop) -> None:
        self.engine = connection
        self.loop = loop
        self.transport: asyncio.Transport | None = None
        self.closed: asyncio.Future[None] = loop.create_future()  # the transport is gone
        self._buffer = memoryview(bytearray(_BUFFER))
        self._paused = False  # the transport does not want more to write
        self._flush_scheduled = False
        self._pumping = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: float | None = None
        self._count = 0  # messages since the loop had its turn
        self._since = monotonic()  # when it had it
        connection.on_output = self._on_output

    # --- the transport's calls ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's do not derive from asyncio's

    def get_buffer(self, sizehint: int) -> memoryview:
        """Lend the buffer to read into.

        As a view: over TLS asyncio reads into slices of what it gets here, and a slice of a bytearray would be a copy.
        """
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Hand what came to the engine."""
        counters = self.engine.counters
        counters.reads += 1
        counters.bytes_in += nbytes
        self.engine.receive_data(self._buffer[:nbytes], monotonic())
        self.pump()

    def eof_received(self) -> bool:
        """Learn that the peer sends no more; the transport closes."""
        self.engine.receive_eof()
        self.pump()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Learn that the transport is gone."""
        self.engine.receive_eof(exc)
        if self._timer is not None:
            self._timer.cancel()
        if not self.closed.done():
            self.closed.set_result(None)
        self.pump()

    def pause_writing(self) -> None:
        """Stop taking output: the transport's buffer is full."""
        self._paused = True

    def resume_writing(self) -> None:
        """Go on taking output."""
        self._paused = False
        self.flush()

    # --- output -------------------------------------------------------------------------------------------------------

    def _on_output(self) -> None:
        if self.engine.urgent:
            self.flush()
        elif not self._flush_scheduled:
            self._flush_scheduled = True
            self.loop.call_soon(self._flush_at_end_of_turn)

    def _flush_at_end_of_turn(self) -> None:
        self._flush_scheduled = False
        self._since = monotonic()
        self._count = 0
        self.flush()

    def flush(self) -> None:
        """Write what there is, as long as the transport takes it."""
        transport = self.transport
        if transport is None:
            return
        connection = self.engine
        counters = connection.counters
        while not self._paused:
            data = connection.data_to_send(monotonic())
            if not data:
                break
            if not transport.is_closing():
                counters.writes += 1
                counters.bytes_out += len(data)
                transport.write(data)
        self.pump()
        if connection.finished:
            self.close_transport()

    def flush_if_large(self) -> None:
        """Write now what is too much to be kept until the end of the turn."""
        if len(self.engine.writer) >= _WRITE_AT:
            self.flush()

    def close_transport(self) -> None:
        """Close the transport once what was written has left; at once where it takes nothing."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if self._paused:
            transport.abort()
        else:
            transport.close()

    def abort(self) -> None:
        """Drop the transport without a word."""
        if self.transport is not None:
            self.transport.abort()

    # --- time ---------------------------------------------------------------------------------------------------------

    def arm(self) -> None:
        """Do what is due, and have the timer call when the next thing will be."""
        deadline = self.engine.tick(monotonic())
        if deadline is not None and self._timer is not None and self._timer_at == deadline:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = deadline
        if deadline is not None and not self.closed.done():
            self._timer = self.loop.call_later(max(0.0, deadline - monotonic()), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.arm()
        self.pump()
        if self.engine.finished:
            self.flush()

    @property
    def is_pace_due(self) -> bool:
        """Whether the loop should have its turn; counts one message."""
        self._count += 1
        return self._count >= _MAX_COUNT or monotonic() - self._since > _MAX_TIME

    def call_after_turn(self, callback: Callable[[], None]) -> None:
        """Have something called once the loop has had its turn: the caller is about to wait for it."""
        self._note_turn()
        self.loop.call_soon(callback)

    async def give_turn(self) -> None:
        """Give the loop its turn."""
        self._note_turn()
        await asyncio.sleep(0)

    def _note_turn(self) -> None:
        self.engine.counters.yields += 1
        self._count = 0
        self._since = monotonic()

    def check_reason(self, reason: Error | None) -> None:
        """Find out, before anything else is done, whether a frame can carry the reason for an end.

        Raises:
            EncodeError: it cannot be encoded, or is too long.
        """
        if reason is None:
            return
        size = len(encode_composite(reason)) + _END_FRAME
        if size > self.engine.max_frame_size:
            raise EncodeError(f"the error makes a frame of {size} bytes; the peer takes {self.engine.max_frame_size}")

    # --- operations ---------------------------------------------------------------------------------------------------

    async def run(self, operation: Operation[T], deadline: Deadline) -> T:
        """Run an operation of the engine until it ends; cancelled, or out of time, it is closed.

        Raises:
            OperationTimeout: the deadline passed.
            AMQPError: what the operation raises.
        """
        try:
            endpoint = next(operation)
            while True:
                future: asyncio.Future[None] = self.loop.create_future()
                endpoint.watchers.append(future)
                try:
                    self.pump()
                    await deadline.wait(future)
                finally:
                    endpoint.watchers.remove(future)
                endpoint = operation.send(None)
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            operation.close()
            self.pump()

    # --- events -------------------------------------------------------------------------------------------------------

    def pump(self) -> None:
        """Act on the engine's events; what they cause is acted on too."""
        if self._pumping:
            return
        self._pumping = True
        try:
            while events := self.engine.events():
                for event in events:
                    _HANDLERS[type(event)](self, event)
        finally:
            self._pumping = False

    def _endpoint_changed(self, event: EndpointChanged) -> None:
        endpoint = event.endpoint
        for future in endpoint.watchers:
            if not future.done():
                future.set_result(None)
        if endpoint.owner is not None:
            endpoint.owner._changed()
        if endpoint is self.engine:
            self.arm()
            if self.engine.finished:
                self._on_output()

    def _deliveries_arrived(self, event: DeliveriesArrived) -> None:
        event.receiver.owner._deliveries_arrived()

    def _deliveries_settled(self, event: DeliveriesSettled) -> None:
        for delivery in event.deliveries:
            wake(delivery)

    def _sender_ready(self, event: SenderReady) -> None:
        event.sender.owner._serve()

    def _outcomes_arrived(self, event: OutcomesArrived) -> None:
        event.sender.owner._outcomes_arrived(event.watched)

    def _session_requested(self, event: SessionRequested) -> None:
        if event.session.error is None:  # the peer may have ended it, or everything, in the same breath
            event.session.refuse(_NOT_ALLOWED)

    def _link_requested(self, event: LinkRequested) -> None:
        if event.link.error is None:
            event.link.refuse(_NOT_ALLOWED)

    def _link_state_received(self, event: LinkStateReceived) -> None:
        if event.link.owner is not None:
            event.link.owner._link_state_received(event.properties)


_NOT_ALLOWED = Error(condition=Symbol(Condition.NOT_ALLOWED), description="a client takes no sessions and no links")

_HANDLERS: dict[type[Event], Callable[[Driver, Any], None]] = {
    EndpointChanged: Driver._endpoint_changed,
    DeliveriesArrived: Driver._deliveries_arrived,
    DeliveriesSettled: Driver._deliveries_settled,
    SenderReady: Driver._sender_ready,
    OutcomesArrived: Driver._outcomes_arrived,
    SessionRequested: Driver._session_requested,
    LinkRequested: Driver._link_requested,
    LinkStateReceived: Driver._link_state_received,
}


def wake(delivery: Any) -> None:
    """Wake all who wait for a delivery's outcome."""
    waiters, delivery.waiter = delivery.waiter, None
    for future in waiters or ():
        if not future.done():
            future.set_result(None)


async def wait_for_delivery(delivery: Any, deadline: Deadline) -> None:
    """Wait until `wake` is called for a delivery."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    if delivery.waiter is None:
        delivery.waiter = [future]
    else:
        delivery.waiter.append(future)
    try:
        await deadline.wait(future)
    finally:
        waiters = delivery.waiter
        if waiters is not None and future in waiters:
            waiters.remove(future)
            if not waiters:
                delivery.waiter = None
