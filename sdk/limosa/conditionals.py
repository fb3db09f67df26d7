"""conditional: a branch that is decided in the run."""

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from limosa.conditions import Condition, as_condition
from limosa.errors import LimosaError
from limosa.origin import caller
from limosa.promises import Nothing, Promise, named_outputs, node_of

if TYPE_CHECKING:
    from limosa.tracing import Trace
    from limosa_idl.core.v1alpha1.types_pb2 import LiteralType
    from limosa_idl.workflow.v1alpha1.workflow_pb2 import Node

R = TypeVar("R")
_WRITTEN = "conditional '{}'"
"""How messages name one."""


def conditional(name: str) -> "Conditional":
    """A branch: `conditional("name").if_(a > 1).then(f(x=a)).else_().then(g(x=a))`.

    Only the case that is taken runs; the others are skipped. Every case returns the same outputs. `.elif_(…)` adds cases;
    `.else_().fail("message")` fails the run instead.

    Args:
        name: Shown in the graph.
    """
    from limosa.tracing import current

    trace = current()
    if trace is None:
        raise LimosaError(
            "OutsideWorkflow",
            "conditional belongs inside a @workflow",
            str(caller()),
            "elsewhere use Python's own if",
        )
    if trace.is_eager:
        message = f"conditional '{name}' stands in an eager task, where values are at hand"
        raise LimosaError("BranchInEager", message, str(caller()), "use Python's own if")
    return Conditional(name, trace)


class Conditional:
    """A branch without cases yet."""

    def __init__(self, name: str, trace: "Trace") -> None:
        """Takes the name and the workflow being traced."""
        self._name = name
        self._trace = trace

    def if_(self, condition: "bool | Condition") -> "Case":
        """The first case: what must hold for it."""
        return Case(_Branch(self._name, self._trace), as_condition(condition))


class Case:
    """A case whose condition is known and whose call is not."""

    def __init__(self, branch: "_Branch", condition: Condition) -> None:
        """Takes the branch so far and the condition."""
        self._branch = branch
        self._condition = condition
        branch.open_case()

    def then(self, value: R) -> "Cases[R]":
        """What runs: one call of a task or workflow."""
        self._branch.close_case(self._condition, value)
        return Cases(self._branch)


class Cases(Generic[R]):
    """A branch with at least one case."""

    def __init__(self, branch: "_Branch") -> None:
        """Takes the branch so far."""
        self._branch = branch

    def elif_(self, condition: "bool | Condition") -> "NextCase[R]":
        """Another case, tried when those before do not hold."""
        return NextCase(self._branch, as_condition(condition))

    def else_(self) -> "Otherwise[R]":
        """What happens when no case holds."""
        return Otherwise(self._branch)


class NextCase(Case, Generic[R]):
    """A further case; it returns what the first returns."""

    def then(self, value: R) -> Cases[R]:  # type: ignore[override]
        """What runs: one call of a task or workflow."""
        self._branch.close_case(self._condition, value)
        return Cases(self._branch)


class Otherwise(Generic[R]):
    """The end of a branch."""

    def __init__(self, branch: "_Branch") -> None:
        """Takes the branch so far."""
        self._branch = branch
        branch.open_case()

    def then(self, value: R) -> R:
        """What runs when no case holds."""
        self._branch.close_case(None, value)
        result: Any = self._branch.finish()
        return result  # type: ignore[no-any-return]

    def fail(self, message: str) -> R:
        """Fails the run with a message when no case holds."""
        if not isinstance(message, str) or not message:
            text = f"conditional '{self._branch.name}': fail({message!r})"
            raise LimosaError("CaseValue", text, str(caller()), "say in words why the run fails")
        result: Any = self._branch.finish(fail=message)
        return result  # type: ignore[no-any-return]


class _Branch:
    """Collects the cases of one branch while a workflow is traced."""

    def __init__(self, name: str, trace: "Trace") -> None:
        self.name = name
        self._trace = trace
        self._cases: list[tuple[Condition | None, Node]] = []
        self._first: Any = None
        self._before: set[str] = set()
        trace.open_branch(self, name)

    def open_case(self) -> None:
        self._before = {node.id for node in self._trace.nodes}

    def close_case(self, condition: Condition | None, value: Any) -> None:
        node = node_of(value)
        made = [other.id for other in self._trace.nodes if other.id not in self._before]
        if node is None or node.id not in made or (isinstance(value, Promise) and value._path):
            raise LimosaError(
                "CaseValue",
                f"a case of conditional '{self.name}' is no call of a task or workflow",
                str(caller()),
                "write .then(some_task(x=…))",
            )
        if len(made) > 1:
            raise LimosaError(
                "CaseCalls",
                f"a case of conditional '{self.name}' makes {len(made)} calls; only one would wait for the condition",
                str(caller()),
                "put them into a @workflow and call that",
            )
        if not self._cases:
            self._first = value
        self._check_outputs(value)
        self._cases.append((condition, self._trace.take_back(node.id)))

    def _check_outputs(self, value: Any) -> None:
        """Refuses a case whose outputs differ from the first one's: a reader could not rely on them."""
        from limosa_model.types import assignable, describe

        first, other = _types(self._first), _types(value)
        if first.keys() == other.keys() and not any(assignable(other[name], first[name]) for name in first):
            return
        shown = [
            ", ".join(describe(kind) for kind in kinds.values()) or "nothing" for kinds in (first, other)
        ]
        message = (
            f"the cases of conditional '{self.name}' differ: the first gives {shown[0]}, this one {shown[1]}"
        )
        raise LimosaError("BranchOutputs", message, str(caller()), "let every case give the same")

    def finish(self, fail: str | None = None) -> Any:
        from limosa_idl.workflow.v1alpha1.workflow_pb2 import Binding, BranchNode

        self._trace.close_branch(self)
        node = self._trace.new_node(self.name, caller())
        promises: dict[str, Promise] = {}
        for condition, child in self._cases:
            if condition is None:
                node.branch.else_then.CopyFrom(child)
                continue
            promises.update(condition.promises)
            node.branch.cases.append(BranchNode.Case(condition=condition.message, then=child))
        if fail is not None:
            node.branch.else_fail = fail
        for label, promise in promises.items():
            node.inputs.append(Binding(name=label, data=promise.to_binding()))
        return _moved(self._first, node)


def _types(value: Any) -> "dict[str, LiteralType]":
    promises = [value] if isinstance(value, Promise) else [] if isinstance(value, Nothing) else list(value)
    return {promise._output: promise.type_ for promise in promises if promise.type_ is not None}


def _moved(value: Any, node: "Node") -> Any:
    """The first case's outputs as outputs of the branch node."""
    if isinstance(value, Promise):
        return value.moved_to(node, _WRITTEN)
    if isinstance(value, Nothing):
        return Nothing(node)
    promises = [item.moved_to(node, _WRITTEN) for item in value]
    return named_outputs(type(value).__mro__[1], promises, node)
