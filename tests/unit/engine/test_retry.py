import pytest

from limosa_engine import EngineSettings
from limosa_engine.retry import Budget, next_attempt
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


def test_what_cannot_get_better_is_not_tried_again() -> None:
    for failure in (failures.user("BadInput", ""), failures.system("CorruptData", "", retryable=False)):
        assert next_attempt(failure, 1, 1, Budget(user=9, backoff=0.0), SETTINGS) is None
