"""Pods of the runtime's command are forked from an interpreter that has loaded it, in the submitter's environment."""

import asyncio
import json
import os
import sys
import textwrap
import venv
from pathlib import Path

import pytest

_RUNTIME = ["python", "-m", "limosa.runtime"]


class Environment:
    """A virtual environment with a stand-in for the runtime."""

    def __init__(self, directory: Path) -> None:
        venv.create(directory, with_pip=False, symlinks=True)
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        self.python = str(directory / "bin" / "python")
        self.package = directory / "lib" / version / "site-packages" / "limosa" / "runtime"
        self.package.mkdir(parents=True)
        (self.package.parent / "__init__.py").touch()
        (self.package / "__init__.py").touch()

    def write(self, main: str, part: str = "") -> None:
        (self.package / "part.py").write_text(textwrap.dedent(part))
        (self.package / "__main__.py").write_text(textwrap.dedent(main))


@pytest.fixture
def environment(tmp_path):
    return Environment(tmp_path / "venv")


def _launch(bench, environment, name: str, **container) -> None:
    annotations = {"limosa.dev/sandbox-python": environment.python}
    bench.create(name, command=_RUNTIME, annotations=annotations, container=container)


async def test_it_runs_as_the_module_would(bench, environment):
    environment.write(
        """
        import json, os, sys, threading
        print(json.dumps({
            "name": __name__, "argv": len(sys.argv), "prefix": sys.prefix, "path": sys.path[0], "cwd": os.getcwd(),
            "mark": os.environ.get("MARK"), "foreign": os.environ.get("FOREIGN"), "session": os.getsid(0) == os.getpid(),
            "stdin": sys.stdin.read(), "descriptors": sorted(os.listdir("/proc/self/fd"))[:-1],
            "home": os.path.expanduser("~"),
        }))
        sys.exit(3)
        """
    )
    os.environ["FOREIGN"] = "x"
    try:
        await bench.start()
    finally:
        del os.environ["FOREIGN"]
    _launch(bench, environment, "run", env=[{"name": "MARK", "value": "m"}])

    pod = await bench.phase("run", "Failed")

    seen = json.loads(await bench.log("run"))
    root = bench.directory / "pods" / pod["metadata"]["uid"]
    assert bench.state("run")["terminated"]["exitCode"] == 3
    assert seen["name"] == "__main__"
    assert seen["argv"] == 1
    assert seen["prefix"] == str(Path(environment.python).parent.parent)
    assert seen["path"] == seen["cwd"] == str(root / "rootfs")
    assert (seen["mark"], seen["foreign"], seen["stdin"]) == ("m", None, "")
    assert seen["session"] is True
    assert seen["descriptors"] == ["0", "1", "2"]
    assert seen["home"] == str(root / "home")


async def test_every_fork_has_its_own_randomness(bench, environment):
    environment.write(
        "import os, random, uuid; print(random.random(), uuid.uuid4(), os.getppid())", "import random, uuid"
    )
    await bench.start()
    for name in ("a", "b", "c"):
        _launch(bench, environment, name)
        await bench.phase(name, "Succeeded")

    lines = [(await bench.log(name)).split() for name in ("a", "b", "c")]

    assert len({line[0] for line in lines}) == len({line[1] for line in lines}) == 3
    assert len({line[2] for line in lines}) == 1, "they were not forked from one parent"


async def test_a_changed_environment_is_loaded_anew(bench, environment, monkeypatch):
    monkeypatch.setattr("limosa_sandbox.node.zygotes._STALE_CHECK", 0.0)
    environment.write("from limosa.runtime import part; print(part.VALUE)", "VALUE = 1")
    await bench.start()
    _launch(bench, environment, "before")
    await bench.phase("before", "Succeeded")

    environment.write("from limosa.runtime import part; print(part.VALUE)", "VALUE = 'two'")
    _launch(bench, environment, "after")
    await bench.phase("after", "Succeeded")

    assert (await bench.log("before"), await bench.log("after")) == ("1\n", "two\n")


async def test_a_running_pod_outlives_the_interpreter_it_was_forked_from(
    bench, environment, monkeypatch, tmp_path
):
    monkeypatch.setattr("limosa_sandbox.node.zygotes._STALE_CHECK", 0.0)
    go = tmp_path / "go"
    wait = f"import os, time\nprint('up', flush=True)\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)\nraise SystemExit(9)"
    environment.write(wait, "VALUE = 1")
    await bench.start()
    _launch(bench, environment, "early")
    await bench.phase("early", "Running")
    while not await bench.log("early"):
        await asyncio.sleep(0.01)
    environment.write("pass", "VALUE = 2")
    _launch(bench, environment, "late")
    await bench.phase("late", "Succeeded")

    go.touch()
    await bench.phase("early", "Failed")

    assert bench.state("early")["terminated"]["exitCode"] == 9


async def test_an_environment_without_the_runtime_fails_with_the_remedy(bench, environment):
    (environment.package / "__init__.py").write_text("import not_installed_here")
    await bench.start()
    _launch(bench, environment, "broken")

    await bench.phase("broken", "Failed")

    ended = bench.state("broken")["terminated"]
    assert ended["reason"] == "StartError"
    assert environment.python in ended["message"]
    assert "No module named 'not_installed_here'" in ended["message"]
    assert "pip install limosa" in ended["message"]


async def test_a_repaired_environment_works_at_once(bench, environment):
    (environment.package / "__init__.py").write_text("import not_installed_here")
    await bench.start()
    _launch(bench, environment, "broken")
    await bench.phase("broken", "Failed")

    (environment.package / "__init__.py").write_text("")
    environment.write("pass")
    _launch(bench, environment, "repaired")

    await bench.phase("repaired", "Succeeded")


async def test_an_environment_that_starts_threads_is_executed_instead(bench, environment):
    environment.write(
        "import os, sys; print(os.path.basename(open('/proc/self/cmdline').read().split(chr(0))[2]))",
        "import threading, time; threading.Thread(target=time.sleep, args=(600,), daemon=True).start()",
    )
    await bench.start()
    _launch(bench, environment, "run")

    await bench.phase("run", "Succeeded")

    assert await bench.log("run") == "limosa.runtime\n"


async def test_variables_for_the_interpreter_take_effect(bench, environment, tmp_path):
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra" / "only_here.py").write_text("VALUE = 5")
    environment.write("import only_here; print(only_here.VALUE)")
    await bench.start()
    _launch(bench, environment, "run", env=[{"name": "PYTHONPATH", "value": str(tmp_path / "extra")}])

    await bench.phase("run")

    assert await bench.log("run") == "5\n"


async def test_an_idle_interpreter_ends(bench, environment, monkeypatch):
    monkeypatch.setattr("limosa_sandbox.node.kubelet._TIDY_INTERVAL", 0.02)
    environment.write("import os; print(os.getppid())")
    await bench.start(zygote_idle=0.05)
    _launch(bench, environment, "run")
    await bench.phase("run", "Succeeded")
    zygote = int(await bench.log("run"))

    await bench.until(lambda: not os.path.exists(f"/proc/{zygote}"), "the end of the idle interpreter")

    _launch(bench, environment, "again")
    await bench.phase("again", "Succeeded")


async def test_pods_wait_together_for_a_slow_interpreter(bench, environment):
    environment.write("import os; print(os.getppid())", "import time; time.sleep(0.3)")
    await bench.start()
    for index in range(6):
        _launch(bench, environment, f"p{index}")
    await asyncio.gather(*(bench.phase(f"p{index}", "Succeeded") for index in range(6)))

    parents = {await bench.log(f"p{index}") for index in range(6)}
    assert len(parents) == 1
