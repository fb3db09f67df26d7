"""A task's container, from its environment to its exit code.

The launch runs in a process below this one, which says what is left to say when that process ended before it could.
"""

import os
import sys
from collections.abc import Mapping

from limosa.runtime.child import Child
from limosa.runtime.ending import Ending, descriptors_closed, judge
from limosa.runtime.launch import Launch
from limosa.runtime.outcome import LaunchFailed
from limosa.runtime.pump import Pump
from limosa_model.pod_contract import PodContractError, PodEnvironment, is_contract_variable
from limosa_store import StoreError, StoreSettings, open_store

EXIT_CONTRACT = 64
"""The environment is not what this runtime understands; nothing was done."""
_STANDARD_OUTPUT = 1


def main(environ: Mapping[str, str]) -> int:
    """Runs the launch that an environment describes; returns the container's exit code."""
    try:
        pod = PodEnvironment.from_environ(environ)
        # Opened once for both processes: nothing is asked of it before the fork, so it has no threads or connections.
        store = open_store(StoreSettings.from_env(environ))
    except (PodContractError, StoreError) as error:
        print(f"limosa: {error}", file=sys.stderr)
        return EXIT_CONTRACT
    for name in [name for name in os.environ if is_contract_variable(name)]:
        del os.environ[name]
    launch = Launch(pod, store)
    child = Child(launch.run)
    pump = Pump(child.output, _STANDARD_OUTPUT, launch.report.log_segment)
    status = child.tend(pump)
    ending = descriptors_closed() if child.shared.descriptors_closed else judge(status, child.reported)
    exit_code = ending.exit_code if ending.settled else _settle(ending, launch, pump)
    lost = pump.close()
    if lost:
        print(f"limosa: part of the log was not stored: {lost}", file=sys.stderr)
    return exit_code


def _settle(ending: Ending, launch: Launch, pump: Pump) -> int:
    """Says how a launch ended that could not say so; gives the container's exit code."""
    failure = ending.failure
    if failure is not None:
        pump.say(f"limosa: {failure.code}: {failure.message}")
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
