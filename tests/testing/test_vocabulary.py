"""The short words of scripts, one end's against the other's: a server and a client that both play."""

import pytest

from amqp10.messaging import Message
from amqp10.outcomes import RELEASED, Accepted
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
from amqp10.testing import ANY, SASL, HasBody, ScriptedPeer, ScriptFailure, data_section, pump
from amqp10.types import Symbol
from tests.testing.hand import Hand, attach, opened


def both() -> tuple[ScriptedPeer, ScriptedPeer]:
    """Returns a server and a client, scripted up to a session."""
    server, client = ScriptedPeer(), ScriptedPeer(role="client", first_channel=0, first_handle=0)
    server.handshake()
    client.handshake()
    return server, client


def play(server: ScriptedPeer, client: ScriptedPeer) -> None:
    pump(client, server)
    server.assert_done()
    client.assert_done()


def test_handshake() -> None:
    server, client = both()
    play(server, client)
    assert [type(entry.performative or entry) for entry in client.trace if entry.sent][-2:] == [Open, Begin]
    assert (server.count(SaslInit), client.count(SaslMechanisms), client.count(SaslOutcome)) == (1, 1, 1)
    assert server.sessions[0].is_open_here
    assert server.sessions[0].is_open_there


@pytest.mark.parametrize("sasl", [True, False])
@pytest.mark.parametrize("session", [True, False])
def test_parts_of_a_handshake(sasl: bool, session: bool) -> None:
    server, client = ScriptedPeer(), ScriptedPeer(role="client")
    server.handshake(sasl=sasl, session=session, begin={"handle_max": 4}, idle_time_out=1000)
    client.handshake(sasl=sasl, session=session, begin={"incoming_window": 5}, hostname="here")
    play(server, client)
    (opened_by_client,), (opened_by_server,) = server.received(Open), client.received(Open)
    assert (opened_by_client.hostname, opened_by_server.idle_time_out) == ("here", 1000)
    assert server.count(SaslInit) == sasl
    assert [begin.incoming_window for begin in server.received(Begin)] == [5] * session
    assert [begin.handle_max for begin in client.received(Begin)] == [4] * session


def test_a_message_there_and_its_outcome_back() -> None:
    server, client = both()
    server.expect_sender("orders", credit=2)
    server.expect_transfer(HasBody(b"hello")).respond()
    server.expect_transfer(data_section(b"there")).respond(state=RELEASED)
    client.open_sender("orders", name="s", snd_settle_mode=0)
    client.expect_flow(link_credit=2)
    client.send_transfer(Message(b"hello"))
    client.expect_disposition(state=Accepted, settled=True)
    client.send_transfer(data_section(b"there"))
    client.expect_disposition(state=RELEASED)
    play(server, client)
    assert server.received(Attach)[0].snd_settle_mode == 0
    assert [delivery.state for delivery in client.sessions[0].sent.values()] == [Accepted(), RELEASED]


def test_a_message_back() -> None:
    server, client = both()
    server.expect_receiver("orders", name="r", credit=100, max_message_size=77)
    server.send_transfer(data_section(b"x" * 100), frames=3, settled=True)
    server.expect_detach(closed=False).respond()
    client.open_receiver("orders", name="r")
    client.expect_transfer(more=True).times(2)
    client.expect_transfer(more=False)
    client.send_detach(closed=False)
    client.expect_detach(closed=False)
    play(server, client)
    (delivery,) = client.link("r").deliveries
    assert (delivery.payload, delivery.frames, delivery.settled) == (data_section(b"x" * 100), 3, True)
    assert client.received(Attach)[0].max_message_size == 77
    assert [len(entry.payload) for entry in server.trace if isinstance(entry.performative, Transfer)] == [35, 35, 35]


def test_ends_from_either_side() -> None:
    server, client = both()
    server.expect_end().respond()
    server.send_close()
    server.expect_close()
    client.send_end()
    client.expect_end()
    client.expect_close().respond()
    play(server, client)
    assert (server.finished, client.finished) == (True, True)


def test_sasl_plain() -> None:
    server = ScriptedPeer()
    init = server.expect_sasl_plain("user", "secret", code=1)
    hand = Hand(server)
    assert hand.header(SASL) == [SASL, SaslMechanisms(sasl_server_mechanisms=[Symbol("PLAIN")])]
    answer = hand.say(SaslInit(mechanism="PLAIN", initial_response=b"\0user\0secret"))
    assert answer == [SaslOutcome(code=1)]
    assert init.count == 1
    server = ScriptedPeer()
    server.expect_sasl_plain("user", "secret")
    hand = Hand(server)
    hand.header(SASL)
    hand.say(SaslInit(mechanism="PLAIN", initial_response=b"\0user\0wrong"))
    with pytest.raises(ScriptFailure, match="✗ initial_response") as caught:
        server.check()
    assert "secret" not in str(caught.value)
    assert "wrong" not in str(caught.value)


def test_sasl_as_a_client() -> None:
    server, client = ScriptedPeer(), ScriptedPeer(role="client")
    server.expect_sasl("PLAIN", mechanisms=["EXTERNAL", "PLAIN"], initial_response=b"\0a\0b")
    client.send_sasl("PLAIN", b"\0a\0b")
    play(server, client)
    assert list(client.received(SaslMechanisms)[0].sasl_server_mechanisms) == ["EXTERNAL", "PLAIN"]


def test_a_wrong_address_is_seen() -> None:
    for write in ("expect_sender", "expect_receiver"):
        peer, hand = opened()
        getattr(peer, write)("orders")
        hand.say(attach(role=write == "expect_receiver"), channel=3)
        with pytest.raises(ScriptFailure, match=r"✗ \w+ +HasAddress\('orders'\)"):
            peer.check()


def test_a_wrong_role_is_seen() -> None:
    peer, hand = opened()
    peer.expect_sender()
    hand.say(attach(role=True), channel=3)
    with pytest.raises(ScriptFailure, match="✗ role"):
        peer.check()


def test_links_of_ones_own() -> None:
    peer, hand = opened()
    receiver = peer.open_receiver("q", name="in", credit=7)
    peer.open_sender("q", name="out")
    (first,) = hand.hear()
    assert first == Attach(name="in", handle=200, role=True, source=Source(address="q"), target=Target())
    given, second = hand.say(attach("in", role=False), channel=3)
    assert isinstance(given, Flow)
    assert (given.handle, given.link_credit, given.delivery_count) == (200, 7, 50)
    assert isinstance(second, Attach)
    assert (second.handle, second.role, second.target, second.initial_delivery_count is None) == (
        201,
        False,
        Target(address="q"),
        False,
    )
    hand.say(attach("out", role=True, handle=1), channel=3)
    peer.send_detach(link=receiver)
    assert hand.hear() == [Detach(handle=200, closed=True)]


def test_one_word_for_each_frame() -> None:
    peer, hand = opened()
    peer.expect_receiver()
    hand.say(attach(role=True), channel=3)
    peer.send_open(hostname="x")
    peer.send_begin()
    peer.send_attach(name="n", session=peer.sessions[0])
    peer.send_flow(session=peer.sessions[0])
    peer.send_transfer(b"x", link="link")
    peer.send_disposition(role=False, first=9, session=peer.sessions[0])
    peer.send_detach(link="link")
    peer.send_end()
    peer.send_close()
    kinds = [Open, Begin, Attach, Flow, Transfer, Disposition, Detach, End, Close]
    assert [type(body) for body in hand.hear()] == kinds
    words = [
        *(peer.expect_open, peer.expect_begin, peer.expect_attach, peer.expect_flow, peer.expect_transfer),
        *(peer.expect_disposition, peer.expect_detach, peer.expect_end, peer.expect_close),
    ]
    for word, kind in zip(words, kinds, strict=True):
        assert str(word(channel=ANY)) == f"expect {kind.__name__}()"
