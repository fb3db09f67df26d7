"""Resources: what a task asks of the cluster, in a notation short enough to type."""

from typing import TYPE_CHECKING

from limosa.errors import LimosaError

if TYPE_CHECKING:
    from typing import NoReturn

    from limosa_idl.task.v1alpha1.task_pb2 import ResourceList
    from limosa_idl.task.v1alpha1.task_pb2 import Resources as ResourcesSpec

_CALLED_ELSEWHERE = {
    "memory": "mem",
    "ram": "mem",
    "cpus": "cpu",
    "cores": "cpu",
    "gpus": "gpu",
    "storage": "disk",
    "ephemeral_storage": "disk",
}


class Resources:
    """What one pod of a task needs.

    A single value is request and limit alike for memory, GPUs and disk, and the request only for CPU, so that idle cores
    can be used. A pair is (request, limit).

    Examples:
        Resources(cpu="500m", mem="2Gi")
        Resources(cpu=(1, 4), mem=("1Gi", "2Gi"), gpu=1, disk="10Gi")
    """

    __slots__ = ("cpu", "disk", "gpu", "mem")

    def __init__(
        self,
        cpu: "float | str | tuple[float | str, float | str] | None" = None,
        mem: "str | tuple[str, str] | None" = None,
        gpu: "int | tuple[int, int] | None" = None,
        disk: "str | tuple[str, str] | None" = None,
        **unknown: "NoReturn",
    ) -> None:
        """Takes amounts; refuses what is none.

        Args:
            cpu: Cores: 2, 0.5 or "500m".
            mem: Memory with its unit: "512Mi", "2Gi".
            gpu: Whole devices.
            disk: Ephemeral storage with its unit: "10Gi".
            **unknown: Nothing: names of other tools are refused with the one that is meant here.

        Raises:
            LimosaError: An amount makes no sense; the remedy says how to write it.
        """
        for name in unknown:
            raise _unknown(name)
        self.cpu = cpu
        self.mem = mem
        self.gpu = gpu
        self.disk = disk
        self.sides()

    def __repr__(self) -> str:
        given = [f"{name}={getattr(self, name)!r}" for name in ("cpu", "mem", "gpu", "disk")]
        return f"Resources({', '.join(text for text in given if not text.endswith('=None'))})"

    def sides(self) -> "tuple[dict[str, str | int], dict[str, str | int]]":
        """Requests and limits by the names of ResourceList's fields."""
        requests: dict[str, str | int] = {}
        limits: dict[str, str | int] = {}
        for name, field in (("cpu", "cpu"), ("mem", "memory"), ("gpu", "gpu"), ("disk", "ephemeral_storage")):
            given = getattr(self, name)
            if given is None:
                continue
            if isinstance(given, tuple):
                if len(given) != 2:
                    raise _problem(
                        f"{name}={given!r} has {len(given)} values", "write a pair (request, limit)"
                    )
                requests[field], limits[field] = _amount(name, given[0]), _amount(name, given[1])
                _check_order(name, requests[field], limits[field])
            else:
                requests[field] = _amount(name, given)
                if name != "cpu":
                    limits[field] = requests[field]
        return requests, limits


def resources_spec(
    resources: Resources | None, requests: Resources | None, limits: Resources | None, accelerator: str | None
) -> "ResourcesSpec":
    """The spec of one task's or node's resources; `requests` and `limits` stand for one side each."""
    from limosa_idl.task.v1alpha1.task_pb2 import Resources as ResourcesSpec

    if resources is not None:
        wanted, capped = resources.sides()
    else:
        wanted = _one_side("requests", requests)
        capped = _one_side("limits", limits)
        for field in wanted.keys() & capped.keys():
            _check_order(field, wanted[field], capped[field])
    spec = ResourcesSpec(accelerator=accelerator or "")
    _fill(spec.requests, wanted)
    _fill(spec.limits, capped)
    return spec


def _fill(target: "ResourceList", amounts: "dict[str, str | int]") -> None:
    for field, amount in amounts.items():
        setattr(target, field, amount)


def _one_side(side: str, resources: Resources | None) -> "dict[str, str | int]":
    if resources is None:
        return {}
    for name in ("cpu", "mem", "gpu", "disk"):
        if isinstance(getattr(resources, name), tuple):
            raise _problem(
                f"{side}=Resources({name}=…) has a pair", "give one value; or resources= with the pair"
            )
    return resources.sides()[0]


def _amount(name: str, value: object) -> "str | int":
    if name == "gpu":
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise _problem(f"gpu={value!r} is no number of devices", "write a whole number, such as gpu=1")
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise _problem(f"{name}={value!r} is no quantity", _example(name))
    if name == "cpu" and not isinstance(value, str):
        if not 0.001 <= value < 10**6:
            raise _problem(f"cpu={value!r} is no number of cores", _example(name))
        return str(int(value)) if value == int(value) else f"{round(value * 1000)}m"
    if name != "cpu" and (not isinstance(value, str) or value.strip().isdigit()):
        unit = "Gi" if str(value).strip() == "1024" else "Mi"
        amount = "1" if unit == "Gi" else str(value).strip()
        raise _problem(f"{name}={value!r} has no unit", f"{value} bytes? write '{amount}{unit}'")
    return _quantity(name, str(value))


def _quantity(name: str, text: str) -> str:
    from limosa_model.quantity import QuantityError, parse_amount

    try:
        if parse_amount(name, text) <= 0:
            raise _problem(f"{name}={text!r} is not above zero", _example(name))
    except QuantityError as error:
        raise _problem(f"{name}={text!r}: {error}", _example(name)) from None
    return text.strip()


def _check_order(name: str, request: "str | int", limit: "str | int") -> None:
    from limosa_model.quantity import parse_quantity

    if parse_quantity(str(request)) > parse_quantity(str(limit)):
        raise _problem(
            f"{name}: the request {request} is above the limit {limit}", "a pair is (request, limit)"
        )


def _unknown(name: str) -> LimosaError:
    from limosa_model.interfaces import suggest

    meant = _CALLED_ELSEWHERE.get(name)
    remedy = f"did you mean '{meant}'?" if meant else suggest(name, ("cpu", "mem", "gpu", "disk"))
    return _problem(f"Resources has no '{name}'", remedy)


def _example(name: str) -> str:
    return {
        "cpu": "write cores, such as cpu=0.5, cpu=2 or cpu='500m'",
        "mem": "write memory with its unit, such as mem='512Mi' or mem='2Gi'",
        "disk": "write disk with its unit, such as disk='10Gi'",
    }[name]


def _problem(message: str, remedy: str) -> LimosaError:
    from limosa.origin import caller

    return LimosaError("BadResources", message, str(caller()), remedy)
