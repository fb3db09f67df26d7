"""Why a resumed run launched a node, or reused a result: its snapshots beside those of the run that it goes on from."""

from limosa_idl.admin.v1alpha1.admin_pb2 import RunDetail
from limosa_idl.run.v1alpha1 import run_pb2 as pb

_DID_NOT = {pb.NODE_PHASE_FAILED: "it failed there", pb.NODE_PHASE_ABORTED: "it was aborted there"}


def why_reused_or_not(detail: RunDetail, earlier: RunDetail | None, path: str, index: int | None) -> str:
    """A sentence about a node or item of a resumed run; empty where there is nothing to tell.

    Args:
        detail: The run.
        earlier: The run that it goes on from; None where that was deleted.
        path: Of the node.
        index: Of an item of a map; None for the node itself.
    """
    name, state = detail.run.resumed_from, _state(detail, path, index)
    if not name or state is None:
        return ""
    if state.origin == pb.ORIGIN_REUSE:
        return f"reused: in run {state.origin_run or name} the same task had the same inputs"
    if state.items:
        reused = sum(
            one.node.origin == pb.ORIGIN_REUSE
            for one in detail.snapshots
            if one.key.node_path == path and one.key.HasField("index")
        )
        return f"{reused} of its {state.items} items are reused from run {name}"
    return "" if not state.launches else f"launched: {_why_launched(name, earlier, state, path, index)}"


def _why_launched(
    name: str, earlier: RunDetail | None, state: pb.NodeState, path: str, index: int | None
) -> str:
    if earlier is None:
        return f"run {name} is not there any more, so that nothing of it could be reused"
    before = _state(earlier, path, index)
    if before is None or before.phase not in (pb.NODE_PHASE_SUCCEEDED, *_DID_NOT):
        return f"run {name} has no result of it, because it did not run there"
    if before.phase in _DID_NOT:
        return f"run {name} has no result of it, because {_DID_NOT[before.phase]}"
    if before.target != state.target:
        return f"in run {name} {before.target} stood there"
    return f"run {name} has a result of it, for other inputs; or --from asked for it, or for one before it"


def _state(detail: RunDetail, path: str, index: int | None) -> pb.NodeState | None:
    for one in detail.snapshots:
        key = one.key
        if (
            one.HasField("node")
            and (key.node_path, key.index if key.HasField("index") else None) == (path, index)
        ):  # fmt: skip
            return one.node
    return None
