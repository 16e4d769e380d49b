"""The buffer that the driver lends to the transport."""

import asyncio

from amqp10 import engine
from amqp10.asyncio.driver import Driver
from amqp10.options import ConnectionOptions


class Recorder(engine.Connection):
    """Keeps what it is fed."""

    fed = b""

    def receive_data(self, data: bytes | bytearray | memoryview, now: float | None = None) -> None:
        Recorder.fed += bytes(data)


async def read_twice(first: bytes, second: bytes) -> None:
    """Read as asyncio's TLS does: one record after the other, then a word on how much there is in all."""
    driver = Driver(Recorder(ConnectionOptions(container_id="test")), asyncio.get_running_loop())
    buffer = driver.get_buffer(-1)
    buffer[: len(first)] = first
    rest = buffer[len(first) :]
    rest[: len(second)] = second
    driver.buffer_updated(len(first) + len(second))


def test_a_slice_of_the_buffer_is_the_buffer() -> None:
    asyncio.run(read_twice(b"one", b"two"))
    assert Recorder.fed == b"onetwo"
