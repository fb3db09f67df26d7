"""Calls inside an eager task: each a graph of one node, and an awaitable for what that gives."""

import asyncio
from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Protocol

from limosa.call_failed import CallFailed
from limosa.errors import LimosaError
from limosa.origin import Origin, caller
from limosa.promises import OPERATORS
from limosa.tracing import Trace

if TYPE_CHECKING:
    from limosa.dynamic_tasks import Generated
    from limosa.promises import Promise
    from limosa.signature import Signature
    from limosa.types.transfer import TransferContext
    from limosa_idl.core.v1alpha1.failure_pb2 import Failure
    from limosa_idl.core.v1alpha1.literal_pb2 import Literal
    from limosa_idl.workflow.v1alpha1.workflow_pb2 import Node

_LONGEST_ID = 40


class Prepared(NamedTuple):
    """A call that is to be made.

    Attributes:
        id: "e" and the number of the call in the order of the function's own steps.
        called: Name of the task, workflow or launch plan.
        place: The author's line.
        made: The graph: one node, its inputs standing in it.
    """

    id: str
    called: str
    place: str
    made: "Generated"


class Caller(Protocol):
    """Who has calls carried out."""

    def launch(self, prepared: Prepared, call: "Call") -> None:
        """Begins a call. On the loop's thread; `Call.succeed` or `Call.fail` follows there, at once or later."""
        ...


class CallNotAwaited(LimosaError, TypeError, AttributeError):
    """A call was used as if it were the value, which only `await` gives."""


class Call(asyncio.Future[Any]):
    """What a call inside an eager task gives: `await` it for the values. It runs whether or not it is awaited."""

    _limosa_call = True

    def __init__(
        self, loop: asyncio.AbstractEventLoop, prepared: Prepared, read: Callable[[Any], Any]
    ) -> None:
        """Takes the loop, what is called, and how values are made of literals."""
        super().__init__(loop=loop)
        self.prepared = prepared
        self.seen = False
        """Somebody asked how it ended."""
        self._read = read

    def succeed(self, outputs: "Mapping[str, Literal]") -> None:
        """It has ended well."""
        if self.done():
            return
        try:
            self.set_result(self._read(outputs))
        except Exception as error:  # noqa: BLE001 - a converter of the author's: told where the value is asked for
            self.set_exception(error)

    def fail(self, failure: "Failure", cause: BaseException | None = None) -> None:
        """It has failed for good."""
        if not self.done():
            error = CallFailed(self.prepared.called, self.prepared.place, failure)
            error.__cause__ = cause
            self.set_exception(error)

    def __await__(self) -> Generator[Any, None, Any]:
        """Its values, or `CallFailed`."""
        self.seen = True
        return super().__await__()

    def result(self) -> Any:
        """Its values once it has ended; raises `CallFailed` where it failed."""
        self.seen = True
        return super().result()

    def exception(self) -> BaseException | None:
        """Why it failed; None where it did not."""
        self.seen = True
        return super().exception()

    def __bool__(self) -> bool:
        """Refused: it always looks true, whatever the value will be."""
        raise self._misuse("it was used as a condition")

    def __getattr__(self, name: str) -> Any:
        """Refused: the value has attributes, the call of it has not."""
        if name.startswith("_"):
            raise AttributeError(name)
        raise self._misuse(f"it was asked for .{name}")

    def __iter__(self) -> Any:
        """Refused: nothing can be looped over before it is awaited."""
        raise self._misuse("it was unpacked or looped over")

    def __str__(self) -> str:
        raise self._misuse("it was made text")

    def __format__(self, spec: str) -> str:
        raise self._misuse("it was made text")

    def _misuse(self, what: str) -> LimosaError:
        called = self.prepared.called
        message = f"the call of {called} was not awaited: {what}"
        return CallNotAwaited(
            "CallNotAwaited", message, str(caller()), f"write await before it: await {called}(…)"
        )


def _refuse(what: str) -> Any:
    def refuse(self: Call, *_others: Any) -> NoReturn:
        raise self._misuse(what)

    return refuse


for _name, _symbol in OPERATORS.items():
    setattr(Call, f"__{_name}__", _refuse(f"it was used with {_symbol}"))
for _name, _symbol in {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}.items():
    setattr(Call, f"__{_name}__", _refuse(f"it was compared with {_symbol}"))
for _name, _what in {
    "getitem": "it was indexed",
    "len": "it was asked for its length",
    "contains": "it was searched",
}.items():
    setattr(Call, f"__{_name}__", _refuse(_what))


class Steps:
    """The steps of one coroutine, numbered in the order in which it takes them: calls, and coroutines that it starts.

    So a call has the same id on every attempt, however long others take.
    """

    def __init__(self, prefix: str = "") -> None:
        """Takes what all ids begin with."""
        self._prefix = prefix
        self._count = 0

    def next(self) -> str:
        """The next step's number, such as "3" or "2-0"."""
        number = f"{self._prefix}{self._count}"
        self._count += 1
        return number


class CallTrace(Trace):
    """What tasks find when they are called inside an eager task: each call becomes a graph of its own.

    Attributes:
        calls: All so far, in the order in which they were made.
        started: Coroutines that the author's code runs beside its own.
    """

    is_eager = True

    def __init__(
        self,
        name: str,
        source_root: str,
        carry_out: Caller,
        transfer: "TransferContext",
        stored: "Callable[[Literal], Literal] | None" = None,
    ) -> None:
        """Names the eager task, and who carries its calls out; the rest is as of every trace."""
        super().__init__(name, source_root, transfer, stored)
        self._transfer = transfer
        self.calls: list[Call] = []
        self.started: list[asyncio.Task[Any]] = []
        self._caller = carry_out
        self._steps: dict[asyncio.Task[Any], Steps] = {}

    def follow(self, loop: asyncio.AbstractEventLoop) -> None:
        """Numbers the steps of the coroutine that runs now, and of those that it will start."""
        main = asyncio.current_task()
        if main is not None:
            self._steps[main] = Steps()
        loop.set_task_factory(self._start)

    def _start(self, loop: asyncio.AbstractEventLoop, coroutine: Any, **more: Any) -> "asyncio.Task[Any]":
        task = asyncio.Task(coroutine, loop=loop, **more)
        around = asyncio.current_task(loop)
        # What the loop itself starts when it ends is nobody's step.
        if around is not None and around in self._steps:
            self._steps[task] = Steps(f"{self._steps[around].next()}-")
            self.started.append(task)
        return task

    def _own_steps(self) -> Steps:
        try:
            task = asyncio.current_task()
        except RuntimeError:
            task = None
        if task is None or task not in self._steps:
            message = f"a task was called outside of the coroutines of {self.workflow_name}"
            remedy = (
                "call tasks in the async function itself, or in coroutines that it awaits; not in threads"
            )
            raise LimosaError("CallOutside", message, f"eager task {self.workflow_name}", remedy)
        return self._steps[task]

    def new_node(self, display_name: str, origin: Origin) -> "Node":
        """Begins the graph of the next call."""
        from limosa.tracing import relative_file
        from limosa_idl.workflow.v1alpha1.workflow_pb2 import Node

        node = Node(id=f"e{self._own_steps().next()}", display_name=display_name)
        if len(node.id) > _LONGEST_ID:
            message = f"coroutines that start coroutines are nested too deep: the call would be '{node.id}'"
            raise LimosaError("CallTooDeep", message, str(origin), "start them from one place")
        node.source.file, node.source.line = relative_file(origin, self.source_root), origin.line
        return node

    def give(
        self, promises: "list[Promise]", node: "Node", signature: "Signature", types: Mapping[str, Any]
    ) -> Call:
        """Makes the call of a node that is complete."""
        from limosa.dynamic_tasks import Generated
        from limosa.types import to_python
        from limosa_idl.core.v1alpha1.interface_pb2 import Interface, Variable
        from limosa_idl.workflow.v1alpha1.workflow_pb2 import FAILURE_POLICY_FAIL_IMMEDIATELY as IMMEDIATELY
        from limosa_idl.workflow.v1alpha1.workflow_pb2 import Binding, WorkflowSpec

        targets, self.targets = self.targets, {}
        spec = WorkflowSpec(name=self.workflow_name, nodes=[node], failure_policy=IMMEDIATELY)
        outputs = [Variable(name=promise._output, type=promise.type_) for promise in promises]
        spec.interface.CopyFrom(Interface(outputs=outputs))
        spec.outputs.extend(Binding(name=one._output, data=one.to_binding()) for one in promises)
        spec.source.CopyFrom(node.source)

        def read(literals: Mapping[str, "Literal"]) -> Any:
            values = {name: to_python(literals[name], types[name], self._transfer) for name in types}
            return signature.join(values)

        place = f"{node.source.file}:{node.source.line}"
        prepared = Prepared(node.id, node.display_name, place, Generated(spec, targets))
        call = Call(asyncio.get_running_loop(), prepared, read)
        self.calls.append(call)
        self._caller.launch(prepared, call)
        return call

    async def rest(self) -> None:
        """Waits for everything that was begun; a call that failed and that nobody asked about fails the task."""
        while waiting := [one for one in (*self.calls, *self.started) if not one.done()]:
            await asyncio.wait(waiting)
        for call in self.calls:
            if not call.seen:
                call.result()
