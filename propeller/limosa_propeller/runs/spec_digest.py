"""The part of a WorkflowRun's spec that may not change under a run."""

import hashlib
from typing import Any

import orjson

_MAY_CHANGE = frozenset({"desired", "abortReason"})


def spec_digest(manifest: dict[str, Any]) -> str:
    """sha256 (hex) over everything in `spec` that a run rests on."""
    fixed = {key: value for key, value in manifest.get("spec", {}).items() if key not in _MAY_CHANGE}
    return hashlib.sha256(orjson.dumps(fixed, option=orjson.OPT_SORT_KEYS)).hexdigest()
