"""A task's container, from its environment to its exit code.

The launch runs in a process below this one, which says what is left to say when that process ended before it could.
"""

import contextlib
import os
import sys
from collections.abc import Mapping

from limosa.runtime.child import Child
from limosa.runtime.ending import Ending, descriptors_closed, judge, no_commit
from limosa.runtime.exceptions import plain_words
from limosa.runtime.first_process import FirstProcess
from limosa.runtime.launch import Launch
from limosa.runtime.outcome import LaunchFailed
from limosa.runtime.pump import Pump
from limosa.runtime.report import EXIT_SYSTEM
from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_model.names import STORAGE_SECRET
from limosa_model.pod_contract import (
    EXIT_CONTRACT,
    TERMINATION_PATH,
    PodContractError,
    PodEnvironment,
    is_contract_variable,
)
from limosa_store import StoreError, StoreSettings, open_store

_STANDARD_OUTPUT = 1


def main(environ: Mapping[str, str]) -> int:
    """Runs the launch that an environment describes; returns the container's exit code."""
    try:
        pod = PodEnvironment.from_environ(environ)
        # Opened once for both processes: nothing is asked of it before the fork, so it has no threads or connections.
        store = open_store(StoreSettings.from_env(environ))
    except PodContractError as error:
        # Which file it would be is not known either: this one is there in a pod.
        return _not_begun(str(error), TERMINATION_PATH if os.path.exists(TERMINATION_PATH) else os.devnull)
    except StoreError as error:
        where = f"a pod has it from Secret {STORAGE_SECRET} of its namespace, or from its service account"
        return _not_begun(f"{error}; {where}", pod.termination_path)
    for name in [name for name in os.environ if is_contract_variable(name)]:
        del os.environ[name]
    launch = Launch(pod, store)
    process = FirstProcess()
    child = Child(process.around(launch.run))
    pump = Pump(child.output, _STANDARD_OUTPUT, launch.report.log_segment)
    status = child.tend(pump)
    ending = descriptors_closed() if child.shared.descriptors_closed else judge(status, child.reported)
    process.end_others()
    if ending.settled and ending.exit_code == launch.says_result:
        exit_code = _tell_result(launch, pump)
    else:
        exit_code = ending.exit_code if ending.settled else _settle(ending, launch, pump)
    lost = pump.close()
    if lost:
        print(f"limosa: part of the log was not stored: {lost}", file=sys.stderr)
    return exit_code


def _not_begun(why: str, termination_path: str) -> int:
    """Says why nothing was done, in the log and in the termination message; gives the container's exit code."""
    print(f"limosa: {why}", file=sys.stderr)
    with contextlib.suppress(OSError), open(termination_path, "w") as file:
        file.write(why)
    return EXIT_CONTRACT


def _tell_result(launch: Launch, pump: Pump) -> int:
    """Tells of the result that the store has, whatever the launch's process says; gives the container's exit code.

    The exit code is the one word that the author's code cannot forge: 0 vouches for the last word.
    """
    try:
        found = launch.slot.read()
    except (StoreError, LaunchFailed) as error:
        pump.say(f"limosa: the commit could not be read again: {error}")
        return EXIT_SYSTEM
    return _fail(no_commit(), launch, pump) if found is None else launch.report.last_word(found)


def _fail(failure: Failure, launch: Launch, pump: Pump) -> int:
    outcome = launch.report.failed(failure)
    pump.say(plain_words(failure))
    launch.report.record(failure)
    return launch.report.last_word(outcome)


def _settle(ending: Ending, launch: Launch, pump: Pump) -> int:
    """Says how a launch ended that could not say so; gives the container's exit code."""
    failure = ending.failure
    if failure is not None:
        pump.say(plain_words(failure))
    try:
        found = launch.slot.read()
    except (StoreError, LaunchFailed) as error:
        # Perhaps the item has a result: a failure told now could hide it. The operator looks again.
        pump.say(f"limosa: whether there is a commit is not known: {error}")
        return ending.exit_code
    if found is not None:
        pump.say("limosa: the node item has its result: the process ended after the commit")
        return launch.report.last_word(found)
    if failure is not None:
        outcome = launch.report.failed(failure)
        launch.report.record(failure)
        launch.report.last_word(outcome)
    return ending.exit_code
