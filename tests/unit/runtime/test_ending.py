import os
import signal

import pytest

from limosa.runtime.ending import judge
from limosa_idl.core.v1alpha1.failure_pb2 import FAILURE_KIND_SYSTEM, FAILURE_KIND_USER

USER, SYSTEM = FAILURE_KIND_USER, FAILURE_KIND_SYSTEM


def exited(status):
    return status << 8


@pytest.mark.parametrize(
    ("status", "exit_code", "kind", "code", "names"),
    [
        (exited(3), 3, USER, "Exited", "exit status 3"),
        (exited(0), 1, USER, "Exited", "exit status 0"),
        (exited(143), 143, USER, "Exited", "exit status 143"),
        (signal.SIGSEGV, 139, USER, "Crashed", "SIGSEGV"),
        (signal.SIGSEGV | 0x80, 139, USER, "Crashed", "SIGSEGV"),
        (signal.SIGABRT, 134, USER, "Crashed", "SIGABRT"),
        (signal.SIGBUS, 135, USER, "Crashed", "SIGBUS"),
        (signal.SIGFPE, 136, USER, "Crashed", "SIGFPE"),
        (signal.SIGILL, 132, USER, "Crashed", "built for another processor"),
        (signal.SIGTERM, 143, SYSTEM, "Preempted", "asked to end"),
        (signal.SIGINT, 130, SYSTEM, "Preempted", "asked to end"),
        (signal.SIGALRM, 142, USER, "Exited", "SIGALRM"),
        (signal.SIGRTMIN + 3, 128 + signal.SIGRTMIN + 3, USER, "Exited", f"signal {signal.SIGRTMIN + 3}"),
    ],
)
def test_an_end_without_a_report_is_a_failure(status, exit_code, kind, code, names):
    ending = judge(int(status), reported=False)
    assert (ending.exit_code, ending.settled) == (exit_code, False)
    assert (ending.failure.kind, ending.failure.code, ending.failure.retryable) == (kind, code, True)
    assert names in ending.failure.message


def test_of_a_kill_only_the_cluster_knows_the_reason():
    assert judge(signal.SIGKILL, reported=False) == (137, False, None)


@pytest.mark.parametrize("status", [exited(0), exited(1), exited(64), int(signal.SIGKILL)])
def test_who_reported_has_said_all(status):
    code = os.waitstatus_to_exitcode(status)
    assert judge(status, reported=True) == (code if code >= 0 else 137, True, None)
