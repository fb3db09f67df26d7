import asyncio
import time
from typing import Any

import pytest

from limosa_propeller.kube.errors import ApiError
from limosa_propeller.namespaces import Namespaces


class FakeVerbs:
    def __init__(self, error: ApiError | None = None) -> None:
        self.error = error
        self.asked: list[str] = []
        self.labels = {"limosa.dev/project": "demo", "limosa.dev/domain": "staging"}

    async def get(self, resource: object, namespace: object, name: str) -> dict[str, Any]:
        self.asked.append(name)
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return {"metadata": {"labels": self.labels}}

    async def list(self, resource: object, namespace: object, labels: str) -> tuple[list[Any], str]:
        self.asked.append(labels)
        if self.error is not None:
            raise self.error
        return [{"metadata": {"name": name}} for name in ("demo-staging", "demo-development")], "1"


def served(verbs: FakeVerbs, configured: tuple[str, ...] = ()) -> tuple[str, ...]:
    return asyncio.run(Namespaces(verbs).served(configured))  # type: ignore[arg-type]


def test_what_is_configured_is_served_without_a_question() -> None:
    verbs = FakeVerbs()
    assert served(verbs, ("a-development",)) == ("a-development",)
    assert verbs.asked == []


def test_without_configuration_the_labelled_namespaces_are_served() -> None:
    verbs = FakeVerbs()
    assert served(verbs) == ("demo-development", "demo-staging")
    assert verbs.asked == ["limosa.dev/project,limosa.dev/domain"]


def test_an_operator_that_may_not_list_namespaces_takes_what_comes() -> None:
    assert served(FakeVerbs(ApiError(403, "Forbidden", "no"))) == ()


def test_a_failing_api_server_is_not_taken_for_an_empty_cluster() -> None:
    with pytest.raises(ApiError):
        served(FakeVerbs(ApiError(500, "InternalError", "no")))


async def test_who_asks_at_the_same_time_shares_the_answer() -> None:
    verbs = FakeVerbs()
    namespaces = Namespaces(verbs)  # type: ignore[arg-type]
    found = await asyncio.gather(*(namespaces.tenant("demo-staging") for _ in range(5)))
    assert found == [("demo", "staging")] * 5
    assert verbs.asked == ["demo-staging"]


async def test_who_asks_after_a_failure_asks_anew() -> None:
    verbs = FakeVerbs(ApiError(503, "", "later"))
    namespaces = Namespaces(verbs)  # type: ignore[arg-type]
    with pytest.raises(ApiError):
        await namespaces.tenant("demo-staging")
    verbs.error = None
    assert await namespaces.tenant("demo-staging") == ("demo", "staging")


async def test_a_namespace_that_was_made_anew_is_read_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    verbs = FakeVerbs()
    namespaces = Namespaces(verbs)  # type: ignore[arg-type]
    moment = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: moment)
    assert await namespaces.tenant("demo-staging") == ("demo", "staging")
    verbs.labels = {}
    moment += 2
    assert await namespaces.tenant("demo-staging") == ("", "")
