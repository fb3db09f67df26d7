"""Runs in every state a person meets, as updates from admin."""

import datetime as dt

from google.protobuf.timestamp_pb2 import Timestamp

from limosa_idl.admin.v1alpha1.admin_pb2 import Run, RunUpdate
from limosa_idl.core.v1alpha1 import failure_pb2 as f
from limosa_idl.core.v1alpha1.interface_pb2 import SourceLocation
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1 import run_pb2 as pb
from limosa_idl.task.v1alpha1.task_pb2 import PythonTask, TaskSpec
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure, MapNode, Node, TaskNode, WorkflowSpec
from limosa_model import values

START = dt.datetime(2026, 3, 1, 12, 0, 0, tzinfo=dt.timezone.utc)
NOW = START + dt.timedelta(seconds=12)


def at(seconds):
    stamp = Timestamp()
    stamp.FromDatetime((START + dt.timedelta(seconds=seconds)).replace(tzinfo=None))
    return stamp


CLOSURE = Closure(
    entry="house.train_all",
    tasks=[
        TaskSpec(
            name=f"house.{name}",
            python=PythonTask(loader=f"house:{name}"),
            source=SourceLocation(file="house.py", line=line),  # of tests/integration/cli/house.py
        )
        for name, line in (("clean", 27), ("try_penalty", 33), ("choose", 45))
    ],
    workflows=[
        WorkflowSpec(
            name="house.train_all",
            nodes=[
                Node(id="n0", display_name="clean", task=TaskNode(task="house.clean")),
                Node(id="n1", display_name="try_penalty", map=MapNode(task="house.try_penalty")),
                Node(id="n2", display_name="choose", task=TaskNode(task="house.choose")),
            ],
        )
    ],
)


def node(path, phase, start=None, end=None, **more):
    state = pb.NodeState(phase=phase, **more)
    if start is not None:
        state.started_at.CopyFrom(at(start))
    if end is not None:
        state.finished_at.CopyFrom(at(end))
    return pb.Snapshot(key=pb.SnapshotKey(node_path=path), seq=1, node=state)


def update(phase, *snapshots, failure=None, end=8.4):
    state = pb.RunState(phase=phase, started_at=at(0), nodes_done=1, nodes_total=3, failure=failure)
    if end is not None:
        state.finished_at.CopyFrom(at(end))
    run = Run(name="calm-heron-4f2a", project="demo", domain="development", state=state)
    run.target.name, run.url = (
        "house.train_all",
        "http://127.0.0.1:8080/runs/demo/development/calm-heron-4f2a",
    )
    return RunUpdate(run=run, closure=CLOSURE, snapshots=snapshots)


DONE = node("n0", pb.NODE_PHASE_SUCCEEDED, 0.1, 0.9, target="house.clean")
NOT_RUN = node("n2", pb.NODE_PHASE_ABORTED)

SUCCEEDED = update(
    pb.RUN_PHASE_SUCCEEDED,
    DONE,
    node("n1", pb.NODE_PHASE_SUCCEEDED, 1, 7.2, items=4, items_succeeded=4),
    node("n2", pb.NODE_PHASE_SUCCEEDED, 7.3, 8.3, launches=2),
)

# Lines of tests/integration/cli/house.py, which makes the same screens on the platform.
FRAME = f.Frame(
    file="house.py",
    line=40,
    function="try_penalty",
    source_start=38,
    source=[
        "    if penalty < 0:",
        "        others_are_done()",
        '        raise ValueError(f"penalty is {penalty}")',
        "    (PLACE / str(penalty)).touch()",
        "    return penalty / 10",
    ],
)


def failed(code, message, kind=f.FAILURE_KIND_USER, exception=None, index=2):
    origin = f.FailureOrigin(node_path="n1", index=index, launch=1, task="house.try_penalty")
    failure = f.Failure(kind=kind, code=code, message=message, origin=origin, exception=exception)
    counts = {"items": 4, "items_succeeded": 3, "items_failed": 1}
    target = "house.try_penalty"
    snapshot = node("n1", pb.NODE_PHASE_FAILED, 1, 8.3, target=target, failure=failure, **counts)
    return update(pb.RUN_PHASE_FAILED, DONE, snapshot, NOT_RUN, failure=failure)


INPUTS = LiteralMap(literals={"penalty": values.float_(-1.0), "label": values.string("a long text " * 20)})
LOG = [f"line {number}" for number in range(20)]

USER_ERROR = failed(
    "UserException",
    "ValueError: penalty is -1.0",
    exception=f.ExceptionDetails(type="ValueError", message="penalty is -1.0", frames=[FRAME]),
)
RATIO_MISSED = RunUpdate()
RATIO_MISSED.CopyFrom(USER_ERROR)
RATIO_MISSED.closure.workflows[0].nodes[1].map.min_success_ratio = 0.9
_NO_MODULE = f.Failure(
    kind=f.FAILURE_KIND_USER,
    code="ImportFailed",
    message="no module named 'xgboost'. It is not installed where the task ran (/venv/bin/python): declare its package, "
    '@task(packages=["xgboost"]), or install it there (on a cluster: in the image). '
    "If it is a module of your "
    "project, import it at the top of the file, add it to `include` in limosa.toml or in [tool.limosa] of pyproject.toml, or run with --copy all.",
    origin=f.FailureOrigin(node_path="n0", task="house.clean"),
    exception=f.ExceptionDetails(
        type="ModuleNotFoundError",
        message="No module named 'xgboost'",
        frames=[
            f.Frame(
                file="house.py",
                line=4,
                function="<module>",
                source_start=2,
                source=["", "import time", "import xgboost", "from pathlib import Path", ""],
            )
        ],
    ),
)
IMPORT_MISSING = update(
    pb.RUN_PHASE_FAILED,
    node("n0", pb.NODE_PHASE_FAILED, 0.1, 0.9, target="house.clean", failure=_NO_MODULE),
    node("n1", pb.NODE_PHASE_ABORTED),
    NOT_RUN,
    failure=_NO_MODULE,
)
OOM = failed(
    "OOMKilled", "n1[2] used more memory than its limit of 128Mi and was killed; raise the memory limit"
)
IMAGE_PULL = failed(
    "ImagePull",
    "n1[2]: pulling image registry.example/house:9 failed: not found; check the image's name and access",
)
SECRET = failed(
    "SecretMissing",
    "n1[2]: secret \"warehouse\" not found; the task needs Secret 'warehouse' (key 'token') in its namespace, labelled "
    "limosa.dev/task-secret=true",
)
TIMEOUT = failed("Timeout", "n1[2] ran longer than its timeout of 60 s")
PYTHON = failed(
    "PythonMismatch",
    "the task was registered from Python 3.12, the pod's image has Python 3.11. Register it from Python 3.11, or give "
    "the task a container_image with Python 3.12.",
)
SYSTEM = failed("PodGone", "n1[2]: the pod was deleted before it ended", kind=f.FAILURE_KIND_SYSTEM)
ABORTED = update(
    pb.RUN_PHASE_ABORTED,
    DONE,
    node("n1", pb.NODE_PHASE_ABORTED, 1, 5),
    node("n2", pb.NODE_PHASE_ABORTED),
    failure=f.Failure(code="Aborted", message="aborted by ada: wrong input"),
)


def waiting(seconds):
    reason = pb.Reason(
        code="Unschedulable",
        since=at(12 - seconds),
        detail="0/1 nodes are available: 1 Insufficient nvidia.com/gpu.",
    )
    pending = node("n1", pb.NODE_PHASE_RUNNING, 1, items=4, items_succeeded=1, reason=reason)
    return update(pb.RUN_PHASE_RUNNING, DONE, pending, end=None)


def launch(path, ordinal, phase, start, end=None, index=None, **more):
    """One launch of a node item."""
    state = pb.LaunchState(
        phase=phase, launch_id=f"{path}-{index}-{ordinal}", pod=f"calm-heron-4f2a-{ordinal}", **more
    )
    state.created_at.CopyFrom(at(start))
    state.started_at.CopyFrom(at(start))
    if end is not None:
        state.finished_at.CopyFrom(at(end))
    return pb.Snapshot(key=pb.SnapshotKey(node_path=path, index=index, launch=ordinal), seq=1, launch=state)


def with_attempts(made=None):
    """The user's error, with what its launches left: two items of the map succeeded, one was tried twice."""
    found = RunUpdate()
    found.CopyFrom(made or USER_ERROR)
    node_state = next(one.node for one in found.snapshots if one.key.node_path == "n1")
    node_state.kind, node_state.target, node_state.display_name = "map", "house.try_penalty", "try_penalty"
    failure = f.Failure(kind=f.FAILURE_KIND_USER, code="UserException", message="ValueError: penalty is -1.0")
    item = pb.NodeState(phase=pb.NODE_PHASE_FAILED, kind="task", launches=2, failure=found.run.state.failure)
    found.snapshots.append(pb.Snapshot(key=pb.SnapshotKey(node_path="n1", index=2), seq=1, node=item))
    done, failed = pb.LAUNCH_PHASE_SUCCEEDED, pb.LAUNCH_PHASE_FAILED
    found.snapshots.extend(
        [
            launch("n0", 0, done, 0.1, 0.9),
            launch("n1", 0, done, 1, 3, index=0),
            launch("n1", 0, done, 1, 4, index=1),
            launch("n1", 0, failed, 1, 5, index=2, failure=failure, exit_code=1),
            launch("n1", 1, failed, 6, 8.3, index=2, failure=failure, exit_code=1),
        ]
    )
    return found


def long_run(phases, failure=None, phase=pb.RUN_PHASE_FAILED):
    """A run of many nodes: phases by path, in order; a path with children is a sub-workflow of its own."""
    made = RunUpdate(closure=Closure(entry="main", tasks=[TaskSpec(name="house.clean")]))
    workflows = {"": made.closure.workflows.add(name="main")}
    for number, (path, state) in enumerate(phases.items()):
        parent, _, name = path.rpartition("/")
        one = workflows[parent].nodes.add(id=name, display_name="clean")
        if any(other.startswith(path + "/") for other in phases):
            one.sub_workflow.workflow = one.display_name = f"inner_{path.replace('/', '_')}"
            workflows[path] = made.closure.workflows.add(name=one.display_name)
        else:
            one.task.task = "house.clean"
        began = state in (pb.NODE_PHASE_SUCCEEDED, pb.NODE_PHASE_FAILED, pb.NODE_PHASE_RUNNING)
        start, end = (number * 0.01, number * 0.01 + 0.5) if began else (None, None)
        made.snapshots.append(node(path, state, start, None if state == pb.NODE_PHASE_RUNNING else end))
    made.run.CopyFrom(update(phase, failure=failure).run)
    return made


THREE_HUNDRED = {
    **{f"n{i}": pb.NODE_PHASE_SUCCEEDED for i in range(140)},
    "n140": pb.NODE_PHASE_FAILED,
    **{f"n140/n{i}": pb.NODE_PHASE_SUCCEEDED for i in range(20)},
    "n140/n20": pb.NODE_PHASE_FAILED,
    **{f"n140/n{i}": pb.NODE_PHASE_SKIPPED for i in range(21, 30)},
    **{f"n{i}": pb.NODE_PHASE_SUCCEEDED for i in range(141, 180)},
    **{f"n{i}": pb.NODE_PHASE_SKIPPED for i in range(180, 269)},
    "n269": pb.NODE_PHASE_ABORTED,
}


def queued(seconds, code="WaitingForCluster"):
    """A run that no cluster took, for so many seconds."""
    reason = pb.Reason(
        code=code,
        since=at(12 - seconds),
        detail="no cluster has asked for work since 11:58:20 UTC (last: embedded)",
    )
    state = pb.RunState(phase=pb.RUN_PHASE_QUEUED, reason=reason)
    run = Run(name="calm-heron-4f2a", project="demo", domain="development", state=state)
    return RunUpdate(run=run, closure=CLOSURE)
