"""What stands in for an API server and a store where operators die: it answers as the real ones do."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from propeller_rig import NAMESPACE, Cluster, chain, local_run

from limosa_model.values import integer
from limosa_propeller.kube.connection import Connection
from limosa_propeller.kube.errors import ApiError
from limosa_propeller.kube.verbs import PODS, Verbs
from limosa_propeller.runs.services import RUNS
from limosa_store import Store, StoreError, StoreSettings, open_store

sys.path.insert(0, str(Path(__file__).parents[2] / "unit" / "propeller"))

from memory_api import MemoryApi
from memory_store import MemoryStore


class Immediate:
    """The fake, asked as `Verbs` are."""

    def __init__(self, api: MemoryApi) -> None:
        self._api = api

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        async def call(resource: Any, namespace: str | None, *rest: Any) -> Any:
            return getattr(self._api, verb)(resource, *rest)

        return call


async def ask(answers: list[Any], coroutine: Any, pick: Callable[[Any], Any] = lambda answer: None) -> Any:
    """Notes what a verb answers: an error's status and reason, or what `pick` takes of the object."""
    try:
        answer = await coroutine
    except ApiError as error:
        answers.append((error.status, error.reason))
        return None
    answers.append(pick(answer))
    return answer


def pod_of(run: dict[str, Any], name: str) -> dict[str, Any]:
    owner = {"apiVersion": run["apiVersion"], "kind": run["kind"], "name": "r", "uid": run["metadata"]["uid"]}
    spec = {"containers": [{"name": "task", "image": "i"}], "restartPolicy": "Never"}
    metadata = {"name": name, "namespace": NAMESPACE, "labels": {"kept": name}, "ownerReferences": [owner]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


async def talk(verbs: Any) -> list[Any]:
    """Everything that the operator relies on, once."""
    said: list[Any] = []
    manifest = local_run("r", chain(1), {"x": integer(1)})
    run = await ask(said, verbs.create(RUNS, NAMESPACE, manifest), lambda one: one["metadata"]["generation"])
    uid = run["metadata"]["uid"]
    await ask(said, verbs.create(RUNS, NAMESPACE, manifest))
    await ask(said, verbs.get(RUNS, NAMESPACE, "none"))
    await ask(said, verbs.replace_status(RUNS, NAMESPACE, "r", uid, b'{"phase":"RUNNING"}'))
    await ask(said, verbs.replace_status(RUNS, NAMESPACE, "r", "another", b'{"phase":"FAILED"}'))
    await ask(said, verbs.replace_status(RUNS, NAMESPACE, "none", uid, b'{"phase":"FAILED"}'))
    told = await ask(said, verbs.get(RUNS, NAMESPACE, "r"), lambda one: one["status"]["phase"])
    said.append((told["metadata"]["generation"], int(told["metadata"]["resourceVersion"]) > 0))
    for number in range(3):
        pod = pod_of(run, f"p{number}")
        made = await ask(said, verbs.create(PODS, NAMESPACE, pod), sorted)
    await ask(said, verbs.delete(PODS, NAMESPACE, "p0", made["metadata"]["uid"]))
    await ask(said, verbs.delete(PODS, NAMESPACE, "p2", made["metadata"]["uid"]))
    await ask(said, verbs.delete(PODS, NAMESPACE, "p2", made["metadata"]["uid"]))
    pods, version = await verbs.list(PODS, NAMESPACE)
    versions = [int(pod["metadata"]["resourceVersion"]) for pod in pods]
    said.append((sorted(pod["metadata"]["name"] for pod in pods), int(version) >= max(versions)))
    await ask(said, verbs.delete_collection(PODS, NAMESPACE, "kept in (p0,p7)"))
    pods, _ = await verbs.list(PODS, NAMESPACE)
    said.append([pod["metadata"]["name"] for pod in pods])
    patch = {"metadata": {"uid": uid}, "spec": {"desired": "ABORT"}}
    await ask(said, verbs.merge(RUNS, NAMESPACE, "r", patch), lambda one: one["metadata"]["generation"])
    patch["metadata"] = {"uid": "another"}
    await ask(said, verbs.merge(RUNS, NAMESPACE, "r", patch), lambda one: one["metadata"]["generation"])
    await ask(said, verbs.delete(RUNS, NAMESPACE, "r", uid))
    await ask(said, verbs.get(RUNS, NAMESPACE, "r"))
    for _ in range(500):
        pods, _ = await verbs.list(PODS, NAMESPACE)
        if not pods:
            return said
        await asyncio.sleep(0.02)
    raise AssertionError("pods outlive their owner")


async def test_an_api_server_of_dictionaries_answers_as_a_real_one(still_cluster: Cluster) -> None:
    connection = Connection(str(still_cluster.kubeconfig))
    try:
        real = await talk(Verbs(connection, lambda: True, in_flight=4))
    finally:
        await connection.close()
    assert await talk(Immediate(MemoryApi())) == real


@pytest.mark.parametrize("kind", ["memory", "directory"])
def test_a_store_of_dictionaries_answers_as_a_directory(kind: str, tmp_path: Path) -> None:
    store: Any = MemoryStore({}) if kind == "memory" else open_store(StoreSettings(url=f"file://{tmp_path}"))
    assert _told(store) == [
        True,
        False,
        b"1",
        b"1",
        "a/b",
        ["a/b", "a/c"],
        ["a/c"],
        None,
        "NOT_FOUND",
        "a/c",
        None,
    ]


def _told(store: Store) -> list[Any]:
    first = store.put_if_absent("a/b", b"1"), store.put_if_absent("a/b", b"22")
    store.put("a/c", b"1")
    head = store.head("a/b")
    assert head is not None
    try:
        missing = str(store.get("none"))
    except StoreError as error:
        missing = error.code.name
    return [
        *first,
        store.get("a/b"),
        store.get("a/c", limit=1),
        head.key,
        [info.key for info in store.list("a")],
        [info.key for info in store.list("a", start_after="a/b")],
        store.head("none"),
        missing,
        store.key(store.uri("a/c")),
        store.key("s3://elsewhere/a"),
    ]
