"""What is registered together: said once, and each name given once."""

import os
from pathlib import Path

from limosa.cli.submission import prepare
from limosa.compiler import load_module
from limosa.config import resolve

FLOW = """
from limosa import LaunchPlan, task, workflow


@task(cache=True)
def same(x: int) -> int:
    return x


@workflow
def once(x: int) -> int:
    return same(x=x)


@workflow
def twice(x: int) -> int:
    return once(x=same(x=x))


nightly = LaunchPlan(once, name="nightly")
"""


def test_what_a_task_in_several_workflows_needs_told_is_told_once(place):
    (place / "flow.py").write_text(FLOW)
    loaded, told = load_module("flow.py"), []
    settings = resolve({}, os.environ, Path(loaded.source_root))
    prepare([loaded], loaded.entities.values(), settings, version=None, note=told.append).bundle.discard()
    (line,) = told
    assert line.startswith("cache version of flow.same is ")


def test_two_launch_plans_of_one_name_are_refused_before_anything_runs(limosa, place):
    (place / "flow.py").write_text(FLOW + 'weekly = LaunchPlan(twice, name="nightly")\n')
    last = FLOW.count("\n") + 1
    for words in (["run", "flow.py", "once", "--x", "1"], ["register", "flow.py"]):
        refused = limosa(*words)
        assert refused.status == 2
        assert f"two launch plans are called nightly; the other one is at flow.py:{last - 1}" in refused.err
        assert f"at flow.py:{last}\n" in refused.err
