"""What a function refers to in its project, as source text: constants, functions and classes at the top level of modules.

Read from the files alone, not from what is in memory: the same source has the same text wherever and whenever it is compiled.
"""

import ast
import functools
import os
import textwrap
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from limosa.origin import module_name, source_root

_Dotted = tuple[str, ...]


class _Binding(NamedTuple):
    """A statement that gives a name its value, or changes it."""

    text: str
    used: frozenset[_Dotted]
    """Names that it reads, with the attributes asked of them."""
    is_entity: bool
    """It is a function that one of ours decorates."""


class _Module(NamedTuple):
    """One file of the project."""

    bound: dict[str, list[_Binding]]
    """What gives a name its value, or changes it, while the module is imported."""
    imported: dict[str, str]
    """By name, what it stands for: a module, or a name of one ("lib.rates", "lib.rates.RATE")."""


def referred_source(function: Any) -> list[str]:
    """Texts of what a function of a module's top level refers to, and of what that refers to; sorted.

    What lies outside of its source root is no part of it, nor are tasks and workflows: they are compared by themselves.
    """
    file = os.path.abspath(function.__code__.co_filename)
    if function.__qualname__ != function.__name__ or not os.path.isfile(file):
        return []
    root, first = source_root(file), (file, function.__name__)
    texts: set[str] = set()
    seen: set[tuple[str, str]] = set()
    waiting = [first]
    while waiting:
        place = path, name = waiting.pop()
        if place in seen:
            continue
        seen.add(place)
        module = _module(path, root)
        for binding in module.bound.get(name, ()):
            if place != first and binding.is_entity:
                continue
            if place != first:
                texts.add(binding.text)
            waiting += (_imported(used, module, root) or (path, used[0]) for used in binding.used)
        if name in module.imported:
            waiting += filter(None, [_imported((name,), module, root)])  # handed on by the module
    return sorted(texts)


def _imported(used: _Dotted, module: _Module, root: str) -> tuple[str, str] | None:
    """The file of the project that an imported name leads to, and the name there; None where it leads to none."""
    if used[0] not in module.imported:
        return None
    parts = [*module.imported[used[0]].split("."), *used[1:]]
    for length in range(len(parts) - 1, 0, -1):
        file = _file(parts[:length], root)
        if file:
            return file, parts[length]
    return None


def _file(parts: list[str], root: str) -> str:
    """The file of a module of the project; empty where it is none of it."""
    base = os.path.join(root, *parts)
    return next((one for one in (f"{base}.py", os.path.join(base, "__init__.py")) if os.path.isfile(one)), "")


def _module(path: str, root: str) -> _Module:
    stat = os.stat(path)
    return _parsed(path, root, stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=256)
def _parsed(path: str, root: str, _changed: int, _size: int) -> _Module:
    with tokenize.open(path) as stream:
        source = stream.read()
    name = module_name(path, root)
    package = name if os.path.basename(path) == "__init__.py" else name.rpartition(".")[0]
    tree, lines, bound = ast.parse(source), source.split("\n"), dict[str, list[_Binding]]()
    # Those within functions too: what is imported late is used all the same.
    imported = dict(one for node in ast.walk(tree) for one in _imports(node, package))
    for statement in _statements(tree.body):
        for target in _bound(statement):
            one = _Binding(_text(statement, lines), _used(statement), _is_entity(statement, imported))
            bound.setdefault(target, []).append(one)
    return _Module(bound, imported)


def _imports(node: ast.AST, package: str) -> Iterator[tuple[str, str]]:
    """Names that an import binds, and what they stand for."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            top = alias.name.partition(".")[0]  # all that `import a.b` binds is "a"
            yield (alias.asname, alias.name) if alias.asname else (top, top)
    elif isinstance(node, ast.ImportFrom):
        around = package.split(".") if node.level else []
        start = [*around[: len(around) + 1 - node.level], *(node.module or "").split(".")]
        for alias in node.names:
            yield alias.asname or alias.name, ".".join([*filter(None, start), alias.name])


def _statements(body: Iterable[ast.AST]) -> Iterator[ast.stmt]:
    """Those that run when the module is imported, without those that only hold others."""
    for statement in body:
        if isinstance(statement, (ast.If, ast.Try, ast.With, ast.For, ast.While, ast.ExceptHandler)):
            yield from _statements(ast.iter_child_nodes(statement))
        elif isinstance(statement, ast.stmt):
            yield statement


def _bound(statement: ast.stmt) -> Iterator[str]:
    """Names that a statement binds, or whose values it changes: X = …, X[…] = …, X.append(…)."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield statement.name
    elif isinstance(statement, ast.Assign):
        for target in statement.targets:
            yield from _targets(target)
    elif isinstance(statement, (ast.AnnAssign, ast.AugAssign)):
        yield from _targets(statement.target)
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        yield from _targets(getattr(statement.value.func, "value", ast.Constant(None)))


def _targets(target: ast.expr) -> Iterator[str]:
    while isinstance(target, (ast.Attribute, ast.Subscript, ast.Starred)):
        target = target.value
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, (ast.Tuple, ast.List)):
        for one in target.elts:
            yield from _targets(one)


def _used(statement: ast.stmt) -> frozenset[_Dotted]:
    """What a statement reads; its own variables are no part of it."""
    own = {node.arg for node in ast.walk(statement) if isinstance(node, ast.arg)}
    if not isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        own |= {one.id for one in ast.walk(statement) if isinstance(one, ast.Name) and _is_stored(one)}
        own -= {name for node in ast.walk(statement) if isinstance(node, ast.Global) for name in node.names}
    dotted = {_dotted(node) for node in ast.walk(statement) if isinstance(node, (ast.Name, ast.Attribute))}
    return frozenset(used for used in dotted if used and used[0] not in own)


def _is_stored(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Store)


def _dotted(node: ast.expr) -> _Dotted:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.insert(0, node.attr)
        node = node.value
    return (node.id, *parts) if isinstance(node, ast.Name) else ()


def _is_entity(statement: ast.stmt, imported: Mapping[str, str]) -> bool:
    decorators = getattr(statement, "decorator_list", [])
    names = (_dotted(one.func if isinstance(one, ast.Call) else one) for one in decorators)
    return any(imported.get(name[0], "").partition(".")[0] == "limosa" for name in names if name)


def _text(statement: ast.stmt, lines: list[str]) -> str:
    first = min([statement.lineno, *(one.lineno for one in getattr(statement, "decorator_list", []))])
    return textwrap.dedent("\n".join(lines[first - 1 : statement.end_lineno])).rstrip()
