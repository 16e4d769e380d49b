"""Counts of what passed through a connection: they show that the mechanisms work as meant."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Counters", "SenderCounters"]


@dataclass(slots=True)
class Counters:
    """What passed through a connection since it was made.

    Attributes:
        reads: times that bytes came from the transport.
        bytes_in: bytes that came.
        writes: times that bytes went to the transport.
        bytes_out: bytes that went.
        runs: runs of transfers that were handled as one.
        run_deliveries: deliveries in them.
        dispositions: disposition frames that we sent.
        yields: times that a call gave the event loop its turn although it had something to do.
    """

    reads: int = 0
    bytes_in: int = 0
    writes: int = 0
    bytes_out: int = 0
    runs: int = 0
    run_deliveries: int = 0
    dispositions: int = 0
    yields: int = 0


@dataclass(frozen=True, slots=True)
class SenderCounters:
    """What a sender has sent, and what became of it.

    Attributes:
        sent: messages that were begun, those sent settled included.
        accepted: messages that the peer accepted.
        refused: messages that got another outcome.
        unsettled: messages that have none yet.
        unsettled_bytes: their bytes, encoded.
    """

    sent: int
    accepted: int
    refused: int
    unsettled: int
    unsettled_bytes: int
