"""Which node a person means: by its path, or by the name the tree shows."""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from limosa.errors import LimosaError
from limosa_idl.admin.v1alpha1.admin_pb2 import RunDetail
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure, Node
from limosa_model.graph import Index, inside, scope_nodes
from limosa_model.made_graphs import made_graphs as graphs_of

_LISTED = 12
_PATH_LIKE = re.compile(r"n\d+(/\w+)*")
"""Paths of nodes: the compiler numbers those of a workflow."""


class Runs(Protocol):
    """Knows runs by name."""

    def get_run(self, name: str) -> RunDetail:
        """A run with its graph and latest snapshots. Raises LimosaError where it is not there."""
        ...


def node_path(source: Runs, run: str, node: str, index: int | None) -> str:
    """The path of a node of a run; empty where none was named.

    Raises:
        LimosaError: The run has no such node, several of that name, or the node no such item.
        RemoteError: The run is not there.
    """
    if not node:
        if index is not None:
            raise LimosaError(
                "NodeMissing", "--index needs the map node it belongs to", run, "name the node too"
            )
        return ""
    detail = source.get_run(run)
    found = path_of(detail.closure, detail, node)
    if index is not None:
        _check_item(detail, found, index)
    return found


def path_of(closure: Closure, detail: RunDetail, name: str) -> str:
    """The path of a node that a person names. See `node_of`."""
    return node_of(closure, detail, name)[0]


def node_of(
    closure: Closure, detail: RunDetail, name: str, meant: Callable[[Node], bool] = lambda _: True
) -> tuple[str, Node]:
    """Path and node of a node that a person names by path or name.

    Args:
        closure: The graph that has the node: the run's, or another one to go on with.
        detail: The run; what its dynamic nodes made counts too.
        name: Path or name.
        meant: Holds for nodes that can be meant; where one of several that are called so is, it is that one.

    Raises:
        LimosaError: There is no such node, or several are called so.
    """
    nodes = _nodes(closure, detail)
    known = _names(nodes)
    found = _called(known, name)
    found = [path for path in found if meant(nodes[path])] or found
    if not found:
        remedy = _listed(known, list(known))
        raise LimosaError("UnknownNode", f"there is no node '{name}'", detail.run.name, remedy)
    if len(found) > 1:
        paths = ", ".join(f"{path} ({target_words(nodes[path])})" for path in found[:_LISTED])
        remedy = f"say which by its path: {paths}" + ("" if len(found) <= _LISTED else ", …")
        raise LimosaError("UnknownNode", f"several nodes are called '{name}'", detail.run.name, remedy)
    return found[0], nodes[found[0]]


def target_words(node: Node) -> str:
    """What kind of node it is, for people: "launch plan"."""
    return (node.WhichOneof("target") or "empty").replace("_", " ")


def _listed(known: Mapping[str, str], paths: Sequence[str]) -> str:
    listed = ", ".join(f"{path} {known[path]}" for path in paths[:_LISTED])
    return f"its nodes are {listed}" + ("" if len(paths) <= _LISTED else ", …")


def is_node(source: Runs, run: str, node: str) -> bool:
    """Whether a run has a node of this path or name. Raises RemoteError where the run is not there."""
    detail = source.get_run(run)
    return bool(_called(_names(_nodes(detail.closure, detail)), node))


def refuse_node_like(source: Runs, run: str, word: str) -> None:
    """Refuses a word for a directory that is rather a node's path or name, mistyped.

    Raises:
        LimosaError: The word is written as paths of nodes are, or is close to a node's name.
        RemoteError: The run is not there.
    """
    detail = source.get_run(run)
    known = _names(_nodes(detail.closure, detail))
    close = difflib.get_close_matches(word, [*known, *known.values()], n=1, cutoff=0.75)
    if not close and not _PATH_LIKE.fullmatch(word):
        return
    hint = f"did you mean {close[0]}?" if close else _listed(known, list(known)) + "."
    remedy = f"{hint} To download into a directory of that name, write ./{word}"
    raise LimosaError("UnknownNode", f"there is no node '{word}'", run, remedy)


def check_attempt(source: Runs, run: str, node: str, index: int | None, attempt: int) -> None:
    """Refuses an attempt that is known not to exist.

    Args:
        source: Has the run.
        run: The run's name.
        node: Path of a node; empty for all of them.
        index: Item of a map node; None for all of them.
        attempt: From 1.

    Raises:
        LimosaError: No node item in question had that many attempts.
        RemoteError: The run is not there.
    """
    most = 0
    for one in source.get_run(run).snapshots:
        if node and one.key.node_path != node:
            continue
        state = one.WhichOneof("state")
        if state == "node":
            most = max(most, one.node.launches)
        elif state == "launch" and index in (None, one.key.index):
            most = max(most, one.key.launch + 1)
    if 0 < most < attempt:
        place = " ".join(part for part in (run, node) if part)
        had = "there was one" if most == 1 else f"there were {most}"
        raise LimosaError("UnknownAttempt", f"there is no attempt {attempt}", place, had)


def _check_item(detail: RunDetail, path: str, index: int) -> None:
    states = [s.node for s in detail.snapshots if s.key.node_path == path and not s.key.HasField("index")]
    items = next((state.items for state in states if state.items), None)
    place = f"{detail.run.name} {path}"
    if states and states[0].kind and states[0].kind != "map":
        raise LimosaError("UnknownItem", "it is no map, so it has no items", place, "leave out --index")
    if items is not None and index >= items:
        raise LimosaError(
            "UnknownItem", f"there is no item {index}", place, f"its items are 0 to {items - 1}"
        )


def made_graphs(detail: RunDetail) -> dict[str, Closure]:
    """What lies below dynamic and eager nodes of a run, by the node's path."""
    return graphs_of((one.key.node_path, one.node) for one in detail.snapshots if one.HasField("node"))


def _nodes(closure: Closure, detail: RunDetail) -> dict[str, Node]:
    """The nodes of a run, by their paths."""
    if not closure.workflows:
        return {}
    graph = Index(closure)
    return dict(_walk(graph, scope_nodes(graph.entry), "", made_graphs(detail)))


def _names(nodes: Mapping[str, Node]) -> dict[str, str]:
    return {path: node.display_name or node.id for path, node in nodes.items()}


def _called(known: Mapping[str, str], node: str) -> list[str]:
    if node in known:
        return [node]
    named = [path for path, name in known.items() if name == node]
    # Trees show the last part of a path.
    return named or [path for path in known if path.rpartition("/")[2] == node]


def _walk(
    graph: Index, nodes: Iterable[Node], prefix: str, made: Mapping[str, Closure]
) -> Iterator[tuple[str, Node]]:
    for node in nodes:
        path = prefix + node.id
        yield path, node
        yield from _walk(*inside(graph, node, made.get(path)), path + "/", made)
