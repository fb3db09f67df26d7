import pytest

from limosa_sandbox.cluster.storage import OPERATORS_LEASE, Storage
from limosa_sandbox.supervisor.bootstrap import forget_leader

LEASES = "leases.coordination.k8s.io"


@pytest.mark.parametrize("deleted", [False, True])
async def test_a_dead_operators_lease_is_there_and_nobodys(deleted: bool) -> None:
    """One that is missing would be waited for, as long as one that is held."""
    storage = Storage(None)
    held = {"spec": {"holderIdentity": "before_the_machine_started_anew"}}
    storage.patch(LEASES, "default", OPERATORS_LEASE, held)
    if deleted:
        storage.delete(LEASES, "default", OPERATORS_LEASE)
    forget_leader(storage)
    assert storage.get(LEASES, "default", OPERATORS_LEASE)["spec"]["holderIdentity"] == ""
