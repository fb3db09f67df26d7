"""The sandbox's one node: a scheduler and a kubelet that run pods as local processes.

Belongs here: deciding which pod starts when (CPU, memory, GPUs of this machine), running containers without a container engine,
and telling through pod status, events and logs what a real node tells. Does not belong here: the API (``limosa_sandbox.cluster``)
and anything that knows what a workflow is; a pod is a pod, whoever made it.

What a container gets, and what it does not:

* ``python …`` in one of the runnable images runs with the interpreter that the pod's annotation ``limosa.dev/sandbox-python``
  names, as the user who started the sandbox. Any other image or command fails with ``ImageNotRunnable``.
* Its environment holds what its specification says, and ``PATH``, ``HOME``, ``TMPDIR``, ``LANG``, ``HOSTNAME``.
* There are no mounts without privileges: every volume is a folder of the pod. An environment value that is a path at or below a
  ``mountPath`` is rewritten to that folder; the whole mapping is in ``LIMOSA_SANDBOX_MOUNTS`` (JSON, mount path to folder).
  The termination message path is mapped in the same way.
* Memory is what the container's processes hold together (shared pages counted once), sampled about every 0.1 s.
* User, group, capabilities, seccomp, probes, lifecycle hooks, ports and networks of a specification have no effect.
"""

from limosa_sandbox.node.node import NodeHandle, run_node
from limosa_sandbox.node.settings import NodeSettings

__all__ = ["NodeHandle", "NodeSettings", "run_node"]
