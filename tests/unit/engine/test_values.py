import engine_graphs as graphs

from limosa_engine.values import Values
from limosa_model import failures


def test_the_least_recently_used_value_makes_room() -> None:
    values = Values(limit_bytes=600)
    for number in range(3):
        values.put((number, 0), graphs.literals({"o0": "x" * 100}))
    assert values.get((0, 0)) is not None
    values.put((3, 0), graphs.literals({"o0": "x" * 100}))
    assert values.get((0, 0)) is not None
    assert values.get((1, 0)) is None


def test_the_newest_value_stays_however_large() -> None:
    values = Values(limit_bytes=10)
    values.put((0, 0), graphs.literals({"o0": "x" * 100}))
    assert values.get((0, 0)) is not None


def test_a_value_is_read_once_for_all_who_wait() -> None:
    values = Values(limit_bytes=1000)
    assert values.want((0, 0), waiter=7)
    assert not values.want((0, 0), waiter=8)
    assert values.arrive((0, 0), graphs.literals({})) == [7, 8]


def test_a_waiter_is_ready_when_all_has_come() -> None:
    values = Values(limit_bytes=10)
    values.want((0, 0), waiter=7)
    values.want((1, 0), waiter=7)
    assert values.arrive((0, 0), graphs.literals({"o0": "x" * 50})) == []
    assert values.arrive((1, 0), graphs.literals({"o0": "x" * 50})) == [7]
    assert values.get((0, 0)) is not None, "held for the waiter, though the cache is too small"
    values.release(7)
    assert values.get((0, 0)) is None or values.get((1, 0)) is None


def test_a_waiter_that_gives_up_is_not_waited_for() -> None:
    values = Values(limit_bytes=1000)
    values.want((0, 0), waiter=7)
    values.release(7)
    assert not values.is_wanted((0, 0))
    assert values.arrive((0, 0), graphs.literals({})) == []


def test_a_value_that_cannot_be_read_ends_the_waiting() -> None:
    values = Values(limit_bytes=1000)
    values.want((0, 0), waiter=7)
    values.want((1, 0), waiter=7)
    values.arrive((1, 0), graphs.literals({}))
    failure = failures.system("CorruptData", "gone")
    assert values.fail((0, 0), failure) == [7]
    assert values.broken(7) == failure
    values.release(7)
    assert values.broken(7) is None
