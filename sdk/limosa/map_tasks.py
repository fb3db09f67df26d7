"""map_task: one task over every element of a list."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

from limosa.errors import LimosaError
from limosa.origin import caller
from limosa.tasks import OverriddenTask, Task

if TYPE_CHECKING:
    from limosa_idl.core.v1alpha1.types_pb2 import LiteralType
    from limosa_idl.workflow.v1alpha1.workflow_pb2 import MapNode

P = ParamSpec("P")
R = TypeVar("R")


@dataclasses.dataclass(frozen=True)
class MapPolicy:
    """How a map treats its items."""

    concurrency: int = 0
    """Most items running at once; 0: as the platform allows."""
    min_successes: int = 0
    """Items that must succeed; 0: see the ratio."""
    min_success_ratio: float = 0.0
    """Share of the items that must succeed; 0: all."""

    @property
    def tolerant(self) -> bool:
        """Whether items may fail: those give None."""
        return bool(self.min_successes or self.min_success_ratio)

    def write(self, node: "MapNode") -> None:
        """Sets the fields of a map node."""
        node.concurrency = self.concurrency
        node.min_successes = self.min_successes
        node.min_success_ratio = self.min_success_ratio


class MapTask(Generic[R]):
    """A task applied to lists. Inputs given as lists of the task's input type are mapped; the others are the same each time."""

    def __init__(self, task: Task[..., Any], policy: MapPolicy, bound: Mapping[str, Any]) -> None:
        """Takes the task, how its items are treated, and inputs that are the same for each whatever their type."""
        self.task = task
        self.policy = policy
        self.bound = dict(bound)

    def __call__(self, **kwargs: Any) -> list[R]:
        """Adds a map node to the workflow being traced, or runs every item here."""
        from limosa.tracing import call_arguments, current

        task = self.task
        arguments = call_arguments(task.name, task.signature, (), {**self.bound, **kwargs})
        mapped = [
            name
            for name, value in arguments.items()
            if name not in self.bound and self._is_mapped(name, value)
        ]
        if not mapped:
            first = next(iter(task.python_inputs), "x")
            message = f"map_task({task.__name__}) got no list to map over"
            raise LimosaError("MapWithoutList", message, str(caller()), f"pass a list: {first}=[…]")
        trace = current()
        result: list[R]
        if trace is None:
            result = self._run_here(arguments, mapped)
        else:
            result = self._add_node(trace, arguments, mapped)
        return result

    def _is_mapped(self, name: str, value: Any) -> bool:
        from limosa.promises import Promise
        from limosa_model.types import assignable

        expected = next(v.type for v in self.task.interface.inputs if v.name == name)
        if isinstance(value, Promise):
            if value.type_ is None or value.type_.WhichOneof("kind") != "collection":
                return False
            return assignable(value.type_, expected) is not None
        return isinstance(value, list) and not self._takes_list(expected, value)

    def _takes_list(self, expected: "LiteralType", value: list[Any]) -> bool:
        """Whether the task itself wants this list: its input is a list, and the elements are not lists themselves."""
        return expected.WhichOneof("kind") == "collection" and not all(
            isinstance(item, list) for item in value
        )

    def _add_node(self, trace: Any, arguments: dict[str, Any], mapped: list[str]) -> Any:
        from limosa.overrides import apply_overrides
        from limosa.promises import Promise
        from limosa.tracing import bind_arguments
        from limosa_model.interfaces import map_interface

        task = self.task
        base = task._task if isinstance(task, OverriddenTask) else task
        interface = map_interface(task.interface, set(mapped), self.policy.tolerant)
        types = {
            name: _list_of(kind) if name in mapped else kind for name, kind in task.python_inputs.items()
        }
        bindings = bind_arguments(f"map_task.{task.__name__}", interface, types, arguments)
        trace.add_target(base)
        node = trace.new_node(task.__name__, caller())
        node.map.task = task.name
        node.map.mapped_inputs.extend(mapped)
        self.policy.write(node.map)
        node.inputs.extend(bindings)
        if isinstance(task, OverriddenTask):
            apply_overrides(node, task.overrides)
        promises = [
            Promise(node, v.name, (), v.type, v.name == "o0", "map_task({})") for v in interface.outputs
        ]
        element = {name: kind | None for name, kind in task.python_outputs.items()}
        outputs = element if self.policy.tolerant else task.python_outputs
        return trace.give(
            promises, node, task.signature, {name: _list_of(kind) for name, kind in outputs.items()}
        )

    def _run_here(self, arguments: dict[str, Any], mapped: list[str]) -> Any:
        lengths = {name: len(arguments[name]) for name in mapped}
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            message = f"map_task({self.task.__name__}) got lists of different lengths: {shown}"
            raise LimosaError("MapLengths", message, str(caller()), "pass lists of one length")
        call: Any = self.task
        items = Tolerance(self.policy, next(iter(lengths.values())))
        for position in range(items.count):
            item = {name: value[position] if name in mapped else value for name, value in arguments.items()}
            with items:
                items.results.append(call(**item))
        signature = self.task.signature
        if not signature.outputs_are_tuple:
            return items.results
        rows = [(None,) * len(signature.outputs) if row is None else row for row in items.results]
        columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in signature.outputs]
        return signature.output_class(*columns) if signature.output_class else columns


class Tolerance:
    """The results of a map's items run here: within the policy a failed one gives None, beyond it its exception passes on.

    Enter it around each item, which appends to `results`.
    """

    def __init__(self, policy: MapPolicy, count: int) -> None:
        """Takes the policy and how many items there are."""
        from limosa_idl.workflow.v1alpha1.workflow_pb2 import MapNode
        from limosa_model.graph import needed_successes

        node = MapNode()
        policy.write(node)
        self.count = count
        self.results: list[Any] = []
        self._spare = count - needed_successes(node, count)

    def __enter__(self) -> None:
        """Begins an item."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        """Ends an item; True: its failure is borne."""
        if not isinstance(error, Exception) or self._spare == 0:
            return False
        self._spare -= 1
        self.results.append(None)
        return True


def _list_of(element: Any) -> Any:
    return list.__class_getitem__(element)


@overload
def map_task(task: "Task[P, R] | Callable[P, R]", concurrency: int = 0) -> MapTask[R]: ...


@overload
def map_task(
    task: "Task[P, R] | Callable[P, R]", concurrency: int = 0, *, min_successes: int
) -> MapTask[R | None]: ...


@overload
def map_task(
    task: "Task[P, R] | Callable[P, R]", concurrency: int = 0, *, min_success_ratio: float
) -> MapTask[R | None]: ...


def map_task(
    task: Any,
    concurrency: int = 0,
    *,
    min_successes: int | None = None,
    min_success_ratio: float | None = None,
    **inputs: Any,
) -> MapTask[Any]:
    """One task over every element of a list: `map_task(f)(x=[1, 2, 3])` is a list of f's results.

    Args:
        task: What runs for each element; a `functools.partial` of a task gives inputs that are not mapped.
        concurrency: How many items may run at once; 0: as the platform allows.
        min_successes: The map succeeds when this many items do, at least one; the results of the others are None.
        min_success_ratio: The same as a share of the items, above 0 and at most 1.
        **inputs: None: they are given to what this returns.

    Raises:
        LimosaError: What is mapped is no task, or a number makes no sense.
    """
    bound: Mapping[str, Any] = {}
    if isinstance(task, functools.partial):
        if task.args:
            message = f"map_task got a partial with positional inputs: {task.args!r}"
            raise LimosaError("MapPartial", message, str(caller()), "bind them by name: partial(f, y=1)")
        task, bound = task.func, task.keywords
    if not isinstance(task, Task):
        message = f"map_task takes a task, not {type(task).__name__}"
        raise LimosaError("MapTarget", message, str(caller()), "decorate the function with @task")
    if task.makes_graph:
        message = f"map_task cannot run the dynamic task {task.__name__} for each item"
        raise LimosaError("MapTarget", message, str(caller()), "call it in a loop of another dynamic task")
    if task.makes_calls:
        message = f"map_task cannot run the eager task {task.__name__} for each item"
        remedy = "call it in a loop of another eager task: await asyncio.gather(…)"
        raise LimosaError("MapTarget", message, str(caller()), remedy)
    if inputs or isinstance(concurrency, list):
        first = next(iter(inputs or task.python_inputs), "x")
        message = f"map_task({task.__name__}) got its inputs too early"
        remedy = f"give them to what it returns: map_task({task.__name__})({first}=[…])"
        raise LimosaError("MapInputs", message, str(caller()), remedy)
    if not _is_count(concurrency):
        raise LimosaError(
            "MapConcurrency", f"concurrency={concurrency!r}", str(caller()), "give a number of items"
        )
    _check_successes(min_successes, min_success_ratio)
    return MapTask(task, MapPolicy(concurrency, min_successes or 0, float(min_success_ratio or 0)), bound)


def _check_successes(count: Any, ratio: Any) -> None:
    problem = remedy = ""
    if count is not None and not (_is_count(count) and count):
        problem, remedy = f"min_successes={count!r}", "give a number of items, 1 or more"
    elif ratio is not None and not _is_share(ratio):
        problem, remedy = f"min_success_ratio={ratio!r}", "give a share above 0 and at most 1, such as 0.9"
    elif count is not None and ratio is not None:
        problem, remedy = "map_task got both min_successes and min_success_ratio", "give one of them"
    if problem:
        raise LimosaError("MapSuccesses", problem, str(caller()), remedy)


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
