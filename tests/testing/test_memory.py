"""The pump: chunks, turns, time, ends, failures."""

import pytest

from amqp10.performatives import Close, Flow, Open, Transfer
from amqp10.testing import (
    Cut,
    Delay,
    Drop,
    Duplicate,
    Pump,
    ScriptedPeer,
    ScriptFailure,
    Stall,
    data_section,
    pump,
)


def conversation() -> tuple[ScriptedPeer, ScriptedPeer]:
    """Returns a client and a server with much to say to each other."""
    server, client = ScriptedPeer(), ScriptedPeer(role="client")
    server.handshake()
    server.expect_sender("q", credit=20)
    server.whenever(Transfer).respond()
    server.expect_close().respond()
    client.handshake()
    client.open_sender("q")
    client.expect_flow()
    for number in range(20):
        client.send_transfer(data_section(b"%d" % number), frames=1 + number % 3)
    client.expect_disposition().times(20)
    client.send_close()
    client.expect_close()
    return client, server


@pytest.mark.parametrize("max_chunk", [None, 1, 2, 13, 1000])
@pytest.mark.parametrize("seed", [0, 1])
def test_any_chunks_in_any_turn(max_chunk: int | None, seed: int) -> None:
    client, server = conversation()
    pump(client, server, max_chunk=max_chunk, seed=seed)
    client.assert_done()
    server.assert_done()
    payloads = [delivery.payload for delivery in server.link("sender").deliveries]
    assert payloads == [data_section(b"%d" % number) for number in range(20)]
    assert (client.finished, server.finished) == (True, True)


class Talker:
    """Says something a few times, and notes in which pieces it hears the other."""

    finished = False

    def __init__(self, log: list[tuple[str, int]], name: str, times: int = 5) -> None:
        self.log, self.name, self.left = log, name, times

    def receive_data(self, data: bytes, /) -> None:
        self.log.append((self.name, len(data)))

    def receive_eof(self, cause: BaseException | None = None, /) -> None:
        self.log.append((self.name, 0))

    def tick(self, now: float, /) -> float | None:
        return None

    def data_to_send(self) -> bytes:
        self.left -= 1
        return bytes(10) if self.left >= 0 else b""


def test_a_seed_decides_on_pieces_and_turns() -> None:
    def heard(seed: int) -> list[tuple[str, int]]:
        log: list[tuple[str, int]] = []
        pump(Talker(log, "a"), Talker(log, "b"), max_chunk=4, seed=seed)
        return log

    assert heard(1) == heard(1)
    assert heard(1) != heard(2)
    assert sum(size for name, size in heard(1) if name == "a") == 50
    assert max(size for _, size in heard(1)) == 4


def test_a_failure_is_raised_where_it_happens() -> None:
    client, server = conversation()
    server.expect_open()
    with pytest.raises(ScriptFailure, match="unexpected end of the connection"):
        pump(client, server)


def test_pumping_again_and_again() -> None:
    server, client = ScriptedPeer(), ScriptedPeer(role="client")
    server.handshake(session=False)
    client.handshake(session=False)
    pump(client, server)
    client.send_begin()
    server.expect_begin().respond()
    client.expect_begin()
    pump(client, server)
    server.assert_done()
    client.assert_done()


def test_faults() -> None:
    client, server = conversation()
    pump(client, server, to_peer=[Drop(Close)])
    assert not client.done
    assert not server.done
    client, server = conversation()
    with pytest.raises(ScriptFailure, match="a second open"):
        pump(client, server, to_peer=[Duplicate(Open)])
    client, server = conversation()
    with pytest.raises(ScriptFailure, match="unexpected end of the connection"):
        pump(client, server, to_subject=[Cut(Flow, reset=True)])


def test_a_stall_is_not_noticed_at_once() -> None:
    client, server = conversation()
    wire = Pump(client, server, to_peer=[Stall(Transfer)])
    wire.run()
    wire.advance(1000)
    assert server.count(Transfer) == 0
    assert (server.failure, client.failure) == (None, None)


def test_time_passes_only_when_told() -> None:
    server, client = ScriptedPeer(), ScriptedPeer(role="client")
    server.handshake(sasl=False, session=False)
    server.wait(10)
    server.send_empty()
    client.handshake(sasl=False, session=False)
    client.expect_empty()
    wire = Pump(client, server, now=100)
    wire.run()
    wire.advance(9.9)
    assert not client.done
    wire.advance(0.1)
    client.assert_done()
    assert wire.now == 110


def test_every_deadline_is_kept_on_a_long_way() -> None:
    server, client = ScriptedPeer(), ScriptedPeer(role="client")
    server.handshake(sasl=False, session=False)
    client.handshake(sasl=False, session=False)
    times: list[float] = []
    wire = Pump(client, server)
    for _ in range(3):
        server.wait(1.5)
        server.send_empty()
        client.expect_empty().then(lambda body: times.append(wire.now))
    wire.advance(60)
    assert [round(time, 3) for time in times] == [1.5, 3.0, 4.5]
    assert wire.now == 60


def test_delays_on_the_way() -> None:
    client, server = conversation()
    wire = Pump(client, server, to_subject=[Delay(2.0, Flow)])
    wire.run()
    assert server.count(Transfer) == 0
    wire.advance(2.0)
    assert server.done
    assert client.done


def test_a_peer_that_does_not_read() -> None:
    client, server = conversation()
    server.reading = False
    wire = Pump(client, server, capacity=4)
    wire.run()
    assert len(server.trace) == 0
    server.resume_reading()
    wire.run()
    assert server.done
    assert client.done


def test_a_full_lane_is_not_filled_further() -> None:
    talker, listener = Talker([], "talker"), ScriptedPeer()
    listener.reading = False
    Pump(talker, listener, capacity=25).run()
    assert talker.left == 2


def test_the_end_comes_after_all_that_was_said() -> None:
    log: list[tuple[str, int]] = []
    talker = Talker(log, "talker")
    talker.finished = True
    Pump(talker, Talker(log, "listener", times=0), capacity=10).run()
    assert log == [("listener", 10)] * 5 + [("listener", 0)]


def test_two_that_never_rest_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amqp10.testing.memory._MAX_ROUNDS", 50)
    server, client = ScriptedPeer(), ScriptedPeer(role="client")
    server.handshake(sasl=False)
    client.handshake(sasl=False)
    server.whenever(Flow).respond()
    client.whenever(Flow).respond()
    client.send_flow()
    with pytest.raises(AssertionError, match="after 50 rounds the two ends still talk"):
        pump(client, server)


def test_ends_are_told_once() -> None:
    server, client = ScriptedPeer(), ScriptedPeer(role="client")
    server.disconnect()
    client.expect_disconnect()
    wire = Pump(client, server)
    wire.run()
    wire.run()
    client.assert_done()
    assert [str(entry) for entry in client.trace] == ["← end of the connection"]


def test_a_reset_is_told_as_an_error() -> None:
    server, client = ScriptedPeer(), ScriptedPeer(role="client")
    server.send_header()
    server.disconnect(reset=True)
    client.expect_disconnect()
    pump(client, server)
    assert [str(entry) for entry in client.trace] == ["← connection lost: the connection was reset"]
