import pytest
import runs
from rich.spinner import Spinner

from limosa.render.brief import brief
from limosa.render.failure import (
    LOG_LINES,
    FailureDetails,
    failed_run,
    failure_block,
    log_lines_wanted,
    next_commands,
    own_log_lines,
)
from limosa.render.remedies import remedy_of
from limosa.render.run_view import RunView
from limosa.render.tree import duration, live, summary, tree
from limosa.runtime.ending import preempted
from limosa.runtime.exceptions import last_words
from limosa_idl.core.v1alpha1 import failure_pb2 as f
from limosa_idl.core.v1alpha1.failure_pb2 import ExceptionDetails, Frame
from limosa_idl.core.v1alpha1.literal_pb2 import Blob, Literal, LiteralMap
from limosa_idl.run.v1alpha1 import run_pb2 as pb
from limosa_idl.task.v1alpha1.task_pb2 import TaskSpec
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure, DynamicNode, Node, TaskNode, WorkflowSpec
from limosa_model import failures, values
from limosa_model.failures import Code


def view_of(*updates):
    view = RunView()
    for update in updates:
        view.apply(update)
    return view


FAILURES = {
    "user-error": runs.USER_ERROR,
    "ratio-missed": runs.RATIO_MISSED,
    "import-missing": runs.IMPORT_MISSING,
    "oom": runs.OOM,
    "image-pull": runs.IMAGE_PULL,
    "missing-secret": runs.SECRET,
    "timeout": runs.TIMEOUT,
    "wrong-python": runs.PYTHON,
    "system-failure": runs.SYSTEM,
    "aborted": runs.ABORTED,
}


@pytest.mark.parametrize("name", FAILURES)
def test_the_end_of_a_failed_run_is_one_screen(name, screen, golden):
    unborn = name in ("aborted", "image-pull", "missing-secret", "import-missing", "wrong-python")
    details = FailureDetails(
        runs.INPUTS if name not in ("aborted", "import-missing") else None, [] if unborn else runs.LOG
    )
    text = screen(failed_run(view_of(FAILURES[name]), details, runs.NOW))
    assert len(text.splitlines()) <= 40
    golden(name, text)


def test_success(screen, golden):
    view = view_of(runs.SUCCEEDED)
    golden("success", screen(summary(view, runs.NOW)) + screen(tree(view, runs.NOW, final=True)))


TRACEBACK = """Traceback (most recent call last):
  File "house.py", line 40, in try_penalty
    raise ValueError(f"penalty is {penalty}")
ValueError: penalty is -1.0
"""


def test_the_traceback_is_not_said_again_as_log():
    exception = f.ExceptionDetails(type="ValueError", message="penalty is -1.0", traceback=TRACEBACK)
    failure = runs.failed("UserException", "m", exception=exception).run.state.failure
    printed = [f"line {number}" for number in range(20)]
    asked = log_lines_wanted(failure)
    assert asked == LOG_LINES + 5
    assert own_log_lines([*printed, *TRACEBACK.splitlines()], failure) == printed[-LOG_LINES:]
    assert own_log_lines(printed, failure) == printed[-LOG_LINES:]
    assert own_log_lines(TRACEBACK.splitlines(), failure) == []
    other = f.Failure(code="OOMKilled", message="m")
    assert log_lines_wanted(other) == LOG_LINES + 1
    for told in ("limosa: Crashed: it crashed", last_words(preempted()).strip()):
        assert own_log_lines([*printed, told], other) == printed[-LOG_LINES:]
    assert own_log_lines(["limosa: part of the log was not stored"], other) != []
    assert own_log_lines([*printed, "end"], other) == [*printed[11:], "end"]


CRASH = """before
Fatal Python error: Segmentation fault

Current thread 0x00007f0000000000 (most recent call first):
  File "/usr/lib/python3.11/ctypes/__init__.py", line 519 in string_at
  File "/tmp/limosa-ab/code/house.py", line 40 in try_penalty
  File "/venv/lib/python3.11/site-packages/limosa/tasks.py", line 111 in run_function
  File "/venv/lib/python3.11/site-packages/limosa/runtime/call.py", line 36 in call_task
  File "/venv/lib/python3.11/site-packages/limosa/runtime/__main__.py", line 14 in <module>
  File "<frozen runpy>", line 88 in _run_code

Extension modules: google._upb._message (total: 1)
limosa: Crashed: the process was killed by SIGSEGV"""


def test_the_log_of_a_crash_ends_with_the_author_s_lines():
    failure = f.Failure(code="Crashed", message="m")
    lines = CRASH.splitlines()
    assert log_lines_wanted(failure) > len(lines)
    shown = own_log_lines(lines, failure)
    assert shown == [*lines[:2], *lines[3:6]]


def test_a_node_that_waits_says_why_after_five_seconds(screen, golden):
    assert "Unschedulable" not in screen(tree(view_of(runs.waiting(3)), runs.NOW, final=False))
    golden("unschedulable", screen(tree(view_of(runs.waiting(7)), runs.NOW, final=False)))


def test_a_run_that_no_cluster_takes_says_why_after_five_seconds(screen, golden):
    spinner = Spinner("dots")
    assert "no cluster" not in screen(live(view_of(runs.queued(3)), runs.NOW, spinner))
    shown = screen(live(view_of(runs.queued(7)), runs.NOW, spinner))
    golden("queued", "*" + shown[1:])  # the spinner turns


def test_a_run_whose_cluster_went_silent_says_so_while_it_runs(screen):
    silent = runs.waiting(1)
    silent.run.state.reason.CopyFrom(runs.queued(40, "ClusterSilent").run.state.reason)
    assert "running: no cluster has asked" in screen(live(view_of(silent), runs.NOW, Spinner("dots")))


def test_a_run_that_ended_waits_for_nothing(screen):
    ended = runs.update(pb.RUN_PHASE_ABORTED)
    ended.run.state.reason.CopyFrom(runs.queued(40).run.state.reason)
    assert "no cluster" not in screen(live(view_of(ended), runs.NOW, Spinner("dots")))


def test_what_a_dynamic_node_runs_stands_below_it(screen):
    made = Closure(
        entry="house.split",
        tasks=[TaskSpec(name="house.part")],
        workflows=[
            WorkflowSpec(
                name="house.split",
                nodes=[
                    Node(id="n0", display_name="part", task=TaskNode(task="house.part")),
                    Node(id="n1", display_name="again", dynamic=DynamicNode(task="house.again")),
                ],
            )
        ],
    )
    made.tasks[0].retry.retries = 3
    update = runs.update(
        pb.RUN_PHASE_SUCCEEDED,
        runs.node("n0", pb.NODE_PHASE_SUCCEEDED, 0.1, 0.9, kind="dynamic", graph=made),
        runs.node("n0/n0", pb.NODE_PHASE_SUCCEEDED, 0.2, 0.5, target="house.part"),
        runs.node("n0/n1", pb.NODE_PHASE_RUNNING, 0.2),
    )
    update.closure.workflows[0].nodes[0].dynamic.task = "house.split"
    view = view_of(update)
    rows = [(row.depth, row.path, row.name) for row in view.rows(runs.NOW)]
    assert rows[:3] == [(0, "n0", "clean"), (1, "n0/n0", "part"), (1, "n0/n1", "again")]
    assert view.retries("n0/n0") == 3
    later = runs.update(pb.RUN_PHASE_SUCCEEDED)
    later.ClearField("closure")
    view.apply(later)
    assert len(view.rows(runs.NOW)) == 5
    assert "part" in screen(tree(view, runs.NOW, final=True))


def test_older_snapshots_do_not_replace_newer_ones():
    view = view_of(runs.SUCCEEDED)
    late = runs.waiting(7)
    del late.snapshots[0]
    late.snapshots[0].seq = 0
    late.ClearField("run")
    view.apply(late)
    assert view.node("n1").items_succeeded == 4


def test_the_end_of_a_run_of_three_hundred_nodes_is_one_screen(screen, golden):
    origin = f.FailureOrigin(node_path="n140/n20", launch=0, task="house.clean")
    exception = f.ExceptionDetails(type="ValueError", message="penalty is -1.0", frames=[runs.FRAME])
    failure = failures.user(Code.USER_EXCEPTION, "m", origin=origin, exception=exception)
    assert len(runs.THREE_HUNDRED) == 300
    view = view_of(runs.long_run(runs.THREE_HUNDRED, failure))
    text = screen(failed_run(view, FailureDetails(runs.INPUTS, runs.LOG), runs.NOW))
    assert len(text.splitlines()) <= 48
    golden("three-hundred-nodes", text)


def test_every_node_can_be_had_too(screen):
    view = view_of(runs.long_run(runs.THREE_HUNDRED))
    text = screen(failed_run(view, FailureDetails(None, []), runs.NOW, lines=None))
    assert len(text.splitlines()) > 300
    assert "…" not in text


def test_what_runs_is_shown_while_a_long_run_goes_on(screen):
    phases = {f"n{i}": pb.NODE_PHASE_SUCCEEDED if i < 150 else pb.NODE_PHASE_WAITING for i in range(300)}
    phases["n150"] = phases["n151"] = pb.NODE_PHASE_RUNNING
    view = view_of(runs.long_run(phases, phase=pb.RUN_PHASE_RUNNING))
    lines = screen(live(view, runs.NOW, Spinner("dots"))).splitlines()[1:]
    assert [line.split("clean")[0].strip() for line in lines] == [
        "… 149 succeeded",
        "✓ n149",
        "● n150",
        "● n151",
        "· n152",
        "… 147 waiting",
    ]


def test_a_short_terminal_gets_a_short_tree(screen):
    phases = {f"n{i}": pb.NODE_PHASE_RUNNING for i in range(40)}
    view = view_of(runs.long_run(phases, phase=pb.RUN_PHASE_RUNNING))
    assert len(screen(live(view, runs.NOW, Spinner("dots"), lines=12)).splitlines()) == 13


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.9, "59.9 s"), (60, "1 m 00 s"), (3599.6, "1 h 00 m"), (7380, "2 h 03 m")],
)
def test_durations_read_as_people_say_them(seconds, text):
    assert duration(seconds) == text


def test_a_module_missing_only_when_the_task_runs_says_what_to_do_too(screen):
    exception = ExceptionDetails(type="ModuleNotFoundError", message="No module named 'lib'")
    shown = screen(failure_block(failures.user(Code.USER_EXCEPTION, "m", exception=exception)))
    assert "ModuleNotFoundError: No module named 'lib'" in shown
    told = " ".join(shown.split())
    assert (
        'If it is a package: pip install lib for runs on this machine, @task(packages=["lib"]) for pods.'
        in told
    )
    assert told.index("pip install") < told.index("--copy all")
    assert "container_image" not in told


@pytest.mark.parametrize(
    ("target", "url", "failure", "told"),
    [
        ("house.train_all", "http://h", failures.user("UserException", "no"), "limosa resume calm-heron-4f2a house.py"),
        ("ml.house.wf", "http://h", failures.user("UserException", "no"), "limosa resume calm-heron-4f2a ml/house.py"),
        ("nightly", "http://h", failures.user("UserException", "no"), "limosa resume calm-heron-4f2a"),
        ("house.train_all", "http://h", failures.system("Store", "no"), "limosa resume calm-heron-4f2a"),
        ("house.train_all", "", failures.user("UserException", "no"), "limosa explain calm-heron-4f2a"),
    ],
)  # fmt: skip
def test_a_run_can_be_gone_on_from_with_the_file_that_is_to_be_fixed(target, url, failure, told):
    made = runs.update(pb.RUN_PHASE_FAILED, failure=failure)
    made.run.target.name, made.run.url = target, url
    assert next_commands(view_of(made))[-1].removesuffix("    (with the same inputs)") == told


def test_a_failure_of_any_size_stays_one_screen(screen):
    frame = Frame(file="a.py", line=1, function="f", source_start=1, source=["y" * 5000, *["z" * 5000] * 4])
    message = "long " * 3000 + "\n" + "more\n" * 500
    exception = ExceptionDetails(type="ValueError", message=message, frames=[frame])
    inputs = LiteralMap(literals={f"input_{i}": values.string("x" * 500) for i in range(40)})
    failed = runs.failed("UserException", message, exception=exception)
    text = screen(
        failed_run(view_of(failed), FailureDetails(inputs, ["wide " * 1000] * 30), runs.NOW, "-p x")
    )
    assert len(text.splitlines()) <= 60
    assert "more characters: limosa get run calm-heron-4f2a -p x -o json" in text
    assert "… 30 more: limosa inputs calm" in text


def test_a_message_of_many_short_lines_is_cut_too(screen):
    failure = failures.user(Code.USER_EXCEPTION, "line\n" * 40)
    text = screen(failure_block(failure))
    assert text.count("line") == 12
    assert "… 140 more characters" in text


def test_without_a_failing_line_the_task_s_own_is_told(screen):
    failed = runs.failed(
        Code.IMAGE_NOT_RUNNABLE, "n1[2]: the sandbox has no container engine and cannot run the image"
    )
    text = screen(failed_run(view_of(failed), FailureDetails(None, []), runs.NOW))
    assert "  in house.try_penalty (house.py:33), node n1, item 2, attempt 2\n  → Run it on a cluster" in text
    assert ":33" not in screen(failed_run(view_of(runs.USER_ERROR), FailureDetails(None, []), runs.NOW))


def test_a_message_of_one_long_sentence_is_shown_whole(screen):
    sentence = "word " * 100 + "end."
    text = screen(failure_block(failures.user(Code.IMAGE_NOT_RUNNABLE, sentence)))
    assert " ".join(text.split()).startswith(f"ImageNotRunnable: {sentence}")
    assert "more characters" not in text


@pytest.mark.parametrize(
    ("lacking", "told"),
    [
        ("Insufficient memory", "demo start --memory SIZE)"),
        ("Insufficient cpu, 1 Insufficient memory", "demo start --cpus N --memory SIZE)"),
        ("Insufficient nvidia.com/gpu", "demo start --gpus N)"),
        ("Too many pods", "add capacity."),
    ],
)
def test_the_remedy_for_want_of_room_names_what_there_is_too_little_of(lacking, told):
    remedy = remedy_of("Unschedulable", f"0/1 nodes are available: 1 {lacking}.")
    assert told in remedy
    assert ("--gpus" in remedy) == ("gpu" in lacking)


def test_a_map_of_which_some_items_run_raises_no_alarm(screen):
    found = runs.waiting(9)
    reason = found.snapshots[1].node.reason
    running, pending = pb.LAUNCH_PHASE_RUNNING, pb.LAUNCH_PHASE_PENDING
    found.snapshots.append(runs.launch("n1", 0, running, 1, index=0))
    found.snapshots.append(runs.launch("n1", 0, pending, 1, index=1, reason=reason))
    text = screen(tree(view_of(found), runs.NOW, final=True))
    assert "1/4 items, 1 waiting for room" in text
    assert "→" not in text
    assert "Insufficient" not in text


def python_run(kind="task", **launch):
    """A failed run of the platform whose node n0 runs a Python function with a secret."""
    failure = failures.user(Code.SECRET_MISSING, 'secret "warehouse" not found')
    failure.origin.node_path = "n0"
    state = runs.node("n0", pb.NODE_PHASE_FAILED, 0, 1, kind=kind, target="house.clean", failure=failure)
    made = runs.update(pb.RUN_PHASE_FAILED, state, failure=failure)
    made.closure.tasks[0].secrets.add(name="warehouse", key="token")
    made.snapshots.append(
        pb.Snapshot(key=pb.SnapshotKey(node_path="n0", launch=0), seq=1, launch=pb.LaunchState(**launch))
    )
    return made


def test_a_failed_python_task_can_be_explained_and_replayed():
    commands = next_commands(view_of(python_run(started_at=runs.at(0))), itself=True)
    assert [line.split()[1] for line in commands] == ["logs", "inputs", "explain", "replay", "resume"]
    assert "get run" in " ".join(next_commands(view_of(python_run())))


@pytest.mark.parametrize("made", [python_run(), python_run("branch", started_at=runs.at(0))])
def test_where_nothing_was_printed_no_log_is_offered(made):
    assert not any(line.startswith("limosa logs") for line in next_commands(view_of(made)))


def test_a_missing_secret_is_named_in_the_command_that_stores_it(screen):
    text = screen(failed_run(view_of(python_run()), FailureDetails(None, []), runs.NOW))
    assert "`limosa secrets set warehouse token`" in text


@pytest.mark.parametrize(
    ("detail", "remedy"),
    [
        ('secret "warehouse" not found', "Store what is missing with `limosa secrets set warehouse token -p ml -d staging`"),
        ('configmap "rates" not found', "Create what the message names in the run's namespace"),
    ],
)  # fmt: skip
def test_who_waits_for_a_secret_is_told_how_to_store_it_where_the_run_is(screen, detail, remedy):
    made = python_run()
    made.run.project, made.run.domain, made.run.state.phase = "ml", "staging", pb.RUN_PHASE_RUNNING
    reason = pb.Reason(code=Code.CONFIG_ERROR, detail=detail, since=runs.at(0))
    made.snapshots[0].node.CopyFrom(runs.node("n0", pb.NODE_PHASE_QUEUED, target="house.clean").node)
    made.snapshots[0].node.reason.CopyFrom(reason)
    assert remedy in " ".join(screen(tree(view_of(made), runs.NOW, final=False)).split())


@pytest.mark.parametrize("code", [Code.REJECTED, Code.GATE_TIMEOUT])
def test_a_gate_that_failed_has_one_way_on(screen, code):
    made = runs.failed(code, "n1 was rejected by ada", index=None)
    text = " ".join(screen(failed_run(view_of(made), FailureDetails(None, []), runs.NOW)).split())
    assert "in a new run, which asks again" in text
    assert "workflow again" not in text
    assert "limosa resume calm-heron-4f2a house.py" in text


def test_a_long_address_keeps_its_file_name():
    uri = "s3://limosa/" + "a/very/long/way/" * 10 + "model.json"
    text = brief(Literal(blob=Blob(uri=uri)), 60)
    assert len(text) <= 60
    assert text.startswith("s3://lim")
    assert text.endswith("…/model.json")
    assert brief(Literal(blob=Blob(uri="s3://b/x")), 60) == "s3://b/x"
    assert len(brief(Literal(blob=Blob(uri="s3://b/" + "x" * 200)), 60)) == 60


def test_what_a_script_said_last_stands_in_its_message_only():
    message = "told: the script ended with exit status 7:\nline 29\nline 30"
    failure = f.Failure(kind=f.FAILURE_KIND_USER, code="Exited", message=message)
    printed = ["begin", "line 29", "line 30"]
    ended = [*printed, *f"limosa: Exited: {message}".splitlines()]
    assert own_log_lines(printed, failure) == ["begin"]
    assert own_log_lines(ended, failure) == ["begin"]
    assert log_lines_wanted(failure) >= LOG_LINES + 5
    assert remedy_of("Exited", message) == ""
    assert "look at its log" in remedy_of("Exited", "exit code 3")
