"""One launch, in the order of the pod contract.

Start check → code → inputs → the author's function → data → commit (or error record) →
termination message.
"""

import base64
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from google.protobuf.message import DecodeError

from limosa.checkpoints import Checkpoint
from limosa.context import Context, running_in
from limosa.errors import CorruptData
from limosa.runtime import code, packages
from limosa.runtime.call import call_task
from limosa.runtime.checkpoints import LaunchCheckpoints
from limosa.runtime.child import HELD, Shared
from limosa.runtime.commit import CommitSlot
from limosa.runtime.ending import preempted
from limosa.runtime.exceptions import last_words
from limosa.runtime.guarded_store import GuardedStore
from limosa.runtime.outcome import Failed, LaunchFailed, Outcome, Preempted, Prepared
from limosa.runtime.report import EXIT_HAS_RESULT, EXIT_OK, Report
from limosa.runtime.transfer import LaunchTransfer
from limosa.version import VERSION
from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap, Provenance
from limosa_idl.task.v1alpha1.task_pb2 import TaskSpec
from limosa_model import failures, layout
from limosa_model.failures import Code
from limosa_model.pod_contract import PodEnvironment
from limosa_model.raw_containers import PREPARE
from limosa_store import Store, StoreError


class Launch:
    """One launch of one node item. Making it does nothing yet: `run` does, in a process of its own."""

    def __init__(self, pod: PodEnvironment, store: Store) -> None:
        """Takes what the launch was told and where it reads and writes."""
        self._pod = pod
        self._store: Any = GuardedStore(store)
        self._prefix = layout.run_prefix(pod.project, pod.domain, pod.run_name, pod.run_uid)
        self.slot = CommitSlot(self._store, pod, self._prefix, VERSION)
        self.report = Report(self._store, pod, self._prefix)
        self.says_result = EXIT_HAS_RESULT if pod.step == PREPARE else EXIT_OK
        """Exit code of `run` that says: the node item has its result."""

    def run(self, shared: Shared) -> int:
        """The whole launch; gives its exit code. Failures are outcomes; only bugs of this runtime raise."""
        self._shared = shared
        self._store.guard(shared)
        try:
            outcome = self._attempt()
        except Preempted:
            outcome = self.report.failed(preempted())
        if isinstance(outcome, Failed):
            _print(outcome.failure)
            self.report.record(outcome.failure)
            return self.report.last_word(outcome)
        # Whoever looks after this process tells of a result, once it has read it: the author's code may be in all there is here.
        return EXIT_OK if isinstance(outcome, Prepared) else self.says_result

    def _attempt(self) -> Outcome:
        """Everything up to the commit. Raises Preempted."""
        try:
            signal.signal(signal.SIGTERM, _preempt)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)
            found = self.slot.read()
            outcome = found if found is not None else self._execute()
        except LaunchFailed as error:
            outcome = self.report.failed(error.failure)
        except CorruptData as error:
            failure = failures.system(Code.CORRUPT_DATA, error.located, retryable=False)
            outcome = self.report.failed(failure)
        except StoreError as error:
            outcome = self.report.failed(failures.system(Code.STORE, str(error), retryable=error.retryable))
        except Exception as error:  # noqa: BLE001 - a bug of ours: it is told, and another launch may do better
            import traceback

            traceback.print_exc()
            message = f"the runtime failed: {type(error).__name__}: {error}"
            outcome = self.report.failed(failures.system(Code.INTERNAL, message))
        _hear_no_more()
        return outcome

    def _step(self) -> Outcome:
        """One of the two steps around a raw container."""
        from limosa.runtime import raw

        pod, scratch = self._pod, _scratch_directory()
        task = TaskSpec.FromString(base64.b64decode(pod.container))
        transfer = LaunchTransfer(self._store, layout.data_prefix(self._prefix, pod.launch_id), scratch)
        if pod.step == PREPARE:
            raw.fetch(task, self._read_inputs(), transfer, Path(pod.input_directory))
            return Prepared()
        return self._commit(raw.outputs_of(task, transfer, Path(pod.output_directory)))

    def _execute(self) -> Outcome:
        if self._pod.step:
            return self._step()
        code.check_python(self._pod)
        scratch = _scratch_directory()
        code_root = scratch / "code"
        code_root.mkdir()
        packages.install(self._store, self._pod)
        code.install(self._store, self._pod, code_root)
        os.chdir(code_root)
        sys.argv = [self._pod.task]
        literals = self._read_inputs()
        task = code.load_task(self._pod.loader, code_root)
        data_prefix = layout.data_prefix(self._prefix, self._pod.launch_id)
        transfer = LaunchTransfer(self._store, data_prefix, scratch)
        with running_in(self._context(scratch)):
            if task.makes_graph:
                from limosa.runtime.graph import make_graph

                graph = make_graph(task, literals, transfer, code_root, self._pod)
                self._close_to_signals()
                return self.slot.write_graph(graph)
            if task.makes_calls:
                from limosa.runtime.eager import run_eager

                outputs = run_eager(task, literals, transfer, code_root, self._pod, self._store, self._prefix)
            else:
                outputs = call_task(task, literals, transfer, code_root)
        return self._commit(outputs)

    def _commit(self, outputs: LiteralMap) -> Outcome:
        for name, literal in outputs.literals.items():
            if not literal.HasField("provenance"):
                literal.provenance.CopyFrom(self._provenance(name))
        self._close_to_signals()
        return self.slot.write(outputs)

    def _close_to_signals(self) -> None:
        """From here it takes a moment, and a commit that is told as a preemption would be run again. Raises Preempted."""
        _hear_no_more()
        if self._shared.asked_to_end:
            # Its time was over, and somebody counts it as ended: what ignored the signal gives no result either.
            raise Preempted

    def _context(self, scratch: Path) -> Context:
        pod = self._pod
        work = scratch / "work"
        work.mkdir()
        checkpoint = Checkpoint(LaunchCheckpoints(self._store, pod, self._prefix), scratch)
        return Context(pod.run_name, pod.node_path, pod.index, pod.launch + 1, pod.task, work, checkpoint)

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


def _preempt(_signal: int, _frame: FrameType | None) -> None:
    # Once is enough: the author's clean-up may take its time until the kubelet kills the pod.
    _hear_no_more()
    raise Preempted


def _hear_no_more() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _print(failure: Failure) -> None:
    print(last_words(failure), file=sys.stderr, end="")


def _scratch_directory() -> Path:
    # What tempfile does where TMPDIR or /tmp can be written, without the tenth of a start that loading it takes.
    path = Path(os.environ.get("TMPDIR") or "/tmp") / f"limosa-{os.urandom(8).hex()}"
    path.mkdir(mode=0o700)
    return path
