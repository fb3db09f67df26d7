"""Wheels on their way to the store: from folders and from an index, checked, once."""

import base64
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_admin import FakeAdmin, client_of, serving, store

from limosa import LimosaError, Packages
from limosa.origin import Origin
from limosa.packages.declaration import Declared
from limosa.packages.lock import PackageLock, Wheel
from limosa.packages.resolution import Resolved
from limosa.remote import ClientTransfer
from limosa.remote.wheels import upload_packages

DECLARED = Declared(Packages(["words"]), "flow.train", Origin("/flows/flow.py", 7), "/flows")
CREDENTIALS = "Basic " + base64.b64encode(b"me:s3 cret").decode()


@pytest.fixture
def admin() -> Iterator[FakeAdmin]:
    found = FakeAdmin()
    with store(found.uploaded) as url, serving(found) as port:
        found.store_url = url
        client = client_of(port)
        found.transfer = ClientTransfer(client)
        yield found
        found.transfer.close()
        client.close()


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """An index with a password over the folder of wheels; gives its address."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(tmp_path / "wheels"))  # type: ignore[arg-type]

        def do_GET(self) -> None:
            if self.headers["Authorization"] != CREDENTIALS:
                self.send_error(401)
            else:
                super().do_GET()

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def wheel(tmp_path: Path, make_wheel) -> Path:
    return make_wheel(tmp_path / "wheels", "words", "1.0", "")


def resolved(path: Path, address: str) -> Resolved:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    listed = Wheel("words", "1.0", path.name, digest)
    lock = PackageLock("3.11", "x86_64-manylinux_2_28", (listed,))
    return Resolved(lock, {digest: address}, DECLARED)


def test_a_wheel_of_a_folder_goes_by_its_content_and_only_once(admin: FakeAdmin, wheel: Path) -> None:
    one = resolved(wheel, wheel.as_uri())
    size = wheel.stat().st_size
    assert upload_packages(admin.transfer, [one, one], {}) == (1, size)
    (digest,) = one.sources
    assert admin.uploaded[f"/code/wheels/{digest}.whl"] == wheel.read_bytes()
    assert admin.uploaded[f"/code/packages/{one.lock.digest}.json"] == one.lock.text()
    wheel.unlink()
    assert upload_packages(admin.transfer, [one], {}) == (0, 0)


@pytest.mark.parametrize("variable", ["UV_INDEX", "NETRC"])
def test_an_index_is_shown_what_uv_shows_it(
    admin: FakeAdmin, wheel: Path, index: str, tmp_path: Path, variable: str
) -> None:
    (tmp_path / "netrc").write_text('machine 127.0.0.1 login me password "s3 cret"\n')
    with_password = "own=" + index.replace("//", "//me:s3%20cret@") + "/simple"
    environ = {"UV_INDEX": with_password, "NETRC": str(tmp_path / "netrc")}
    one = resolved(wheel, f"{index}/{wheel.name}")
    assert upload_packages(admin.transfer, [one], {variable: environ[variable]})[0] == 1
    assert next(iter(admin.uploaded.values())) == wheel.read_bytes()


def test_an_index_that_refuses_is_named_with_the_place_of_the_packages(
    admin: FakeAdmin, wheel: Path, index: str
) -> None:
    one = resolved(wheel, f"{index}/{wheel.name}")
    with pytest.raises(LimosaError, match=r"words-1.0-py3-none-any.whl cannot be had: ") as raised:
        upload_packages(admin.transfer, [one], {"NETRC": "/nowhere"})
    assert (raised.value.code, raised.value.place) == ("PackageIndex", "/flows/flow.py:7")
    assert raised.value.message.startswith("task flow.train: packages: ")
    assert ".netrc" in raised.value.remedy
    assert admin.uploaded == {}


def test_another_content_than_the_locks_goes_nowhere(admin: FakeAdmin, wheel: Path) -> None:
    one = resolved(wheel, wheel.as_uri())
    wheel.write_bytes(b"another")
    with pytest.raises(LimosaError, match="its lock says") as raised:
        upload_packages(admin.transfer, [one], {})
    assert raised.value.code == "PackageHash"
    assert admin.uploaded == {}
