"""Stock kubectl against the sandbox's API server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.limosa.test}
spec:
  group: limosa.test
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, shortNames: [wd]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    additionalPrinterColumns:
    - {name: Size, type: integer, jsonPath: .spec.size}
    - {name: Phase, type: string, jsonPath: .status.phase}
    schema:
      openAPIV3Schema:
        type: object
        required: [spec]
        properties:
          spec:
            type: object
            required: [size]
            properties:
              size: {type: integer, minimum: 1, maximum: 10}
              color: {type: string, default: red}
          status:
            type: object
            properties: {phase: {type: string}}
"""
WIDGET = "---\n{apiVersion: limosa.test/v1, kind: Widget, metadata: {name: w1}, spec: {size: %s}}"
POD = """
apiVersion: v1
kind: Pod
metadata: {name: p1, labels: {app: x}}
spec:
  restartPolicy: Never
  containers:
  - {name: main, image: "example/a:1", resources: {limits: {cpu: "1", memory: 1Gi}}, env: [{name: A, value: "%s"}]}
"""


def find_kubectl() -> str | None:
    folder = os.environ.get("LIMOSA_CLUSTER_DIR")
    built = Path(folder) / "bin" / "kubectl" if folder else None
    return str(built) if built and built.exists() else shutil.which("kubectl")


pytestmark = pytest.mark.skipif(
    find_kubectl() is None, reason="kubectl is neither on PATH nor in $LIMOSA_CLUSTER_DIR/bin"
)


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kubectl")
    command = [
        sys.executable,
        "-m",
        "limosa_sandbox.cluster",
        "--instant-pods",
        "--kubeconfig",
        str(folder / "kubeconfig"),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield json.loads(process.stdout.readline())["kubeconfig"]
    process.terminate()
    assert process.wait(10) == 0


@pytest.fixture
def kubectl(kubeconfig, tmp_path):
    def run(*arguments, text=None, code=0):
        command = [
            find_kubectl(),
            "--kubeconfig",
            kubeconfig,
            "--cache-dir",
            str(tmp_path / "cache"),
            *arguments,
        ]
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr

    return run


@pytest.fixture
def widget(kubectl):
    kubectl("apply", "-f", "-", text=CRD)
    kubectl("wait", "--for=condition=Established", "crd/widgets.limosa.test", "--timeout=20s")
    kubectl("apply", "-f", "-", text=WIDGET % 3)
    yield "w1"
    kubectl("delete", "crd", "widgets.limosa.test", "--ignore-not-found")


def test_version(kubectl):
    assert "Server Version: v1.34" in kubectl("version")


def test_custom_resource_from_apply_to_delete(kubectl, widget):
    assert "unchanged" in kubectl("apply", "-f", "-", text=WIDGET % 3)
    assert "configured" in kubectl("apply", "-f", "-", text=WIDGET % 4)
    kubectl("patch", "wd", "w1", "--subresource=status", "--type=merge", "-p", '{"status":{"phase":"Up"}}')
    kubectl("wait", "--for=jsonpath={.status.phase}=Up", "wd/w1", "--timeout=20s")
    assert kubectl("get", "wd").split() == ["NAME", "SIZE", "PHASE", "w1", "4", "Up"]
    assert kubectl("get", "wd", "w1", "-o", "jsonpath={.spec.color}") == "red"
    assert "Phase:  Up" in kubectl("describe", "widget", "w1")
    assert "size\t<integer> -required-" in kubectl("explain", "wd.spec")
    kubectl("delete", "wd", "w1")
    assert "not found" in kubectl("get", "wd", "w1", code=1)


def test_bad_custom_resources_are_explained(kubectl, widget):
    assert "spec.size in body should be less than or equal to 10" in kubectl(
        "apply", "-f", "-", text=WIDGET % 99, code=1
    )
    unknown = (
        "---\n{apiVersion: limosa.test/v1, kind: Widget, metadata: {name: w2}, spec: {size: 1, suprise: 2}}"
    )
    assert 'unknown field "spec.suprise"' in kubectl("apply", "-f", "-", text=unknown, code=1)


def test_pods(kubectl):
    assert kubectl("apply", "-f", "-", text=POD % "1") == "pod/p1 created\n"
    kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/p1", "--timeout=20s")
    row = kubectl("get", "pods", "-l", "app=x", "-o", "wide").splitlines()[1].split()
    assert row[:4] == ["p1", "0/1", "Completed", "0"]
    assert row[6] == "instant"
    described = " ".join(kubectl("describe", "pod", "p1").split())
    assert "Status: Succeeded" in described
    assert "QoS Class: Guaranteed" in described
    assert "ContainerCreating" in kubectl("logs", "p1", code=1)
    assert "pod updates may not change fields" in kubectl("apply", "-f", "-", text=POD % "2", code=1)
    kubectl("annotate", "pod", "p1", "note=hello")
    assert kubectl("delete", "pod", "p1").startswith('pod "p1" deleted')
    assert kubectl("get", "pods", "-l", "app=x", "-o", "name") == ""


def test_watching_prints_rows_as_they_come(kubectl, kubeconfig, tmp_path):
    command = [
        find_kubectl(),
        "--kubeconfig",
        kubeconfig,
        "get",
        "configmaps",
        "-w",
        "--no-headers",
        "--cache-dir",
        str(tmp_path / "w"),
    ]
    process = subprocess.Popen([*command, "-l", "watched=yes"], stdout=subprocess.PIPE, text=True)
    try:
        kubectl("create", "configmap", "seen", "--from-literal=a=b")
        kubectl("label", "configmap", "seen", "watched=yes")
        assert process.stdout is not None
        assert process.stdout.readline().split()[:2] == ["seen", "1"]
    finally:
        process.terminate()
        process.wait(10)
        kubectl("delete", "configmap", "seen")


def test_creating_by_name(kubectl):
    kubectl("create", "namespace", "made")
    kubectl("create", "secret", "generic", "s", "-n", "made", "--from-literal=key=value")
    kubectl("create", "serviceaccount", "robot", "-n", "made")
    kubectl("create", "quota", "q", "-n", "made", "--hard=pods=1")
    assert kubectl("get", "secret", "s", "-n", "made", "-o", "jsonpath={.data.key}") == "dmFsdWU="
    assert "pods: 0/1" in kubectl("get", "quota", "-n", "made")
    assert "Opaque" in kubectl("describe", "secret", "s", "-n", "made")
    kubectl("delete", "namespace", "made")
    assert "not found" in kubectl("get", "namespace", "made", code=1)


def test_the_rest_of_get_and_describe(kubectl):
    event = {
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": "e1"}, "reason": "Tested", "message": "It was.", "type": "Normal",
        "involvedObject": {"kind": "Pod", "name": "x", "namespace": "default"}, "lastTimestamp": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "l1"},
        "spec": {"holderIdentity": "me"},
    }
    for body in (event, lease):
        kubectl("create", "-f", "-", text=json.dumps(body))
    assert "pod/x" in kubectl("get", "events")
    assert "It was." in kubectl("events")
    assert kubectl("get", "leases").split()[:5] == ["NAME", "HOLDER", "AGE", "l1", "me"]
    assert "Ready" in kubectl("get", "nodes")
    assert "Allocatable:" in kubectl("describe", "node", "instant")
    assert "Status:       Active" in kubectl("describe", "namespace", "default")
    assert "kube-system" in kubectl("get", "namespaces")
    kubectl("delete", "event/e1", "lease/l1")


def test_permissions(kubectl):
    assert kubectl("auth", "can-i", "create", "pods") == "yes\n"
    assert "*.*" in kubectl("auth", "can-i", "--list")


def test_what_is_not_served_says_so(kubectl):
    assert "server-side apply is not served by the sandbox" in kubectl(
        "apply", "--server-side", "-f", "-", text=POD % "1", code=1
    )
    assert "no matches for kind" in kubectl(
        "apply", "-f", "-", text="---\n{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}}", code=1
    )
