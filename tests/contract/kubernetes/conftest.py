"""One suite for every Kubernetes API server: the sandbox's by default, any other through LIMOSA_CONTRACT_KUBECONFIG."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import kubernetes
import pytest

TIMEOUT = 30.0


@dataclass(frozen=True)
class Answer:
    code: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def ok(self) -> Any:
        """Return the decoded body of a successful answer."""
        assert self.code < 300, (self.code, self.body[:2000])
        return self.json

    def refused(self, code: int, reason: str | None = None) -> Any:
        """Return the Status of a refusal with this code and reason."""
        assert self.code == code, (self.code, self.body[:2000])
        status = self.json
        assert status["kind"] == "Status"
        assert status["status"] == "Failure"
        assert status["code"] == code
        if reason is not None:
            assert status["reason"] == reason, status
        return status


class Stream:
    """Lines of a watch."""

    def __init__(self, response: Any) -> None:
        self._response = response
        self._lines = self._read()

    def _read(self) -> Iterator[Any]:
        rest = b""
        for piece in self._response.stream(65536):
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                if line.strip():
                    yield json.loads(line)

    def next(self) -> tuple[str, Any]:
        event = next(self._lines)
        return event["type"], event["object"]

    def rest(self) -> list[tuple[str, Any]]:
        """Return everything until the server ends the stream."""
        return [(event["type"], event["object"]) for event in self._lines]

    def until(self, type_: str, name: str) -> Any:
        """Return the object of the next event of this type and object name."""
        for event in self._lines:
            if event["type"] == type_ and event["object"]["metadata"].get("name") == name:
                return event["object"]
        raise AssertionError(f"the watch ended before {type_} {name}")

    def close(self) -> None:
        self._response.close()


class Cluster:
    """A plain HTTP client with the kubeconfig's address, certificates and token."""

    def __init__(self, kubeconfig: str) -> None:
        self.kubeconfig = kubeconfig
        self.client = kubernetes.config.new_client_from_config(kubeconfig)
        configuration = self.client.configuration
        self.address = configuration.host.rstrip("/")
        token = configuration.get_api_key_with_prefix(
            "authorization"
        ) or configuration.get_api_key_with_prefix("BearerToken")
        self._headers = {"authorization": token} if token else {}
        self._pool = self.client.rest_client.pool_manager

    def call(
        self, method: str, path: str, body: Any = None, *, media: str = "application/json", accept: str = "application/json",
        headers: dict[str, str] | None = None, **query: Any,
    ) -> Answer:  # fmt: skip
        response = self._request(method, path, body, media, accept, headers or {}, query, TIMEOUT)
        return Answer(response.status, dict(response.headers), response.data)

    def watch(
        self, path: str, *, accept: str = "application/json", timeout: int = 10, **query: Any
    ) -> Stream:
        query = {"watch": "true", "timeoutSeconds": timeout, **query}
        response = self._request("GET", path, None, "", accept, {}, query, TIMEOUT + timeout, stream=True)
        assert response.status == 200, response.read()
        return Stream(response)

    def _request(
        self, method: str, path: str, body: Any, media: str, accept: str, extra: dict[str, str], query: dict[str, Any],
        timeout: float, stream: bool = False,
    ) -> Any:  # fmt: skip
        headers = {**self._headers, "accept": accept, **extra}
        payload = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        if payload is not None:
            headers["content-type"] = media
        address = self.address + path + (f"?{urlencode(query)}" if query else "")
        return self._pool.request(
            method,
            address,
            body=payload,
            headers=headers,
            timeout=timeout,
            preload_content=not stream,
            retries=False,
        )

    def get(self, path: str, **query: Any) -> Any:
        return self.call("GET", path, **query).ok()

    def create(self, path: str, body: Any, **query: Any) -> Any:
        return self.call("POST", path, body, **query).ok()

    def replace(self, path: str, body: Any, **query: Any) -> Any:
        return self.call("PUT", path, body, **query).ok()

    def patch(self, path: str, body: Any, kind: str = "merge", **query: Any) -> Any:
        return self.try_patch(path, body, kind, **query).ok()

    def try_patch(self, path: str, body: Any, kind: str = "merge", **query: Any) -> Answer:
        media = {"merge": "merge-patch", "json": "json-patch", "strategic": "strategic-merge-patch"}[kind]
        return self.call("PATCH", path, body, media=f"application/{media}+json", **query)

    def delete(self, path: str, body: Any = None, **query: Any) -> Any:
        return self.call("DELETE", path, body, **query).ok()

    def gone(self, path: str) -> bool:
        return self.call("GET", path).code == 404


def _sandbox(folder: Path) -> tuple[subprocess.Popen[str], str]:
    command = [
        sys.executable,
        "-m",
        "limosa_sandbox.cluster",
        "--data",
        str(folder / "data"),
        "--kubeconfig",
        str(folder / "kubeconfig"),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, f"the server ended with status {process.wait()}"
    return process, json.loads(line)["kubeconfig"]


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    chosen = os.environ.get("LIMOSA_CONTRACT_KUBECONFIG")
    if chosen:
        yield chosen
        return
    process, path = _sandbox(tmp_path_factory.mktemp("cluster"))
    yield path
    process.terminate()
    process.wait(10)


@pytest.fixture(scope="session")
def cluster(kubeconfig: str) -> Cluster:
    return Cluster(kubeconfig)


@pytest.fixture(scope="session")
def eventually() -> Callable[[Callable[[], Any]], Any]:
    """Wait until a function returns something true, and return it."""

    def wait(check: Callable[[], Any]) -> Any:
        until = time.monotonic() + TIMEOUT
        while not (result := check()):
            assert time.monotonic() < until, "waited too long"
            time.sleep(0.05)
        return result

    return wait


def _new_namespace(cluster: Cluster, wait: Any) -> str:
    name = f"contract-{uuid.uuid4().hex[:10]}"
    cluster.create("/api/v1/namespaces", {"metadata": {"name": name}})
    # Pods are refused until the namespace has its service account.
    wait(lambda: not cluster.gone(f"/api/v1/namespaces/{name}/serviceaccounts/default"))
    return name


def _drop_namespace(cluster: Cluster, name: str) -> None:
    if not cluster.gone(f"/api/v1/namespaces/{name}"):
        cluster.call("DELETE", f"/api/v1/namespaces/{name}/pods", gracePeriodSeconds=0)
        cluster.call("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="module")
def namespace(cluster: Cluster, eventually: Any) -> Iterator[str]:
    name = _new_namespace(cluster, eventually)
    yield name
    _drop_namespace(cluster, name)


@pytest.fixture
def own_namespace(cluster: Cluster, eventually: Any) -> Iterator[str]:
    name = _new_namespace(cluster, eventually)
    yield name
    _drop_namespace(cluster, name)


@pytest.fixture(scope="module")
def base(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}"


@pytest.fixture
def new_name() -> Callable[[], str]:
    return lambda: f"n{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="session")
def pod() -> Callable[..., dict[str, Any]]:
    """Return a pod no scheduler takes, so that it stays where the test puts it."""

    def build(name: str, **spec: Any) -> dict[str, Any]:
        containers = [{"name": "main", "image": "example/none:1"}]
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": {"schedulerName": "nobody", "restartPolicy": "Never", "containers": containers, **spec},
        }

    return build


def _definition(group: str) -> dict[str, Any]:
    spec = {
        "type": "object",
        "required": ["size"],
        "properties": {
            "size": {"type": "integer", "minimum": 1, "maximum": 10},
            "color": {"type": "string", "enum": ["red", "green"], "default": "red"},
            "tag": {"type": "string", "pattern": "^a", "maxLength": 5},
            "parts": {
                "type": "array",
                "maxItems": 2,
                "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "on": {"type": "boolean", "default": True}}},
            },
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "either": {"x-kubernetes-int-or-string": True},
            "maybe": {"type": "string", "nullable": True},
        },
    }  # fmt: skip
    status = {"type": "object", "properties": {"phase": {"type": "string"}, "seen": {"type": "integer"}}}
    version = {
        "name": "v1alpha1",
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [
            {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
            {"name": "Phase", "type": "string", "jsonPath": ".status.phase", "priority": 1},
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        ],
        "schema": {
            "openAPIV3Schema": {
                "type": "object",
                "required": ["spec"],
                "properties": {"spec": spec, "status": status},
            }
        },
    }
    names = {
        "plural": "widgets",
        "singular": "widget",
        "kind": "Widget",
        "listKind": "WidgetList",
        "shortNames": ["wd"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
    }


@pytest.fixture(scope="session")
def definitions() -> str:
    return "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture(scope="session")
def new_definition() -> Callable[[], dict[str, Any]]:
    return lambda: _definition(f"t{uuid.uuid4().hex[:8]}.limosa.test")


@pytest.fixture(scope="session")
def establish(
    cluster: Cluster, definitions: str, eventually: Any
) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Create a definition, wait until it is served, and return it."""

    def create(definition: dict[str, Any]) -> dict[str, Any]:
        name = cluster.create(definitions, definition)["metadata"]["name"]

        def established() -> Any:
            found = cluster.get(f"{definitions}/{name}")
            conditions = {
                entry["type"]: entry["status"] for entry in found.get("status", {}).get("conditions") or []
            }
            return found if conditions.get("Established") == "True" else None

        made = eventually(established)
        group, version = made["spec"]["group"], made["spec"]["versions"][0]["name"]
        eventually(lambda: cluster.call("GET", f"/apis/{group}/{version}/widgets").code == 200)
        return made

    return create


@pytest.fixture(scope="session")
def widget_group(cluster: Cluster, definitions: str, new_definition: Any, establish: Any) -> Iterator[str]:
    made = establish(new_definition())
    yield made["spec"]["group"]
    cluster.delete(f"{definitions}/{made['metadata']['name']}")


@pytest.fixture(scope="module")
def widgets(widget_group: str, namespace: str) -> str:
    return f"/apis/{widget_group}/v1alpha1/namespaces/{namespace}/widgets"


@pytest.fixture
def widget(widget_group: str) -> Callable[..., dict[str, Any]]:
    def build(name: str, **spec: Any) -> dict[str, Any]:
        return {
            "apiVersion": f"{widget_group}/v1alpha1",
            "kind": "Widget",
            "metadata": {"name": name},
            "spec": {"size": 3, **spec},
        }

    return build


@pytest.fixture
def config_map() -> Callable[..., dict[str, Any]]:
    def build(name: str, data: dict[str, str] | None = None, **meta: Any) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, **meta},
            "data": data or {"a": "b"},
        }

    return build
