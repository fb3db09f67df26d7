"""One line of a watch stream."""

import re
from typing import Any

import orjson

_POD = re.compile(
    rb'\{"type":"(?:ADDED|MODIFIED)","object":\{"kind":"Pod","apiVersion":"v1","metadata":'
    rb'\{(?:"[A-Za-z]+":"[^"\\]*",)*?"uid":"([^"\\]+)"'
)
_STATUS = b'"status":{'
_PHASE = re.compile(rb'"status":\{(?:"observedGeneration":\d+,)?"phase":"(Pending|Running|Succeeded|Failed)"')
_UNFINISHED = (b"Pending", b"Running")
_BEGIN, _END = b',"managedFields":[', b']},"spec":'


def decode_event(line: bytes) -> tuple[str, dict[str, Any]]:
    """Type and object of an event, where that is cheap without the object's managedFields.

    Who owns which field is more than half of a pod as a real API server sends it, and nested more deeply than the rest; nobody
    here asks for it. An API server writes it as the last of a pod's metadata, right before the spec. Where it is elsewhere, as in
    custom resources, the line is decoded as it is. Neither text can stand within a string, whose quotes are escaped.
    """
    begin = line.find(_BEGIN)
    end = line.find(_END, begin) if begin > 0 else -1
    if end > 0:
        event = orjson.loads(line[:begin] + line[end + 1 :])
        if "uid" in event["object"].get("metadata", ()):
            return event["type"], event["object"]
    event = orjson.loads(line)
    return event["type"], event["object"]


def in_passing(line: bytes) -> str:
    """The uid of the pod an event tells of, where the next event of that pod will make this one worthless; else empty.

    So it is with a pod that has not ended and is not to be removed, and with one that has ended and is being removed. Told by
    where an API server writes things, without decoding: a line that is written otherwise gives the empty text.
    """
    found = _POD.match(line)
    # A pod's status is its last part; nothing within it is an object of that name.
    phase = None if found is None else _PHASE.match(line, line.rfind(_STATUS))
    if found is None or phase is None:
        return ""
    removed = b'"deletionTimestamp":"' in line
    return "" if removed == (phase[1] in _UNFINISHED) else found[1].decode()
