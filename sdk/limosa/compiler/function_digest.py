"""What a function does, as a digest: unmoved by comments, blank lines and where in the file it stands."""

import hashlib
from types import CodeType
from typing import Any


def function_digest(function: Any) -> str:
    """sha256 (hex) over the instructions, names and constants of a function and of those inside it.

    Equal under one minor version of Python as long as the function is. What it calls elsewhere is not part of it.
    """
    digest = hashlib.sha256()
    _add(digest, function.__code__)
    return digest.hexdigest()


def _add(digest: Any, code: CodeType) -> None:
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    digest.update(code.co_code)
    digest.update(repr((code.co_argcount, code.co_kwonlyargcount, code.co_flags, names)).encode())
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _add(digest, constant)
        elif isinstance(constant, frozenset):
            # The one kind of constant whose order differs from process to process.
            digest.update(repr(sorted(map(repr, constant))).encode())
        else:
            digest.update(repr(constant).encode())
