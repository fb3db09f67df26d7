"""Promises: what a task's call returns while a workflow is traced."""

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NoReturn

from limosa.errors import LimosaError
from limosa.origin import caller

if TYPE_CHECKING:
    from limosa.conditions import Condition
    from limosa_idl.core.v1alpha1.types_pb2 import LiteralType
    from limosa_idl.workflow.v1alpha1.workflow_pb2 import BindingData, Node

_SEVERAL = ("collection", "map_value", "union_type")
"""Kinds of types whose values a person may take for something to loop over."""
OPERATORS = {
    "add": "+",
    "radd": "+",
    "sub": "-",
    "rsub": "-",
    "mul": "*",
    "rmul": "*",
    "truediv": "/",
    "rtruediv": "/",
    "floordiv": "//",
    "mod": "%",
    "pow": "**",
    "neg": "-",
    "abs": "abs()",
    "matmul": "@",
}
"""Operators that only values have, by their methods' names."""


class PromiseMisuse(LimosaError, TypeError):
    """A promise was used as if it were the value, which only exists when the workflow runs."""


def chain(*calls: object) -> None:
    """Orders calls of a workflow that hand no values to each other: each starts after the one before it succeeded.

    `chain(a(), b(), c())` says what `a() >> b() >> c()` does, in a way that type checkers understand for tasks without
    outputs too.
    """
    for before, after in pairwise(calls):
        order(before, after)


def order(before: object, after: object) -> None:
    """Lets one call's node wait for another's. Raises PromiseMisuse when either is no call."""
    first, second = node_of(before), node_of(after)
    if first is None or second is None:
        wrong = before if first is None else after
        message = f"{wrong!r} is no call of this workflow and has no place in its order"
        raise PromiseMisuse("Ordering", message, str(caller()), "write chain(a(), b()), or a() >> b()")
    if first.id not in second.upstream:
        second.upstream.append(first.id)


class NodeHandle:
    """What every result of a call inside a workflow can do."""

    _node: "Node"

    def __rshift__(self, other: Any) -> Any:
        """`a >> b`: b starts after a succeeded."""
        order(self, other)
        return other

    def with_overrides(self, **options: Any) -> Any:
        """Changes options of this call only; the same names as @task takes, and node_name."""
        from limosa.overrides import apply_overrides

        apply_overrides(self._node, options)
        return self


class Promise(NodeHandle):
    """One value that a node will give, or an input of the workflow."""

    def __init__(
        self,
        node: "Node | None",
        output: str,
        path: tuple[str | int, ...],
        type_: "LiteralType | None",
        unnamed: bool = False,
        written: str = "{}()",
    ) -> None:
        """Takes where the value comes from.

        Args:
            node: None for the workflow's inputs.
            output: Name of the output, or of the input.
            path: The way into it.
            type_: Its type; None where only the run can tell.
            unnamed: The node gives nothing else, and its author gave it no name.
            written: How its author wrote the call, with {} in place of the node's name.
        """
        self._node = node  # type: ignore[assignment]
        self._output = output
        self._path = path
        self.type_ = type_
        self._unnamed = unnamed
        self._written = written

    def to_binding(self) -> "BindingData":
        """The binding that stands for this promise."""
        from limosa_idl.workflow.v1alpha1.workflow_pb2 import Accessor, BindingData, InputRef, OutputRef

        path = [
            Accessor(position=step) if isinstance(step, int) else Accessor(key=step) for step in self._path
        ]
        if self._node is None:
            return BindingData(input=InputRef(name=self._output, path=path))
        return BindingData(output=OutputRef(node=self._node.id, output=self._output, path=path))

    def label(self) -> str:
        """What conditions call it ("n2.score", "rate")."""
        steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self._path)
        if self._node is None:
            return self._output + steps
        return f"{self._node.id}{'' if self._unnamed else '.' + self._output}{steps}"

    def origin(self) -> str:
        """What the value is, as its author knows it ("the result of train()", "the workflow's input 'rate'")."""
        steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self._path)
        part = f"{steps} of " if steps else ""
        if self._node is None:
            return f"{part}the workflow's input '{self._output}'"
        output = "the result" if self._unnamed else f"output '{self._output}'"
        return f"{part}{output} of {self._written.format(self._node.display_name)}"

    def __getattr__(self, name: str) -> "Promise":
        if name.startswith("__"):
            raise AttributeError(name)
        type_ = _present(self.type_)
        if type_ is None or type_.WhichOneof("kind") != "record":
            self._refuse_output_name(name, f".{name}")
            message = f"'.{name}' on the promise of {self._described()}: the value exists only when the workflow runs"
            raise PromiseMisuse("PromiseAttribute", message, str(caller()), "use it inside a task")
        return self._field(name, type_)

    def _field(self, name: str, type_: "LiteralType") -> "Promise":
        record = type_.record
        for field in record.fields:
            if field.name == name:
                return self._part(name, field.type)
        from limosa_model.interfaces import suggest

        known = [field.name for field in record.fields]
        message = f"{record.name.rpartition('.')[2]} has no field '{name}'"
        raise PromiseMisuse("UnknownField", message, str(caller()), suggest(name, known))

    def _refuse_output_name(self, name: str | int, written: str) -> None:
        """Refuses to ask one output for itself. Raises PromiseMisuse."""
        if name == self._output and self._node is not None and not self._path:
            message = f"'{written}' on {self.origin()}: it is that output already"
            raise PromiseMisuse(
                "PromiseAttribute", message, str(caller()), f"leave out {written}: use the call itself"
            )

    def __getitem__(self, key: str | int) -> "Promise":
        type_ = _present(self.type_)
        kind = type_.WhichOneof("kind") if type_ is not None else None
        inner: LiteralType | None = None
        if type_ is not None and kind == "record" and isinstance(key, str):
            return self._field(key, type_)
        if type_ is not None and kind == "collection" and isinstance(key, int):
            inner = type_.collection
        elif type_ is not None and kind == "map_value" and isinstance(key, str):
            inner = type_.map_value
        elif kind not in (None, "simple") or not isinstance(key, (str, int)):
            message = f"[{key!r}] on the promise of {self._described()}"
            raise PromiseMisuse(
                "PromiseIndex", message, str(caller()), "index lists by number and dicts by name"
            )
        elif kind == "simple" and not self._is_struct():
            self._refuse_output_name(key, f"[{key!r}]")
            message = f"[{key!r}] on {self.origin()}: a value of type {self._described()} has no parts"
            raise PromiseMisuse("PromiseIndex", message, str(caller()), f"leave out [{key!r}]")
        return self._part(key, inner)

    def _part(self, step: str | int, type_: "LiteralType | None") -> "Promise":
        path = (*self._path, step)
        return Promise(self._node, self._output, path, type_, self._unnamed, self._written)

    def moved_to(self, node: "Node", written: str) -> "Promise":
        """The same output of another node, which stands around this one's."""
        return Promise(node, self._output, (), self.type_, self._unnamed, written)

    def _is_struct(self) -> bool:
        from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_JSON, SIMPLE_TYPE_STRUCT

        type_ = _present(self.type_)
        return type_ is not None and type_.simple in (SIMPLE_TYPE_STRUCT, SIMPLE_TYPE_JSON)

    def _described(self) -> str:
        from limosa_model.types import describe

        return describe(self.type_) if self.type_ is not None else "a value"

    def is_true(self) -> "Condition":
        """The condition that this boolean is true."""
        from limosa.conditions import Condition

        return Condition.truth(self)

    def is_false(self) -> "Condition":
        """The condition that this boolean is false."""
        return ~self.is_true()

    def is_none(self) -> "Condition":
        """The condition that this value is None."""
        return self._compare("EQ", None)

    def _compare(self, operator: str, other: Any) -> "Condition":
        from limosa.conditions import Condition

        return Condition.comparison(operator, self, other)

    def __eq__(self, other: object) -> "Condition":  # type: ignore[override]
        return self._compare("EQ", other)

    def __ne__(self, other: object) -> "Condition":  # type: ignore[override]
        return self._compare("NE", other)

    def __lt__(self, other: Any) -> "Condition":
        return self._compare("LT", other)

    def __le__(self, other: Any) -> "Condition":
        return self._compare("LE", other)

    def __gt__(self, other: Any) -> "Condition":
        return self._compare("GT", other)

    def __ge__(self, other: Any) -> "Condition":
        return self._compare("GE", other)

    def __invert__(self) -> "Condition":
        return self.is_false()

    def __and__(self, other: Any) -> "Condition":
        joined: Condition = self._joined() & other
        return joined

    def __or__(self, other: Any) -> "Condition":
        joined: Condition = self._joined() | other
        return joined

    def _joined(self) -> "Condition":
        from limosa.conditions import PARENTHESES, Condition

        return Condition.truth(self, PARENTHESES)

    def __rand__(self, other: Any) -> NoReturn:
        self._unparenthesised()

    def __ror__(self, other: Any) -> NoReturn:
        self._unparenthesised()

    def _unparenthesised(self) -> NoReturn:
        from limosa.conditions import unparenthesised

        raise unparenthesised(str(caller()))

    def __hash__(self) -> int:
        return id(self)

    def __bool__(self) -> NoReturn:
        self._misused("its truth", 'branch with conditional("name").if_(…).then(…).else_().then(…)')

    def __iter__(self) -> Iterator[Any]:
        if self.type_ is not None and self.type_.WhichOneof("kind") not in _SEVERAL:
            message = (
                f"{self.origin()} is one value ({self._described()}): it cannot be unpacked or looped over"
            )
            remedy = "assign it to one name; a task gives several values when its return type is a NamedTuple"
            raise PromiseMisuse("PromiseUsed", message, str(caller()), remedy)
        self._misused("its items", "run a task for each of them with map_task, or loop inside a task")

    def __len__(self) -> NoReturn:
        self._misused("its length", "use length() of limosa.nodes, or measure it inside a task")

    def __int__(self) -> NoReturn:
        self._misused("its number", "convert it inside a task")

    def __float__(self) -> NoReturn:
        self._misused("its number", "convert it inside a task")

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuses: a promise cannot be called."""
        self._misused("calling it", "call it inside a task")

    def _misused(self, what: str, remedy: str) -> NoReturn:
        from limosa.tracing import current

        trace = current()
        who = trace.workflow_name if trace is not None else "a workflow"
        message = (
            f"{who} asked for {what}, but {self.origin()} is a promise: its value exists only in the run"
        )
        raise PromiseMisuse("PromiseUsed", message, str(caller()), remedy)

    def __str__(self) -> str:
        self._misused("its text", "format it inside a task")

    def __format__(self, spec: str) -> str:
        self._misused("its text", "format it inside a task")

    def __repr__(self) -> str:
        return f"<promise of {self._described()}: {self.label()}>"


def _present(type_: "LiteralType | None") -> "LiteralType | None":
    """A type that may be None, as it is when it is not: a step into None fails in the run."""
    if type_ is None or type_.WhichOneof("kind") != "union_type":
        return type_
    from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_NONE

    some = [one.type for one in type_.union_type.variants if one.type.simple != SIMPLE_TYPE_NONE]
    return some[0] if len(some) == 1 else type_


def _refuse(symbol: str) -> Any:
    def refuse(self: Promise, *_others: Any) -> NoReturn:
        self._misused(f"the result of {symbol}", "compute inside a task")

    return refuse


for _name, _symbol in OPERATORS.items():
    setattr(Promise, f"__{_name}__", _refuse(_symbol))


def named_outputs(output_class: type[Any], promises: list[Promise], node: "Node") -> Any:
    """The author's NamedTuple, its fields being promises; it can also be ordered and overridden."""
    kind = type(output_class.__name__, (output_class, NodeHandle), {"_node": node})
    return kind(*promises)


class Nothing(NodeHandle):
    """The result of a task that returns nothing; it can be ordered and overridden."""

    def __init__(self, node: "Node") -> None:
        """Takes the node."""
        self._node = node


def node_of(value: Any) -> "Node | None":
    """The node that a call's result belongs to."""
    return value._node if isinstance(value, NodeHandle) else None
