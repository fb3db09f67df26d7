"""What a person sees."""

import pathlib
from typing import Any

import pytest

pytestmark = pytest.mark.browser
TOKEN = "browser-test-token-0123456789"


@pytest.fixture
def page(browser: Any, admin: Any) -> Any:
    context = browser.new_context(viewport={"width": 1320, "height": 1000})
    page = context.new_page()
    page.problems = []
    page.on(
        "console", lambda message: page.problems.append(message.text) if message.type == "error" else None
    )
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.goto(f"{admin.url}/login?token={TOKEN}")
    yield page
    context.close()
    assert page.problems == []


def test_shots(page, admin, running, failed, tmp_path: pathlib.Path) -> None:
    out = pathlib.Path("/tmp/h6-shots")
    out.mkdir(exist_ok=True)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.goto(f"{admin.url}/")
        page.wait_for_timeout(700)
        page.screenshot(path=str(out / f"runs-{scheme}.png"), full_page=True)
        page.goto(f"{admin.url}/runs/demo/development/calm-heron-4f2a")
        page.wait_for_timeout(700)
        page.screenshot(path=str(out / f"running-{scheme}.png"), full_page=True)
    page.emulate_media(color_scheme="light")
    page.goto(f"{admin.url}/runs/demo/development/brisk-kite-0b1c")
    page.wait_for_timeout(700)
    page.screenshot(path=str(out / "failed.png"), full_page=True)
    page.goto(f"{admin.url}/runs/demo/development/calm-heron-4f2a?node=n2")
    page.wait_for_timeout(700)
    page.screenshot(path=str(out / "map.png"), full_page=True)
