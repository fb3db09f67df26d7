"""Options of `limosa run` that exclude each other are refused before anything is loaded."""

import pytest


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name a FILE, or a module with -m"),
        (["--wait", "--detach", "flow.py"], "--wait and --detach exclude each other"),
        (["--manifest", "--remote", "flow.py"], "--manifest runs nothing"),
        (["--detach", "flow.py"], "--detach, --timeout and --name need --remote"),
        (["--timeout", "5", "flow.py"], "--detach, --timeout and --name need --remote"),
        (["--name", "one", "flow.py"], "--detach, --timeout and --name need --remote"),
        (["--priority", "0", "flow.py"], "--priority and --max-parallelism need --remote"),
        (
            ["--manifest", "--max-parallelism", "3", "flow.py"],
            "--priority and --max-parallelism need --remote",
        ),
        (["--remote", "--max-parallelism", "0", "flow.py"], "0 is not in the range 1<=x<=1000000"),
        (["--remote", "--answer", "ok=yes", "flow.py"], "--answer is for runs here"),
        (["--answer", "ok", "flow.py"], "--answer takes GATE=VALUE"),
        (["--manifest", "--no-cache", "flow.py"], "a WorkflowRun applied by hand uses no cache"),
    ],
)
def test_what_excludes_each_other_is_named(limosa, words, said):
    result = limosa("run", *words)
    assert (result.status, said in result.err, "flow.py" in result.err) == (2, True, False)
