"""Names: what is legal, what is derived from what."""

import hashlib
import itertools
import re
import uuid
from collections.abc import Iterable

from limosa_idl.run.v1alpha1.run_pb2 import Epoch

GROUP = "limosa.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "WorkflowRun"
PLURAL = "workflowruns"
SHORT_NAME = "wfr"

LABEL_RUN = f"{GROUP}/run"
LABEL_NODE = f"{GROUP}/node"
LABEL_SHARD = f"{GROUP}/shard"
"""Of runs and pods where several operators share a cluster: whose they are, see `shard_label`."""
LABEL_PROJECT = f"{GROUP}/project"
LABEL_DOMAIN = f"{GROUP}/domain"
LABEL_LAUNCH = f"{GROUP}/launch-id"
"""The launch id; pods that are over are removed by it, many with one request."""
TASK_SECRET_LABEL = f"{GROUP}/task-secret"
"""A Secret must carry this label with value "true" before a task may use it."""
SECRET_WAIT_S = 30.0
"""How long a pod waits for a Secret, or a key of one, that is not there."""
STORAGE_SECRET = "limosa-storage"
"""Secret of a run's namespace whose keys are the storage environment of its pods."""

ANNOTATION_RUN_UID = f"{GROUP}/run-uid"
ANNOTATION_NODE_PATH = f"{GROUP}/node-path"
ANNOTATION_INDEX = f"{GROUP}/index"
ANNOTATION_EPOCH = f"{GROUP}/epoch"
ANNOTATION_LAUNCH = f"{GROUP}/launch"
ANNOTATION_LAUNCH_ID = f"{GROUP}/launch-id"
ANNOTATION_INPUT_DIGEST = f"{GROUP}/input-digest"
ANNOTATION_EAGER_DEPTH = f"{GROUP}/eager-depth"
"""Only pods of eager nodes have it: how many eager and dynamic nodes are around it, itself included."""
ANNOTATION_SANDBOX_PYTHON = f"{GROUP}/sandbox-python"
"""Absolute path of the interpreter that submitted the run; only the embedded cluster reads it."""

DOMAINS = ("development", "staging", "production")
DEFAULT_PROJECT = "demo"
DEFAULT_DOMAIN = "development"

_RULES: dict[str, tuple[re.Pattern[str], str]] = {
    "project": (
        re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?"),
        "1–32 of a-z, 0-9 and '-', no '-' at either end",
    ),
    "domain": (
        re.compile(r"[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?"),
        "1–20 of a-z, 0-9 and '-', no '-' at either end",
    ),
    "run": (
        re.compile(r"[a-z]([a-z0-9-]{0,48}[a-z0-9])?"),
        "1–50 of a-z, 0-9 and '-', a letter first, no '-' last",
    ),
    "version": (re.compile(r"[A-Za-z0-9._-]{1,64}"), "1–64 of letters, digits, '.', '_' and '-'"),
    "entity": (
        re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)*"),
        "identifiers joined by '.', such as 'house.train'",
    ),
    "node": (re.compile(r"[a-z0-9][a-z0-9-]{0,39}"), "1–40 of a-z, 0-9 and '-', no '-' first"),
    "variable": (re.compile(r"[A-Za-z_][A-Za-z0-9_]*"), "a Python identifier"),
}

_SLIP = 0.86
"""Least likeness of a name and its slip: two of fifteen characters are wrong at most."""
_ADJECTIVES = [
    "amber",
    "bold",
    "brisk",
    "calm",
    "clear",
    "coral",
    "crisp",
    "dapper",
    "deft",
    "eager",
    "early",
    "fleet",
    "fond",
    "gentle",
    "glad",
    "golden",
    "grand",
    "happy",
    "hardy",
    "keen",
    "kind",
    "lively",
    "lucid",
    "mellow",
    "mild",
    "misty",
    "neat",
    "nimble",
    "noble",
    "placid",
    "plucky",
    "proud",
    "quick",
    "quiet",
    "rapid",
    "rosy",
    "sharp",
    "shy",
    "silver",
    "sleek",
    "smooth",
    "snug",
    "solid",
    "spry",
    "steady",
    "still",
    "sunny",
    "swift",
    "tidy",
    "true",
    "vivid",
    "warm",
    "wise",
    "witty",
]
_BIRDS = [
    "avocet",
    "bittern",
    "brant",
    "bunting",
    "condor",
    "coot",
    "crane",
    "curlew",
    "dipper",
    "dunlin",
    "eider",
    "egret",
    "falcon",
    "finch",
    "gannet",
    "godwit",
    "grebe",
    "gull",
    "harrier",
    "heron",
    "hobby",
    "hoopoe",
    "ibis",
    "jay",
    "kestrel",
    "kite",
    "knot",
    "lapwing",
    "lark",
    "linnet",
    "loon",
    "martin",
    "merlin",
    "osprey",
    "ouzel",
    "owl",
    "petrel",
    "pipit",
    "plover",
    "puffin",
    "quail",
    "rail",
    "raven",
    "robin",
    "ruff",
    "shrike",
    "siskin",
    "snipe",
    "stilt",
    "stint",
    "stork",
    "swan",
    "swift",
    "teal",
    "tern",
    "thrush",
    "turnstone",
    "wagtail",
    "warbler",
    "whimbrel",
    "wren",
]


def check_name(kind: str, value: str) -> str | None:
    """Says what is wrong with a name, or None.

    Args:
        kind: "project", "domain", "run", "version", "entity", "node" or "variable".
        value: The name as given.
    """
    pattern, rule = _RULES[kind]
    if kind == "entity" and len(value) > 250:
        return f"{kind} name '{value[:40]}…' has {len(value)} characters; at most 250 are allowed"
    if pattern.fullmatch(value):
        return None
    return f"'{value}' is not a {kind} name: use {rule}"


def generate_run_name(entropy: bytes) -> str:
    """A readable run name such as "calm-heron-4f2a" out of at least four random bytes."""
    adjective = _ADJECTIVES[entropy[0] % len(_ADJECTIVES)]
    bird = _BIRDS[entropy[1] % len(_BIRDS)]
    return f"{adjective}-{bird}-{entropy[2:4].hex()}"


def mistyped_run(name: str, known: Iterable[str]) -> str:
    """The run that a name is a slip or the beginning of; empty where none is.

    Generated names share their words: those of which only a word is the same have nothing to do with each other.
    """
    import difflib

    runs = list(known)
    begun = [run for run in runs if name and run.startswith(name)]
    close = difflib.get_close_matches(name, runs, n=1, cutoff=_SLIP)
    return close[0] if close else begun[0] if len(begun) == 1 else ""


def namespace_of(project: str, domain: str) -> str:
    """The Kubernetes namespace of a project-domain."""
    return f"{project}-{domain}"


def format_epoch(epoch: Epoch) -> str:
    """Writes "generation.number", as annotations and pod environments carry it."""
    return f"{epoch.generation}.{epoch.number}"


def parse_epoch(text: str) -> Epoch:
    """Reads what `format_epoch` writes; raises ValueError on anything else."""
    generation, _, number = text.partition(".")
    return Epoch(generation=int(generation), number=int(number))


_PAIRS = tuple(a + b for a, b in itertools.product("abcdefghijklmnopqrstuvwxyz234567", repeat=2))


def _ten_characters(digest: bytes) -> str:
    """The first ten characters of a digest's lower-case base32; the standard library's takes four times as long."""
    bits = int.from_bytes(digest[:7], "big") >> 6
    pairs = _PAIRS
    return (
        pairs[bits >> 40]
        + pairs[bits >> 30 & 1023]
        + pairs[bits >> 20 & 1023]
        + pairs[bits >> 10 & 1023]
        + pairs[bits & 1023]
    )


def launch_id(run_uid: str, node_path: str, index: int | None, epoch: Epoch, launch: int) -> str:
    """Names one launch of one node item: ten lower-case base32 characters, the same on every computation."""
    parts = (run_uid, node_path, "" if index is None else str(index), format_epoch(epoch), str(launch))
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return _ten_characters(digest)


def shard_of(run_uid: str, shards: int) -> int:
    """Which of `shards` shares of a cluster's runs a run belongs to: 0 to `shards` - 1, the same on every computation."""
    return int.from_bytes(hashlib.sha256(run_uid.encode()).digest()[:8], "big") % shards


def shard_label(shard: int, shards: int) -> str:
    """Value of the label of what belongs to a shard; it says of how many, so that none is mistaken for another division's."""
    return f"{shard}-of-{shards}"


def child_run_uid(parent_uid: str, node_path: str) -> str:
    """Uid of the run that a node launches: the same on every computation, so that it is made once."""
    return str(uuid.UUID(bytes=_child_digest(parent_uid, node_path)[:16], version=5))


def child_run_name(parent_name: str, parent_uid: str, node_path: str) -> str:
    """Name of that run: at most 39 characters of the parent's, then ten lower-case base32 characters."""
    suffix = _ten_characters(_child_digest(parent_uid, node_path))
    return f"{parent_name[:39].rstrip('-')}-{suffix}"


def _child_digest(parent_uid: str, node_path: str) -> bytes:
    return hashlib.sha256("\0".join(("child", parent_uid, node_path)).encode()).digest()


def pod_name(run_name: str, launch: str) -> str:
    """Pod of a launch: at most 30 characters of the run's name, then the launch id."""
    return f"{run_name[:30].rstrip('-')}-{launch}"


def label_value(text: str) -> str:
    """The nearest legal Kubernetes label value (at most 63 characters; annotations hold the exact text)."""
    value = re.sub(r"[^A-Za-z0-9._-]", ".", text)
    if len(value) > 63:
        value = value[:52] + "-" + hashlib.sha256(text.encode()).hexdigest()[:10]
    return value.strip("._-")
