"""Raw container tasks: programs in images that know nothing of Limosa. What pods, admission and the runtime agree on."""

from collections.abc import Iterator

from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_idl.core.v1alpha1.types_pb2 import LiteralType
from limosa_idl.task.v1alpha1.task_pb2 import ContainerTask, TaskSpec
from limosa_model.placeholders import named_in, wrong_placeholders
from limosa_model.problems import Problem
from limosa_model.values import to_plain

INPUT_DIRECTORY = "/var/inputs"
OUTPUT_DIRECTORY = "/var/outputs"
OWN_PREFIX = "limosa-"
"""Names of containers that begin so are the platform's."""
PREPARE = "limosa-prepare"
"""Name of the init container that checks and fetches; the step of its contract."""
COLLECT = "limosa-collect"
"""The step of the container that stores and commits, after the author's has ended well."""
AUTHOR = "limosa-main"
"""Name of the init container that runs the author's image between the two."""


class ArgumentError(ValueError):
    """An input cannot be an argument; the message says why and what to do."""


def input_directory(container: ContainerTask) -> str:
    """Where inputs lie, one file or directory each."""
    return container.input_directory or INPUT_DIRECTORY


def output_directory(container: ContainerTask) -> str:
    """Where outputs are left, one file or directory each."""
    return container.output_directory or OUTPUT_DIRECTORY


def is_file(type_: LiteralType) -> bool:
    """Whether values of a type are files or directories rather than texts."""
    return type_.WhichOneof("kind") in ("blob", "structured_dataset")


def argument(name: str, literal: Literal, directory: str) -> str:
    """An input as an argument: text as it is, a file as its path, the rest as JSON. Raises ArgumentError."""
    kind = literal.WhichOneof("value")
    if kind == "union_value":
        return argument(name, literal.union_value.value, directory)
    if kind in ("blob", "structured_dataset"):
        return f"{directory}/{name}"
    if kind == "offloaded":
        raise ArgumentError(f"input '{name}' is too large for an argument; read the file {directory}/{name}")
    return text_of(literal)


def text_of(literal: Literal) -> str:
    """A value as a program reads it: texts as they are, the rest as JSON."""
    kind = literal.WhichOneof("value")
    if kind == "none":
        return ""
    plain = to_plain(literal)
    # Admission loads this module for every workflow, and does not pay for the writer.
    import json

    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def check_container(task: TaskSpec, place: str) -> Iterator[Problem]:
    """Everything wrong with a raw container."""
    container = task.container
    if not task.container_image:
        yield Problem("ContainerImage", place, "it names no image", 'image="team/tool:1.0"')
    for directory in (input_directory(container), output_directory(container)):
        parts = directory.split("/")[1:]
        if directory[:1] != "/" or any(part in ("", ".", "..") for part in parts):
            told = f"'{directory}' is no absolute path of a directory"
            yield Problem("ContainerDirectory", place, told, f"write {INPUT_DIRECTORY}")
    if input_directory(container) == output_directory(container):
        yield Problem("ContainerDirectory", place, "inputs and outputs share a directory", "give them two")
    inputs = {variable.name: variable for variable in task.interface.inputs}
    outputs = [variable.name for variable in task.interface.outputs]
    for part in (*container.command, *container.args):
        for told, remedy in wrong_placeholders(part, inputs, outputs):
            yield Problem("Placeholder", place, told, remedy)
        for side, name in sorted(named_in(part)):
            if side == "inputs" and name in inputs and inputs[name].sensitive:
                told = f"input '{name}' is sensitive and would stand in the pod's arguments"
                yield Problem("Placeholder", place, told, f"read {input_directory(container)}/{name}")
    for variable in task.interface.outputs:
        if variable.type.WhichOneof("kind") == "structured_dataset":
            yield Problem(
                "ContainerOutput", f"{place}: output '{variable.name}'", "it is a table", "give a File"
            )
