"""The store layout: where everything of one project-domain lies.

Keys are relative to the root of the store, without a leading slash (their URIs: `limosa_store.uris`). The run prefix
carries the run's uid, so that a name used again never meets old results.
"""

from typing import NamedTuple


def project_prefix(project: str, domain: str) -> str:
    """Everything of one project-domain lies below it."""
    return f"{project}/{domain}"


def code_key(project: str, domain: str, digest: str) -> str:
    """A code bundle, by the sha256 (hex) of the uncompressed tar."""
    return f"{project}/{domain}/code/{digest}.tar.gz"


def wheel_key(project: str, domain: str, digest: str) -> str:
    """A wheel of a task's packages, by its sha256 (hex). Pods that may read code may read it."""
    return f"{project}/{domain}/code/wheels/{digest}.whl"


def package_lock_key(project: str, domain: str, digest: str) -> str:
    """A lock of a task's packages, by the sha256 (hex) of its text."""
    return f"{project}/{domain}/code/packages/{digest}.json"


def closure_key(project: str, domain: str, digest: str) -> str:
    """A serialised Closure, by its sha256 (hex)."""
    return f"{project}/{domain}/closures/{digest}.pb"


def upload_key(project: str, domain: str, digest: str, name: str) -> str:
    """A file a person uploaded as an input, by the sha256 (hex) of its content."""
    return f"{project}/{domain}/uploads/{digest}/{name}"


def run_prefix(project: str, domain: str, run: str, run_uid: str) -> str:
    """Everything a run leaves lies below it."""
    return f"{project}/{domain}/runs/{run}.{run_uid}"


class Maker(NamedTuple):
    """The run that an object belongs to."""

    prefix: str
    name: str
    uid: str

    def deletion(self, uri: str) -> str:
        """What is said of an object that went with the run."""
        return f"{uri} is gone: run '{self.name}', which made it, was deleted"


def run_of(key: str) -> Maker | None:
    """The run below whose prefix a key lies; None for what is no run's."""
    parts = key.split("/", 4)
    if len(parts) < 5 or parts[2] != "runs":
        return None
    name, _, uid = parts[3].rpartition(".")
    return Maker("/".join(parts[:4]), name, uid)


def outputs_key(prefix: str) -> str:
    """The run's outputs as a LiteralMap; only where they do not travel in a snapshot."""
    return f"{prefix}/outputs.pb"


def commit_key(prefix: str, node_path: str, index: int | None) -> str:
    """The one result of a node item.

    Every commit ends in `.pb`, which no node's id can: no commit is another's folder, as stores that keep keys as files
    ask for.
    """
    item = node_path if index is None else f"{node_path}/{index}"
    return f"{prefix}/commits/{item}.pb"


def calls_prefix(prefix: str, node_path: str) -> str:
    """Records of the calls that an eager node made, of those that eager nodes below it made, and their outcomes."""
    return f"{prefix}/calls/{node_path}/"


def call_key(prefix: str, node_path: str, call: str) -> str:
    """The record of one call that an eager node made."""
    return f"{calls_prefix(prefix, node_path)}{call}.pb"


def outcome_key(prefix: str, node_path: str, call: str) -> str:
    """How that call ended."""
    return f"{calls_prefix(prefix, node_path)}{call}.outcome.pb"


def launch_prefix(prefix: str, launch_id: str) -> str:
    """Everything one launch writes but its commit lies below it."""
    return f"{prefix}/launches/{launch_id}"


def inputs_key(prefix: str, launch_id: str) -> str:
    """Inputs of a launch that are too large for its pod spec."""
    return f"{launch_prefix(prefix, launch_id)}/inputs.pb"


def error_key(prefix: str, launch_id: str) -> str:
    """The ErrorRecord of a launch."""
    return f"{launch_prefix(prefix, launch_id)}/error.pb"


def data_prefix(prefix: str, launch_id: str) -> str:
    """Files, directories, frames and offloaded literals a launch wrote."""
    return f"{launch_prefix(prefix, launch_id)}/data"


def checkpoint_prefix(prefix: str, launch_id: str) -> str:
    """What the author's code of a launch keeps for the next one."""
    return f"{launch_prefix(prefix, launch_id)}/checkpoint"


def log_prefix(prefix: str, launch_id: str) -> str:
    """Log segments of a launch; their names sort in the order of writing."""
    return f"{launch_prefix(prefix, launch_id)}/log/"


def log_key(prefix: str, launch_id: str, segment: int) -> str:
    """One log segment, numbered from 0."""
    return f"{log_prefix(prefix, launch_id)}{segment:08d}"
