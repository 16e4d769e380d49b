"""What a SASL mechanism is to the negotiation (security.xml, "SASL"; RFC 4422)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

__all__ = ["ClientMechanism", "Exchange", "ServerMechanism", "Verdict"]


class Exchange(ABC):
    """One run of a mechanism on the client's side: made anew for every connection."""

    @abstractmethod
    def initial_response(self) -> bytes | None:
        """Return what goes out with the choice of the mechanism, or None where the mechanism has none."""

    def respond(self, challenge: bytes) -> bytes:
        """Return the answer to a challenge.

        Raises:
            ValueError: the challenge is not one that the mechanism knows.
        """
        raise ValueError("the mechanism has no challenges")

    def finish(self, additional_data: bytes | None) -> None:
        """Check what came with the outcome "ok".

        Raises:
            ValueError: the server has not proved what the mechanism asks of it.
        """


class ClientMechanism(ABC):
    """A mechanism with a user's credentials, ready for any number of connections."""

    name: str
    """As registered, upper case."""

    needs_encryption = False
    """Whether it must not be used in clear text beyond this machine: it shows a secret."""

    @abstractmethod
    def start(self) -> Exchange:
        """Begin an exchange."""

    def __repr__(self) -> str:
        """Name the mechanism; credentials stay out."""
        return f"<{type(self).__name__}>"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a server's mechanism found.

    Attributes:
        identity: who the client is, or None where it failed.
        challenge: what to ask next; the exchange goes on where it is not None.
    """

    identity: str | None = None
    challenge: bytes | None = None


class ServerMechanism(ABC):
    """A mechanism on the accepting side; stateless, or made per connection by its owner."""

    name: str

    @abstractmethod
    def step(self, response: bytes | None) -> Verdict:
        """Take the initial response (None where there was none) or the answer to the last challenge."""
