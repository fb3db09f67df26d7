"""map_task: one task over every element of a list."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from limosa.errors import LimosaError
from limosa.origin import caller
from limosa.tasks import OverriddenTask, Task

if TYPE_CHECKING:
    from limosa_idl.core.v1alpha1.types_pb2 import LiteralType

P = ParamSpec("P")
R = TypeVar("R")


class MapTask(Generic[R]):
    """A task applied to lists. Inputs given as lists of the task's input type are mapped; the others are the same each time."""

    def __init__(self, task: Task[..., R], concurrency: int) -> None:
        """Takes the task and how many items may run at once (0: as the platform allows)."""
        self.task = task
        self.concurrency = concurrency

    def __call__(self, **kwargs: Any) -> list[R]:
        """Adds a map node to the workflow being traced, or runs every item here."""
        from limosa.tracing import call_arguments, current

        task = self.task
        arguments = call_arguments(task.name, task.signature, (), kwargs)
        mapped = [name for name, value in arguments.items() if self._is_mapped(name, value)]
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
        from limosa.tracing import bind_arguments, shape
        from limosa_model.interfaces import map_interface

        task = self.task
        base = task._task if isinstance(task, OverriddenTask) else task
        interface = map_interface(task.interface, set(mapped))
        types = {
            name: _list_of(kind) if name in mapped else kind for name, kind in task.python_inputs.items()
        }
        bindings = bind_arguments(f"map_task.{task.__name__}", interface, types, arguments)
        trace.add_target(base)
        node = trace.new_node(task.__name__, caller())
        node.map.task = task.name
        node.map.mapped_inputs.extend(mapped)
        node.map.concurrency = self.concurrency
        node.inputs.extend(bindings)
        if isinstance(task, OverriddenTask):
            apply_overrides(node, task.overrides)
        promises = [Promise(node, v.name, (), v.type, v.name == "o0") for v in interface.outputs]
        return shape(promises, task.signature, node)

    def _run_here(self, arguments: dict[str, Any], mapped: list[str]) -> Any:
        lengths = {name: len(arguments[name]) for name in mapped}
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            message = f"map_task({self.task.__name__}) got lists of different lengths: {shown}"
            raise LimosaError("MapLengths", message, str(caller()), "pass lists of one length")
        results = []
        call: Any = self.task
        for position in range(next(iter(lengths.values()))):
            item = {name: value[position] if name in mapped else value for name, value in arguments.items()}
            results.append(call(**item))
        signature = self.task.signature
        if not signature.outputs_are_tuple:
            return results
        columns = [list(column) for column in zip(*results, strict=True)] or [[] for _ in signature.outputs]
        return signature.output_class(*columns) if signature.output_class else columns


def _list_of(element: Any) -> Any:
    return list.__class_getitem__(element)


def map_task(task: "Task[P, R] | Callable[P, R]", concurrency: int = 0) -> MapTask[R]:
    """One task over every element of a list: `map_task(f)(x=[1, 2, 3])` is a list of f's results.

    Args:
        task: What runs for each element.
        concurrency: How many items may run at once; 0: as the platform allows.

    Raises:
        LimosaError: What is mapped is no task, or the concurrency no number.
    """
    if not isinstance(task, Task):
        message = f"map_task takes a task, not {type(task).__name__}"
        raise LimosaError("MapTarget", message, str(caller()), "decorate the function with @task")
    if isinstance(concurrency, bool) or not isinstance(concurrency, int) or concurrency < 0:
        raise LimosaError(
            "MapConcurrency", f"concurrency={concurrency!r}", str(caller()), "give a number of items"
        )
    return MapTask(task, concurrency)
