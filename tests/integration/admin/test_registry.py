import grpc
import pytest
from google.protobuf.message import Message

from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.core.v1alpha1.interface_pb2 import Interface, Variable
from limosa_idl.workflow.v1alpha1 import workflow_pb2 as wf
from limosa_model import values
from limosa_model.digests import serialize, sha256_hex


def entity(kind, name: str, version: str = "v1") -> pb.EntityId:
    return pb.EntityId(kind=kind, project="demo", domain="development", name=name, version=version)


def refused(call, code: grpc.StatusCode) -> str:
    with pytest.raises(grpc.RpcError) as raised:
        call()
    assert raised.value.code() == code, raised.value.details()
    return raised.value.details()


def shuffled(message: Message) -> bytes:
    """The same message in other bytes: its fields written one by one, the last first."""
    parts = []
    for field, value in reversed(message.ListFields()):
        part = type(message)()
        if field.message_type is not None or not isinstance(value, str):
            getattr(part, field.name).extend(value)
        else:
            setattr(part, field.name, value)
        parts.append(part.SerializeToString())
    return b"".join(parts)


def test_a_spec_is_kept_as_it_was_sent(stand, specs) -> None:
    closure = specs.chain()
    stand.register(closure)
    found = stand.admin.registry.GetEntity(pb.GetEntityRequest(id=entity(pb.ENTITY_KIND_WORKFLOW, "demo.wf")))
    assert found.digest == sha256_hex(serialize(closure))
    assert found.workflow == closure
    assert found.created_by == "admin@test"
    assert found.interface.inputs[0].name == "x"
    task = stand.admin.registry.GetEntity(pb.GetEntityRequest(id=entity(pb.ENTITY_KIND_TASK, "demo.double")))
    assert task.task == closure.tasks[0]


def test_the_same_version_with_an_equal_spec_is_accepted_again(stand, specs) -> None:
    closure = specs.chain()
    first = stand.register(closure).entities
    other_bytes = shuffled(closure)
    assert other_bytes != serialize(closure)
    request = pb.RegisterRequest(project="demo", domain="development", version="v1", closures=[other_bytes])
    again = stand.admin.registry.Register(request).entities
    assert [e.created for e in again] == [False, False]
    assert [e.digest for e in again] == [e.digest for e in first]


def test_the_same_version_with_another_spec_changes_nothing(stand, specs) -> None:
    stand.register(specs.chain())
    changed = specs.chain(default=2)
    other = specs.chain(name="demo.other")
    details = refused(lambda: stand.register(other, changed), grpc.StatusCode.ALREADY_EXISTS)
    assert "demo.wf" in details
    assert "choose a new version" in details
    request = pb.GetEntityRequest(id=entity(pb.ENTITY_KIND_WORKFLOW, "demo.other"))
    assert "does not exist; there are demo.wf" in refused(
        lambda: stand.admin.registry.GetEntity(request), grpc.StatusCode.NOT_FOUND
    )
    stand.register(changed, version="v2")
    newest = stand.admin.registry.GetEntity(
        pb.GetEntityRequest(id=entity(pb.ENTITY_KIND_WORKFLOW, "demo.wf", version=""))
    )
    assert newest.id.version == "v2"


def test_every_problem_of_every_closure_is_listed(stand, specs) -> None:
    cycle = specs.chain()
    cycle.workflows[0].nodes[0].upstream.append("n1")
    unknown = specs.chain(name="demo.unknown")
    unknown.workflows[0].nodes[1].task.task = "demo.tripple"
    details = refused(lambda: stand.register(cycle, unknown), grpc.StatusCode.INVALID_ARGUMENT)
    assert "nothing was registered: 3 problems" in details
    assert "[Cycle]" in details
    assert "demo.tripple" in details
    page = stand.admin.registry.ListEntities(pb.ListEntitiesRequest(project="demo", domain="development"))
    assert list(page.entities) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"version": "no spaces"}, "version"),
        ({"project": "Demo"}, "project"),
        ({"domain": "developement"}, "did you mean 'development'"),
        ({"closures": [b"\xff\xff"]}, "Closure 0"),
        ({"closures": []}, "nothing to register"),
    ],
)
def test_bad_requests_name_what_is_wrong(stand, specs, change, expected: str) -> None:
    fields = {
        "project": "demo",
        "domain": "development",
        "version": "v1",
        "closures": [serialize(specs.chain())],
        **change,
    }
    request = pb.RegisterRequest(**fields)
    assert expected in refused(
        lambda: stand.admin.registry.Register(request), grpc.StatusCode.INVALID_ARGUMENT
    )


def outer(specs) -> wf.Closure:
    """A workflow around `chain`."""
    closure = specs.chain()
    x = Variable(name="x", type=specs.integer)
    node = wf.Node(id="n0", sub_workflow=wf.SubWorkflowNode(workflow="demo.wf"))
    node.inputs.add(name="x", data=specs.given("x"))
    workflow = wf.WorkflowSpec(
        name="demo.outer",
        interface=Interface(inputs=[x], outputs=[Variable(name="o0", type=specs.integer)]),
        nodes=[node],
        outputs=[wf.Binding(name="o0", data=specs.output("n0"))],
    )
    workflows = [workflow, *closure.workflows]
    return wf.Closure(entry="demo.outer", tasks=closure.tasks, workflows=workflows)


def test_sub_workflows_are_registered_too_and_agree_with_their_own_closure(stand, specs) -> None:
    registered = stand.register(outer(specs)).entities
    assert [e.id.name for e in registered if e.id.kind == pb.ENTITY_KIND_WORKFLOW] == [
        "demo.outer",
        "demo.wf",
    ]
    again = stand.register(specs.chain()).entities
    assert [e.created for e in again] == [False, False]


def test_launch_plans_need_their_workflow_and_fitting_inputs(stand, specs) -> None:
    plan = wf.LaunchPlanSpec(name="demo.nightly", workflow="demo.wf")
    plan.fixed_inputs.literals["x"].CopyFrom(values.integer(7))

    def register(given: wf.LaunchPlanSpec, closures=()):
        request = pb.RegisterRequest(project="demo", domain="development", version="v1", launch_plans=[given])
        request.closures.extend(closures)
        return stand.admin.registry.Register(request).entities

    details = refused(lambda: register(plan), grpc.StatusCode.INVALID_ARGUMENT)
    assert "workflow 'demo.wf' is not registered in version v1" in details
    stand.register()
    assert [e.created for e in register(plan)] == [True]
    found = stand.admin.registry.GetEntity(
        pb.GetEntityRequest(id=entity(pb.ENTITY_KIND_LAUNCH_PLAN, "demo.nightly"))
    )
    assert found.launch_plan == plan
    assert list(found.interface.inputs) == []
    wrong = wf.LaunchPlanSpec(name="demo.wrong", workflow="demo.wf")
    wrong.default_inputs.literals["x"].CopyFrom(values.string("seven"))
    wrong.default_inputs.literals["y"].CopyFrom(values.integer(1))
    details = refused(lambda: register(wrong), grpc.StatusCode.INVALID_ARGUMENT)
    assert "default input 'x'" in details
    assert "default input 'y'" in details


def test_lists_go_on_page_by_page_newest_first(stand, specs) -> None:
    for number in range(5):
        stand.register(version=f"v{number}")
    request = pb.ListEntitiesRequest(
        kind=pb.ENTITY_KIND_WORKFLOW, project="demo", domain="development", name="demo.wf", limit=2
    )
    versions = []
    while True:
        page = stand.admin.registry.ListEntities(request)
        versions += [found.id.version for found in page.entities]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert versions == ["v4", "v3", "v2", "v1", "v0"]
    request.page_token = "bm90IGEgbnVtYmVy"
    refused(lambda: stand.admin.registry.ListEntities(request), grpc.StatusCode.INVALID_ARGUMENT)
    request.page_token, request.limit = "", 201
    refused(lambda: stand.admin.registry.ListEntities(request), grpc.StatusCode.INVALID_ARGUMENT)


def test_a_request_that_is_too_large_says_how_large_it_may_be(make_stand, specs) -> None:
    stand = make_stand(max_message_bytes=20_000)
    request = pb.RegisterRequest(project="demo", domain="development", version="v1", tasks=[b"x" * 25_000])
    details = refused(lambda: stand.admin.registry.Register(request), grpc.StatusCode.INVALID_ARGUMENT)
    assert "at most 20000 are taken" in details


def test_a_workflow_whose_state_kubernetes_could_not_hold_is_refused_with_the_figure(stand, specs) -> None:
    """Twelve workflows, each of which calls the one before it twice."""
    closure = specs.chain()
    for level in range(12):
        inner = closure.entry
        closure.entry = f"demo.twice{level}"
        body = closure.workflows.add(name=closure.entry)
        for node_id in ("a", "b"):
            node = body.nodes.add(id=node_id)
            node.sub_workflow.workflow = inner
            if level == 0:
                node.inputs.add(name="x").data.literal.CopyFrom(values.integer(1))
    with pytest.raises(grpc.RpcError) as refused:
        stand.register(closure)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    told = refused.value.details()
    assert "[StateTooLarge] workflow demo.twice11: the workflow unfolds to " in told
    assert "bytes, more than the 409,600 that Kubernetes can hold; use maps for repeated work" in told
