"""Tokens of attempts: what they say, and whose word that is."""

import pytest

from limosa_idl.run.v1alpha1.run_pb2 import Epoch
from limosa_model.attempt_tokens import (
    AttemptClaims,
    call_key,
    is_attempt_token,
    is_genuine,
    make_token,
    read_token,
)

EPOCH = Epoch(generation=1, number=2)
CLAIMS = AttemptClaims("uid-1", "n0/e3", "1.2", 4)
KEY = call_key(b"secret", "uid-1", EPOCH)


def test_a_token_says_which_launch_it_was_made_for():
    token = make_token(KEY, CLAIMS)
    assert is_attempt_token(token)
    assert read_token(token) == CLAIMS
    assert is_genuine(token, KEY)


@pytest.mark.parametrize(
    "key",
    [
        call_key(b"secret", "uid-2", EPOCH),
        call_key(b"secret", "uid-1", Epoch(generation=1, number=3)),
        call_key(b"another", "uid-1", EPOCH),
    ],
)
def test_the_key_of_another_claim_makes_other_tokens(key):
    assert not is_genuine(make_token(key, CLAIMS), KEY)


def test_what_a_token_says_cannot_be_changed():
    _, _, mac = make_token(KEY, CLAIMS).split(".")
    prefix, body, _ = make_token(KEY, CLAIMS._replace(node_path="n1")).split(".")
    assert not is_genuine(f"{prefix}.{body}.{mac}", KEY)


@pytest.mark.parametrize(
    "text", ["", "limosa-attempt.", "limosa-attempt.a.b", "x.W10=.y", "limosa-attempt.W10=.y"]
)
def test_anything_else_is_no_token(text):
    assert read_token(text) is None
