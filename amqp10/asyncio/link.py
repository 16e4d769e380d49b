"""What senders and receivers for asyncio have in common: their facts, and leaving them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from amqp10 import engine
from amqp10.asyncio.driver import Deadline
from amqp10.asyncio.opening import Enterable
from amqp10.engine.states import LinkState
from amqp10.errors import AMQPError
from amqp10.options import DEFAULT, Timeout

if TYPE_CHECKING:
    from amqp10.asyncio.driver import Driver
    from amqp10.asyncio.session import Session
    from amqp10.performatives import Error

__all__ = ["Link"]

L = TypeVar("L", bound=engine.Link)


class Link(Enterable, Generic[L]):
    """What sender and receiver have in common."""

    def __init__(
        self,
        driver: Driver,
        session: Session,
        link: L,
        owns_session: bool,
        on_link_state: Callable[[Mapping[Any, Any]], None] | None,
    ) -> None:
        self._driver = driver
        self._session = session
        self._engine: L = link
        self._owns_session = owns_session
        self._on_link_state = on_link_state
        link.owner = self

    @property
    def session(self) -> Session:
        """The session of the link."""
        return self._session

    @property
    def name(self) -> str:
        """The link's name."""
        return self._engine.name

    @property
    def snd_settle_mode(self) -> int:
        """As agreed: 0 unsettled, 1 settled, 2 mixed."""
        return self._engine.snd_settle_mode

    @property
    def rcv_settle_mode(self) -> int:
        """As agreed: 0 first, 1 second."""
        return self._engine.rcv_settle_mode

    @property
    def closed(self) -> bool:
        """Whether the link is over, from whichever end."""
        return self._engine.error is not None

    @property
    def error(self) -> AMQPError | None:
        """Why the link is over, or None."""
        return self._engine.error

    @property
    def remote_properties(self) -> Mapping[Any, Any]:
        """The properties in the peer's attach."""
        return self._engine.remote_properties

    @property
    def remote_source(self) -> Any:
        """The source in the peer's attach."""
        attach = self._engine.remote_attach
        return None if attach is None else attach.source

    @property
    def remote_target(self) -> Any:
        """The target in the peer's attach."""
        attach = self._engine.remote_attach
        return None if attach is None else attach.target

    @property
    def offered_capabilities(self) -> tuple[str, ...]:
        """What the peer's attach offers."""
        attach = self._engine.remote_attach
        return tuple((attach.offered_capabilities if attach else None) or ())

    def _close_deadline(self, what: str, timeout: Timeout = DEFAULT) -> Deadline:
        return Deadline(self._seconds("close", timeout), what, "link")

    def _seconds(self, kind: str, timeout: Timeout) -> float | None:
        return self._session._connection._seconds(kind, timeout)

    def _link_state_received(self, properties: Mapping[Any, Any]) -> None:
        if self._on_link_state is not None:
            self._driver.loop.call_soon(self._on_link_state, properties)

    def _changed(self) -> None:
        """Learn that the link may be over: whoever waits must know, and its own session goes with it."""
        if self._engine.error is None:
            return
        self._wake_all(self._engine.error)
        if not self._is_owed:
            self._session._connection._links.discard(self)  # there is no more to ask it
        if self._owns_session and self._engine.state is LinkState.DETACHED:
            self._session._engine.start_end()

    def _wake_all(self, error: AMQPError) -> None:
        """Let everybody who waits on the link know why it is over."""
        raise NotImplementedError

    @property
    def _is_owed(self) -> bool:
        """Whether something that happened is still to be told to the user."""
        return False

    async def _detach(self, closed: bool, deadline: Deadline, error: Error | None) -> None:
        """Detach, and wait for the peer's answer; where that is broken off, what ends the link has left all the same.

        Raises:
            EncodeError: the error cannot be encoded; the link is as it was.
        """
        self._driver.check_reason(error)
        try:
            await self._finish_work(deadline)
            await self._driver.run(self._engine.detach(closed=closed, error=error), deadline)
            if self._owns_session:
                await self._driver.run(self._session._engine.end(), deadline)
        except BaseException:
            self._drop(closed, error)
            raise

    async def _finish_work(self, deadline: Deadline) -> None:
        """Do what is to be done before the link is detached."""

    def _drop(self, closed: bool, error: Error | None) -> None:
        """Detach without waiting."""
        self._engine.start_detach(closed=closed, error=error)
        if self._owns_session:
            self._session._engine.start_end()
        self._driver.pump()

    def __repr__(self) -> str:
        """Name connection, channel, name and state."""
        return repr(self._engine).replace("<", "<asyncio ", 1)
