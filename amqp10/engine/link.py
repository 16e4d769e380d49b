"""The link endpoint: attach and detach, for either role (§2.6).

Theory of operation
-------------------
A link is known by its name and role, and on the wire by two handles, ours and the peer's. Our attach and the peer's
pair by name (§2.6.1). A peer that refuses answers with a null terminus in the place that is its to fill, and then
detaches with the reason (§2.6.3): between the two the link is REFUSED, and the operation that waits gets the reason.

Any detach of the peer answers ours, whatever its closed flag says: RabbitMQ 3.10 leaves it out. A detach of the peer
that comes first is answered at once in kind. In DETACH_SENT what still comes for the link is counted and dropped.

What a sender or a receiver adds is in its own module; what both must answer stands here as methods that refuse.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from amqp10.engine.endpoint import Endpoint, Operation, Violation, remote_error
from amqp10.engine.events import LinkStateReceived
from amqp10.engine.states import LINK_TRANSITIONS, Input, LinkState
from amqp10.errors import (
    AMQPError,
    Condition,
    EncodeError,
    InvalidState,
    LinkClosed,
    LinkDetachedByPeer,
    LinkRefused,
)
from amqp10.performatives import Attach, Detach
from amqp10.types import ReceiverSettleMode, SenderSettleMode

if TYPE_CHECKING:
    from amqp10._codec import Delivery, TransferRun
    from amqp10.engine.connection import Connection
    from amqp10.engine.session import Session
    from amqp10.options import ReceiverOptions, SenderOptions
    from amqp10.performatives import Error, Flow, Transfer

__all__ = ["Link"]

UNATTACHED, ATTACH_SENT, ATTACH_RCVD, ATTACHED, REFUSED, DETACH_SENT, DETACH_RCVD, DETACHED = LinkState


class Link(Endpoint):
    """One end of a link.

    Attributes:
        session: the session it belongs to.
        connection: the session's.
        state: where the link is.
        name: of the link.
        handle: ours.
        remote_handle: the peer's, once it is known.
        remote_attach: what the peer's attach said, or None so far.
        snd_settle_mode: as agreed; what was asked for until then.
        rcv_settle_mode: as agreed; what was asked for until then.
        detached_by_peer: whether the peer detached first; its error is in `error`.
    """

    __slots__ = (
        "_abandoned",
        "_early_flow",
        "connection",
        "detached_by_peer",
        "handle",
        "name",
        "options",
        "rcv_settle_mode",
        "remote_attach",
        "remote_handle",
        "session",
        "snd_settle_mode",
        "state",
    )

    level = "link"
    kind: ClassVar[str]
    role: ClassVar[bool]
    """Ours on the wire: False for a sender, True for a receiver."""

    options: Any

    def __init__(self, session: Session, options: SenderOptions | ReceiverOptions) -> None:
        super().__init__()
        self.session = session
        self.connection: Connection = session.connection
        self.options = options
        self.name = options.name
        self.state = UNATTACHED
        self.handle = -1
        self.remote_handle: int | None = None
        self.remote_attach: Attach | None = None
        asked = options.snd_settle_mode
        self.snd_settle_mode: int = SenderSettleMode.MIXED if asked is None else asked
        self.rcv_settle_mode: int = options.rcv_settle_mode or ReceiverSettleMode.FIRST
        self.detached_by_peer = False
        self._abandoned = False  # who attached it does not wait any longer
        self._early_flow: Flow | None = None  # what the peer said last before we answered its attach

    def __repr__(self) -> str:
        """Name connection, channel, kind, name and state."""
        where = f"{self.connection.options.container_id}/{self.session.channel}"
        return f"<{type(self).__name__} {where}/{self.name} {self.state.name}>"

    # --- operations ---------------------------------------------------------------------------------------------------

    def attach(self) -> Operation[None]:
        """Attach the link and wait for the peer's attach.

        Cancelled, the link is closed as soon as the peer has answered.

        Raises:
            LinkRefused: the peer refused it; its error says why.
            AMQPError: session or connection ended instead.
        """
        try:
            self._send_attach()
        except EncodeError:
            self._release(LinkClosed("the attach could not be encoded"))
            raise
        try:
            while self.error is None and self.state in (ATTACH_SENT, REFUSED):
                yield self
        except GeneratorExit:
            self._abandon()
            raise
        self.check()

    def detach(self, *, closed: bool, error: Error | None = None) -> Operation[None]:
        """Detach the link and wait for the peer's detach.

        Args:
            closed: whether the link's state and termini are to go too.
            error: why, where it is not the normal end.
        """
        self.start_detach(closed=closed, error=error)
        while self.state in (ATTACH_SENT, REFUSED, DETACH_SENT):
            yield self

    def start_detach(self, *, closed: bool, error: Error | None = None) -> None:
        """Queue the detach frame, if it was not sent; whoever waits on the link ends."""
        if self.state is UNATTACHED:
            self._release(LinkClosed("the link was closed"))
        elif self.state is ATTACH_SENT:
            self._abandon()
        elif self.state is ATTACHED or self.state is ATTACH_RCVD:
            what = "closed" if closed else "detached"
            self._send_detach(closed, error, LinkClosed(f"the {self.kind} was {what}"))

    def accept(self, options: SenderOptions | ReceiverOptions) -> None:
        """Answer the peer's attach.

        Args:
            options: what our attach says; the name stays the peer's.

        Raises:
            InvalidState: the peer did not attach this link, or it is over.
        """
        self.check()
        if self.state is not ATTACH_RCVD:
            raise InvalidState(f"there is no attach to answer in state {self.state.name}")
        assert self.remote_attach is not None
        self.options = options
        self._take_options()
        if options.snd_settle_mode is None:
            self.snd_settle_mode = self.remote_attach.snd_settle_mode
        else:
            self.snd_settle_mode = options.snd_settle_mode
        self.rcv_settle_mode = (
            self.remote_attach.rcv_settle_mode if options.rcv_settle_mode is None else options.rcv_settle_mode
        )
        self._send_attach()
        self._begin_work()
        if self._early_flow is not None:
            self.connection.guard(self._apply_flow, self._early_flow)
            self._early_flow = None

    def refuse(self, error: Error) -> None:
        """Answer the peer's attach with a null terminus, then detach with the reason (§2.6.3).

        Harmless where the link is over already.

        Args:
            error: the reason.
        """
        if self.state is ATTACH_RCVD:
            self._send_detach(True, error, LinkClosed("the link was refused"))

    @property
    def key(self) -> tuple[str, bool]:
        """What tells the link apart in its session: name and role."""
        return (self.name, self.role)

    @property
    def awaits_attach(self) -> bool:
        """Whether our attach is unanswered."""
        return self.state is ATTACH_SENT

    @property
    def is_attached(self) -> bool:
        """Whether both ends are attached."""
        return self.state is ATTACHED

    # --- attach -------------------------------------------------------------------------------------------------------

    def _send_attach(self) -> None:
        following = self._following(Input.SEND_ATTACH)
        self._write_attach(source=self.options.source, target=self.options.target)
        self.state = following

    def _write_attach(self, **termini: Any) -> None:
        options = self.options
        attach = Attach(
            name=self.name,
            handle=self.handle,
            role=self.role,
            snd_settle_mode=self.snd_settle_mode,
            rcv_settle_mode=self.rcv_settle_mode,
            offered_capabilities=options.offered_capabilities,
            desired_capabilities=options.desired_capabilities,
            properties=None if options.properties is None else dict(options.properties),
            **termini,
        )
        self._fill_attach(attach)
        self.connection.write(self.session.channel, attach)

    def _fill_attach(self, attach: Attach) -> None:
        """Add what is the role's own."""

    def _take_options(self) -> None:
        """Take over what the role needs of the options with which the link is accepted."""

    def receive_attach(self, attach: Attach) -> None:
        """Take the peer's attach."""
        if attach.snd_settle_mode not in (0, 1, 2) or attach.rcv_settle_mode not in (0, 1):
            raise Violation(self.session, Condition.INVALID_FIELD, "attach has a settle mode that does not exist")
        self.remote_handle = attach.handle
        self.remote_attach = attach
        if self.state is ATTACH_SENT and self._is_refusal(attach):
            self._transition(Input.RECV_REFUSAL)
            return
        self._take_attach(attach)
        self._transition(Input.RECV_ATTACH)
        if self.state is ATTACH_RCVD:
            return
        if self._abandoned:
            self._send_detach(True, None, LinkClosed("the link was given up before the peer answered its attach"))
            return
        mismatch = self._agree(attach)
        if mismatch:
            self._send_detach(True, None, LinkRefused(mismatch))
            return
        self._begin_work()
        self.connection.changed(self)

    def _is_refusal(self, attach: Attach) -> bool:
        """Whether the terminus that is the peer's to fill is null."""
        raise NotImplementedError

    def _take_attach(self, attach: Attach) -> None:
        """Take what the role needs of the peer's attach."""

    def _begin_work(self) -> None:
        """Start what an attached link does."""

    def _agree(self, attach: Attach) -> str | None:
        """Settle on the modes; return what is wrong where the peer did not give the mode that was asked for."""
        asked = self.options
        for field, names in (("snd_settle_mode", SenderSettleMode), ("rcv_settle_mode", ReceiverSettleMode)):
            answer = getattr(attach, field)
            wanted = getattr(asked, field)
            if wanted is not None and wanted != answer:
                mode = field.replace("_", "-")
                return (
                    f"{mode} {names(wanted).name.lower()} was asked for, the peer answered {names(answer).name.lower()}"
                )
            setattr(self, field, answer)
        return None

    def _abandon(self) -> None:
        self._abandoned = True
        if self.state is REFUSED:
            return  # the peer's detach is to come and answers itself
        if self.state is ATTACHED:
            self.start_detach(closed=True)

    # --- detach -------------------------------------------------------------------------------------------------------

    def _send_detach(self, closed: bool, error: Error | None, cause: AMQPError) -> None:
        if self.state is ATTACH_RCVD:
            self._attach_nothing()
        following = self._following(Input.SEND_DETACH)
        self._before_detach()
        self.session.flush()
        self.connection.write(self.session.channel, Detach(handle=self.handle, closed=closed, error=error))
        self.state = following
        self._over(cause)

    def _attach_nothing(self) -> None:
        """Answer the peer's attach without a terminus, for a detach to follow (§2.6.3)."""
        self._write_attach(source=None, target=None)
        self._transition(Input.SEND_ATTACH)

    def _before_detach(self) -> None:
        """Finish what must not be left half done on the wire."""

    def receive_detach(self, detach: Detach) -> None:
        """Take the peer's detach."""
        if self.state is DETACH_SENT:
            self._transition(Input.RECV_DETACH)
            self._release(LinkClosed("the link was closed"))
            return
        refused = self.state is REFUSED
        if self.state is ATTACH_RCVD:
            self._attach_nothing()
        self._transition(Input.RECV_DETACH)
        self.detached_by_peer = True
        self.session.flush()
        closed = detach.closed or refused
        self.connection.write(self.session.channel, Detach(handle=self.handle, closed=closed))
        self._transition(Input.SEND_DETACH)
        kind = LinkRefused if refused else LinkDetachedByPeer
        what = "refused" if refused else "closed" if detach.closed else "detached"
        self._release(remote_error(kind, f"the peer {what} the {self.kind} {self.name!r}", detach.error))

    def fail(self, error: AMQPError, reason: Error) -> None:
        """Close the link for a reason of ours that the detach frame tells the peer."""
        if self.state is ATTACHED or self.state is ATTACH_RCVD:
            self._send_detach(True, reason, error)
        else:
            self._over(error)

    def session_ended(self, error: AMQPError) -> None:
        """Learn that the session is over."""
        self.state = DETACHED
        self._over(error)

    def _release(self, error: AMQPError) -> None:
        self.state = DETACHED
        self._over(error)
        self.session.forget_link(self)

    def _over(self, error: AMQPError) -> None:
        """Note why the link is over, the first cause stays, and let the role clean up."""
        if self.error is None:
            self.error = error
            self._end_work(error)
        self.connection.changed(self)

    def _end_work(self, error: AMQPError) -> None:
        """Stop what an attached link does."""

    # --- what either role may get -------------------------------------------------------------------------------------

    def admits(self, run: TransferRun) -> bool:
        """Whether a run can be taken as a whole."""
        return False

    def receive_run(self, run: TransferRun) -> None:
        """Take a run that `admits` let in."""
        raise NotImplementedError

    def receive_delivery(self, delivery: Delivery) -> None:
        """Take a delivery of one frame."""
        raise Violation(self.session, Condition.NOT_ALLOWED, f"a transfer to the sending end of {self.name!r}")

    def receive_transfer(self, transfer: Transfer, payload: bytes) -> None:
        """Take a transfer frame."""
        raise Violation(self.session, Condition.NOT_ALLOWED, f"a transfer to the sending end of {self.name!r}")

    def receive_flow(self, flow: Flow) -> None:
        """Take a flow for this link."""
        if flow.properties:
            self.connection.emit(LinkStateReceived(self, flow.properties))
        if self.state is ATTACHED:
            self._apply_flow(flow)
        elif self.state is ATTACH_RCVD:
            self._early_flow = flow

    def _apply_flow(self, flow: Flow) -> None:
        self._take_flow(flow)
        if flow.echo:
            self.session.request_flow(self)

    def _take_flow(self, flow: Flow) -> None:
        raise NotImplementedError

    def fill_flow(self, flow: Flow) -> None:
        """Add this link's state to a flow that is about to leave."""
        raise NotImplementedError

    # --- what the peer said -------------------------------------------------------------------------------------------

    @property
    def remote_properties(self) -> Mapping[Any, Any]:
        """The properties in the peer's attach."""
        return (self.remote_attach.properties if self.remote_attach else None) or {}

    # --- transitions --------------------------------------------------------------------------------------------------

    def _following(self, kind: Input) -> LinkState:
        following = LINK_TRANSITIONS.get((self.state, kind))
        if following is None:
            raise InvalidState(f"{kind.name} in state {self.state.name}")
        return following

    def _transition(self, kind: Input) -> None:
        following = LINK_TRANSITIONS.get((self.state, kind))
        if following is None:
            raise Violation(self.session, Condition.ILLEGAL_STATE, f"{kind.name} in state {self.state.name}")
        self.state = following
