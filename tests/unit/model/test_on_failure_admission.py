"""What may run on failure, and who may be told the failure."""

import pytest

from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_STRING, LiteralType
from limosa_idl.task.v1alpha1.task_pb2 import PythonTask, TaskSpec
from limosa_idl.workflow.v1alpha1 import workflow_pb2 as wf
from limosa_model.admission import validate_closure
from limosa_model.workflow_errors import error_type


def closure() -> wf.Closure:
    task = TaskSpec(name="f.tell", python=PythonTask(loader="f:tell"))
    task.interface.inputs.add(name="error", type=error_type())
    plain = TaskSpec(name="f.plain", python=PythonTask(loader="f:plain"))
    plain.interface.outputs.add(name="o0", type=error_type())
    workflow = wf.WorkflowSpec(name="f.w")
    workflow.nodes.add(id="n0", display_name="n0").task.task = "f.plain"
    workflow.on_failure.id = "on-failure"
    workflow.on_failure.task.task = "f.tell"
    workflow.on_failure.inputs.add(name="error").data.failure.SetInParent()
    return wf.Closure(entry="f.w", tasks=[task, plain], workflows=[workflow])


def refuse(made: wf.Closure) -> str:
    problems = validate_closure(made)
    assert problems
    return f"{problems[0].code} {problems[0]}"


def test_a_task_that_takes_the_error_is_accepted() -> None:
    assert validate_closure(closure()) == []


def test_it_sees_no_nodes() -> None:
    made = closure()
    made.workflows[0].on_failure.inputs[0].data.output.node = "n0"
    made.workflows[0].on_failure.inputs[0].data.output.output = "o0"
    assert "there is no node 'n0'" in refuse(made)


def test_nobody_else_is_told_the_failure() -> None:
    made = closure()
    node = made.workflows[0].nodes.add(id="n1", display_name="n1")
    node.task.task = "f.tell"
    node.inputs.add(name="error").data.failure.SetInParent()
    assert "only an on-failure node is told the failure" in refuse(made)


def test_what_is_told_is_a_record_of_texts() -> None:
    made = closure()
    made.tasks[0].interface.inputs[0].type.CopyFrom(LiteralType(simple=SIMPLE_TYPE_STRING))
    assert "InputType" in refuse(made)


def test_a_gate_cannot_run_on_failure() -> None:
    made = closure()
    made.workflows[0].on_failure.gate.approval.SetInParent()
    assert "a gate node cannot run on failure; use a task or a workflow" in refuse(made)


def test_its_id_is_its_own() -> None:
    made = closure()
    made.workflows[0].on_failure.id = "n9"
    assert "give it the id 'on-failure'" in refuse(made)


def test_a_workflow_that_handles_itself_is_a_recursion() -> None:
    made = closure()
    made.workflows[0].on_failure.ClearField("inputs")
    made.workflows[0].on_failure.sub_workflow.workflow = "f.w"
    assert refuse(made).startswith("Recursion")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda gate: gate.Clear(), "GateKind"),
        (lambda gate: gate.wait_for_input.SetInParent(), "GateType"),
        (lambda gate: setattr(gate.sleep.duration, "seconds", -1), "GateDuration"),
        (lambda gate: (gate.sleep.SetInParent(), gate.timeout.SetInParent()), "GateTimeout"),
    ],
)
def test_gates_that_make_no_sense_are_refused(change, code) -> None:
    made = closure()
    node = made.workflows[0].nodes.add(id="g", display_name="g")
    node.gate.approval.SetInParent()
    assert validate_closure(made) == []
    change(node.gate)
    node.gate.prompt = "?"
    assert refuse(made).startswith(code)
