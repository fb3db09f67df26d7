"""Tokens of attempts: what a pod of an eager node shows to admin, so that it can make calls for its own node and no other.

Admin gives the operator a key for each claim of a run; the operator makes the token of each launch with it. Admin keeps
neither: it makes the key again from its own secret, which it shares with nobody.
"""

import base64
import binascii
import hashlib
import hmac
import json
from typing import NamedTuple

from limosa_idl.run.v1alpha1.run_pb2 import Epoch
from limosa_model.names import format_epoch

_PREFIX = "limosa-attempt"


class AttemptClaims(NamedTuple):
    """Which launch of which node a token was made for."""

    run_uid: str
    node_path: str
    epoch: str
    """Written "generation.number"."""
    launch: int
    """Ordinal of the launch."""


def call_key(secret: bytes, run_uid: str, epoch: Epoch) -> bytes:
    """The key of one claim of a run, from admin's secret."""
    text = f"calls\0{run_uid}\0{format_epoch(epoch)}"
    return hmac.new(secret, text.encode(), hashlib.sha256).digest()


def make_token(key: bytes, claims: AttemptClaims) -> str:
    """The token of an attempt: ASCII, without spaces."""
    body = base64.urlsafe_b64encode(json.dumps(list(claims)).encode()).decode()
    return f"{_PREFIX}.{body}.{_mac(key, body)}"


def is_attempt_token(token: str) -> bool:
    """Whether a token says of itself that it is an attempt's."""
    return token.startswith(f"{_PREFIX}.")


def read_token(token: str) -> AttemptClaims | None:
    """What a token says of itself; None for anything that `make_token` never made. Nothing of it is proven."""
    try:
        prefix, body, _ = token.split(".")
        run_uid, node_path, epoch, launch = json.loads(base64.urlsafe_b64decode(body))
    except (ValueError, TypeError, binascii.Error):
        return None
    texts = all(isinstance(text, str) for text in (run_uid, node_path, epoch))
    if prefix != _PREFIX or not texts or type(launch) is not int:
        return None
    return AttemptClaims(run_uid, node_path, epoch, launch)


def is_genuine(token: str, key: bytes) -> bool:
    """Whether a token was made with the key."""
    _, body, mac = token.split(".")
    return hmac.compare_digest(mac, _mac(key, body))


def _mac(key: bytes, body: str) -> str:
    return hmac.new(key, body.encode(), hashlib.sha256).hexdigest()
