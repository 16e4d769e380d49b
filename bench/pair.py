"""Two engines joined in memory: a client, and the peer that accepts what it asks for."""

from __future__ import annotations

from typing import Any

from amqp10.engine import Connection, Operation, Receiver, Sender, Session
from amqp10.engine.events import LinkRequested, SessionRequested
from amqp10.options import ConnectionOptions, ReceiverOptions, SenderOptions, SessionOptions
from amqp10.terminus import Source, Target

UNSETTLED = 10_000
"""Deliveries without an outcome, at most."""

_PEER_WINDOW = 1_000_000  # frames: the peer's windows never hold the client up


class Pair:
    """A client and the peer that accepts its session and its link.

    Attributes:
        client: the end that opens.
        peer: the end that answers.
    """

    def __init__(self) -> None:
        self.client = Connection(ConnectionOptions(container_id="client"))
        self.peer = Connection(ConnectionOptions(container_id="peer"))
        self._remote: Sender | Receiver | None = None  # the peer's end of the link
        self._run(self.peer.open(), self.client.open())

    def _run(self, *operations: Operation[Any]) -> None:
        """Run operations to their end, passing bytes both ways."""
        waiting = list(operations)
        for _ in range(100):
            waiting = [operation for operation in waiting if next(operation, None) is not None]
            self.exchange()
            if not waiting:
                return
        raise RuntimeError("the engines do not come to an end")

    def exchange(self) -> None:
        """Pass bytes both ways until there are none."""
        moved = True
        while moved:
            there, back = self.client.data_to_send(), self.peer.data_to_send()
            self.peer.receive_data(there)
            self.client.receive_data(back)
            self._answer()
            self.client.events()
            moved = bool(there or back)

    def _answer(self) -> None:
        for event in self.peer.events():
            if isinstance(event, SessionRequested):
                event.session.accept(SessionOptions(incoming_window=_PEER_WINDOW))
            elif isinstance(event, LinkRequested):
                self._accept_link(event.link)

    def _accept_link(self, link: Any) -> None:
        if isinstance(link, Receiver):
            link.accept(ReceiverOptions(name=link.name, source=Source(), target=Target(), credit=UNSETTLED))
        else:
            options = SenderOptions(name=link.name, source=Source(), target=Target(), max_unsettled=2 * UNSETTLED)
            link.accept(options)
        self._remote = link

    def _begin(self) -> Session:
        session = self.client.new_session(SessionOptions(private=True))
        self._run(session.begin())
        return session

    def open_receiver(self, credit: int) -> tuple[Receiver, Sender]:
        """Attach a receiver of the client's, in a session of its own; return both ends."""
        receiver = self._begin().new_receiver(ReceiverOptions(name="link", source=Source(address="q"), credit=credit))
        self._run(receiver.attach())
        assert isinstance(self._remote, Sender)
        return receiver, self._remote

    def open_sender(self) -> tuple[Sender, Receiver]:
        """Attach a sender of the client's, in a session of its own; return both ends."""
        options = SenderOptions(name="link", target=Target(address="q"), max_unsettled=UNSETTLED)
        sender = self._begin().new_sender(options)
        self._run(sender.attach())
        assert isinstance(self._remote, Receiver)
        return sender, self._remote
