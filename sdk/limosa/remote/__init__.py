"""The client of admin: registering, running, watching and reading back, over gRPC and signed transfers.

What belongs here: calls, reconnecting, moving bytes with signed addresses, and one error type for what a server or
the network refuses. What does not: printing, exit codes, configuration files.
"""

from limosa.remote.client import Client
from limosa.remote.endpoint import Endpoint, Target
from limosa.remote.errors import RemoteError
from limosa.remote.transfer import ClientTransfer

__all__ = ["Client", "ClientTransfer", "Endpoint", "RemoteError", "Target"]
