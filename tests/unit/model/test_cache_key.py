"""What makes two launches' results the same, and what does not."""

from collections.abc import Callable

import pytest

from limosa_idl.core.v1alpha1.interface_pb2 import Variable
from limosa_idl.core.v1alpha1.literal_pb2 import Blob, Literal, Offloaded, Provenance, Record
from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_INTEGER, LiteralType, RecordType
from limosa_idl.task.v1alpha1.task_pb2 import TaskSpec
from limosa_model import values
from limosa_model.cache_key import CacheKeys, cache_key, value_digest
from limosa_model.digests import digest_of

INTEGER = LiteralType(simple=SIMPLE_TYPE_INTEGER, hint="int")
Inputs = dict[str, Literal]


def the_task() -> TaskSpec:
    task = TaskSpec(name="flow.train", description="trains")
    task.python.loader = "flow:train"
    task.interface.inputs.append(Variable(name="x", type=INTEGER, description="rows"))
    task.interface.inputs.append(Variable(name="y", type=LiteralType(collection=INTEGER)))
    record = RecordType(name="flow.Config", fields=[RecordType.Field(name="depth", type=INTEGER)])
    task.interface.inputs.append(Variable(name="config", type=LiteralType(record=record)))
    task.interface.outputs.append(Variable(name="o0", type=INTEGER))
    task.cache.enabled, task.cache.version = True, "v1"
    return task


def the_inputs() -> Inputs:
    return {
        "x": values.integer(3),
        "y": values.collection([values.integer(1), values.integer(2)]),
        "config": Literal(record=Record(fields={"depth": values.integer(7)})),
    }


def made_elsewhere(literal: Literal) -> None:
    literal.provenance.CopyFrom(Provenance(run_uid="other", node_path="n9", output="o0"))


def version(task: TaskSpec, inputs: Inputs) -> None:
    task.cache.version = "v2"


def name(task: TaskSpec, inputs: Inputs) -> None:
    task.name = "flow.other"


def packages(task: TaskSpec, inputs: Inputs) -> None:
    task.python.packages = "ab" * 32


def other_packages(task: TaskSpec, inputs: Inputs) -> None:
    task.python.packages = "cd" * 32


def value(task: TaskSpec, inputs: Inputs) -> None:
    inputs["x"] = values.integer(4)


def value_inside(task: TaskSpec, inputs: Inputs) -> None:
    inputs["config"].record.fields["depth"].CopyFrom(values.integer(8))


def order_of_a_list(task: TaskSpec, inputs: Inputs) -> None:
    inputs["y"] = values.collection([values.integer(2), values.integer(1)])


def kind_of_number(task: TaskSpec, inputs: Inputs) -> None:
    inputs["x"] = values.float_(3.0)


def type_of_an_input(task: TaskSpec, inputs: Inputs) -> None:
    task.interface.inputs[1].type.CopyFrom(INTEGER)


def type_of_an_output(task: TaskSpec, inputs: Inputs) -> None:
    task.interface.outputs[0].type.CopyFrom(LiteralType(collection=INTEGER))


def another_output(task: TaskSpec, inputs: Inputs) -> None:
    task.interface.outputs.append(Variable(name="o1", type=INTEGER))


def digest_of_an_input(task: TaskSpec, inputs: Inputs) -> None:
    inputs["x"].digest = "sha256:aa"


def ignored(task: TaskSpec, inputs: Inputs) -> None:
    task.cache.ignored_inputs.append("x")


CHANGES = [
    version,
    name,
    packages,
    other_packages,
    value,
    value_inside,
    order_of_a_list,
    kind_of_number,
    type_of_an_input,
    type_of_an_output,
    another_output,
    digest_of_an_input,
    ignored,
]


def hints(task: TaskSpec, inputs: Inputs) -> None:
    task.interface.inputs[0].type.hint = "builtins.int"
    task.interface.inputs[1].type.collection.hint = "Int"
    task.interface.inputs[2].type.record.name = "other.Config"
    task.interface.inputs[2].type.record.fields[0].description = "how deep"


def descriptions(task: TaskSpec, inputs: Inputs) -> None:
    task.description = task.interface.inputs[0].description = "other words"


def default(task: TaskSpec, inputs: Inputs) -> None:
    task.interface.inputs[0].default_value.CopyFrom(values.integer(3))


def order_of_the_signature(task: TaskSpec, inputs: Inputs) -> None:
    first = Variable()
    first.CopyFrom(task.interface.inputs[0])
    del task.interface.inputs[0]
    task.interface.inputs.append(first)


def place_of_the_code(task: TaskSpec, inputs: Inputs) -> None:
    task.python.bundle_digest, task.source.line = "ab" * 32, 99


def resources(task: TaskSpec, inputs: Inputs) -> None:
    task.resources.requests.memory, task.retry.retries = "4Gi", 9


def serialize(task: TaskSpec, inputs: Inputs) -> None:
    task.cache.serialize = True


def provenance(task: TaskSpec, inputs: Inputs) -> None:
    made_elsewhere(inputs["x"])
    made_elsewhere(inputs["y"].collection.literals[1])
    made_elsewhere(inputs["config"].record.fields["depth"])


def order_of_record_fields(task: TaskSpec, inputs: Inputs) -> None:
    inputs["config"].record.order.append("depth")


SAME = [
    hints,
    descriptions,
    default,
    order_of_the_signature,
    place_of_the_code,
    resources,
    serialize,
    provenance,
    order_of_record_fields,
]


def changed(change: Callable[[TaskSpec, Inputs], None]) -> str:
    task, inputs = the_task(), the_inputs()
    change(task, inputs)
    return cache_key("shop", "production", task, inputs)


BASE = cache_key("shop", "production", the_task(), the_inputs())


@pytest.mark.parametrize("change", CHANGES, ids=[change.__name__ for change in CHANGES])
def test_changes_the_key(change: Callable[[TaskSpec, Inputs], None]) -> None:
    assert changed(change) != BASE


@pytest.mark.parametrize("change", SAME, ids=[change.__name__ for change in SAME])
def test_keeps_the_key(change: Callable[[TaskSpec, Inputs], None]) -> None:
    assert changed(change) == BASE


def test_every_change_leads_to_another_key() -> None:
    assert len({changed(change) for change in CHANGES}) == len(CHANGES)


def test_projects_and_domains_share_nothing() -> None:
    places = [("shop", "production"), ("shop", "staging"), ("other", "production"), ("sho", "pproduction")]
    assert len({cache_key(*place, the_task(), the_inputs()) for place in places}) == len(places)


def test_the_key_is_the_same_in_every_release() -> None:
    """A change of it forgets everything cached: then `_LAYOUT` changes too, and so does this figure."""
    assert BASE == "b357d94bf55e20a452757ae49719f2328e63e95e96170904c4c9a9ea028dfd2a"


def test_an_ignored_input_may_have_any_value() -> None:
    task, inputs = the_task(), the_inputs()
    task.cache.ignored_inputs.append("x")
    before = cache_key("shop", "production", task, inputs)
    inputs["x"] = values.integer(99)
    assert cache_key("shop", "production", task, inputs) == before
    del inputs["x"]
    assert cache_key("shop", "production", task, inputs) == before


def test_a_value_with_a_digest_counts_by_it_alone() -> None:
    here = Literal(blob=Blob(uri="s3://b/one", name="a.csv"), digest="sha256:11")
    there = Literal(blob=Blob(uri="s3://b/two", name="b.csv"), digest="sha256:11")
    assert value_digest(here) == value_digest(there)
    assert value_digest(values.collection([here])) == value_digest(values.collection([there]))
    other = Literal(blob=Blob(uri="s3://b/one"), digest="sha256:22")
    assert value_digest(values.collection([here])) != value_digest(values.collection([other]))


def test_a_file_without_a_digest_counts_by_where_it_lies() -> None:
    one, two = (Literal(blob=Blob(uri=f"s3://b/{name}")) for name in ("one", "two"))
    assert value_digest(one) != value_digest(two)


def test_offloaded_or_inline_is_the_same_value() -> None:
    inline = values.collection([values.integer(1), values.string("a")])
    offloaded = Literal(offloaded=Offloaded(uri="s3://b/k", digest=digest_of(inline), length=2))
    assert value_digest(offloaded) == value_digest(inline)


def test_the_order_of_a_dict_counts() -> None:
    one = values.literal_map({"a": values.integer(1), "b": values.integer(2)})
    other = values.literal_map({"a": values.integer(1), "b": values.integer(2)})
    other.map_value.order.extend(["b", "a"])
    assert value_digest(one) != value_digest(other)


def test_parts_do_not_run_into_each_other() -> None:
    keys = CacheKeys("p", "d", the_task())
    assert keys.key({"a": "bc"}) != keys.key({"ab": "c"})
