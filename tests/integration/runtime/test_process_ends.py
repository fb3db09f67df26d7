"""What a launch leaves when its process does not come to its own end, or is not alone."""

import os
import signal
import subprocess
import sys

import pytest
from launch_rig import Pod

from limosa.render.failure import own_log_lines
from limosa_idl.core.v1alpha1.failure_pb2 import FAILURE_KIND_SYSTEM, FAILURE_KIND_USER
from limosa_idl.run.v1alpha1.run_pb2 import TerminationRecord
from limosa_model import layout, values


def task(body: str) -> str:
    """A task without inputs that gives a number."""
    lines = "".join(f"    {line}\n" for line in body.strip().split("\n"))
    return f"import ctypes, signal, subprocess\n@task\ndef f() -> int:\n{lines}    return 1\n"


def has_error_record(pod: Pod) -> bool:
    return pod.store.head(layout.error_key(pod.prefix, pod.launched.launch_id)) is not None


@pytest.mark.parametrize("status", [3, 0])
def test_who_exits_leaves_its_last_words_and_a_failure_of_the_author(tmp_path, status):
    pod = Pod(tmp_path, task(f"print('the last words')\nos._exit({status})"))
    assert pod.run() == (status or 1), pod.output
    failure = pod.failure
    assert (failure.kind, failure.code, failure.retryable) == (FAILURE_KIND_USER, "Exited", True)
    assert f"ended with exit status {status} before the task returned" in failure.message
    assert "os._exit" in failure.message
    assert failure.origin.task == "flow.f"
    assert pod.last_word.failure == failure
    assert pod.log == pod.output == f"the last words\nlimosa: Exited: {failure.message}\n"


def test_who_exits_while_its_module_is_imported_is_told_the_same(tmp_path):
    pod = Pod(tmp_path, "print('the last words')\nos._exit(3)\n" + task("pass"))
    assert pod.run() == 3, pod.output
    assert pod.failure.code == "Exited"
    assert pod.log.startswith("the last words\n")


CRASHES = {
    signal.SIGSEGV: ("ctypes.string_at(0)", "Segmentation fault"),
    signal.SIGABRT: ("os.abort()", "Aborted"),
}


@pytest.mark.parametrize("number", CRASHES)
def test_a_crash_in_native_code_is_named_and_the_log_shows_where(tmp_path, number):
    body, said = CRASHES[number]
    pod = Pod(tmp_path, task(f"print('before')\n{body}"))
    assert pod.run() == 128 + number, pod.output
    failure = pod.failure
    assert (failure.kind, failure.code, failure.retryable) == (FAILURE_KIND_USER, "Crashed", True)
    assert number.name in failure.message
    assert pod.last_word.failure == failure
    before, _, after = pod.log.partition(f"Fatal Python error: {said}")
    assert before == "before\n"
    assert 'flow.py", line' in after
    shown = own_log_lines(pod.log.splitlines(), failure)
    assert shown[0] == "before"
    assert 'flow.py", line' in shown[-1]


def test_of_a_killed_launch_nothing_is_said_so_that_the_pods_own_reason_counts(tmp_path):
    pod = Pod(tmp_path, task("print('going')\nos.kill(os.getpid(), signal.SIGKILL)"))
    assert pod.run() == 137, pod.output
    assert not has_error_record(pod)
    assert not (tmp_path / "termination").exists()
    assert pod.log == pod.output == "going\n"


def test_sigterm_preempts_whoever_took_the_handler_away(tmp_path):
    body = "signal.signal(signal.SIGTERM, signal.SIG_DFL)\nprint('ready', flush=True)\ntime.sleep(60)"
    pod = Pod(tmp_path, task(body))
    process = pod.start()
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 143
    # Whether it was preempted, aborted or out of time is not known here: the log does not say.
    assert pod.log.endswith("limosa: the pod was asked to end (SIGTERM) before the task had finished\n")
    assert (pod.failure.kind, pod.failure.code) == (FAILURE_KIND_SYSTEM, "Preempted")
    assert pod.last_word.failure.code == "Preempted"


def test_sigterm_to_the_whole_group_is_one_preemption(tmp_path):
    body = "try:\n    print('ready', flush=True)\n    time.sleep(60)\nfinally:\n    time.sleep(0.2); print('cleaned up')"
    pod = Pod(tmp_path, task(body))
    process = pod.start(start_new_session=True)
    assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGTERM)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 143
    assert output.startswith("cleaned up\n")
    assert pod.failure.code == "Preempted"


OUTLASTS = {
    "a handler": """
got = []
signal.signal(signal.SIGTERM, lambda number, frame: (os.write(1, b'got it\\n'), got.append(number)))
print('ready', flush=True)
while not got: time.sleep(0.01)
""",
    "blocked": """
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
print('ready', flush=True)
while signal.SIGTERM not in signal.sigpending(): time.sleep(0.01)
""",
}


@pytest.mark.parametrize("how", OUTLASTS)
def test_who_goes_on_after_it_was_asked_to_end_gives_no_result(tmp_path, how):
    pod = Pod(tmp_path, task(OUTLASTS[how]))
    process = pod.start()
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=30)
    assert ("got it" in output) == (how == "a handler")
    assert process.returncode == 143
    assert pod.failure.code == "Preempted"
    assert pod.store.head(layout.commit_key(pod.prefix, "n0", None)) is None


AFTER_THE_COMMIT = """
from limosa.runtime.commit import CommitSlot
write = CommitSlot.write
def write_and_crash(self, outputs):
    self._pod = self._pod._replace(launch_id="{launch_id}")
    write(self, outputs)
    print("committed")
    ctypes.string_at(0)
CommitSlot.write = write_and_crash
"""


def test_a_crash_after_the_commit_is_a_success(tmp_path):
    pod = Pod(tmp_path, task(AFTER_THE_COMMIT.format(launch_id="launchaaaa")))
    assert pod.run() == 0, pod.output
    assert not has_error_record(pod)
    assert pod.last_word.outcome == TerminationRecord.OUTCOME_COMMITTED
    assert values.to_plain(pod.last_word.outputs.literals["o0"]) == 1
    assert pod.log.startswith("committed\n")


def test_a_crash_after_anothers_commit_counts_for_nothing(tmp_path):
    pod = Pod(tmp_path, task(AFTER_THE_COMMIT.format(launch_id="launchbbbb")))
    assert pod.run() == 0, pod.output
    assert not has_error_record(pod)
    assert pod.last_word.outcome == TerminationRecord.OUTCOME_SUPERSEDED


def test_a_crash_while_the_commit_cannot_be_read_is_left_to_the_operator(tmp_path):
    folder = str(tmp_path / "store" / "demo")
    body = f"os.rename({folder!r}, {folder!r} + '.gone')\nos.symlink({folder!r}, {folder!r})\nos._exit(3)"
    pod = Pod(tmp_path, task(body))
    assert pod.run() == 3, pod.output
    assert not (tmp_path / "termination").exists()
    assert "limosa: Exited: " in pod.output
    assert "whether there is a commit is not known" in pod.output


def test_a_launch_whose_own_descriptors_were_closed_is_judged_by_what_it_left(tmp_path):
    pod = Pod(tmp_path, task("os.closerange(3, 100)\nraise ValueError('mine')"))
    assert pod.run() == 1, pod.output
    assert pod.failure.exception.type == "ValueError"
    assert pod.last_word.failure.code == "UserException"


@pytest.mark.parametrize("command", ["sleep 600", "yes"])
def test_a_process_that_outlives_the_task_is_not_waited_for(tmp_path, command):
    pod = Pod(tmp_path, task(f"print(subprocess.Popen({command.split()!r}).pid, flush=True)"))
    assert pod.run() == 0, pod.output
    # What prints for ever may have ended already: nobody listens any more.
    left = int(pod.log.replace("y\n", "").split()[0])
    subprocess.run(["kill", "-9", str(left)], check=False, capture_output=True)


def test_a_long_log_is_whole_and_in_order(tmp_path):
    body = "for number in range(60_000):\n    print(f'{number:07d}', 'x' * 80)"
    pod = Pod(tmp_path, task(body))
    assert pod.run() == 0
    expected = "".join(f"{number:07d} {'x' * 80}\n" for number in range(60_000))
    assert pod.output == expected
    assert pod.log == expected


def test_whatever_writes_to_either_stream_is_in_the_log(tmp_path):
    body = """
print('from python')
os.write(2, b'from the descriptor\\n')
subprocess.run(['sh', '-c', 'echo from a child'], check=True)
sys.stdout.write('no newline at the end')
"""
    pod = Pod(tmp_path, task(body))
    assert pod.run() == 0
    assert pod.log == pod.output == "from python\nfrom the descriptor\nfrom a child\nno newline at the end"


def test_a_log_that_cannot_be_stored_is_still_printed_and_ends_nobody(tmp_path):
    pod = Pod(tmp_path, task("print('still here')"))
    folder = str(tmp_path / "store" / layout.log_prefix(pod.prefix, "launchaaaa").rstrip("/"))
    os.makedirs(os.path.dirname(folder))
    for name in (folder, f"{folder}%dir"):
        os.symlink(name, name)
    assert pod.run() == 0, pod.output
    assert pod.last_word.outcome == TerminationRecord.OUTCOME_COMMITTED
    assert pod.output.startswith("still here\nlimosa: part of the log was not stored: ")


def test_orphans_are_collected(tmp_path):
    body = """
orphan = subprocess.run(['sh', '-c', 'sleep 0 & echo $!'], capture_output=True, text=True).stdout.strip()
until = time.monotonic() + 30
while os.path.exists(f'/proc/{orphan}') and time.monotonic() < until: time.sleep(0.01)
print('collected' if not os.path.exists(f'/proc/{orphan}') else 'left')
"""
    pod = Pod(tmp_path, task(body))
    # As the first process of a container would, it inherits those whose parents have ended.
    program = (
        "import ctypes, runpy; ctypes.CDLL(None).prctl(36, 1, 0, 0, 0); "
        "runpy.run_module('limosa.runtime', run_name='__main__')"
    )
    assert pod.run(command=[sys.executable, "-c", program]) == 0, pod.output
    assert pod.log == "collected\n"


@pytest.mark.parametrize("end", ["return 2", "raise ValueError('from the fork')", "sys.exit(0)"])
def test_a_forked_process_that_comes_back_from_the_task_gives_no_result(tmp_path, end):
    pod = Pod(tmp_path, task(f"if os.fork() == 0:\n    {end}\nos.wait()"))
    assert pod.run() == 0, pod.output
    assert values.to_plain(pod.last_word.outputs.literals["o0"]) == 1
    assert not has_error_record(pod)
    assert "a process that the task forked came back from the task" in pod.output


def test_who_closes_the_descriptors_of_the_stores_client_is_told_so(tmp_path):
    """A client of S3 has such descriptors from its first request on; the store of this test gets one by hand."""
    body = """
import gc, select
from limosa.runtime.guarded_store import GuardedStore, _event_descriptors
events = select.epoll()
(guarded,) = [found for found in gc.get_objects() if type(found) is GuardedStore]
guarded._events = _event_descriptors()
print('before', flush=True)
os.closerange(0, 100)
"""
    pod = Pod(tmp_path, task(body))
    assert pod.run() == 1, pod.output
    assert (pod.failure.kind, pod.failure.code) == (FAILURE_KIND_USER, "BadOutput")
    assert "closed file descriptors that are not its own" in pod.failure.message
    assert pod.last_word.failure == pod.failure
    assert pod.log.startswith("before\n")
