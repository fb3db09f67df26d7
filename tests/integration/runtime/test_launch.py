"""Launches as processes: what a pod does, against a directory as the store."""

import hashlib
import os
import signal
import subprocess
import sys
import time

import pytest
from launch_rig import Pod

from limosa_idl.core.v1alpha1.failure_pb2 import FAILURE_KIND_SYSTEM, FAILURE_KIND_USER
from limosa_idl.core.v1alpha1.literal_pb2 import Blob, Literal, Offloaded
from limosa_idl.run.v1alpha1.run_pb2 import Commit, TerminationRecord
from limosa_model import layout, values
from limosa_model.pod_contract import decode_termination


def test_a_launch_commits_its_outputs_with_provenance_and_says_so(tmp_path):
    pod = Pod(tmp_path, "@task\ndef f(x: int) -> int:\n    print('hello'); return x + 1\n")
    assert pod.run(inputs={"x": values.integer(41)}) == 0, pod.output
    output = pod.commit.inline.literals["o0"]
    assert values.to_plain(output) == 42
    assert (output.provenance.node_path, output.provenance.launch_id) == ("n0", "launchaaaa")
    assert pod.last_word.outcome == TerminationRecord.OUTCOME_COMMITTED
    assert pod.last_word.outputs == pod.commit.inline
    assert pod.log == "hello\n"


def test_a_launch_that_comes_after_the_commit_never_runs_the_function(tmp_path):
    marks = "@task\ndef f() -> int:\n    open(os.environ['TMPDIR'] + '/ran', 'a').write('x'); return 1\n"
    pod = Pod(tmp_path, marks)
    assert pod.run() == 0, pod.output
    assert pod.run(launch=1, launch_id="launchbbbb") == 0
    assert pod.last_word.outcome == TerminationRecord.OUTCOME_SUPERSEDED
    assert (tmp_path / "ran").read_text() == "x"
    assert pod.run() == 0
    assert pod.last_word.outcome == TerminationRecord.OUTCOME_COMMITTED


def test_of_two_launches_at_once_one_result_counts(tmp_path):
    source = "@task\ndef f() -> str:\n    time.sleep(0.5); return str(os.getpid())\n"
    pod = Pod(tmp_path, source)
    one = pod.start(termination_path=str(tmp_path / "one"))
    two = pod.start(launch=1, launch_id="launchbbbb", termination_path=str(tmp_path / "two"))
    assert (one.wait(60), two.wait(60)) == (0, 0)
    words = [decode_termination((tmp_path / name).read_text()) for name in ("one", "two")]
    outcomes = sorted(word.outcome for word in words)
    assert outcomes == [TerminationRecord.OUTCOME_COMMITTED, TerminationRecord.OUTCOME_SUPERSEDED]
    for process in (one, two):
        process.stdout.close()


def test_an_exception_is_recorded_from_the_authors_first_frame(tmp_path):
    pod = Pod(tmp_path, "@task\ndef f(x: int) -> int:\n    return 1 // x\n")
    assert pod.run(inputs={"x": values.integer(0)}) == 1
    failure = pod.failure
    assert (failure.code, failure.retryable, failure.origin.task) == ("UserException", True, "flow.f")
    assert failure.exception.type == "ZeroDivisionError"
    assert [(frame.file, frame.line, frame.function) for frame in failure.exception.frames] == [
        ("flow.py", 6, "f")
    ]
    assert "limosa/runtime" not in failure.exception.traceback
    assert "ZeroDivisionError" in pod.log
    assert pod.last_word.failure.exception.type == "ZeroDivisionError"


FAILURES = {
    "wrong output type": (
        "@task\ndef f() -> int:\n    return 'x'\n",
        "BadOutput",
        "the result: expected int, got str 'x'",
    ),
    "sys.exit": ("@task\ndef f() -> int:\n    sys.exit(3)\n", "UserException", "SystemExit: 3"),
    "not installed": (
        "import surely_not_there\n@task\ndef f() -> int:\n    return 1\n",
        "ImportFailed",
        "surely_not_there",
    ),
    "import error": (
        "1 / 0\n@task\ndef f() -> int:\n    return 1\n",
        "ImportFailed",
        "importing flow failed: ZeroDivisionError",
    ),
    "no such task": ("@task\ndef g() -> int:\n    return 1\n", "TaskNotFound", "module flow has no 'f'"),
    "changed signature": ("@task\ndef f(y: int) -> int:\n    return y\n", "BadInput", "input 'y' is missing"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_each_fault_has_its_code_and_text(tmp_path, name):
    source, code, text = FAILURES[name]
    pod = Pod(tmp_path, source)
    assert pod.run() == 1, pod.output
    assert pod.failure.code == code
    assert text in pod.failure.message
    assert pod.last_word.failure.code == code


def test_a_failure_brings_its_remedy(tmp_path):
    pod = Pod(tmp_path, 'from limosa import ShellTask\nf = ShellTask("f", "true", outputs={"n": int})\n')
    assert pod.run() == 1, pod.output
    assert pod.failure.code == "Exited"
    assert pod.failure.remedy == pod.last_word.failure.remedy == "write it: … > {{ .outputs.n }}"


def test_another_python_refuses_before_anything_runs(tmp_path):
    pod = Pod(tmp_path, "@task\ndef f() -> int:\n    return 1\n")
    assert pod.run(python_version="2.7") == 1
    assert pod.failure.code == "PythonMismatch"
    assert "registered from Python 2.7" in pod.failure.message


def test_a_corrupt_bundle_is_refused(tmp_path):
    pod = Pod(tmp_path, "@task\ndef f() -> int:\n    return 1\n")
    pod.store.put(layout.code_key("demo", "development", pod.environment.bundle), b"not a bundle")
    assert pod.run() == 1
    assert pod.failure.code == "BundleCorrupt"


def test_a_missing_bundle_is_named(tmp_path):
    pod = Pod(tmp_path, "@task\ndef f() -> int:\n    return 1\n")
    pod.store.delete(layout.code_key("demo", "development", pod.environment.bundle))
    assert pod.run() == 1
    assert pod.failure.code == "BundleCorrupt"
    assert "is gone from the store" in pod.failure.message


def test_sigterm_is_reported_as_preemption_after_the_authors_clean_up(tmp_path):
    source = """
    @task
    def f() -> int:
        try:
            print("ready", flush=True)
            time.sleep(60)
        finally:
            print("cleaned up")
        return 1
    """
    pod = Pod(tmp_path, source)
    process = pod.start()
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 143
    assert "cleaned up" in output
    assert (pod.failure.code, pod.failure.retryable) == ("Preempted", True)


def test_sigterm_while_the_module_is_imported_is_preemption_too(tmp_path):
    pod = Pod(tmp_path, "print('ready', flush=True)\ntime.sleep(60)\n@task\ndef f() -> int:\n    return 1\n")
    process = pod.start()
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 143
    assert pod.failure.code == "Preempted"


def test_a_foreign_environment_does_nothing(tmp_path):
    environ = {"PATH": os.environ["PATH"], "LIMOSA_POD_CONTRACT": "99"}
    done = subprocess.run(
        [sys.executable, "-m", "limosa.runtime"], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 64
    assert "LIMOSA_POD_CONTRACT is '99'" in done.stderr


def test_a_pod_without_storage_says_where_it_comes_from(tmp_path):
    pod = Pod(tmp_path, "@task\ndef f() -> int:\n    return 1\n")
    environ = {**pod.environment.to_environ(), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-m", "limosa.runtime"], env=environ, capture_output=True, check=False
    )
    assert done.returncode == 64
    told = (tmp_path / "termination").read_text()
    assert "LIMOSA_STORAGE_URL" in told
    assert "Secret limosa-storage" in told


def test_the_contract_is_gone_before_the_authors_code_starts(tmp_path):
    source = (
        "@task\ndef f() -> list[str]:\n    return [k for k in os.environ if k.startswith('LIMOSA_POD_')]\n"
    )
    pod = Pod(tmp_path, source)
    assert pod.run() == 0, pod.output
    assert values.to_plain(pod.commit.inline.literals["o0"]) == []


def test_large_values_are_offloaded_and_come_back(tmp_path):
    pod = Pod(tmp_path, "@task\ndef f(x: list[int]) -> list[int]:\n    return x + list(range(100_000))\n")
    assert pod.run(inputs={"x": values.collection([])}) == 0, pod.output
    output = pod.commit.inline.literals["o0"]
    assert output.offloaded.length == 100_000
    again = Pod(tmp_path, "@task\ndef f(x: list[int]) -> int:\n    return sum(x)\n")
    assert again.run(node_path="n1", inputs={"x": output}) == 0, again.output
    commit = Commit.FromString(pod.store.get(layout.commit_key(pod.prefix, "n1", None)))
    assert values.to_plain(commit.inline.literals["o0"]) == sum(range(100_000))


def test_files_and_directories_travel(tmp_path):
    source = """
    class Read(NamedTuple):
        out: File
        text: str
    @task
    def f(path: File, folder: Directory) -> Read:
        names = sorted(os.listdir(folder.path))
        open("out.txt", "w").write(open(path.path).read() + ",".join(names))
        return Read(File("out.txt"), path.open().read())
    """
    make = """
    class Made(NamedTuple):
        file: File
        folder: Directory
    @task
    def f() -> Made:
        os.makedirs("d/e"); open("d/a.txt", "w").write("1"); open("d/e/b.txt", "w").write("2")
        open("in.txt", "w").write("text:")
        return Made(File("in.txt"), Directory("d"))
    """
    pod = Pod(tmp_path, make)
    assert pod.run() == 0, pod.output
    made = pod.commit.inline.literals
    assert made["folder"].blob.multipart
    assert made["folder"].blob.size == 2
    pod = Pod(tmp_path, source)
    assert pod.run(node_path="n1", inputs={"path": made["file"], "folder": made["folder"]}) == 0, pod.output
    outputs = Commit.FromString(pod.store.get(layout.commit_key(pod.prefix, "n1", None))).inline.literals
    assert pod.store.get(pod.store.key(outputs["out"].blob.uri)) == b"text:a.txt,e"
    assert values.to_plain(outputs["text"]) == "text:"


@pytest.mark.parametrize("name", ["a\\nb.txt", "n" * 201])
def test_a_file_whose_name_no_store_holds_is_the_author_s_to_rename(tmp_path, name):
    source = f"""
    @task
    def f() -> File:
        with open("{name}", "w") as out:
            out.write("x")
        return File("{name}")
    """
    pod = Pod(tmp_path, source)
    assert pod.run() == 1, pod.output
    assert pod.failure.code == "BadOutput"
    assert "the store cannot hold a file of the name" in pod.failure.message
    assert pod.failure.remedy.startswith("rename it: ")


@pytest.mark.parametrize("uri", ["s3://elsewhere/x", "https://example.invalid/x", "file:///etc/hostname"])
def test_a_file_that_lies_elsewhere_is_the_authors_to_upload(tmp_path, uri):
    pod = Pod(tmp_path, "@task\ndef f(x: File) -> str:\n    return x.open().read()\n")
    assert pod.run(inputs={"x": Literal(blob=Blob(uri=uri))}) == 1, pod.output
    assert pod.failure.code == "FileOutOfReach"
    assert (
        f"input 'x': {uri} does not lie in this platform's store ({pod.root}): download it"
        in pod.failure.message
    )


@pytest.mark.parametrize(
    ("kind", "read", "told"),
    [
        ("File", "x.open().read()", "there is no object"),
        ("File", "x.path", "there is no object"),
        ("Directory", "x.path", "nothing lies below"),
    ],
)
def test_an_address_where_nothing_lies_is_told_with_the_input(tmp_path, kind, read, told):
    pod = Pod(tmp_path, f"@task\ndef f(x: {kind}) -> str:\n    return {read}\n")
    uri = pod.store.uri("runs/no/such")
    literal = Literal(blob=Blob(uri=uri, multipart=kind == "Directory"))
    assert pod.run(inputs={"x": literal}) == 1, pod.output
    assert (pod.failure.kind, pod.failure.code) == (FAILURE_KIND_USER, "ObjectMissing")
    assert pod.failure.message == f"input 'x': {told} {uri}"
    assert "limosa outputs RUN" in pod.failure.remedy


def test_a_launch_waits_for_nobody_when_its_result_is_durable(tmp_path):
    source = """
    import threading
    @task
    def f() -> int:
        threading.Thread(target=time.sleep, args=(60,)).start()
        return 1
    """
    pod = Pod(tmp_path, source)
    began = time.monotonic()
    assert pod.run() == 0, pod.output
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    ("kind", "read"),
    [
        ("File", "open(x).read()"),
        ("File", "x.open().read()"),
        ("Directory", "str(os.listdir(x))"),
        ("str", "x"),
    ],
)
def test_data_that_the_store_changed_is_no_mistake_of_the_author(tmp_path, kind, read):
    pod = Pod(tmp_path, f"@task\ndef f(x: {kind}) -> str:\n    return {read}\n")
    text = values.string("a value")
    stored = text.SerializeToString() if kind == "str" else b"text"
    pod.store.put("other/it/file", stored[:-1] + b"!")
    digest = f"sha256:{hashlib.sha256(stored).hexdigest()}"
    if kind == "str":
        where = Offloaded(uri=pod.store.uri("other/it/file"), size=len(stored), digest=digest)
        literal = Literal(offloaded=where)
    else:
        many = kind == "Directory"
        uri = pod.store.uri("other/it" if many else "other/it/file")
        literal = Literal(blob=Blob(uri=uri, multipart=many), digest=digest)
    assert pod.run(inputs={"x": literal}) == 2
    assert (pod.failure.code, pod.failure.kind, pod.failure.retryable) == (
        "CorruptData",
        FAILURE_KIND_SYSTEM,
        False,
    )
    assert "other/it" in pod.failure.message
