"""Calls of an eager node under way: recorded in the store, made known through admin, ended by what the operator wrote."""

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import grpc

from limosa.compiler import CompileSettings, compile_call
from limosa.runtime.outcome import LaunchFailed
from limosa.runtime.recorded_calls import CallRecords, left_out
from limosa_idl.admin.v1alpha1.admin_pb2 import SyncCallsRequest
from limosa_idl.admin.v1alpha1.admin_pb2_grpc import EagerServiceStub
from limosa_model import failures
from limosa_model.failures import Code
from limosa_store import StoreError

if TYPE_CHECKING:
    from limosa.eager_calls import Call, Prepared
    from limosa_idl.run.v1alpha1.run_pb2 import CallOutcome
    from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure
    from limosa_model.pod_contract import PodEnvironment

LOOK_SECONDS = (0.05, 3.0)
"""Shortest and longest time between two questions to admin; a tenth of the youngest call's age in between."""
ALL_SECONDS = 2.0
"""From a call to the first look into the store that admin gave no word for; each further one comes after twice the time."""
WRITTEN_SECONDS = 10.0
"""An outcome that admin announces is looked for at most so long at a time."""
CALL_SECONDS = 20.0
BACKOFF_SECONDS = (0.2, 0.5, 1.0, 2.0)
MOST_CALLS = 500
_FOR_A_WHILE = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.CANCELLED,
)


class _Open:
    """A call that has not ended."""

    def __init__(self, call: "Call") -> None:
        self.call = call
        self.since = time.monotonic()
        self.look_at = self.since + ALL_SECONDS
        """When the store is asked without word from admin."""


class MadeCalls:
    """Carries calls out for one attempt. The store and admin are asked on a thread of its own.

    What cannot be gone on with (an earlier attempt made other calls, the attempt is not the one that counts, the store is
    broken) ends the author's coroutine; `check` then says what it was.
    """

    def __init__(
        self, task: Any, records: CallRecords, settings: CompileSettings, pod: "PodEnvironment"
    ) -> None:
        """Takes the eager task, where calls are recorded, how they are compiled, and what the launch was told."""
        self._task, self._records, self._settings = task, records, settings
        self._token = pod.attempt_token
        self._new: queue.SimpleQueue[tuple[Call, Closure] | None] = queue.SimpleQueue()
        self._open: dict[str, _Open] = {}
        self._made: set[str] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._problem: BaseException | None = None
        self._closed = threading.Event()
        options = [
            ("grpc.enable_http_proxy", 0),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1000),
        ]
        if pod.admin_ca:
            credentials = grpc.ssl_channel_credentials(pod.admin_ca.encode())
            self._channel = grpc.secure_channel(pod.admin_endpoint, credentials, options)
        else:
            self._channel = grpc.insecure_channel(pod.admin_endpoint, options)
        self._thread = threading.Thread(target=self._work, name="calls", daemon=True)

    def __enter__(self) -> "MadeCalls":
        """Begins."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Asks no more."""
        self._closed.set()
        self._new.put(None)
        self._channel.close()
        self._thread.join(WRITTEN_SECONDS)

    def launch(self, prepared: "Prepared", call: "Call") -> None:
        """Begins a call."""
        self.check()
        self._loop = asyncio.get_running_loop()
        self._made.add(prepared.id)
        self._new.put((call, compile_call(prepared.made, self._task, prepared.id, self._settings)))

    def check(self) -> None:
        """Raises what the author's coroutine was ended for, if it was."""
        if self._problem is not None:
            raise self._problem

    def check_complete(self) -> None:
        """Raises LaunchFailed where an earlier attempt made calls that this one did not."""
        left = sorted(self._records.earlier - self._made)
        if left:
            raise left_out(self._records.read(left[0]))

    def _work(self) -> None:
        try:
            while not self._closed.is_set():
                self._take(self._pause())
                if self._open and not self._closed.is_set():
                    self._ask()
        except BaseException as error:  # noqa: BLE001 - told by `check`, on the thread that can act on it
            if not self._closed.is_set():
                self._stop(error)

    def _pause(self) -> float | None:
        """Seconds until the next question; None while there is nothing to ask about."""
        if not self._open:
            return None
        youngest = time.monotonic() - max(one.since for one in self._open.values())
        return min(max(youngest / 10, LOOK_SECONDS[0]), LOOK_SECONDS[1])

    def _take(self, seconds: float | None) -> None:
        """Records the calls that were made meanwhile."""
        with contextlib.suppress(queue.Empty):
            found = self._new.get(timeout=seconds)
            while found is not None:
                self._begin(*found)
                found = self._new.get_nowait()

    def _begin(self, call: "Call", closure: "Closure") -> None:
        prepared = call.prepared
        self._patiently(lambda: self._records.put(prepared, closure))
        if not (self._records.had_ended(prepared.id) and self._end(prepared.id, call)):
            self._open[prepared.id] = _Open(call)

    def _ask(self) -> None:
        names = list(self._open)
        for first in range(0, len(names), MOST_CALLS):
            for name in self._sync(names[first : first + MOST_CALLS]):
                self._await_outcome(name)
        now = time.monotonic()
        for name, one in list(self._open.items()):
            if one.look_at <= now:
                one.look_at = now + 2 * (now - one.since)
                self._look(name)

    def _await_outcome(self, name: str) -> None:
        """Reads the outcome that admin announces; the operator writes it about now."""
        ends, pause = time.monotonic() + WRITTEN_SECONDS, 0.01
        while not self._look(name) and time.monotonic() < ends and not self._closed.wait(pause):
            pause = min(2 * pause, 0.5)

    def _look(self, name: str) -> bool:
        one = self._open.get(name)
        if one is None or not self._end(name, one.call):
            return False
        del self._open[name]
        return True

    def _end(self, name: str, call: "Call") -> bool:
        """Ends a call as the store says; whether it says anything."""
        outcome: CallOutcome | None = self._patiently(lambda: self._records.outcome(name))
        if outcome is None:
            return False
        if outcome.WhichOneof("outcome") == "failure":
            self._tell(lambda: call.fail(outcome.failure))
        else:
            self._tell(lambda: call.succeed(outcome.outputs.literals))
        return True

    def _sync(self, names: list[str]) -> list[str]:
        """Which of the calls have ended. Waits while admin gives no answer. Raises LaunchFailed when it refuses."""
        stub, failed = EagerServiceStub(self._channel), 0
        metadata = (("authorization", f"Bearer {self._token}"),)
        while not self._closed.is_set():
            try:
                answer = stub.SyncCalls(SyncCallsRequest(open=names), timeout=CALL_SECONDS, metadata=metadata)
                return list(answer.ended)
            except grpc.RpcError as error:
                if error.code() not in _FOR_A_WHILE:
                    message = f"admin refuses the calls of this attempt: {error.details()}"
                    raise LaunchFailed(failures.system(Code.CALL_REFUSED, message)) from error
                self._closed.wait(BACKOFF_SECONDS[min(failed, len(BACKOFF_SECONDS) - 1)])
                failed += 1
        return []

    def _patiently(self, work: Callable[[], Any]) -> Any:
        """Does something in the store, again where that may help. Raises StoreError where it does not."""
        for pause in (*BACKOFF_SECONDS, None):
            try:
                return work()
            except StoreError as error:
                if not error.retryable or pause is None or self._closed.wait(pause):
                    raise
        raise AssertionError("the last round returns or raises")

    def _tell(self, what: Callable[[], None]) -> None:
        """Does something on the loop's thread; where the loop has ended, nobody waits for it."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(what)

    def _stop(self, problem: BaseException) -> None:
        """Ends the author's coroutines, wherever they wait."""
        self._problem = problem
        self._tell(self._cancel_all)

    def _cancel_all(self) -> None:
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
