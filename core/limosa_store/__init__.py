"""Object-store verbs: get, put, put_if_absent, list, stream, delete, sign.

Belongs here: one small port (`Store`) and its implementations over S3-compatible
services and a plain directory, with the conditional write that commits rest on.
Does not belong here: what a key means. Store layout, literals, runs and commits
are rules of `limosa_model`; this package moves bytes and never looks into them.
"""
