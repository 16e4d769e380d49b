"""Numbers of channels and handles: the lowest that is free, or the one that has rested longest."""

from amqp10.engine.pool import NumberPool


def test_gives_the_lowest_that_is_free_up_to_the_highest() -> None:
    pool = NumberPool(2)
    assert [pool.take() for _ in range(4)] == [0, 1, 2, None]
    pool.give_back(1)
    pool.give_back(0)
    assert [pool.take() for _ in range(3)] == [0, 1, None]


def test_gives_nothing_above_a_highest_that_fell() -> None:
    pool = NumberPool(2)
    assert [pool.take() for _ in range(3)] == [0, 1, 2]
    pool.highest = 0
    pool.give_back(2)
    assert pool.take() is None


def test_numbers_rest_until_no_fresh_one_is_left() -> None:
    pool = NumberPool(2)
    pool.rests = True
    assert pool.take() == 0
    pool.give_back(0)
    assert pool.take() == 1
    pool.give_back(1)
    assert [pool.take() for _ in range(4)] == [2, 0, 1, None]
