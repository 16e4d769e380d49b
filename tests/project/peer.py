"""Where a peer with queues listens, and whom it lets in."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Peer:
    """The parts of a URL.

    Attributes:
        place: "host:port".
        userinfo: "user:password", as a URL writes it.
    """

    place: str
    userinfo: str

    @property
    def url(self) -> str:
        """The whole URL."""
        return f"amqp://{self.userinfo}@{self.place}"
