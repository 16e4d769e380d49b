"""Servers by hand, and what one may get to see of an error."""

import asyncio
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from tests.asyncio.harness import eventually

SECRET = f"s3{'cret'}"  # so that the lines of a traceback do not have it
LOOPS = ["asyncio", "uvloop"]
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(handler: Handler) -> AsyncIterator[str]:
    """Serve by hand; gives the URL."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await handler(reader, writer)
        writer.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"amqp://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()
        await eventually(lambda: len(asyncio.all_tasks()) == 1, "handlers end")


def saying(data: bytes) -> Handler:
    """Answer with these bytes, whatever comes, and wait for the end."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await reader.read()

    return handler


def shown(error: BaseException) -> str:
    """Return all that one may get to see of an error."""
    parts = []
    at: BaseException | None = error
    while at is not None:
        parts.append(repr(at) + str(vars(at)))
        at = at.__cause__ or at.__context__
    return "".join(traceback.format_exception(error)) + "".join(parts)
