"""Pytest plugin: fixtures for tests of workflows. Registered for every pytest; imports only when a fixture is used."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from limosa.testing.sandbox import SandboxSession


@pytest.fixture(scope="session")
def limosa_sandbox() -> "Iterator[SandboxSession]":
    """A platform on this machine for the session, in a temporary home, removed at its end.

    Examples:
        def test_hello(limosa_sandbox):
            assert limosa_sandbox.run(hello, name="Ada") == "Hello, Ada!"
    """
    from limosa.testing.sandbox import start_sandbox

    with start_sandbox() as session:
        yield session
