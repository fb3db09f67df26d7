"""A Kubernetes-API-compatible server in one process: objects, watches, validation, garbage collection.

Here belongs what a Kubernetes API server and its built-in controllers (garbage collector, namespace controller) do, so far
as the operator, the SDK and stock ``kubectl`` use it. Running pods, scheduling them and reading their output belongs to the
node: it works on :class:`~limosa_sandbox.cluster.storage.Storage` in the same event loop and hands the server a
:class:`~limosa_sandbox.cluster.logs.LogReader`.
"""
