import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from limosa_sandbox.supervisor.child import Child, ChildSpec
from limosa_sandbox.supervisor.ports import NAMES, choose_ports
from limosa_sandbox.supervisor.processes import find_process, kill_leftover, started_at
from limosa_sandbox.supervisor.readiness import NotReady, wait_http
from limosa_sandbox.supervisor.state import PartState


def test_ports_are_kept_while_they_are_free(tmp_path: Path) -> None:
    path = tmp_path / "ports.json"
    first = choose_ports(path)
    assert set(first) == set(NAMES)
    assert len(set(first.values())) == len(NAMES)
    assert choose_ports(path) == first
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", first["storage"]))
        taken.listen()
        second = choose_ports(path)
    assert second["storage"] != first["storage"]
    assert {name: port for name, port in second.items() if name != "storage"} == {
        name: port for name, port in first.items() if name != "storage"
    }
    assert json.loads(path.read_text()) == second


def test_only_the_process_that_was_recorded_is_killed() -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        started = started_at(process.pid)
        assert not kill_leftover(process.pid, started - 100)
        assert not kill_leftover(process.pid, 0)
        assert process.poll() is None
        assert find_process(process.pid, started) is not None
        assert kill_leftover(process.pid, started)
        assert find_process(process.pid, started) is None
    finally:
        process.kill()
        process.wait()
    assert not kill_leftover(process.pid, started)
    assert started_at(process.pid) == 0
    assert not kill_leftover(1, started_at(1))


async def test_waiting_ends_when_the_part_does() -> None:
    with pytest.raises(NotReady):
        await wait_http("http://127.0.0.1:1/", lambda: False, 60)
    with pytest.raises(NotReady):
        await wait_http("http://127.0.0.1:1/", lambda: True, 0)


async def test_waiting_takes_the_wanted_answer_only() -> None:
    answers = [b"HTTP/1.1 503 Busy\r\n\r\n", b"garbage\r\n", b"HTTP/1.1 200 OK\r\n\r\n"]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answers.pop(0))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await wait_http(f"http://127.0.0.1:{port}/readyz", lambda: True, 30)
    assert answers == []
    server.close()


def spec(tmp_path: Path, code: str) -> ChildSpec:
    return ChildSpec(
        "part", [sys.executable, "-c", code], dict(os.environ), tmp_path / "part.log", stop_timeout_s=0.5
    )


async def test_a_part_that_dies_is_started_again_until_it_is_stopped(tmp_path: Path) -> None:
    state = PartState()
    child = Child(spec(tmp_path, "print('up', flush=True)"), state, lambda: None)
    child.start()
    child.keep()
    while state.restarts < 2:
        await asyncio.sleep(0.02)
    await child.stop()
    count = (tmp_path / "part.log").read_text().count("up")
    assert count >= 2
    assert (state.state, state.pid) == ("stopped", 0)
    await asyncio.sleep(0.3)
    assert (tmp_path / "part.log").read_text().count("up") == count


async def test_a_part_that_will_not_end_is_killed_with_what_it_started(tmp_path: Path) -> None:
    code = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); print(p.pid, flush=True);"
        "time.sleep(600)"
    )
    child = Child(spec(tmp_path, code), PartState(), lambda: None)
    child.start()
    log = tmp_path / "part.log"
    while "\n" not in log.read_text():
        await asyncio.sleep(0.02)
    grandchild = int(log.read_text().split()[0])
    started = started_at(grandchild)
    await child.stop()
    assert not child.is_alive()
    limit = time.monotonic() + 30
    while find_process(grandchild, started) and time.monotonic() < limit:
        await asyncio.sleep(0.02)
    assert find_process(grandchild, started) is None


async def test_a_part_that_ends_while_starting_is_told_with_its_log(tmp_path: Path) -> None:
    child = Child(spec(tmp_path, "import sys; sys.exit('the port is taken')"), PartState(), lambda: None)
    child.start()
    while child.is_alive():
        await asyncio.sleep(0.02)
    message = str(child.failure())
    assert "part ended with exit code 1" in message
    assert "the port is taken" in message
    assert str(tmp_path / "part.log") in message
