"""One task as a pod runs it: a process of the runtime over a directory as the store."""

import os
import subprocess
import sys
import textwrap
from pathlib import PurePosixPath

from limosa.bundle import pack
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1.run_pb2 import Commit, ErrorRecord
from limosa_model import layout
from limosa_model.pod_contract import PodEnvironment, decode_termination
from limosa_store import StoreSettings, open_store

HEADER = "from limosa import task, File, Directory\nimport os, sys, time\nfrom typing import NamedTuple\n"


class Pod:
    """One task in one file, ready to be launched."""

    def __init__(self, tmp_path, source):
        self.tmp_path = tmp_path
        code = tmp_path / "src"
        code.mkdir(exist_ok=True)
        (code / "flow.py").write_text(HEADER + textwrap.dedent(source))
        self.root = f"file://{tmp_path}/store"
        self.store = open_store(StoreSettings(url=self.root))
        bundle = pack(code, [PurePosixPath("flow.py")])
        self.store.put(layout.code_key("demo", "development", bundle.digest), bundle.path)
        bundle.discard()
        self.prefix = layout.run_prefix("demo", "development", "run", "uid")
        self.environment = PodEnvironment(
            run_uid="uid",
            run_name="run",
            project="demo",
            domain="development",
            node_path="n0",
            index=None,
            launch=0,
            launch_id="launchaaaa",
            epoch="1.1",
            task="flow.f",
            loader="flow:f",
            bundle=bundle.digest,
            python_version=f"{sys.version_info.major}.{sys.version_info.minor}",
            storage_root=self.root,
            input_digest="sha256:0",
            inputs=LiteralMap(),
            termination_path=str(tmp_path / "termination"),
        )

    def start(self, command=(sys.executable, "-m", "limosa.runtime"), start_new_session=False, **changes):
        inputs = changes.pop("inputs", None)
        if inputs is not None:
            changes["inputs"] = LiteralMap(literals=inputs)
        self.launched = self.environment._replace(**changes)
        environ = {
            **self.launched.to_environ(),
            "LIMOSA_STORAGE_URL": self.root,
            "PATH": os.environ["PATH"],
            "TMPDIR": str(self.tmp_path),
        }
        return subprocess.Popen(
            command,
            env=environ,
            start_new_session=start_new_session,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.tmp_path,
        )

    def run(self, **changes):
        process = self.start(**changes)
        self.output, _ = process.communicate(timeout=60)
        return process.returncode

    @property
    def last_word(self):
        return decode_termination((self.tmp_path / "termination").read_text())

    @property
    def commit(self):
        return Commit.FromString(self.store.get(layout.commit_key(self.prefix, "n0", None)))

    @property
    def failure(self):
        key = layout.error_key(self.prefix, self.launched.launch_id)
        return ErrorRecord.FromString(self.store.get(key)).failure

    @property
    def log(self):
        keys = [info.key for info in self.store.list(layout.log_prefix(self.prefix, self.launched.launch_id))]
        return b"".join(self.store.get(key) for key in keys).decode()
