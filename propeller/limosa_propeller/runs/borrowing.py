"""Commits of other runs that stand in for launches: found, examined, made this run's own."""

from collections.abc import Iterator

from limosa_idl.run.v1alpha1.run_pb2 import Commit, Origin
from limosa_model import layout
from limosa_model.references import references
from limosa_propeller.runs import bounded
from limosa_propeller.runs.bounded import CorruptError
from limosa_propeller.runs.opening import OpenedRun
from limosa_store.errors import ErrorCode, StoreError
from limosa_store.store import Store

MOST_CHECKED = 64
"""Objects a result refers to whose existence is checked; of more, these are taken for all."""


def commit_of_other(store: Store, run: OpenedRun, key: str | None) -> Commit | None:
    """The commit that another run of the project and domain has at a key; None where there is none.

    Raises:
        StoreError: The store gave no answer.
        CorruptError, DecodeError: It lies elsewhere, or is no commit.
    """
    tenant = layout.project_prefix(run.spec.project, run.spec.domain)
    if key is None or not key.startswith(f"{tenant}/runs/"):
        raise CorruptError(f"{key} lies outside the runs of the run's project and domain")
    try:
        return Commit.FromString(bounded.get(store, key, bounded.COMMIT_BYTES, Commit))
    except StoreError as error:
        if error.code is ErrorCode.NOT_FOUND:
            return None
        raise


def taken_over(run: OpenedRun, commit: Commit, origin: "Origin.ValueType", whose: str) -> Commit:
    """Another run's commit as one of this run; `whose` is that run's name, unless the commit was taken over itself."""
    made = Commit()
    made.CopyFrom(commit)
    made.run_uid, made.launch_id = run.spec.run_uid, ""
    made.epoch.CopyFrom(run.epoch)
    made.origin = origin
    made.origin_run = commit.origin_run or whose
    made.committed_at.GetCurrentTime()
    return made


def is_whole(store: Store, commit: Commit) -> bool:
    """Whether what a commit refers to is still there."""
    checked: set[str] = set()
    for uri, folder in _references(commit):
        if uri in checked:
            continue
        checked.add(uri)
        if len(checked) > MOST_CHECKED:
            return True
        key = store.key(uri)
        if key is None:
            # Data of the author's own, elsewhere: not ours to look for.
            continue
        present = next(iter(store.list(key)), None) if folder else store.head(key)
        if present is None:
            return False
    return True


def _references(commit: Commit) -> Iterator[tuple[str, bool]]:
    """URIs of what a commit refers to, and whether each is a folder."""
    if commit.WhichOneof("graph") == "graph_offloaded":
        yield commit.graph_offloaded.uri, False
    if commit.WhichOneof("outputs") == "offloaded":
        yield commit.offloaded.uri, False
        return
    yield from references(commit.inline.literals.values())
