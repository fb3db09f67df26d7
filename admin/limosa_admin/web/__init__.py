"""HTTP: pages for people, health for probes, transfers for clients that cannot reach the object store.

Belongs here: routes behind the same roles as gRPC, read-only pages rendered on the server, their style and script.
Does not belong here: anything that changes a run, and SQL (`store`). Pages hold no inline script or style, so that
the content security policy can forbid both; every text goes through `html`, which escapes it.
"""
