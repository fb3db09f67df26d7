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
    """One task `f` in one module, ready to be launched.

    Args:
        source: The module's text.
        header: What stands before it.
        module: The module's dotted name; the packages around it are made.
        contract: What differs in the pod's environment.
    """

    def __init__(self, tmp_path, source, header=HEADER, module="flow", **contract):
        self.tmp_path = tmp_path
        code = tmp_path / "src"
        file = (code / module.replace(".", "/")).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        for package in file.relative_to(code).parents[:-1]:
            (code / package / "__init__.py").write_text("")
        file.write_text(header + textwrap.dedent(source))
        self.root = f"file://{tmp_path}/store"
        self.store = open_store(StoreSettings(url=self.root))
        bundle = pack(code, [PurePosixPath(path.relative_to(code)) for path in sorted(code.rglob("*.py"))])
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
            task=f"{module}.f",
            loader=f"{module}:f",
            bundle=bundle.digest,
            python_version=f"{sys.version_info.major}.{sys.version_info.minor}",
            storage_root=self.root,
            input_digest="sha256:0",
            inputs=LiteralMap(),
            termination_path=str(tmp_path / "termination"),
        )._replace(**contract)

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
