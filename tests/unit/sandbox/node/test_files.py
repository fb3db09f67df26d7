"""What is decided from files and process tables: log tails, disk use, families of processes."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limosa_sandbox.node import disk, processes
from limosa_sandbox.node.logs import _tail_offset
from limosa_sandbox.node.processes import Process
from limosa_sandbox.node.volumes import VolumeNotSupportedError, materialise, mounts


@given(st.binary(max_size=60).map(lambda data: bytes(b"ab\n"[byte % 3] for byte in data)), st.integers(0, 8))
def test_a_tail_has_the_last_lines(tmp_path_factory, data, lines):
    path = tmp_path_factory.getbasetemp() / "log"
    path.write_bytes(data)

    tail = data[_tail_offset(path, lines) :]

    assert tail == b"".join(data.splitlines(keepends=True)[-lines:] if lines else [])


def test_a_tail_may_span_many_blocks(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"".join(b"%d " % index + b"x" * 997 + b"\n" for index in range(400)))

    assert path.read_bytes()[_tail_offset(path, 300) :].startswith(b"100 ")


def test_disk_limits_are_told_in_the_kubelets_words(tmp_path):
    (tmp_path / "volumes" / "v").mkdir(parents=True)
    (tmp_path / "volumes" / "v" / "file").write_bytes(b"x" * 10_000)

    assert disk.excess(tmp_path, Fraction(1 << 20), {"v": Fraction(1 << 20)}) == ""
    assert (
        disk.excess(tmp_path, None, {"v": Fraction(1 << 10)})
        == 'Usage of EmptyDir volume "v" exceeds the limit "1Ki". '
    )
    assert "total limit of containers 1Ki" in disk.excess(tmp_path, Fraction(1 << 10), {})


def test_a_pod_has_a_storage_limit_when_all_its_containers_have_one():
    limited = {"resources": {"limits": {"ephemeral-storage": "1Gi"}}}

    assert disk.storage_limit({"containers": [limited, limited]}) == 2 << 30
    assert disk.storage_limit({"containers": [limited, {}]}) is None
    assert disk.volume_limits(
        {"volumes": [{"name": "a", "emptyDir": {"sizeLimit": "1k"}}, {"name": "b"}]}
    ) == {"a": 1000}


def _process(pid: int, parent: int, session: int) -> Process:
    return Process(pid, parent, session, resident=pid, ticks=1, dead=False)


def test_a_family_is_descendants_and_session():
    table = [
        _process(10, 1, 10),
        _process(11, 10, 10),
        _process(12, 11, 12),
        _process(13, 1, 10),
        _process(14, 1, 14),
        _process(20, 1, 20),
    ]

    families = processes.families([10, 20, 99], table)

    assert {member.pid for member in families[10]} == {10, 11, 12, 13}
    assert {member.pid for member in families[20]} == {20}
    assert families[99] == []


def test_resident_sizes_suffice_below_the_limit():
    assert processes.held([_process(100, 1, 1), _process(50, 1, 1)], limit=1000) == 150


class _NoObjects:
    def data(self, kind, name):
        return None


def test_a_volume_of_another_kind_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(VolumeNotSupportedError) as raised:
        materialise(
            {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]}, tmp_path, _NoObjects()
        )

    assert 'volume "v" is of kind persistentVolumeClaim' in str(raised.value)
    assert "emptyDir" in str(raised.value)


def test_mounts_lead_to_folders_and_never_out_of_them(tmp_path):
    folders = materialise({"volumes": [{"name": "v", "emptyDir": {}}]}, tmp_path, _NoObjects())
    container = {
        "volumeMounts": [
            {"name": "v", "mountPath": "/a/"},
            {"name": "v", "mountPath": "/b", "subPath": "in/side"},
            {"name": "v", "mountPath": "/c", "subPath": "../../etc"},
        ]
    }

    assert mounts(container, folders) == {
        "/a": str(tmp_path / "v"),
        "/b": str(tmp_path / "v" / "in" / "side"),
    }
