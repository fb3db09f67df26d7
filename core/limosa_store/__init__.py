"""Object-store verbs: get, put, put_if_absent, list, stream, delete, sign.

Belongs here: one small port (`Store`) and its implementations over S3-compatible
services and a plain directory, with the conditional write that commits rest on.
Does not belong here: what a key means. Store layout, literals, runs and commits
are rules of `limosa_model`; this package moves bytes and never looks into them.

Importing it opens nothing, starts no thread and loads no client library, so a
process may fork afterwards; `open_store` loads the implementation the URL asks for.
"""

from limosa_store.errors import ErrorCode, StoreError
from limosa_store.settings import StoreSettings
from limosa_store.store import Body, ObjectInfo, Store, open_store, probe_conditional_writes

__all__ = [
    "Body",
    "ErrorCode",
    "ObjectInfo",
    "Store",
    "StoreError",
    "StoreSettings",
    "open_store",
    "probe_conditional_writes",
]
