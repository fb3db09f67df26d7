"""Types that cannot travel are refused with the nearest that can."""

import collections
import dataclasses
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydantic
import pytest
from google.protobuf.message import Message

from limosa import File
from limosa.errors import LimosaError
from limosa.types import literal_type


@dataclasses.dataclass
class Tree:
    children: "list[Tree]"


@dataclasses.dataclass
class Holder:
    path: Path


class Plain:
    pass


class Strange(pydantic.BaseModel, arbitrary_types_allowed=True):
    plain: Plain


BAD_TYPES = [
    (
        tuple,
        "the type tuple is not supported; use list[T], or a NamedTuple for several outputs, "
        "or Pickle[tuple] to have it pickled",
    ),
    (
        frozenset[int],
        "the type frozenset[int] is not supported; use list[T], or Pickle[frozenset[int]] to have it pickled",
    ),
    (
        Sequence[int],
        "the type Sequence[int] is not supported; use list[T], or Pickle[Sequence[int]] to have it pickled",
    ),
    (
        collections.Counter,
        "the type Counter is not supported; use dict[str, T], or a TypedDict, or Pickle[Counter] to have it pickled",
    ),
    (Path, "the type Path is not supported; use File or Directory: a path means nothing in another pod"),
    (uuid.UUID, "the type UUID is not supported; use str, or Pickle[UUID] to have it pickled"),
    (
        Plain,
        "the type Plain is not supported; use a dataclass with typed fields, "
        "a File that it is saved to (such as a fitted model), or Pickle[Plain] to have it pickled",
    ),
    (
        list[Plain],
        "the type Plain is not supported; use a dataclass with typed fields, "
        "a File that it is saved to (such as a fitted model), or Pickle[Plain] to have it pickled",
    ),
    (dict[int, str], "dict[int, str] has int keys; use str keys"),
    (
        Tree,
        "field Tree.children: the dataclass Tree contains itself; give the parts as list[dict], or flatten it",
    ),
    (
        Holder,
        "field Holder.path: the type Path is not supported; "
        "use File or Directory: a path means nothing in another pod",
    ),
    (
        Strange,
        "field Strange.plain: the type Plain is not supported; "
        "use a dataclass with typed fields, "
        "a File that it is saved to (such as a fitted model), or Pickle[Plain] to have it pickled",
    ),
    (Message, "protobuf's Message is every message; name the class of the one"),
    (np.floating, "numpy.floating is several types; name the one, such as numpy.float64"),
    (np.complex128, "the type numpy.complex128 is not supported; use a dataclass with two floats"),
    (
        npt.NDArray[np.object_],
        "an array of Python objects is not supported; use list[T], or Pickle[numpy.ndarray]",
    ),
    (
        Iterator[File],
        "the items of Iterator[limosa.types.file.File] are lines of JSON, which hold no files or frames; use list[T]",
    ),
    (
        Iterator[int | str],
        "the items of Iterator[int | str] are lines of JSON, which do not say which of several types an item has; "
        "use items of one type, or dict",
    ),
    ("int", "'int' is not a type; annotate with a type"),
]


@pytest.mark.parametrize(("python_type", "expected"), BAD_TYPES)
def test_says_what_to_use_instead(python_type, expected):
    with pytest.raises(LimosaError) as caught:
        literal_type(python_type)
    assert str(caught.value) == expected
