"""Packages that tasks declare: what they ask for, the lock this becomes, and the folder that pods unpack it into.

Belongs here: the declaration, resolving it with uv on the author's machine, the lock and its wheels, unpacking them, and
whether the environment of a local run has what is declared. Does not belong here: transfer to the store
(`limosa.remote`), and where in a launch packages come in (`limosa.runtime`).

Pods load `lock` and, where nobody unpacked before, `unpacking`, with the standard library only.
"""
