"""What a launch leaves besides its result: the error record, the termination message, log segments."""

import sys
from pathlib import Path

from limosa.runtime.outcome import Committed, Failed, Outcome, Prepared, Superseded
from limosa.version import VERSION
from limosa_idl.core.v1alpha1.failure_pb2 import FAILURE_KIND_USER, Failure, FailureOrigin
from limosa_idl.run.v1alpha1.run_pb2 import ErrorRecord, TerminationRecord
from limosa_model import layout
from limosa_model.digests import serialize
from limosa_model.failures import Code
from limosa_model.pod_contract import PodEnvironment, encode_termination
from limosa_model.raw_containers import PREPARE
from limosa_store import Store, StoreError

EXIT_OK = 0
EXIT_USER = 1
EXIT_SYSTEM = 2
EXIT_HAS_RESULT = 3
EXIT_PREEMPTED = 143


class Report:
    """Writes what one launch leaves; what cannot be written is printed."""

    def __init__(self, store: Store, pod: PodEnvironment, prefix: str) -> None:
        """Takes the store, the launch, and the key prefix of its run."""
        self._store = store
        self._pod = pod
        self._prefix = prefix

    def failed(self, failure: Failure) -> Failed:
        """The outcome of a failure of this launch."""
        pod = self._pod
        origin = FailureOrigin(node_path=pod.node_path, index=pod.index, launch=pod.launch, task=pod.task)
        failure.origin.CopyFrom(origin)
        return Failed(failure)

    def record(self, failure: Failure) -> None:
        """Stores the error record."""
        record = ErrorRecord(
            run_uid=self._pod.run_uid, launch_id=self._pod.launch_id, failure=failure, runtime_version=VERSION
        )
        record.at.GetCurrentTime()
        try:
            self._store.put(layout.error_key(self._prefix, self._pod.launch_id), serialize(record))
        except StoreError as error:
            print(f"limosa: the error record was not stored: {error}", file=sys.stderr)

    def last_word(self, outcome: Outcome) -> int:
        """Writes the termination message and gives the exit code."""
        if isinstance(outcome, Prepared):
            return EXIT_OK
        record = TerminationRecord(launch_id=self._pod.launch_id)
        # Where the node item has its result, the container that would run next must not.
        exit_code = EXIT_HAS_RESULT if self._pod.step == PREPARE else EXIT_OK
        if isinstance(outcome, Committed):
            record.outcome = TerminationRecord.OUTCOME_COMMITTED
            record.commit_digest = outcome.commit_digest
            if outcome.outputs is not None:
                record.outputs.CopyFrom(outcome.outputs)
        elif isinstance(outcome, Superseded):
            record.outcome = TerminationRecord.OUTCOME_SUPERSEDED
        else:
            record.outcome = TerminationRecord.OUTCOME_FAILED
            record.failure.CopyFrom(outcome.failure)
            exit_code = _exit_code(outcome.failure)
        try:
            Path(self._pod.termination_path).write_text(encode_termination(record), encoding="ascii")
        except OSError as error:
            # It is a copy: the operator reads the store when it is absent. Exit code 0 would vouch for what others wrote there.
            print(f"limosa: no termination message: {error}", file=sys.stderr)
            exit_code = exit_code or EXIT_SYSTEM
        return exit_code

    def log_segment(self, number: int, data: bytes) -> None:
        """Stores a part of the log. Raises StoreError."""
        self._store.put(layout.log_key(self._prefix, self._pod.launch_id, number), data)


def _exit_code(failure: Failure) -> int:
    if failure.code == Code.PREEMPTED:
        return EXIT_PREEMPTED
    return EXIT_USER if failure.kind == FAILURE_KIND_USER else EXIT_SYSTEM
