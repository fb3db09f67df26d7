"""How runs of this machine end where their code ends the process, and what is left of them."""

import datetime as dt
import os
import subprocess
import sys
import tempfile
import textwrap

import pytest

from limosa import (
    LimosaError,
    task,
)
from limosa.local import KeptRuns, run
from limosa.local.holding import holding, scratch_directory
from limosa.render.explanation import explain_run
from limosa_idl.run.v1alpha1.run_pb2 import (
    LAUNCH_PHASE_ABORTED,
    NODE_PHASE_ABORTED,
    NODE_PHASE_SUCCEEDED,
    RUN_PHASE_ABORTED,
    RUN_PHASE_FAILED,
    RUN_PHASE_RUNNING,
    ErrorRecord,
)


@task(timeout=5)
def leaves(status: int | None) -> int:
    sys.exit(status)


def test_sys_exit_ends_the_task_and_not_the_process(tmp_path):
    with pytest.raises(LimosaError, match=r"test_local_ends\.py:\d+\): SystemExit: 3; return a result"):
        run(leaves, {"status": 3}, tmp_path)
    (path,) = tmp_path.rglob("error.pb")
    failure = ErrorRecord.FromString(path.read_bytes()).failure
    assert (failure.code, failure.message) == ("UserException", "SystemExit: 3")
    (kept,) = KeptRuns(tmp_path).runs()
    assert (kept.state.phase, kept.state.failure.message) == (RUN_PHASE_FAILED, "SystemExit: 3")
    with pytest.raises(LimosaError, match="SystemExit; return a result"):
        run(leaves, {"status": None}, tmp_path / "other")


@pytest.mark.parametrize("end", ["os._exit(0)", "os.kill(os.getpid(), signal.SIGTERM)"])
def test_a_run_whose_process_is_gone_was_aborted(tmp_path, end):
    root, temporary = tmp_path / "runs", tmp_path / "temporary"
    temporary.mkdir()
    source = f"""
        import os, signal, sys
        from pathlib import Path
        from limosa import task, workflow
        from limosa.local import KeptRuns, run
        from limosa.local.printing import copying
        @task
        def begin() -> None: ...
        @task
        def vanish() -> None:
            print("so far", file=sys.stderr)
            (running,) = KeptRuns(Path("{root}")).runs()
            print(running.state.phase, flush=True)
            {end}
        @task
        def end() -> None: ...
        @workflow
        def flow() -> None:
            begin() >> vanish() >> end()
        with copying():
            run(flow, {{}}, Path("{root}"))
    """
    (tmp_path / "vanishing.py").write_text(textwrap.dedent(source))
    environment = {**os.environ, "TMPDIR": str(temporary)}
    told = subprocess.run(
        [sys.executable, tmp_path / "vanishing.py"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert told.stdout == f"{RUN_PHASE_RUNNING}\n", told.stderr
    (kept,) = KeptRuns(root).runs()
    assert (kept.state.phase, kept.abort_reason) == (
        RUN_PHASE_ABORTED,
        "the process ended while node n1 vanish ran (os._exit(), a crash in native code, or a signal); what it printed: "
        f"limosa logs {kept.name} n1",
    )
    assert [chunk.text for chunk in KeptRuns(root).logs(kept.name, node_path="n1")] == [
        f"so far\n{RUN_PHASE_RUNNING}\n"
    ]
    detail = KeptRuns(root).get_run(kept.name)
    nodes = {one.key.node_path: one.node.phase for one in detail.snapshots if one.HasField("node")}
    assert nodes == {"n0": NODE_PHASE_SUCCEEDED, "n1": NODE_PHASE_ABORTED}
    (_, launch) = (one.launch for one in detail.snapshots if one.HasField("launch"))
    assert (launch.phase, launch.HasField("finished_at")) == (LAUNCH_PHASE_ABORTED, True)
    told = explain_run(detail, dt.datetime.now(dt.timezone.utc))
    assert "  n1 vanish: aborted after " in told
    assert "  n2 end: never started" in told
    assert kept.state.finished_at.ToNanoseconds() >= kept.state.started_at.ToNanoseconds()


def test_what_killed_runs_left_is_swept_and_what_others_use_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left, used = tmp_path / "limosa-local-left", tmp_path / "limosa-local-used"
    for folder in (left, used):
        folder.mkdir()
        os.utime(folder, (0, 0))
    with holding(used), scratch_directory() as own:
        assert sorted(tmp_path.iterdir()) == sorted([own, used])
