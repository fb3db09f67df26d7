"""One launch, in the order of the pod contract.

Start check → code → inputs → the author's function → data → commit (or error record) →
termination message → exit.
"""

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from google.protobuf.message import DecodeError

from limosa.runtime import code
from limosa.runtime.call import call_task
from limosa.runtime.commit import CommitSlot
from limosa.runtime.logs import LogCopy
from limosa.runtime.outcome import Committed, Failed, LaunchFailed, Outcome, Preempted, Superseded
from limosa.runtime.transfer import LaunchTransfer
from limosa.version import VERSION
from limosa_idl.core.v1alpha1.failure_pb2 import FAILURE_KIND_USER, Failure, FailureOrigin
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap, Provenance
from limosa_idl.run.v1alpha1.run_pb2 import ErrorRecord, TerminationRecord
from limosa_model import failures, layout
from limosa_model.digests import serialize
from limosa_model.failures import Code
from limosa_model.pod_contract import (
    PodContractError,
    PodEnvironment,
    encode_termination,
    is_contract_variable,
)
from limosa_store import Store, StoreError, StoreSettings, open_store

EXIT_OK = 0
EXIT_USER = 1
EXIT_SYSTEM = 2
EXIT_CONTRACT = 64
"""The environment is not what this runtime understands; nothing was done."""
EXIT_PREEMPTED = 143


def main(environ: Mapping[str, str]) -> int:
    """Runs the launch that an environment describes; returns the exit code."""
    try:
        pod = PodEnvironment.from_environ(environ)
        store = open_store(StoreSettings.from_env(environ))
    except (PodContractError, StoreError) as error:
        print(f"limosa: {error}", file=sys.stderr)
        return EXIT_CONTRACT
    for name in [name for name in os.environ if is_contract_variable(name)]:
        del os.environ[name]
    signal.signal(signal.SIGTERM, _preempt)
    launch = Launch(pod, store)
    outcome = launch.run()
    return launch.report(outcome)


def _preempt(_signal: int, _frame: FrameType | None) -> None:
    # Once is enough: the author's clean-up may take its time until the kubelet kills the pod.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Preempted


class Launch:
    """One launch of one node item."""

    def __init__(self, pod: PodEnvironment, store: Store) -> None:
        """Takes what the launch was told and where it reads and writes."""
        self._pod = pod
        self._store = store
        self._prefix = layout.run_prefix(pod.project, pod.domain, pod.run_name, pod.run_uid)
        self._slot = CommitSlot(store, pod, self._prefix, VERSION)
        self._scratch = _scratch_directory()
        self._code_root = self._scratch / "code"

    def run(self) -> Outcome:
        """Everything up to the commit or the error record. Failures are outcomes; only bugs of this runtime raise."""
        logs: LogCopy | None = None
        try:
            found = self._slot.read()
            if found is not None:
                return found
            logs = LogCopy(self._write_log)
            outcome = self._execute()
        except LaunchFailed as error:
            outcome = self._failed(error.failure)
        except Preempted:
            message = "the pod was asked to end (SIGTERM) before the task had finished"
            outcome = self._failed(failures.system(Code.PREEMPTED, message))
        except StoreError as error:
            outcome = self._failed(failures.system(Code.STORE, str(error), retryable=error.retryable))
        except Exception as error:  # noqa: BLE001 - a bug of ours: it is told, and another launch may do better
            import traceback

            traceback.print_exc()
            message = f"the runtime failed: {type(error).__name__}: {error}"
            outcome = self._failed(failures.system(Code.INTERNAL, message))
        if isinstance(outcome, Failed):
            self._record(outcome.failure)
        if logs is not None:
            logs.close()
            if logs.lost:
                print(f"limosa: part of the log was not stored: {logs.lost}", file=sys.stderr)
        return outcome

    def report(self, outcome: Outcome) -> int:
        """Writes the termination message and gives the exit code."""
        record = TerminationRecord(launch_id=self._pod.launch_id)
        exit_code = EXIT_OK
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
            # It is a copy: the operator reads the store when it is absent.
            print(f"limosa: no termination message: {error}", file=sys.stderr)
        return exit_code

    def _execute(self) -> Outcome:
        code.check_python(self._pod)
        self._code_root.mkdir()
        code.install(self._store, self._pod, self._code_root)
        os.chdir(self._code_root)
        sys.argv = [self._pod.task]
        literals = self._read_inputs()
        task = code.load_task(self._pod.loader, self._code_root)
        data_prefix = layout.data_prefix(self._prefix, self._pod.launch_id)
        transfer = LaunchTransfer(self._store, data_prefix, self._scratch)
        if task.makes_graph:
            from limosa.runtime.graph import make_graph

            return self._slot.write_graph(make_graph(task, literals, transfer, self._code_root, self._pod))
        outputs = call_task(task, literals, transfer, self._code_root)
        for name, literal in outputs.literals.items():
            if not literal.HasField("provenance"):
                literal.provenance.CopyFrom(self._provenance(name))
        return self._slot.write(outputs)

    def _read_inputs(self) -> LiteralMap:
        if self._pod.inputs is not None:
            return self._pod.inputs
        key = self._store.key(self._pod.inputs_uri)
        if key is None:
            message = f"the inputs {self._pod.inputs_uri} do not lie below {self._store.settings.url}"
            raise LaunchFailed(failures.system(Code.CORRUPT_DATA, message, retryable=False))
        try:
            return LiteralMap.FromString(self._store.get(key))
        except DecodeError as error:
            message = f"the inputs {self._pod.inputs_uri} cannot be read: {error}"
            raise LaunchFailed(failures.system(Code.CORRUPT_DATA, message, retryable=False)) from error

    def _provenance(self, output: str) -> Provenance:
        pod = self._pod
        return Provenance(
            run_uid=pod.run_uid,
            node_path=pod.node_path,
            index=pod.index,
            launch_id=pod.launch_id,
            output=output,
        )

    def _failed(self, failure: Failure) -> Failed:
        pod = self._pod
        origin = FailureOrigin(node_path=pod.node_path, index=pod.index, launch=pod.launch, task=pod.task)
        failure.origin.CopyFrom(origin)
        return Failed(failure)

    def _record(self, failure: Failure) -> None:
        if failure.exception.traceback:
            print(failure.exception.traceback, file=sys.stderr, end="")
        else:
            print(f"limosa: {failure.code}: {failure.message}", file=sys.stderr)
        record = ErrorRecord(
            run_uid=self._pod.run_uid, launch_id=self._pod.launch_id, failure=failure, runtime_version=VERSION
        )
        record.at.GetCurrentTime()
        try:
            self._store.put(layout.error_key(self._prefix, self._pod.launch_id), serialize(record))
        except StoreError as error:
            print(f"limosa: the error record was not stored: {error}", file=sys.stderr)

    def _write_log(self, segment: int, data: bytes) -> None:
        self._store.put(layout.log_key(self._prefix, self._pod.launch_id, segment), data)


def _scratch_directory() -> Path:
    # What tempfile does where TMPDIR or /tmp can be written, without the tenth of a start that loading it takes.
    path = Path(os.environ.get("TMPDIR") or "/tmp") / f"limosa-{os.urandom(8).hex()}"
    path.mkdir(mode=0o700)
    return path


def _exit_code(failure: Failure) -> int:
    if failure.code == Code.PREEMPTED:
        return EXIT_PREEMPTED
    return EXIT_USER if failure.kind == FAILURE_KIND_USER else EXIT_SYSTEM
