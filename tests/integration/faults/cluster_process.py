"""A cluster with a node and nothing else: the sandbox's own, as a process that lives beside a sandbox and uses its store.

`python cluster_process.py FOLDER HOME ENDPOINT` writes FOLDER/kubeconfig and runs until it is killed.
"""

import asyncio
import sys
from fractions import Fraction
from pathlib import Path

from limosa_model.names import DEFAULT_PROJECT
from limosa_sandbox.cluster.server import serve
from limosa_sandbox.cluster.storage import Storage
from limosa_sandbox.node import NodeSettings, run_node
from limosa_sandbox.supervisor.bootstrap import bootstrap
from limosa_sandbox.supervisor.credentials import load_credentials
from limosa_sandbox.supervisor.home import Home
from limosa_sandbox.supervisor.projects import default_projects


async def main(folder: Path, home: Home, endpoint: str) -> None:
    projects = default_projects(DEFAULT_PROJECT)
    credentials = load_credentials(home, list(projects))
    storage = Storage(folder / "cluster")
    settings = NodeSettings.of_machine(folder / "node", cpu=Fraction(32), memory=16 << 30)
    node = await run_node(storage, settings)
    server = await serve(storage, node.log_reader, port=0, token=credentials.kubernetes_token)
    bootstrap(storage, projects, credentials, endpoint)
    server.write_kubeconfig(folder / "kubeconfig")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Home(Path(sys.argv[2])), sys.argv[3]))
