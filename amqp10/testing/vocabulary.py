"""The words that scripts are written in, all made of the few that the peer itself knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from amqp10._codec import CompositeBase, Message
from amqp10.performatives import (
    Attach,
    Begin,
    Close,
    Detach,
    Disposition,
    End,
    Flow,
    Open,
    SaslInit,
    SaslMechanisms,
    SaslOutcome,
    Transfer,
)
from amqp10.terminus import Source, Target
from amqp10.testing.matchers import ANY, HasAddress
from amqp10.testing.script import Expectation, LinkName, SessionName
from amqp10.types import Symbol

__all__ = ["AMQP", "SASL", "Vocabulary"]

AMQP = 0
"""The protocol id of AMQP itself (§2.2)."""
SASL = 3
"""The protocol id of the SASL layer (§5.3.1)."""

_P = TypeVar("_P", bound=CompositeBase)


class Vocabulary:
    """Short forms of `expect` and `send`; `ScriptedPeer` offers them all."""

    role: str

    def expect(
        self,
        kind: type[_P],
        /,
        *,
        channel: object = ANY,
        payload: object = ANY,
        link: LinkName = None,
        **fields: object,
    ) -> Expectation[_P]:
        """Expect a frame."""
        raise NotImplementedError

    def expect_header(self, protocol_id: int = AMQP) -> Expectation[Any]:
        """Expect a protocol header."""
        raise NotImplementedError

    def send(
        self,
        frame: CompositeBase | type[CompositeBase],
        /,
        *,
        channel: int | None = None,
        payload: bytes = b"",
        link: LinkName = None,
        session: SessionName = None,
        **fields: object,
    ) -> None:
        """Send a frame."""
        raise NotImplementedError

    def send_header(self, protocol_id: int = AMQP) -> None:
        """Send a protocol header."""
        raise NotImplementedError

    # --- one for each performative ------------------------------------------------------------------------------------

    def expect_open(self, **fields: object) -> Expectation[Open]:
        """Expect an open. Args as for `expect`."""
        return self.expect(Open, **_arguments(fields))

    def expect_begin(self, **fields: object) -> Expectation[Begin]:
        """Expect a begin. Args as for `expect`."""
        return self.expect(Begin, **_arguments(fields))

    def expect_attach(self, **fields: object) -> Expectation[Attach]:
        """Expect an attach. Args as for `expect`."""
        return self.expect(Attach, **_arguments(fields))

    def expect_flow(self, **fields: object) -> Expectation[Flow]:
        """Expect a flow. Args as for `expect`."""
        return self.expect(Flow, **_arguments(fields))

    def expect_transfer(self, payload: object = ANY, **fields: object) -> Expectation[Transfer]:
        """Expect one transfer: of a message in several frames, one of these.

        Args:
            payload: the payload of this frame, or a matcher of it, as `HasBody`.
            fields: as for `expect`.
        """
        return self.expect(Transfer, payload=payload, **_arguments(fields))

    def expect_disposition(self, **fields: object) -> Expectation[Disposition]:
        """Expect a disposition. Args as for `expect`."""
        return self.expect(Disposition, **_arguments(fields))

    def expect_detach(self, **fields: object) -> Expectation[Detach]:
        """Expect a detach. Args as for `expect`."""
        return self.expect(Detach, **_arguments(fields))

    def expect_end(self, **fields: object) -> Expectation[End]:
        """Expect an end. Args as for `expect`."""
        return self.expect(End, **_arguments(fields))

    def expect_close(self, **fields: object) -> Expectation[Close]:
        """Expect a close. Args as for `expect`."""
        return self.expect(Close, **_arguments(fields))

    def send_open(self, **fields: object) -> None:
        """Send an open. Args as for `send`."""
        self.send(Open, **_arguments(fields))

    def send_begin(self, **fields: object) -> None:
        """Send a begin: the answer to one that came and has none, or a session of our own. Args as for `send`."""
        self.send(Begin, **_arguments(fields))

    def send_attach(self, **fields: object) -> None:
        """Send an attach of our own. Args as for `send`."""
        self.send(Attach, **_arguments(fields))

    def send_flow(self, **fields: object) -> None:
        """Send a flow; about a link where a link or a field of a link is given, else about the session.

        Args:
            fields: as for `send`. What is left out is the state as it is.
        """
        self.send(Flow, **_arguments(fields))

    def send_disposition(self, **fields: object) -> None:
        """Send a disposition; unless told otherwise, as the receiver: the latest delivery is accepted and settled.

        Args:
            fields: as for `send`.
        """
        self.send(Disposition, **_arguments(fields))

    def send_detach(self, **fields: object) -> None:
        """Send a detach, with closed set unless told otherwise. Args as for `send`."""
        self.send(Detach, **_arguments(fields))

    def send_end(self, **fields: object) -> None:
        """Send an end. Args as for `send`."""
        self.send(End, **_arguments(fields))

    def send_close(self, **fields: object) -> None:
        """Send a close. Args as for `send`."""
        self.send(Close, **_arguments(fields))

    def send_transfer(self, content: bytes | Message = b"", *, frames: int = 1, **fields: object) -> None:
        """Send a delivery, or a part of one.

        A delivery that was begun with ``more=True`` is continued by the next call for its link.

        Args:
            content: the payload as it is (`data_section` makes one), or a message to encode.
            frames: in how many transfers, of about the same size.
            fields: as for `send`; those of the transfer go into each of them, but `more`, which is the last one's.
        """
        payload = content.encode() if isinstance(content, Message) else content
        more = fields.pop("more", False)
        size = -(-len(payload) // frames)
        for number in range(frames):
            part = payload[number * size : (number + 1) * size]
            self.send(Transfer, payload=part, more=more or number < frames - 1, **_arguments(fields))

    # --- whole exchanges ----------------------------------------------------------------------------------------------

    def expect_sasl(
        self,
        mechanism: object = ANY,
        *,
        mechanisms: Sequence[str] = ("ANONYMOUS", "PLAIN"),
        initial_response: object = ANY,
        code: int = 0,
    ) -> Expectation[SaslInit]:
        """Expect the SASL layer of one round: header, mechanisms, init, outcome (§5.3.2).

        Args:
            mechanism: what must be chosen.
            mechanisms: what is offered.
            initial_response: what must come with the choice.
            code: of the outcome; 0 is success (§5.3.3.6).

        Returns:
            The expectation of the init.
        """
        self.expect_header(SASL).respond()
        self.send(SaslMechanisms, sasl_server_mechanisms=[Symbol(name) for name in mechanisms])
        init = self.expect(SaslInit, mechanism=mechanism, initial_response=initial_response)
        return init.respond(SaslOutcome, code=code)

    def expect_sasl_anonymous(self) -> Expectation[SaslInit]:
        """Expect the SASL layer with the mechanism ANONYMOUS."""
        return self.expect_sasl("ANONYMOUS", mechanisms=["ANONYMOUS"])

    def expect_sasl_plain(self, username: str, password: str, *, code: int = 0) -> Expectation[SaslInit]:
        """Expect the SASL layer with the mechanism PLAIN (RFC 4616).

        Args:
            username: who must ask.
            password: what must be given for it.
            code: of the outcome; 0 is success, 1 a wrong password.
        """
        response = f"\0{username}\0{password}".encode()
        return self.expect_sasl("PLAIN", mechanisms=["PLAIN"], initial_response=response, code=code)

    def send_sasl(self, mechanism: str = "ANONYMOUS", initial_response: bytes | None = None) -> None:
        """Go through the SASL layer of one round as its client.

        Args:
            mechanism: what to choose.
            initial_response: what to send with it.
        """
        self.send_header(SASL)
        self.expect_header(SASL)
        answer = {"mechanism": Symbol(mechanism), "initial_response": initial_response}
        self.expect(SaslMechanisms).respond(SaslInit, **answer)
        self.expect(SaslOutcome, code=0)

    def handshake(
        self,
        *,
        sasl: bool = True,
        session: bool = True,
        begin: Mapping[str, object] | None = None,
        **open_fields: object,
    ) -> None:
        """Go through all that comes before the first link: headers, SASL, open, and a begin.

        Args:
            sasl: whether there is a SASL layer (with any mechanism; as a client, ANONYMOUS).
            session: whether a session is begun.
            begin: fields of our begin.
            open_fields: fields of our open.
        """
        if self.role == "client":
            self._start_handshake(sasl, session, begin or {}, open_fields)
            return
        if sasl:
            self.expect_sasl()
        self.expect_header().respond()
        self.expect_open().respond(**open_fields)
        if session:
            self.expect_begin().respond(**begin or {})

    def _start_handshake(
        self, sasl: bool, session: bool, begin: Mapping[str, object], open_fields: dict[str, object]
    ) -> None:
        if sasl:
            self.send_sasl()
        self.send_header()
        self.expect_header()
        self.send_open(**open_fields)
        self.expect_open()
        if session:
            self.send_begin(**begin)
            self.expect_begin()

    def expect_sender(
        self, address: object = ANY, *, credit: int | None = 100, name: object = ANY, **fields: object
    ) -> Expectation[Attach]:
        """Expect a sender to attach, answer it, and give it credit.

        Args:
            address: of the target.
            credit: how many deliveries; None sends no flow.
            name: of the link.
            fields: fields of our attach.

        Returns:
            The expectation of the attach, which also names the link in what is sent later.
        """
        target = ANY if address is ANY else HasAddress(address)
        attach = self.expect(Attach, role=False, name=name, target=target).respond(**fields)
        if credit is not None:
            self.send_flow(link=attach, link_credit=credit)
        return attach

    def expect_receiver(
        self, address: object = ANY, *, credit: object = None, name: object = ANY, **fields: object
    ) -> Expectation[Attach]:
        """Expect a receiver to attach, and answer it.

        Args:
            address: of the source.
            credit: the credit that it must give next, or a matcher of it; None expects no flow.
            name: of the link.
            fields: fields of our attach.

        Returns:
            The expectation of the attach, which also names the link in what is sent later.
        """
        source = ANY if address is ANY else HasAddress(address)
        attach = self.expect(Attach, role=True, name=name, source=source).respond(**fields)
        if credit is not None:
            self.expect_flow(link_credit=credit)
        return attach

    def open_sender(self, address: str | None = None, *, name: str = "sender", **fields: object) -> Expectation[Attach]:
        """Attach a sender of our own, and expect the answer.

        Args:
            address: of the target.
            name: of the link.
            fields: further fields of our attach.

        Returns:
            The expectation of the answer, which also names the link in what is sent later.
        """
        self.send(Attach, **_arguments({"name": name, "role": False, "target": Target(address=address), **fields}))
        return self.expect(Attach, name=name, role=True)

    def open_receiver(
        self, address: str | None = None, *, name: str = "receiver", credit: int | None = 100, **fields: object
    ) -> Expectation[Attach]:
        """Attach a receiver of our own, expect the answer, and give credit.

        Args:
            address: of the source.
            name: of the link.
            credit: how many deliveries; None sends no flow.
            fields: further fields of our attach.

        Returns:
            The expectation of the answer, which also names the link in what is sent later.
        """
        self.send(Attach, **_arguments({"name": name, "role": True, "source": Source(address=address), **fields}))
        attach = self.expect(Attach, name=name, role=False)
        if credit is not None:
            self.send_flow(link=attach, link_credit=credit)
        return attach


def _arguments(fields: Mapping[str, object]) -> dict[str, Any]:
    """Pass fields on to `expect` or `send`, which know the types of some."""
    return dict(fields)
