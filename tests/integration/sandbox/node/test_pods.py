"""Pods as real processes: how they end, what they are given, what is told of them."""

import asyncio
import base64
import contextlib
import json
import os
from pathlib import Path

from limosa.render.remedies import remedy_of
from limosa_sandbox.cluster.errors import ApiError

_TERMINATION = {"name": "TERMINATION", "value": "/dev/termination-log"}


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_status_tells_how_a_pod_ended(bench):
    await bench.start()
    bench.create("good", "echo hello; printf done > $TERMINATION", container={"env": [_TERMINATION]})
    bench.create("bad", "echo oops >&2; exit 7")

    good, bad = await bench.phase("good"), await bench.phase("bad")

    ended = good["status"]["containerStatuses"][0]["state"]["terminated"]
    assert good["status"]["phase"] == "Succeeded"
    assert (ended["exitCode"], ended["reason"], ended["message"]) == (0, "Completed", "done")
    assert ended["startedAt"] <= ended["finishedAt"]
    ended = bad["status"]["containerStatuses"][0]["state"]["terminated"]
    assert bad["status"]["phase"] == "Failed"
    assert (ended["exitCode"], ended["reason"]) == (7, "Error")
    assert "message" not in ended
    assert await bench.log("good") == "hello\n"
    assert await bench.log("bad") == "oops\n"


async def test_a_running_pod_is_running_and_ready(bench):
    await bench.start()
    bench.create("long", "sleep 60")

    pod = await bench.phase("long", "Running")

    assert "startedAt" in bench.state("long")["running"]
    conditions = {entry["type"]: entry["status"] for entry in pod["status"]["conditions"]}
    assert conditions["PodScheduled"] == conditions["Ready"] == conditions["Initialized"] == "True"
    assert pod["spec"]["nodeName"] == "sandbox"
    assert pod["status"]["startTime"]


async def test_a_death_by_signal_is_128_and_its_number(bench):
    await bench.start()
    bench.create("killed", "kill -KILL $$$$")

    await bench.phase("killed")

    assert bench.state("killed")["terminated"]["exitCode"] == 137
    assert bench.state("killed")["terminated"]["reason"] == "Error"


async def test_termination_messages_are_cut_and_fall_back_to_the_log(bench):
    await bench.start()
    bench.create(
        "long", "head -c 6000 /dev/zero | tr '\\0' x > $TERMINATION", container={"env": [_TERMINATION]}
    )
    bench.create(
        "fallback",
        "echo the last words; exit 1",
        container={"terminationMessagePolicy": "FallbackToLogsOnError"},
    )

    await bench.phase("long"), await bench.phase("fallback")

    assert bench.state("long")["terminated"]["message"] == "x" * 4096
    assert bench.state("fallback")["terminated"]["message"] == "the last words\n"


async def test_the_environment_is_the_specification_and_nothing_else(bench, monkeypatch):
    monkeypatch.setenv("SANDBOX_SECRET", "leak")
    await bench.start()
    bench.storage.create(
        "secrets", "default", {"metadata": {"name": "s"}, "stringData": {"key": "hidden", "B": "b"}}
    )
    bench.storage.create(
        "configmaps", "default", {"metadata": {"name": "c"}, "data": {"A": "a", "0-no-name": "x"}}
    )
    env = [
        {"name": "PLAIN", "value": "$(A)-$$(A)-$(NOWHERE)"},
        {"name": "HIDDEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "key"}}},
        {"name": "ABSENT", "valueFrom": {"secretKeyRef": {"name": "nope", "key": "key", "optional": True}}},
        {"name": "WHO", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "CORES", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
    ]
    bulk = [
        {"configMapRef": {"name": "c"}},
        {"secretRef": {"name": "s"}, "prefix": "S_"},
        {"secretRef": {"name": "nope", "optional": True}},
    ]
    bench.create("env", command=["/usr/bin/env", "-0"], container={"env": env, "envFrom": bulk})

    await bench.phase("env", "Succeeded")

    seen = dict(line.split("=", 1) for line in (await bench.log("env")).split("\0") if line)
    assert seen["PLAIN"] == "a-$(A)-$(NOWHERE)"
    assert (seen["HIDDEN"], seen["S_B"], seen["WHO"], seen["CORES"]) == ("hidden", "b", "env", "4")
    assert seen["CUDA_VISIBLE_DEVICES"] == ""
    assert set(seen) == {
        "PLAIN", "HIDDEN", "WHO", "CORES", "A", "S_key", "S_B", "PATH", "HOME", "TMPDIR", "LANG", "HOSTNAME",
        "CUDA_VISIBLE_DEVICES", "LIMOSA_SANDBOX_MOUNTS", "LIMOSA_SANDBOX_CONTAINER",
    }  # fmt: skip
    assert os.path.isdir(seen["HOME"])
    assert os.path.isdir(seen["TMPDIR"])


async def test_volumes_are_folders_and_paths_in_the_environment_lead_there(bench):
    await bench.start()
    bench.storage.create(
        "secrets", "default", {"metadata": {"name": "s"}, "stringData": {"password": "xyzzy"}}
    )
    spec = {
        "volumes": [
            {"name": "work", "emptyDir": {}},
            {"name": "key", "secret": {"secretName": "s", "items": [{"key": "password", "path": "a/b"}]}},
        ],
        "initContainers": [
            {
                "name": "before", "image": "x", "command": ["/bin/sh", "-c", "echo shared > $WORK/file"],
                "env": [{"name": "WORK", "value": "/work"}], "volumeMounts": [{"name": "work", "mountPath": "/work"}],
            }
        ],
    }  # fmt: skip
    mounts = [{"name": "work", "mountPath": "/data"}, {"name": "key", "mountPath": "/keys"}]
    env = [{"name": "HOME", "value": "/data"}, {"name": "KEY", "value": "/keys/a/b"}]
    bench.create(
        "mounted", "pwd; cat file $KEY; echo $LIMOSA_SANDBOX_MOUNTS",
        container={"volumeMounts": mounts, "env": env, "workingDir": "/data"}, **spec,
    )  # fmt: skip

    pod = await bench.phase("mounted", "Succeeded")

    where, shared, rest = (await bench.log("mounted")).split("\n", 2)
    folder = bench.directory / "pods" / pod["metadata"]["uid"] / "volumes" / "work"
    assert (where, shared) == (str(folder), "shared")
    assert rest.startswith("xyzzy")
    assert json.loads(rest[5:])["/data"] == str(folder)


async def test_a_missing_secret_holds_the_pod_until_it_appears(bench):
    await bench.start(config_interval=0.05)
    env = [{"name": "S", "valueFrom": {"secretKeyRef": {"name": "later", "key": "k"}}}]
    bench.create("waits", "test $S = here", container={"env": env})
    await bench.until(lambda: bench.state("waits")["waiting"]["reason"] == "CreateContainerConfigError")
    assert bench.state("waits")["waiting"]["message"] == 'secret "later" not found'
    assert bench.pod("waits")["status"]["phase"] == "Pending"

    bench.storage.create("secrets", "default", {"metadata": {"name": "later"}, "stringData": {"other": "x"}})
    await bench.until(
        lambda: "couldn't find key k in Secret default/later" in bench.state("waits")["waiting"]["message"]
    )
    data = {"data": {"k": base64.b64encode(b"here").decode()}}
    bench.storage.patch("secrets", "default", "later", data)

    await bench.phase("waits", "Succeeded")


async def test_a_missing_volume_source_holds_the_pod_too(bench):
    await bench.start(config_interval=0.05)
    bench.create("waits", "true", volumes=[{"name": "v", "configMap": {"name": "later"}}])
    await bench.until(lambda: 'configmap "later" not found' in bench.state("waits")["waiting"]["message"])

    bench.storage.create("configmaps", "default", {"metadata": {"name": "later"}, "data": {}})

    await bench.phase("waits", "Succeeded")


async def test_an_image_that_cannot_run_fails_and_has_its_remedy(bench):
    await bench.start()
    bench.create(
        "foreign", command=["python", "-m", "limosa.runtime"], container={"image": "pytorch/pytorch:2"}
    )
    bench.create("shell", command=["sh", "-c", "true"])
    bench.create("no-leave", "true", annotations={"limosa.dev/sandbox-host-process": "false"})

    for name, culprit, remedy in (
        ("foreign", 'image "pytorch/pytorch:2"', "Leave out container_image"),
        ("shell", 'command "sh -c true"', "limosa.testing.patch stands in"),
        ("no-leave", "/bin/sh", "limosa.testing.patch stands in"),
    ):
        pod = await bench.phase(name, "Failed")
        ended = bench.state(name)["terminated"]
        assert pod["status"]["reason"] == ended["reason"] == "ImageNotRunnable"
        assert culprit in ended["message"]
        assert remedy in remedy_of(ended["reason"], ended["message"])


async def test_a_program_that_does_not_exist_is_a_start_error(bench):
    await bench.start()
    bench.create("absent", command=["/no/such/program"])
    bench.create(
        "python", command=["python", "-c", "1"], annotations={"limosa.dev/sandbox-python": "/gone/bin/python"}
    )

    await bench.phase("absent", "Failed"), await bench.phase("python", "Failed")

    assert bench.state("absent")["terminated"]["reason"] == "StartError"
    assert "/no/such/program" in bench.state("absent")["terminated"]["message"]
    assert bench.pod("absent")["status"]["message"] == bench.state("absent")["terminated"]["message"]
    assert "/gone/bin/python" in bench.state("python")["terminated"]["message"]


async def test_a_volume_that_the_sandbox_does_not_have_is_a_start_error(bench):
    await bench.start()
    bench.create("claims", "true", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}])

    pod = await bench.phase("claims", "Failed")

    assert bench.state("claims")["terminated"]["reason"] == "StartError"
    assert "persistentVolumeClaim" in pod["status"]["message"]


async def test_a_machine_that_cannot_write_is_not_the_pods_fault(bench):
    await bench.start()
    bench.create("lucky", "true")
    await bench.phase("lucky", "Succeeded")
    (bench.directory / "pods").rename(bench.directory / "aside")
    (bench.directory / "pods").write_text("in the way")
    bench.create("unlucky", "true")

    pod = await bench.phase("unlucky", "Failed")

    assert bench.state("unlucky")["terminated"]["reason"] == "CreateContainerError"
    assert "cannot be written" in pod["status"]["message"]
    (bench.directory / "pods").unlink()


async def test_an_end_that_cannot_be_stored_is_told_later(bench, monkeypatch):
    monkeypatch.setattr("limosa_sandbox.node.pod._TELL_AGAIN", 0.02)
    await bench.start()
    bench.create("patient", "sleep 0.1")
    await bench.phase("patient", "Running")
    store, refusals = bench.storage.update, []

    def full(*arguments, **options):
        if len(refusals) < 3:
            refusals.append(arguments)
            raise ApiError(507, "no space left on device")
        return store(*arguments, **options)

    monkeypatch.setattr(bench.storage, "update", full)

    await bench.phase("patient", "Succeeded")
    assert len(refusals) == 3


async def test_init_containers_run_in_order_and_the_first_failure_ends_the_pod(bench):
    await bench.start()

    def container(name, script):
        return {"name": name, "image": "x", "command": ["/bin/sh", "-c", script], "env": [{"name": "W", "value": "/w"}],
                "volumeMounts": [{"name": "w", "mountPath": "/w"}]}  # fmt: skip

    volumes = [{"name": "w", "emptyDir": {}}]
    order = [container("one", "echo 1 >> $W/log"), container("two", "echo 2 >> $W/log")]
    bench.create("ordered", container=container("main", "cat $W/log"), initContainers=order, volumes=volumes)
    broken = [container("one", "exit 3"), container("two", "true")]
    bench.create("broken", container=container("main", "true"), initContainers=broken, volumes=volumes)

    await bench.phase("ordered", "Succeeded")
    pod = await bench.phase("broken", "Failed")

    assert await bench.log("ordered") == "1\n2\n"
    before = pod["status"]["initContainerStatuses"]
    assert before[0]["state"]["terminated"]["exitCode"] == 3
    assert "waiting" in before[1]["state"]
    assert bench.state("broken")["waiting"]["reason"] == "PodInitializing"


async def test_a_sidecar_runs_beside_the_pod_and_ends_with_it(bench):
    await bench.start()
    sidecar = {
        "name": "side", "image": "x", "restartPolicy": "Always",
        "command": ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.02; done"],
    }  # fmt: skip
    bench.create("paired", "sleep 0.1; exit 0", initContainers=[sidecar])

    pod = await bench.phase("paired", "Succeeded")

    side = pod["status"]["initContainerStatuses"][0]
    assert side["state"]["terminated"]["exitCode"] == 0
    assert side["restartCount"] == 0


async def test_a_container_is_started_again_as_its_policy_says(bench):
    await bench.start()
    volumes = [{"name": "w", "emptyDir": {}}]
    main = {
        "volumeMounts": [{"name": "w", "mountPath": "/w"}],
        "env": [{"name": "W", "value": "/w"}],
    }
    bench.create(
        "again", "echo try; echo x >> $W/n; test $(wc -l < $W/n) -ge 3",
        container=main, volumes=volumes, restartPolicy="OnFailure",
    )  # fmt: skip

    pod = await bench.phase("again", "Succeeded")

    status = pod["status"]["containerStatuses"][0]
    assert status["restartCount"] == 2
    assert status["lastState"]["terminated"]["exitCode"] == 1
    assert await bench.log("again", previous=True) == "try\n"


async def test_a_deadline_ends_the_pod(bench):
    await bench.start()
    bench.create("slow", "sleep 60", activeDeadlineSeconds=1, terminationGracePeriodSeconds=1)

    pod = await bench.phase("slow", "Failed")

    assert pod["status"]["reason"] == "DeadlineExceeded"
    assert bench.state("slow")["terminated"]["exitCode"] == 143


async def test_a_deleted_pod_may_end_in_order(bench):
    await bench.start()
    seen = []
    watch = bench.storage.watch("pods", bench.storage.version)
    bench.create("polite", "trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.02; done")
    await bench.until(lambda: _text(bench, "polite") == "ready\n")

    bench.storage.delete("pods", "default", "polite", grace_seconds=20)
    await bench.gone("polite")

    watch.close()
    async for type_, pod in watch:
        seen.append((type_, pod))
    assert seen[-1][0] == "DELETED"
    assert seen[-1][1]["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 5


async def test_a_deleted_pod_that_does_not_end_is_killed_with_its_children(bench):
    await bench.start()
    pod = bench.create("stubborn", "trap '' TERM; sleep 61 & echo $!; while :; do sleep 0.02; done")
    await bench.until(lambda: _text(bench, "stubborn"))
    child = int(_text(bench, "stubborn"))

    bench.storage.delete("pods", "default", "stubborn", grace_seconds=1)
    await bench.gone("stubborn")

    await bench.until(lambda: not _alive(child), "the end of the child")
    folder = bench.directory / "pods" / pod["metadata"]["uid"]
    await bench.until(lambda: not folder.exists(), "the removal of the pod's files")


async def test_a_forced_deletion_kills_at_once(bench):
    await bench.start()
    bench.create("forced", "trap '' TERM; echo $$$$; while :; do sleep 0.02; done")
    await bench.until(lambda: _text(bench, "forced"))
    pid = int(_text(bench, "forced"))

    bench.storage.delete("pods", "default", "forced", grace_seconds=0)

    await bench.until(lambda: not _alive(pid), "the end of the process")


async def test_what_a_container_leaves_behind_is_killed(bench):
    await bench.start()
    bench.create(
        "litter",
        "sleep 62 & echo $!; setsid sleep 63 & sleep 0.1; ps -o pid= -C sleep --sort=-start_time | head -1",
    )

    await bench.phase("litter", "Succeeded")

    left = [int(line) for line in (await bench.log("litter")).split()]
    assert len(left) == 2
    await bench.until(lambda: not any(_alive(pid) for pid in left), "the end of what was left")


async def test_more_memory_than_the_limit_is_an_oom_kill(bench):
    await bench.start(memory_interval=0.02)
    grow = [
        "python",
        "-c",
        "import time; x = bytearray(120 << 20); print('still here', flush=True); time.sleep(60)",
    ]
    child = [
        "python",
        "-c",
        "import subprocess, sys; subprocess.run([sys.executable, '-c', " + repr(grow[2]) + "])",
    ]
    limit = {"resources": {"limits": {"memory": "64Mi"}}}
    bench.create("greedy", command=grow, container=limit)
    bench.create("greedy-child", command=child, container=limit)
    bench.create("modest", command=["python", "-c", "x = bytearray(20 << 20)"], container=limit)

    for name in ("greedy", "greedy-child"):
        await bench.phase(name, "Failed")
        ended = bench.state(name)["terminated"]
        assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)
    await bench.phase("modest", "Succeeded")


async def test_more_disk_than_the_limit_is_an_eviction(bench):
    await bench.start(disk_interval=0.05)
    limit = {"resources": {"limits": {"ephemeral-storage": "1Mi"}}}
    bench.create("writer", "head -c 3000000 /dev/zero > $TMPDIR/big; sleep 60", container=limit)

    pod = await bench.phase("writer", "Failed")

    assert pod["status"]["reason"] == "Evicted"
    assert "exceeds the total limit of containers 1Mi" in pod["status"]["message"]


async def test_logs_can_be_followed_and_cut(bench):
    await bench.start()
    bench.create("talker", "for i in 1 2 3; do echo line $i; sleep 0.1; done")
    await bench.phase("talker", "Running")

    followed = await bench.log("talker", follow=True)

    assert followed == "line 1\nline 2\nline 3\n"
    assert await bench.log("talker", tail_lines=2) == "line 2\nline 3\n"
    assert await bench.log("talker", tail_lines=0) == ""
    assert await bench.log("talker", limit_bytes=6) == "line 1"
    stamped = (await bench.log("talker", timestamps=True)).splitlines()
    assert [line.split(" ", 1)[1] for line in stamped] == ["line 1", "line 2", "line 3"]


async def test_a_log_that_grows_too_long_keeps_its_end(bench, monkeypatch):
    monkeypatch.setattr("limosa_sandbox.node.kubelet._TIDY_INTERVAL", 0.02)
    await bench.start(log_limit=20_000)
    bench.create("chatty", "seq 100000 104999; sleep 0.5; echo end")

    await bench.phase("chatty", "Succeeded")

    lines = (await bench.log("chatty")).splitlines()
    assert "older part was dropped" in lines[0]
    assert lines[-2:] == ["104999", "end"]
    assert len(lines) < 1000


async def test_logs_of_a_container_that_waits_are_refused(bench):
    await bench.start(config_interval=0.05)
    bench.create("waits", "true", container={"envFrom": [{"secretRef": {"name": "nope"}}]})
    await bench.until(lambda: bench.state("waits")["waiting"]["reason"] == "CreateContainerConfigError")

    refused = None
    try:
        await bench.log("waits")
    except ApiError as error:
        refused = error

    assert refused is not None
    assert refused.code == 400
    assert "waiting to start" in refused.message


async def test_closing_the_node_ends_pods_and_leaves_nothing_running(bench):
    await bench.start()
    bench.create("long", "trap '' TERM; sleep 64 & echo $$$$ $!; wait; wait")
    await bench.until(lambda: _text(bench, "long"))
    pids = [int(pid) for pid in _text(bench, "long").split()]

    await bench.close()

    assert bench.pod("long")["status"]["phase"] == "Failed"
    assert bench.pod("long")["status"]["reason"] == "Terminated"
    assert not any(_alive(pid) for pid in pids)
    zygotes = [
        entry for entry in os.listdir("/proc") if entry.isdigit() and _is_zygote_of(entry, os.getpid())
    ]
    assert zygotes == []


async def test_trouble_is_told_by_events(bench):
    await bench.start(config_interval=0.02)
    bench.create("waits", "true", container={"envFrom": [{"secretRef": {"name": "nope"}}]})

    def told():
        events = bench.storage.list("events", "default")[0]
        return [event for event in events if event["count"] > 2]

    (event,) = await bench.until(told)
    assert (event["type"], event["reason"], event["message"]) == (
        "Warning",
        "Failed",
        'Error: secret "nope" not found',
    )


async def test_the_happy_path_is_told_when_wanted(bench):
    await bench.start(lifecycle_events=True)
    bench.create("good", "true")
    await bench.phase("good", "Succeeded")

    reasons = {event["reason"] for event in bench.storage.list("events", "default")[0]}

    assert {"Scheduled", "Started"} <= reasons


async def test_many_pods_at_once_all_end(bench):
    await bench.start(cpu=8)
    for index in range(40):
        bench.create(f"p{index}", "true", container={"resources": {"requests": {"cpu": "500m"}}})

    phases = await asyncio.gather(*(bench.phase(f"p{index}") for index in range(40)))

    assert {pod["status"]["phase"] for pod in phases} == {"Succeeded"}


def _text(bench, name) -> str:
    uid = bench.pod(name)["metadata"]["uid"]
    with contextlib.suppress(FileNotFoundError):
        return (bench.directory / "pods" / uid / "main.0" / "log").read_text()
    return ""


def _is_zygote_of(pid: str, parent: int) -> bool:
    with contextlib.suppress(OSError):
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(stat[1]) == parent and b"zygote.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False
