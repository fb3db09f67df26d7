"""Labels and annotations of a run, which its pods carry."""

import pytest

from limosa_admin.request_errors import Reason, RequestError
from limosa_admin.submission import check_request
from limosa_admin.targets import Target
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.core.v1alpha1.interface_pb2 import Interface
from limosa_idl.workflow.v1alpha1.workflow_pb2 import LaunchPlanSpec

TARGET = Target(pb.EntityId(), b"", "", Interface(), LaunchPlanSpec(labels={"team": "blue"}))


def test_the_platform_s_own_annotations_are_taken() -> None:
    check_request(pb.CreateRunRequest(annotations={"limosa.dev/sandbox-python": "/bin/python"}), TARGET)


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (pb.CreateRunRequest(labels={"team": "the blue"}), "'the blue', the value of label 'team'"),
        (pb.CreateRunRequest(labels={"my team": "blue"}), "'my team' is no label key"),
        (pb.CreateRunRequest(annotations={"a": "\0"}), "annotation 'a' has a NUL"),
    ],
)
def test_what_no_pod_can_carry_is_refused(request_: pb.CreateRunRequest, told: str) -> None:
    with pytest.raises(RequestError) as refused:
        check_request(request_, TARGET)
    assert refused.value.reason is Reason.INVALID
    assert told in refused.value.message
