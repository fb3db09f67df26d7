"""The operator: observes runs and pods, asks the engine what follows, and does it.

What belongs here: watch streams, Kubernetes verbs, pod manifests, status patches, leadership, the link to admin.
What does not: deciding whether a node runs, is retried or has failed (that is `limosa_engine`), and what runs inside
a pod (that is `limosa.runtime`).
"""
