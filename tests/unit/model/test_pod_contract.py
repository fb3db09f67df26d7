import pytest
from hypothesis import given
from hypothesis import strategies as st

from limosa_idl.core.v1alpha1.failure_pb2 import ExceptionDetails, Failure, Frame
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1.run_pb2 import TerminationRecord
from limosa_model import values
from limosa_model.pod_contract import (
    PodContractError,
    PodEnvironment,
    decode_termination,
    encode_termination,
    is_contract_variable,
)

POD = PodEnvironment(
    run_uid="u-1",
    run_name="calm-heron",
    project="demo",
    domain="development",
    node_path="n0/n1",
    index=3,
    launch=0,
    launch_id="abcdefghij",
    epoch="1.2",
    task="flow.train",
    loader="flow:train",
    bundle="ff",
    python_version="3.11",
    storage_root="s3://bucket/root",
    input_digest="sha256:00",
    inputs=LiteralMap(literals={"x": values.integer(1)}),
)


@pytest.mark.parametrize("pod", [POD, POD._replace(index=None, inputs=None, inputs_uri="s3://b/i")])
def test_environment_comes_back(pod):
    environ = pod.to_environ()
    assert all(is_contract_variable(name) for name in environ)
    assert PodEnvironment.from_environ({**environ, "PATH": "/bin"}) == pod


@pytest.mark.parametrize("variable", ["LIMOSA_POD_LOADER", "LIMOSA_POD_LAUNCH_ID", "LIMOSA_POD_CONTRACT"])
def test_a_missing_variable_is_named(variable):
    environ = POD.to_environ()
    del environ[variable]
    with pytest.raises(PodContractError, match=variable):
        PodEnvironment.from_environ(environ)


@pytest.mark.parametrize(("variable", "text"), [("LIMOSA_POD_INDEX", "x"), ("LIMOSA_POD_INPUTS", "%%")])
def test_an_unreadable_variable_is_named(variable, text):
    with pytest.raises(PodContractError, match=variable):
        PodEnvironment.from_environ({**POD.to_environ(), variable: text})


def failed(size):
    frame = Frame(file="flow.py", line=3, function="f", source=["x" * size] * 5)
    details = ExceptionDetails(
        type="ValueError", message="m" * size, traceback="t" * size, frames=[frame] * 20
    )
    failure = Failure(code="UserException", message="m" * size, exception=details)
    return TerminationRecord(launch_id="a" * 10, outcome=TerminationRecord.OUTCOME_FAILED, failure=failure)


@given(st.integers(0, 20_000), st.integers(200, 4096))
def test_the_last_word_always_fits_and_keeps_what_matters(size, limit):
    line = encode_termination(failed(size), limit)
    assert len(line) <= limit
    record = decode_termination(line)
    assert record is not None
    assert (record.launch_id, record.outcome) == ("a" * 10, TerminationRecord.OUTCOME_FAILED)


def test_small_outputs_travel_and_large_ones_stay_behind():
    record = TerminationRecord(
        launch_id="a", outcome=TerminationRecord.OUTCOME_COMMITTED, commit_digest="sha256:1"
    )
    record.outputs.literals["o0"].CopyFrom(values.integer(7))
    assert decode_termination(encode_termination(record)) == record
    record.outputs.literals["o0"].CopyFrom(values.string("y" * 5000))
    back = decode_termination(encode_termination(record))
    assert back is not None
    assert back.commit_digest == "sha256:1"
    assert not back.HasField("outputs")


def test_anything_else_counts_as_absent():
    good = encode_termination(TerminationRecord(launch_id="a"))
    assert decode_termination(good) is not None
    for text in (
        "",
        "bye",
        good[:-3],
        good.replace("limosa1", "limosa2"),
        good + " x",
        "limosa1 zz AAAA",
        "limosa1 0 é",
    ):
        assert decode_termination(text) is None


@given(st.text())
def test_no_text_makes_it_raise(text):
    decode_termination("limosa1 00000000 " + text)
    decode_termination(text)
