"""Raw containers, as authors write them."""

import pytest

from limosa import ContainerTask, File, LimosaError, Resources, Retry, task, testing, workflow
from limosa.compiler import compile_entity
from limosa_model.admission import validate_closure

convert = ContainerTask(
    "convert",
    image="team/convert:2",
    command=["convert", "{{ .inputs.source }}"],
    args=["--rate={{ .inputs.rate }}", "{{ .outputs.result }}"],
    inputs={"source": File, "rate": float},
    outputs={"result": File},
    retries=Retry(2),
    resources=Resources(mem="1Gi"),
    timeout="5m",
)


@task
def size(file: File) -> int:
    return len(file.open().read())


@workflow
def converted(source: File) -> int:
    return size(file=convert(source=source, rate=0.5))


def test_the_spec_says_image_command_and_policies():
    closure = compile_entity(converted).closure
    assert validate_closure(closure) == []
    spec = next(task for task in closure.tasks if task.name.endswith("convert"))
    assert spec.WhichOneof("target") == "container"
    assert spec.container_image == "team/convert:2"
    assert list(spec.container.command) == ["convert", "{{ .inputs.source }}"]
    assert (spec.container.input_directory, spec.container.output_directory) == (
        "/var/inputs",
        "/var/outputs",
    )
    assert (spec.retry.retries, spec.timeout.seconds, spec.resources.limits.memory) == (2, 300, "1Gi")
    assert [v.name for v in spec.interface.outputs] == ["result"]


def test_here_it_does_not_run_and_says_what_to_do(tmp_path):
    (tmp_path / "a").write_text("abc")
    with pytest.raises(LimosaError, match="needs a container engine") as refused:
        converted(source=File(tmp_path / "a"))
    assert "limosa.testing.patch(convert)" in refused.value.remedy
    assert "test_container_tasks.py:" in refused.value.place


def test_a_stand_in_takes_its_place(tmp_path):
    (tmp_path / "a").write_text("abcd")
    with testing.patch(convert) as stand_in:
        stand_in.returns(File(tmp_path / "a"))
        assert converted(source=File(tmp_path / "a")) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"command": "convert x"}, "is no list of texts"),
        ({"args": ["{{ .inputs.x }}"]}, "there is no input 'x'"),
        ({"args": ["{{ .outputs.x }}"]}, "there is no output 'x'"),
        ({"container_image": "x"}, "container_image belongs to functions"),
        ({"inputs": {"a b": str}}, "'a b' is no Python name"),
        ({"retrys": 3}, "@task has no option 'retrys'"),
    ],
)
def test_mistakes_are_told(arguments, message):
    with pytest.raises(LimosaError, match=message):
        ContainerTask(**{"name": "t", "image": "i", **arguments})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"container_image": ""}, "it names no image"),
        ({"input_directory": "var/in"}, "'var/in' is no absolute path"),
        ({"output_directory": "/var/inputs"}, "share a directory"),
        ({"args": ["{{ .inputs.nope }}"]}, "there is no input 'nope'"),
        ({"sensitive": True}, "input 'source' is sensitive and would stand in the pod's arguments"),
    ],
)
def test_admission_checks_again(change, told):
    closure = compile_entity(converted).closure
    spec = next(task for task in closure.tasks if task.name.endswith("convert"))
    for name, value in change.items():
        if name == "args":
            spec.container.args.extend(value)
        elif name == "sensitive":
            spec.interface.inputs[0].sensitive = value
        else:
            setattr(spec if name == "container_image" else spec.container, name, value)
    assert told in " ".join(problem.message for problem in validate_closure(closure))
