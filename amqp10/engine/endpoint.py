"""What connection, session and link have in common: an owner, an error, and operations that wait for the peer."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar

from amqp10.errors import AMQPError, Condition, PeerViolation, RemoteError
from amqp10.performatives import Error
from amqp10.types import Symbol

__all__ = ["Endpoint", "Operation", "Violation", "local_error", "remote_error"]

_MAX_DESCRIPTION = 100  # characters: it fits the smallest frame, whatever the peer has us quote


class Endpoint:
    """One end of a connection, a session or a link."""

    __slots__ = ("error", "owner", "watchers")

    level = "connection"

    def __init__(self) -> None:
        self.error: AMQPError | None = None  # why the endpoint ended
        self.owner: Any = None  # the driver's object over this one
        self.watchers: list[Any] = []  # the driver's handles of those who wait here, filled by it alone

    def check(self) -> None:
        """Raise the error with which this endpoint ended, if it did."""
        if self.error is not None:
            raise self.error.again()

    def fail(self, error: AMQPError, reason: Error) -> None:
        """End the endpoint for a reason of ours, which the frame that ends it tells the peer.

        Raises:
            EncodeError: the answer does not fit into the peer's frames.
        """
        raise NotImplementedError


T = TypeVar("T")
Operation = Generator[Endpoint, None, T]
"""Waits for the peer: yields the endpoint whose next change it waits for, returns its result.

Run it until it ends; close it to cancel it.
"""


class Violation(Exception):
    """The peer broke a rule.

    Raised inside the engine while a frame is handled, and turned into the answer that ends `endpoint`.
    """

    def __init__(self, endpoint: Endpoint, condition: Condition, text: str) -> None:
        super().__init__(text)
        self.endpoint = endpoint
        self.condition = condition
        self.text = text

    def as_error(self) -> PeerViolation:
        """Return what the user is told."""
        return PeerViolation(
            f"the peer broke the protocol: {self.text}", condition=self.condition, level=self.endpoint.level
        )


def remote_error(kind: type[RemoteError], what: str, error: Error | None) -> RemoteError:
    """Make the exception that tells what the peer said.

    Args:
        kind: its class.
        what: what the peer did, as the start of the sentence.
        error: the error in the peer's frame, if there was one.
    """
    if error is None:
        return kind(f"{what} without an error")
    text = f"{what}: {error.condition}"
    if error.description:
        text += f" ({error.description})"
    return kind(text, condition=str(error.condition), description=error.description, info=error.info)


def local_error(condition: str, description: str) -> Error:
    """Make the error that a frame of ours carries."""
    return Error(condition=Symbol(condition), description=description[:_MAX_DESCRIPTION])
