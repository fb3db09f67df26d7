"""What a person sees."""

import json
import re
import urllib.error
import urllib.request
from typing import Any

import pytest

from limosa_idl.run.v1alpha1 import run_pb2

pytestmark = pytest.mark.browser
TOKEN = "browser-test-token-0123456789"
RUN = "/runs/demo/development/calm-heron-4f2a"
FAILED = "/runs/demo/development/brisk-kite-0b1c"


@pytest.fixture
def page(browser: Any, admin: Any) -> Any:
    """A page of somebody logged in; nothing may be reported on its console."""
    context = browser.new_context(viewport={"width": 1320, "height": 1000})
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.problems = problems
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: problems.append(f"dialog {dialog.message}"))
    page.goto(f"{admin.url}/login?token={TOKEN}")
    yield page
    context.close()
    assert problems == []


def test_the_login_leaves_no_token_behind(page: Any, admin: Any, running: Any) -> None:
    assert page.url == f"{admin.url}/"
    assert TOKEN not in page.content()
    assert page.evaluate("document.cookie") == ""
    page.click("text=Log out")
    assert "Not logged in" in page.inner_text("h1")
    assert "limosa demo status" in page.inner_text("main")
    assert ["401" in problem for problem in page.problems] == [True]
    page.problems.clear()


def test_a_login_leads_back_to_the_page_that_asked_for_it(browser: Any, admin: Any, running: Any) -> None:
    context = browser.new_context()
    page = context.new_page()
    wanted = f"{admin.url}{RUN}?node=n2"
    page.goto(wanted)
    assert "Not logged in" in page.inner_text("h1")
    assert f"{RUN}?node=n2" in page.inner_text("main")
    page.goto(f"{admin.url}/login?token={TOKEN}")
    assert page.url == wanted
    context.close()


def test_the_list_leads_to_a_run(page: Any, running: Any, failed: Any) -> None:
    rows = page.locator(".runs tbody tr")
    assert rows.count() >= 2
    assert "brisk-kite-0b1c" in rows.first.inner_text()
    page.click("nav.filters >> text=failed")
    assert page.locator(".runs tbody tr").count() == 1
    page.click("text=brisk-kite-0b1c")
    assert page.inner_text("h1") == "brisk-kite-0b1c"


def test_a_list_that_is_empty_because_it_was_narrowed_says_so(page: Any, admin: Any, failed: Any) -> None:
    page.goto(f"{admin.url}/?phase=failed&target=house.none")
    assert "No runs match" in page.inner_text("#runs")
    page.click("text=Show all runs")
    assert page.locator(".runs tbody tr").count() >= 1


def test_a_running_run_shows_graph_bars_values_and_log(page: Any, admin: Any, running: Any) -> None:
    page.goto(admin.url + RUN)
    names = page.locator("svg.graph text.name").all_text_contents()
    nodes = [
        "load",
        "clean",
        "train",
        "best",
        "good enough?",
        "keep",
        "refine",
        "evaluate",
        "measure",
        "report",
    ]
    assert sorted(names) == sorted(nodes)
    assert page.locator("svg.graph .node.container").count() == 2
    assert "2/4" in page.locator("svg.graph .node.running").text_content()
    assert page.locator("svg.graph path.edge").count() == 7
    assert page.locator(".timeline tbody tr").count() == 10
    assert page.locator(".timeline rect.ran").count() == 3
    assert "houses.csv" in page.inner_text("#data")
    assert "Windsor" in page.inner_text("#data")
    assert "epoch 2 loss 0.71" in page.inner_text("#log")


PLACES = """() => {
    const place = e => { const b = e.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom] }
    const all = selector => [...document.querySelectorAll(selector)]
    return {
        frame: place(document.querySelector('#graph')),
        boxes: all('svg.graph .leaf > a > rect.box:not(.behind)').map(place),
        labels: all('svg.graph .leaf').map(e => [place(e.querySelector('.name'))[2], place(e)[2]]),
    }
}"""


def test_nothing_of_the_graph_overlaps_or_is_cut_off(page: Any, admin: Any, running: Any) -> None:
    page.goto(admin.url + RUN)
    # In one go: news of the run puts another graph in this one's place at any time.
    found = page.evaluate(PLACES)
    frame, boxes = found["frame"], found["boxes"]
    assert len(boxes) > 2
    for number, (left, top, right, bottom) in enumerate(boxes):
        assert frame[0] <= left
        assert right <= frame[2]
        for other in boxes[number + 1 :]:
            assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top
    assert all(text <= box for text, box in found["labels"])


def test_a_click_on_a_node_shows_its_values_items_and_log(page: Any, admin: Any, running: Any) -> None:
    page.goto(admin.url + RUN)
    page.click("svg.graph text.name:text('train')")
    assert "node=n2" in page.url
    data = page.inner_text("#data")
    assert "[0.01, 0.03, 0.1, 0.3]" in data
    assert "n2 has no result yet, 2 of 4 items have succeeded" in data
    assert page.locator("#data section:has-text('Items') tr").first.inner_text().startswith("[3]")
    page.click("#data >> text=[1]")
    assert "0.78" in page.inner_text("#data")


def test_a_failure_reads_as_on_the_command_line_and_hostile_text_stays_text(
    page: Any, admin: Any, failed: Any
) -> None:
    page.goto(admin.url + FAILED)
    panel = page.inner_text("#failure")
    assert "KeyError" in panel
    assert "house.py:41 in clean" in panel
    assert page.inner_text(".failing") == "❯    41 │     price = frame['prise']"
    assert "<script>document.title='owned'</script>" in panel
    assert "<script>document.title" in page.inner_text("#data")
    assert "reading <script>" in page.inner_text("#log")
    assert page.title() == "brisk-kite-0b1c · Limosa"
    assert page.locator("main script, main img").count() == 0


def test_an_attempt_leads_to_its_log(page: Any, admin: Any, failed: Any) -> None:
    page.goto(f"{admin.url}{FAILED}?node=n1")
    page.click("text=attempt 1")
    assert page.inner_text("#logs") == "Log of attempt 1"
    assert "reading <script>" in page.inner_text("#log")
    page.goto(f"{admin.url}{FAILED}?node=n1&attempt=2")
    assert page.text_content("#log") == ""


def test_what_a_failed_run_will_never_have_is_not_awaited(page: Any, admin: Any, failed: Any) -> None:
    page.goto(admin.url + FAILED)
    data = page.inner_text("#data")
    assert "no outputs: the run failed" in data
    assert "houses.csv" not in data
    assert "title" in data
    assert "…" not in data
    page.goto(f"{admin.url}{FAILED}?node=n1")
    data = page.inner_text("#data")
    assert "546" in data
    assert "no outputs: the node failed" in data
    assert "has no result" not in data
    page.goto(f"{admin.url}{FAILED}?node=n3")
    data = page.inner_text("#data")
    assert "no inputs: the node was skipped" in data
    assert "no outputs: the node was skipped" in data
    assert "…" not in data
    assert "yet" not in data


def test_a_run_that_waits_says_why(page: Any, admin: Any, running: Any) -> None:
    admin.sync(free_slots=0)
    admin.create("slow-ibis-5c5c", "house.keep", **admin.scores(0.9))
    told = "WaitingForSlot: no run is before it; cluster lab has 0 free slots"
    page.goto(f"{admin.url}/runs/demo/development/slow-ibis-5c5c")
    assert page.inner_text("#head .note") == told
    page.goto(f"{admin.url}/?phase=active")
    row = page.locator(".runs tr:has-text('slow-ibis-5c5c')")
    assert "WaitingForSlot" in row.inner_text()
    admin.sync(free_slots=50)
    row.locator("text=WaitingForSlot").wait_for(state="detached")


def test_the_page_follows_the_run_without_a_reload(page: Any, admin: Any) -> None:
    desired = admin.start("quick-wren-77aa", "house.keep", **admin.scores(0.9))
    page.goto(f"{admin.url}/runs/demo/development/quick-wren-77aa")
    assert page.inner_text(".title .pill") == "queued"
    page.evaluate("window.kept = true")
    launch = run_pb2.LaunchState(phase=run_pb2.LAUNCH_PHASE_RUNNING, launch_id="cccccccccc")
    node = run_pb2.NodeState(phase=run_pb2.NODE_PHASE_RUNNING, kind="task")
    state = run_pb2.RunState(phase=run_pb2.RUN_PHASE_RUNNING)
    admin.print(desired, "cccccccccc", 0, "first <b>line</b>\n")
    admin.publish(desired, 1, ("n0", None, None, node), ("n0", None, 0, launch), ("", None, None, state))
    page.wait_for_selector(".title .pill.running")
    page.wait_for_selector("#log >> text=first <b>line</b>")
    state.phase = run_pb2.RUN_PHASE_SUCCEEDED
    state.outputs.literals["score"].CopyFrom(admin.scores(0.95)["score"])
    node.phase = run_pb2.NODE_PHASE_SUCCEEDED
    admin.publish(desired, 2, ("n0", None, None, node), ("", None, None, state))
    page.wait_for_selector(".title .pill.succeeded")
    page.wait_for_selector("#data >> text=0.95")
    assert page.evaluate("window.kept")


def test_a_new_run_appears_in_the_list(page: Any, admin: Any, running: Any) -> None:
    admin.start("late-teal-1111", "house.keep", **admin.scores(0.9))
    page.wait_for_selector("text=late-teal-1111")


def test_without_script_the_page_shows_the_state(browser: Any, admin: Any, running: Any) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{admin.url}/login?token={TOKEN}")
    page.goto(admin.url + RUN)
    assert page.locator("svg.graph text.name").count() == 10
    assert "epoch 2 loss" in page.inner_text("#log")
    context.close()


def test_the_policy_forbids_what_is_inline(page: Any, admin: Any, failed: Any) -> None:
    request = urllib.request.Request(admin.url + FAILED, headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request, timeout=20) as response:
        policy, body = response.headers["Content-Security-Policy"], response.read().decode()
    assert "script-src 'self'" in policy
    assert "style-src 'self'" in policy
    assert "unsafe" not in policy
    assert re.findall(r"<script(?! src=\"/static/)", body) == []
    assert " style=" not in body
    assert re.findall(r"\son\w+=\"", body) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_both_colour_schemes(page: Any, admin: Any, running: Any, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto(admin.url + RUN)
    # WCAG's contrast of the text and of the quiet text against their ground.
    script = """
    () => {
      const style = getComputedStyle(document.documentElement);
      const rgb = name => {
        const probe = document.createElement('canvas').getContext('2d');
        probe.fillStyle = style.getPropertyValue(name).trim();
        return probe.fillStyle.match(/[0-9a-f]{2}/g).map(part => parseInt(part, 16) / 255);
      };
      const light = name => rgb(name).map(c => c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
      const contrast = (a, b) => (Math.max(light(a), light(b)) + .05) / (Math.min(light(a), light(b)) + .05);
      return [contrast('--ink', '--card'), contrast('--quiet', '--card'), contrast('--accent', '--card')];
    }"""
    ink, quiet, accent = page.evaluate(script)
    assert ink > 7
    assert quiet > 4.5
    assert accent > 4.5


def test_what_does_not_exist_is_said_in_a_sentence(page: Any, admin: Any, running: Any) -> None:
    request = urllib.request.Request(
        f"{admin.url}/runs/demo/development/none",
        headers={"Authorization": f"Bearer {TOKEN}", "Accept": "text/html"},
    )
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(request, timeout=20)
    assert raised.value.code == 404
    assert "run &#x27;none&#x27; in demo/development does not exist" in raised.value.read().decode()
    request.remove_header("Accept")
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(request, timeout=20)
    assert "does not exist" in json.loads(raised.value.read())["error"]


def test_no_token_is_in_the_log(page: Any, admin: Any, running: Any) -> None:
    page.goto(admin.url + RUN)
    assert TOKEN not in admin.log()
    assert "/runs/{project}/{domain}/{name}" in admin.log()
