"""What the embedded cluster must hold before the operator works: the definition, namespaces, their secrets."""

from typing import Any

from limosa_model.names import (
    LABEL_DOMAIN,
    LABEL_PROJECT,
    STORAGE_SECRET,
)
from limosa_propeller.crd import load_definition
from limosa_sandbox.cluster.errors import ApiError
from limosa_sandbox.cluster.storage import OPERATORS_LEASE, Storage
from limosa_sandbox.supervisor.credentials import STORAGE_URL, AccessKey, Credentials
from limosa_store import StoreSettings

_DEFINITIONS = "customresourcedefinitions.apiextensions.k8s.io"
_LEASES = "leases.coordination.k8s.io"
_Object = dict[str, Any]


def bootstrap(
    storage: Storage, projects: dict[str, tuple[str, str]], credentials: Credentials, storage_endpoint: str
) -> None:
    """Creates or updates what the platform needs in the cluster; what people changed elsewhere stays."""
    definition = load_definition()
    _ensure(storage, _DEFINITIONS, None, definition, {"spec": definition["spec"]})
    for namespace, (project, domain) in projects.items():
        metadata = {"name": namespace, "labels": {LABEL_PROJECT: project, LABEL_DOMAIN: domain}}
        wanted = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        _ensure(storage, "namespaces", None, wanted, {"metadata": metadata})
        secret = _secret(namespace, credentials.namespaces[namespace], storage_endpoint)
        _ensure(storage, "secrets", namespace, secret, {"stringData": secret["stringData"]})


def forget_leader(storage: Storage) -> None:
    """Takes the lease from an operator that is known to be dead, so that the next need not wait for it to lapse."""
    # Not by deleting it: who finds none waits, because the one that held it may not know yet.
    unheld = {"spec": {"holderIdentity": ""}}
    wanted = {"metadata": {"name": OPERATORS_LEASE}, **unheld}
    _ensure(storage, _LEASES, "default", wanted, unheld)


def _ensure(
    storage: Storage, resource: str, namespace: str | None, wanted: _Object, changes: _Object
) -> None:
    name = wanted["metadata"]["name"]
    try:
        storage.get(resource, namespace, name)
    except ApiError as error:
        if error.code != 404:
            raise
        storage.create(resource, namespace, wanted)
        return
    storage.patch(resource, namespace, name, changes)


def _secret(namespace: str, key: AccessKey, endpoint: str) -> _Object:
    settings = StoreSettings(
        STORAGE_URL, endpoint=endpoint, access_key=key.access_key, secret_key=key.secret_key
    )
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": STORAGE_SECRET, "namespace": namespace},
        "stringData": settings.to_env(),
    }
