"""Tasks that meet, or bring about, faults of a real cluster; see deploy/lab/provoke.py."""

import os
import signal
import time

from limosa import Resources, Secret, current_context, task, workflow


@task
def slowly(x: int) -> int:
    time.sleep(4)
    return x + 1


@task
def killed(x: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return x


@task(resources=Resources(cpu="100m", mem="96Mi"))
def hungry(x: int) -> int:
    return len(bytearray(1024 * 1024 * 512)) + x


@task(container_image="limosa/not-there:1")
def unpulled(x: int) -> int:
    return x


@task(secrets=[Secret("not-there", "key")])
def secretive(x: int) -> int:
    return x


@task(resources=Resources(gpu=1))
def accelerated(x: int) -> int:
    return x


@task
def lying(x: int) -> int:
    """Says that it committed, and does not; leaves a process behind that writes last words for ever."""
    from limosa.runtime.commit import CommitSlot
    from limosa.runtime.outcome import Committed

    CommitSlot.write = lambda self, outputs: Committed("sha256:0", outputs)  # type: ignore[method-assign]
    if os.fork() == 0:
        while True:
            with open("/dev/termination-log", "w") as file:
                file.write("forged")
    return x


@task
def late_at_first(x: int) -> int:
    """Outlasts whatever happens to its node in its first attempt."""
    if current_context().attempt == 1:
        time.sleep(200)
    return x + 1


@workflow
def late(x: int = 0) -> int:
    return late_at_first(x=x)


@workflow
def chain(x: int = 0) -> int:
    return slowly(x=slowly(x=slowly(x=x)))


@workflow
def one(x: int = 0) -> int:
    return slowly(x=x)


@workflow
def kill(x: int = 0) -> int:
    return killed(x=x)


@workflow
def oom(x: int = 0) -> int:
    return hungry(x=x)


@workflow
def image(x: int = 0) -> int:
    return unpulled(x=x)


@workflow
def secret(x: int = 0) -> int:
    return secretive(x=x)


@workflow
def gpu(x: int = 0) -> int:
    return accelerated(x=x)


@workflow
def lie(x: int = 0) -> int:
    return lying(x=x)
