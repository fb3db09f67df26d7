"""Of a launch's result only what the store has is told, whatever the author's code does to the runtime in its process."""

import os
import subprocess
import sys

import pytest
from launch_rig import Pod

from limosa_idl.core.v1alpha1.failure_pb2 import FAILURE_KIND_SYSTEM
from limosa_idl.run.v1alpha1.run_pb2 import TerminationRecord
from limosa_model import layout, values

SEIZED = """
import gc, threading, subprocess
from limosa.runtime.commit import CommitSlot
from limosa.runtime.outcome import Committed
from limosa.runtime.report import Report
from limosa_idl.run.v1alpha1.run_pb2 import TerminationRecord
from limosa_model.pod_contract import encode_termination
from limosa_model.values import integer
write = CommitSlot.write

def forged(launch_id):
    record = TerminationRecord(launch_id=launch_id, outcome=TerminationRecord.OUTCOME_COMMITTED, commit_digest="sha256:0")
    record.outputs.literals["o0"].CopyFrom(integer(666))
    return encode_termination(record)

def lie(self, outputs):
    (report,) = [found for found in gc.get_objects() if type(found) is Report]
    with open(report._pod.termination_path, "w") as file:
        file.write(forged(report._pod.launch_id))
    Report.last_word = lambda self, outcome: 0
    {commits}
    return Committed("sha256:0", outputs)

CommitSlot.write = lie
@task
def f() -> int:
    return 1
"""


def test_a_result_that_the_store_does_not_have_is_not_told(tmp_path):
    pod = Pod(tmp_path, SEIZED.format(commits=""))
    assert pod.run() == 2, pod.output
    assert pod.store.head(layout.commit_key(pod.prefix, "n0", None)) is None
    assert pod.last_word.outcome == TerminationRecord.OUTCOME_FAILED
    assert (pod.failure.kind, pod.failure.code) == (FAILURE_KIND_SYSTEM, "NoCommit")
    assert "the store has none" in pod.failure.message


def test_a_result_that_differs_from_the_stores_is_told_as_the_store_has_it(tmp_path):
    pod = Pod(tmp_path, SEIZED.format(commits="write(self, outputs)"))
    assert pod.run() == 0, pod.output
    assert pod.last_word.outcome == TerminationRecord.OUTCOME_COMMITTED
    assert values.to_plain(pod.last_word.outputs.literals["o0"]) == 1


LEAVES_A_WRITER = """
import os, sys
try:
    open("/proc/1/mem", "r+b")
    print("the first process's memory is open")
except PermissionError:
    print("closed")
open("/proc/self/mem", "r+b").close()
if os.fork() == 0:
    os.setsid()
    while True:
        with open({path!r}, "w") as file:
            file.write("forged")
"""
AS_IN_A_CONTAINER = [
    "unshare",
    "--user",
    "--map-user=65532",
    "--pid",
    "--mount-proc",
    "--fork",
    "--kill-child",
]


def test_who_is_left_in_a_container_cannot_speak_for_it(tmp_path):
    """A process that the task left behind writes last words for ever; the runtime's memory is closed to it."""
    if subprocess.run([*AS_IN_A_CONTAINER, "true"], check=False, capture_output=True).returncode:
        pytest.skip(
            "this kernel gives users no namespaces of processes, so no container can be stood in for here; "
            "allow them (sysctl user.max_user_namespaces), or see row 35 of deploy/lab/faults in real pods"
        )
    body = LEAVES_A_WRITER.format(path=str(tmp_path / "termination")).replace("\n", "\n    ")
    pod = Pod(tmp_path, f"@task\ndef f() -> int:\n    {body}\n    return 1\n")
    os.chmod(tmp_path, 0o777)
    assert pod.run(command=[*AS_IN_A_CONTAINER, sys.executable, "-m", "limosa.runtime"]) == 0, pod.output
    assert pod.log == "closed\n"
    assert values.to_plain(pod.last_word.outputs.literals["o0"]) == 1
