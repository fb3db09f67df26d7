"""answers: what gates are told while a test runs a workflow here."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any


def answers(given: Mapping[str, Any] | None = None, /, **by_name: Any) -> AbstractContextManager[None]:
    """Answers gates in advance: `with limosa.testing.answers(release=True, rate=0.1): wf()`.

    Args:
        given: Answers by the gate's name or path, for names that are no Python names.
        **by_name: True or False for `approve`, the value for `wait_for_input`; a `sleep` that is named is not slept.
    """
    from limosa.local.answers import answering

    return answering({**(given or {}), **by_name})
