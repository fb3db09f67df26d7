"""check: a condition that must hold for the run to go on."""

from limosa.conditions import Condition, as_condition
from limosa.errors import LimosaError
from limosa.origin import caller
from limosa.promises import Nothing
from limosa.tracing import current


def check(condition: "bool | Condition", message: str, *, name: str = "check") -> Nothing:
    """A node that fails with a message unless a condition holds; it runs no pod.

    Order it before what relies on it: `check(rows > 0, "no rows") >> train(...)`, or with `chain`.

    Args:
        condition: Over promises, as in a conditional: `rows > 0`, `(a > 1) & (b == "x")`, `~done`.
        message: What is wrong where it does not hold.
        name: Shown in the graph.

    Raises:
        LimosaError: It stands outside of a workflow, or has no message.
    """
    from limosa_idl.workflow.v1alpha1.workflow_pb2 import Binding

    trace = current()
    if trace is None or trace.is_eager:
        where = "in an eager task" if trace is not None else "outside of a workflow's function"
        remedy = "raise an exception there: the values are at hand"
        raise LimosaError("CheckOutside", f"check() was called {where}", str(caller()), remedy)
    if not isinstance(message, str) or not message.strip():
        told = f"check() got the message {message!r}"
        raise LimosaError("CheckMessage", told, str(caller()), "say in words what is wrong")
    holds = as_condition(condition)
    node = trace.new_node(name, caller())
    node.check.condition.CopyFrom(holds.message)
    node.check.message = message
    for label, promise in holds.promises.items():
        node.inputs.append(Binding(name=label, data=promise.to_binding()))
    return Nothing(node)
