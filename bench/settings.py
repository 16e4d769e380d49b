"""What the command line says, for all benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How much to run.

    Attributes:
        smoke: only show that it runs and that everything arrives; the figures mean nothing.
        repeat: runs of each measurement.
        count: messages of a run; None for the benchmark's own.
        credit: of receivers.
        brokers: the brokers to run against.
    """

    smoke: bool = False
    repeat: int = 5
    count: int | None = None
    credit: int = 1000
    brokers: Sequence[str] = ()

    def messages(self, usual: int, smoke: int) -> int:
        """Return how many messages a run has."""
        if self.count is not None:
            return self.count
        return smoke if self.smoke else usual
