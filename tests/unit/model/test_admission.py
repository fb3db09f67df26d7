import pytest

from limosa_idl.core.v1alpha1.interface_pb2 import Interface, Variable
from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_INTEGER, SIMPLE_TYPE_STRING, LiteralType
from limosa_idl.task.v1alpha1.task_pb2 import PythonTask, TaskSpec
from limosa_idl.workflow.v1alpha1.workflow_pb2 import (
    Binding,
    BindingData,
    BranchNode,
    CheckNode,
    Closure,
    Comparison,
    Condition,
    InputRef,
    MapNode,
    Node,
    Operand,
    OutputRef,
    SubWorkflowNode,
    TaskNode,
    WorkflowSpec,
)
from limosa_model import values
from limosa_model.admission import validate_closure
from limosa_model.graph import dependencies, find_node, wrap_task
from limosa_model.interfaces import complete_inputs

INT = LiteralType(simple=SIMPLE_TYPE_INTEGER)
STR = LiteralType(simple=SIMPLE_TYPE_STRING)


def task(name="flow.inc", **inputs):
    inputs = inputs or {"x": INT}
    interface = Interface(
        inputs=[Variable(name=key, type=type_) for key, type_ in inputs.items()],
        outputs=[Variable(name="o0", type=INT)],
    )
    return TaskSpec(name=name, interface=interface, python=PythonTask(loader=name.replace(".", ":")))


def out(node, output="o0"):
    return BindingData(output=OutputRef(node=node, output=output))


def lit(literal):
    return BindingData(literal=literal)


def arg(name):
    return BindingData(input=InputRef(name=name))


def node(node_id, upstream=(), target="flow.inc", **inputs):
    bindings = [Binding(name=name, data=data) for name, data in inputs.items()]
    return Node(id=node_id, inputs=bindings, upstream=upstream, task=TaskNode(task=target))


def closure(*nodes, tasks=None, outputs=(), more=()):
    interface = Interface(inputs=[Variable(name="a", type=INT)])
    interface.outputs.extend(Variable(name=name, type=INT) for name, _ in outputs)
    workflow = WorkflowSpec(
        name="flow.wf",
        interface=interface,
        nodes=nodes,
        outputs=[Binding(name=n, data=d) for n, d in outputs],
    )
    return Closure(entry="flow.wf", tasks=tasks or [task()], workflows=[workflow, *more])


def condition(**sides):
    return Condition(comparison=Comparison(operator=Comparison.OPERATOR_GT, **sides))


GOOD = closure(node("n0", x=arg("a")), node("n1", x=out("n0")), outputs=[("o0", out("n1"))])


def test_a_good_closure_has_no_problems():
    assert validate_closure(GOOD) == []


def test_a_task_by_itself_becomes_a_good_closure():
    assert validate_closure(wrap_task(task())) == []


def branch(case_node, else_node, operand="x"):
    case = BranchNode.Case(
        condition=condition(left=Operand(input=operand), right=Operand(literal=values.integer(1))),
        then=case_node,
    )
    built = Node(id="n1", branch=BranchNode(cases=[case], else_then=else_node))
    built.inputs.append(Binding(name="x", data=out("n0")))
    return built


CASES = {
    "unknown target": (closure(node("n0", target="flow.none", x=arg("a"))), "UnknownTarget", "flow.none"),
    "unknown input": (closure(node("n0", x=arg("a"), xx=arg("a"))), "UnknownInput", "did you mean 'x'?"),
    "missing input": (closure(node("n0")), "MissingInput", "input 'x'"),
    "wrong type": (closure(node("n0", x=lit(values.string("s")))), "InputType", "expected int, got str"),
    "unknown workflow input": (closure(node("n0", x=arg("b"))), "InputType", "the workflow has no input 'b'"),
    "unknown node": (closure(node("n0", x=out("n7"))), "InputType", "there is no node 'n7'"),
    "unknown output": (
        closure(node("n0", x=arg("a")), node("n1", x=out("n0", "o9"))),
        "InputType",
        "no output 'o9'",
    ),
    "self cycle": (closure(node("n0", x=out("n0"))), "Cycle", "n0 → n0"),
    "cycle": (closure(node("n0", x=out("n1")), node("n1", x=out("n0"))), "Cycle", "wait for each other"),
    "cycle by order": (
        closure(node("n0", ["n1"], x=arg("a")), node("n1", ["n0"], x=arg("a"))),
        "Cycle",
        "n0",
    ),
    "duplicate id": (closure(node("n0", x=arg("a")), node("n0", x=arg("a"))), "Duplicate", "used twice"),
    "bad id": (closure(node("N 0", x=arg("a"))), "NodeId", "is not a node name"),
    "output type": (
        closure(node("n0", x=arg("a")), outputs=[("o0", lit(values.string("s")))]),
        "InputType",
        "output 'o0'",
    ),
    "map without input": (closure(Node(id="n0", map=MapNode(task="flow.inc"))), "MapWithoutInput", "n0"),
    "map with two demands": (
        closure(
            Node(
                id="n0",
                map=MapNode(task="flow.inc", mapped_inputs=["x"], min_successes=1, min_success_ratio=0.5),
            )
        ),
        "MapSuccesses",
        "both min_successes and min_success_ratio",
    ),
    "map with a share above one": (
        closure(Node(id="n0", map=MapNode(task="flow.inc", mapped_inputs=["x"], min_success_ratio=90))),
        "MapSuccesses",
        "min_success_ratio=90",
    ),
    "map over a scalar": (
        closure(
            Node(
                id="n0",
                map=MapNode(task="flow.inc", mapped_inputs=["x"]),
                inputs=[Binding(name="x", data=arg("a"))],
            )
        ),
        "InputType",
        "expected list[int], got int",
    ),
    "check of what nothing binds": (
        closure(
            Node(id="n0", check=CheckNode(condition=condition(left=Operand(input="x"), right=Operand())))
        ),
        "Operand",
        "a condition reads 'x'",
    ),
    "empty branch": (closure(Node(id="n0", branch=BranchNode())), "EmptyBranch", "n0"),
    "condition operand": (
        closure(node("n0", x=arg("a")), branch(node("n2", x=arg("a")), node("n3", x=arg("a")), "y")),
        "Operand",
        "a condition reads 'y'",
    ),
    "cycle through a branch": (
        closure(node("n0", ["n1"], x=arg("a")), branch(node("n2", x=arg("a")), node("n3", x=arg("a")))),
        "Cycle",
        "n0",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_each_fault_is_found_named_and_placed(name):
    built, code, text = CASES[name]
    problems = validate_closure(built)
    assert any(problem.code == code and text in str(problem) for problem in problems), problems


def test_requests_above_limits_and_bad_quantities_are_named():
    spec = task()
    spec.resources.requests.memory, spec.resources.limits.memory = "2Gi", "1Gi"
    spec.resources.requests.cpu = "lots"
    problems = {problem.code: str(problem) for problem in validate_closure(wrap_task(spec))}
    assert "the request 2Gi is above the limit 1Gi" in problems["RequestAboveLimit"]
    assert "'lots' is not a quantity" in problems["Quantity"]


@pytest.mark.parametrize(
    ("name", "amount", "told"),
    [
        ("cpu", "1Gi", "'1Gi' is not an amount of cores"),
        ("cpu", "1k", "'1k' is not an amount of cores"),
        ("cpu", "1e9", "'1e9' is more than the 1000000 cores"),
        ("memory", "100m", "'100m' is a fraction of a byte"),
        ("memory", "1e-3", "'1e-3' is a fraction of a byte"),
        ("memory", "99999999999999999999Gi", "more bytes than Kubernetes can count"),
        ("ephemeral_storage", "2u", "'2u' is a fraction of a byte"),
    ],
)
@pytest.mark.parametrize("side", ["requests", "limits"])
def test_an_amount_in_units_of_another_measure_is_refused(side, name, amount, told):
    spec = task()
    setattr(getattr(spec.resources, side), name, amount)
    (problem,) = validate_closure(wrap_task(spec))
    assert problem.code == "Quantity"
    assert told in str(problem)


@pytest.mark.parametrize(
    ("name", "amount"),
    [
        ("cpu", "500m"),
        ("cpu", "0.5"),
        ("cpu", "2e3"),
        ("memory", "1073741824"),
        ("memory", "1e9"),
        ("memory", "7Ei"),
    ],
)
def test_an_amount_in_units_of_its_measure_is_taken(name, amount):
    spec = task()
    setattr(spec.resources.limits, name, amount)
    assert validate_closure(wrap_task(spec)) == []


def test_a_workflow_that_contains_itself_is_refused_with_the_chain():
    inner = WorkflowSpec(
        name="flow.inner", nodes=[Node(id="n0", sub_workflow=SubWorkflowNode(workflow="flow.wf"))]
    )
    outer = closure(Node(id="n0", sub_workflow=SubWorkflowNode(workflow="flow.inner")), more=[inner])
    [problem] = validate_closure(outer)
    assert problem.code == "Recursion"
    assert "flow.wf → flow.inner → flow.wf" in str(problem)


def test_a_chain_of_thousands_is_checked_without_recursion():
    nodes = [node("n0", x=arg("a"))] + [node(f"n{i}", x=out(f"n{i - 1}")) for i in range(1, 5000)]
    assert validate_closure(closure(*nodes)) == []


def test_a_branch_depends_on_what_its_children_read():
    built = branch(node("n2", x=out("n5")), node("n3", x=out("n6")))
    assert dependencies(built) == {"n0", "n5", "n6"}


def test_nodes_are_found_by_path_through_branches():
    built = closure(node("n0", x=arg("a")), branch(node("n2", x=arg("a")), node("n3", x=arg("a"))))
    assert find_node(built, "n1/n3").id == "n3"
    assert find_node(built, "n1/n9") is None
    assert find_node(built, "n0").id == "n0"


def variable(name, type_, default=None):
    return Variable(name=name, type=type_, default_value=default)


INTERFACE = Interface(inputs=[variable("rate", INT), variable("mode", STR, values.string("fast"))])


def test_inputs_are_completed_from_defaults():
    complete, problems = complete_inputs(INTERFACE, {"rate": values.integer(0)})
    assert not problems
    assert complete.literals["mode"] == values.string("fast")
    assert complete.literals["rate"] == values.integer(0)


@pytest.mark.parametrize(
    ("given", "fixed", "code", "text"),
    [
        ({}, {}, "MissingInput", "rate: this input is required; give a value of type int"),
        ({"rat": values.integer(1)}, {}, "UnknownInput", "did you mean 'rate'?"),
        ({"rate": values.string("x")}, {}, "InputType", "expected int, got str"),
        (
            {"rate": values.integer(1)},
            {"rate": values.integer(2)},
            "FixedInput",
            "the launch plan fixes this input",
        ),
    ],
)
def test_inputs_that_do_not_fit(given: dict[str, Literal], fixed, code, text):
    _, problems = complete_inputs(INTERFACE, given, fixed=fixed)
    assert any(problem.code == code and text in str(problem) for problem in problems), problems
