import pytest
from google.protobuf.duration_pb2 import Duration

from limosa_idl.task.v1alpha1.task_pb2 import (
    MemoryGrowth,
    ResourceList,
    Resources,
    RetryPolicy,
    SecretRef,
    TaskSpec,
)
from limosa_model.task_options import check_options

GOOD = TaskSpec(
    retry=RetryPolicy(
        retries=3,
        backoff=Duration(seconds=5),
        backoff_factor=2,
        backoff_jitter=0.5,
        memory=MemoryGrowth(factor=2, limit="8Gi"),
    ),
    resources=Resources(limits=ResourceList(memory="2Gi")),
    secrets=[SecretRef(name="a", key="b", env="C"), SecretRef(name="a", key="b", file="/etc/b")],
    shared_memory="1Gi",
    timeout=Duration(seconds=1),
    deadline=Duration(seconds=1, nanos=5),
    labels={"team": "blue", "example.org/of": ""},
    annotations={"Example.org/note": "anything, ünd more"},
    environment={"A": "b=c", "my.name-2": ""},
    container_image="ghcr.io:443/team/image_a:1.0@sha256:" + "0" * 64,
    pod_template='{"spec": {"nodeSelector": {"a": "b"}}}',
)


def test_a_good_task_has_no_problems() -> None:
    assert list(check_options(GOOD, "task t")) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"retry": RetryPolicy(retries=1001)}, "retry: 1001 retries"),
        ({"retry": RetryPolicy(backoff_factor=0.5)}, "factor is 0.5"),
        ({"retry": RetryPolicy(backoff_factor=101)}, "factor is 101"),
        ({"retry": RetryPolicy(backoff_jitter=1.5)}, "jitter is 1.5"),
        ({"retry": RetryPolicy(backoff=Duration(seconds=-1))}, "backoff is below zero"),
        ({"retry": RetryPolicy(backoff_limit=Duration(seconds=-1))}, "backoff_limit is below zero"),
        ({"retry": RetryPolicy(memory=MemoryGrowth())}, "grows by the factor 0"),
        ({"retry": RetryPolicy(memory=MemoryGrowth(factor=1))}, "grows by the factor 1"),
        ({"retry": RetryPolicy(memory=MemoryGrowth(factor=2, limit="much"))}, "retry: memory: 'much' is not"),
        ({"retry": RetryPolicy(memory=MemoryGrowth(steps=["1Gi", "0"]))}, "'0' is not above zero"),
        ({"secrets": [SecretRef(name="a")]}, "needs a name and a key"),
        ({"secrets": [SecretRef(name="a", key="b", env="C", file="/d")]}, "a variable and a file"),
        ({"secrets": [SecretRef(name="a", key="b", file="d")]}, "'d' is no absolute path"),
        ({"secrets": [SecretRef(name="a", key="b", file="/d/../e")]}, "is no absolute path"),
        ({"secrets": [SecretRef(name="a", key="b", file="/d/")]}, "is no absolute path"),
        ({"shared_memory": "1GB"}, "shared memory: '1GB'"),
        ({"shared_memory": "3Gi"}, "3Gi is above the memory limit 2Gi"),
        ({"shared_memory": "100m"}, "fraction of a byte"),
        ({"timeout": Duration(nanos=300_000_000)}, "timeout: 0.3 seconds are below one second"),
        ({"deadline": Duration()}, "deadline: 0 seconds are below one second"),
        ({"deadline": Duration(seconds=-5)}, "deadline: -5 seconds are below one second"),
        ({"labels": {"-a": "b"}}, "'-a' is no label key"),
        ({"labels": {"": "b"}}, "'' is no label key"),
        ({"labels": {"A.b/c": "b"}}, "'A.b/c' is no label key"),
        ({"labels": {"a" * 64: "b"}}, "is no label key"),
        ({"labels": {"a": "b" * 64}}, "is no label value"),
        ({"labels": {"a": "b\n"}}, "is no label value"),
        ({"labels": {"limosa.dev/x": "b"}}, "names below limosa.dev/ are reserved"),
        ({"annotations": {"a b": ""}}, "'a b' is no annotation key"),
        ({"annotations": {"a": "\0"}}, "annotation 'a' has a NUL"),
        ({"annotations": {"a": "b" * 2**18}}, "at most 262144 are taken"),
        ({"environment": {"": "b"}}, "'' is no name of a variable"),
        ({"environment": {"ä": "b"}}, "'ä' is no name of a variable"),
        ({"environment": {"A": "\0"}}, "variable 'A' has a NUL"),
        ({"environment": {"LIMOSA_POD_X": ""}}, "names with LIMOSA_POD_ are reserved"),
        ({"container_image": "Team Image"}, "'Team Image' is no name of an image"),
        ({"container_image": "team/Image"}, "'team/Image' is no name of an image"),
        ({"container_image": "team/image:"}, "is no name of an image"),
        ({"pod_template": "{"}, "pod_template: it is not JSON"),
        ({"pod_template": "[]"}, "not a part of a pod: no object"),
        ({"pod_template": '{"spek": {}}'}, "not a part of a pod: spek"),
        ({"pod_template": '{"spec": []}'}, "must be objects"),
    ],
)
def test_each_fault_is_named(change: dict, told: str) -> None:
    task = TaskSpec()
    task.CopyFrom(GOOD)
    for name, value in change.items():
        task.ClearField(name)
        if isinstance(value, str):
            setattr(task, name, value)
        elif isinstance(value, list):
            getattr(task, name).extend(value)
        elif isinstance(value, dict):
            getattr(task, name).update(value)
        else:
            getattr(task, name).CopyFrom(value)
    problems = list(check_options(task, "task t"))
    assert len(problems) == 1
    assert told in f"{problems[0].place}: {problems[0].message}"
    assert problems[0].place.startswith("task t")
