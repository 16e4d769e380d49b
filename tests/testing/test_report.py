"""What a failure says."""

from amqp10.performatives import Close, Open
from amqp10.testing import ScriptedPeer
from amqp10.testing.report import TraceEntry, mismatch_text, steps_text, trace_text
from amqp10.testing.script import Act, Arrival, Wait
from amqp10.testing.wire import EMPTY_FRAME
from tests.testing.hand import Hand, flow, opened


def test_a_whole_failure() -> None:
    """The text as people see it, once in full."""
    peer = ScriptedPeer()
    peer.handshake(sasl=False, session=False)
    peer.expect_begin(incoming_window=10, channel=1)
    peer.expect_end()
    hand = Hand(peer)
    hand.header()
    hand.say(Open(container_id="x"))
    hand.say(Close(), channel=1)
    lines = [line.split("  (test_report.py:")[0].rstrip() for line in str(peer.failure).splitlines()]
    assert lines == [
        "unexpected Close",
        "",
        "  ch 1  Close()",
        "",
        "  expect Begin(incoming_window=10, channel=1)",
        "",
        "the script from here on:",
        "  expect Begin(incoming_window=10, channel=1)",
        "  expect End()",
        "",
        "the exchange so far (→ sent by the scripted peer, ← received by it):",
        "  ← header AMQP 1.0.0",
        "  → header AMQP 1.0.0",
        "  ← ch 0  Open(container_id='x', max_frame_size=4294967295, channel_max=65535)",
        "  → ch 0  Open(container_id='scripted-peer', max_frame_size=4294967295, channel_max=65535)",
        "  ← ch 1  Close()",
    ]


def test_every_open_expectation_is_compared() -> None:
    peer, hand = opened()
    peer.expect_flow(echo=True).optional()
    peer.expect_flow(channel=3, drain=True)
    peer.expect_flow(available=7)
    hand.say(flow(), channel=3)
    lines = str(peer.failure).splitlines()
    assert [line for line in lines if "✗" in line] == ["   ✗ echo  True      False", "   ✗ drain    True      False"]
    assert "     channel  3         3" in lines


def test_nothing_expected() -> None:
    text = mismatch_text(Arrival(EMPTY_FRAME), [])
    assert text == "unexpected empty frame: the script expects nothing more\n\n  empty frame"


def test_long_scripts_and_traces_are_cut() -> None:
    steps = [Wait(number) for number in range(1, 8)]
    lines = steps_text(steps).splitlines()
    assert [line.partition("  (")[0] for line in lines[3:]] == [f"  wait {n} s" for n in range(1, 6)] + [
        "  … and 2 more"
    ]
    assert steps_text([]) == ""
    entries = [TraceEntry(True, label=f"frame {number}") for number in range(25)]
    lines = trace_text(entries).splitlines()
    assert lines[3:5] == ["  … 5 more", "  → frame 5"]
    assert lines[-1] == "  → frame 24"
    assert trace_text([]).strip() == "the exchange so far: nothing"


def test_steps_are_told_with_their_place() -> None:
    assert "  send it  (test_report.py:" in steps_text([Act(lambda: None, "send it")])
    peer = ScriptedPeer()
    peer.expect_open()
    peer.send_flow(link_credit=3)
    peer.send(Close())
    assert [line.partition("  (")[0].strip() for line in peer.situation().splitlines() if "send " in line] == [
        "send Flow(link_credit=3)",
        "send Close()",
    ]


def test_trace_entries() -> None:
    assert str(TraceEntry.of_frame(Close(), 4, b"ab", sent=True)) == "→ ch 4  Close() + b'ab'"
    large = TraceEntry.of_frame(Close(), 4, bytes(1000), sent=False)
    assert str(large) == f"← ch 4  Close() + {bytes(24)!r}… 1000 bytes"
    assert len(large.payload) == 64
    assert str(TraceEntry(False, label="header")) == "← header"
