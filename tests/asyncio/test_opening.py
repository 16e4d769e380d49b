"""Openings: awaited or entered, once, never forgotten in silence."""

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from amqp10.asyncio.opening import Enterable, Opening
from amqp10.errors import InvalidState


class Thing(Enterable):
    """What is opened here; it writes down how it was left."""

    def __init__(self) -> None:
        self.left: list[bool] = []

    async def _leave(self, failed: bool) -> None:
        self.left.append(failed)


def opening_of(thing: Thing) -> Opening[Thing]:
    async def open_() -> Thing:
        await asyncio.sleep(0)
        return thing

    return Opening("a thing", open_)


async def awaited(opening: Opening[Thing]) -> Thing:
    return await opening


async def entered(opening: Opening[Thing]) -> Thing:
    async with opening as thing:
        return thing


Use = Callable[[Opening[Thing]], Coroutine[None, None, Thing]]
USES: list[Use] = [awaited, entered]


def test_awaited_it_is_left_open() -> None:
    thing = Thing()
    assert asyncio.run(awaited(opening_of(thing))) is thing
    assert thing.left == []


def test_what_was_awaited_can_be_entered() -> None:
    async def scenario() -> list[bool]:
        async with await opening_of(Thing()) as thing:
            assert thing.left == []
        return thing.left

    assert asyncio.run(scenario()) == [False]


def test_entered_it_is_closed_at_the_end() -> None:
    thing = Thing()
    assert asyncio.run(entered(opening_of(thing))) is thing
    assert thing.left == [False]


def test_left_by_an_exception_it_knows() -> None:
    thing = Thing()

    async def scenario() -> None:
        async with opening_of(thing):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(scenario())
    assert thing.left == [True]


@pytest.mark.parametrize("second", USES)
@pytest.mark.parametrize("first", USES)
def test_it_opens_once(first: Use, second: Use) -> None:
    async def scenario() -> None:
        opening = opening_of(Thing())
        await first(opening)
        with pytest.raises(InvalidState, match="a thing was awaited or entered before"):
            await second(opening)

    asyncio.run(scenario())


@pytest.mark.parametrize("use", USES)
def test_one_that_fails_raises_and_is_used_up(use: Use) -> None:
    async def fail() -> Thing:
        raise ZeroDivisionError

    async def scenario() -> None:
        opening: Opening[Thing] = Opening("a thing", fail)
        with pytest.raises(ZeroDivisionError):
            await use(opening)
        with pytest.raises(InvalidState):
            await use(opening)

    asyncio.run(scenario())


def test_forgotten_it_warns() -> None:
    with pytest.warns(RuntimeWarning, match="a thing was neither awaited nor entered"):
        repr(opening_of(Thing()))


def test_its_repr_names_what_it_opens() -> None:
    opening = opening_of(Thing())
    assert repr(opening) == "<Opening of a thing>"
    asyncio.run(awaited(opening))
