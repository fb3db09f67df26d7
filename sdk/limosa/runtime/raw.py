"""The two steps of ours around a raw container: fetch its inputs, store its outputs."""

import json
import shutil
from pathlib import Path

from limosa.runtime.outcome import LaunchFailed
from limosa.runtime.transfer import LaunchTransfer
from limosa.types import offloaded
from limosa_idl.core.v1alpha1.interface_pb2 import Variable
from limosa_idl.core.v1alpha1.literal_pb2 import Blob, Literal, LiteralMap
from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_STRING, BlobType
from limosa_idl.task.v1alpha1.task_pb2 import TaskSpec
from limosa_model import failures
from limosa_model.failures import Code
from limosa_model.plain import PlainError, from_plain
from limosa_model.raw_containers import is_file, text_of
from limosa_model.values import string


def fetch(task: TaskSpec, inputs: LiteralMap, transfer: LaunchTransfer, directory: Path) -> None:
    """Lays every input into a directory: files and directories by their input's name, other values as files of text."""
    transfer.name_inputs(inputs)
    for variable in task.interface.inputs:
        literal = inputs.literals[variable.name]
        if literal.WhichOneof("value") == "offloaded":
            literal = offloaded.fetch(literal, transfer)
        target = directory / variable.name
        kind = literal.WhichOneof("value")
        if kind == "union_value":
            literal = literal.union_value.value
            kind = literal.WhichOneof("value")
        if kind == "structured_dataset":
            found = transfer.download_file(literal.structured_dataset.uri, variable.name, literal.digest)
        elif kind == "blob" and literal.blob.multipart:
            found = transfer.download_directory(literal.blob.uri, variable.name, literal.digest)
        elif kind == "blob":
            found = transfer.download_file(literal.blob.uri, variable.name, literal.digest)
        else:
            target.write_text(text_of(literal), encoding="utf-8")
            continue
        shutil.move(found, target)


def outputs_of(task: TaskSpec, transfer: LaunchTransfer, directory: Path) -> LiteralMap:
    """The outputs that the author's program left, their data durable. Raises LaunchFailed."""
    found = LiteralMap()
    for variable in task.interface.outputs:
        path = directory / variable.name
        if not path.exists():
            told = f"output '{variable.name}' is missing: the program left no {path}"
            raise LaunchFailed(failures.user(Code.BAD_OUTPUT, told, retryable=True))
        literal = _stored(variable, path, transfer) if is_file(variable.type) else _value(variable, path)
        found.literals[variable.name].CopyFrom(offloaded.offload(literal, variable.name, transfer))
    return found


def _stored(variable: Variable, path: Path, transfer: LaunchTransfer) -> Literal:
    blob = variable.type.blob
    many = blob.dimensionality == BlobType.DIMENSIONALITY_MULTIPART
    if many != path.is_dir():
        told = f"output '{variable.name}': {path} is {'a file' if many else 'a directory'}"
        raise LaunchFailed(failures.user(Code.BAD_OUTPUT, told, retryable=True))
    stored = (transfer.upload_directory if many else transfer.upload_file)(path, path.name)
    made = Blob(uri=stored.uri, format=blob.format, multipart=many, size=stored.size, name=path.name)
    return Literal(blob=made, digest=stored.digest)


def _value(variable: Variable, path: Path) -> Literal:
    try:
        text = path.read_text(encoding="utf-8")
        if variable.type.simple == SIMPLE_TYPE_STRING:
            return string(text.removesuffix("\n"))
        return from_plain(json.loads(text), variable.type)
    except (PlainError, ValueError, OSError) as error:
        told = f"output '{variable.name}': {path} holds no value of its type: {error}"
        raise LaunchFailed(failures.user(Code.BAD_OUTPUT, told, retryable=True)) from error
