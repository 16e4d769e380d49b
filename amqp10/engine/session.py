"""The session endpoint: begin and end, windows, handles, and the settlement of deliveries (§2.5).

Theory of operation
-------------------
A session numbers what it carries: transfer frames by transfer-id, which the two windows bound, and deliveries by
delivery-id. Two indexes know the deliveries that are unsettled: `unsettled` those we sent, `incoming` those we got; a
disposition of the peer names a range of ids, and costs what of that range is there.

Dispositions of ours collect in two queues, one for each role, until `flush` writes them, merged into ranges; the flows
of links, and of the session itself, come after them: credit given back follows the settlement that freed it.

Frames for a link go through `_by_remote_handle`. A link stays there until the peer's detach, so what was under way when
we detached does no harm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from amqp10._codec import DispositionQueue, IncomingIndex, UnsettledIndex
from amqp10.engine.endpoint import Endpoint, Operation, Violation, remote_error
from amqp10.engine.events import DeliveriesSettled, LinkRequested
from amqp10.engine.link import Link
from amqp10.engine.pool import NumberPool
from amqp10.engine.receiver import Receiver
from amqp10.engine.sender import Sender
from amqp10.engine.serial import MASK, difference
from amqp10.engine.states import SESSION_TRANSITIONS, Input, SessionState
from amqp10.engine.windows import IncomingWindow, OutgoingWindow
from amqp10.errors import AMQPError, Condition, EncodeError, InvalidState, SessionClosed, SessionEndedByPeer
from amqp10.options import ReceiverOptions, SenderOptions, SessionOptions
from amqp10.outcomes import DeliveryState, Outcome, TransactionalState
from amqp10.performatives import Attach, Begin, Detach, Disposition, End, Flow, Transfer

if TYPE_CHECKING:
    from amqp10._codec import TransferRun
    from amqp10.engine.connection import Connection
    from amqp10.performatives import Error, Performative

__all__ = ["Session"]

_MAX_EARLY = 1000  # frames that may come for a session before we answer its begin
_L = TypeVar("_L", bound=Link)
UNMAPPED, BEGIN_SENT, BEGIN_RCVD, MAPPED, END_SENT, END_RCVD, DISCARDING, ENDED = SessionState


class Session(Endpoint):
    """One end of a session. Made by `Connection.new_session`.

    Attributes:
        state: where the session is in §2.5.5.
        channel: ours.
        remote_channel: the peer's, once it is known.
        remote_begin: what the peer's begin said, or None so far.
        unsettled: deliveries we sent that have no final outcome.
        incoming: deliveries we got that are unsettled.
        dispositions: what we, as receiver, have to say of deliveries.
    """

    __slots__ = (
        "_abandoned",
        "_by_name",
        "_by_remote_handle",
        "_early",
        "_flow_due",
        "_flows",
        "_handles",
        "_last_delivery_id",
        "_settlements",
        "_turn",
        "channel",
        "connection",
        "dispositions",
        "is_dirty",
        "incoming",
        "incoming_window",
        "options",
        "outgoing_window",
        "remote_begin",
        "remote_channel",
        "state",
        "unsettled",
    )

    level = "session"

    def __init__(self, connection: Connection, options: SessionOptions, channel: int) -> None:
        super().__init__()
        self.connection = connection
        self.options = options
        self.channel = channel
        self.state = UNMAPPED
        self.remote_channel: int | None = None
        self.remote_begin: Begin | None = None
        self.incoming_window = IncomingWindow(options.incoming_window)
        self.outgoing_window = OutgoingWindow(options.next_outgoing_id)
        self.unsettled = UnsettledIndex()
        self.unsettled.next_id = options.next_outgoing_id
        self.incoming = IncomingIndex()
        self.dispositions = DispositionQueue(True)
        self.is_dirty = False  # whether the connection knows that there is something to flush
        self._settlements = DispositionQueue(False)  # of deliveries we sent: second halves
        self._handles = NumberPool(options.handle_max)
        self._by_name: dict[tuple[str, bool], Link] = {}  # by name and our role
        self._by_remote_handle: dict[int, Link] = {}
        self._flows: dict[Link, None] = {}  # links with a flow to write, in order
        self._flow_due = False  # the session has a flow to write
        self._abandoned = False  # who began it does not wait any longer
        self._turn = 0  # whose sender is told first when the window opens
        self._early: list[tuple[Performative, bytes]] = []  # what came before we answered the peer's begin
        self._last_delivery_id: int | None = None  # of the peer's deliveries

    def __repr__(self) -> str:
        """Name connection, channel and state."""
        return f"<Session {self.connection.options.container_id}/{self.channel} {self.state.name}>"

    # --- operations ---------------------------------------------------------------------------------------------------

    def begin(self) -> Operation[None]:
        """Begin the session and wait for the peer's begin.

        Cancelled, the session is ended as soon as the peer has answered.
        """
        try:
            self._send_begin(None)
        except EncodeError:
            self._release(SessionClosed("the begin could not be encoded"))
            raise
        try:
            while self.state is BEGIN_SENT and self.error is None:
                yield self
        except GeneratorExit:
            self.start_end()  # now if the peer has just answered, else once it has
            raise
        self.check()

    def end(self, error: Error | None = None) -> Operation[None]:
        """End the session and wait for the peer's end.

        Args:
            error: why, where it is not the normal end.
        """
        self.start_end(error)
        while self.state in (BEGIN_SENT, END_SENT, DISCARDING):
            yield self

    def start_end(self, error: Error | None = None) -> None:
        """Queue the end frame, if it was not sent; links and whoever waits on them end."""
        if self.state is UNMAPPED:
            self._release(SessionClosed("the session was ended"))
        elif self.state is BEGIN_SENT:
            self._abandoned = True
        else:
            if self.state is BEGIN_RCVD:
                self._send_begin(self.remote_channel)
            if self.state is MAPPED:
                self._send_end(error, SessionClosed("the session was ended"))
            self._take_early()

    def accept(self, options: SessionOptions | None = None) -> None:
        """Answer the peer's begin.

        Args:
            options: what our begin says.

        Raises:
            InvalidState: the peer did not begin this session, or it is over.
        """
        self.check()
        if self.state is not BEGIN_RCVD:
            raise InvalidState(f"there is no begin to answer in state {self.state.name}")
        if options is not None:
            self._take_options(options)
        self._send_begin(self.remote_channel)
        self._take_early()

    def refuse(self, error: Error) -> None:
        """Answer the peer's begin, and end the session at once (§2.5.1). Harmless where it is over already."""
        if self.state is BEGIN_RCVD:
            self._send_begin(self.remote_channel)
            self._send_end(error, SessionClosed("the session was refused"))
            self._take_early()

    def new_sender(self, options: SenderOptions) -> Sender:
        """Make a sender that is not attached.

        Raises:
            InvalidState: the session is not mapped, the name is in use, or every handle is.
        """
        return self._add_link(Sender(self, options))

    def new_receiver(self, options: ReceiverOptions) -> Receiver:
        """Make a receiver that is not attached.

        Raises:
            InvalidState: the session is not mapped, the name is in use, or every handle is.
        """
        return self._add_link(Receiver(self, options))

    @property
    def links(self) -> list[Link]:
        """The links that are not detached at both ends."""
        return list(self._by_name.values())

    @property
    def awaits_begin(self) -> bool:
        """Whether our begin is unanswered."""
        return self.state is BEGIN_SENT

    # --- begin and end ------------------------------------------------------------------------------------------------

    def _take_options(self, options: SessionOptions) -> None:
        self.options = options
        next_id = self.incoming_window.next_id
        self.incoming_window = IncomingWindow(options.incoming_window)
        self.incoming_window.next_id = next_id
        remaining = self.outgoing_window.remaining
        self.outgoing_window = OutgoingWindow(options.next_outgoing_id)
        self.outgoing_window.remaining = remaining
        self.unsettled.next_id = options.next_outgoing_id
        self._handles.highest = min(self._handles.highest, options.handle_max)

    def _send_begin(self, remote_channel: int | None) -> None:
        following = self._following(Input.SEND_BEGIN)
        options = self.options
        self.connection.write(
            self.channel,
            Begin(
                remote_channel=remote_channel,
                next_outgoing_id=self.outgoing_window.next_id,
                incoming_window=self.incoming_window.remaining,
                outgoing_window=options.outgoing_window,
                handle_max=options.handle_max,
                offered_capabilities=options.offered_capabilities,
                desired_capabilities=options.desired_capabilities,
                properties=None if options.properties is None else dict(options.properties),  # type: ignore[arg-type]
            ),
        )
        self.state = following

    def receive_begin(self, channel: int, begin: Begin) -> None:
        """Take the peer's begin, on its channel."""
        self._transition(Input.RECV_BEGIN)
        self.remote_channel = channel
        self.remote_begin = begin
        self.incoming_window.next_id = begin.next_outgoing_id
        self.outgoing_window.remaining = begin.incoming_window
        self._handles.highest = min(self._handles.highest, begin.handle_max)
        if self._abandoned:
            self._send_end(None, SessionClosed("the session was given up before the peer answered its begin"))
        self.connection.changed(self)

    def _send_end(self, error: Error | None, cause: AMQPError) -> None:
        following = self._following(Input.SEND_END if error is None else Input.SEND_END_ERROR)
        self.flush()
        self.connection.write(self.channel, End(error=error))
        self.state = following
        self._over(cause)

    def _receive_end(self, performative: End) -> None:
        waited = self.state is END_SENT or self.state is DISCARDING
        self.flush()  # what we settled before we knew is settled all the same
        self._transition(Input.RECV_END)
        if not waited:
            self.connection.write(self.channel, End())
            self._transition(Input.SEND_END)
        self._release(remote_error(SessionEndedByPeer, "the peer ended the session", performative.error))

    def fail(self, error: AMQPError, reason: Error) -> None:
        """End the session for a reason of ours that the end frame tells the peer."""
        if self.state is MAPPED:
            self._send_end(reason, error)
        else:
            self._over(error)

    def connection_ended(self, error: AMQPError) -> None:
        """Learn that the connection is over."""
        self.state = ENDED
        self._over(error)

    def _release(self, error: AMQPError) -> None:
        self.state = ENDED
        self._over(error)
        self.connection.forget_session(self)

    def _over(self, error: AMQPError) -> None:
        """Let the links know why the session is over; the first cause stays."""
        if self.error is None:
            self.error = error
            for link in list(self._by_name.values()):
                link.session_ended(error)
            self._flows.clear()
            self.incoming.take_all(None)
        self.connection.changed(self)

    # --- frames in ----------------------------------------------------------------------------------------------------

    def receive(self, performative: Performative, payload: bytes) -> None:
        """Take a frame of the peer."""
        if self.state is BEGIN_RCVD:
            self._keep_early(performative, payload)
            return
        kind = type(performative)
        if kind is End:
            self._receive_end(performative)  # type: ignore[arg-type]
            return
        if self.state is END_SENT or self.state is DISCARDING:
            return  # under way when we ended the session (§2.5.4)
        if self.state is not MAPPED:
            raise Violation(self.connection, Condition.ILLEGAL_STATE, f"{kind.__name__} in state {self.state.name}")
        if kind is Transfer:
            self._receive_transfer(performative, payload)  # type: ignore[arg-type]
        elif kind is Disposition:
            self._receive_disposition(performative)  # type: ignore[arg-type]
        elif kind is Flow:
            self._receive_flow(performative)  # type: ignore[arg-type]
        elif kind is Attach:
            self._receive_attach(performative)  # type: ignore[arg-type]
        else:
            assert kind is Detach, kind
            self._receive_detach(performative)  # type: ignore[arg-type]

    def _keep_early(self, performative: Performative, payload: bytes) -> None:
        """Keep a frame until our begin is out: the peer need not wait for it (§2.5.5, BEGIN_RCVD)."""
        if type(performative) is Transfer or len(self._early) == _MAX_EARLY:
            # Transfers need a window, which only our begin gives.
            raise Violation(self.connection, Condition.ILLEGAL_STATE, "more than may come before we answer begin")
        self._early.append((performative, payload))

    def _take_early(self) -> None:
        early, self._early = self._early, []
        for performative, payload in early:
            if self.state is not ENDED:
                self.connection.guard(self.receive, performative, payload)

    def receive_run(self, run: TransferRun) -> None:
        """Take a run of transfers for one link: the same as one after the other, at once."""
        if self.state is not MAPPED:
            if self.state is END_SENT or self.state is DISCARDING:
                return
            raise Violation(self.connection, Condition.ILLEGAL_STATE, "a transfer before we answered begin")
        link = self._link(run.handle)
        if run.count <= self.incoming_window.remaining and link.admits(run):
            self.incoming_window.receive(run.count)
            link.receive_run(run)
            self.refresh_window()
        else:
            self._receive_singly(link, run)

    def _receive_singly(self, link: Link, run: TransferRun) -> None:
        for delivery in run.deliveries:
            self._count_frame()
            try:
                link.receive_delivery(delivery)
            except Violation as violation:
                # What follows is counted still: the session goes on where only the link ended.
                self.connection.punish(violation)
                if self.state is not MAPPED:
                    return
            else:
                self.refresh_window()

    def _receive_transfer(self, transfer: Transfer, payload: bytes) -> None:
        link = self._link(transfer.handle)
        self._count_frame()
        link.receive_transfer(transfer, payload)
        self.refresh_window()

    def take_delivery_ids(self, first: int, count: int) -> None:
        """Note the ids of new deliveries of the peer: a sequence (§2.6), so none comes twice.

        Raises:
            Violation: they do not follow those before.
        """
        last = self._last_delivery_id
        if last is not None and difference(first, last) <= 0:
            raise Violation(self, Condition.INVALID_FIELD, f"delivery-id {first} after {last}")
        self._last_delivery_id = (first + count - 1) & MASK

    def _count_frame(self) -> None:
        if not self.incoming_window.receive(1):
            raise Violation(self, Condition.WINDOW_VIOLATION, "more transfer frames than the session window allows")

    def _link(self, handle: int) -> Link:
        link = self._by_remote_handle.get(handle)
        if link is None:
            raise Violation(self, Condition.UNATTACHED_HANDLE, f"a frame for handle {handle}, which is not attached")
        return link

    def _receive_flow(self, flow: Flow) -> None:
        window = self.outgoing_window
        was_closed = window.remaining <= 0
        if not window.update(flow.next_incoming_id, flow.incoming_window):
            raise Violation(self, Condition.WINDOW_VIOLATION, "flow acknowledges transfers that were never sent")
        self.incoming_window.next_id = flow.next_outgoing_id  # §2.5.6: the peer knows what it sent
        if flow.handle is not None:
            self._link(flow.handle).receive_flow(flow)
        elif flow.echo:
            self.request_flow()
        if was_closed and window.remaining > 0:
            self.connection.resume_partials()
            self.senders_ready()

    def _receive_disposition(self, disposition: Disposition) -> None:
        last = disposition.first if disposition.last is None else disposition.last
        if disposition.state is not None and not isinstance(disposition.state, DeliveryState):
            raise Violation(self, Condition.INVALID_FIELD, "disposition.state is no delivery state")
        if disposition.role:
            self._receive_outcomes(disposition.first, last, disposition.state, disposition.settled)
        else:
            changed = self.incoming.settle(disposition.first, last, disposition.state, disposition.settled)
            self._note_settled(changed)

    def _receive_outcomes(self, first: int, last: int, state: Any, settled: bool) -> None:
        tallies, watched = self.unsettled.settle(first, last, state, settled)
        if not settled and isinstance(state, (Outcome, TransactionalState)):
            # The receiver has decided and waits for us to settle (rcv-settle-mode second, §2.7.3).
            for delivery in watched:
                self._settlements.add(delivery.delivery_id, state, True)
            self.mark_dirty()
            tallies, watched = self.unsettled.settle(first, last, None, True)
        for tally in tallies:
            own = watched if len(tallies) == 1 else [delivery for delivery in watched if delivery.tally is tally]
            tally.owner.outcomes_arrived(own)

    def _note_settled(self, deliveries: list[Any]) -> None:
        for delivery in deliveries:
            if delivery.remote_settled:
                delivery.receiver.settled_by_sender(delivery)
        if deliveries:
            self.connection.emit(DeliveriesSettled(deliveries))

    # --- attach and detach --------------------------------------------------------------------------------------------

    def _add_link(self, link: _L) -> _L:
        self.check()
        if self.state is not MAPPED:
            raise InvalidState(f"a link needs a session that has begun; it is in state {self.state.name}")
        if link.key in self._by_name:
            raise InvalidState(f"a {link.kind} named {link.name!r} exists in this session")
        handle = self._handles.take()
        if handle is None:
            raise InvalidState(f"all {self._handles.highest + 1} handles are in use (handle-max)")
        link.handle = handle
        self._by_name[link.key] = link
        return link

    def _receive_attach(self, attach: Attach) -> None:
        if attach.handle > self.options.handle_max:
            # §2.7.2, handle-max: "MUST close the Connection with the framing-error error-code"
            raise Violation(self.connection, Condition.FRAMING_ERROR, f"handle {attach.handle} is beyond handle-max")
        if attach.handle in self._by_remote_handle:
            raise Violation(self, Condition.HANDLE_IN_USE, f"attach on handle {attach.handle}, which is in use")
        link = self._by_name.get((attach.name, not attach.role))
        if link is None:
            self._request_link(attach)
        elif not link.awaits_attach:
            raise Violation(self, Condition.NOT_ALLOWED, f"attach for the link {attach.name!r}, which is attached")
        else:
            self._by_remote_handle[attach.handle] = link
            link.receive_attach(attach)

    def _request_link(self, attach: Attach) -> None:
        """The peer wants a link; its opposite end is ours to make."""
        link: Link
        if attach.role:
            link = Sender(self, SenderOptions(name=attach.name, target=None))
        else:
            link = Receiver(self, ReceiverOptions(name=attach.name, source=None, credit=0))
        try:
            self._add_link(link)
        except InvalidState as error:
            raise Violation(self, Condition.RESOURCE_LIMIT_EXCEEDED, str(error)) from error
        self._by_remote_handle[attach.handle] = link
        link.receive_attach(attach)
        self.connection.emit(LinkRequested(link))

    def _receive_detach(self, detach: Detach) -> None:
        self._link(detach.handle).receive_detach(detach)

    def forget_link(self, link: Link) -> None:
        """Free the handles of a link that is detached at both ends, or was never attached."""
        if self._by_name.pop(link.key, None) is not None:
            self._handles.give_back(link.handle)
        if link.remote_handle is not None:
            self._by_remote_handle.pop(link.remote_handle, None)
        self._flows.pop(link, None)

    # --- settlement and flow out --------------------------------------------------------------------------------------

    def request_flow(self, link: Link | None = None) -> None:
        """Have a flow written with what is pending: of `link`, or of the session alone."""
        if link is None:
            self._flow_due = True
        else:
            self._flows[link] = None
        self.mark_dirty()

    def refresh_window(self) -> None:
        """Widen the incoming window if it is time to (§2.5.6)."""
        window = self.incoming_window
        if window.remaining <= window.low and window.is_due(self._held):
            self.request_flow()

    @property
    def next_delivery_id(self) -> int:
        """What the next delivery of ours is numbered."""
        return self.unsettled.next_id

    @property
    def _held(self) -> int:
        """Frames that fill a private session's window: those of deliveries that wait for the application."""
        if not self.options.private:
            return 0
        return sum(link.held_frames for link in self._by_name.values() if isinstance(link, Receiver))

    def mark_dirty(self) -> None:
        """Note that there are dispositions or flows to write."""
        self.connection.mark_dirty(self)

    def flush(self) -> None:
        """Write what is pending: settlements, then flows."""
        self.is_dirty = False
        if self.state is not MAPPED:
            return
        connection = self.connection
        for queue in (self.dispositions, self._settlements):
            if len(queue):
                connection.counters.dispositions += queue.flush(
                    connection.writer, self.channel, connection.max_frame_size
                )
        flows = [link for link in self._flows if link.is_attached]
        self._flows.clear()
        for link in flows:
            self._write_flow(link)
        if self._flow_due and not flows:
            self._write_flow(None)
        self._flow_due = False

    def _write_flow(self, link: Link | None) -> None:
        """Write a flow; whatever it is for, it carries the session's windows too."""
        flow = Flow(
            next_incoming_id=self.incoming_window.next_id,
            incoming_window=self.incoming_window.widen(self._held),
            next_outgoing_id=self.outgoing_window.next_id,
            outgoing_window=self.options.outgoing_window,
        )
        if link is not None:
            link.fill_flow(flow)
        self.connection.write(self.channel, flow)

    def senders_ready(self) -> None:
        """Tell the senders that credit, window or room may be back, another one first each time."""
        senders = [link for link in self._by_name.values() if isinstance(link, Sender)]
        if len(senders) > 1:
            self._turn = (self._turn + 1) % len(senders)
            senders = senders[self._turn :] + senders[: self._turn]
        for sender in senders:
            sender.notify_ready()

    # --- transitions --------------------------------------------------------------------------------------------------

    def _following(self, kind: Input) -> SessionState:
        following = SESSION_TRANSITIONS.get((self.state, kind))
        if following is None:
            raise InvalidState(f"{kind.name} in state {self.state.name}")
        return following

    def _transition(self, kind: Input) -> None:
        following = SESSION_TRANSITIONS.get((self.state, kind))
        if following is None:
            raise Violation(self.connection, Condition.ILLEGAL_STATE, f"{kind.name} in state {self.state.name}")
        self.state = following
