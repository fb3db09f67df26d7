import pytest

from limosa_engine import EngineSettings
from limosa_engine.retry import Budget, chance_of, next_attempt
from limosa_model import failures

SETTINGS = EngineSettings(system_retries=3, system_backoff=2.0, system_backoff_limit=5.0)


@pytest.mark.parametrize(("counted", "delay"), [(1, 7.0), (2, 7.0), (3, None)])
def test_the_users_budget(counted: int, delay: float | None) -> None:
    failure = failures.user("UserException", "", retryable=True)
    assert next_attempt(failure, counted, 0, Budget(user=2, backoff=7.0), SETTINGS) == delay


@pytest.mark.parametrize(("counted", "delay"), [(1, 2.0), (2, 4.0), (3, 5.0), (4, None)])
def test_the_platforms_budget(counted: int, delay: float | None) -> None:
    failure = failures.system("Evicted", "")
    assert next_attempt(failure, 99, counted, Budget(user=0, backoff=7.0), SETTINGS) == delay


@pytest.mark.parametrize(
    ("counted", "chance", "delay"), [(1, 0.0, 4.0), (2, 0.0, 12.0), (3, 0.0, 20.0), (2, 1.0, 9.0)]
)
def test_back_off_grows_to_its_limit_and_jitter_shortens_it(
    counted: int, chance: float, delay: float
) -> None:
    budget = Budget(user=9, backoff=4.0, factor=3.0, limit=20.0, jitter=0.25)
    failure = failures.user("UserException", "", retryable=True)
    assert next_attempt(failure, counted, 0, budget, SETTINGS, chance) == delay


def test_growth_without_a_limit_ends_at_a_week() -> None:
    failure = failures.user("UserException", "", retryable=True)
    assert next_attempt(failure, 900, 0, Budget(user=999, backoff=1.0, factor=100.0), SETTINGS) == 7 * 86_400


def test_chances_differ_from_launch_to_launch_and_never_for_one() -> None:
    chances = [chance_of(f"launch-{number}") for number in range(100)]
    assert chances == [chance_of(f"launch-{number}") for number in range(100)]
    assert len(set(chances)) == 100
    assert 0 <= min(chances) < 0.1 < 0.9 < max(chances) <= 1


def test_what_cannot_get_better_is_not_tried_again() -> None:
    for failure in (failures.user("BadInput", ""), failures.system("CorruptData", "", retryable=False)):
        assert next_attempt(failure, 1, 1, Budget(user=9, backoff=0.0), SETTINGS) is None
