from limosa_propeller.runs.pod_index import PodIndex


def pod(uid: str, version: int, owner: str = "w1", phase: str = "Pending") -> dict:
    annotations = {"node-path": "n0", "launch": "0", "launch-id": uid, "epoch": "0.0"}
    return {
        "metadata": {
            "uid": uid,
            "name": uid,
            "namespace": "ns",
            "resourceVersion": str(version),
            "ownerReferences": [{"kind": "WorkflowRun", "uid": owner}],
            "annotations": {f"limosa.dev/{key}": value for key, value in annotations.items()},
        },
        "status": {"phase": phase},
    }


def test_the_latest_version_wins() -> None:
    index = PodIndex()
    assert index.observe(pod("a", 5, phase="Running"))
    assert index.observe(pod("a", 4)) is None
    assert index.observe(pod("a", 5)) is None
    assert [entry.view.phase for entry in index.owned_by("w1")] == ["Running"]


def test_a_list_older_than_a_deletion_does_not_bring_the_pod_back() -> None:
    index = PodIndex()
    index.observe(pod("a", 5))
    assert index.forget("a")
    assert index.observe(pod("a", 5)) is None
    assert list(index.owned_by("w1")) == []


def test_a_pod_is_missing_only_from_a_list_that_could_have_had_it() -> None:
    index = PodIndex()
    index.observe(pod("old", 5))
    index.observe(pod("new", 9))
    assert [entry.uid for entry in index.missing_from(set(), 7)] == ["old"]


def test_pods_go_to_their_owner() -> None:
    index = PodIndex()
    index.observe(pod("a", 1, "w1"))
    index.observe(pod("b", 1, "w2"))
    assert [entry.uid for entry in index.owned_by("w2")] == ["b"]
    assert index.forget("c") is None
    assert len(index) == 2
