"""Phases of runs, nodes (and items of maps) and launches, with their legal transitions.

The numbers are those of the IDL. `docs/engine-phases.md` is drawn from these tables.
"""

import enum

from limosa_idl.run.v1alpha1 import run_pb2 as pb


class RunPhase(enum.IntEnum):
    """Phase of a run."""

    QUEUED = pb.RUN_PHASE_QUEUED
    RUNNING = pb.RUN_PHASE_RUNNING
    FAILING = pb.RUN_PHASE_FAILING
    ABORTING = pb.RUN_PHASE_ABORTING
    SUCCEEDED = pb.RUN_PHASE_SUCCEEDED
    FAILED = pb.RUN_PHASE_FAILED
    ABORTED = pb.RUN_PHASE_ABORTED
    PARKED = pb.RUN_PHASE_PARKED
    """How a run is shown that is RUNNING or FAILING and parked (`State.shown_phase`); no state is ever in it."""


class NodePhase(enum.IntEnum):
    """Phase of a node, and of each item of a map."""

    WAITING = pb.NODE_PHASE_WAITING
    QUEUED = pb.NODE_PHASE_QUEUED
    RUNNING = pb.NODE_PHASE_RUNNING
    RETRYING = pb.NODE_PHASE_RETRYING
    SUCCEEDED = pb.NODE_PHASE_SUCCEEDED
    FAILED = pb.NODE_PHASE_FAILED
    SKIPPED = pb.NODE_PHASE_SKIPPED
    ABORTED = pb.NODE_PHASE_ABORTED


class LaunchPhase(enum.IntEnum):
    """Phase of a launch."""

    CREATING = pb.LAUNCH_PHASE_CREATING
    PENDING = pb.LAUNCH_PHASE_PENDING
    RUNNING = pb.LAUNCH_PHASE_RUNNING
    SUCCEEDED = pb.LAUNCH_PHASE_SUCCEEDED
    FAILED = pb.LAUNCH_PHASE_FAILED
    ABORTED = pb.LAUNCH_PHASE_ABORTED
    SUPERSEDED = pb.LAUNCH_PHASE_SUPERSEDED


_R, _N, _L = RunPhase, NodePhase, LaunchPhase

RUN_TRANSITIONS: dict[RunPhase, frozenset[RunPhase]] = {
    _R.QUEUED: frozenset({_R.RUNNING, _R.FAILED, _R.ABORTING}),
    _R.RUNNING: frozenset({_R.SUCCEEDED, _R.FAILING, _R.ABORTING}),
    _R.FAILING: frozenset({_R.FAILED, _R.ABORTING}),
    _R.ABORTING: frozenset({_R.ABORTED}),
    _R.SUCCEEDED: frozenset(),
    _R.FAILED: frozenset(),
    _R.ABORTED: frozenset(),
}

NODE_TRANSITIONS: dict[NodePhase, frozenset[NodePhase]] = {
    _N.WAITING: frozenset({_N.QUEUED, _N.SKIPPED, _N.ABORTED}),
    # To SUCCEEDED: an empty map, or a commit found before the first launch. To FAILED: inputs that cannot be made.
    _N.QUEUED: frozenset({_N.RUNNING, _N.SUCCEEDED, _N.FAILED, _N.ABORTED}),
    # To QUEUED: the pod was rejected for now (quota), nothing ran.
    _N.RUNNING: frozenset({_N.QUEUED, _N.RETRYING, _N.SUCCEEDED, _N.FAILED, _N.ABORTED}),
    # To FAILED: the node's deadline.
    _N.RETRYING: frozenset({_N.QUEUED, _N.FAILED, _N.ABORTED}),
    _N.SUCCEEDED: frozenset(),
    _N.FAILED: frozenset(),
    _N.SKIPPED: frozenset(),
    _N.ABORTED: frozenset(),
}

_ENDS = frozenset({_L.SUCCEEDED, _L.FAILED, _L.ABORTED, _L.SUPERSEDED})

LAUNCH_TRANSITIONS: dict[LaunchPhase, frozenset[LaunchPhase]] = {
    _L.CREATING: frozenset({_L.PENDING, _L.RUNNING}) | _ENDS,
    _L.PENDING: frozenset({_L.RUNNING}) | _ENDS,
    _L.RUNNING: _ENDS,
    _L.SUCCEEDED: frozenset(),
    _L.FAILED: frozenset(),
    _L.ABORTED: frozenset(),
    _L.SUPERSEDED: frozenset(),
}

RUN_TERMINAL = frozenset({_R.SUCCEEDED, _R.FAILED, _R.ABORTED})
NODE_TERMINAL = frozenset({_N.SUCCEEDED, _N.FAILED, _N.SKIPPED, _N.ABORTED})
LAUNCH_TERMINAL = _ENDS
