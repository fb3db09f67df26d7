"""One line of a watch stream."""

from typing import Any

import orjson

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
